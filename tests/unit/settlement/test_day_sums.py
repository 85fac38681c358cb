"""Entries are summed ahead of settlement: once each, whoever sums, when, and in which portions."""

import threading
from contextlib import suppress
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    ColumnElement,
    Insert,
    Select,
    Table,
    create_engine,
    func,
    insert,
    literal,
    select,
    text,
)
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.pool import StaticPool

from protocol.business_day import closes_at
from server.commands.audit_day_sums import check_day_sums, check_summed
from server.db import create_all, dialect, metadata, open_engine, reading, writing
from server.ledger.tables import entry
from server.settlement import day_sums
from server.settlement.day_sums import sum_some, sum_up, summed_upto
from server.settlement.day_sums_tables import (
    day_sum,
    day_sum_head,
    placed_line,
    placement,
    statement_line,
)
from server.settlement.tables import settlement_run
from server.settlement.values import OpenRun, RunOpened
from tests.unit.settlement.run_reading import POOL, D, count, made
from tests.unit.settlement.world import BookSale, World


def rows(world: World) -> list[tuple[object, ...]]:
    with reading(world.engine) as tx:
        return [
            tuple(row)
            for table in (day_sum, statement_line)
            for row in tx.execute(select(table).order_by(*table.primary_key))
        ]


def open_run(world: World, through: date) -> None:
    world.now = closes_at(through, 3)
    opened = world.tell(OpenRun(run=f"run-{through}", through=through, opened_by="财务"))
    assert isinstance(opened, RunOpened), opened


def require_whole(world: World, *merchants: str) -> None:
    with reading(world.engine) as tx:
        assert list(check_summed(tx, POOL)) == []
        for merchant in merchants:
            assert list(check_day_sums(tx, POOL, merchant)) == []


def test_sales_of_a_day_are_one_row_and_each_transfer_has_its_place(world: World) -> None:
    world.open("m", "n")
    for number in range(5):
        world.sell("m", f"s{number}", D[0], cash_fen=100 + number, points=3, reimbursement_fen=30)
    world.sell("m", "r", D[1], cash_fen=101, of_sale="s1")
    world.sell("n", "x", D[0], cash_fen=7)
    assert sum_up(world.engine, POOL) > 0
    assert sum_up(world.engine, POOL) == 0
    with reading(world.engine) as tx:
        found = tx.execute(select(day_sum).where(day_sum.c.merchant == "m")).all()
    assert [(each.kind, each.entries, each.takings_fen) for each in found] == [
        ("sale", 5, 510),
        ("refund", 1, 0),
    ]
    sold, back = found
    assert (sold.redeemed_points, sold.reimbursement_fen) == (15, 150)
    assert (back.takings_returned_fen, back.terms_day, back.business_date) == (101, D[0], D[1])
    require_whole(world, "m", "n")


def test_a_run_takes_what_was_summed_and_what_was_not(world: World) -> None:
    world.open("m")
    world.sell("m", "s", D[0], cash_fen=100)
    sum_up(world.engine, POOL)
    world.sell("m", "t", D[0], cash_fen=20)
    world.run(D[0])
    (statement,) = made(world, "m")
    assert (statement.totals.sales_count, statement.totals.takings_fen) == (2, 120)


def test_what_comes_after_a_run_is_in_a_sum_of_its_own_whoever_sums_between(world: World) -> None:
    world.open("m", "n")
    world.sell("m", "s", D[0], cash_fen=100)
    open_run(world, D[0])
    world.sell("m", "late", D[0], cash_fen=20)
    sum_up(world.engine, POOL)
    world.run(D[0])
    world.run(D[1])
    first, second = made(world, "m")
    assert (first.totals.takings_fen, second.totals.takings_fen) == (100, 20)
    with reading(world.engine) as tx:
        late = tx.execute(select(placed_line).where(placed_line.c.late)).all()
    assert [each.statement for each in late] == [second.statement]
    require_whole(world, "m", "n")


def test_which_run_was_opened_last_is_asked_once_for_a_portion(world: World) -> None:
    world.open("m")
    world.sell("m", "s", D[0], cash_fen=100)
    open_run(world, D[0])
    world.sell("m", "t", D[1], cash_fen=20)
    with reading(world.engine) as tx:
        (opened,) = tx.execute(select(settlement_run.c.fact_no)).scalars()
        first, last = tx.execute(
            select(func.min(entry.c.entry_no), func.max(entry.c.entry_no))
        ).one()
        asked = [
            day_sums._opened_before(tx, POOL, after, upto)
            for after, upto in ((first - 1, first), (last - 1, last), (first - 1, last))
        ]
    assert asked == [0, opened, None]
    sum_up(world.engine, POOL)
    require_whole(world, "m")


def test_a_transfer_is_in_one_sum_and_a_sum_on_one_statement(world: World) -> None:
    world.open("m")
    world.sell("m", "s", D[0], cash_fen=100)
    world.run(D[0])
    world.sell("m", "t", D[1], cash_fen=100)
    world.run(D[1])
    first, second = made(world, "m")
    with reading(world.engine) as tx:
        line = tx.execute(select(statement_line).limit(1)).one()
        placed = tx.execute(select(placement).where(placement.c.statement == first.statement))
        there = placed.first()
    assert there is not None
    with pytest.raises(IntegrityError), writing(world.engine) as tx:
        tx.execute(insert(statement_line).values(**line._asdict()))
    with pytest.raises(IntegrityError), writing(world.engine) as tx:
        tx.execute(insert(placement).values(**there._asdict() | {"statement": second.statement}))
    with pytest.raises(DBAPIError, match="stays there"), writing(world.engine) as tx:
        tx.execute(text("UPDATE placement SET contract = NULL"))
    own = day_sum.c.day_sum == there.day_sum
    with pytest.raises(DBAPIError, match="never changed"), writing(world.engine) as tx:
        tx.execute(day_sum.update().where(own).values(takings_fen=day_sum.c.takings_fen + 1))
    with writing(world.engine) as tx:
        tx.execute(insert_waiting_copy(there.day_sum))
    with pytest.raises(DBAPIError, match="keeps its name"), writing(world.engine) as tx:
        tx.execute(text("UPDATE day_sum SET day_sum = -1 WHERE source = 'copy'"))


def insert_waiting_copy(number: int) -> Insert:
    """A day sum that stands nowhere, named -2, otherwise as this one."""
    names = [column.name for column in day_sum.columns]
    changed: dict[str, ColumnElement[Any]] = {"day_sum": literal(-2), "source": literal("copy")}
    row = select(*(changed.get(name, day_sum.c[name]) for name in names))
    return insert(day_sum).from_select(names, row.where(day_sum.c.day_sum == number))


@pytest.mark.parametrize(
    ("table", "wrong"),
    [
        (statement_line, {"transfer_no": 10**9}),
        (statement_line, {"transfer_no": 1, "day_sum": 10**9}),
        (placement, {"day_sum": 10**9}),
        (placement, {"day_sum": -2, "statement": "nobody-20260301"}),
        (placement, {"day_sum": -2, "contract": "nothing"}),
    ],
)
def test_a_place_is_between_things_that_are_there(
    world: World, table: Table, wrong: dict[str, object]
) -> None:
    world.open("m")
    world.sell("m", "s", D[0], cash_fen=100)
    world.run(D[0])
    with reading(world.engine) as tx:
        row = tx.execute(select(table)).first()
    assert row is not None
    right = row._asdict() | {"day_sum": -2} if table is placement else None
    with writing(world.engine) as tx:
        tx.execute(insert_waiting_copy(row.day_sum))
        if right is not None:
            nested = tx.begin_nested()
            tx.execute(insert(placement).values(**right))
            nested.rollback()
    with pytest.raises(IntegrityError, match=r"that is there|only a"), writing(world.engine) as tx:
        tx.execute(insert(table).values(**row._asdict() | wrong))


@pytest.mark.postgres
def test_a_sale_that_is_being_booked_is_summed_after_its_commit(postgres_url: str) -> None:
    world = world_of(postgres_url)
    world.open("m")
    world.sell("m", "s", D[0], cash_fen=100)
    with world.engine.connect() as open_tx, open_tx.begin():
        sale = BookSale("m", "t", D[0], 20, 0, 0)
        world.desk.submit(open_tx, POOL, sale, actor="test", recorded_at=world.now)
        sum_up(world.engine, POOL)
        before = rows(world)
        assert count(world, statement_line) == 1
    assert sum_up(world.engine, POOL) == 1
    assert rows(world) != before
    require_whole(world, "m")
    world.engine.dispose()


def both(world: World) -> list[BaseException]:
    """Two sum up at once; they meet after they know from where, if nothing keeps them apart."""
    faults: list[BaseException] = []

    def one() -> None:
        try:
            sum_up(world.engine, POOL)
        except BaseException as fault:  # noqa: BLE001 - told to the test, whatever it is
            faults.append(fault)

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return faults


@pytest.mark.postgres
@pytest.mark.parametrize("locked", [False, True])
def test_two_who_sum_at_once(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, *, locked: bool
) -> None:
    world = world_of(postgres_url)
    world.open("m")
    for number in range(5):
        world.sell("m", f"s{number}", D[0], cash_fen=100)
    meeting = threading.Barrier(2)
    plain = day_sums._sum

    def met(*args: Any) -> None:
        with suppress(threading.BrokenBarrierError):
            meeting.wait(0.5)
        plain(*args)

    monkeypatch.setattr(day_sums, "_sum", met)
    if not locked:
        monkeypatch.setattr(dialect, "locked", _not_locked)
    with writing(world.engine) as tx:
        dialect.insert_or_ignore(tx, day_sum_head, {"pool": POOL, "upto_entry": 0})
    faults = both(world)
    if locked:
        assert faults == []
    else:
        # The database itself keeps a transfer out of two sums; the lock spares the attempt.
        assert [type(fault) for fault in faults] == [IntegrityError]
    with reading(world.engine) as tx:
        assert tx.execute(select(func.sum(day_sum.c.takings_fen))).scalar_one() == 500
    require_whole(world, "m")
    world.engine.dispose()


def _not_locked(statement: Select[Any]) -> Select[Any]:
    return statement


def world_of(url: str) -> World:
    engine = open_engine(url)
    create_all(engine, metadata)
    return World(engine)


SALES = st.lists(
    st.tuples(st.sampled_from("mn"), st.integers(0, 3), st.integers(1, 5)), min_size=1, max_size=12
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    sales=SALES,
    portions=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    run_at=st.integers(0, 12),
)
def test_the_same_rows_in_whatever_portions(
    sales: list[tuple[str, int, int]], portions: list[int], run_at: int
) -> None:
    found = [summed_in(sales, run_at, each) for each in ([1_000], portions)]
    assert found[0] == found[1]


def summed_in(
    sales: list[tuple[str, int, int]], run_at: int, portions: list[int]
) -> list[tuple[object, ...]]:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    create_all(engine, metadata)
    world = World(engine)
    world.open("m", "n")
    for number, (merchant, day, points) in enumerate(sales):
        if number == run_at:
            open_run(world, D[1])
        world.sell(merchant, f"s{number}", D[day], cash_fen=10, points=points)
        if len(portions) > 1:
            with writing(engine) as tx:
                sum_some(tx, POOL, at_most=portions[number % len(portions)])
    while True:
        with writing(engine) as tx:
            if not sum_some(tx, POOL, at_most=portions[0]):
                break
    with reading(engine) as tx:
        assert summed_upto(tx, POOL) > 0
    made_rows = rows(world)
    engine.dispose()
    return made_rows
