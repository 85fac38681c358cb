"""A serial scanner without hardware: a real pseudo-terminal under a name that stays."""

import contextlib
import errno
import os
import select
import threading
import time
import tty
from pathlib import Path
from types import TracebackType
from typing import Final, Self

_WRITE_TIMEOUT_S: Final = 5.0
_TRY_AGAIN: Final = frozenset({errno.EAGAIN, errno.EINTR})


class SimulatedScannerError(Exception):
    """The scan did not go out: unplugged, or nobody reads."""


class SimulatedScanner:
    """Holds codes in front of a scanner that is not there.

    `path` is a symbolic link to the pseudo-terminal: give it to the serial scanner's driver. It
    vanishes with `unplug` and comes back, to a new pseudo-terminal, with `plug_in`.
    """

    def __init__(self, path: Path, *, suffix: bytes = b"\r") -> None:
        """Plug in a scanner at `path`, which may be left over from an earlier run.

        `suffix` is what the scanner was set up to send after each code.

        Raises:
            OSError: no pseudo-terminal, or something else than a link is at `path`.
        """
        self._path = path
        self._suffix = suffix
        self._guard = threading.Lock()
        self._ends: tuple[int, int] | None = None
        self.plug_in()

    @property
    def path(self) -> Path:
        """Give the name to open as a tty."""
        return self._path

    def plug_in(self) -> None:
        """Make the scanner appear; does nothing if it is there."""
        with self._guard:
            if self._ends is not None:
                return
            scanner_end, tty_end = os.openpty()
            tty.setraw(tty_end)
            os.set_blocking(scanner_end, False)
            # Our own hold on the tty keeps it alive while the terminal is not running.
            self._ends = (scanner_end, tty_end)
            waiting = self._path.with_name(f"{self._path.name}.new")
            waiting.unlink(missing_ok=True)
            waiting.symlink_to(os.ttyname(tty_end))
            waiting.replace(self._path)

    def unplug(self) -> None:
        """Make the scanner vanish, as if its cable were pulled."""
        with self._guard:
            ends, self._ends = self._ends, None
            if ends is None:
                return
            self._path.unlink(missing_ok=True)
            for end in ends:
                with contextlib.suppress(OSError):
                    os.close(end)

    close = unplug

    def scan(self, text: str) -> None:
        """Read a code: its text as UTF-8, then the suffix.

        Raises:
            SimulatedScannerError: unplugged, or nobody took the bytes within 5 s.
        """
        self.send(text.encode() + self._suffix)

    def send(self, data: bytes) -> None:
        """Send bytes as they are.

        Raises:
            SimulatedScannerError: as for `scan`.
        """
        deadline_s = time.monotonic() + _WRITE_TIMEOUT_S
        with self._guard:
            if self._ends is None:
                raise SimulatedScannerError("the scanner is unplugged")
            while data:
                left_s = deadline_s - time.monotonic()
                if left_s <= 0:
                    raise SimulatedScannerError("nobody reads the scanner")
                select.select([], [self._ends[0]], [], left_s)
                try:
                    data = data[os.write(self._ends[0], data) :]
                except OSError as error:
                    if error.errno not in _TRY_AGAIN:
                        raise SimulatedScannerError(str(error)) from error

    def __enter__(self) -> Self:
        """Be plugged in."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Unplug."""
        self.unplug()
