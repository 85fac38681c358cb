"""What `Printer` promises, on every link, against the simulated printer behind a real link."""

import threading
import time
from collections.abc import Iterator

import pytest

from drivers.document import Document, Drawer
from drivers.ports import (
    PaperState,
    Printer,
    PrinterTrouble,
    PrintOutcome,
    PrintResult,
    StatusLevel,
)
from tests.unit.drivers.conftest import MakeRig, Rig

PAPER_WAIT_S = 10.0
NO_PAPER_WAIT_S = 0.3


@pytest.fixture(params=["tcp", "usb", "serial"])
def rig(request: pytest.FixtureRequest, make_rig: MakeRig) -> Iterator[Rig]:
    rig = make_rig(request.param)
    yield rig
    rig.printer.close()


def failed(trouble: PrinterTrouble) -> PrintOutcome:
    return PrintOutcome(PrintResult.FAILED, trouble)


def refuse_to_send() -> None:
    pytest.fail("the job was sent")


def test_a_job_is_confirmed_and_its_paper_is_whole(rig: Rig, slip: Document) -> None:
    outcome = rig.printer.print_document(slip)
    paper = rig.simulated.wait_for_paper(PAPER_WAIT_S)
    assert outcome.result is PrintResult.CONFIRMED
    assert paper is not None
    assert outcome.bytes_sent >= len(paper.raw)
    assert [line.split() for line in paper.lines[2:7]] == [
        ["馒头", "5", "2.50"],
        ["青菜", "1.00", "4.60"],
        ["合计", "7.10", "元"],
        ["积分抵扣", "71", "积分"],
        ["应付", "0.00", "元"],
    ]
    assert paper.qr_texts == ("HD1:R:0001-000027",)
    assert paper.warnings == ()
    assert paper.cut


def test_a_ready_printer_says_so(rig: Rig) -> None:
    status = rig.printer.status()
    assert (status.trouble, status.paper) == (None, PaperState.OK)
    rig.simulated.set_near_end(near_end=True)
    assert rig.printer.status().paper is PaperState.NEAR_END


def test_jobs_come_out_in_order_and_once(rig: Rig, slip: Document) -> None:
    outcomes = [rig.printer.print_document(slip) for _ in range(3)]
    assert [outcome.result for outcome in outcomes] == [PrintResult.CONFIRMED] * 3
    papers = [rig.simulated.wait_for_paper(PAPER_WAIT_S) for _ in range(3)]
    assert [paper.number for paper in papers if paper] == [1, 2, 3]
    assert rig.simulated.wait_for_paper(NO_PAPER_WAIT_S) is None


def test_without_paper_nothing_is_sent(rig: Rig, slip: Document) -> None:
    rig.simulated.set_paper_out(out=True)
    outcome = rig.printer.print_document(slip, on_sending=refuse_to_send)
    assert outcome == failed(PrinterTrouble.PAPER_OUT)
    assert rig.printer.status().trouble is PrinterTrouble.PAPER_OUT
    rig.simulated.set_paper_out(out=False)
    assert rig.simulated.wait_for_paper(NO_PAPER_WAIT_S) is None


def test_with_the_cover_open_nothing_is_sent(rig: Rig, slip: Document) -> None:
    rig.simulated.set_cover_open(is_open=True)
    outcome = rig.printer.print_document(slip, on_sending=refuse_to_send)
    assert outcome == failed(PrinterTrouble.COVER_OPEN)
    rig.simulated.set_cover_open(is_open=False)
    assert rig.printer.print_document(slip).result is PrintResult.CONFIRMED


def test_sending_is_told_once_before_the_first_byte(rig: Rig, slip: Document) -> None:
    seen: list[object] = []
    outcome = rig.printer.print_document(
        slip, on_sending=lambda: seen.append(rig.simulated.wait_for_paper(NO_PAPER_WAIT_S))
    )
    assert seen == [None]
    assert outcome.result is PrintResult.CONFIRMED


def test_nothing_is_sent_if_sending_cannot_be_made_durable(rig: Rig, slip: Document) -> None:
    def disk_full() -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        rig.printer.print_document(slip, on_sending=disk_full)
    assert rig.simulated.wait_for_paper(NO_PAPER_WAIT_S) is None
    assert rig.printer.print_document(slip).result is PrintResult.CONFIRMED


def test_paper_that_ends_in_mid_job_is_waited_for(rig: Rig, slip: Document) -> None:
    rig.simulated.set_paper_out(out=True, after_lines=3)
    waited: list[PrinterTrouble] = []

    def refill(trouble: PrinterTrouble) -> None:
        waited.append(trouble)
        rig.simulated.set_paper_out(out=False)

    outcome = rig.printer.print_document(slip, on_waiting=refill)
    assert waited == [PrinterTrouble.PAPER_OUT]
    assert outcome.result is PrintResult.CONFIRMED
    paper = rig.simulated.wait_for_paper(PAPER_WAIT_S)
    assert paper is not None
    assert "应付" in paper.text
    assert rig.simulated.wait_for_paper(NO_PAPER_WAIT_S) is None


def test_paper_that_is_not_refilled_leaves_the_job_unknown_and_it_prints_later(
    rig: Rig, slip: Document
) -> None:
    rig.simulated.set_paper_out(out=True, after_lines=3)
    outcome = rig.printer.print_document(slip)
    assert outcome.result is PrintResult.UNKNOWN
    assert outcome.trouble is PrinterTrouble.PAPER_OUT
    assert outcome.bytes_sent > 0
    assert rig.printer.status().trouble is PrinterTrouble.PAPER_OUT
    rig.simulated.set_paper_out(out=False)
    paper = rig.simulated.wait_for_paper(PAPER_WAIT_S)
    assert paper is not None
    assert "应付" in paper.text


def test_power_that_fails_in_mid_job_leaves_it_unknown(rig: Rig, slip: Document) -> None:
    rig.simulated.set_paper_out(out=True, after_lines=3)
    outcome = rig.printer.print_document(
        slip, on_waiting=lambda _: rig.simulated.set_power(on=False)
    )
    assert outcome.result is PrintResult.UNKNOWN
    assert outcome.trouble is PrinterTrouble.LINK_LOST
    half = rig.simulated.wait_for_paper(PAPER_WAIT_S)
    assert half is not None
    assert not half.cut
    assert "应付" not in half.text


def test_a_printer_that_is_off_fails_and_prints_again_when_it_is_back(
    rig: Rig, slip: Document
) -> None:
    rig.simulated.set_power(on=False)
    outcome = until_offline(rig.printer, slip)
    assert outcome == failed(PrinterTrouble.OFFLINE)
    assert rig.printer.status().trouble is PrinterTrouble.OFFLINE
    rig.simulated.set_power(on=True)
    rig.plug_in()
    assert rig.printer.print_document(slip).result is PrintResult.CONFIRMED


def until_offline(printer: Printer, slip: Document) -> PrintOutcome:
    """Give the outcome once the kernel has noticed the unplugging (a tty needs a moment)."""
    for _ in range(50):
        outcome = printer.print_document(slip, on_sending=refuse_to_send)
        if outcome == failed(PrinterTrouble.OFFLINE):
            break
    return outcome


def test_a_printer_that_falls_silent_gets_no_job(rig: Rig, slip: Document) -> None:
    rig.simulated.set_mute(mute=True)
    outcome = rig.printer.print_document(slip, on_sending=refuse_to_send)
    assert outcome == failed(PrinterTrouble.NO_ANSWER)


def test_silence_after_the_job_leaves_it_unknown(rig: Rig, slip: Document) -> None:
    outcome = rig.printer.print_document(slip, on_sending=lambda: rig.simulated.set_mute(mute=True))
    assert outcome.result is PrintResult.UNKNOWN
    assert outcome.trouble is PrinterTrouble.NO_ANSWER
    assert rig.simulated.wait_for_paper(PAPER_WAIT_S) is not None


def test_a_second_job_meanwhile_is_refused(rig: Rig, slip: Document) -> None:
    meanwhile: list[PrintOutcome] = []
    status: list[PrinterTrouble | None] = []

    def print_another() -> None:
        meanwhile.append(rig.printer.print_document(slip))
        status.append(rig.printer.status().trouble)

    def from_another_thread() -> None:
        other = threading.Thread(target=print_another)
        other.start()
        other.join()

    outcome = rig.printer.print_document(slip, on_sending=from_another_thread)
    assert meanwhile == [failed(PrinterTrouble.BUSY)]
    assert status == [PrinterTrouble.BUSY]
    assert outcome.result is PrintResult.CONFIRMED


def test_a_closed_printer_is_offline(rig: Rig, slip: Document) -> None:
    rig.printer.close()
    assert rig.printer.print_document(slip) == failed(PrinterTrouble.OFFLINE)
    assert rig.printer.status().trouble is PrinterTrouble.OFFLINE


@pytest.mark.parametrize("link", ["tcp", "usb", "serial"])
@pytest.mark.parametrize(
    ("knows", "result"),
    [
        (StatusLevel.PROCESS_ID, PrintResult.CONFIRMED),
        (StatusLevel.IN_ORDER, PrintResult.CONFIRMED),
        (StatusLevel.REALTIME, PrintResult.SENT),
        (StatusLevel.MUTE, PrintResult.SENT),
    ],
)
@pytest.mark.parametrize("probed", [True, False])
def test_a_job_is_called_confirmed_only_by_a_printer_that_can_confirm(
    make_rig: MakeRig,
    slip: Document,
    link: str,
    knows: StatusLevel,
    result: PrintResult,
    *,
    probed: bool,
) -> None:
    rig = make_rig(link, knows=knows, believed=None if probed else knows)
    assert rig.printer.print_document(slip).result is result
    paper = rig.simulated.wait_for_paper(PAPER_WAIT_S)
    assert paper is not None
    assert paper.warnings == ()
    # The question that a printer could take for text is asked only if the profile says so.
    found = StatusLevel.IN_ORDER if probed and knows is StatusLevel.PROCESS_ID else knows
    assert rig.printer.status().level is found


def test_a_mute_printer_that_begins_to_answer_is_asked_from_then_on(
    make_rig: MakeRig, slip: Document
) -> None:
    rig = make_rig(believed=None)
    rig.simulated.set_mute(mute=True)
    assert rig.printer.print_document(slip).result is PrintResult.SENT
    rig.simulated.set_mute(mute=False)
    assert rig.printer.print_document(slip).result is PrintResult.CONFIRMED


@pytest.mark.parametrize("link", ["tcp", "usb", "serial"])
@pytest.mark.parametrize("level", [StatusLevel.PROCESS_ID, StatusLevel.IN_ORDER])
def test_a_status_that_nobody_asked_for_is_not_taken_for_an_answer(
    make_rig: MakeRig, slip: Document, link: str, level: StatusLevel
) -> None:
    rig = make_rig(link, knows=level, believed=level, stale_status=True)
    rig.simulated.set_cover_open(is_open=True)
    assert rig.printer.print_document(slip) == failed(PrinterTrouble.COVER_OPEN)
    rig.simulated.set_cover_open(is_open=False)
    assert rig.printer.print_document(slip).result is PrintResult.CONFIRMED


@pytest.mark.parametrize("link", ["tcp", "usb", "serial"])
@pytest.mark.parametrize("knows", list(StatusLevel))
def test_at_set_up_the_best_level_is_found_and_used(
    make_rig: MakeRig, slip: Document, link: str, knows: StatusLevel
) -> None:
    rig = make_rig(link, knows=knows, believed=None)
    assert rig.printer.find_level().level is knows
    assert rig.printer.status().level is knows
    confirms = knows in {StatusLevel.PROCESS_ID, StatusLevel.IN_ORDER}
    outcome = rig.printer.print_document(slip)
    assert outcome.result is (PrintResult.CONFIRMED if confirms else PrintResult.SENT)


def test_a_level_that_the_url_names_is_not_changed_at_set_up(make_rig: MakeRig) -> None:
    rig = make_rig(knows=StatusLevel.PROCESS_ID, believed=StatusLevel.REALTIME)
    assert rig.printer.find_level().level is StatusLevel.REALTIME


def test_a_slow_printer_is_confirmed_in_the_end(rig: Rig, slip: Document) -> None:
    rig.simulated.set_line_pause(0.05)
    assert rig.printer.print_document(slip).result is PrintResult.CONFIRMED


def test_a_cover_opened_in_mid_job_is_waited_for(rig: Rig, slip: Document) -> None:
    rig.simulated.set_paper_out(out=True, after_lines=2)
    waited: list[PrinterTrouble] = []

    def open_then_close(trouble: PrinterTrouble) -> None:
        waited.append(trouble)
        if trouble is PrinterTrouble.PAPER_OUT:  # to put in a roll, the cover is opened
            rig.simulated.set_cover_open(is_open=True)
            rig.simulated.set_paper_out(out=False)
        else:
            rig.simulated.set_cover_open(is_open=False)

    outcome = rig.printer.print_document(slip, on_waiting=open_then_close)
    assert waited == [PrinterTrouble.PAPER_OUT, PrinterTrouble.COVER_OPEN]
    assert outcome.result is PrintResult.CONFIRMED


DRAWER = Document((Drawer(),))


def wait_for_pulses(rig: Rig, count: int) -> None:
    """A cable takes its time."""
    end_s = time.monotonic() + PAPER_WAIT_S
    while rig.simulated.drawer_pulses() < count and time.monotonic() < end_s:
        time.sleep(0.02)
    assert rig.simulated.drawer_pulses() == count


def test_the_drawer_opens_with_and_without_paper(rig: Rig) -> None:
    assert rig.printer.print_document(DRAWER).result is PrintResult.CONFIRMED
    assert rig.simulated.drawer_pulses() == 1
    rig.simulated.set_paper_out(out=True)
    assert rig.printer.print_document(DRAWER).result is PrintResult.SENT
    wait_for_pulses(rig, 2)
    rig.simulated.set_paper_out(out=False)
    assert rig.simulated.wait_for_paper(NO_PAPER_WAIT_S) is None
    assert rig.simulated.drawer_pulses() == 2


def test_a_printer_that_is_off_opens_no_drawer_later(rig: Rig) -> None:
    rig.simulated.set_power(on=False)
    assert rig.printer.print_document(DRAWER).result is PrintResult.FAILED
    rig.simulated.set_power(on=True)
    rig.plug_in()
    assert rig.printer.status().trouble is None
    assert rig.simulated.drawer_pulses() == 0


@pytest.mark.parametrize("link", ["tcp", "usb", "serial"])
def test_a_printer_that_comes_and_goes_ten_times_loses_and_doubles_nothing(
    make_rig: MakeRig, slip: Document, link: str
) -> None:
    rig = make_rig(link)
    confirmed = 0
    for _ in range(10):
        confirmed += rig.printer.print_document(slip).result is PrintResult.CONFIRMED
        rig.simulated.set_power(on=False)
        assert rig.printer.print_document(slip, on_sending=refuse_to_send).result is (
            PrintResult.FAILED
        )
        rig.simulated.set_power(on=True)
        rig.plug_in()
    assert confirmed == 10
    papers = 0
    while rig.simulated.wait_for_paper(NO_PAPER_WAIT_S) is not None:
        papers += 1
    assert papers == 10
