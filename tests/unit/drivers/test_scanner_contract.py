"""What `Scanner` promises, by every way in which a scanner can be there.

In serial mode on a real pseudo-terminal; in keyboard mode by event records in a named pipe, which
cannot be grabbed: what the kernel says to a second program is told by the test. A real keyboard
and a real USB scanner: `./run test --qemu`.
"""

import contextlib
import errno
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from drivers.heavy import open_serial_port
from drivers.ports import MAX_SCAN_CHARS, Scan, Scanner, ScannerState, ScanOverflow
from drivers.registry import open_scanner
from drivers.scanner.framing import KEYS_IDLE_END_S
from drivers.scanner.hid_port import HidPort
from drivers.scanner.key_events import KeyLayout
from drivers.scanner.serial_scanner import DEBOUNCE_S, SerialScanner
from drivers.simulated.keyboard import SimulatedKeyboardScanner, typed
from drivers.simulated.scanner import SimulatedScanner, SimulatedScannerError
from drivers.transport.lines import LineSettings, SerialPort
from tests.unit.drivers.conftest import utc_now

WAIT_S = 10.0
NOTHING_S = 0.05


class SerialDesk:
    """A serial scanner on a pseudo-terminal, opened as the settings name it."""

    def __init__(self, folder: Path) -> None:
        self.simulated = SimulatedScanner(folder / "scanner")
        opened = open_scanner(f"scanner+serial://{self.simulated.path}", utc_now=utc_now)
        assert opened is not None
        self.scanner: Scanner = opened

    def begin(self, text: str) -> None:
        """Send a text and no end."""
        self.simulated.send(text.encode())

    @contextlib.contextmanager
    def held_by_another(self) -> Iterator[None]:
        other = open_serial_port(str(self.simulated.path), LineSettings())
        yield
        other.close()


class KeysDesk:
    """A keyboard scanner on a named pipe."""

    def __init__(self, folder: Path) -> None:
        self.simulated = SimulatedKeyboardScanner(folder / "event0")
        self._held = False
        self.scanner: Scanner = SerialScanner(
            str(self.simulated.path),
            LineSettings(),
            open_port=self._open,
            utc_now=utc_now,
            idle_end_s=KEYS_IDLE_END_S,
        )

    def _open(self, path: str, _settings: LineSettings) -> SerialPort:
        return HidPort(path, KeyLayout.US, grab_device=self._grab)

    def _grab(self, _handle: int) -> None:
        if self._held:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    def begin(self, text: str) -> None:
        """Type a text and no Enter."""
        self.simulated.send(typed(text))

    @contextlib.contextmanager
    def held_by_another(self) -> Iterator[None]:
        self._held = True
        yield
        self._held = False


Desk = SerialDesk | KeysDesk
DESKS: dict[str, Callable[[Path], Desk]] = {"serial": SerialDesk, "keys": KeysDesk}


@pytest.fixture(params=DESKS)
def fresh(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    """A scanner that nobody has read yet."""
    desk = DESKS[request.param](tmp_path)
    yield desk
    desk.scanner.close()
    desk.simulated.unplug()


@pytest.fixture
def desk(fresh: Desk) -> Desk:
    assert fresh.scanner.read_scan(NOTHING_S) is None
    return fresh


def until_ready(scanner: Scanner) -> None:
    while scanner.state() is not ScannerState.READY:
        assert scanner.read_scan(NOTHING_S) is None


class TestScannerContract:
    """Each promise of the port."""

    def test_a_scan_is_its_text_and_its_time(self, desk: Desk) -> None:
        assert desk.scanner.state() is ScannerState.READY
        desk.simulated.scan("HD1:ABC")
        assert desk.scanner.read_scan(WAIT_S) == Scan("HD1:ABC", utc_now())
        assert desk.scanner.read_scan(NOTHING_S) is None

    def test_scans_in_a_burst_are_given_one_by_one_in_order(self, desk: Desk) -> None:
        for number in range(20):
            desk.simulated.scan(f"HD1:{number}")
        scans = [desk.scanner.read_scan(WAIT_S) for _ in range(20)]
        assert scans == [Scan(f"HD1:{number}", utc_now()) for number in range(20)]

    def test_a_scan_without_suffix_ends_by_itself(self, desk: Desk) -> None:
        desk.begin("HD1:ABC")
        assert desk.scanner.read_scan(WAIT_S) == Scan("HD1:ABC", utc_now())

    def test_a_scan_that_has_begun_is_read_past_the_time_limit(self, desk: Desk) -> None:
        desk.begin("HD1:ABC")
        assert desk.scanner.read_scan(0) in {None, Scan("HD1:ABC", utc_now())}
        desk.begin("HD1:DEF")
        scans = [desk.scanner.read_scan(0.2), desk.scanner.read_scan(0.2)]
        assert any(isinstance(scan, Scan) for scan in scans)

    def test_something_much_too_long_is_thrown_away_whole_and_said(self, desk: Desk) -> None:
        sender = threading.Thread(target=desk.simulated.scan, args=("x" * 3 * MAX_SCAN_CHARS,))
        sender.start()
        event = desk.scanner.read_scan(WAIT_S)
        sender.join()
        assert event == ScanOverflow(3 * MAX_SCAN_CHARS, utc_now())
        desk.simulated.scan("HD1:ABC")
        assert desk.scanner.read_scan(WAIT_S) == Scan("HD1:ABC", utc_now())

    def test_four_kilobytes_at_once_are_one_scan(self, desk: Desk) -> None:
        text = "7" * MAX_SCAN_CHARS
        sender = threading.Thread(target=desk.simulated.scan, args=(text,))
        sender.start()
        assert desk.scanner.read_scan(WAIT_S) == Scan(text, utc_now())
        sender.join()

    def test_a_scanner_that_vanishes_ten_times_is_found_again_by_its_name(self, desk: Desk) -> None:
        for number in range(10):  # as often as in a bad minute
            desk.begin("HALF")
            desk.simulated.unplug()
            while desk.scanner.state() is ScannerState.READY:
                event = desk.scanner.read_scan(NOTHING_S)
                assert event is None or event == Scan("HALF", utc_now())
            assert desk.scanner.state() is ScannerState.ABSENT
            desk.simulated.plug_in()
            until_ready(desk.scanner)
            desk.simulated.scan(f"HD1:{number}")
            assert desk.scanner.read_scan(WAIT_S) == Scan(f"HD1:{number}", utc_now())

    def test_what_was_scanned_while_nobody_was_reading_is_thrown_away(self, fresh: Desk) -> None:
        fresh.simulated.scan("HD1:OLD")
        assert fresh.scanner.state() is ScannerState.ABSENT
        assert fresh.scanner.read_scan(0.3) is None
        fresh.simulated.scan("HD1:NEW")
        assert fresh.scanner.read_scan(WAIT_S) == Scan("HD1:NEW", utc_now())

    def test_a_scanner_that_another_program_holds_is_busy_and_then_ready(self, fresh: Desk) -> None:
        with fresh.held_by_another():
            assert fresh.scanner.read_scan(NOTHING_S) is None
            assert fresh.scanner.state() is ScannerState.BUSY
        until_ready(fresh.scanner)
        fresh.simulated.scan("HD1:ABC")
        assert fresh.scanner.read_scan(WAIT_S) == Scan("HD1:ABC", utc_now())

    def test_the_same_code_at_once_is_one_scan_and_later_is_another(self, desk: Desk) -> None:
        desk.simulated.scan("6900000000014")
        desk.simulated.scan("6900000000014")
        assert desk.scanner.read_scan(WAIT_S) == Scan("6900000000014", utc_now())
        assert desk.scanner.read_scan(DEBOUNCE_S + NOTHING_S) is None
        desk.simulated.scan("6900000000014")
        assert desk.scanner.read_scan(WAIT_S) == Scan("6900000000014", utc_now())

    def test_closing_ends_a_wait(self, desk: Desk) -> None:
        seen: list[object] = []
        reader = threading.Thread(target=lambda: seen.append(desk.scanner.read_scan(60.0)))
        reader.start()
        desk.scanner.close()
        reader.join(WAIT_S)
        assert seen == [None]
        assert desk.scanner.state() is ScannerState.CLOSED
        assert desk.scanner.read_scan(NOTHING_S) is None


def test_a_serial_scanner_sends_chinese(tmp_path: Path) -> None:
    desk = SerialDesk(tmp_path)
    with contextlib.closing(desk.scanner), desk.simulated:
        assert desk.scanner.read_scan(NOTHING_S) is None
        desk.simulated.scan("HD1:ABC:原点")
        assert desk.scanner.read_scan(WAIT_S) == Scan("HD1:ABC:原点", utc_now())


def test_an_unplugged_simulated_scanner_cannot_scan(tmp_path: Path) -> None:
    simulated = SimulatedScanner(tmp_path / "scanner")
    simulated.unplug()
    assert not simulated.path.is_symlink()
    with pytest.raises(SimulatedScannerError, match="unplugged"):
        simulated.scan("HD1:ABC")
