"""Statements as files, as a person at the server's machine gets and checks them: real books."""

import json
import os
import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Engine

from protocol.keys import public_key_text
from server.commands import statement_files
from server.db import create_all, metadata, open_engine, reading
from server.exports.canonical import payload_of
from server.exports.json_file import read_document
from server.settlement import statements_of
from server.settlement.document import document_of
from tests.unit.audit.pool_world import PoolWorld, small_history
from tests.unit.exports.machine import Machine
from tests.unit.exports.read_back import (
    TABLES,
    csv_tables,
    expected_rows,
    expected_summary,
    pdf_text,
    xlsx_tables,
)

KINDS = ("pdf", "xlsx", "csv", "json")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, cjk_font: Path) -> Iterator[PoolWorld]:
    """A pool with four statements of two merchants; the tests only read it."""
    engine = _opened(f"sqlite:///{tmp_path_factory.mktemp('pool')}/pool.db")
    built = PoolWorld(engine)
    small_history(built)
    yield built
    engine.dispose()


def _opened(url: str) -> Engine:
    engine = open_engine(url)
    create_all(engine, metadata)
    return engine


@pytest.fixture
def machine(world: PoolWorld, tmp_path: Path) -> Machine:
    return Machine(world, tmp_path)


def ids(world: PoolWorld) -> list[str]:
    with reading(world.engine) as tx:
        return [each.statement for each in statements_of(tx, world.pool)]


def written(machine: Machine, folder: Path, statement: str, kind: str) -> Path:
    path = folder / f"{statement}.{kind}"
    result = machine.run("export", statement, "--to", path)
    assert result.exit_code == 0, result.output
    assert path.is_file()
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_every_statement_is_exported_and_verified_whole(
    machine: Machine, world: PoolWorld, tmp_path: Path, kind: str
) -> None:
    for statement in ids(world):
        path = written(machine, tmp_path, statement, kind)
        result = machine.run("verify", path)
        assert (result.exit_code, result.stdout.split()[:2]) == (0, ["完整", "whole:"])
        assert statement in result.stdout
        assert "与账上一致" in result.stdout


def test_all_four_say_what_the_books_say(
    machine: Machine, world: PoolWorld, tmp_path: Path
) -> None:
    compared = 0
    for statement in ids(world):
        with reading(world.engine) as tx:
            document = document_of(tx, world.pool, statement)
        assert document is not None
        files = {kind: written(machine, tmp_path, statement, kind).read_bytes() for kind in KINDS}
        assert read_document(files["json"]) == document
        sheets, rows = xlsx_tables(files["xlsx"]), csv_tables(files["csv"])
        for table in TABLES:
            assert len(sheets[table]) == len(rows[table]) == len(getattr(document, table))
        wanted = expected_rows(document, "lines")
        figures = [key for key in wanted[0] if key.endswith("_yuan")]
        for key in figures:
            column = [row[key] for row in wanted]
            assert [row[key] for row in sheets["lines"]] == column
            assert [row[key] for row in rows["lines"]] == [f"{fen:.2f}" for fen in column]
            compared += len(column)
        net = expected_summary(document)["net"]
        assert f"本期净额{net:,.2f}" in pdf_text(files["pdf"])
    assert compared > 20


def test_an_altered_file_and_a_foreign_one_have_their_exit_statuses(
    machine: Machine, world: PoolWorld, tmp_path: Path
) -> None:
    path = written(machine, tmp_path, ids(world)[0], "pdf")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    altered = machine.run("verify", path)
    assert (altered.exit_code, altered.stdout.split()[0]) == (1, "已被改动")
    path.write_bytes(b"%PDF-1.4\n%%EOF\n")
    assert machine.run("verify", path).exit_code == 2
    assert machine.run("verify", tmp_path / "nothing.pdf").exit_code == 2
    assert machine.run("verify", "/dev/null").exit_code == 2
    told = json.loads(machine.run("verify", path, "--json").stdout)
    assert (told["verdict"], told["statement"], told["as_on_the_books"]) == ("unknown", None, None)


def test_without_a_pool_a_file_is_judged_by_a_key_and_never_called_altered(
    machine: Machine, world: PoolWorld, tmp_path: Path
) -> None:
    path = written(machine, tmp_path, ids(world)[0], "csv")
    elsewhere = Machine(None, tmp_path / "empty")
    assert elsewhere.run("verify", path).exit_code == 2
    key = machine.run("key").stdout.split()[0]
    assert key == public_key_text(world.root.public_key())
    result = elsewhere.run("verify", path, "--key", key)
    assert result.exit_code == 0
    assert "账上" not in result.stdout
    other = public_key_text(Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key())
    assert elsewhere.run("verify", path, "--key", other).exit_code == 2
    for nonsense in ("ed25519:x", "", "ssh-ed25519 AAAA"):
        assert elsewhere.run("verify", path, "--key", nonsense).exit_code == 2


def test_a_code_typed_from_paper_finds_the_figures_of_the_books(
    machine: Machine, world: PoolWorld, tmp_path: Path
) -> None:
    for statement in ids(world):
        told = json.loads(
            machine.run("verify", written(machine, tmp_path, statement, "csv"), "--json").stdout
        )
        result = machine.run("lookup", told["code"].lower().replace("-", " "))
        assert result.exit_code == 0, result.output
        assert statement in result.stdout
        with reading(world.engine) as tx:
            document = document_of(tx, world.pool, statement)
        assert document is not None
        assert f"{abs(document.net_fen) // 100:,}." in result.stdout
        # The right statement with another content: its figures, and a warning.
        wrong = told["code"][:-1] + ("0" if told["code"][-1] != "0" else "1")
        warned = machine.run("lookup", wrong)
        assert warned.exit_code == 1
        assert statement in warned.stdout
        assert "内容与核对码不符" in warned.stderr
    assert machine.run("lookup", "0000-0000-0000-0000").exit_code == 1
    assert "四组" in machine.run("lookup", "0000").stderr


def test_what_cannot_be_exported_is_refused_and_nothing_is_overwritten(
    machine: Machine, world: PoolWorld, tmp_path: Path
) -> None:
    statement = ids(world)[0]
    path = tmp_path / "mine.pdf"
    path.write_bytes(b"mine")
    refused = machine.run("export", statement, "--to", path)
    assert refused.exit_code == 1
    assert "已经存在" in refused.stderr
    assert path.read_bytes() == b"mine"
    assert machine.run("export", statement, "--to", path, "--replace").exit_code == 0
    assert path.read_bytes().startswith(b"%PDF-")
    for arguments, says in (
        (("nobody-20260302", "--to", tmp_path / "a.pdf"), "没有这份对账单"),
        ((statement, "--to", tmp_path / "a.docx"), "--format"),
        ((statement, "--to", tmp_path / "no" / "a.pdf"), "写不了"),
        ((statement, "--to", tmp_path / "no\ufffd" / "a", "--format", "csv"), "写不了"),
    ):
        result = machine.run("export", *arguments)
        assert result.exit_code == 1
        assert says in result.stderr
    assert not (tmp_path / "a.pdf").exists()


def test_without_a_chinese_font_the_way_to_get_one_is_said(
    machine: Machine, world: PoolWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statement_files, "find_page_font", lambda: None)
    result = machine.run("export", ids(world)[0], "--to", tmp_path / "a.pdf")
    assert result.exit_code == 1
    assert "apt-get install" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_figures_are_printed_as_before_where_no_command_follows(machine: Machine) -> None:
    told = json.loads(machine.run("--json").stdout)
    assert len(told) == 4


@pytest.mark.postgres
def test_a_statement_reads_the_same_on_both_databases_and_after_more_trade(
    world: PoolWorld, postgres_url: str
) -> None:
    engine = _opened(postgres_url)
    try:
        other = PoolWorld(engine)
        small_history(other)
        before = _payloads(other)
        assert list(before) == ids(world)
        other.sell("zhan", other.line("massage"), points=10)
        other.now += timedelta(days=40)
        other.sell("xiaodian", other.line("bun", 2_000))
        other.settle((other.now - timedelta(days=1)).date())
        after = _payloads(other)
        assert len(after) > len(before)
        assert {statement: after[statement] for statement in before} == before
        # The two worlds were told the same at the same times, so nothing else may differ.
        assert before == _payloads(world)
    finally:
        engine.dispose()


def _payloads(world: PoolWorld) -> dict[str, bytes]:
    found = {}
    for statement in ids(world):
        with reading(world.engine) as tx:
            document = document_of(tx, world.pool, statement)
        assert document is not None
        found[statement] = payload_of(document)
    return found


def test_a_killed_export_leaves_no_half_file(
    world: PoolWorld, machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command is killed in a process of its own, just before the file gets its name."""
    path, statement = tmp_path / "killed.pdf", ids(world)[0]
    child = os.fork()
    if child == 0:
        monkeypatch.setattr(Path, "replace", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        machine.run("export", statement, "--to", path)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert not path.exists()
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".killed.pdf.")
    assert left.stat().st_size > 0
    # What it left is in nobody's way.
    assert machine.run("export", statement, "--to", path).exit_code == 0
    assert machine.run("verify", path).exit_code == 0
