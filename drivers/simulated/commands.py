"""The ESC/POS command table of the simulated printer: every command with its parameters' length.

Written from the command references and sharing nothing with the encoder, so that a wrong byte of
the encoder is seen here. A byte-accurate length for every command is the whole point: a parameter
taken for text turns 235.00 into 8235.00. After an unknown command the rest of the line is not
trusted and is skipped up to the next line feed or command.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

MAX_COMMAND_BYTES: Final = 1_000_000
_CONTROL_END: Final = 0x20
_LF: Final = 0x0A
_INTRODUCERS: Final = frozenset((0x10, 0x1B, 0x1C, 0x1D))
_NAMES: Final = {0x10: "DLE", 0x1B: "ESC", 0x1C: "FS", 0x1D: "GS"}


@dataclass(frozen=True, slots=True)
class TextRun:
    """Printable bytes, 0x20 and above, as they came; may end in half a Chinese character."""

    raw: bytes


@dataclass(frozen=True, slots=True)
class Command:
    """One whole command: its name ("GS v"), its bytes, and the parameters after its name."""

    name: str
    raw: bytes
    parameters: bytes


@dataclass(frozen=True, slots=True)
class Unknown:
    """Bytes that are no known command, or the part of one that the connection's end cut off."""

    raw: bytes
    reason: str


Event: TypeAlias = TextRun | Command | Unknown

# Given the parameter bytes so far, a length function says how many there must be in all. It may
# answer with what it needs to know more, and is asked again when that many are there.
Length: TypeAlias = int | Callable[[bytes], int]


class _NotACommandError(Exception):
    """The parameters belong to no known variant."""


def _counted(parameters: bytes) -> int:
    """Give the length of `fn pL pH …`: the usual form of newer commands."""
    if len(parameters) < 3:  # noqa: PLR2004 - fn, pL, pH
        return 3
    return 3 + int.from_bytes(parameters[1:3], "little")


def _by_first(table: dict[int, int]) -> Callable[[bytes], int]:
    def length(parameters: bytes) -> int:
        if not parameters:
            return 1
        if parameters[0] not in table:
            raise _NotACommandError
        return table[parameters[0]]

    return length


def _product(skip: int, counts: tuple[int, ...], unit: int = 1) -> Callable[[bytes], int]:
    """Give the length of `skip` bytes, numbers of `counts` bytes each, then product x unit."""
    head = skip + sum(counts)

    def length(parameters: bytes) -> int:
        if len(parameters) < head:
            return head
        at = skip
        size = unit
        for width in counts:
            size *= int.from_bytes(parameters[at : at + width], "little")
            at += width
        return head + size

    return length


def _column_image(parameters: bytes) -> int:
    if len(parameters) < 3:  # noqa: PLR2004 - m, nL, nH
        return 3
    bytes_per_column = {0: 1, 1: 1, 32: 3, 33: 3}.get(parameters[0])
    if bytes_per_column is None:
        raise _NotACommandError
    return 3 + int.from_bytes(parameters[1:3], "little") * bytes_per_column


def _user_characters(parameters: bytes) -> int:
    if len(parameters) < 3:  # noqa: PLR2004 - y, c1, c2
        return 3
    rows, first, last = parameters[:3]
    at = 3
    for _ in range(first, last + 1):
        if len(parameters) <= at:
            return at + 1
        at += 1 + rows * parameters[at]
    return at


def _until_nul(limit: int) -> Callable[[bytes], int]:
    def length(parameters: bytes) -> int:
        end = parameters.find(0)
        if end >= 0:
            return end + 1
        if len(parameters) >= limit:
            raise _NotACommandError
        return len(parameters) + 1

    return length


def _barcode(parameters: bytes) -> int:
    if not parameters:
        return 1
    if parameters[0] <= 6:  # noqa: PLR2004 - the old form, up to a NUL
        return 1 + _until_nul(255)(parameters[1:])
    if 65 <= parameters[0] <= 79:  # noqa: PLR2004 - the counted form
        return 2 if len(parameters) < 2 else 2 + parameters[1]  # noqa: PLR2004 - m, n
    raise _NotACommandError


def _nv_images(parameters: bytes) -> int:
    if not parameters:
        return 1
    at = 1
    for _ in range(parameters[0]):
        if len(parameters) < at + 4:
            return at + 4
        x = int.from_bytes(parameters[at : at + 2], "little")
        y = int.from_bytes(parameters[at + 2 : at + 4], "little")
        at += 4 + x * y * 8
    return at


def _large_graphics(parameters: bytes) -> int:
    if len(parameters) < 5:  # noqa: PLR2004 - L, p1 to p4
        return 5
    return 5 + int.from_bytes(parameters[1:5], "little")


def _user_memory(parameters: bytes) -> int:
    if not parameters:
        return 1
    if parameters[0] == 0x32:  # noqa: PLR2004 - read
        return 8
    if parameters[0] != 0x31:  # noqa: PLR2004 - write
        raise _NotACommandError
    return 8 if len(parameters) < 8 else 8 + int.from_bytes(parameters[6:8], "little")  # noqa: PLR2004 - head


def _pulse(parameters: bytes) -> int:
    """Give the length of `DLE DC4 fn …`."""
    return _by_first({1: 3, 2: 3, 3: 6, 7: 2, 8: 8})(parameters)


def _old_qr(parameters: bytes) -> int:
    """Give the length of `ESC Z m n k nL nH data`: a QR code of many Chinese printers."""
    if len(parameters) < 5:  # noqa: PLR2004 - m, n, k, nL, nH
        return 5
    return 5 + int.from_bytes(parameters[3:5], "little")


def _display_text(parameters: bytes) -> int:
    """Give the length of a pole display's `ESC Q A … CR`, seen where lines are shared."""
    end = parameters.find(b"\r")
    if end >= 0:
        return end + 1
    if len(parameters) > 42:  # noqa: PLR2004 - A, 40 characters, CR
        raise _NotACommandError
    return len(parameters) + 1


def _table(fixed: dict[int, str], other: dict[str, Length]) -> dict[int, Length]:
    table: dict[int, Length] = {}
    for length, names in fixed.items():
        table.update({ord(name): length for name in names})
    return table | {ord(name): length for name, length in other.items()}


_DLE: Final = _table(
    {}, {"\x04": _by_first({1: 1, 2: 1, 3: 1, 4: 1, 7: 2, 8: 2, 18: 2}), "\x05": 1, "\x14": _pulse}
)
_ESC: Final = _table(
    {
        0: "2<@LSimv\x0c",
        1: " !%-39=?EGJKMRTUVadertu{_s\x11\x12\x13",
        2: "$\\cBl",
        3: "pC",
        8: "W",
    },
    {"&": _user_characters, "(": _counted, "*": _column_image, "D": _until_nul(33),
     "Q": _display_text, "Z": _old_qr},
)  # fmt: skip
_FS: Final = _table(
    {0: "&.", 1: "!-CW", 2: "?Sp", 74: "2"},
    {"(": _counted, "q": _nv_images, "g": _user_memory},
)
_GS: Final = _table(
    {0: ":c", 1: "!/BEHITabfhjrw", 2: "$LPW\\", 3: "^"},
    {
        "(": _counted,
        "*": _product(0, (1, 1), 8),
        "8": _large_graphics,
        "C": _by_first({0x30: 3, 0x31: 7, 0x32: 3}),
        "Q": _product(2, (2, 2)),
        "V": _by_first({0: 1, 1: 1, 48: 1, 49: 1, 65: 2, 66: 2, 97: 2, 98: 2, 103: 2, 104: 2}),
        "g": _by_first({0x30: 4, 0x32: 4}),
        "k": _barcode,
        "v": _product(2, (2, 2)),
        "z": 3,
    },
)
_TABLES: Final = {0x10: _DLE, 0x1B: _ESC, 0x1C: _FS, 0x1D: _GS}
_SINGLE: Final = {0x07: "BEL", 0x09: "HT", 0x0A: "LF", 0x0C: "FF", 0x0D: "CR", 0x18: "CAN"}


class CommandReader:
    """Cuts a byte stream, in whatever pieces it comes, into text and commands. Never raises."""

    def __init__(self) -> None:
        """Begin at the start of a stream."""
        self._buffer = bytearray()
        self._distrusts_line = False
        self._needs_bytes = 0

    def feed(self, data: bytes) -> list[Event]:
        """Give the events that `data` completes."""
        self._buffer += data
        events: list[Event] = []
        at = 0
        while at < len(self._buffer) and len(self._buffer) - at >= self._needs_bytes:
            self._needs_bytes = 0
            event, taken = self._next(at)
            if taken == 0:
                break
            at += taken
            if event is not None:
                events.append(event)
        del self._buffer[:at]
        return events

    def end(self) -> list[Event]:
        """Give what the end of the stream has cut off."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        self._needs_bytes = 0
        self._distrusts_line = False
        return [Unknown(rest, "cut off")] if rest else []

    def _next(self, at: int) -> tuple[Event | None, int]:
        """Give the event at `at` and its length; length 0 if it is not all there yet."""
        first = self._buffer[at]
        if first >= _CONTROL_END:
            return self._text(at)
        if first in _INTRODUCERS:
            self._distrusts_line = False
            return self._command(at)
        if first == _LF:
            self._distrusts_line = False
        name = _SINGLE.get(first)
        raw = bytes([first])
        return (Command(name, raw, b"") if name else Unknown(raw, "unknown control")), 1

    def _text(self, at: int) -> tuple[Event | None, int]:
        end = at
        while end < len(self._buffer) and self._buffer[end] >= _CONTROL_END:
            end += 1
        raw = bytes(self._buffer[at:end])
        if self._distrusts_line:
            return Unknown(raw, "after an unknown command"), end - at
        return TextRun(raw), end - at

    def _command(self, at: int) -> tuple[Event | None, int]:
        if len(self._buffer) - at < 2:  # noqa: PLR2004 - introducer and letter
            return None, 0
        introducer, letter = self._buffer[at], self._buffer[at + 1]
        length = _TABLES[introducer].get(letter)
        if length is None:
            return self._unknown(at, 2)
        wanted = length if isinstance(length, int) else 0
        while not isinstance(length, int):
            there = bytes(self._buffer[at + 2 : at + 2 + wanted])
            try:
                more = length(there)
            except _NotACommandError:
                return self._unknown(at, 2 + len(there))
            if more == wanted:
                break
            wanted = more
            if wanted > MAX_COMMAND_BYTES:
                return self._unknown(at, 2 + len(there))
            if len(self._buffer) - at - 2 < wanted:
                break
        if len(self._buffer) - at - 2 < wanted:
            self._needs_bytes = 2 + wanted
            return None, 0
        raw = bytes(self._buffer[at : at + 2 + wanted])
        shown = chr(letter) if letter > _CONTROL_END else f"{letter:02X}"
        return Command(f"{_NAMES[introducer]} {shown}", raw, raw[2:]), len(raw)

    def _unknown(self, at: int, length: int) -> tuple[Event, int]:
        self._distrusts_line = True
        return Unknown(bytes(self._buffer[at : at + length]), "unknown command"), length
