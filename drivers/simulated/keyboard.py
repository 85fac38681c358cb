"""A keyboard scanner without hardware: a named pipe that carries the kernel's input events.

A pipe can be opened, polled, read and closed like an event device. It cannot be grabbed: give the
driver a grab of the test's own.
"""

import os
import struct
from pathlib import Path
from typing import Final

_EVENT: Final = struct.Struct("@llHHi")
_LETTERS: Final = {
    "a": 30, "b": 48, "c": 46, "d": 32, "e": 18, "f": 33, "g": 34, "h": 35, "i": 23, "j": 36,
    "k": 37, "l": 38, "m": 50, "n": 49, "o": 24, "p": 25, "q": 16, "r": 19, "s": 31, "t": 20,
    "u": 22, "v": 47, "w": 17, "x": 45, "y": 21, "z": 44,
}  # fmt: skip
_SIGNS: Final = {
    " ": (57, False), "-": (12, False), ".": (52, False), "/": (53, False), "]": (27, False),
    ":": (39, True), "+": (13, True), "$": (5, True), "%": (6, True), "*": (9, True),
}  # fmt: skip
_SHIFT: Final = 42
_ENTER: Final = 28


def event(kind: int, code: int, value: int) -> bytes:
    """One event as the kernel writes it, at time 0."""
    return _EVENT.pack(0, 0, kind, code, value)


REPORT: Final = event(0, 0, 0)
DROPPED: Final = event(0, 3, 0)


def key(code: int) -> bytes:
    """A key pressed and released, each with its report."""
    return event(1, code, 1) + REPORT + event(1, code, 0) + REPORT


def typed(text: str) -> bytes:
    """What a scanner set to USA types for `text`: digits, letters and the signs of base 45."""
    out = b""
    for char in text:
        code, shifted = _place(char)
        if shifted:
            out += event(1, _SHIFT, 1) + REPORT + key(code) + event(1, _SHIFT, 0) + REPORT
        else:
            out += key(code)
    return out


def _place(char: str) -> tuple[int, bool]:
    if char.isdigit():
        return (11 if char == "0" else int(char) + 1), False
    if char.lower() in _LETTERS:
        return _LETTERS[char.lower()], char.isupper()
    return _SIGNS[char]


class SimulatedKeyboardScanner:
    """Types codes into a named pipe at a path that stays."""

    def __init__(self, path: Path) -> None:
        """Plug in at `path`, which must be free or a pipe left over from an earlier run."""
        self._path = path
        self._pipe: int | None = None
        self.plug_in()

    @property
    def path(self) -> Path:
        """Give the name to open as an event device."""
        return self._path

    def plug_in(self) -> None:
        """Make the device appear; does nothing if it is there."""
        if self._pipe is None:
            self._path.unlink(missing_ok=True)
            os.mkfifo(self._path)
            self._pipe = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)

    def unplug(self) -> None:
        """Make it vanish: whoever reads sees its end."""
        pipe, self._pipe = self._pipe, None
        self._path.unlink(missing_ok=True)
        if pipe is not None:
            os.close(pipe)

    def scan(self, text: str) -> None:
        """Type a code and Enter."""
        self.send(typed(text) + key(_ENTER))

    def send(self, events: bytes) -> None:
        """Send events as they are; nothing while unplugged."""
        if self._pipe is not None:
            os.write(self._pipe, events)
