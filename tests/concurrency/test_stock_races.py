"""Goods that are received or counted while they are sold: no movement is lost from the level."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Connection, Engine

from protocol.messages import OutcomeKind, RecordOutcome
from server.commands.audit_stock import check_stock
from server.db import run_writing
from server.redemption import JournalRecord, stock
from server.redemption.stock import CountStock, ReceiveStock, StockMoved, stock_units
from tests.concurrency.racing import (
    WITH_LOCK_S,
    WITHOUT_LOCK_S,
    both,
    make_meet,
    take_the_lock_off,
)
from tests.unit.awards.deeds import assert_audit_is_clean
from tests.unit.server.world import Till, World, points_line, sold

SALT, AT_FIRST = "salt", 100

RECEIVED = ReceiveStock(receipt_id="r-1", item_id=SALT, quantity_milli=60_000)
COUNTED = CountStock(count_id="n-1", item_id=SALT, counted_milli=90_000, reason="月底盘点")
EACH_OTHER = pytest.mark.parametrize("other", [RECEIVED, COUNTED], ids=["received", "counted"])


@pytest.fixture
def town(engine: Engine, tmp_path: Path) -> World:
    return furnished(engine, tmp_path)


@pytest.fixture
def on_postgres(postgres_engine: Engine, tmp_path: Path) -> World:
    return furnished(postgres_engine, tmp_path)


def furnished(engine: Engine, folder: Path) -> World:
    world = World(engine, folder, "wenhuajie")
    world.furnish()
    for _ in range(2):
        world.award("00000000000000a1", "clean-up", "clean-up", "clean-up")
    return world


def selling(world: World, till: Till) -> Callable[[], object]:
    """One packet of salt for 5 points, told as the journal tells it."""
    line = points_line(SALT, 5, 0)
    record = till.record(sold(world, line, points=5))
    command = JournalRecord(terminal=till.terminal, record=record, proof_holds=None)
    return lambda: run_writing(world.engine, lambda tx: submitted(world, tx, command))


def moving(world: World, command: msgspec.Struct) -> Callable[[], object]:
    return lambda: run_writing(world.engine, lambda tx: submitted(world, tx, command))


def submitted(world: World, tx: Connection, command: msgspec.Struct) -> object:
    return world.desk.submit(tx, world.pool, command, actor="test", recorded_at=world.clock())


def level(world: World) -> int:
    return world.read(lambda tx: stock_units(tx, world.pool))[SALT]


def lost_movements(world: World) -> list[object]:
    return list(world.read(lambda tx: list(check_stock(tx, world.pool))))


@EACH_OTHER
def test_what_comes_in_or_is_counted_while_it_is_sold_is_all_in_the_level(
    town: World, monkeypatch: pytest.MonkeyPatch, other: msgspec.Struct
) -> None:
    sell = selling(town, town.till())
    make_meet(monkeypatch, stock, "_levels", wait_s=WITH_LOCK_S)
    sale, moved = both(sell, moving(town, other))
    assert isinstance(sale, RecordOutcome), sale
    assert sale.outcome is OutcomeKind.POSTED
    assert isinstance(moved, StockMoved)
    right = {AT_FIRST + 60 - 1} if other is RECEIVED else {90, 90 - 1}
    assert level(town) in right
    assert lost_movements(town) == []
    assert_audit_is_clean(town)


def test_two_tills_that_sell_the_same_goods_take_both(
    town: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    tills = [town.till(), town.till(terminal="t-2")]
    sales = [selling(town, each) for each in tills]
    make_meet(monkeypatch, stock, "_levels", wait_s=WITH_LOCK_S)
    answers = both(*sales)
    assert [getattr(each, "outcome", each) for each in answers] == [OutcomeKind.POSTED] * 2
    assert level(town) == AT_FIRST - 2
    assert lost_movements(town) == []


def begin_counting(world: World) -> None:
    """From here on the level has a row of its own, which two can overwrite."""
    world.do(ReceiveStock(receipt_id="r-0", item_id=SALT, quantity_milli=1_000))


@pytest.mark.postgres
@EACH_OTHER
def test_with_the_lock_off_one_overwrites_the_other_on_postgresql(
    on_postgres: World, monkeypatch: pytest.MonkeyPatch, other: msgspec.Struct
) -> None:
    begin_counting(on_postgres)
    sell = selling(on_postgres, on_postgres.till())
    take_the_lock_off(monkeypatch)
    make_meet(monkeypatch, stock, "_levels", wait_s=WITHOUT_LOCK_S)
    sale, moved = both(sell, moving(on_postgres, other))
    assert isinstance(sale, RecordOutcome), sale
    assert isinstance(moved, StockMoved), moved
    # Both were told that it is done, and one of the two movements is not in the level; the
    # audit names the item.
    (found,) = lost_movements(on_postgres)
    assert SALT in str(found)
