"""Which day a sale belongs to at the edge of the cut-off hour, and where a line's amounts come
from: through real records, to the statement's line and its files.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from protocol.business_day import SHANGHAI, business_date, closes_at
from protocol.sales import AmountsSource, AnsweredBy, Payment, SaleCaptured, TakingsDeclared
from server.bootstrap.desk import make_desk
from server.commands.audit import run_audit
from server.db import create_all, metadata, open_engine, reading
from server.exports.export import Exported, export_statement
from server.exports.seal import StatementFormat
from server.settlement.values import OpenRun, SettleProblem, SettleRefused
from tests.unit.exports.read_back import csv_tables
from tests.unit.settlement.real_world import RealWorld

HOUR = 4
"""The evening market's: what is sold after midnight belongs to the evening."""
EVENING, NEXT = date(2026, 3, 3), date(2026, 3, 4)
EDGE = datetime(2026, 3, 4, HOUR, tzinfo=SHANGHAI)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[RealWorld]:
    engine = open_engine(f"sqlite:///{tmp_path}/pool.db")
    create_all(engine, metadata)
    world = RealWorld(engine, "market", now=datetime(2026, 3, 2, 7, tzinfo=UTC))
    assert world.preset.cut_off_hour == HOUR
    world.open_merchant("tan", "十七号摊", share_bp=1_000)
    yield world
    with reading(engine) as tx:
        audited = run_audit(tx, world.pool, make_desk)
    assert {each.invariant: each.violations for each in audited if each.broken} == {}
    engine.dispose()


def sell(
    world: RealWorld,
    cash_fen: int,
    *,
    at: datetime | None = None,
    source: AmountsSource = AmountsSource.BASKET,
) -> None:
    """A sale for cash, with the business date that a terminal gives it."""
    till = world.tills["tan"]
    till.receipts += 1
    moment = at or world.now
    sale = SaleCaptured(
        sale_id=world.new_id(),
        receipt_no=f"{till.terminal}-{till.receipts:04d}",
        business_date=business_date(moment, HOUR),
        lines=(world.amount("烤面筋", cash_fen),),
        payment=Payment(cash_fen=cash_fen),
        answered_by=AnsweredBy.NOBODY,
        amounts_source=source,
    )
    world.happened("tan", sale, at=moment)


def shown(world: RealWorld, day: date) -> list[tuple[int, date, bool]]:
    """Takings, own date and lateness of each line."""
    lines = world.document(f"tan-{day:%Y%m%d}").lines
    return [(line.takings_fen, line.business_date, line.late) for line in lines]


def test_a_minute_before_the_cut_off_is_the_evening_and_the_minute_itself_the_next_day(
    world: RealWorld,
) -> None:
    for cash_fen, at in ((101, EDGE - MINUTE), (102, EDGE), (103, EDGE + MINUTE)):
        world.now = at
        sell(world, cash_fen)
    world.run(EVENING)
    assert shown(world, EVENING) == [(101, EVENING, False)]
    world.now = EDGE + timedelta(days=1)
    world.run(NEXT)
    assert shown(world, NEXT) == [(102, NEXT, False), (103, NEXT, False)]


def test_what_comes_after_its_day_was_settled_keeps_its_own_date_on_the_next_statement(
    world: RealWorld,
) -> None:
    world.now = EDGE - timedelta(seconds=1)
    too_early = world.by("operator", OpenRun(run="early", through=EVENING, opened_by="财务"))
    assert isinstance(too_early, SettleRefused)
    assert too_early.reason is SettleProblem.PERIOD_OPEN
    world.now = EDGE
    world.run(EVENING)
    assert shown(world, EVENING) == []
    # The terminal was away for a week: both edges of the evening come now.
    world.now = EDGE + timedelta(days=7)
    first = closes_at(EVENING - timedelta(days=1), HOUR)
    for cash_fen, at in ((101, first - MINUTE), (102, first), (103, EDGE - MINUTE), (104, EDGE)):
        sell(world, cash_fen, at=at)
    through = EVENING + timedelta(days=7)
    world.run(through)
    before = EVENING - timedelta(days=1)
    assert shown(world, through) == [
        (101, before, True),
        (102, EVENING, True),
        (103, EVENING, True),
        (104, NEXT, False),
    ]


def test_no_day_of_a_year_is_shorter_or_longer_than_another() -> None:
    """Shanghai has no summer time: elsewhere two nights a year would lose or double an hour."""
    days = [date(2026, 1, 1) + timedelta(days=number) for number in range(400)]
    for hour in (0, HOUR):
        ends = [closes_at(day, hour).astimezone(UTC) for day in days]
        assert {after - before for before, after in pairwise(ends)} == {timedelta(days=1)}
        for day, end in zip(days, ends, strict=True):
            assert business_date(end - timedelta(microseconds=1), hour) == day
            assert business_date(end, hour) == day + timedelta(days=1)


SOURCES = {
    AmountsSource.BASKET: "终端购物清单",
    AmountsSource.API: "收银系统接口",
    AmountsSource.DISPLAY_TAP: "顾客显示屏",
    AmountsSource.RECEIPT_TAP: "收银小票",
}


def test_each_line_says_where_its_amount_came_from_and_what_was_declared_beside(
    world: RealWorld,
) -> None:
    """A till's own amounts (by a tap or its API), the basket's, and what the Z report adds."""
    world.now = datetime(2026, 3, 3, 7, tzinfo=UTC)
    amounts = {source: 1_000 + number for number, source in enumerate(SOURCES)}
    for source, cash_fen in amounts.items():
        sell(world, cash_fen, source=source)
    counted_fen = sum(amounts.values())
    declared = TakingsDeclared(
        z_no=1,
        business_date=EVENING,
        takings_fen={"cash": counted_fen + 250},
        counted_fen=counted_fen,
    )
    world.happened("tan", declared)
    world.now = EDGE
    world.run(EVENING)
    made = world.document(f"tan-{EVENING:%Y%m%d}")
    expected = {source.value: fen for source, fen in amounts.items()} | {"declared": 250}
    assert {line.source: line.takings_fen for line in made.lines} == expected
    assert {row.source: row.cash_fen for row in made.takings} == expected
    (compared,) = made.declared
    assert (compared.declared_fen, compared.counted_fen) == (counted_fen + 250, counted_fen)
    assert compared.difference_fen == 250
    assert made.takings_fen == counted_fen + 250
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    exported = export_statement(made, StatementFormat.CSV, key, None)
    assert isinstance(exported, Exported)
    told = {row["receipt_no"]: row["source"] for row in csv_tables(exported.content)["lines"]}
    assert sorted(told.values()) == sorted([*SOURCES.values(), "Z 报表申报"])
