"""Key presses of a scanner in keyboard mode to the bytes it would send in serial mode. Pure.

The kernel tells places of keys, not letters: the scanner and `layout` must agree. When the kernel
drops events (`SYN_DROPPED`), what was being read is damaged: `DAMAGED` goes out in its place, and
the framing throws that scan away whole.
"""

import enum
import struct
from typing import Final

from msgspec import Struct

DAMAGED: Final = b"\x18"  # cancel: no scanner sends it, and no code on paper holds it
EVENT_BYTES: Final = struct.calcsize("@llHHi")
_EVENT: Final = struct.Struct("@llHHi")

EV_SYN: Final = 0
EV_KEY: Final = 1
SYN_REPORT: Final = 0
SYN_DROPPED: Final = 3
_RELEASED: Final = 0
_PRESSED: Final = 1

_SHIFTS: Final = frozenset({42, 54})
_ALTS: Final = frozenset({56, 100})
_ENDS: Final = frozenset({28, 96, 15})  # Enter, keypad Enter, Tab
_KEYPAD: Final = {
    71: "7", 72: "8", 73: "9", 74: "-", 75: "4", 76: "5", 77: "6", 78: "+",
    79: "1", 80: "2", 81: "3", 82: "0", 83: ".", 55: "*", 98: "/",
}  # fmt: skip


class KeyLayout(enum.StrEnum):
    """The keyboard country that a scanner is set to. Set it to USA where that can be done."""

    US = "us"
    DE = "de"
    FR = "fr"


def _rows(*rows: tuple[int, str]) -> dict[int, str]:
    return {first + at: char for first, chars in rows for at, char in enumerate(chars)}


_PLAIN: Final = {
    KeyLayout.US: _rows(
        (2, "1234567890-="), (16, "qwertyuiop[]"), (30, "asdfghjkl;'`"), (43, "\\zxcvbnm,./"),
        (57, " "),
    ),
    KeyLayout.DE: _rows(
        (2, "1234567890ß´"), (16, "qwertzuiopü+"), (30, "asdfghjklöä^"), (43, "#yxcvbnm,.-"),
        (57, " "), (86, "<"),
    ),
    KeyLayout.FR: _rows(
        (2, "&é\"'(-è_çà)="), (16, "azertyuiop^$"), (30, "qsdfghjklmù²"), (43, "*wxcvbn,;:!"),
        (57, " "), (86, "<"),
    ),
}  # fmt: skip
_SHIFTED: Final = {
    KeyLayout.US: _rows(
        (2, "!@#$%^&*()_+"), (16, "QWERTYUIOP{}"), (30, 'ASDFGHJKL:"~'), (43, "|ZXCVBNM<>?"),
        (57, " "),
    ),
    KeyLayout.DE: _rows(
        (2, '!"§$%&/()=?`'), (16, "QWERTZUIOPÜ*"), (30, "ASDFGHJKLÖÄ°"), (43, "'YXCVBNM;:_"),
        (57, " "), (86, ">"),
    ),
    KeyLayout.FR: _rows(
        (2, "1234567890°+"), (16, "AZERTYUIOP¨£"), (30, "QSDFGHJKLM%~"), (43, "µWXCVBN?./§"),
        (57, " "), (86, ">"),
    ),
}  # fmt: skip
UNREADABLE: Final = "\ufffd"


class KeyEvent(Struct, frozen=True):
    """One event of the kernel, without its time."""

    kind: int
    code: int
    value: int


def read_events(data: bytes) -> list[KeyEvent]:
    """The whole events in `data`; a part of one at the end is not there yet, and left out."""
    whole = len(data) - len(data) % EVENT_BYTES
    return [KeyEvent(*fields[2:]) for fields in _EVENT.iter_unpack(data[:whole])]


class KeyReader:
    """Follows one keyboard's events. Never raises.

    A character typed as Alt and keypad digits is given as U+FFFD: what code page its digits mean,
    no scanner says.
    """

    def __init__(self, layout: KeyLayout) -> None:
        """Begin with no key held."""
        self._plain = _PLAIN[layout]
        self._shifted = _SHIFTED[layout]
        self._shift: set[int] = set()
        self._alt: set[int] = set()
        self._alt_digits = False
        self._dropping = False

    def feed(self, events: list[KeyEvent]) -> bytes:
        """Give what these events type, a carriage return for each end of a scan."""
        return b"".join(self._take(event) for event in events)

    def _take(self, event: KeyEvent) -> bytes:
        if event.kind == EV_SYN:
            return self._synchronise(event.code)
        if self._dropping or event.kind != EV_KEY:
            return b""
        if event.code in _SHIFTS:
            self._hold(self._shift, event)
            return b""
        if event.code in _ALTS:
            return self._hold_alt(event)
        if event.value != _PRESSED:  # releases say nothing, and repeats are no scanner's
            return b""
        return self._typed(event.code)

    def _synchronise(self, code: int) -> bytes:
        """After dropped events the rest up to the next report is rubbish too."""
        if code == SYN_DROPPED:
            self._dropping = True
            self._shift.clear()
            self._alt.clear()
            self._alt_digits = False
            return DAMAGED
        if code == SYN_REPORT:
            self._dropping = False
        return b""

    def _hold(self, keys: set[int], event: KeyEvent) -> None:
        if event.value == _RELEASED:
            keys.discard(event.code)
        else:
            keys.add(event.code)

    def _hold_alt(self, event: KeyEvent) -> bytes:
        self._hold(self._alt, event)
        if self._alt or not self._alt_digits:
            return b""
        self._alt_digits = False
        return UNREADABLE.encode()

    def _typed(self, code: int) -> bytes:
        if self._alt:
            self._alt_digits = self._alt_digits or code in _KEYPAD
            return b""
        if code in _ENDS:
            return b"\r"
        char = _KEYPAD.get(code) or (self._shifted if self._shift else self._plain).get(code)
        return char.encode() if char else b""
