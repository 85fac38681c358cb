"""docs/statements.md is held to what the program does."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from protocol.keys import public_key_text
from server.exports.seal import StatementFormat
from server.exports.tables import tables_of
from tests.unit.exports.conftest import OTHER_KEY, ROOT_KEY, exported
from tests.unit.exports.example import example

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "docs" / "statements.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def checker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    (program,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    path = tmp_path_factory.mktemp("third-party") / "check.py"
    path.write_text(program, encoding="utf-8")
    return path


def said(checker: Path, key: str, file: Path) -> tuple[int, str]:
    """What the document's program says of a file, away from the project."""
    ran = subprocess.run(
        [sys.executable, "-I", checker, key, file],
        cwd=checker.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return ran.returncode, ran.stdout + ran.stderr


@pytest.mark.parametrize("kind", list(StatementFormat))
def test_the_documents_own_program_checks_a_file(
    kind: StatementFormat, checker: Path, tmp_path: Path, cjk_font: Path
) -> None:
    ours, other = (public_key_text(key.public_key()) for key in (ROOT_KEY, OTHER_KEY))
    made = exported(example(), kind)
    file = tmp_path / made.name
    file.write_bytes(made.content)
    assert said(checker, ours, file) == (0, f"whole: {made.seal.statement} {made.seal.code}\n")
    assert said(checker, other, file)[0] == 1
    altered = bytearray(made.content)
    altered[len(altered) // 3] ^= 4
    file.write_bytes(altered)
    assert said(checker, ours, file) == (1, "altered\n")


def test_the_document_lists_every_table_and_every_column() -> None:
    listed = {
        name: re.findall(r"`([a-z_]+)`", columns)
        for name, columns in re.findall(r"^\| `([a-z]+)` \| (.*) \|$", TEXT, re.MULTILINE)
    }
    shown = {table.key: [column.key for column in table.columns] for table in tables_of(example())}
    assert listed == shown
