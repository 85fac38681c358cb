"""The house rules that no linter knows, held over every file of the project."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import grimp
import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGES: Final = ("protocol", "config", "drivers", "terminal", "server", "demo")
LINES_MAX: Final = 500
FUNCTION_LINES_MAX: Final = 70
MONEY: Final = re.compile(r"points|fen|yuan|amount", re.IGNORECASE)
# What a reader gets instead of a reason: a code and nothing after it.
SILENCED: Final = re.compile(r"#\s*(?:noqa|type:\s*ignore|pragma: no cover)\b(?P<rest>[^#]*)")
SILENCED_CODES: Final = re.compile(r"^(?::\s*[A-Z]+[0-9]+(?:,\s*[A-Z]+[0-9]+)*|\[[a-z0-9, -]+\])")
# Written in two parts, as this file is read by the rule itself.
REGISTRIES: Final = re.compile(
    "|".join(
        (
            r"pypi\.(?:org|python)" + r"\b",
            r"files\.python" + r"hosted",
            r"registry\.npm" + r"js",
            r"(?:extra-)?index" + r"-url\s*=",
            r"/(?:pypi|simple)/" + r"simple",
            r"tuna\.tsing" + r"hua",
            r"mirrors\.ali" + r"yun",
        )
    )
)


# What running the project leaves in its folder, and git ignores.
LEFT_BEHIND: Final = frozenset(
    {
        ".git",
        ".venv",
        "build",
        "dist",
        "var",
        "test-artefacts",
        "node_modules",
        "packed",
        "__pycache__",
    }
)


def project_files() -> list[Path]:
    """Every file of the project, found without git, so that an unpacked archive can be tested."""
    found = []
    for folder, inside, names in os.walk(ROOT):
        inside[:] = [
            name
            for name in inside
            if name not in LEFT_BEHIND and not name.endswith(("_cache", ".egg-info", ".hypothesis"))
        ]
        found += [Path(folder) / name for name in names]
    return sorted(found)


def sources(*folders: str) -> list[Path]:
    return sorted(file for folder in folders for file in (ROOT / folder).rglob("*.py"))


PACKAGE_FILES: Final = sources(*PACKAGES)
PYTHON_FILES: Final = sources(*PACKAGES, "bench", "tests")
# Written by alembic from the tables, once, and never read as prose.
GENERATED: Final = ROOT / "server" / "db" / "migrations" / "versions"
TREES: Final = {file: ast.parse(file.read_text(encoding="utf-8")) for file in PYTHON_FILES}


def place(file: Path, line: int) -> str:
    return f"{file.relative_to(ROOT)}:{line}"


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def lines_where(pattern: re.Pattern[str], files: list[Path]) -> list[str]:
    return [
        place(file, number)
        for file in files
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1)
        if pattern.search(line)
    ]


def test_the_rules_have_something_to_hold() -> None:
    assert len(PACKAGE_FILES) > 10
    assert all((ROOT / name).is_dir() for name in PACKAGES)


def test_no_file_is_too_long_to_be_read_at_once() -> None:
    long = {
        str(file.relative_to(ROOT)): count
        for file in PACKAGE_FILES
        if (count := len(file.read_text(encoding="utf-8").splitlines())) > LINES_MAX
        and file.parent != GENERATED
    }
    assert long == {}


def test_no_function_is_longer_than_seventy_lines() -> None:
    long = [
        f"{place(file, function.lineno)} {function.name}"
        for file, tree in TREES.items()
        for function in functions(tree)
        if (function.end_lineno or 0) - function.lineno + 1 > FUNCTION_LINES_MAX
        and file.parent != GENERATED
    ]
    assert long == []


def test_no_import_is_hidden_from_the_doors_by_type_checking() -> None:
    hidden = [
        place(file, node.lineno)
        for file, tree in TREES.items()
        for node in ast.walk(tree)
        if (isinstance(node, ast.Name) and node.id == "TYPE_CHECKING")
        or (isinstance(node, ast.Attribute) and node.attr == "TYPE_CHECKING")
    ]
    assert hidden == []


def test_no_import_stands_inside_a_function_without_a_reason() -> None:
    hidden = []
    for file in PACKAGE_FILES:
        lines = file.read_text(encoding="utf-8").splitlines()
        for function in functions(TREES[file]):
            for node in ast.walk(function):
                if isinstance(node, ast.Import | ast.ImportFrom):
                    line = lines[node.lineno - 1]
                    if "noqa: PLC0415 - " not in line:
                        hidden.append(place(file, node.lineno))
    assert hidden == []


def test_no_bare_except_swallows_everything() -> None:
    bare = [
        place(file, node.lineno)
        for file, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler) and node.type is None
    ]
    assert bare == []


def test_no_money_and_no_points_pass_through_a_float() -> None:
    floats = [
        place(file, number)
        for file in sources("protocol", "terminal", "server")
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1)
        if "float(" in line and MONEY.search(line)
    ]
    assert floats == []


@pytest.mark.parametrize("folder", ["protocol", "terminal", "server"])
def test_no_field_named_as_money_is_typed_as_a_float(folder: str) -> None:
    typed = [
        place(file, node.lineno)
        for file in sources(folder)
        for node in ast.walk(TREES[file])
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and MONEY.search(node.target.id)
        and any(
            isinstance(part, ast.Name) and part.id == "float" for part in ast.walk(node.annotation)
        )
    ]
    assert typed == []


def unreasoned(line: str) -> bool:
    """Whether a line silences a tool without saying which rule and why."""
    for found in SILENCED.finditer(line):
        rest = found["rest"].strip()
        codes = SILENCED_CODES.match(rest)
        if codes is None:
            return True
        reason = rest[codes.end() :].strip(" -–—:")
        following = line[found.end() :].lstrip("# ")
        if not reason and (not following or SILENCED.match("# " + following)):
            return True
    return False


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("x = 1  # noq" + "a", True),
        ("x = 1  # noq" + "a: S101", True),
        ("x = 1  # type: igno" + "re", True),
        ("x = 1  # type: igno" + "re[arg-type]", True),
        ("x = 1  # noq" + "a: S101 - an invariant", False),
        ("x = 1  # type: igno" + "re[arg-type]  # the library has no types", False),
        ("x = 1  # a plain remark", False),
    ],
)
def test_a_reason_is_told_from_none(line: str, *, expected: bool) -> None:
    assert unreasoned(line) is expected


def test_whoever_silences_a_tool_says_which_rule_and_why() -> None:
    silent = [
        place(file, number)
        for file in PYTHON_FILES
        if file != Path(__file__)
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1)
        if unreasoned(line)
    ]
    assert silent == []


def test_no_file_names_the_address_of_a_package_registry() -> None:
    named = []
    for file in project_files():
        try:
            text = file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # pictures and receipt bytes
        if file != Path(__file__) and (found := REGISTRIES.search(text)):
            named.append(place(file, text.count("\n", 0, found.start()) + 1))
    assert named == []


def test_every_version_is_held_and_every_requirement_is_among_them() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    held = [line for line in lines if not line.startswith("#")]
    exact = re.compile(r"(?P<name>[A-Za-z0-9._-]+)==[0-9][0-9A-Za-z.]*")
    assert [line for line in held if not exact.fullmatch(line)] == []
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    asked = [
        *project["build-system"]["requires"],
        *project["project"]["dependencies"],
        *(one for extra in project["project"]["optional-dependencies"].values() for one in extra),
    ]
    names = {normal_name(re.split(r"[\[><=~! ;]", one)[0]) for one in asked} - {"huidian"}
    assert names - {normal_name(line.split("==")[0]) for line in held} == set()


def normal_name(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_documents_mention_every_room() -> None:
    rooms = sorted(
        {file.relative_to(ROOT).parts[0] for file in project_files() if file.parent != ROOT}
    )
    for document in ("README.md", "README.zh-CN.md", "ARCHITECTURE.md"):
        text = (ROOT / document).read_text(encoding="utf-8")
        assert [room for room in rooms if room not in text] == [], document


def test_the_one_way_doors_hold() -> None:
    ran = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "0 broken" in ran.stdout


def test_no_module_imports_itself_in_a_circle() -> None:
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    circles = []
    for module in sorted(graph.modules):
        for imported in sorted(graph.find_modules_directly_imported_by(module)):
            back = graph.find_shortest_chain(imported, module) if imported != module else None
            if back:
                circles.append(" > ".join((module, *back)))
    assert circles == []


def strings(catalogue: Catalog) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Every message that has an id, its singular and plural side by side."""
    return {as_tuple(one.id): as_tuple(one.string) for one in catalogue if one.id}


def as_tuple(text: str | list[str] | tuple[str, ...] | None) -> tuple[str, ...]:
    return (text or "",) if isinstance(text, str | None) else tuple(text)


def test_every_translation_is_complete_and_compiled_after_its_last_change() -> None:
    for po_file in (file for file in project_files() if file.suffix == ".po"):
        with po_file.open("rb") as stream:
            written = read_po(stream)
        with po_file.with_suffix(".mo").open("rb") as stream:
            compiled = read_mo(stream)
        assert strings(compiled) == strings(written), po_file
        assert [one.id for one in written if one.id and one.fuzzy] == [], po_file
        assert [says for says, said in strings(written).items() if not all(said)] == [], po_file
