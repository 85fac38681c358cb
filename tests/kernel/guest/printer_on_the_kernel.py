"""The USB printer's driver on a real `/dev/usb/lp0`: usblp, a USB controller, and a plug."""

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from drivers.document import Columns, Cut, Document, Qr, Rule, Text
from drivers.escpos.conversation import Timing
from drivers.escpos.encode import encode_document
from drivers.escpos.printer import EscposPrinter
from drivers.escpos.profile import PrinterProfile
from drivers.heavy import painter_or_none
from drivers.ports import (
    DeviceState,
    DisplayContent,
    Lamp,
    PaperState,
    Printer,
    PrinterTrouble,
    PrintOutcome,
    PrintResult,
    StatusLevel,
)
from drivers.registry import open_display, open_printer
from drivers.transport.device_file import device_file_connector
from tests.kernel.guest.gadgets import Gadget
from tests.kernel.guest.printer_side import SERIAL_NODE, firmware

URL: Final = "escpos+usb:///dev/huidian/printer"
PAPER_WAIT_S: Final = 30.0
# Short where the driver waits for a person, long where it waits for a translated kernel.
TIMING: Final = Timing(answer_timeout_s=5.0, confirm_timeout_s=5.0, refill_timeout_s=5.0)
PATIENT: Final = Timing(answer_timeout_s=5.0, confirm_timeout_s=90.0)
_GET_STATUS: Final = 0x060B  # LPGETSTATUS, linux/lp.h
_GET_DEVICE_ID: Final = 0x84005001  # LPIOC_GET_DEVICE_ID with room for 1,024 bytes

SLIP: Final = Document(
    (
        Text("广惠小店"),
        Rule(),
        Columns("馒头", "2.50", middle="5"),
        Columns("合计", "7.10 元"),
        Columns("积分抵扣", "71 积分"),
        Qr("HD1:R:0001-000027"),
        Cut(),
    )
)
LONG: Final = Document((*(Columns(f"青菜 {at}", "4.60") for at in range(780)), Cut()))
# Fills the printer's buffer and a part of the kernel's, and no more: all of it is taken at once.
FILLING: Final = Document((*(Columns(f"青菜 {at}", "4.60") for at in range(300)), Cut()))


def printer(timing: Timing = TIMING) -> Printer:
    connect = device_file_connector("/dev/huidian/printer")
    profile = PrinterProfile(status_level=StatusLevel.PROCESS_ID)
    return EscposPrinter(connect, profile, painter=painter_or_none, timing=timing)


def job(document: Document) -> bytes:
    return encode_document(document, PrinterProfile(), painter_or_none).data


@pytest.fixture
def plugged(printer_gadget: Gadget) -> Iterator[Gadget]:
    printer_gadget.plug_in()
    yield printer_gadget
    printer_gadget.unplug()


def test_a_receipt_arrives_byte_for_byte_and_is_confirmed(plugged: Gadget, tmp_path: Path) -> None:
    del plugged
    with firmware(tmp_path) as device:
        outcome = printer().print_document(SLIP)
        paper = device.machine.wait_for_paper(PAPER_WAIT_S)
        assert outcome.result is PrintResult.CONFIRMED
        assert job(SLIP) in bytes(device.received)
        assert paper is not None
        assert [line.split() for line in paper.lines[2:5]] == [
            ["馒头", "5", "2.50"],
            ["合计", "7.10", "元"],
            ["积分抵扣", "71", "积分"],
        ]
        assert (paper.qr_texts, paper.warnings) == (("HD1:R:0001-000027",), ())


def test_the_url_of_the_settings_finds_how_the_printer_confirms(
    plugged: Gadget, tmp_path: Path
) -> None:
    del plugged
    with firmware(tmp_path, StatusLevel.IN_ORDER):
        by_url = open_printer(URL)
        assert by_url is not None
        assert by_url.find_level().level is StatusLevel.IN_ORDER
        assert by_url.print_document(SLIP).result is PrintResult.CONFIRMED


def test_status_is_read_over_the_cable(plugged: Gadget, tmp_path: Path) -> None:
    del plugged
    with firmware(tmp_path) as device:
        assert printer().status().paper is PaperState.OK
        device.machine.set_near_end(near_end=True)
        assert printer().status().paper is PaperState.NEAR_END
        device.machine.set_cover_open(is_open=True)
        assert printer().status().trouble is PrinterTrouble.COVER_OPEN
        device.machine.set_cover_open(is_open=False)
        device.machine.set_paper_out(out=True)
        outcome = printer().print_document(SLIP)
        assert outcome == PrintOutcome(PrintResult.FAILED, PrinterTrouble.PAPER_OUT)
        device.machine.set_paper_out(out=False)


def test_status_bytes_that_nobody_read_take_no_part_of_the_job(
    plugged: Gadget, tmp_path: Path
) -> None:
    """What a printer said by itself waits in the kernel, and is no answer to a later question."""
    del plugged
    with firmware(tmp_path) as device:
        device.session.wants_auto_status = True
        device.machine.set_cover_open(is_open=True)
        device.machine.set_cover_open(is_open=False)
        outcome = printer(timing=PATIENT).print_document(LONG)
        assert outcome.result is PrintResult.CONFIRMED
        assert job(LONG) in bytes(device.received)


def test_paper_that_ends_in_mid_job_is_waited_for(plugged: Gadget, tmp_path: Path) -> None:
    del plugged
    with firmware(tmp_path) as device:
        device.machine.set_paper_out(out=True, after_lines=3)
        waited: list[PrinterTrouble] = []

        def refill(trouble: PrinterTrouble) -> None:
            waited.append(trouble)
            device.machine.set_paper_out(out=False)

        outcome = printer().print_document(SLIP, on_waiting=refill)
        assert (outcome.result, waited) == (PrintResult.CONFIRMED, [PrinterTrouble.PAPER_OUT])


def test_paper_that_ends_under_a_long_job_is_waited_for_though_the_kernel_is_full(
    plugged: Gadget, tmp_path: Path
) -> None:
    """All of the job may be in buffers: then no question goes through before it is printed."""
    del plugged
    with firmware(tmp_path) as device:
        device.machine.set_paper_out(out=True, after_lines=3)
        waited: list[PrinterTrouble] = []

        def refill(trouble: PrinterTrouble) -> None:
            waited.append(trouble)
            device.machine.set_paper_out(out=False)

        outcome = printer(timing=PATIENT).print_document(FILLING, on_waiting=refill)
        assert outcome.result is PrintResult.CONFIRMED
        assert waited[0] is PrinterTrouble.NO_ANSWER
        assert job(FILLING) in bytes(device.received)


def test_a_printer_that_takes_no_bytes_stops_the_job_and_not_the_till(
    plugged: Gadget, tmp_path: Path
) -> None:
    del plugged
    with firmware(tmp_path) as device:
        waited: list[PrinterTrouble] = []
        outcome = printer().print_document(
            LONG, on_sending=device.stop_reading, on_waiting=waited.append
        )
        assert outcome.result is PrintResult.UNKNOWN
        assert 0 < outcome.bytes_sent < len(job(LONG))
        assert waited


def test_a_cable_that_is_pulled_in_mid_job_leaves_it_unknown_and_the_next_one_prints(
    plugged: Gadget, tmp_path: Path
) -> None:
    with firmware(tmp_path) as device:
        pulls = threading.Thread(target=plugged.lose)

        def stop_and_pull() -> None:
            device.stop_reading()
            pulls.start()

        outcome = printer().print_document(LONG, on_sending=stop_and_pull)
        pulls.join()
        assert (outcome.result, outcome.trouble) == (
            PrintResult.UNKNOWN,
            PrinterTrouble.LINK_LOST,
        )
        gone = printer().print_document(SLIP)
        assert gone == PrintOutcome(PrintResult.FAILED, PrinterTrouble.OFFLINE)
    plugged.find()
    with firmware(tmp_path) as device:
        assert printer().print_document(SLIP).result is PrintResult.CONFIRMED
        assert job(SLIP) in bytes(device.received)


def test_another_program_that_holds_the_printer_is_said(plugged: Gadget, tmp_path: Path) -> None:
    with firmware(tmp_path):
        held = os.open(plugged.node, os.O_RDWR)
        try:
            outcome = printer().print_document(SLIP)
        finally:
            os.close(held)
        assert outcome == PrintOutcome(PrintResult.FAILED, PrinterTrouble.BUSY)
        assert printer().print_document(SLIP).result is PrintResult.CONFIRMED


def test_the_kernel_reads_the_printer_classs_own_status_and_name(
    plugged: Gadget, tmp_path: Path
) -> None:
    """What `usblp` knows beside our bytes: a base for whoever wants the port's own paper bit."""
    with firmware(tmp_path) as device:
        device.set_port_status(0x20)
        handle = os.open(plugged.node, os.O_RDWR)
        try:
            status = fcntl.ioctl(handle, _GET_STATUS, b"\0" * 4)
            name = fcntl.ioctl(handle, _GET_DEVICE_ID, b"\0" * 1024)
        finally:
            os.close(handle)
        assert status[0] & 0x20
        assert b"MFG:Huidian" in name


def test_a_printer_that_comes_and_goes_ten_times_prints_each_time(
    printer_gadget: Gadget, tmp_path: Path
) -> None:
    """One driver all the while, as the terminal has it: no opening is left behind, none is stale."""
    driver = printer()
    for _ in range(10):
        gone = driver.print_document(SLIP)
        assert gone == PrintOutcome(PrintResult.FAILED, PrinterTrouble.OFFLINE)
        printer_gadget.plug_in()
        with firmware(tmp_path) as device:
            assert driver.print_document(SLIP).result is PrintResult.CONFIRMED
            assert bytes(device.received).count(job(SLIP)) == 1
        printer_gadget.unplug()


def test_a_receipt_and_a_customers_display_go_through_a_real_serial_port(
    scanner_gadget: Gadget, tmp_path: Path
) -> None:
    """The node is the serial gadget's: for the kernel all of them are a tty on a USB cable."""
    scanner_gadget.plug_in()
    try:
        with firmware(tmp_path, StatusLevel.IN_ORDER, SERIAL_NODE) as device:
            by_url = open_printer(f"escpos+serial://{scanner_gadget.node}?baud=115200")
            assert by_url is not None
            assert by_url.print_document(SLIP).result is PrintResult.CONFIRMED
            assert job(SLIP) in bytes(device.received)
            display = open_display(f"display+serial://{scanner_gadget.node}?kind=led8")
            assert display is not None
            assert display.show(DisplayContent(Lamp.TOTAL, 2550)) is DeviceState.READY
            display.close()
            deadline_s = time.monotonic() + PAPER_WAIT_S
            while b"\x1bQA25.50\r" not in device.received and time.monotonic() < deadline_s:
                time.sleep(0.05)
            assert b"\x1bQA25.50\r" in device.received
    finally:
        scanner_gadget.unplug()
