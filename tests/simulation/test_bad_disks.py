"""Every write and every sync of a sale fails once: an error is shown, nothing is acknowledged,
nothing breaks afterwards; and whatever was kept of it, the page after the start tells the truth.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from drivers.document import Document
from drivers.ports import PrinterTrouble, PrintOutcome, do_nothing, ignore_trouble
from protocol.documents import Catalogue
from simulate.device import PaperRoll
from simulate.disk import Disk, DiskTrouble, Ends
from terminal.checkout.view import CompletedView
from terminal.domain.notice import NoticeCode
from terminal.domain.ports import StoreFaultError
from terminal.domain.print_job import JobState
from terminal.store.chain_check import ChainCheck
from terminal.workers.printing import PrintRound
from tests.support.shop import ITEMS, NOON, TERMINAL_KEY, Shop, directory, policy, slot_text

LAST_OPERATION = 12
"""No step of a sale writes or syncs more often than this."""

MOST_OPERATIONS = 100
"""Writes and syncs of one step together."""

FAULTS = {NoticeCode.STORE_FAULT.value, NoticeCode.STORE_UNSURE.value}


class ShopOnDisk(Shop):
    """A shop whose files lie on a disk that a test can spoil."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.disk = Disk(folder, Random(seed))
        super().__init__(self.disk.folder)

    def cut(self, how: Ends) -> None:
        """The power goes, and comes back."""
        if not self.disk.is_off():
            self.disk.end_now(how)
        images = self.disk.images()
        self.store.close()
        self.disk.put_back(images)
        self.path = self.disk.folder
        self.open()
        check = ChainCheck(self.store, TERMINAL_KEY.public_key(), self.identity.terminal)
        assert check.at_boot() is None
        self.till.start("test")

    def approved(self) -> CompletedView | None:
        """Goods, a code and a yes; the sale only waits for its button."""
        for _ in range(5):
            self.till.add_item("bun")
        self.pool.approve(25, 100)
        self.till.scan(slot_text())
        return self.page.view().completed

    def press(self) -> CompletedView | None:
        self.till.complete(self.till.snapshot()[0].sale_id)
        return self.page.view().completed

    def notice(self) -> str:
        shown = self.page.view().notice
        return shown.code if shown else ""

    def receipts(self) -> list[str | None]:
        return [each.row.receipt_no for each in self.store.recent_sales(100)]


@pytest.fixture
def on_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[ShopOnDisk]:
    shop = ShopOnDisk(tmp_path / "card", seed=1)
    shop.take(policy(), Catalogue(version=1, made_at=NOON, items=ITEMS), directory())
    shop.till.start("test")
    yield shop
    shop.store.close()
    shop.disk.close()


def spoil(shop: ShopOnDisk, trouble: DiskTrouble, operation: int) -> bool:
    """Fail at the n-th operation of completing a sale; whether there were so many."""
    before = shop.disk.counts.troubles
    assert shop.approved() is None
    shop.disk.trouble_at(trouble, operation)
    completed = shop.press()
    shop.disk.calm_down()
    if shop.disk.counts.troubles == before:
        assert completed is not None
        return False
    assert completed is None
    assert shop.notice() in FAULTS
    return True


@pytest.mark.parametrize("trouble", list(DiskTrouble))
def test_after_a_fault_the_same_press_completes_the_sale_once(
    on_disk: ShopOnDisk, trouble: DiskTrouble
) -> None:
    faults = 0
    for operation in range(1, LAST_OPERATION + 1):
        sold = len(on_disk.receipts())
        if spoil(on_disk, trouble, operation):
            faults += 1
            assert len(on_disk.receipts()) == sold, "nothing is acknowledged"
            done = on_disk.press()
            assert done is not None, on_disk.notice()
        assert len(on_disk.receipts()) == sold + 1
    assert faults, "a sale writes and syncs at least once"
    numbers = sorted(filter(None, on_disk.receipts()))
    assert numbers == [f"T0001-{n:06d}" for n in range(1, LAST_OPERATION + 1)]
    check = ChainCheck(on_disk.store, TERMINAL_KEY.public_key(), "T0001")
    assert check.whole().broken is None
    on_disk.cut(Ends.KILL)
    assert sorted(filter(None, on_disk.receipts())) == numbers


@pytest.mark.parametrize("how", list(Ends))
@pytest.mark.parametrize("trouble", list(DiskTrouble))
def test_after_a_fault_and_a_power_cut_the_page_says_what_became_of_the_sale(
    on_disk: ShopOnDisk, trouble: DiskTrouble, how: Ends
) -> None:
    for operation in range(1, LAST_OPERATION + 1):
        sold = len(on_disk.receipts())
        if not spoil(on_disk, trouble, operation):
            break
        unsure = on_disk.notice() == NoticeCode.STORE_UNSURE
        on_disk.cut(how)
        counts = len(on_disk.receipts()) == sold + 1
        assert on_disk.notice() == (NoticeCode.LAST_COMPLETED if counts else NoticeCode.INTERRUPTED)
        assert unsure or not counts, "what was said not to count does not come back"
        if counts:
            shown = on_disk.page.view().notice
            assert shown is not None
            assert shown.figures == {"receipt_no": on_disk.receipts()[0]}


@pytest.mark.parametrize("how", list(Ends))
def test_a_crash_at_every_single_write_and_sync_leaves_one_end_that_the_page_tells(
    on_disk: ShopOnDisk, how: Ends
) -> None:
    lost = kept = 0
    for operation in range(1, MOST_OPERATIONS):
        sold = len(on_disk.receipts())
        assert on_disk.approved() is None
        on_disk.disk.end_at(how, operation)
        try:
            shown = on_disk.press()
        except StoreFaultError:  # the page itself could not be made any more
            shown = None
        ended = on_disk.disk.is_off()
        on_disk.cut(how)
        counts = len(on_disk.receipts()) == sold + 1
        assert counts or shown is None, "what was shown is there"
        assert on_disk.notice() == (NoticeCode.LAST_COMPLETED if counts else NoticeCode.INTERRUPTED)
        assert on_disk.store.unfinished() == []
        if not ended:
            assert shown is not None
            break
        lost, kept = lost + (not counts), kept + counts
    else:
        pytest.fail("a sale writes more often than that")
    assert lost > 0, "a crash before the sync is a sale that never was"
    numbers = sorted(filter(None, on_disk.receipts()))
    assert numbers == [f"T0001-{n:06d}" for n in range(1, len(numbers) + 1)], "no number is lost"


class TornOffPrinter(PaperRoll):
    """The power goes with the first byte; ``syncs`` is how many there were before it."""

    def __init__(self, shop: ShopOnDisk) -> None:
        super().__init__(Random(1))
        self.shop = shop
        self.syncs = 0

    def print_document(
        self,
        document: Document,
        *,
        on_sending: Callable[[], None] = do_nothing,
        on_waiting: Callable[[PrinterTrouble], None] = ignore_trouble,
    ) -> PrintOutcome:
        del on_waiting
        on_sending()
        self.syncs = self.shop.disk.counts.syncs
        self.shop.disk.end_now(Ends.POWER)
        raise StoreFaultError("the machine is off")


def test_a_sale_is_two_syncs_and_that_its_paper_is_being_sent_is_one_before_the_first_byte(
    on_disk: ShopOnDisk,
) -> None:
    counts = on_disk.disk.counts
    began = counts.syncs
    for _ in range(5):
        on_disk.till.add_item("bun")
    assert counts.syncs == began, "a basket is no fact yet"
    on_disk.pool.approve(25, 100)
    on_disk.till.scan(slot_text())
    assert counts.syncs == began + 1, "AUTHORISING"
    receipt = on_disk.press()
    assert receipt is not None
    assert counts.syncs == began + 2, "CAPTURED: journal, outbox, sale and print job in one"
    on_disk.till.add_item("bun")
    assert on_disk.press() is not None
    assert counts.syncs == began + 3, "a sale for money alone asks nobody"
    printer = TornOffPrinter(on_disk)
    round_ = PrintRound(
        spool=on_disk.spool,
        printer=printer,
        changes=on_disk.changes,
        surroundings=on_disk.surroundings,
    )
    with pytest.raises(StoreFaultError):
        round_()
    assert printer.syncs == began + 4
    on_disk.cut(Ends.POWER)
    job = on_disk.store.job_of(receipt.receipt_no)
    assert job is not None
    assert job.state is JobState.SENDING, "nobody will take it for one that never began"


def test_a_sync_that_failed_and_was_kept_all_the_same_is_a_sale_after_the_start(
    on_disk: ShopOnDisk,
) -> None:
    """The doubt that the page must not hide: nobody can say before the next start."""
    assert spoil(on_disk, DiskTrouble.SYNC_ERROR_KEPT, 1)
    assert on_disk.notice() == NoticeCode.STORE_UNSURE
    assert on_disk.receipts() == []
    on_disk.cut(Ends.KILL)
    assert on_disk.receipts() == ["T0001-000001"]
    assert on_disk.notice() == NoticeCode.LAST_COMPLETED


@pytest.mark.parametrize("how", list(Ends))
def test_at_every_operation_of_a_sale_the_machine_may_stop(tmp_path: Path, how: Ends) -> None:
    """What was shown is there; what was not is either whole or not at all, and told as such."""
    for operation in range(1, 2 * LAST_OPERATION):
        shop = ShopOnDisk(tmp_path / f"{how}-{operation}", seed=operation)
        shop.take(policy(), Catalogue(version=1, made_at=NOON, items=ITEMS), directory())
        shop.till.start("test")
        shop.disk.end_at(how, operation)
        shown = None
        try:
            if shop.approved() is None and not shop.disk.is_off():
                shown = shop.press()
        except StoreFaultError:
            assert shop.disk.is_off()
        if shop.disk.is_off():
            shown = None  # no page came back
        asked = bool(shop.pool.asked)
        shop.cut(how)
        if shown is not None:
            assert shop.receipts() == [shown.receipt_no]
        if shop.receipts():
            assert shop.notice() == NoticeCode.LAST_COMPLETED
        elif asked:
            assert shop.notice() == NoticeCode.INTERRUPTED
        assert not shop.store.unfinished()
        shop.store.close()
        shop.disk.close()
