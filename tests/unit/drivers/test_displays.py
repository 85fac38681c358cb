"""Customer displays: exact bytes, the contract over a real pseudo-terminal, hostile bytes."""

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from drivers.display.encode import LampForm, amount_digits, cd5220, led8, vfd
from drivers.heavy import open_serial_port
from drivers.ports import CustomerDisplay, DeviceState, DisplayContent, Lamp
from drivers.registry import DeviceUrlError, open_display
from drivers.simulated.display import MAX_HELD_BYTES, DisplayReader, Shown, SimulatedDisplay
from drivers.transport.lines import LineSettings
from tests.support.fuzz import LIMIT_S, ROUNDS

pytestmark = pytest.mark.timeout(LIMIT_S)
WAIT_S = 5.0
TOTAL = DisplayContent(Lamp.TOTAL, 2550, "TOTAL          25.50", "POINTS           255")


def test_the_total_of_the_manual() -> None:
    assert led8(TOTAL).hex(" ") == "1b 73 32 1b 51 41 32 35 2e 35 30 0d"
    assert led8(TOTAL, LampForm.STX).hex(" ") == "02 4c 30 31 30 30 1b 51 41 32 35 2e 35 30 0d"
    assert led8(DisplayContent()) == b"\x0c\x1bs0"


@pytest.mark.parametrize(
    ("fen", "digits"),
    [
        (0, b"0.00"), (5, b"0.05"), (-5, b"-0.05"), (710, b"7.10"),
        (99_999_999, b"999999.99"), (100_000_000, b"--------"), (-10_000_000, b"--------"),
    ],
)  # fmt: skip
def test_an_amount_is_shown_whole_or_not_at_all(fen: int, digits: bytes) -> None:
    assert amount_digits(fen) == digits


def test_both_lines_are_sent_whole_and_carry_no_command() -> None:
    content = DisplayContent(upper="TOTAL 7.10", lower="青菜\x1b@\x0c" + "x" * 40)
    assert cd5220(content) == (b"\x1bQATOTAL 7.10          \r\x1bQB???@?" + b"x" * 15 + b"\r")
    assert vfd(content) == (b"\x1f$\x01\x01TOTAL 7.10          \x1f$\x01\x02???@?" + b"x" * 15)


@pytest.mark.parametrize("code", [*range(0x20), *range(0x7F, 0xA0), 0x202E, 0x2028, 0xFF1B, 0xD800])
def test_no_sign_of_a_name_reaches_a_display_as_a_control(code: int) -> None:
    """Whoever puts a name on it one day: only the driver's own commands are commands."""
    dirty = DisplayContent(Lamp.TOTAL, 710, f"A{chr(code)}B", chr(code) * 30)
    plain = DisplayContent(Lamp.TOTAL, 710, "A?B", "?" * 30)
    for encode in (cd5220, vfd, led8):
        assert encode(dirty) == encode(plain)


@pytest.fixture(params=["led8", "led8&lamps=stx", "cd5220", "vfd"])
def desk(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[tuple[CustomerDisplay, SimulatedDisplay, bool]]:
    with SimulatedDisplay(tmp_path / "display") as simulated:
        display = open_display(f"display+serial://{simulated.path}?kind={request.param}")
        assert display is not None
        yield display, simulated, request.param.startswith("led8")
        display.close()


def until(
    wanted: Shown, simulated: SimulatedDisplay, again: Callable[[], object] = lambda: None
) -> None:
    end_s = time.monotonic() + WAIT_S
    while simulated.shown() != wanted and time.monotonic() < end_s:
        again()
        time.sleep(0.02)
    assert simulated.shown() == wanted


def on(led: bool) -> Shown:
    if led:
        return Shown(digits="25.50", lamp="total")
    return Shown(upper="TOTAL          25.50", lower="POINTS           255")


Desk = tuple[CustomerDisplay, SimulatedDisplay, bool]


def test_a_display_shows_what_it_is_told(desk: Desk) -> None:
    display, simulated, led = desk
    assert display.state() is DeviceState.ABSENT
    assert display.show(TOTAL) is DeviceState.READY
    until(on(led), simulated)
    assert display.show(DisplayContent()) is DeviceState.READY
    until(Shown(), simulated)


def test_what_was_on_it_before_is_gone(desk: Desk) -> None:
    display, simulated, led = desk
    display.show(DisplayContent(Lamp.PRICE, 12_345_678, "A" * 20, "B" * 20))
    display.show(TOTAL)
    until(on(led), simulated)


def test_a_display_that_comes_and_goes_shows_the_newest(desk: Desk) -> None:
    display, simulated, led = desk
    for _ in range(10):
        display.show(DisplayContent(Lamp.PRICE, 100, "OLD", "OLD"))
        simulated.unplug()
        display.show(DisplayContent(Lamp.PRICE, 200, "LOST", "LOST"))
        simulated.plug_in()
    until(on(led), simulated, lambda: display.show(TOTAL))
    assert display.state() is DeviceState.READY


def test_a_display_that_another_program_holds_is_busy(desk: Desk) -> None:
    display, simulated, _ = desk
    other = open_serial_port(str(simulated.path), LineSettings(baud=2400))
    assert display.show(TOTAL) is DeviceState.BUSY
    other.close()


def test_closing_blanks_it(desk: Desk) -> None:
    display, simulated, led = desk
    display.show(TOTAL)
    until(on(led), simulated)
    display.close()
    until(Shown(), simulated)
    assert display.show(TOTAL) is DeviceState.CLOSED
    assert display.state() is DeviceState.CLOSED


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        # A lamp behind the figure, as a payment plug-in captured it.
        (b"\x1b@\x0c\x1bQA5.00\r\x1bs1", Shown(digits="5.00", lamp="price")),
        (b"\x1bQA111\x1bs2", Shown(digits="111", lamp="total")),  # no carriage return
        (b"\x1bs\x03\x1bQA12.5\r", Shown(digits="12.5", lamp="paid")),  # a binary lamp
        (b"\x1bQATOTAL:  \r\x1bQB   7.10\r", Shown(upper="TOTAL:", lower="   7.10")),
        (b"\x1bl\x03\x02hi", Shown(lower="  hi")),
    ],
)
def test_what_shops_software_really_sends_is_read(data: bytes, shown: Shown) -> None:
    for size in (1, 2, len(data)):
        reader = DisplayReader()
        for at in range(0, len(data), size):
            reader.feed(data[at : at + size])
        reader.idle()
        assert reader.shown == shown


def test_random_and_mutated_bytes_crash_nothing_and_hold_little() -> None:
    chance = random.Random(8)
    seeds = [led8(TOTAL), cd5220(TOTAL), vfd(TOTAL), b"\x02L0100\x1bQA12.34"]
    for _ in range(ROUNDS):
        data = bytearray(chance.choice(seeds))
        for _ in range(chance.randrange(6)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        data += chance.randbytes(chance.randrange(40))
        reader = DisplayReader()
        reader.feed(bytes(data))
        reader.idle()
        assert len(reader.shown.upper) <= 20
        assert len(reader.shown.lower) <= 20
    endless = DisplayReader()
    endless.feed(b"\x1bQA" + b"7" * 10_000)
    assert len(endless._held) <= MAX_HELD_BYTES


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("display+serial:///dev/ttyUSB0?kind=lcd", "kind='lcd'"),
        ("display+serial:///dev/ttyUSB0?columns=20", "option 'columns'"),
        ("display+serial://ttyUSB0", "path"),
        ("escpos+usb:///dev/usb/lp0", "scheme"),
    ],
)
def test_a_wrong_display_url_is_told(url: str, part: str) -> None:
    with pytest.raises(DeviceUrlError) as wrong:
        open_display(url)
    assert part in wrong.value.part
    assert open_display("none://") is None
