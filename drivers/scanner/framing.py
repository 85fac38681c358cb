"""Scanner bytes to scans. Pure: time comes in as seconds of any monotonic clock.

A scan ends at CR or LF. Some scanners are set up without a suffix, so it also ends when nothing
more has come for a while: `IDLE_END_S` on a line, `KEYS_IDLE_END_S` where it types, as many are
set to pause between two keys so that slow programs keep up.
"""

import re
from dataclasses import dataclass
from typing import Final, TypeAlias

from drivers.ports import MAX_SCAN_CHARS

IDLE_END_S: Final = 0.08
KEYS_IDLE_END_S: Final = 0.25
_CANCEL: Final = 0x18  # what a driver puts in place of bytes that were lost
_SUFFIX: Final = frozenset(b"\r\n")
# Symbology identifiers (AIM): off in most scanners, never required, dropped where they come.
_AIM_PREFIX: Final = re.compile(r"\][A-Za-z][0-9A-Za-z]")


@dataclass(frozen=True, slots=True)
class Framed:
    """The text of one scan."""

    text: str


@dataclass(frozen=True, slots=True)
class Overflowed:
    """A scan past the limit, thrown away whole."""

    length_bytes: int


@dataclass(frozen=True, slots=True)
class Damaged:
    """A scan that lost a part on its way, thrown away whole."""


Frame: TypeAlias = Framed | Overflowed | Damaged


class ScanFramer:
    """Collects bytes until a scan is complete."""

    def __init__(self, idle_end_s: float = IDLE_END_S) -> None:
        """Begin between two scans; `idle_end_s` of silence end one."""
        self.idle_end_s = idle_end_s
        self._bytes = bytearray()
        self._overflow_bytes = 0
        self._damaged = False
        self._last_byte_s = 0.0

    def feed(self, data: bytes, now_s: float) -> list[Frame]:
        """Take what came at `now_s`; gives the scans that it completes."""
        frames: list[Frame] = []
        for byte in data:
            if byte in _SUFFIX:
                frames.extend(self._end())
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
            return self._end()
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

    def _end(self) -> list[Frame]:
        length_bytes = self._overflow_bytes
        damaged = self._damaged
        text = self._bytes.decode("utf-8", errors="replace")
        self.forget()
        if damaged:
            return [Damaged()]
        if length_bytes:
            return [Overflowed(length_bytes)]
        if _AIM_PREFIX.match(text):
            text = text[3:]
        return [Framed(text)] if text else []
