"""What the documents tell a person to type is what the programs understand."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click
import pytest

from server.bootstrap.main import huidian_server
from terminal.bootstrap import cli as huidian_terminal

ROOT: Final = Path(__file__).resolve().parents[2]
DOCUMENTS: Final = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
PROGRAMS: Final = {"server": huidian_server, "terminal": huidian_terminal}
CODE: Final = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
CALL: Final = re.compile(r"huidian-(server|terminal)((?: +[^\s`|&;#]+)+)")
TABLE_ROW: Final = re.compile(r"^\| (`.*?) \|", re.MULTILINE)


def calls(text: str) -> Iterator[tuple[str, list[str]]]:
    """Each program that a document's code calls, with its words."""
    for code in CODE.findall(text):
        for name, words in CALL.findall(re.sub(r"sudo -u \S+ ", "", code)):
            yield name, words.replace("\\|", " ").split()


def rows(text: str) -> Iterator[list[str]]:
    """The server's commands in the table of docs/operating.md."""
    for row in TABLE_ROW.findall(text):
        for code in re.findall(r"`([^`]+)`", row):
            words = code.replace("\\|", " ").replace("[", " ").replace("]", " ").split()
            if words[0] in huidian_server.commands:
                yield words


def unknown(program: click.Command, words: list[str]) -> list[str]:
    """Of one call, what the program does not know: a command, a subcommand or an option."""
    context = click.Context(program)
    known = {option for one in program.params for option in (*one.opts, *one.secondary_opts)}
    left = iter(words)
    for word in left:
        if word in {"--config", "--data"}:
            next(left, None)
        elif word.startswith("--"):
            if word.rstrip(".,:…") not in known | {"--help"}:
                return [word]
        elif isinstance(program, click.Group):
            if not re.fullmatch(r"[a-z-]+", word):
                return []
            found = program.get_command(context, word)
            if found is None:
                return [word]
            program = found
            known |= {option for one in program.params for option in one.opts + one.secondary_opts}
    return []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda each: each.name)
def test_every_command_and_option_in_a_document_exists(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    wrong = [(name, *words) for name, words in calls(text) if unknown(PROGRAMS[name], words)]
    assert wrong == []


def test_the_table_of_the_servers_commands_names_commands_that_exist() -> None:
    text = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
    found = list(rows(text))
    assert len(found) > 60
    assert [words for words in found if unknown(huidian_server, words)] == []


def test_a_misspelt_command_or_option_is_found() -> None:
    (call,) = calls("`huidian-server --config x.toml terminal reopn T --reason R`")
    assert unknown(huidian_server, call[1]) == ["reopn"]
    (call,) = calls("```sh\nhuidian-terminal enrol --cod XXXX\n```")
    assert unknown(huidian_terminal, call[1]) == ["--cod"]
