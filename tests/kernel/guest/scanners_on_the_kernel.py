"""Scanners on a real `/dev/ttyACM0` and a real `/dev/input/event*`, with their plugs."""

import contextlib
import os
import select
import termios
import threading
import time
import tty
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

import pytest

from drivers.ports import Scan, ScanDamaged, Scanner, ScannerState, ScanOverflow
from drivers.registry import open_scanner
from tests.kernel.guest.gadgets import Gadget

SERIAL_URL: Final = "scanner+serial:///dev/huidian/scanner"
KEYS_URL: Final = "scanner+hid:///dev/huidian/keyscanner"
CARD: Final = "HDC1:7K3M9Q2P5X8R4T6W:0042"
SCAN_WAIT_S: Final = 20.0
NO_SCAN_WAIT_S: Final = 1.0
# Reports of the boot keyboard: modifiers, nothing, then the key's usage.
_USAGES: Final = {
    **{char: 4 + at for at, char in enumerate("abcdefghijklmnopqrstuvwxyz")},
    **{char: 30 + at for at, char in enumerate("1234567890")},
}
_SEMICOLON: Final = 0x33
_ENTER: Final = 0x28
_SHIFT: Final = 0x02
_REPORT_PACE_S: Final = 0.004


def utc_now() -> datetime:
    return datetime.now(UTC)


def scanner(url: str) -> Scanner:
    opened = open_scanner(url, utc_now=utc_now)
    assert opened is not None
    return opened


def text(read: object) -> str | None:
    return read.text if isinstance(read, Scan) else None


def until_ready(reader: Scanner) -> None:
    """Read until the driver has found the device again; nothing may be scanned meanwhile."""
    deadline_s = time.monotonic() + SCAN_WAIT_S
    while reader.state() is not ScannerState.READY:
        assert reader.read_scan(0.1) is None
        assert time.monotonic() < deadline_s


def until_gone(reader: Scanner) -> None:
    deadline_s = time.monotonic() + SCAN_WAIT_S
    while reader.state() is ScannerState.READY:
        assert reader.read_scan(0.1) is None
        assert time.monotonic() < deadline_s


class SerialSide:
    """The firmware of the scanner in serial mode: `/dev/ttyGS0`."""

    def __init__(self) -> None:
        """Open it; the gadget must be plugged in."""
        self._handle = os.open("/dev/ttyGS0", os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self._handle)

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        while data:
            data = data[os.write(self._handle, data) :]

    def close(self) -> None:
        """Switch off; what the host did not take is thrown away."""
        with contextlib.suppress(termios.error):
            termios.tcflush(self._handle, termios.TCOFLUSH)
        os.close(self._handle)


class KeySide:
    """The firmware of the scanner in keyboard mode: `/dev/hidg0`."""

    def __init__(self) -> None:
        """Open it; the gadget must be plugged in."""
        self._handle = os.open("/dev/hidg0", os.O_RDWR | os.O_NONBLOCK)

    def type(self, typed: str) -> None:
        """Press and release a key for each character, then Enter, at a slow scanner's pace."""
        for char in typed:
            self._press(*self._place(char))
        self._press(0, _ENTER)

    @contextlib.contextmanager
    def typing(self, typed: str) -> Iterator[None]:
        """Type while somebody reads."""
        thread = threading.Thread(target=self.type, args=(typed,))
        thread.start()
        yield
        thread.join()

    def close(self) -> None:
        """Switch off."""
        os.close(self._handle)

    def _place(self, char: str) -> tuple[int, int]:
        if char == ":":
            return _SHIFT, _SEMICOLON
        return (_SHIFT if char.isupper() else 0), _USAGES[char.lower()]

    def _press(self, modifier: int, usage: int) -> None:
        for report in (bytes([modifier, 0, usage, 0, 0, 0, 0, 0]), b"\0" * 8):
            select.select([], [self._handle], [], SCAN_WAIT_S)
            os.write(self._handle, report)
            time.sleep(_REPORT_PACE_S)


def read_typed(reader: Scanner, device: KeySide, code: str) -> str | None:
    """Scan until it is read, as a cashier does.

    A translated machine may drop events at any time, or type with a pause that ends the scan.
    """
    for _ in range(6):
        with device.typing(code):
            read = reader.read_scan(SCAN_WAIT_S)
        short = isinstance(read, Scan) and len(read.text) < len(code) and read.text in code
        if not isinstance(read, ScanDamaged) and not short:
            return text(read)
        while reader.read_scan(NO_SCAN_WAIT_S) is not None:
            pass
    return None


@pytest.fixture
def serial(scanner_gadget: Gadget) -> Iterator[Gadget]:
    scanner_gadget.plug_in()
    yield scanner_gadget
    scanner_gadget.unplug()


@pytest.fixture
def keys(keyboard_gadget: Gadget) -> Iterator[Gadget]:
    keyboard_gadget.plug_in()
    yield keyboard_gadget
    keyboard_gadget.unplug()


def test_a_code_comes_through_a_real_ttyacm(serial: Gadget) -> None:
    del serial
    reader = scanner(SERIAL_URL)
    with contextlib.closing(reader), contextlib.closing(SerialSide()) as device:
        until_ready(reader)
        device.send(f"]Q1{CARD}\r\n".encode())
        assert text(reader.read_scan(SCAN_WAIT_S)) == CARD
        device.send("惠民卡0001".encode())  # a scanner without a suffix
        assert text(reader.read_scan(SCAN_WAIT_S)) == "惠民卡0001"
        assert reader.read_scan(NO_SCAN_WAIT_S) is None


def test_four_kilobytes_at_once_are_one_scan_and_more_is_thrown_away_whole(serial: Gadget) -> None:
    del serial
    reader = scanner(SERIAL_URL)
    with contextlib.closing(reader), contextlib.closing(SerialSide()) as device:
        until_ready(reader)
        device.send(b"7" * 4096 + b"\r" + b"8" * 4500 + b"\r" + CARD.encode() + b"\r")
        assert text(reader.read_scan(SCAN_WAIT_S)) == "7" * 4096
        assert isinstance(over := reader.read_scan(SCAN_WAIT_S), ScanOverflow)
        assert over.length_bytes == 4500
        assert text(reader.read_scan(SCAN_WAIT_S)) == CARD


def test_a_serial_scanner_that_another_program_reads_is_busy(serial: Gadget) -> None:
    del serial
    first, second = scanner(SERIAL_URL), scanner(SERIAL_URL)
    with contextlib.closing(first), contextlib.closing(second):
        until_ready(first)
        assert second.read_scan(NO_SCAN_WAIT_S) is None
        assert second.state() is ScannerState.BUSY


def test_a_serial_scanner_comes_and_goes_ten_times_and_every_code_is_read_once(
    scanner_gadget: Gadget,
) -> None:
    reader = scanner(SERIAL_URL)
    with contextlib.closing(reader):
        for turn in range(10):
            scanner_gadget.plug_in()
            with contextlib.closing(SerialSide()) as device:
                until_ready(reader)
                device.send(f"{CARD}-{turn}\r".encode())
                assert text(reader.read_scan(SCAN_WAIT_S)) == f"{CARD}-{turn}"
                device.send(b"half of a co")
            scanner_gadget.unplug()
            until_gone(reader)
        assert reader.read_scan(NO_SCAN_WAIT_S) is None


def test_a_code_is_typed_by_a_real_keyboard_and_nobody_else_sees_it(keys: Gadget) -> None:
    reader = scanner(KEYS_URL)
    with contextlib.closing(reader), contextlib.closing(KeySide()) as device:
        until_ready(reader)
        other = os.open(keys.node, os.O_RDONLY | os.O_NONBLOCK)
        try:
            assert read_typed(reader, device, CARD) == CARD
            with pytest.raises(BlockingIOError):
                os.read(other, 24)
        finally:
            os.close(other)


def test_a_keyboard_that_is_grabbed_already_is_busy(keys: Gadget) -> None:
    del keys
    first, second = scanner(KEYS_URL), scanner(KEYS_URL)
    with contextlib.closing(first), contextlib.closing(second):
        until_ready(first)
        assert second.read_scan(NO_SCAN_WAIT_S) is None
        assert second.state() is ScannerState.BUSY


def test_a_burst_that_the_kernel_drops_is_thrown_away_and_said(keys: Gadget) -> None:
    """Nobody reads while a long code is typed: the kernel's buffer of an event device is small."""
    del keys
    reader = scanner(KEYS_URL)
    with contextlib.closing(reader), contextlib.closing(KeySide()) as device:
        until_ready(reader)
        device.type(CARD * 8)
        read = [reader.read_scan(SCAN_WAIT_S)]
        while (more := reader.read_scan(NO_SCAN_WAIT_S)) is not None:
            read.append(more)
        assert any(isinstance(each, ScanDamaged) for each in read)
        assert [text(each) for each in read if text(each) is not None] == []
        assert read_typed(reader, device, CARD) == CARD


def test_a_keyboard_scanner_comes_and_goes_ten_times(keyboard_gadget: Gadget) -> None:
    reader = scanner(KEYS_URL)
    with contextlib.closing(reader):
        for turn in range(10):
            keyboard_gadget.plug_in()
            with contextlib.closing(KeySide()) as device:
                until_ready(reader)
                assert read_typed(reader, device, f"card{turn}") == f"card{turn}"
            keyboard_gadget.unplug()
            until_gone(reader)
        assert reader.read_scan(NO_SCAN_WAIT_S) is None
