"""What `Scanner` promises, against the simulated scanner on a real pseudo-terminal."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from drivers.heavy import open_serial_port
from drivers.ports import MAX_SCAN_CHARS, Scan, ScannerState, ScanOverflow
from drivers.registry import open_scanner
from drivers.scanner.serial_scanner import DEBOUNCE_S, SerialScanner
from drivers.simulated.scanner import SimulatedScanner, SimulatedScannerError
from drivers.transport.lines import LineSettings
from tests.unit.drivers.conftest import utc_now

WAIT_S = 10.0
NOTHING_S = 0.05


@dataclass
class Desk:
    """A driver and the simulated scanner that it reads."""

    scanner: SerialScanner
    simulated: SimulatedScanner


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    simulated = SimulatedScanner(tmp_path / "scanner")
    scanner = SerialScanner(
        str(simulated.path), LineSettings(), open_port=open_serial_port, utc_now=utc_now
    )
    assert scanner.read_scan(NOTHING_S) is None
    yield Desk(scanner, simulated)
    scanner.close()
    simulated.close()


def test_a_scan_is_its_text_and_its_time(desk: Desk) -> None:
    assert desk.scanner.state() is ScannerState.READY
    desk.simulated.scan("HD1:ABC:原点")
    assert desk.scanner.read_scan(WAIT_S) == Scan("HD1:ABC:原点", utc_now())
    assert desk.scanner.read_scan(NOTHING_S) is None


def test_scans_in_a_burst_are_given_one_by_one_in_order(desk: Desk) -> None:
    for number in range(20):
        desk.simulated.scan(f"HD1:{number}")
    scans = [desk.scanner.read_scan(WAIT_S) for _ in range(20)]
    assert scans == [Scan(f"HD1:{number}", utc_now()) for number in range(20)]


def test_a_scan_without_suffix_ends_by_itself(desk: Desk) -> None:
    desk.simulated.send(b"]Q1HD1:ABC")
    assert desk.scanner.read_scan(WAIT_S) == Scan("HD1:ABC", utc_now())


def test_a_scan_that_has_begun_is_read_past_the_time_limit(desk: Desk) -> None:
    desk.simulated.send(b"HD1:ABC")
    assert desk.scanner.read_scan(0) in {None, Scan("HD1:ABC", utc_now())}
    desk.simulated.send(b"HD1:DEF")
    scans = [desk.scanner.read_scan(0.2), desk.scanner.read_scan(0.2)]
    assert any(isinstance(scan, Scan) for scan in scans)


def test_something_much_too_long_is_thrown_away_whole_and_said(desk: Desk) -> None:
    sender = threading.Thread(target=desk.simulated.scan, args=("x" * 3 * MAX_SCAN_CHARS,))
    sender.start()
    event = desk.scanner.read_scan(WAIT_S)
    sender.join()
    assert event == ScanOverflow(3 * MAX_SCAN_CHARS, utc_now())
    desk.simulated.scan("HD1:ABC")
    assert desk.scanner.read_scan(WAIT_S) == Scan("HD1:ABC", utc_now())


def test_a_scanner_that_vanishes_is_found_again_by_its_name(desk: Desk) -> None:
    for round_number in range(10):  # as often as in a bad minute
        desk.simulated.send(b"HALF A CODE")
        desk.simulated.unplug()
        while desk.scanner.state() is ScannerState.READY:
            event = desk.scanner.read_scan(NOTHING_S)
            assert event is None or event == Scan("HALF A CODE", utc_now())
        assert desk.scanner.state() is ScannerState.ABSENT
        desk.simulated.plug_in()
        while desk.scanner.state() is ScannerState.ABSENT:
            assert desk.scanner.read_scan(NOTHING_S) is None
        desk.simulated.scan(f"HD1:{round_number}")
        assert desk.scanner.read_scan(WAIT_S) == Scan(f"HD1:{round_number}", utc_now())


def test_what_was_scanned_while_nobody_was_reading_is_thrown_away(tmp_path: Path) -> None:
    with SimulatedScanner(tmp_path / "scanner") as simulated:
        simulated.scan("HD1:OLD")
        scanner = open_scanner(f"scanner+serial://{simulated.path}", utc_now=utc_now)
        assert scanner is not None
        assert scanner.state() is ScannerState.ABSENT
        assert scanner.read_scan(0.2) is None
        simulated.scan("HD1:NEW")
        assert scanner.read_scan(WAIT_S) == Scan("HD1:NEW", utc_now())
        scanner.close()


def test_a_scanner_that_another_program_holds_is_busy_and_then_ready(tmp_path: Path) -> None:
    with SimulatedScanner(tmp_path / "scanner") as simulated:
        other = open_serial_port(str(simulated.path), LineSettings())
        scanner = open_scanner(f"scanner+serial://{simulated.path}", utc_now=utc_now)
        assert scanner is not None
        assert scanner.read_scan(NOTHING_S) is None
        assert scanner.state() is ScannerState.BUSY
        other.close()
        while scanner.state() is ScannerState.BUSY:
            scanner.read_scan(NOTHING_S)
        simulated.scan("HD1:ABC")
        assert scanner.read_scan(WAIT_S) == Scan("HD1:ABC", utc_now())
        scanner.close()


def test_closing_ends_a_wait(desk: Desk) -> None:
    seen: list[object] = []
    reader = threading.Thread(target=lambda: seen.append(desk.scanner.read_scan(60.0)))
    reader.start()
    desk.scanner.close()
    reader.join(WAIT_S)
    assert seen == [None]
    assert desk.scanner.state() is ScannerState.CLOSED
    assert desk.scanner.read_scan(NOTHING_S) is None


def test_an_unplugged_simulated_scanner_cannot_scan(tmp_path: Path) -> None:
    simulated = SimulatedScanner(tmp_path / "scanner")
    simulated.unplug()
    assert not simulated.path.is_symlink()
    with pytest.raises(SimulatedScannerError, match="unplugged"):
        simulated.scan("HD1:ABC")


def test_four_kilobytes_at_once_are_one_scan(desk: Desk) -> None:
    text = "7" * MAX_SCAN_CHARS
    sender = threading.Thread(target=desk.simulated.scan, args=(text,))
    sender.start()
    assert desk.scanner.read_scan(WAIT_S) == Scan(text, utc_now())
    sender.join()


def test_the_same_code_at_once_is_one_scan_and_later_is_another(desk: Desk) -> None:
    desk.simulated.scan("6900000000014")
    desk.simulated.scan("6900000000014")
    assert desk.scanner.read_scan(WAIT_S) == Scan("6900000000014", utc_now())
    assert desk.scanner.read_scan(DEBOUNCE_S + NOTHING_S) is None
    desk.simulated.scan("6900000000014")
    assert desk.scanner.read_scan(WAIT_S) == Scan("6900000000014", utc_now())
