"""The commands about the books, as a person at the server's machine types them."""

import json
import re
from datetime import timedelta
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select

from config.server import ServerSettings
from server.bootstrap.desk import make_desk
from server.commands import auditing, books
from server.commands.context import CommandContext, OpenedPool
from server.db import create_all, metadata, open_engine, reading
from server.directory.keys import PoolKeys
from server.settlement.day_sums_tables import statement_line
from tests.conftest import Cluster
from tests.unit.audit.pool_world import PoolWorld, small_history


class Machine:
    """Runs a command against a pool and gives back what it printed."""

    def __init__(self, world: PoolWorld, folder: Path) -> None:
        self.world = world
        self._settings = ServerSettings(data_dir=folder)
        self._group = click.Group()
        books.register(self._group)
        auditing.register(self._group)

    def run(self, *arguments: str) -> Result:
        world = self.world
        keys = PoolKeys(world.root, world.issuer, world.issuer, b"m" * 32, b"s" * 32)
        context = CommandContext(
            settings=self._settings,
            clock=lambda: world.now,
            randomness=bytes,
            make_desk=make_desk,
            open_pool=lambda: OpenedPool(world.pool, world.engine, keys),
            create_pool=_nobody_creates,
            serve=_nobody_serves,
        )
        return CliRunner().invoke(self._group, list(arguments), obj=context)

    def data(self, *arguments: str) -> object:
        result = self.run(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)


def _nobody_creates(preset: object) -> OpenedPool:
    raise AssertionError(preset)


def _nobody_serves(opened: OpenedPool, _workers: int) -> None:
    raise AssertionError(opened)


@pytest.fixture
def machine(world: PoolWorld, tmp_path: Path) -> Machine:
    return Machine(world, tmp_path)


def test_settle_prints_every_statement_and_says_when_it_was_done_before(machine: Machine) -> None:
    world = machine.world
    world.open_merchant("zhan", "听篌街兑换站", share_bp=1_000)
    world.sell("zhan", world.line("massage"))
    world.now += timedelta(days=1)
    first = machine.run("settle", "--through", "2026-03-02")
    assert first.exit_code == 0, first.output
    assert "听篌街兑换站（zhan）对账单 zhan-20260302" in first.output
    assert "-3.80 元" in first.output
    again = machine.run("settle", "--through", "2026-03-02")
    assert again.exit_code == 0
    assert "此前已结算" in again.output
    told = machine.data("settle", "--through", "2026-03-02")
    assert isinstance(told, dict)
    assert told["again"] is True
    (figures,) = told["statements"]
    assert (figures["cash_fen"], figures["share_fen"], figures["net_fen"]) == (3_800, 380, -380)
    assert figures["shares"] == [
        {
            "contract": "c-zhan",
            "share_bp": 1_000,
            "takings_fen": 3_800,
            "share_fen": 380,
            "month": "2026-03",
            "category": "",
            "basis": "cash",
            "from_fen": 0,
        }
    ]


def test_settle_refuses_an_open_day_in_one_sentence(machine: Machine) -> None:
    refused = machine.run("settle", "--through", "2026-03-02")
    assert refused.exit_code == 1
    assert "营业日 2026-03-02 还没有结束" in refused.output
    assert "Traceback" not in refused.output


def test_settle_refuses_what_is_no_day(machine: Machine) -> None:
    assert machine.run("settle", "--through", "2026-02-30").exit_code == 2


def test_statement_gives_the_figures_of_all_of_one_and_line_by_line(machine: Machine) -> None:
    assert "还没有对账单" in machine.run("statement").output
    small_history(machine.world)
    every = machine.data("statement")
    assert isinstance(every, list)
    assert [each["statement"] for each in every] == [
        "xiaodian-20260303",
        "xiaodian-20260302",
        "zhan-20260303",
        "zhan-20260302",
    ]
    assert [each["late_count"] for each in every] == [0, 0, 1, 0]
    of_one = machine.data("statement", "--merchant", "zhan", "--lines")
    assert isinstance(of_one, list)
    assert [line["late"] for line in of_one[0]["lines"]] == [True]
    printed = machine.run("statement", "--lines").output
    assert "迟到 late 2026-03-02" in printed
    assert machine.run("statement", "--merchant", "nobody").exit_code == 1


def test_audit_exits_0_when_clean_and_1_when_broken(machine: Machine) -> None:
    small_history(machine.world)
    clean = machine.run("audit")
    assert clean.exit_code == 0, clean.output
    assert "账目无误" in clean.output
    told = machine.data("audit")
    assert isinstance(told, dict)
    assert (told["clean"], told["complete"]) == (True, True)
    assert [each["invariant"] for each in told["findings"]] == [f"I{n}" for n in range(1, 13)]
    with machine.world.engine.connect() as connection:
        connection.exec_driver_sql("DROP TRIGGER statement_line_is_never_deleted")
        connection.exec_driver_sql("DELETE FROM statement_line")
        connection.commit()
    broken = machine.run("audit")
    assert broken.exit_code == 1
    assert "is in no statement" in broken.output
    broken_told = json.loads(machine.run("audit", "--json").stdout)
    assert broken_told["clean"] is False


def test_audit_checks_only_what_is_asked_and_says_so(machine: Machine) -> None:
    small_history(machine.world)
    asked = machine.run("audit", "--only", "i8, I3")
    assert asked.exit_code == 0, asked.output
    assert "所核对的无误：I3, I8" in asked.output
    assert "I5" not in asked.output
    told = machine.data("audit", "--only", "I3")
    assert isinstance(told, dict)
    assert (told["clean"], told["complete"]) == (True, False)
    refused = machine.run("audit", "--only", "I13")
    assert refused.exit_code == 2
    assert "I1 到 I12" in refused.output


def test_audit_writes_its_report_to_a_file_and_still_prints_it(
    machine: Machine, tmp_path: Path
) -> None:
    small_history(machine.world)
    report = tmp_path / "report.json"
    printed = machine.run("audit", "--json", str(report))
    assert printed.exit_code == 0
    assert "账目无误" in printed.stdout
    told = json.loads(report.read_text(encoding="utf-8"))
    assert told["pool"] == "guanghui"
    assert all(each["checked"] == each["there"] for each in told["findings"])
    assert all(each["took_ms"] >= 0 for each in told["findings"])
    nowhere = machine.run("audit", "--only", "I1", "--json", str(tmp_path / "none" / "report.json"))
    assert nowhere.exit_code == 2
    assert "报告写不进" in nowhere.output


def test_progress_is_told_on_standard_error_when_asked_for(machine: Machine) -> None:
    small_history(machine.world)
    quiet = machine.run("audit", "--only", "I4")
    assert quiet.stderr == ""
    told = machine.run("audit", "--only", "I4", "--progress")
    assert re.search(r"… I4 (\d+) / \1\n$", told.stderr), told.stderr
    replayed = machine.run("replay", "--progress")
    assert re.search(r"… replay (\d+) / \1\n$", replayed.stderr), replayed.stderr


def test_an_audit_that_cannot_be_run_exits_2(machine: Machine) -> None:
    small_history(machine.world)
    with machine.world.engine.begin() as tx:
        tx.exec_driver_sql("ALTER TABLE sale RENAME TO lost")
    refused = machine.run("audit")
    assert refused.exit_code == 2
    assert "没有核对成" in refused.output
    assert "Traceback" not in refused.output
    assert "无误" not in refused.output


def test_replay_fills_an_empty_database_and_refuses_a_full_one(
    machine: Machine, tmp_path: Path
) -> None:
    small_history(machine.world)
    url = f"sqlite:///{tmp_path}/again.db"
    done = machine.run("replay", "--into", url)
    assert done.exit_code == 0, done.output
    assert "两边的账相同" in done.output
    target = open_engine(url)
    with reading(target) as here, reading(machine.world.engine) as there:
        rows = select(statement_line).order_by(statement_line.c.transfer_no)
        assert here.execute(rows).all() == there.execute(rows).all() != []
    target.dispose()
    refused = machine.run("replay", "--into", url)
    assert refused.exit_code == 2
    assert "不是空的" in refused.output
    assert machine.run("replay", "--into", "mysql://x").exit_code == 2


def test_replay_names_the_rows_that_no_fact_explains_and_exits_1(machine: Machine) -> None:
    small_history(machine.world)
    assert machine.run("replay").exit_code == 0
    with machine.world.engine.begin() as tx:
        tx.exec_driver_sql("UPDATE resident SET name = '李阿姨'")
    found = machine.run("replay")
    assert found.exit_code == 1
    assert "table resident, row 00000000000000aa" in found.output
    assert "1 处" in found.output


@pytest.mark.postgres
def test_a_pool_on_postgresql_replays_into_postgresql_and_into_sqlite(
    postgres_url: str, postgres_cluster: Cluster, tmp_path: Path
) -> None:
    engine = open_engine(postgres_url)
    create_all(engine, metadata)
    machine = Machine(PoolWorld(engine), tmp_path)
    small_history(machine.world)
    postgres_cluster.run("CREATE DATABASE replayed")
    for url in (postgres_cluster.url("replayed"), f"sqlite:///{tmp_path}/replayed.db"):
        done = machine.run("replay", "--into", url)
        assert done.exit_code == 0, done.output
        assert "两边的账相同" in done.output
    engine.dispose()
    postgres_cluster.run("DROP DATABASE replayed WITH (FORCE)")
