"""What a run asks of statements is looked up by indexes, however many statements gather."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, func, insert, select, text

from server.db import reading, writing
from server.db.dialect import plan_by_index
from server.directory.values import Contract
from server.ledger.tables import entry
from server.settlement import day_sums
from server.settlement import tables as t
from server.settlement.day_sums_tables import SUMMED, day_sum
from server.settlement.months import months_so_far
from server.settlement.statements import newest_of
from server.settlement.unplaced import LeavesOff, Unplaced, buckets
from tests.unit.settlement.world import FIRST_DAY, OPENED_AT, POOL, World

MERCHANTS = [f"m{number:03}" for number in range(200)]
RUNS = 20


@pytest.fixture
def grown(world: World) -> Engine:
    """Each merchant has a statement with a share and a minimum of each of the runs."""
    world.open(*MERCHANTS)
    days = [FIRST_DAY + timedelta(days=number) for number in range(RUNS)]
    with writing(world.engine) as tx:
        tx.execute(insert(t.settlement_run), [_run(day) for day in days])
        made = [(merchant, day) for merchant in MERCHANTS for day in days]
        tx.execute(insert(t.statement), [_statement(*each) for each in made])
        tx.execute(insert(t.statement_share), [_share(*each) for each in made])
        tx.execute(insert(t.statement_minimum), [_minimum(*each) for each in made])
    with world.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("ANALYZE"))
    return world.engine


def _run(day: date) -> dict[str, object]:
    own = {"pool": POOL, "run": f"r{day}", "through": day, "fact_no": 1, "manner": "by_merchant"}
    return own | {"settled_at": OPENED_AT, "settled_by": "财务"}


def _statement(merchant: str, day: date) -> dict[str, object]:
    zero = {each.name: 0 for each in t.statement.columns if each.name.endswith(("_fen", "_points"))}
    return zero | {
        "pool": POOL,
        "statement": f"{merchant}-{day}",
        "merchant": merchant,
        "period_from": day,
        "period_through": day,
        "run": f"r{day}",
        "sales_count": 0,
        "refunds_count": 0,
        "cycle": "day",
        "issued_at": OPENED_AT,
        "opening_fen": day.day,
        "closing_fen": day.day,
    }


def _of(merchant: str, day: date) -> dict[str, object]:
    own = {"pool": POOL, "statement": f"{merchant}-{day}", "contract": f"c-{merchant}"}
    return own | {"month": f"{day:%Y-%m}", "share_fen": 1}


def _share(merchant: str, day: date) -> dict[str, object]:
    terms = {"category": "", "basis": "cash", "from_fen": 0, "share_bp": 1_000}
    return _of(merchant, day) | terms | {"takings_fen": 10}


def _minimum(merchant: str, day: date) -> dict[str, object]:
    return _of(merchant, day) | {"days": 1, "minimum_fen": 3, "added_fen": 2}


@contextmanager
def explained(tx: Connection) -> Iterator[list[str]]:
    """The plans, as text, of what is asked meanwhile."""
    asked: list[tuple[str, Any]] = []
    plans: list[str] = []

    def note(_: object, __: object, statement: str, parameters: Any, *___: object) -> None:
        asked.append((statement, parameters))

    event.listen(tx, "before_cursor_execute", note)
    yield plans
    event.remove(tx, "before_cursor_execute", note)
    way = "EXPLAIN " if tx.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN "
    for statement, parameters in asked:
        rows = tx.exec_driver_sql(way + statement, parameters).all()
        plans.append("\n".join(str(row[-1]) for row in rows))


def assert_looked_up(plan: str, *tables: str) -> None:
    """Neither database reads one of these from end to end, nor all that the pool has in it."""
    named = "|".join(tables)
    whole = rf"Seq Scan on (?:{named})\b|SCAN (?:{named})\b|SEARCH (?:{named}) .*\(pool=\?\)"
    all_of_a_pool = r"Index Cond: \(\(?pool\)?(?:::text)? = [^ ]+\)$"
    assert not re.search(f"{whole}|{all_of_a_pool}", plan, re.MULTILINE), plan


def test_where_merchants_leave_off_is_one_look_up_each(grown: Engine) -> None:
    with reading(grown) as tx:
        for whose in (None, MERCHANTS[:50]):
            with explained(tx) as plans:
                found = {row.merchant: row for row in newest_of(tx, POOL, whose)}
            assert set(found) == set(MERCHANTS if whose is None else whose)
            assert {row.period_through for row in found.values()} == {date(2026, 3, RUNS)}
            assert {row.closing_fen for row in found.values()} == {RUNS}
            assert {row.fact_no for row in found.values()} == {1}
            (plan,) = plans
            assert_looked_up(plan, "statement")


def test_what_a_month_came_to_is_looked_up_by_its_contract(grown: Engine) -> None:
    contracts = [f"c-{merchant}" for merchant in MERCHANTS[:5]]
    with reading(grown) as tx:
        plan_by_index(tx)  # as a run does
        with explained(tx) as plans:
            so_far = months_so_far(tx, POOL, contracts, ["2026-03"])
        assert so_far.takings_fen == {(each, "2026-03", ""): 10 * RUNS for each in contracts}
        assert so_far.share_fen == {(each, "2026-03"): RUNS for each in contracts}
        assert so_far.added_fen == {(each, "2026-03"): 2 * RUNS for each in contracts}
        takings, added = plans
        assert "shares_by_month" in takings, takings
        assert "minimums_by_month" in added, added
        for plan in plans:
            assert_looked_up(plan, "statement", "statement_share", "statement_minimum")


ENTRIES = 6_000


def test_between_which_runs_a_portion_was_booked_is_read_from_its_entries_alone(
    world: World,
) -> None:
    world.open("m")
    with writing(world.engine) as tx:
        last = tx.execute(select(func.max(entry.c.entry_no))).scalar_one() or 0
        tx.execute(insert(entry), [_entry(last + number) for number in range(1, ENTRIES + 1)])
    with world.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("ANALYZE"))
    with reading(world.engine) as tx:
        plan_by_index(tx)  # as whoever sums up does
        with explained(tx) as plans:
            before = day_sums._opened_before(tx, POOL, last + ENTRIES // 2, last + ENTRIES)
    assert before == 0
    of_facts = [plan for plan in plans if "entr" in plan]
    assert of_facts
    for plan in of_facts:
        assert "entries_by_fact" not in plan, plan  # all of the ledger, from either end
        assert_looked_up(plan, "entry")


def _entry(number: int) -> dict[str, object]:
    own = {"pool": POOL, "entry_no": number, "key": f"opening:{number}", "kind": "opening"}
    when = {"occurred_at": OPENED_AT, "recorded_at": OPENED_AT, "business_date": FIRST_DAY}
    return own | when | {"input_hash": bytes(32), "fact_no": 1, "memo": ""}


PAST_DAYS = 400


def test_what_waits_is_found_by_its_day_or_by_its_run_and_not_in_all_of_the_past(
    world: World,
) -> None:
    whose = MERCHANTS[:20]
    world.open(*whose)
    made = [_day_sum(day, merchant) for day in range(PAST_DAYS) for merchant in whose]
    for number, each in enumerate(made):
        each["day_sum"] = -1 - number
    with writing(world.engine) as tx:
        tx.execute(insert(day_sum), made)
    if world.engine.dialect.name == "postgresql":  # does so by itself; SQLite never
        with world.engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("ANALYZE"))
    contracts: dict[str, Sequence[Contract]] = {merchant: [] for merchant in whose}
    last = FIRST_DAY + timedelta(days=PAST_DAYS - 1)
    since = dict.fromkeys(whose, LeavesOff(last - timedelta(days=1), PAST_DAYS - 1))
    with reading(world.engine) as tx:
        plan_by_index(tx)  # as a run does
        with explained(tx) as plans:
            found = buckets(tx, Unplaced(POOL, PAST_DAYS, contracts, since), last)
    assert [len(each) for each in found.values()] == [1] * len(whose)
    assert plans
    for plan in plans:
        assert_looked_up(plan, "day_sum")
        for column in ("business_date", "after_fact"):
            sought = rf"Cond: .*merchant.*{column}|pool=\? AND merchant=\? AND {column}"
            assert re.search(sought, plan), plan


def _day_sum(number: int, merchant: str) -> dict[str, object]:
    """Each merchant has one of each day, booked after the day's run."""
    day = FIRST_DAY + timedelta(days=number)
    own = {"pool": POOL, "merchant": merchant, "business_date": day, "after_fact": number}
    zero = dict.fromkeys((*SUMMED, "money_points_fen", "lost"), 0)
    agree = {"terms_day": day, "shop": "", "kind": "paid", "source": ""}
    return zero | own | agree | {"entries": 1, "odd_no": None}
