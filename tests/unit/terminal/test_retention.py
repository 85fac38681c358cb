"""What is told stays 90 days, what is untold stays for good, and the disk says long before it is full."""

from datetime import timedelta

from sqlalchemy import func, select, update

from terminal.shifts.shifts import Counted
from terminal.store.chain_check import ChainCheck
from terminal.store.retention import (
    KEPT,
    KEPT_OPEN,
    RESERVE_BYTES,
    WARN_DAYS,
    DiskBudget,
    disk_budget,
    prune,
)
from terminal.store.sqlite import time_text
from terminal.store.tables import journal, outbox, print_job, sale
from terminal.workers.keeping import KeepingRound
from tests.support.shop import NOON, TERMINAL_KEY, Shop, slot_text
from tests.unit.terminal.test_sync import Wire, round_of, sell

SALES_A_DAY, WARMING = 300, 50
CARD_LEAVES_BYTES = 3 * 10**9

LATER = NOON + KEPT_OPEN + timedelta(days=1)
"""When even what no Z report counted yet may go."""


def told(shop: Shop) -> None:
    round_of(shop, Wire())()


def seqs(shop: Shop) -> list[int]:
    with shop.store.reading() as connection:
        return list(connection.execute(select(journal.c.seq).order_by(journal.c.seq)).scalars())


def check(shop: Shop) -> ChainCheck:
    return ChainCheck(shop.store, TERMINAL_KEY.public_key(), "T0001")


def test_nothing_goes_before_ninety_days(shop: Shop) -> None:
    sell(shop, 3)
    told(shop)
    assert prune(shop.store, NOON + KEPT - timedelta(minutes=1)) == 0
    assert seqs(shop) == [1, 2, 3, 4]


def test_what_is_old_and_told_goes_with_its_sales_and_the_chain_still_holds(shop: Shop) -> None:
    sell(shop, 3)
    told(shop)
    shop.wall.at = NOON + timedelta(days=60)
    sell(shop, 2)
    told(shop)
    assert prune(shop.store, LATER) == 4
    assert seqs(shop) == [5, 6]
    assert check(shop).whole().broken is None
    assert check(shop).at_boot() is None
    assert [x.row.receipt_no for x in shop.store.recent_sales(9)] == [
        "T0001-000005",
        "T0001-000004",
    ]
    assert shop.store.captured("T0001-000001") is None
    with shop.store.reading() as connection:
        papers = connection.execute(select(print_job.c.receipt_no)).scalars().all()
        left = connection.execute(select(sale.c.receipt_no)).scalars().all()
    assert sorted(papers) == sorted(left) == ["T0001-000004", "T0001-000005"]
    shop.power_cut()
    sell(shop, 1)
    assert shop.store.recent_sales(1)[0].row.receipt_no == "T0001-000006"
    assert check(shop).whole().broken is None


def test_an_untold_record_stays_whatever_its_age_and_so_does_all_behind_it(shop: Shop) -> None:
    sell(shop, 3)
    assert prune(shop.store, NOON + timedelta(days=900)) == 0
    told(shop)
    with shop.store.writing() as connection:
        connection.exec_driver_sql("insert into outbox (epoch, seq) values (1, 3)")
    assert prune(shop.store, NOON + timedelta(days=900)) == 2
    assert seqs(shop) == [3, 4]


def test_what_no_z_report_counted_yet_stays_so_that_the_next_one_is_right(shop: Shop) -> None:
    sell(shop, 2)
    shop.shifts.close(1, Counted(None, {}))
    sell(shop, 3)
    told(shop)
    counted = shop.shifts.now().figures
    shop.wall.at = NOON + KEPT + timedelta(days=1)
    assert prune(shop.store, shop.wall.at) == 4, "up to the Z report, and not the open shift"
    assert prune(shop.store, shop.wall.at) == 0
    assert (shop.shifts.now().figures, counted.sales) == (counted, 3)
    assert check(shop).whole().broken is None
    sell(shop, 1)
    shop.shifts.close(2, Counted(None, {}))
    second = shop.store.z_report(2)
    assert second is not None
    assert second[0].figures.sales == 4
    told(shop)
    assert prune(shop.store, shop.wall.at) == 4, "counted now, and old"


def test_a_shift_that_is_never_closed_is_kept_for_long_and_not_for_ever(shop: Shop) -> None:
    sell(shop, 3)
    told(shop)
    shop.wall.at = NOON + KEPT_OPEN - timedelta(days=1)
    assert prune(shop.store, shop.wall.at) == 0
    # What stays fills the disk, and that is said as it is for everything else.
    assert disk_budget(shop.store, shop.path, reserve_bytes=10**18).is_short
    assert prune(shop.store, LATER) == 3


def test_a_record_told_only_lately_stays(shop: Shop) -> None:
    sell(shop, 1)
    told(shop)
    with shop.store.writing() as connection:
        connection.execute(update(journal).values(told_at=time_text(LATER - timedelta(days=89))))
    assert prune(shop.store, LATER) == 0


def test_one_step_is_bounded(shop: Shop) -> None:
    sell(shop, 5)
    told(shop)
    assert [prune(shop.store, LATER, limit=4) for _ in range(3)] == [4, 1, 0]


def test_the_disk_is_told_to_be_short_long_before_it_is_full(shop: Shop) -> None:
    sell(shop, 5)
    shop.wall.at = NOON + timedelta(days=2)
    sell(shop, 5)
    budget = disk_budget(shop.store, shop.path)
    assert budget.free_bytes > 0
    assert budget.days_left == budget.free_bytes // budget.bytes_a_day
    with shop.store.reading() as connection:
        bodies = connection.execute(select(journal.c.body)).scalars().all()
    assert budget.bytes_a_day == sum(len(body) for body in bodies) * 4 // 2
    full = disk_budget(shop.store, shop.path, reserve_bytes=10**18)
    assert (full.free_bytes, full.days_left, full.is_short) == (0, 0, True)
    assert DiskBudget(10**9, 10**7, WARN_DAYS - 1).is_short
    assert not DiskBudget(10**9, 10**6, WARN_DAYS).is_short
    assert RESERVE_BYTES > 0


def test_ninety_days_away_fit_on_the_smallest_card_and_are_told_long_before(shop: Shop) -> None:
    """A shop of 300 sales a day, four lines and points in each, on a card of 8 GB of which the
    system leaves three: a day's sales are made, measured on the file itself with their receipts,
    and nothing of them is told.
    """
    for number in range(WARMING + SALES_A_DAY):
        if number == WARMING:
            before = size_of(shop)
        shop.wall.at += timedelta(days=1) / (WARMING + SALES_A_DAY)
        for item in ("bun", "oil", "pressure"):
            shop.till.add_item(item)
        shop.till.add_amount("12.80", "杂货")
        shop.pool.approve(50, 100)
        shop.till.scan(slot_text(starts_at=shop.wall.at))
        shop.till.complete(shop.till.snapshot()[0].sale_id)
    assert len(shop.store.recent_sales(1_000)) == WARMING + SALES_A_DAY
    a_day = size_of(shop) - before
    away = a_day * KEPT.days
    assert away < CARD_LEAVES_BYTES // 2, "ninety days take less than half"
    counted = disk_budget(shop.store, shop.path).bytes_a_day
    assert counted >= a_day, "what the warning counts with is not less than what is taken"
    assert not DiskBudget(CARD_LEAVES_BYTES, counted, CARD_LEAVES_BYTES // counted).is_short
    assert (CARD_LEAVES_BYTES - away) // counted > WARN_DAYS, "nor after ninety days"
    # On a card that others have filled: from the warning on, ninety days of sales still fit.
    free = next(x for x in range(0, CARD_LEAVES_BYTES, 10**6) if x // counted >= WARN_DAYS)
    assert free - 10**6 >= away
    with shop.store.reading() as connection:
        untold = connection.execute(select(func.count()).select_from(outbox)).scalar_one()
    assert untold >= WARMING + SALES_A_DAY
    assert prune(shop.store, shop.wall.at + KEPT_OPEN * 3) == 0, "nothing of it goes untold"


def size_of(shop: Shop) -> int:
    """What the records take, once the log is in the file."""
    with shop.store.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    return sum(each.stat().st_size for each in shop.path.glob("terminal.db*"))


def test_the_worker_deletes_piece_by_piece_and_tells_the_page(shop: Shop) -> None:
    sell(shop, 3)
    told(shop)
    shop.wall.at = LATER
    shop.wall.monotonic_ms = (KEPT_OPEN.days + 1) * 24 * 3600 * 1000
    assert KeepingRound(shop.store, shop.path, shop.clock, shop.surroundings)() > 0
    assert seqs(shop) == [1, 2, 3, 4], "a clock that nobody confirms deletes nothing"
    shop.clock.note_server_time(LATER)
    keeping = KeepingRound(shop.store, shop.path, shop.clock, shop.surroundings, piece=2)
    rests = [keeping() for _ in range(3)]
    assert seqs(shop) == [4]
    assert rests[0] < rests[-1]
    short = KeepingRound(shop.store, shop.path, shop.clock, shop.surroundings, reserve_bytes=10**18)
    short()
    assert shop.surroundings.read().disk_days == 0
    assert shop.page.view().disk_days == 0


def test_a_till_that_rested_for_the_whole_time_goes_on_where_its_chain_ended(shop: Shop) -> None:
    sell(shop, 3)
    told(shop)
    assert prune(shop.store, LATER) == 3
    assert seqs(shop) == [4], "the newest stays: the next one names it"
    shop.power_cut()
    sell(shop, 1)
    assert seqs(shop)[:2] == [4, 5]
    assert check(shop).whole().broken is None
    assert check(shop).at_boot() is None
