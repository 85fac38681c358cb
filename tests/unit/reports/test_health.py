"""Pool health: months and places add up to the fund, and the warning comes at the right point."""

import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner

from config.pool import PoolPreset
from config.server import ServerSettings
from protocol.sales import RefundLine
from server.bootstrap.desk import make_desk
from server.commands.context import CommandContext, OpenedPool
from server.commands.health import WARNED
from server.commands.health import health as command
from server.directory import commands as c
from server.directory.accounts import POOL_FUND
from server.ledger import Asset, balances
from server.reports.health import pool_health
from server.reports.health_picture import ENGLISH, loop_picture, tall_picture
from server.reports.health_values import NO_FLOW, Concern, Flow, Health
from server.settlement.fund_values import ReceiveGift, RegisterSponsor
from server.settlement.values import Settle
from tests.unit.server.world import (
    LIU,
    TODAY,
    ZHANG,
    World,
    money_line,
    points_line,
    refunded,
    sold,
)

YEAR = (date(2026, 1, 1), date(2026, 12, 31))


def health(world: World, first: date = YEAR[0], last: date = YEAR[1]) -> Health:
    return world.read(lambda tx: pool_health(tx, world.pool, first, last))


def give(world: World, yuan: int, gift_id: str = "gift-1") -> None:
    world.submit(RegisterSponsor(sponsor="bank", name="赞助单位"))
    world.do(ReceiveGift(gift_id=gift_id, sponsor="bank", amount_fen=yuan * 100, note=""))


def redeem(world: World, points: int, shop: str = "shop-a", terminal: str = "t-1") -> None:
    till = world.till(shop, terminal)
    till.tell(sold(world, money_line("套餐", points * 10), points=points))


@pytest.fixture
def traded(world: World) -> World:
    """Two shops in two communities, sales, a refund, a gift, and a settlement with share."""
    world.add_merchant("shop-b", share_bp=500)
    world.do(
        c.OpenShop(
            shop="shop-b-2",
            merchant="shop-b",
            shop_kind=world.preset.shop_kinds[0].id,
            name="滨河分店",
            place="binhe-1",
        )
    )
    world.award(ZHANG, "river-patrol", "tidying")
    world.award(LIU, "tidying")
    dinner = sold(world, money_line("套餐", 1_000), points=50)
    back = RefundLine(line_no=1, quantity_milli=200, amount_fen=200, amount_points=0)
    world.till().tell(dinner, refunded(world, dinner, back, points_for_money=10, cash_fen=100))
    world.till("shop-b-2", "t-2").tell(sold(world, money_line("面粉", 2_000), points=30))
    give(world, 20)
    world.clock.move(days=2)
    world.do(Settle(run="run-1", through=TODAY, settled_by="财务"))
    return world


def test_months_and_places_add_up_to_the_fund_and_to_what_was_redeemed(traded: World) -> None:
    found = health(traded)
    assert found.total.net_fen == found.fund_fen == -traded.fen(POOL_FUND)
    assert sum((each.flow for each in found.months), NO_FLOW) == found.total
    assert found.places[0].total == found.total
    sums: dict[str, int] = {}
    for each in traded.read(lambda tx: balances(tx, traded.pool, asset=Asset.POINTS)):
        sums[each.kind] = sums.get(each.kind, 0) + each.balance
    assert found.total.redeemed_points == sums["redeemed"] - sums["returned"] == 70
    assert found.total.awarded_points == sums["points_issued"] == 220
    assert found.outstanding_points == sums["resident"]


def test_each_figure_has_its_name(traded: World) -> None:
    total = health(traded).total
    # 10 % of 5.00 less 1.00 returned, and 5 % of 17.00.
    assert total.share_fen == 40 + 85
    assert total.sponsors_fen == 2_000
    assert total.reimbursed_fen == (50 - 10 + 30) * 10
    assert total.other_fen == 0


def test_a_place_is_its_own_and_its_children(traded: World) -> None:
    found = health(traded)
    for row in found.places:
        below = [each.total for each in found.places if each.parent == row.place]
        assert row.total == sum(below, row.own)
    at = {row.place: row for row in found.places}
    assert at["binhe-1"].own.redeemed_points == 30
    # The merchant has a shop in the street and one in a grid of it: share is the street's.
    assert at["binhe-1"].own.share_fen == 0
    assert at["guanghui"].own.share_fen == 125


def test_what_lies_outside_of_the_period_is_not_counted(traded: World) -> None:
    assert health(traded, date(2026, 4, 1), date(2026, 4, 30)).total == Flow()


@pytest.mark.parametrize(("points", "warned"), [(50, False), (51, True)])
def test_it_warns_when_redemption_passes_what_flows_in(
    world: World, points: int, *, warned: bool
) -> None:
    world.award(ZHANG, "river-patrol")
    give(world, 5)
    redeem(world, points)
    found = health(world)
    assert found.months[0].covered_points == 50
    concerns = [each.concern for each in found.warnings]
    assert (Concern.REDEEMED_ABOVE_INFLOW in concerns) is warned
    if warned:
        (told,) = [each for each in found.warnings if each.month]
        assert told.month == "2026-03"
        assert "51 积分" in told.says
        assert "50 积分" in told.says


def test_a_fund_below_zero_is_told(world: World) -> None:
    world.award(ZHANG, "river-patrol")
    redeem(world, 10)
    assert Concern.FUND_BELOW_ZERO in [each.concern for each in health(world).warnings]


def test_a_counter_without_share_is_not_warned_of_trade_that_never_flows(counter: World) -> None:
    counter.award(ZHANG, "early-fire")
    item = next(each for each in counter.preset.catalogue if each.price_points)
    line = points_line(item.id, item.price_points or 0, item.reimbursement_fen or 0)
    counter.till().tell(sold(counter, line, points=line.amount_points))
    found = health(counter)
    assert found.total.redeemed_points == item.price_points
    assert found.months[0].covered_points is None
    assert Concern.REDEEMED_ABOVE_INFLOW not in [each.concern for each in found.warnings]


def test_a_period_without_a_day_is_a_fault(world: World) -> None:
    with pytest.raises(ValueError, match="has no day"):
        health(world, date(2026, 2, 1), date(2026, 1, 1))


def _nobody(_preset: PoolPreset) -> OpenedPool:
    raise AssertionError("no report makes a pool")


def _nobody_serves(_pool: OpenedPool, _workers: int) -> None:
    raise AssertionError("no report serves")


@pytest.fixture
def run(traded: World, tmp_path: Path) -> Callable[..., tuple[int, str]]:
    context = CommandContext(
        settings=ServerSettings(data_dir=tmp_path),
        clock=traded.clock,
        randomness=traded.random.randbytes,
        make_desk=make_desk,
        open_pool=lambda: OpenedPool(traded.pool, traded.engine, traded.keys),
        create_pool=_nobody,
        serve=_nobody_serves,
    )

    def invoke(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(command, list(arguments), obj=context)
        return result.exit_code, result.output

    return invoke


def test_the_command_prints_figures_and_draws_the_loop(
    run: Callable[..., tuple[int, str]], traded: World, tmp_path: Path
) -> None:
    drawn = tmp_path / "loop.svg"
    status, said = run("--to", "2026-12-31", "--json", "--svg", str(drawn))
    found = health(traded)
    told = json.loads(said)
    assert status == (WARNED if found.warnings else 0)
    assert told["fund_fen"] == found.fund_fen
    assert told["months"][0]["inflow_fen"] == found.months[0].flow.inflow_fen
    text = "".join(ET.fromstring(drawn.read_text(encoding="utf-8")).itertext())
    assert "兑换70 积分" in text
    assert "赞助20.00 元" in text


def test_the_command_prints_lines_for_people(run: Callable[..., tuple[int, str]]) -> None:
    _, said = run("--to", "2026-12-31")
    assert "2026-03" in said
    assert "滨河社区" in said


def test_a_period_that_ends_before_it_begins_is_refused(
    run: Callable[..., tuple[int, str]],
) -> None:
    status, said = run("--from", "2026-05-01", "--to", "2026-04-01")
    assert status != 0
    assert "请改日期" in said


def test_a_name_cannot_break_the_picture(traded: World) -> None:
    named = replace(health(traded), pool_name='惠<积>&"分')
    for draw in (loop_picture, tall_picture):
        assert '惠<积>&"分' in "".join(ET.fromstring(draw(named, ENGLISH)).itertext())


def test_the_phones_picture_says_what_the_other_one_does(traded: World) -> None:
    found = health(traded)
    wide, tall = (
        sorted(
            each for each in ET.fromstring(draw(found)).itertext() if found.pool_name not in each
        )
        for draw in (loop_picture, tall_picture)
    )
    assert [each for each in tall if each != f"{YEAR[0]} – {YEAR[1]}"] == wide
    assert len(wide) >= 15
