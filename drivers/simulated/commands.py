"""Bytes to commands, as the simulated printer reads them; sharing nothing with the encoder.

So a wrong byte of the encoder is seen here. A byte-accurate length for every command is the whole point: a parameter
taken for text turns 235.00 into 8235.00. After an unknown command the rest of the line is not
trusted and is skipped up to the next line feed or command.
"""

from typing import Final, TypeAlias

from msgspec import Struct

from drivers.simulated.command_table import (
    FUNCTIONS,
    KANJI_BYTES,
    SINGLE,
    TABLES,
    NotACommandError,
)

MAX_COMMAND_BYTES: Final = 1_000_000
_CONTROL_END: Final = 0x20
_LF: Final = 0x0A
_NAMES: Final = {0x10: "DLE", 0x1B: "ESC", 0x1C: "FS", 0x1D: "GS", 0x1F: "US"}
_COUNTED: Final = ord("(")
_FS_CHARACTER: Final = b"\x1c2"
_FS_FONT: Final = b"\x1c(A\x02\x000"


class TextRun(Struct, frozen=True):
    """Printable bytes, 0x20 and above, as they came; may end in half a Chinese character."""

    raw: bytes


class Command(Struct, frozen=True):
    """One whole command: its name ("GS v"), its bytes, and the parameters after its name."""

    name: str
    raw: bytes
    parameters: bytes


class Unknown(Struct, frozen=True):
    """Bytes that are no known command, or the part of one that the connection's end cut off."""

    raw: bytes
    reason: str


Event: TypeAlias = TextRun | Command | Unknown


class CommandReader:
    """Cuts a byte stream, in whatever pieces it comes, into text and commands. Never raises."""

    def __init__(self) -> None:
        """Begin at the start of a stream."""
        self._buffer = bytearray()
        self._distrusts_line = False
        self._needs_bytes = 0
        self._kanji_bytes = KANJI_BYTES[0]

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
        if first in TABLES:
            self._distrusts_line = False
            return self._command(at)
        if first == _LF:
            self._distrusts_line = False
        name = SINGLE.get(first)
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
        if letter not in TABLES[introducer]:
            # What follows may be a command itself: it is not swallowed with the one before it.
            return self._unknown(at, 1 if letter in TABLES else 2)
        length = self._length(at)
        if length is None:
            return None, 0
        if length < 0:
            return self._unknown(at, -length)
        raw = bytes(self._buffer[at : at + length])
        if letter == _COUNTED and raw[2] not in FUNCTIONS[introducer]:
            return Unknown(raw, "unknown function"), length
        self._remember_font(raw)
        shown = chr(letter) if letter > _CONTROL_END else f"{letter:02X}"
        return Command(f"{_NAMES[introducer]} {shown}", raw, raw[2:]), length

    def _length(self, at: int) -> int | None:
        """Give a command's length; None: not all there yet; negative: so many bytes of rubbish."""
        introducer, letter = self._buffer[at], self._buffer[at + 1]
        length = TABLES[introducer][letter]
        if bytes((introducer, letter)) == _FS_CHARACTER:
            length = 2 + self._kanji_bytes
        wanted = length if isinstance(length, int) else 0
        while not isinstance(length, int):
            there = bytes(self._buffer[at + 2 : at + 2 + wanted])
            try:
                more = length(there)
            except NotACommandError:
                return -2 - len(there)
            if more <= wanted:
                wanted = more
                break
            wanted = more
            if wanted > MAX_COMMAND_BYTES:
                return -2 - len(there)
            if len(self._buffer) - at - 2 < wanted:
                break
        if len(self._buffer) - at - 2 < wanted:
            self._needs_bytes = 2 + wanted
            return None
        return 2 + wanted

    def _remember_font(self, raw: bytes) -> None:
        """`FS 2` is as long as a character of the font that was chosen before it."""
        if raw.startswith(_FS_FONT):
            font = raw[len(_FS_FONT)] % 48
            self._kanji_bytes = KANJI_BYTES[font] if font < len(KANJI_BYTES) else KANJI_BYTES[0]
        elif raw == b"\x1b@":
            self._kanji_bytes = KANJI_BYTES[0]

    def _unknown(self, at: int, length: int) -> tuple[Event, int]:
        self._distrusts_line = True
        return Unknown(bytes(self._buffer[at : at + length]), "unknown command"), length
