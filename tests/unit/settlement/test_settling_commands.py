"""The operators' commands: what waits, and every step of it from the shell."""

import json
from pathlib import Path
from random import Random

import click
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine

from config.server import ServerSettings
from server.bootstrap.desk import make_desk
from server.bootstrap.main import huidian_server
from server.commands import submitting
from server.commands.context import CommandContext, OpenedPool
from server.directory.keys import make_keys
from tests.unit.settlement.states_world import (
    CONFIRMED,
    DAY_1,
    DAY_2,
    M_BOSS,
    SETTLED,
    Peopled,
    raise_it,
)
from tests.unit.settlement.world import POOL


class Shell:
    """One machine on which people with names give commands."""

    def __init__(self, world: Peopled, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world = world
        self.folder = folder
        self.random = Random("shell")
        self.keys = make_keys(folder / "keys" / POOL, self.random.randbytes)
        self.monkeypatch = monkeypatch

    def run(self, who: str, *arguments: str) -> Result:
        self.monkeypatch.setattr(submitting, "machine_user", lambda: who)
        context = CommandContext(
            settings=ServerSettings(data_dir=self.folder),
            clock=lambda: self.world.now,
            randomness=self.random.randbytes,
            make_desk=make_desk,
            open_pool=lambda: OpenedPool(POOL, self.world.engine, self.keys),
            create_pool=_nobody,
            serve=_nobody_serves,
        )
        group: click.Group = huidian_server
        return CliRunner().invoke(group.commands[arguments[0]], list(arguments[1:]), obj=context)

    def says(self, who: str, *arguments: str) -> str:
        ran = self.run(who, *arguments)
        assert ran.exit_code == 0, ran.output
        return ran.stdout

    def refused(self, who: str, *arguments: str) -> str:
        ran = self.run(who, *arguments)
        assert ran.exit_code == 1, ran.output
        return ran.output


def _nobody(given: object) -> OpenedPool:
    raise AssertionError(given)


def _nobody_serves(opened: OpenedPool, _workers: int) -> None:
    raise AssertionError(opened)


@pytest.fixture
def shell(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    world = Peopled(engine)
    world.open("m", "n")
    world.people()
    return Shell(world, tmp_path, monkeypatch)


def test_a_month_is_settled_from_the_shell(shell: Shell) -> None:
    world = shell.world
    first = world.issue(DAY_1, points_fen=10_000)
    assert "没有待办" in shell.says("li", "settling", "waiting")
    shown = shell.says("li", "settling", "show", first)
    assert "已出具，待商户确认" in shown
    assert "应付商户 pool owes 100.00 元" in shown
    assert "没有这份对账单" in shell.refused("li", "settling", "show", "nothing")
    world.do(M_BOSS, raise_it("d-1", first, f"sale:sale-{DAY_1}"))
    waits = shell.says("li", "settling", "waiting")
    assert f"待答复 to answer    d-1  {first}  sale:sale-{DAY_1}" in waits
    answered = ("settling", "answer", "d-1", "--reason", "核对属实")
    assert "只写一个" in shell.refused("li", *answered)
    assert "金额要写成" in shell.refused("li", *answered, "--adjust", "2.505")
    assert "d-1  proposed" in shell.says("li", *answered, "--adjust", "2.50")
    assert "此前已办" in shell.says("li", *answered, "--adjust", "2.50")
    assert "提出调整 proposed 2.50 元" in shell.says("li", "settling", "waiting")
    agree = ("settling", "approve-adjustment", "d-1")
    assert "另一个人来批准" in shell.refused("li", *agree, "2.50")
    assert "请看过再批准" in shell.refused("wu", *agree, "25")
    assert "d-1  issued" in shell.says("wu", *agree, "2.50")
    assert "confirmed" in shell.says("li", "settling", "confirm", first, "--word", "电话确认")
    assert f"待收付 to settle    {first}  应付商户" in shell.says("li", "settling", "waiting")
    proposed = shell.says("li", "payment", "propose", first, "60", "--id", "p-1")
    assert "请另一个人批准" in proposed
    assert "已提出 claimed 60.00 元" in shell.says("li", "settling", "waiting")
    assert "另一个人" in shell.refused("li", "payment", "approve", "p-1")
    assert "approved" in shell.says("wu", "payment", "approve", "p-1")
    assert "待记账 to record    p-1" in shell.says("li", "settling", "waiting")
    on = ("--on", f"{world.now:%Y-%m-%d}")
    assert "paid" in shell.says("li", "payment", "record", "p-1", "ICBC-1", *on)
    assert "ICBC-1" in shell.says("li", "payment", "list", "--merchant", "m")
    assert world.standing(first).state is CONFIRMED
    over = shell.refused("li", "payment", "propose", first, "40.01")
    assert "最多还能付款 pay 40.00 元" in over
    carried = shell.says("li", "settling", "carry-forward", first, "--reason", "余额小")
    assert "settled" in carried
    assert "结转 40.00 元" in shell.says("li", "settling", "show", first)
    assert "bounced" in shell.says("li", "payment", "bounce", "p-1", "--reason", "账号不符")
    assert world.standing(first).open_fen == 6_000


def test_the_merchant_pays_and_a_slip_is_withdrawn(shell: Shell) -> None:
    world = shell.world
    first = world.confirmed(DAY_1, cash_fen=180_000)
    assert "商户应付 merchant owes 180.00 元" in shell.says("li", "settling", "show", first)
    slip = shell.says("li", "payment", "propose", first, "18", "--receive")
    (number, _) = slip.split(maxsplit=1)
    assert number in shell.says("li", "payment", "list")
    withdrawn = shell.says("li", "payment", "withdraw", number, "--reason", "金额写错")
    assert "withdrawn" in withdrawn
    assert "没有收付款" in shell.says("li", "payment", "list")
    shell.says("li", "payment", "propose", first, "180", "--receive", "--id", "r-1")
    shell.says("wu", "payment", "approve", "r-1")
    shell.says("li", "payment", "record", "r-1", "ICBC-2", "--on", f"{world.now:%Y-%m-%d}")
    assert world.standing(first).state is SETTLED
    assert world.fen("bank") == 18_000


def test_silence_and_its_days(shell: Shell) -> None:
    world = shell.world
    assert "confirm_days  2" in shell.says("li", "settling", "confirm-days", "2")
    first = world.issue(DAY_1, points_fen=10_000)
    world.wait(days=2)
    assert f"已过期限 overdue    {first}" in shell.says("li", "settling", "waiting")
    assert "2 份视为确认" in shell.says("li", "settling", "lapse")
    assert "0 份视为确认" in shell.says("li", "settling", "lapse")
    assert world.standing(first).state is CONFIRMED
    assert shell.run("li", "settling", "confirm-days", "0").exit_code == 2


def test_who_disputes_for_a_merchant_does_not_answer(shell: Shell) -> None:
    first = shell.world.issue(DAY_1, points_fen=10_000)
    shell.says(
        "li", "settling", "dispute", first, "--reason", "少一笔", "--word", "电话", "--id", "d-1"
    )
    refuse = ("settling", "answer", "d-1", "--refuse", "--reason", "核对无误")
    assert "另一个人来答复" in shell.refused("li", *refuse)
    assert "d-1  issued" in shell.says("wu", *refuse)
    shown = shell.says("li", "settling", "show", first)
    assert "答复 refused 0.00 元  核对无误（operator:wu）" in shown


def test_both_lists_are_json_as_well(shell: Shell) -> None:
    world = shell.world
    first = world.confirmed(DAY_1, points_fen=10_000)
    world.issue(DAY_2)
    told = json.loads(shell.says("li", "settling", "show", first, "--json"))
    assert (told["state"], told["open_fen"], told["history"][0]["moved_by"]) == (
        "confirmed",
        10_000,
        M_BOSS,
    )
    waits = json.loads(shell.says("li", "settling", "waiting", "--json"))
    assert [each["statement"] for each in waits["to_pay"]] == [first]


@pytest.mark.parametrize("amount", ["0", "-5", "1.005", "many", "NaN", "1e40"])
def test_an_amount_that_is_none_is_refused(shell: Shell, amount: str) -> None:
    first = shell.world.confirmed(DAY_1, points_fen=10_000)
    assert "金额" in shell.refused("li", "payment", "propose", "--", first, amount)
