"""A customer display without hardware: a pseudo-terminal, and a reader of the bytes on it.

The reader shares nothing with the encoder and survives what shops' software really sends: a lamp
before or after the figure, with or without its command, a figure without its carriage return.
"""

import contextlib
import errno
import os
import re
import select
import threading
import tty
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from msgspec import Struct
from msgspec.structs import replace

MAX_HELD_BYTES: Final = 512
WIDTH: Final = 20
_POLL_MS: Final = 50
_LAMPS: Final = ("off", "price", "total", "paid", "change")
_NUMBER: Final = re.compile(rb"-?[0-9.]*\Z")


class Shown(Struct, frozen=True):
    """What stands on the display: a row of digits, or two lines, and which lamp is lit."""

    digits: str = ""
    lamp: str = "off"
    upper: str = ""
    lower: str = ""


class DisplayReader:
    """Follows a display's bytes, in whatever pieces they come. Never raises."""

    def __init__(self) -> None:
        """Begin with a blank display."""
        self.shown = Shown()
        self.unknown = 0
        self._held = bytearray()
        self._row = 0
        self._column = 0

    def feed(self, data: bytes) -> None:
        """Take bytes; what is not whole yet is held, up to `MAX_HELD_BYTES`."""
        self._held += data
        while self._held:
            used = self._take(bytes(self._held))
            if not used:
                if len(self._held) > MAX_HELD_BYTES:
                    del self._held[0]
                    self.unknown += 1
                    continue
                return
            del self._held[:used]

    def idle(self) -> None:
        """Nothing more comes for now: a figure without its carriage return is whole."""
        if bytes(self._held[:3]) in {b"\x1bQA", b"\x1bQB"}:
            self._line(bytes(self._held[2:3]), bytes(self._held[3:]))
        self._held.clear()

    def _take(self, held: bytes) -> int:
        """Apply what `held` begins with; how many bytes that was, 0 if it is not whole."""
        first = held[0]
        if first == 0x1B:  # noqa: PLR2004 - ESC
            return self._escape(held)
        if first == 0x1F:  # noqa: PLR2004 - US
            return self._move(held)
        if first == 0x02:  # noqa: PLR2004 - STX
            return self._stx(held)
        if first == 0x0C:  # noqa: PLR2004 - CLR
            self._blank()
        elif first == 0x18:  # noqa: PLR2004 - CAN
            self._write_line(self._row, "")
        elif first == 0x0D:  # noqa: PLR2004 - CR
            self._column = 0
        elif 0x20 <= first <= 0x7E:  # noqa: PLR2004 - printable ASCII
            self._put(chr(first))
        else:
            self.unknown += 1
        return 1

    def _blank(self) -> None:
        self.shown = Shown()
        self._row = self._column = 0

    def _escape(self, held: bytes) -> int:
        letter = held[1:2]
        if not letter:
            return 0
        if letter == b"@":
            self._blank()
            return 2
        if letter == b"s":
            return self._lamp(held)
        if letter == b"Q":
            return self._shown_text(held)
        wanted = {b"l": 4, b"_": 3, b"*": 3, b"=": 3, b"\x11": 2, b"\x12": 2, b"\x13": 2}
        length = wanted.get(letter)
        if length is None:
            self.unknown += 1
            return 2
        if len(held) < length:
            return 0
        if letter == b"l":
            self._go_to(held[2], held[3])
        return length

    def _lamp(self, held: bytes) -> int:
        if len(held) < 3:  # noqa: PLR2004 - ESC s n
            return 0
        number = held[2] - 0x30 if held[2] >= 0x30 else held[2]  # noqa: PLR2004 - as digit or binary
        if number < len(_LAMPS):
            self.shown = replace(self.shown, lamp=_LAMPS[number])
        else:
            self.unknown += 1
        return 3

    def _shown_text(self, held: bytes) -> int:
        line = held[2:3]
        if not line:
            return 0
        if line not in {b"A", b"B", b"D"}:
            self.unknown += 1
            return 3
        ends = [at for at in (held.find(end, 3) for end in (b"\r", b"\x1b", b"\x0c")) if at >= 0]
        if not ends:
            return 0
        end = min(ends)
        self._line(line, held[3:end])
        return end + 1 if held[end] == 0x0D else end  # noqa: PLR2004 - CR

    def _line(self, line: bytes, text: bytes) -> None:
        plain = text.decode("ascii", errors="replace")
        if line == b"A" and _NUMBER.match(text):
            self.shown = replace(self.shown, digits=plain)
        else:
            self._write_line(1 if line == b"B" else 0, plain[:WIDTH])

    def _stx(self, held: bytes) -> int:
        letter = held[1:2]
        if not letter:
            return 0
        length = {b"L": 6, b"B": 3, b"M": 2}.get(letter)
        if length is None:
            self.unknown += 1
            return 1
        if len(held) < length:
            return 0
        if letter == b"L":
            at = held[2:6].find(b"1")
            self.shown = replace(self.shown, lamp=_LAMPS[at + 1])
        return length

    def _move(self, held: bytes) -> int:
        letter = held[1:2]
        if not letter:
            return 0
        length = {b"$": 4, b"C": 3, b"X": 3, b"P": 3, b"\x01": 2, b"\x02": 2, b"\x03": 2}.get(
            letter
        )
        if length is None:
            self.unknown += 1
            return 2
        if len(held) < length:
            return 0
        if letter == b"$":
            self._go_to(held[2], held[3])
        return length

    def _go_to(self, column: int, row: int) -> None:
        if 1 <= column <= WIDTH and row in {1, 2}:
            self._column, self._row = column - 1, row - 1
        else:
            self.unknown += 1

    def _put(self, char: str) -> None:
        old = (self.shown.upper, self.shown.lower)[self._row].ljust(WIDTH)
        new = old[: self._column] + char + old[self._column + 1 :]
        self._write_line(self._row, new)
        self._column += 1
        if self._column == WIDTH:
            self._column, self._row = 0, 1 - self._row

    def _write_line(self, row: int, text: str) -> None:
        trimmed = text.rstrip(" ")
        self.shown = (
            replace(self.shown, lower=trimmed) if row else replace(self.shown, upper=trimmed)
        )


class SimulatedDisplay:
    """A display at a path that stays. `unplug` and `plug_in` are its cable."""

    def __init__(self, path: Path) -> None:
        """Plug a blank display in at `path`, which may be left over from an earlier run.

        Raises:
            OSError: no pseudo-terminal, or something else than a link is at `path`.
        """
        self._path = path
        self._guard = threading.Lock()
        self._reader = DisplayReader()
        self._ends: tuple[int, int] | None = None
        self._stopping = threading.Event()
        self.plug_in()
        self._thread = threading.Thread(target=self._run, name="simulated-display")
        self._thread.start()

    @property
    def path(self) -> Path:
        """Give the name to open as a tty."""
        return self._path

    def shown(self) -> Shown:
        """What a customer reads now."""
        with self._guard:
            return self._reader.shown

    def plug_in(self) -> None:
        """Make the display appear, blank; does nothing if it is there."""
        with self._guard:
            if self._ends is not None:
                return
            far_end, tty_end = os.openpty()
            tty.setraw(tty_end)
            os.set_blocking(far_end, False)
            self._ends = (far_end, tty_end)
            self._reader = DisplayReader()
            waiting = self._path.with_name(f"{self._path.name}.new")
            waiting.unlink(missing_ok=True)
            waiting.symlink_to(os.ttyname(tty_end))
            waiting.replace(self._path)

    def unplug(self) -> None:
        """Pull the cable."""
        with self._guard:
            ends, self._ends = self._ends, None
            self._path.unlink(missing_ok=True)
            for end in ends or ():
                os.close(end)

    def close(self) -> None:
        """Switch off for good."""
        self._stopping.set()
        self._thread.join(5.0)
        self.unplug()

    def __enter__(self) -> Self:
        """It is on already."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Switch off."""
        self.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            with self._guard:
                end = self._ends[0] if self._ends is not None else None
                if end is not None:
                    self._read(end)
            self._stopping.wait(_POLL_MS / 1000 / 5)

    def _read(self, end: int) -> None:
        poller = select.poll()
        poller.register(end, select.POLLIN)
        if not poller.poll(0):
            return
        with contextlib.suppress(BlockingIOError):
            try:
                self._reader.feed(os.read(end, 4096))
            except OSError as error:
                if error.errno != errno.EIO:
                    raise
