"""A busy database, keys that are not the pool's, a body without end: what is said then."""

import errno
import http.client
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Engine, select

import server.api.publishing as publishing_module
import server.api.views as views_module
import server.db.engine as engine_module
from protocol.messages import DocumentsAnswer, DocumentsRequest, Problem, ProblemKind
from server.db import TryAgain, create_all, metadata, open_engine, reading
from server.directory.keys import load_keys
from tests.unit.server.test_commands import Operator, config_file
from tests.unit.server.world import ZHANG, World


@pytest.fixture
def impatient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """Waits 20 ms for a lock instead of 5 s, and asks again for 50 ms."""
    pragmas = [
        (name, "20", 20) if name == "busy_timeout" else (name, wanted, answer)
        for name, wanted, answer in engine_module._SQLITE_PRAGMAS
    ]
    monkeypatch.setattr(engine_module, "_SQLITE_PRAGMAS", tuple(pragmas))
    monkeypatch.setattr(views_module, "WORK_DEADLINE_S", 0.05)
    monkeypatch.setattr(publishing_module, "PUBLISH_DEADLINE_S", 0.05)
    opened = open_engine(f"sqlite:///{tmp_path}/pool.sqlite3")
    create_all(opened, metadata)
    yield opened
    opened.dispose()


def hold(file: Path) -> sqlite3.Connection:
    """Somebody else who is writing, and does not come to an end."""
    holder = sqlite3.connect(file, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    return holder


@pytest.mark.parametrize("path", ["documents", "journal"])
def test_a_terminal_is_told_to_try_again_while_the_database_is_busy(
    impatient: Engine, tmp_path: Path, path: str
) -> None:
    world = World(impatient, tmp_path, "guanghui")
    world.furnish()
    till = world.till()
    body = b'{"records":[]}' if path == "journal" else msgspec.json.encode(DocumentsRequest())
    address = f"/v1/terminals/t-1/{path}"
    holder = hold(tmp_path / "pool.sqlite3")
    response = till.send(address, body)
    holder.close()
    problem = msgspec.json.decode(response.data, type=Problem)
    assert (response.status_code, problem.problem) == (503, ProblemKind.TRY_AGAIN)
    assert till.send(address, body).status_code == 200


def test_documents_that_could_not_be_published_are_published_next_time(
    impatient: Engine, tmp_path: Path
) -> None:
    world = World(impatient, tmp_path, "guanghui")
    world.furnish()
    till = world.till()
    holder = hold(tmp_path / "pool.sqlite3")
    assert isinstance(till.ask("documents", DocumentsRequest(), DocumentsAnswer), Problem)
    holder.close()
    answer = till.ask("documents", DocumentsRequest(), DocumentsAnswer)
    assert isinstance(answer, DocumentsAnswer)
    assert len(answer.documents) == 3


def test_reading_from_a_database_that_is_away_says_try_again(tmp_path: Path) -> None:
    away = open_engine(f"postgresql+psycopg://nobody@/nothing?host={tmp_path}")
    with pytest.raises(TryAgain), reading(away) as tx:
        tx.execute(select(1))


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    operator = Operator(tmp_path / "data")
    operator.do("init", "--pool", "guanghui")
    return operator


def test_a_command_that_cannot_have_its_turn_says_so_in_one_line(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    pragmas = [
        (name, "20", 20) if name == "busy_timeout" else (name, wanted, answer)
        for name, wanted, answer in engine_module._SQLITE_PRAGMAS
    ]
    monkeypatch.setattr(engine_module, "_SQLITE_PRAGMAS", tuple(pragmas))
    holder = hold(operator.data / "huidian.sqlite3")
    arguments = ("award", "--account", ZHANG, "--rule", "tidying", "--on", "2025-01-01")
    said = operator.refused(*arguments)
    holder.close()
    assert "数据库忙" in said
    assert len(said.strip().splitlines()) == 1


def test_a_damaged_database_is_said_in_one_line_with_what_to_do(operator: Operator) -> None:
    (operator.data / "huidian.sqlite3").write_bytes(b"no database at all" * 4096)
    for journal in ("huidian.sqlite3-wal", "huidian.sqlite3-shm"):
        (operator.data / journal).unlink(missing_ok=True)
    said = operator.refused("contract", "list")
    assert "从备份恢复" in said
    assert len(said.strip().splitlines()) == 1


def test_a_database_that_cannot_be_opened_names_the_user_to_run_as(operator: Operator) -> None:
    database = operator.data / "huidian.sqlite3"
    database.unlink()
    database.mkdir()
    said = operator.refused("contract", "list")
    assert "sudo -u huidian-server" in said
    assert len(said.strip().splitlines()) == 1


def test_keys_that_another_user_may_not_read_name_the_user_to_run_as(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no(self: Path) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(Path, "is_dir", no)
    assert "sudo -u huidian-server" in operator.refused("contract", "list")


def test_keys_that_the_pool_was_not_made_with_are_refused(
    operator: Operator, tmp_path: Path
) -> None:
    """With them every document and card would be another pool's, and nobody would know why."""
    other = Operator(tmp_path / "other")
    other.do("init", "--pool", "guanghui")
    shutil.rmtree(operator.data / "keys")
    shutil.copytree(other.data / "keys", operator.data / "keys")
    assert "备份" in operator.refused("invite-terminal", "--shop", "x")


def test_init_makes_no_new_keys_for_a_pool_that_is_there(operator: Operator) -> None:
    kept = operator.data / "kept"
    (operator.data / "keys" / "guanghui").rename(kept)
    assert "备份" in operator.refused("init", "--pool", "guanghui")
    assert not (operator.data / "keys" / "guanghui").exists()
    kept.rename(operator.data / "keys" / "guanghui")
    assert load_keys(operator.data / "keys" / "guanghui").root_key_text
    assert "没有这个门店" in operator.refused("invite-terminal", "--shop", "x")


def test_a_body_beyond_every_limit_is_not_even_received(operator: Operator) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "server", "--config", str(config_file(operator, port))]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [*command, "serve"], stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        try:
            assert f":{port}" in process.stdout.readline()
            caller = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            caller.putrequest("POST", "/v1/enrol")
            caller.putheader("Content-Length", str(500_000_000))
            caller.endheaders(b"{")
            assert caller.getresponse().status == 413
            caller.close()
        finally:
            process.terminate()
        process.wait(timeout=30)


def test_a_card_that_its_code_has_no_room_for_is_refused(operator: Operator) -> None:
    card = {
        "kind": "issue_card",
        "card_id": "00000000000000c1",
        "account": ZHANG,
        "seq": 1,
        "expires_on": "9999-12-31",
        "cap_points": 10,
    }
    resident = {
        "kind": "register_resident",
        "account": ZHANG,
        "name": "张阿姨",
        "household": "1-101",
        "place": "tinghoujie",
    }
    lines = msgspec.json.encode(resident) + b"\n" + msgspec.json.encode(card)
    assert "第 2 行" in operator.refused("import", "-", given=lines.decode())


def test_a_day_that_has_no_next_is_not_over(operator: Operator) -> None:
    assert "还没有结束" in operator.refused("settle", "--through", "9999-12-31")
