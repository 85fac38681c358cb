"""The printer's worker: one bad job stands in nobody's way, and no job stays half told."""

from collections.abc import Callable

import pytest
from sqlalchemy import update

from drivers.document import Document, to_plain_text
from drivers.ports import (
    PrinterStatus,
    PrinterTrouble,
    PrintOutcome,
    PrintResult,
    do_nothing,
    ignore_trouble,
)
from terminal.domain.notice import NoticeCode
from terminal.domain.ports import StoreFaultError
from terminal.domain.print_job import JobEvent, JobState
from terminal.store.tables import print_job
from terminal.workers.loop import Worker
from terminal.workers.printing import PrintRound
from tests.support.shop import Shop


class Paper:
    """Stands where the device is: prints, or does what a test lays out."""

    def __init__(self) -> None:
        self.printed: list[str] = []
        self.script: list[Callable[[Callable[[], None]], PrintOutcome]] = []

    def print_document(
        self,
        document: Document,
        *,
        on_sending: Callable[[], None] = do_nothing,
        on_waiting: Callable[[PrinterTrouble], None] = ignore_trouble,
    ) -> PrintOutcome:
        if self.script:
            return self.script.pop(0)(on_sending)
        on_sending()
        self.printed.append(to_plain_text(document, 32))
        return PrintOutcome(PrintResult.CONFIRMED, bytes_sent=1)

    def status(self) -> PrinterStatus:
        return PrinterStatus(None)

    def find_level(self) -> PrinterStatus:
        return self.status()

    def close(self) -> None:
        """Nothing is held."""


@pytest.fixture
def paper() -> Paper:
    return Paper()


@pytest.fixture
def round_(shop: Shop, paper: Paper) -> PrintRound:
    return PrintRound(
        spool=shop.spool, printer=paper, changes=shop.changes, surroundings=shop.surroundings
    )


def sell(shop: Shop) -> str:
    shop.till.add_item("bun")
    shop.till.complete(shop.till.snapshot()[0].sale_id)
    completed = shop.page.view().completed
    assert completed is not None
    return completed.receipt_no


def state_of(shop: Shop, receipt_no: str) -> JobState:
    job = shop.store.job_of(receipt_no)
    assert job is not None
    return job.state


def rounds(round_: PrintRound, count: int) -> None:
    """As the worker calls it: a round that raises is not the last."""
    for _ in range(count):
        try:
            round_()
        except (StoreFaultError, ValueError):
            continue


def test_a_link_that_breaks_before_the_first_byte_leaves_a_job_that_may_be_sent_again(
    shop: Shop, paper: Paper, round_: PrintRound
) -> None:
    def breaks(on_sending: Callable[[], None]) -> PrintOutcome:
        on_sending()
        return PrintOutcome(PrintResult.FAILED, PrinterTrouble.OFFLINE)

    receipt_no = sell(shop)
    paper.script = [breaks]
    rounds(round_, 1)
    assert state_of(shop, receipt_no) is JobState.FAILED
    assert shop.after_sale.reprint(receipt_no) is NoticeCode.REPRINT_QUEUED
    rounds(round_, 1)
    assert state_of(shop, receipt_no) is JobState.CONFIRMED
    assert "补打" not in paper.printed[0]


@pytest.mark.parametrize("stored", [b"", b'{"elements":[{"type":"hologram"}]}', b"x" * 1_000_001])
def test_a_job_that_cannot_be_read_does_not_stand_in_the_way_of_the_next(
    shop: Shop, paper: Paper, round_: PrintRound, stored: bytes
) -> None:
    spoilt, good = sell(shop), sell(shop)
    with shop.store.writing() as connection:
        connection.execute(
            update(print_job).where(print_job.c.receipt_no == spoilt).values(document=stored)
        )
    rounds(round_, 3)
    assert len(paper.printed) == 1
    assert state_of(shop, good) is JobState.CONFIRMED
    assert state_of(shop, spoilt) is JobState.FAILED


def test_a_receipt_whose_stored_job_cannot_be_read_is_printed_from_the_journal(
    shop: Shop, paper: Paper, round_: PrintRound
) -> None:
    spoilt = sell(shop)
    with shop.store.writing() as connection:
        connection.execute(update(print_job).values(document=b"spoilt"))
    rounds(round_, 2)
    shop.after_sale.reprint(spoilt)
    rounds(round_, 2)
    assert spoilt in paper.printed[0]


def test_a_job_that_the_printers_driver_chokes_on_does_not_block_the_queue(
    shop: Shop, paper: Paper, round_: PrintRound
) -> None:
    def chokes(_on_sending: Callable[[], None]) -> PrintOutcome:
        raise ValueError("cannot be encoded")

    spoilt, good = sell(shop), sell(shop)
    paper.script = [chokes]
    rounds(round_, 3)
    assert state_of(shop, good) is JobState.CONFIRMED
    assert state_of(shop, spoilt) is JobState.FAILED


def test_a_fault_after_the_first_byte_is_not_known_and_can_be_reprinted(
    shop: Shop, paper: Paper, round_: PrintRound, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk fails while the outcome is written: the paper may be out."""
    receipt_no = sell(shop)
    move = shop.spool.move

    def failing(job_no: int, event: JobEvent, trouble: str = "") -> None:
        if event is JobEvent.PRINTED:
            raise StoreFaultError("disk I/O error")
        move(job_no, event, trouble)

    with monkeypatch.context() as patch:
        patch.setattr(shop.spool, "move", failing)
        rounds(round_, 1)
    rounds(round_, 1)
    assert state_of(shop, receipt_no) is JobState.UNKNOWN
    assert len(paper.printed) == 1, "what may be on paper is never sent again by itself"
    shop.after_sale.reprint(receipt_no)
    rounds(round_, 1)
    assert "补打 第1次" in paper.printed[1]


def test_a_disk_that_fails_before_the_first_byte_sends_nothing_and_tries_again(
    shop: Shop, paper: Paper, round_: PrintRound, monkeypatch: pytest.MonkeyPatch
) -> None:
    receipt_no = sell(shop)

    def failing(*_arguments: object) -> None:
        raise StoreFaultError("disk I/O error")

    with monkeypatch.context() as patch:
        patch.setattr(shop.spool, "move", failing)
        rounds(round_, 1)
    assert paper.printed == []
    rounds(round_, 1)
    assert state_of(shop, receipt_no) is JobState.CONFIRMED


def test_a_worker_goes_on_after_a_round_that_failed() -> None:
    done: list[int] = []

    def round_() -> float:
        done.append(len(done))
        if len(done) == 1:
            raise RuntimeError("broken once")
        return 60.0

    worker = Worker("test", round_)
    worker.start()
    worker.wake()
    for _ in range(200):
        if len(done) > 1:
            break
        worker.wake()
        worker._thread.join(0.02)
    worker.stop()
    assert len(done) > 1
