"""Takes scans from the scanner to the till, or to the technician who watches them."""

from typing import Protocol

from drivers.ports import Scan, ScanDamaged, Scanner, ScannerState, ScanOverflow
from terminal.domain.changes import Surroundings
from terminal.domain.notice import NoticeCode, NoticeLevel
from terminal.domain.scan_echo import ScanEcho

READ_FOR_S = 0.5


class ScanTaker(Protocol):
    """Whichever till the scanner's reads are for."""

    def scan(self, text: str) -> None:
        """Take what was read."""

    def say(self, code: NoticeCode, level: NoticeLevel) -> None:
        """Show the cashier why nothing could be read."""


class ScanRound:
    """One round of the scanner's worker. What was scanned is never logged."""

    def __init__(
        self, scanner: Scanner, till: ScanTaker, surroundings: Surroundings, echo: ScanEcho
    ) -> None:
        self._scanner = scanner
        self._echo = echo
        self._till = till
        self._surroundings = surroundings

    def __call__(self) -> float:
        """Wait for a scan and hand it on. Returns how long to rest, in seconds."""
        event = self._scanner.read_scan(READ_FOR_S)
        state = self._scanner.state()
        self._surroundings.note(scanner="" if state is ScannerState.READY else state.value)
        if event is not None and self._echo.take(event):
            return 0.0
        match event:
            case Scan(text=text):
                self._till.scan(text)
            case ScanOverflow():
                self._till.say(NoticeCode.SCAN_TOO_LONG, NoticeLevel.REFUSED)
            case ScanDamaged():
                self._till.say(NoticeCode.DAMAGED_CODE, NoticeLevel.REFUSED)
            case None:
                pass
        return 0.0
