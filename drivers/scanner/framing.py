"""Scanner bytes to scans. Pure: time comes in as seconds of any monotonic clock.

A scan ends at CR, LF, Tab or ETX. Some scanners are set up without a suffix, so it also ends when nothing
more has come for a while: `IDLE_END_S` on a line, `KEYS_IDLE_END_S` where it types, as many are
set to pause between two keys so that slow programs keep up.
"""

import re
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from msgspec import Struct

from drivers.ports import BARE_FORM, MAX_SCAN_CHARS, ScanForm

IDLE_END_S: Final = 0.08
KEYS_IDLE_END_S: Final = 0.25
_CANCEL: Final = 0x18  # what a driver puts in place of bytes that were lost
_SUFFIX: Final = frozenset(b"\r\n\t\x03")
_START: Final = "\x02"  # STX, before the text where ETX stands behind it
MAX_PREFIX_CHARS: Final = 8
_LONGEST_SUFFIX: Final = 4
# Symbology identifiers (AIM): off in most scanners, never required, dropped where they come.
_AIM_PREFIX: Final = re.compile(r"\][A-Za-z][0-9A-Za-z]")


@dataclass(frozen=True, slots=True)
class Framed:
    """The text of one scan. What came around it makes no other scan of it."""

    text: str
    form: ScanForm = field(default=BARE_FORM, compare=False)


class Overflowed(Struct, frozen=True):
    """A scan past the limit, thrown away whole."""

    length_bytes: int


class Damaged(Struct, frozen=True):
    """A scan that lost a part on its way, thrown away whole."""


Frame: TypeAlias = Framed | Overflowed | Damaged


class ScanFramer:
    """Collects bytes until a scan is complete."""

    def __init__(self, idle_end_s: float = IDLE_END_S, prefix: str = "") -> None:
        """Begin between two scans; `idle_end_s` of silence end one.

        `prefix` is what this scanner was set to send before each code; it is dropped where it
        comes, and so is STX.
        """
        self.idle_end_s = idle_end_s
        self._prefix = prefix
        self._first_byte_s = 0.0
        self._bytes = bytearray()
        self._overflow_bytes = 0
        self._damaged = False
        self._last_byte_s = 0.0

    def feed(self, data: bytes, now_s: float) -> list[Frame]:
        """Take what came at `now_s`; gives the scans that it completes."""
        frames: list[Frame] = []
        if data and not self.is_inside_scan:
            self._first_byte_s = now_s
        for at, byte in enumerate(data):
            if byte in _SUFFIX:
                frames.extend(self._end(_suffix(data, at), now_s))
            elif byte == _CANCEL:
                self._damaged = True
            elif self._overflow_bytes or len(self._bytes) == MAX_SCAN_CHARS:
                self._overflow_bytes = self._overflow_bytes or len(self._bytes)
                self._overflow_bytes += 1
            else:
                self._bytes.append(byte)
        if data:
            self._last_byte_s = now_s
        return frames

    def idle(self, now_s: float) -> list[Frame]:
        """Tell that nothing came until `now_s`; gives the scan that this ends, if any."""
        if self.is_inside_scan and now_s - self._last_byte_s >= self.idle_end_s:
            return self._end("", self._last_byte_s)
        return []

    @property
    def is_inside_scan(self) -> bool:
        """Whether a scan has begun and not ended."""
        return bool(self._bytes) or self._damaged

    def forget(self) -> None:
        """Throw away what was half read."""
        self._bytes.clear()
        self._overflow_bytes = 0
        self._damaged = False

    def _end(self, suffix: str, now_s: float) -> list[Frame]:
        length_bytes = self._overflow_bytes
        damaged = self._damaged
        text = self._bytes.decode("utf-8", errors="replace")
        took_ms = round((now_s - self._first_byte_s) * 1000)
        self.forget()
        self._first_byte_s = now_s
        if damaged:
            return [Damaged()]
        if length_bytes:
            return [Overflowed(length_bytes)]
        prefix, aim, text = _taken_apart(text, self._prefix)
        return [Framed(text, ScanForm(prefix, aim, suffix, took_ms))] if text else []


def _suffix(data: bytes, at: int) -> str:
    """Give the suffix that begins at `at`, as far as it came in one piece."""
    end = at
    while end < len(data) and data[end] in _SUFFIX and end - at < _LONGEST_SUFFIX:
        end += 1
    return data[at:end].decode("ascii")


def _taken_apart(text: str, prefix: str) -> tuple[str, str, str]:
    """Give what came before a text, its symbology identifier, and the text.

    Scanners send the identifier before the prefix or behind it.
    """
    before = _START if text.startswith(_START) else ""
    text = text.removeprefix(_START)
    if prefix and text.startswith(prefix):
        before += prefix
        text = text.removeprefix(prefix)
    found = _AIM_PREFIX.match(text)
    aim = found[0] if found else ""
    text = text[len(aim) :]
    if prefix and prefix not in before and text.startswith(prefix):
        before += prefix
        text = text.removeprefix(prefix)
    return before, aim, text
