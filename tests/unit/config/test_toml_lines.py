"""The line of every key, whatever way TOML offers to write it."""

import tomllib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.toml_lines import key_lines

EVERYTHING = '''\
a = 1
"quoted key" = "a # no comment" # a comment = 5
b.c.d = [1, [2, 3],
  "four]",  # ] a bracket
  { e = 5, f = { g = 6 } },
]
text = """
[not.a.table]
x = 1 \\"""
"""
raw = \'\'\'
[[nor]] this'''
EVERYTHING += """'''
day = 2024-04-01 12:00:00

[table.inner] # here
h = 7
  [[rows]]
  name = "first"
  [[rows]]
  name = "second"
  [rows.sub]
  deep = true
  [[rows.many]]
  z = 1
  [[rows.many]]
  z = 2
[last]
"""


def test_each_way_of_writing_a_key_has_its_line() -> None:
    lines = key_lines(EVERYTHING)
    assert {path: lines[path] for path in lines if path[0] in {"a", "quoted key", "b"}} == {
        ("a",): 1,
        ("quoted key",): 2,
        ("b",): 3,
        ("b", "c"): 3,
        ("b", "c", "d"): 3,
        ("b", "c", "d", 0): 3,
        ("b", "c", "d", 1): 3,
        ("b", "c", "d", 1, 0): 3,
        ("b", "c", "d", 1, 1): 3,
        ("b", "c", "d", 2): 4,
        ("b", "c", "d", 3): 5,
        ("b", "c", "d", 3, "e"): 5,
        ("b", "c", "d", 3, "f"): 5,
        ("b", "c", "d", 3, "f", "g"): 5,
    }
    expected = EVERYTHING.splitlines()
    assert expected[lines["rows", 1, "name"] - 1].strip() == 'name = "second"'
    assert expected[lines["rows", 1, "sub", "deep"] - 1].strip() == "deep = true"
    assert expected[lines["rows", 1, "many", 1, "z"] - 1].strip() == "z = 2"
    assert expected[lines["table", "inner"] - 1] == "[table.inner] # here"
    assert expected[lines["last",] - 1] == "[last]"
    assert ("not",) not in lines
    assert ("x",) not in lines
    assert ("nor",) not in lines


def paths(value: Any, here: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
    found = {here} if here else set()
    if isinstance(value, dict):
        for key, inner in value.items():
            found |= paths(inner, (*here, key))
    if isinstance(value, list):
        for number, inner in enumerate(value):
            found |= paths(inner, (*here, number))
    return found


def test_exactly_the_paths_that_tomllib_reads_are_found() -> None:
    missed = {("table",), ("b", "c")} | {("b",)}
    assert paths(tomllib.loads(EVERYTHING)) - missed == set(key_lines(EVERYTHING)) - missed


keys = st.text("abc-_1", min_size=1, max_size=3)
scalars = st.sampled_from(
    ["1", "true", "2024-04-01", '"x"', '"\\""', "'#'", "'''q''q'''", '"""a"b"""', "1.5"]
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda some: "[\n" + ", # c ]\n".join(some) + "\n]"),
        st.dictionaries(keys, inner, max_size=3).map(
            lambda some: "{" + ", ".join(f"{key} = {one}" for key, one in some.items()) + "}"
        ),
    ),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(keys, values, max_size=4), st.dictionaries(keys, values, max_size=3))
def test_any_document_gives_exactly_its_own_paths(
    top: dict[str, str], table: dict[str, str]
) -> None:
    pairs = [f"{key} = {value}" for key, value in top.items()]
    rows = [f"{key} = {value}" for key, value in table.items()]
    text = "\n\n".join([*pairs, "[[zz]]", *rows, "[[zz]]", *rows]) + "\n"
    try:
        read = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        pytest.fail(f"the test wrote bad TOML: {text}")
    lines = key_lines(text)
    assert set(lines) == paths(read)
    written = text.split("\n")
    for key in top:
        assert written[lines[key,] - 1].startswith(f"{key} =")
