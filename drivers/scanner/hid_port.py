"""A scanner that types like a keyboard, read from its own event device and kept from all others."""

import contextlib
import errno
import fcntl
import os
import select
from collections.abc import Callable
from typing import Final

from drivers.ports import PrinterTrouble
from drivers.scanner.key_events import EVENT_BYTES, KeyLayout, KeyReader, read_events
from drivers.transport.link import LinkDownError

_EVIOCGRAB: Final = 0x40044590
_EVENTS_A_READ: Final = 256
_TRY_AGAIN: Final = frozenset({errno.EAGAIN, errno.EINTR})


def grab(handle: int) -> None:
    """Take the device for ourselves: no other program sees its keys, the cashier's page neither.

    Raises:
        OSError: EBUSY if another program has done so.
    """
    fcntl.ioctl(handle, _EVIOCGRAB, 1)


class HidPort:
    """A `SerialPort` of an event device: gives the bytes that its keys mean."""

    def __init__(
        self, path: str, layout: KeyLayout, *, grab_device: Callable[[int], None] = grab
    ) -> None:
        """Open and grab it; what was typed before is thrown away.

        Raises:
            LinkDownError: OFFLINE if it is not there or may not be read, BUSY if it is grabbed.
        """
        try:
            self._handle: int | None = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise LinkDownError(PrinterTrouble.OFFLINE, str(error)) from error
        try:
            grab_device(self._handle)
        except OSError as error:
            self.close()
            busy = error.errno == errno.EBUSY
            trouble = PrinterTrouble.BUSY if busy else PrinterTrouble.OFFLINE
            raise LinkDownError(trouble, str(error)) from error
        self._reader = KeyReader(layout)
        self._rest = b""
        with contextlib.suppress(BlockingIOError):
            while len(os.read(self._handle, _EVENTS_A_READ * EVENT_BYTES)) > 0:
                pass

    def read_some(self, timeout_s: float) -> bytes:
        """Give what was typed, b"" if nothing was in time."""
        if self._handle is None:
            raise LinkDownError(PrinterTrouble.LINK_LOST, "closed")
        poller = select.poll()
        poller.register(self._handle, select.POLLIN)
        ready = poller.poll(timeout_s * 1000)
        if not ready:
            return b""
        try:
            data = os.read(self._handle, _EVENTS_A_READ * EVENT_BYTES)
        except OSError as error:
            if error.errno in _TRY_AGAIN:
                return b""
            raise LinkDownError(PrinterTrouble.LINK_LOST, str(error)) from error
        if not data:
            raise LinkDownError(PrinterTrouble.LINK_LOST, "the device is gone")
        data = self._rest + data
        whole = len(data) - len(data) % EVENT_BYTES
        self._rest = data[whole:]
        return self._reader.feed(read_events(data[:whole]))

    def write_some(self, data: bytes, timeout_s: float) -> int:
        """A keyboard takes nothing; the bytes are said to be taken."""
        del timeout_s
        return len(data)

    def unsent_bytes(self) -> int:
        """Nothing waits."""
        return 0

    def close(self) -> None:
        """Let go of it: it is an ordinary keyboard again."""
        handle, self._handle = self._handle, None
        if handle is not None:
            with contextlib.suppress(OSError):
                os.close(handle)
