"""Gifts, the reserve, and overdrafts that two people write off."""

import json
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Engine

from config.server import ServerSettings
from server.bootstrap.desk import make_desk
from server.bootstrap.main import huidian_server
from server.commands import submitting
from server.commands.audit import run_audit
from server.commands.context import CommandContext, OpenedPool
from server.db import create_all, metadata, open_engine, reading, writing
from server.facts import Outcome
from server.facts.refused import Refused
from server.redemption.stock import stock_units
from server.settlement.fund import fund_figures
from server.settlement.fund_values import (
    ApproveWriteOff,
    FundDone,
    FundFigures,
    FundProblem,
    Gifts,
    ProposeWriteOff,
    ReceiveGift,
    ReceiveGoods,
    RegisterSponsor,
    SetAside,
)
from tests.unit.server.world import ZHANG, World, money_line, points_line, sold

BANK = RegisterSponsor(sponsor="bank", name="中牟农商行")
GIFT = ReceiveGift(gift_id="g-1", sponsor="bank", amount_fen=500_000)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    url = f"sqlite:///{tmp_path}/pool.sqlite3"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
    opened = open_engine(url)
    create_all(opened, metadata)
    yield opened
    opened.dispose()


@pytest.fixture
def overdrawn(world: World) -> World:
    """张阿姨 had 60 points and took 90 offline."""
    world.award(ZHANG, "tidying")
    world.till().tell(sold(world, money_line("套餐", 900), points=90))
    assert world.points(f"offline_overdraft:{ZHANG}") == 30
    return world


def by(world: World, actor: str, command: Struct) -> Outcome:
    with writing(world.engine) as tx:
        return world.desk.submit(tx, world.pool, command, actor=actor, recorded_at=world.clock())


def reason(outcome: Outcome) -> str:
    assert isinstance(outcome, Refused), outcome
    return outcome.reason


def assert_names(outcome: Outcome, stands: str, asked: str) -> None:
    """A conflict that names what stands and what was asked."""
    assert isinstance(outcome, Refused), outcome
    assert outcome.reason == FundProblem.CONFLICT
    assert stands in outcome.says
    assert asked in outcome.says


def figures(world: World) -> FundFigures:
    return world.read(lambda tx: fund_figures(tx, world.pool))


def propose(points: int = 30, write_off: str = "w-1") -> ProposeWriteOff:
    return ProposeWriteOff(write_off=write_off, account=ZHANG, points=points, reason="已搬走")


def assert_clean(world: World) -> None:
    with reading(world.engine) as tx:
        found = {each.invariant: each.violations for each in run_audit(tx, world.pool, make_desk)}
    assert found == dict.fromkeys(found, ())


def test_a_gift_is_in_the_fund_once(world: World) -> None:
    assert reason(world.submit(GIFT)) == FundProblem.UNKNOWN_SPONSOR
    world.do(BANK)
    assert world.do(BANK) == FundDone("bank", again=True)
    other = RegisterSponsor(sponsor="bank", name="别的银行")
    assert_names(world.submit(other), "中牟农商行", "别的银行")
    world.do(GIFT)
    assert world.do(GIFT) == FundDone("g-1", again=True)
    larger = ReceiveGift(gift_id="g-1", sponsor="bank", amount_fen=500_001)
    assert_names(world.submit(larger), "5000.00", "5000.01")
    assert figures(world).fund_fen == 500_000
    assert figures(world).gifts == (Gifts("bank", "中牟农商行", 500_000),)
    assert_clean(world)


def test_goods_that_a_sponsor_gives_are_on_the_shelf_and_their_worth_is_not_the_funds(
    counter: World,
) -> None:
    rice = ReceiveGoods(
        gift_id="g-1",
        sponsor="bank",
        item_id="rice",
        quantity_milli=20_000,
        worth_fen=56_000,
        note="春节慰问",
    )
    assert reason(counter.submit(rice)) == FundProblem.UNKNOWN_SPONSOR
    counter.do(BANK)
    before, in_fund_fen = bags(counter), figures(counter).fund_fen
    unknown = replace(rice, item_id="unheard-of")
    assert reason(counter.submit(unknown)) == "unknown_item"
    assert counter.do(rice) == FundDone("g-1")
    assert counter.do(rice) == FundDone("g-1", again=True)
    assert_names(counter.submit(replace(rice, quantity_milli=30_000)), "rice 20", "rice 30")
    assert_names(counter.submit(GIFT), "sponsor_goods:bank", "pool_fund")
    assert bags(counter) == before + 20
    assert figures(counter).fund_fen == in_fund_fen
    assert figures(counter).gifts == (Gifts("bank", "中牟农商行", 0, 56_000),)
    assert counter.fen("donated_goods") == 56_000
    assert_clean(counter)


def bags(world: World) -> int:
    return world.read(lambda tx: stock_units(tx, world.pool))["rice"]


def test_only_what_the_fund_has_is_set_aside(world: World) -> None:
    world.do(BANK)
    world.do(GIFT)
    command = SetAside(set_aside_id="s-1", amount_fen=300_000)
    world.do(command)
    world.clock.move(days=1)
    assert world.do(command) == FundDone("s-1", again=True)
    more = SetAside(set_aside_id="s-2", amount_fen=200_001)
    assert reason(world.submit(more)) == FundProblem.NOT_ENOUGH_FUND
    assert (figures(world).fund_fen, figures(world).reserve_fen) == (200_000, 300_000)


def test_two_people_write_an_overdraft_off_and_the_reserve_bears_it(overdrawn: World) -> None:
    world = overdrawn
    world.do(BANK)
    world.do(GIFT)
    world.do(SetAside(set_aside_id="s-1", amount_fen=1_000))
    paid_fen = figures(world).fund_fen
    assert by(world, "operator:li", propose()) == FundDone("w-1")
    assert by(world, "operator:li", propose()) == FundDone("w-1", again=True)
    approve = ApproveWriteOff(write_off="w-1")
    assert reason(by(world, "operator:li", approve)) == FundProblem.SAME_PERSON
    assert world.points(f"offline_overdraft:{ZHANG}") == 30
    assert by(world, "operator:wu", approve) == FundDone("w-1")
    assert by(world, "operator:wu", approve) == FundDone("w-1", again=True)
    now = figures(world)
    assert (now.overdraft_points, now.written_off_points, now.overdrawn_count) == (0, 30, 0)
    assert (now.reserve_fen, now.fund_fen - paid_fen) == (700, 300)
    assert (now.write_offs[0].proposed_by, now.write_offs[0].approved_by) == (
        "operator:li",
        "operator:wu",
    )
    world.award(ZHANG, "tidying")
    assert world.points(f"resident:{ZHANG}") == 60, "nothing is owed any more"
    assert_clean(world)


def test_the_operator_sees_who_is_overdrawn_until_the_next_points_clear_it(
    overdrawn: World,
) -> None:
    told = run(overdrawn, "fund").output
    assert "离线透支 overdraft   30（1 人" in told
    assert f"{ZHANG}  30\n" in told
    assert json.loads(run(overdrawn, "fund", "--json").output)["overdrawn"] == [
        {"account": ZHANG, "points": 30}
    ]
    overdrawn.award(ZHANG, "tidying")
    after = run(overdrawn, "fund").output
    assert "离线透支 overdraft   0（0 人" in after
    assert ZHANG not in after


def test_a_write_off_needs_an_overdraft_and_a_reserve_and_a_proposal(overdrawn: World) -> None:
    world = overdrawn
    assert reason(by(world, "a", propose(31))) == FundProblem.NOT_OVERDRAWN
    stranger = ProposeWriteOff(write_off="w", account="f" * 16, points=1, reason="已搬走")
    assert reason(by(world, "a", stranger)) == FundProblem.UNKNOWN_RESIDENT
    unheard = ApproveWriteOff(write_off="unheard-of")
    assert reason(by(world, "b", unheard)) == FundProblem.UNKNOWN_WRITE_OFF
    by(world, "a", propose())
    assert_names(by(world, "a", propose(29)), "30", "29")
    approve = ApproveWriteOff(write_off="w-1")
    assert reason(by(world, "b", approve)) == FundProblem.NOT_ENOUGH_RESERVE
    world.award(ZHANG, "tidying")
    assert reason(by(world, "b", approve)) == FundProblem.NOT_OVERDRAWN
    assert figures(world).written_off_points == 0
    assert_clean(world)


def test_where_points_have_no_value_in_money_the_reserve_is_not_asked(counter: World) -> None:
    counter.award(ZHANG, "early-fire")
    counter.till().tell(sold(counter, points_line("rice", 15, 2_800), points=15))
    by(counter, "a", propose(5))
    assert by(counter, "b", ApproveWriteOff(write_off="w-1")) == FundDone("w-1")
    now = figures(counter)
    assert (now.written_off_points, now.reserve_fen, now.spendable_worth_fen) == (5, 0, None)
    assert_clean(counter)


def run(world: World, *arguments: str) -> Result:
    context = CommandContext(
        settings=ServerSettings(data_dir=world.folder),
        clock=world.clock,
        randomness=world.random.randbytes,
        make_desk=make_desk,
        open_pool=lambda: OpenedPool(world.pool, world.engine, world.keys),
        create_pool=_nobody,
        serve=_nobody_serves,
    )
    command: click.Group = huidian_server
    return CliRunner().invoke(command.commands[arguments[0]], list(arguments[1:]), obj=context)


def _nobody(given: object) -> OpenedPool:
    raise AssertionError(given)


def _nobody_serves(opened: OpenedPool, _workers: int) -> None:
    raise AssertionError(opened)


def test_one_person_is_not_two_by_another_name_or_another_door(
    overdrawn: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    overdrawn.do(BANK)
    overdrawn.do(GIFT)
    overdrawn.do(SetAside(set_aside_id="s-1", amount_fen=1_050))
    propose_it = ("write-off", "propose", ZHANG, "30", "--reason", "已搬走", "--id", "w-1")
    assert run(overdrawn, *propose_it).exit_code == 0
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME", "SUDO_USER"):
        monkeypatch.setenv(name, "wu")
    own = run(overdrawn, "write-off", "approve", "w-1")
    assert (own.exit_code, "另一个人" in own.output) == (1, True)
    through_the_page = f"portal:{submitting.machine_user()}"
    other_door = by(overdrawn, through_the_page, ApproveWriteOff(write_off="w-1"))
    assert reason(other_door) == FundProblem.SAME_PERSON


def test_operators_do_all_of_it_by_command(
    overdrawn: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submitting, "machine_user", lambda: "li")
    assert run(overdrawn, "sponsor", "bank", "--name", "中牟农商行").exit_code == 0
    assert "收到 120000.00 元" in run(overdrawn, "gift", "bank", "120000").stdout
    goods = run(overdrawn, "gift-goods", "bank", "bun", "200", "--worth", "100", "--id", "g-9")
    assert "g-9  收到 bun 200，值 100.00 元" in goods.stdout, goods.output
    assert "120000.00 元  物资 goods 100.00 元" in run(overdrawn, "fund").stdout
    assert run(overdrawn, "set-aside", "10.50", "--id", "s-1").stdout.startswith(
        "s-1  转入 10.50 元"
    )
    proposed = run(
        overdrawn, "write-off", "propose", ZHANG, "30", "--reason", "已搬走", "--id", "w-1"
    )
    assert proposed.exit_code == 0, proposed.output
    waiting = run(overdrawn, "fund").stdout
    assert f"待批准 to approve  w-1  {ZHANG}  30  已搬走（operator:li）" in waiting
    assert "离线透支 overdraft   30（1 人 / residents）" in waiting
    own = run(overdrawn, "write-off", "approve", "w-1")
    assert (own.exit_code, "另一个人" in own.output) == (1, True)
    monkeypatch.setattr(submitting, "machine_user", lambda: "wu")
    assert "已批准" in run(overdrawn, "write-off", "approve", "w-1").stdout
    told = json.loads(run(overdrawn, "fund", "--json").stdout)
    assert (told["reserve_fen"], told["written_off_points"]) == (750, 30)
    for nonsense in ("0", "-5", "1.005", "many", "NaN", "1e40"):
        wrong = run(overdrawn, "gift", "--", "bank", nonsense)
        assert (wrong.exit_code, "金额" in wrong.output) == (1, True), nonsense
