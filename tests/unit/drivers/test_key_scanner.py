"""Keyboard scanners by recorded event bytes: layouts, dropped events, grab, hotplug, rubbish."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.ports import Scan, ScanDamaged, Scanner, ScannerState
from drivers.registry import DeviceUrlError, open_scanner
from drivers.scanner.framing import Damaged, Framed, ScanFramer
from drivers.scanner.hid_port import HidPort
from drivers.scanner.key_events import DAMAGED, EVENT_BYTES, KeyLayout, KeyReader, read_events
from drivers.scanner.serial_scanner import SerialScanner
from drivers.simulated.keyboard import DROPPED, REPORT, SimulatedKeyboardScanner, event, key, typed
from drivers.transport.lines import LineSettings
from drivers.transport.link import LinkDownError
from tests.support.fuzz import LIMIT_S, ROUNDS
from tests.unit.drivers.conftest import utc_now

pytestmark = pytest.mark.timeout(LIMIT_S)
WAIT_S = 10.0
NOTHING_S = 0.05
CODE = "HD1 A$B%C*D+E-F.G/H:9]"
# Event records as the kernel lays them out (time 0), scanner set to USA: ]E0, 69, A, Enter.
RECORDED = bytes.fromhex(
    "".join(
        "0000000000000000" * 2 + tail
        for tail in (
            "01001b0001000000", "0000000000000000", "01001b0000000000", "0000000000000000",
            "01002a0001000000", "0100120001000000", "0000000000000000", "0100120000000000",
            "01002a0000000000", "0000000000000000", "01000b0001000000", "0000000000000000",
            "0100070001000000", "0000000000000000", "01000a0001000000", "0000000000000000",
            "01002a0001000000", "01001e0001000000", "01001e0000000000", "01002a0000000000",
            "01001c0001000000", "0000000000000000", "01001c0000000000", "0000000000000000",
        )
    )
)  # fmt: skip


def read(data: bytes, layout: KeyLayout = KeyLayout.US) -> bytes:
    return KeyReader(layout).feed(read_events(data))


def test_event_records_are_the_code_that_was_scanned() -> None:
    assert read(RECORDED) == b"]E069A\r"
    assert ScanFramer().feed(read(RECORDED), 0.0) == [Framed("69A")]  # the identifier is dropped


def test_every_sign_of_a_code_is_typed_and_read() -> None:
    assert read(typed(CODE)) == CODE.encode()


@pytest.mark.parametrize(
    ("layout", "codes", "text"),
    [
        (KeyLayout.DE, (21, 44, 2, 11, 53), "zy10-"),
        (KeyLayout.FR, (16, 17, 30, 44, 50), "azqw,"),
        (KeyLayout.US, (79, 80, 81, 82, 96), "1230\r"),  # the keypad
    ],
)
def test_other_countries_and_the_keypad(
    layout: KeyLayout, codes: tuple[int, ...], text: str
) -> None:
    assert read(b"".join(key(code) for code in codes), layout) == text.encode()


def test_french_digits_need_shift() -> None:
    shifted = event(1, 42, 1) + key(2) + key(11) + event(1, 42, 0)
    assert read(shifted, KeyLayout.FR) == b"10"


def test_a_held_key_is_typed_once() -> None:
    repeats = event(1, 2, 1) + REPORT + (event(1, 2, 2) + REPORT) * 5 + event(1, 2, 0)
    assert read(repeats) == b"1"


def test_a_character_by_its_number_is_unreadable_and_never_guessed() -> None:
    by_number = event(1, 56, 1) + key(82) + key(73) + key(71) + event(1, 56, 0)
    assert read(key(2) + by_number + key(3)).decode() == "1\ufffd2"


def test_dropped_events_damage_the_whole_scan_and_only_that(keyboard: "Desk") -> None:
    front, tail = typed("HD1ABC"), typed("DEF") + key(28)
    keyboard.simulated.send(front + DROPPED + typed("LOST")[:72] + REPORT + tail)
    assert keyboard.scanner.read_scan(WAIT_S) == ScanDamaged(utc_now())
    keyboard.simulated.scan("HD1ABCDEF")
    assert keyboard.scanner.read_scan(WAIT_S) == Scan("HD1ABCDEF", utc_now())


def test_a_burst_whose_front_was_lost_is_damaged() -> None:
    framer = ScanFramer()
    assert framer.feed(DAMAGED + b"TAIL\r", 0.0) == [Damaged()]
    assert framer.feed(b"WHOLE\r", 0.0) == [Framed("WHOLE")]
    assert framer.feed(b"FRONT" + DAMAGED, 1.0) == []
    assert framer.is_inside_scan
    assert framer.idle(2.0) == [Damaged()]


class Desk:
    """A driver on a named pipe, and whoever types into it."""

    def __init__(self, path: Path) -> None:
        self.simulated = SimulatedKeyboardScanner(path)
        self.grabbed = 0
        self.scanner: Scanner = SerialScanner(
            str(path), LineSettings(), open_port=self.open_port, utc_now=utc_now
        )

    def open_port(self, path: str, _settings: LineSettings) -> HidPort:
        return HidPort(path, KeyLayout.US, grab_device=self.grab)

    def grab(self, _handle: int) -> None:
        self.grabbed += 1


@pytest.fixture
def keyboard(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path / "event0")
    assert desk.scanner.read_scan(NOTHING_S) is None
    yield desk
    desk.scanner.close()
    desk.simulated.unplug()


def test_a_scan_is_its_text(keyboard: Desk) -> None:
    assert (keyboard.scanner.state(), keyboard.grabbed) == (ScannerState.READY, 1)
    keyboard.simulated.scan(CODE)
    assert keyboard.scanner.read_scan(WAIT_S) == Scan(CODE, utc_now())


def test_a_real_device_is_grabbed_or_refused(tmp_path: Path) -> None:
    """A file that is no event device cannot be grabbed: it is not there, as far as we can use it."""
    plain = tmp_path / "event0"
    plain.write_bytes(b"")
    with pytest.raises(LinkDownError) as down:
        HidPort(str(plain), KeyLayout.US)
    assert down.value.trouble == "offline"


def test_random_and_mutated_events_crash_nothing() -> None:
    chance = random.Random(8)
    seed = typed(CODE) + key(28) + DROPPED
    for _ in range(ROUNDS):
        data = bytearray(seed[: chance.randrange(len(seed))])
        for _ in range(chance.randrange(8)):
            if data:
                data[chance.randrange(len(data))] = chance.randrange(256)
        data += chance.randbytes(chance.randrange(60))
        for frame in ScanFramer().feed(read(bytes(data), chance.choice(list(KeyLayout))), 0.0):
            assert not isinstance(frame, Framed) or "\x18" not in frame.text
    assert len(seed) % EVENT_BYTES == 0


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("scanner+hid:///dev/input/event0?layout=cn", "layout='cn'"),
        ("scanner+hid:///dev/input/event0?baud=9600", "option 'baud'"),
        ("scanner+hid://event0", "path"),
    ],
)
def test_a_wrong_url_is_told(url: str, part: str) -> None:
    with pytest.raises(DeviceUrlError) as wrong:
        open_scanner(url, utc_now=utc_now)
    assert part in wrong.value.part
