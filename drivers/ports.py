"""The devices that a terminal sees, as contracts.

What a device refuses or cannot do comes back as a value; exceptions are for mistakes of the
caller (a document that cannot be encoded) and never for paper, cables or a device that is off.
"""

import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol, TypeAlias

from msgspec import Struct

from drivers.document import Document

MAX_SCAN_CHARS: Final = 4096


class StatusLevel(enum.StrEnum):
    """How well a printer can say that a job came out, best first."""

    PROCESS_ID = "process_id"  # answers GS ( H after the paper is printed
    IN_ORDER = "in_order"  # answers GS r after everything before it
    REALTIME = "realtime"  # answers DLE EOT only: its state, nothing about a job
    MUTE = "mute"  # answers nothing


class PrintResult(enum.StrEnum):
    """What is known of a job's paper."""

    CONFIRMED = "confirmed"  # the printer answered after the job: it is on paper
    SENT = "sent"  # all bytes delivered to a printer that cannot confirm; never say "printed"
    FAILED = "failed"  # not one byte of the job went out; sending it again is safe
    UNKNOWN = "unknown"  # some bytes may have gone out; never send again without asking a person


class PrinterTrouble(enum.StrEnum):
    """Why a printer does not print."""

    OFFLINE = "offline"  # no connection: switched off, unplugged, wrong address
    PAPER_OUT = "paper_out"
    COVER_OPEN = "cover_open"
    BUSY = "busy"  # another job, or another program holds the device
    ERROR = "error"  # the printer reports a fault of its own, such as a jammed cutter
    NO_ANSWER = "no_answer"  # connected, but a printer that used to answer is silent
    LINK_LOST = "link_lost"  # the connection broke during the job


class PaperState(enum.StrEnum):
    """What the printer says of its roll."""

    OK = "ok"
    NEAR_END = "near_end"
    OUT = "out"
    UNKNOWN = "unknown"


class PrintOutcome(Struct, frozen=True):
    """How one job ended. `trouble` is given exactly for FAILED and UNKNOWN."""

    result: PrintResult
    trouble: PrinterTrouble | None = None
    bytes_sent: int = 0

    def __post_init__(self) -> None:
        wants_trouble = self.result in {PrintResult.FAILED, PrintResult.UNKNOWN}
        if wants_trouble != (self.trouble is not None):
            raise ValueError(f"{self.result} with trouble {self.trouble}")
        if self.result is PrintResult.FAILED and self.bytes_sent:
            raise ValueError("a failed job has sent nothing")


class PrinterStatus(Struct, frozen=True):
    """What a printer says of itself now. `trouble` is None if a job may be sent."""

    trouble: PrinterTrouble | None
    paper: PaperState = PaperState.UNKNOWN
    level: StatusLevel | None = None  # None until it was reached once


def do_nothing() -> None:
    """Be the callback of a caller that has nothing to do."""


def ignore_trouble(trouble: PrinterTrouble) -> None:
    """Be the callback of a caller that does not show what the printer waits for."""
    del trouble


class Printer(Protocol):
    """A receipt printer. One job at a time; a second one meanwhile gets FAILED(busy)."""

    def print_document(
        self,
        document: Document,
        *,
        on_sending: Callable[[], None] = do_nothing,
        on_waiting: Callable[[PrinterTrouble], None] = ignore_trouble,
    ) -> PrintOutcome:
        """Print a document and say what is known of the paper; blocks until then.

        Before anything else the printer is asked for its state: no connection, no paper, cover
        open give FAILED and not one byte of the job is sent (except where it is nothing but the
        drawer: the cashier must give change, paper or not). Then `on_sending` is called, exactly
        once, before the first byte: make "sending" durable there. If it raises, nothing is sent
        and the exception goes through to the caller.
        Paper out or cover open after the first byte: `on_waiting` is called when this is seen,
        the printer keeps its buffer, and the job may still become CONFIRMED after a refill; past
        a time limit it is UNKNOWN. So is a connection that breaks, and silence.

        Raises:
            ValueError: the document cannot be encoded; nothing was sent.
        """

    def status(self) -> PrinterStatus:
        """Ask the printer how it is, within a few seconds; BUSY while a job is printing."""

    def find_level(self) -> PrinterStatus:
        """Find out the best way in which this printer can confirm, and use it from now on.

        For set-up, with a person watching: a printer that does not know a question may print a
        few stray characters. Where the device URL names a level, it is tried and not changed.
        """

    def close(self) -> None:
        """Let go of the device. A job that is running ends first; later calls give OFFLINE."""


class ScanForm(Struct, frozen=True):
    """What came around a scan's text, for whoever sets a scanner up; it means nothing else.

    `aim` is the symbology identifier. `suffix` is empty where silence ended the scan. `took_ms`
    goes from the first to the last piece that came.
    """

    prefix: str = ""
    aim: str = ""
    suffix: str = ""
    took_ms: int = 0


BARE_FORM: Final = ScanForm()


@dataclass(frozen=True, slots=True)
class Scan:
    """One code that was read: its text without what came around it, and when (UTC)."""

    text: str
    at: datetime
    form: ScanForm = field(default=BARE_FORM, compare=False)


class ScanOverflow(Struct, frozen=True):
    """Something longer than `MAX_SCAN_CHARS` bytes came and was thrown away whole."""

    length_bytes: int
    at: datetime


class ScanDamaged(Struct, frozen=True):
    """Something was scanned and a part of it got lost on the way; all of it was thrown away."""

    at: datetime


ScanEvent: TypeAlias = Scan | ScanOverflow | ScanDamaged


class ScannerState(enum.StrEnum):
    """Whether the scanner can be used now."""

    READY = "ready"
    ABSENT = "absent"  # not there (any more); the driver keeps looking for it
    BUSY = "busy"  # another program has it
    CLOSED = "closed"


class Scanner(Protocol):
    """A code scanner. One reader; the other methods may be called from any thread."""

    def read_scan(self, timeout_s: float) -> ScanEvent | None:
        """Wait for the next scan; None if there was none in time, or the scanner was closed.

        A device that vanishes is opened again by itself, with a growing pause between attempts;
        what was half read is thrown away, and so is what was scanned while nobody was reading.
        The same text again within a third of a second is a nervous trigger, and is left out.
        Never raises for anything that a device does.
        """

    def state(self) -> ScannerState:
        """Tell whether the scanner is there. Does not touch the device."""

    def close(self) -> None:
        """Let go of the device; a waiting `read_scan` returns None within 0.2 s."""


class Lamp(enum.StrEnum):
    """Which word a customer display lights beside its figure."""

    OFF = "off"
    PRICE = "price"  # 单价
    TOTAL = "total"  # 总计
    PAID = "paid"  # 收款
    CHANGE = "change"  # 找零


class DisplayContent(Struct, frozen=True):
    """What a customer display shows. Each kind takes of it what it can show.

    A row of digits shows `amount_fen` with its lamp (None: nothing); two lines of letters show
    `upper` and `lower`, twenty ASCII characters each: the rest is cut off, other signs are `?`.
    """

    lamp: Lamp = Lamp.OFF
    amount_fen: int | None = None
    upper: str = ""
    lower: str = ""


class DeviceState(enum.StrEnum):
    """Whether a device that only listens can be used now."""

    READY = "ready"
    ABSENT = "absent"  # not there (any more); the driver keeps looking for it
    BUSY = "busy"  # another program has it
    CLOSED = "closed"


class CustomerDisplay(Protocol):
    """A display that faces the customer. It never answers: READY says that it took the bytes."""

    def show(self, content: DisplayContent) -> DeviceState:
        """Show this in place of what was there; within about a second.

        What is shown already is not sent again. A display that went away is opened again by a
        later call, with a growing pause between attempts, and shows that call's content. Never
        raises for anything that a device does.
        """

    def state(self) -> DeviceState:
        """Tell whether the display is there. Does not touch the device."""

    def close(self) -> None:
        """Blank it and let go of it; later calls give CLOSED."""
