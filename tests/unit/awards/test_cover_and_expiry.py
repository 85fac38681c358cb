"""The fund against what points are worth, and points that nobody uses in time."""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from protocol.sales import RefundLine
from server.awards import ExpirePoints, OpenBalance
from server.awards.bearer_cards import IssueBearerCards
from server.awards.cover import Cover, CoverState, cover_of
from server.awards.expiry import Expired
from server.commands.audit_points import check_points
from server.db import create_all, metadata, open_engine, writing
from server.directory import commands as c
from server.directory.bearer import Spend
from server.ledger import Asset, EntryDraft, Leg, post
from server.settlement.fund_values import ReceiveGift, RegisterSponsor
from tests.unit.awards.deeds import assert_audit_is_clean, award, reason
from tests.unit.server.test_commands import Operator
from tests.unit.server.world import (
    LIU,
    START,
    TODAY,
    ZHANG,
    World,
    money_line,
    refunded,
    sold,
)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    url = f"sqlite:///{tmp_path}/pool.sqlite3"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
    opened: Engine = open_engine(url)
    create_all(opened, metadata)
    world = World(opened, tmp_path, "guanghui")
    world.furnish()
    yield world
    opened.dispose()


def cover(world: World) -> Cover:
    return world.read(lambda tx: cover_of(tx, world.pool))


def fund(world: World, fen: int) -> None:
    world.do(RegisterSponsor(sponsor="town", name="街道"))
    world.do(ReceiveGift(gift_id=f"g-{fen}", sponsor="town", amount_fen=fen))


def test_a_warning_comes_below_its_level_and_awards_go_on(world: World) -> None:
    assert cover(world).state is CoverState.NO_VALUE
    world.do(c.SetCover(warning_bp=10_000))
    fund(world, 1_000)
    assert cover(world).state is CoverState.COVERED
    world.do(award("a-1", "river-patrol"))  # 100 points: 10.00 yuan, all of it covered
    assert (cover(world).state, cover(world).cover_bp) == (CoverState.COVERED, 10_000)
    world.do(award("a-2", "tidying"))  # 160 points
    assert cover(world) == Cover(CoverState.WARNING, 1_000, 160, 1_600, 6_250, 10_000, None)


def test_points_on_denominated_cards_are_to_be_covered_as_well(world: World) -> None:
    world.do(award("a-1", "river-patrol"))
    world.do(
        IssueBearerCards(
            batch="b-1",
            card_ids=("00000000000000e1", "00000000000000e2"),
            value_points=30,
            expires_on=TODAY + timedelta(days=30),
            spend=Spend.DOWN_TO_ZERO,
            place=world.preset.places[0].id,
        )
    )
    assert (cover(world).outstanding_points, cover(world).worth_fen) == (160, 1_600)


def test_at_the_hard_level_nothing_is_awarded_but_what_is_owed_is_still_taken_over(
    world: World,
) -> None:
    fund(world, 1_000)
    world.do(c.SetCover(warning_bp=10_000, hard_bp=5_000))
    world.do(award("a-1", "river-patrol"))
    world.do(award("a-2", "river-patrol", account=LIU))  # 200 points, covered by half
    assert reason(world.submit(award("a-3", "community-patrol"))) == "not_covered"
    cards = IssueBearerCards(
        batch="b-1",
        card_ids=("00000000000000e1",),
        value_points=10,
        expires_on=TODAY + timedelta(days=30),
        spend=Spend.DOWN_TO_ZERO,
        place=world.preset.places[0].id,
    )
    assert reason(world.submit(cards)) == "not_covered"
    world.do(
        OpenBalance(opening_id="p-1", account=ZHANG, points=500, as_of=TODAY, opened_by="社区")
    )
    assert cover(world).state is CoverState.STOPPED
    fund(world, 9_000)
    world.do(award("a-3", "community-patrol"))
    assert_audit_is_clean(world)


def test_levels_that_make_no_sense_are_refused(world: World, tmp_path: Path) -> None:
    assert reason(world.submit(c.SetCover(warning_bp=5_000, hard_bp=6_000))) == "bad_limit"
    assert reason(world.submit(c.SetCover(warning_bp=None, hard_bp=6_000))) == "bad_limit"
    other = open_engine(f"sqlite:///{tmp_path}/yamen.sqlite3")
    create_all(other, metadata)
    counter = World(other, tmp_path, "yamen")
    assert reason(counter.submit(c.SetCover(warning_bp=5_000))) == "no_value"
    assert cover(counter).worth_fen is None
    other.dispose()


def expire(world: World, through: date) -> tuple[int, int]:
    outcome = world.do(ExpirePoints(through=through))
    assert isinstance(outcome, Expired), outcome
    return outcome.points, outcome.residents


def test_points_never_expire_unless_the_pool_says_so(world: World) -> None:
    world.do(award("a-1", "river-patrol"))
    world.clock.move(days=10_000)
    command = ExpirePoints(through=TODAY + timedelta(days=9_000))
    assert reason(world.submit(command)) == "switched_off"


def test_the_oldest_points_are_used_first_and_the_rest_of_them_expires(world: World) -> None:
    world.do(c.SetPointsExpiry(after_days=90))
    world.do(award("a-1", "river-patrol"))  # 100 on day 0
    world.do(award("l-1", "tidying", account=LIU))
    till = world.till()
    world.clock.move(days=30)
    world.do(award("a-2", "tidying"))  # 60 on day 30
    spent = sold(world, money_line("套餐", 700), points=70, day=TODAY + timedelta(days=30))
    till.tell(spent)
    world.clock.move(days=62)  # day 92; the books of day 90 are closed
    assert expire(world, TODAY + timedelta(days=89)) == (0, 0)
    # 30 of Zhang's first 100 are left, and all of Liu's.
    assert expire(world, TODAY + timedelta(days=90)) == (90, 2)
    assert world.points(f"resident:{ZHANG}") == 60
    assert world.points(f"resident:{LIU}") == 0
    assert world.points("expired_points") == 90
    again = world.do(ExpirePoints(through=TODAY + timedelta(days=90)))
    assert isinstance(again, Expired)
    assert again.again
    # Goods that come back undo their use, so what comes back is of the oldest points again.
    all_of_it = RefundLine(line_no=1, quantity_milli=1000, amount_fen=700, amount_points=0)
    back = refunded(world, spent, all_of_it, points_for_money=70)
    till.tell(back)
    assert world.points(f"resident:{ZHANG}") == 130
    assert expire(world, TODAY + timedelta(days=91)) == (70, 1)
    assert world.points(f"resident:{ZHANG}") == 60
    assert_audit_is_clean(world)


def test_a_deed_that_is_awarded_late_has_its_whole_time(world: World) -> None:
    world.do(c.SetPointsExpiry(after_days=30))
    world.clock.move(days=60)
    world.do(award("a-1", "river-patrol", TODAY))
    world.clock.move(days=2)
    assert expire(world, TODAY + timedelta(days=61)) == (0, 0)


def test_points_that_a_till_holds_do_not_expire_under_its_hands(world: World) -> None:
    world.do(c.SetPointsExpiry(after_days=1))
    till = world.till()
    world.do(award("a-1", "river-patrol"))
    world.clock.move(days=3)
    till.authorise(world.sale_id(), optional=70)
    assert expire(world, TODAY + timedelta(days=2)) == (30, 1)
    assert world.free(ZHANG) == 0
    assert world.points(f"resident:{ZHANG}") == 70


def test_a_day_that_is_not_over_is_refused(world: World) -> None:
    world.do(c.SetPointsExpiry(after_days=1))
    assert reason(world.submit(ExpirePoints(through=TODAY))) == "future"


def test_the_audit_names_points_that_expired_into_nowhere(world: World) -> None:
    world.do(c.SetPointsExpiry(after_days=1))
    world.do(award("a-1", "river-patrol"))
    world.clock.move(days=3)
    expire(world, TODAY + timedelta(days=1))
    assert list(world.read(lambda tx: list(check_points(tx, world.pool)))) == []
    with writing(world.engine) as tx:
        draft = EntryDraft(
            key="slip",
            kind="slip",
            occurred_at=START,
            business_date=TODAY,
            legs=(Leg(Asset.POINTS, "slip", "points_issued", "expired_points", 5),),
        )
        post(tx, world.pool, draft, recorded_at=world.clock(), fact_no=1)
    found = world.read(lambda tx: list(check_points(tx, world.pool)))
    assert any("points_issued" in each.where for each in found), found


def test_an_operator_sets_levels_looks_at_them_and_lets_points_expire(tmp_path: Path) -> None:
    operator = Operator(tmp_path / "data")
    operator.do("init", "--pool", "guanghui")
    lines = (
        {"kind": "register_resident", "account": ZHANG, "name": "张阿姨", "household": "1-101",
         "place": "tinghoujie"},
        {"kind": "award_points", "award_id": "w-1", "account": ZHANG, "rule_id": "tidying",
         "performed_on": "2025-01-01", "awarded_by": "网格员"},
    )  # fmt: skip
    operator.do("import", "-", given=operator.import_lines(*lines))
    assert "未设" in operator.do("cover")
    assert "预警" in operator.do("cover", "--warning", "100")
    assert "停发" in operator.do("cover", "--hard", "50")
    told = json.loads(operator.do("fund", "--json"))["cover"]
    assert (told["state"], told["worth_fen"], told["hard_bp"]) == ("stopped", 600, 5_000)
    assert "停发：" in operator.do("fund")
    assert "资金不足" in operator.refused(
        "award", "--account", ZHANG, "--rule", "tidying", "--by", "网格员"
    )
    assert "未设" in operator.do("cover", "--warning", "0", "--hard", "0")
    assert "不过期" in operator.refused("expire")
    operator.do("expire", "--after-days", "1")
    assert "0 人" in operator.do("expire", "--dry-run", "--through", "2026-01-01")
    assert "过期 0" in operator.do("expire", "--through", "2026-01-01")
    operator.do("expire", "--off")
    assert "不过期" in operator.refused("expire")
