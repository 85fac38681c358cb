"""Which receipts may be on paper more than once or not at all, over a real link and power cuts."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from config.terminal import TerminalSettings
from drivers.escpos.conversation import Timing
from drivers.escpos.printer import EscposPrinter
from drivers.escpos.profile import PrinterProfile
from drivers.ports import PrintOutcome, StatusLevel
from drivers.simulated.printer import SimulatedPrinter
from drivers.transport.tcp import tcp_connector
from terminal.diagnostics.prints import prints_command
from terminal.domain.print_job import JobState, PaperCount, PaperDoubt
from terminal.store.prints import paper_counts
from terminal.workers.printing import PrintRound
from tests.support.shop import Shop

WAIT_S = 10.0
HASTE = Timing(
    answer_timeout_s=0.8, confirm_timeout_s=1.0, refill_timeout_s=1.0, recheck_s=0.1,
    finish_timeout_s=3.0,
)  # fmt: skip


class Counter:
    """The till, its spool, and a printer of a level at the other end of a TCP link."""

    def __init__(self, shop: Shop, simulated: SimulatedPrinter, level: StatusLevel) -> None:
        self.shop, self.simulated = shop, simulated
        self.printer = EscposPrinter(
            tcp_connector("127.0.0.1", simulated.port),
            PrinterProfile(status_level=level),
            painter=lambda: None,
            timing=HASTE,
        )
        self.worker = self.new_worker()

    def new_worker(self) -> PrintRound:
        shop = self.shop
        return PrintRound(
            spool=shop.spool,
            printer=self.printer,
            changes=shop.changes,
            surroundings=shop.surroundings,
        )

    def sell(self) -> str:
        self.shop.till.add_item("bun")
        self.shop.till.complete(self.shop.till.snapshot()[0].sale_id)
        completed = self.shop.page.view().completed
        assert completed is not None
        return completed.receipt_no

    def papers(self) -> list[str]:
        found = []
        while (paper := self.simulated.wait_for_paper(0.3)) is not None:
            found.append(paper.text)
        return found

    def counts(self) -> dict[str, PaperCount]:
        with self.shop.store.reading() as connection:
            return {count.receipt_no: count for count in paper_counts(connection)}

    def doubt(self, receipt_no: str) -> PaperDoubt:
        return self.counts()[receipt_no].doubt


@pytest.fixture
def simulated(tmp_path: Path) -> Iterator[SimulatedPrinter]:
    with SimulatedPrinter(tmp_path / "paper") as made:
        yield made


@pytest.fixture
def counter(shop: Shop, simulated: SimulatedPrinter) -> Counter:
    return Counter(shop, simulated, StatusLevel.PROCESS_ID)


def test_a_confirmed_receipt_is_in_no_doubt(counter: Counter) -> None:
    receipt_no = counter.sell()
    assert counter.doubt(receipt_no) is PaperDoubt.WAITING
    counter.worker()
    assert counter.doubt(receipt_no) is PaperDoubt.NONE
    assert len(counter.papers()) == 1


def test_a_mute_printers_receipt_may_be_missing(shop: Shop, simulated: SimulatedPrinter) -> None:
    counter = Counter(shop, simulated, StatusLevel.MUTE)
    receipt_no = counter.sell()
    counter.worker()
    assert counter.counts()[receipt_no] == PaperCount(receipt_no, "sale", 0, 1, 0, 0)
    assert counter.doubt(receipt_no) is PaperDoubt.PERHAPS_MISSING


def test_no_paper_before_the_job_is_missing_and_is_sent_again_without_a_mark(
    counter: Counter,
) -> None:
    receipt_no = counter.sell()
    counter.simulated.set_paper_out(out=True)
    counter.worker()
    assert counter.doubt(receipt_no) is PaperDoubt.MISSING
    counter.simulated.set_paper_out(out=False)
    counter.shop.after_sale.reprint(receipt_no)
    counter.worker()
    (paper,) = counter.papers()
    assert "补打" not in paper
    assert counter.counts()[receipt_no] == PaperCount(receipt_no, "sale", 1, 1, 0, 0)


def test_power_lost_in_mid_job_is_never_sent_again_by_itself(
    counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The terminal dies between the job's bytes and the answer; after the boot nothing prints."""
    receipt_no = counter.sell()

    def die(*_args: object, **_kwargs: object) -> PrintOutcome:
        raise KeyboardInterrupt  # as near as a test comes to a power cut: no worker catches it

    monkeypatch.setattr(counter.printer, "_await_confirmation", die)
    with contextlib.suppress(KeyboardInterrupt):
        counter.worker()
    job = counter.shop.store.job_of(receipt_no)
    assert job is not None
    assert job.state is JobState.SENDING
    counter.shop.power_cut()
    counter.shop.spool.lose_interrupted()
    again = Counter(counter.shop, counter.simulated, StatusLevel.PROCESS_ID)
    for _ in range(3):
        again.worker()
    assert len(again.papers()) == 1
    assert again.doubt(receipt_no) is PaperDoubt.PERHAPS_MISSING
    again.shop.after_sale.reprint(receipt_no)
    again.worker()
    (copy,) = again.papers()
    assert "补打 第1次" in copy
    assert receipt_no in copy
    assert again.doubt(receipt_no) is PaperDoubt.PERHAPS_SEVERAL


def test_a_printer_whose_power_fails_in_mid_job_leaves_a_doubt(counter: Counter) -> None:
    receipt_no = counter.sell()
    counter.simulated.set_paper_out(out=True, after_lines=2)
    counter.worker()
    assert counter.doubt(receipt_no) is PaperDoubt.PERHAPS_MISSING
    counter.simulated.set_power(on=False)
    counter.simulated.set_paper_out(out=False)
    counter.simulated.set_power(on=True)
    counter.worker()
    assert counter.doubt(receipt_no) is PaperDoubt.PERHAPS_MISSING


def test_a_slow_printer_is_waited_for(counter: Counter) -> None:
    receipt_no = counter.sell()
    counter.simulated.set_line_pause(0.03)
    counter.worker()
    assert counter.doubt(receipt_no) is PaperDoubt.NONE


def test_a_wanted_copy_is_told_as_such(counter: Counter) -> None:
    receipt_no = counter.sell()
    counter.worker()
    counter.shop.after_sale.reprint(receipt_no)
    counter.worker()
    assert counter.counts()[receipt_no] == PaperCount(receipt_no, "sale", 2, 2, 0, 1)
    assert counter.doubt(receipt_no) is PaperDoubt.SEVERAL


def test_the_command_lists_what_is_in_doubt(counter: Counter, tmp_path: Path) -> None:
    good = counter.sell()
    counter.worker()
    counter.simulated.set_cover_open(is_open=True)
    bad = counter.sell()
    counter.worker()
    counter.shop.store.close()
    settings = TerminalSettings(data_dir=counter.shop.path)
    result = CliRunner().invoke(prints_command, [], obj=settings)
    assert result.exit_code == 1
    assert bad in result.output
    assert "请补打" in result.output
    assert good not in result.output
    told = CliRunner().invoke(prints_command, ["--json", "--all"], obj=settings)
    rows = [json.loads(line) for line in told.output.splitlines()]
    assert [(row["receipt_no"], row["doubt"]) for row in rows] == [
        (good, "none"), (bad, "missing"),
    ]  # fmt: skip
    empty = CliRunner().invoke(prints_command, [], obj=TerminalSettings(data_dir=tmp_path / "no"))
    assert empty.exit_code == 1
    assert "还没有用过" in empty.output
