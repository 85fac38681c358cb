"""What the scanner sends, for a technician to see: while this listens, no scan goes to the till."""

import collections
import threading
from collections.abc import Callable
from enum import StrEnum
from typing import Final

from msgspec import Struct

from drivers.ports import Scan, ScanDamaged, ScanEvent, ScanOverflow
from terminal.domain.scan import (
    BarcodeScan,
    ConfirmScan,
    DamagedCodeScan,
    InputMethodScan,
    PaymentScan,
    ResidentScan,
    TwoCodesScan,
    classify,
)

LISTEN_S: Final = 60.0
MOST_SHOWN: Final = 20
_SHOWN_CHARS: Final = 80
_SHOWN_OF_A_SECRET: Final = 4
# What a control character is called on keyboards and in scanners' manuals.
_CONTROLS: Final = {0x02: "STX", 0x03: "ETX", 0x09: "Tab", 0x0A: "LF", 0x0D: "CR", 0x1D: "GS"}


class ScanKind(StrEnum):
    """What the till would take a scan for."""

    BARCODE = "barcode"
    CODE = "code"
    PAYMENT = "payment"
    DAMAGED = "damaged"
    TWO_CODES = "two_codes"
    INPUT_METHOD = "input_method"
    TOO_LONG = "too_long"
    LOST_KEYS = "lost_keys"
    UNKNOWN = "unknown"


class EchoedScan(Struct, frozen=True):
    """One scan as it came. `text` is whole only where it is no code of a person.

    `prefix`, `suffix`: names of what stood around it, such as "STX" or "CR LF"; `aim` the
    symbology identifier; `took_ms` from the first to the last piece.
    """

    kind: ScanKind
    text: str = ""
    chars: int = 0
    prefix: str = ""
    aim: str = ""
    suffix: str = ""
    took_ms: int = 0


def visible(text: str) -> str:
    """The text with its control characters named, at most 80 characters of it."""
    cut = text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"
    return "".join(
        f"<{_CONTROLS.get(ord(char), f'{ord(char):02X}')}>" if ord(char) < ord(" ") else char
        for char in cut
    )


def names_of(signs: str) -> str:
    """What stood before or after a scan, in names: "CR LF", "STX", "$"."""
    return " ".join(_CONTROLS.get(ord(sign), visible(sign)) for sign in signs)


def echoed(event: ScanEvent) -> EchoedScan:
    """Say how a scan came and what the till would take it for.

    A person's code and a payment code are money: only their first characters are shown.
    """
    match event:
        case ScanOverflow(length_bytes=length):
            return EchoedScan(ScanKind.TOO_LONG, chars=length)
        case ScanDamaged():
            return EchoedScan(ScanKind.LOST_KEYS)
        case Scan(text=text, form=form):
            kind = _kind(text)
            shown = visible(text)
            if kind in {ScanKind.CODE, ScanKind.PAYMENT, ScanKind.DAMAGED, ScanKind.TWO_CODES}:
                shown = f"{visible(text[:_SHOWN_OF_A_SECRET])}…"
            return EchoedScan(
                kind,
                shown,
                len(text),
                names_of(form.prefix),
                form.aim,
                names_of(form.suffix),
                form.took_ms,
            )


def _kind(text: str) -> ScanKind:
    match classify(text):
        case BarcodeScan():
            return ScanKind.BARCODE
        case ResidentScan() | ConfirmScan():
            return ScanKind.CODE
        case PaymentScan():
            return ScanKind.PAYMENT
        case DamagedCodeScan():
            return ScanKind.DAMAGED
        case TwoCodesScan():
            return ScanKind.TWO_CODES
        case InputMethodScan():
            return ScanKind.INPUT_METHOD
        case _:
            return ScanKind.UNKNOWN


class ScanEcho:
    """Takes scans in place of the till for at most `LISTEN_S` after each `listen`. Thread-safe.

    It keeps the newest `MOST_SHOWN`, in memory only.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._until_s = 0.0
        self._scans: collections.deque[EchoedScan] = collections.deque(maxlen=MOST_SHOWN)

    def listen(self, *, on: bool) -> None:
        """Begin anew, or give the scanner back to the till and forget what came."""
        with self._lock:
            self._until_s = self._monotonic() + LISTEN_S if on else 0.0
            self._scans.clear()

    def take(self, event: ScanEvent) -> bool:
        """Whether this scan was taken for the technician; otherwise it is the till's."""
        with self._lock:
            if self._monotonic() >= self._until_s:
                return False
            self._scans.append(echoed(event))
            return True

    def seconds_left(self) -> int:
        """For how long scans still come here."""
        with self._lock:
            return max(0, round(self._until_s - self._monotonic()))

    def scans(self) -> tuple[EchoedScan, ...]:
        """What came since `listen`, oldest first."""
        with self._lock:
            return tuple(self._scans)
