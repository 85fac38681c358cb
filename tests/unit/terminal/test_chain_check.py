"""Torn, altered, cut, forked or lying storage is found at the start, whatever was done to it."""

import random
import sqlite3
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Row, delete, event, update

from terminal.domain.ports import StoreFaultError
from terminal.domain.stopped import Stop, StopCause
from terminal.store import chain_check
from terminal.store.chain_check import ChainCheck, Mark, read_mark
from terminal.store.quarantine import STOP_FILE, Quarantine
from terminal.store.retention import KEPT_OPEN, prune
from terminal.store.sealer import ChainHead
from terminal.store.tables import journal, outbox, sale
from terminal.workers.chain import IDLE_S, PIECE_REST_S, ChainRound
from tests.support.shop import NOON, TERMINAL_KEY, Shop


def sell(shop: Shop, times: int) -> None:
    for _ in range(times):
        shop.till.add_item("bun")
        shop.till.complete(shop.till.snapshot()[0].sale_id)


def check_of(shop: Shop) -> ChainCheck:
    return ChainCheck(shop.store, TERMINAL_KEY.public_key(), "T0001")


def found_at_boot(shop: Shop) -> Stop | None:
    """What a start says of the file as it is now."""
    shop.store.close()
    try:
        shop.open()
    except StoreFaultError as fault:
        return Stop(StopCause.STORAGE_DAMAGED, str(fault))
    return check_of(shop).at_boot()


def damage(shop: Shop, *statements: str) -> None:
    """As another hand, or a bad card, changes the file."""
    shop.store.close()
    with sqlite3.connect(shop.path / "terminal.db") as db:
        for statement in statements:
            db.execute(statement)
    db.close()
    shop.open()


def test_a_whole_chain_is_found_in_order_and_the_next_start_looks_at_what_is_new(
    shop: Shop,
) -> None:
    sell(shop, 5)
    assert found_at_boot(shop) is None
    with shop.store.reading() as connection:
        mark = read_mark(connection, Mark.CHECKED)
    assert mark is not None
    assert mark.seq == 6
    sell(shop, 2)
    assert check_of(shop).piece().records == 2
    assert check_of(shop).whole().records == 8


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        (
            "update journal set body = cast(replace(body, 'bun', 'bum') as blob) where seq = 3",
            "1/3",
        ),
        ("update journal set signature = zeroblob(64) where seq = 3", "1/3"),
        ("update journal set hash = 'ff' where seq = 3", "1/3"),
        ("delete from journal where seq = 3", "1/3"),
        ("delete from journal where seq = 1", "1/1"),
        ("update journal set seq = 99 where seq = 6", "1/"),
        ("update sale set seq = 2 where seq = 6", "no record"),
    ],
)
def test_every_change_of_a_record_is_found(shop: Shop, statement: str, says: str) -> None:
    sell(shop, 5)
    assert check_of(shop).whole().broken is None
    damage(shop, "pragma foreign_keys=off", statement)
    stop = check_of(shop).at_boot()
    assert stop is not None
    assert stop.cause is StopCause.CHAIN_BROKEN
    assert says in stop.detail


def test_the_newest_records_torn_off_behind_the_mark_are_missed(shop: Shop) -> None:
    """A card that lies about syncs: an older state, every page of it valid."""
    sell(shop, 3)
    assert check_of(shop).at_boot() is None
    damage(
        shop,
        "delete from outbox where seq > 2",
        "delete from sale where seq > 2",
        "delete from journal where seq > 2",
    )
    stop = check_of(shop).at_boot()
    assert stop is not None
    assert "gone" in stop.detail


@pytest.mark.parametrize("seed", range(12))
def test_a_page_of_rubbish_is_found_or_harms_nothing(shop: Shop, seed: int) -> None:
    sell(shop, 40)
    with shop.store.writing() as connection:
        connection.exec_driver_sql("select 1")
    shop.store.close()
    file = shop.path / "terminal.db"
    chance = random.Random(seed)
    content = bytearray(file.read_bytes())
    page = chance.randrange(1, len(content) // 4096)
    content[page * 4096 : (page + 1) * 4096] = chance.randbytes(4096)
    file.write_bytes(content)
    for left in ("terminal.db-wal", "terminal.db-shm"):
        (shop.path / left).unlink(missing_ok=True)
    stop = found_at_boot(shop)
    assert stop is not None
    assert stop.cause in {StopCause.STORAGE_DAMAGED, StopCause.CHAIN_BROKEN}


def test_a_file_that_was_cut_short_is_found(shop: Shop) -> None:
    sell(shop, 40)
    shop.store.close()
    file = shop.path / "terminal.db"
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    stop = found_at_boot(shop)
    assert stop is not None
    assert stop.cause is StopCause.STORAGE_DAMAGED


def test_a_start_checks_a_bounded_number_and_the_rest_is_checked_beside_the_selling(
    shop: Shop,
) -> None:
    sell(shop, 30)
    damage(shop, "pragma foreign_keys=off", "update journal set hash = 'ff' where seq = 3")
    read = 0

    def count(*_arguments: object) -> None:
        nonlocal read
        read += 1

    event.listen(shop.store.engine, "before_cursor_execute", count)
    assert check_of(shop).at_boot(limit=10) is None, "only the newest ten are looked at"
    assert read < 20
    with shop.store.reading() as connection:
        assert read_mark(connection, Mark.CHECKED) is None, "the older ones were not checked"
    stopped: list[Stop] = []
    assert ChainRound(check_of(shop), stopped.append)() == IDLE_S
    assert "1/3" in stopped[0].detail


def test_the_check_beside_the_selling_goes_on_where_it_was(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    sell(shop, 9)
    monkeypatch.setattr("terminal.workers.chain.PAGE_RECORDS", 4)
    chain = check_of(shop)
    monkeypatch.setattr(chain, "piece", lambda: ChainCheck.piece(chain, 4))
    round_ = ChainRound(chain, lambda stop: pytest.fail(stop.detail))
    assert [round_() for _ in range(4)] == [PIECE_REST_S, PIECE_REST_S, IDLE_S, IDLE_S]


def test_that_a_terminal_is_stopped_is_kept_and_the_first_cause_stays(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path)
    assert quarantine.read() is None
    first = Stop(StopCause.FORKED, "1/7")
    quarantine.enter(first)
    quarantine.enter(Stop(StopCause.CHAIN_BROKEN, "later"))
    assert Quarantine(tmp_path).read() == first
    (tmp_path / STOP_FILE).write_text("{")
    unreadable = Quarantine(tmp_path).read()
    assert unreadable is not None
    assert unreadable.cause is StopCause.STORAGE_DAMAGED
    quarantine.lift()
    assert quarantine.read() is None


class Beside(ChainCheck):
    """Old records are deleted by another thread while this one checks."""

    between: Callable[[], object] = staticmethod(lambda: None)

    def _lost_start(self, start: ChainHead) -> Stop | None:
        self._delete()
        return super()._lost_start(start)

    def _broken(self, row: Row[tuple[object, ...]], before: ChainHead | None) -> Stop | None:
        found = super()._broken(row, before)
        self._delete()
        return found

    def _mark(self, head: ChainHead) -> None:
        self._delete()
        super()._mark(head)

    def _delete(self) -> None:
        between, self.between = self.between, lambda: None
        between()


def told_and_old(shop: Shop, sales: int) -> None:
    sell(shop, sales)
    with shop.store.writing() as connection:
        connection.execute(delete(outbox))
        connection.execute(update(journal).values(told_at="2026-03-02T04:00:00.000000+00:00"))


def beside(shop: Shop, between: Callable[[], object]) -> Beside:
    check = Beside(shop.store, TERMINAL_KEY.public_key(), "T0001")
    check.between = between
    return check


@pytest.mark.parametrize("deleted", [2, 3, 4])
def test_what_is_deleted_beside_the_check_is_not_missing(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, deleted: int
) -> None:
    monkeypatch.setattr(chain_check, "PAGE_RECORDS", 2)
    told_and_old(shop, 6)

    def old_ones_go() -> None:
        assert prune(shop.store, NOON + KEPT_OPEN + timedelta(days=2), limit=deleted) == deleted

    whole = beside(shop, old_ones_go).whole()
    assert whole.broken is None
    assert whole.head is not None
    assert whole.head.seq == 7


@pytest.mark.parametrize("deleted", [2, 3, 4])
def test_a_place_that_was_checked_and_is_deleted_is_not_gone(shop: Shop, deleted: int) -> None:
    told_and_old(shop, 6)
    assert check_of(shop).piece(3).records == 3
    check = beside(
        shop, lambda: prune(shop.store, NOON + KEPT_OPEN + timedelta(days=2), limit=deleted)
    )
    assert check.piece(9).broken is None
    with shop.store.reading() as connection:
        checked = read_mark(connection, Mark.CHECKED)
    assert checked is not None
    assert checked.seq == 7


def test_the_mark_does_not_go_back_behind_what_was_deleted(
    shop: Shop,
) -> None:
    told_and_old(shop, 6)

    class AtTheMark(Beside):
        def _broken(self, row: Row[tuple[object, ...]], before: ChainHead | None) -> Stop | None:
            return ChainCheck._broken(self, row, before)

        def _lost_start(self, start: ChainHead) -> Stop | None:
            return ChainCheck._lost_start(self, start)

    check = AtTheMark(shop.store, TERMINAL_KEY.public_key(), "T0001")
    check.between = lambda: prune(shop.store, NOON + KEPT_OPEN + timedelta(days=2), limit=5)
    assert check.piece(2).broken is None
    with shop.store.reading() as connection:
        marks = [read_mark(connection, mark) for mark in (Mark.PRUNED, Mark.CHECKED)]
    assert [mark.seq for mark in marks if mark is not None] == [5, 5]
    assert check_of(shop).piece(9).broken is None


def test_a_record_that_somebody_took_out_is_missing_still(shop: Shop) -> None:
    told_and_old(shop, 6)
    assert prune(shop.store, NOON + KEPT_OPEN + timedelta(days=2), limit=2) == 2
    with shop.store.writing() as connection:
        connection.execute(delete(sale).where(sale.c.seq == 4))
        connection.execute(delete(journal).where(journal.c.seq == 4))
    broken = check_of(shop).whole().broken
    assert broken is not None
    assert "missing" in broken.detail
