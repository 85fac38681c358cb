"""The devices' self-test as the page asks for it; ``bootstrap`` chooses who does it."""

from typing import Protocol

from msgspec import Struct

from drivers.ports import PrinterStatus, PrintOutcome
from terminal.domain.scan_echo import ScanEcho


class DeviceProblemError(Exception):
    """A step that could not be done; the text is for the technician, Chinese first."""


class PrinterChoice(Struct, frozen=True):
    """What a person saw on the test paper."""

    encoding: str
    columns: int
    native_qr: bool
    cutter: bool


class ScannerChoice(Struct, frozen=True):
    """How the scanner was seen to be set up; None leaves as it is what does not apply to it."""

    prefix: str
    baud: int | None = None
    layout: str | None = None


class DeviceDesk(Protocol):
    """The self-test, one step a call; a step that is under way makes others wait.

    Raises:
        DeviceProblemError: from any method: no printer is set, or its address means nothing.
    """

    def printer_url(self) -> str:
        """The printer that is set now."""

    def find_level(self) -> PrinterStatus:
        """How the printer can confirm; may print a few stray characters."""

    def print_papers(self) -> list[tuple[str, PrintOutcome]]:
        """Print the test paper; what became of each of its parts, up to one that failed."""

    def check_drawer(self) -> None:
        """Whether there is a printer that a drawer could hang on.

        Raises:
            DeviceProblemError: there is none.
        """

    def open_drawer(self) -> PrintOutcome:
        """Open the cash drawer once. Whoever calls this has journalled it."""

    def choose(self, choice: PrinterChoice) -> str:
        """Print a paper with the choice and write it into the settings; the new URL.

        Raises:
            DeviceProblemError: also if the settings file cannot be written.
        """

    def scanner_url(self) -> str:
        """The scanner that is set now."""

    def echo(self) -> ScanEcho:
        """Where scans go while the technician looks at them."""

    def choose_scanner(self, choice: ScannerChoice) -> str:
        """Write into the settings how the scanner is set up; the new URL.

        Raises:
            DeviceProblemError: also if the settings file cannot be written.
        """
