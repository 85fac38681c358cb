"""A USB printer as the kernel shows it: `/dev/usb/lp0`, read and written without libusb."""

import contextlib
import errno
import os
import select
import time
from collections.abc import Callable
from typing import Final

from drivers.ports import PrinterTrouble
from drivers.transport.link import Finished, Link, LinkDownError

_READ_BYTES: Final = 4096
_EMPTY_READ_PAUSE_S: Final = 0.02
_TRY_AGAIN: Final = frozenset({errno.EAGAIN, errno.EINTR})


def device_file_connector(path: str) -> Callable[[], Link]:
    """Give what opens the device file; a second opener gets BUSY from the kernel."""

    def connect() -> Link:
        try:
            handle = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError as error:
            busy = error.errno == errno.EBUSY
            trouble = PrinterTrouble.BUSY if busy else PrinterTrouble.OFFLINE
            raise LinkDownError(trouble, str(error)) from error
        return DeviceFileLink(handle)

    return connect


class DeviceFileLink:
    """A `Link` over a device file: non-blocking, one USB transfer at a time."""

    def __init__(self, handle: int) -> None:
        """Take over an open, non-blocking file descriptor."""
        self._handle: int | None = handle

    def write_some(self, data: bytes, timeout_s: float) -> int:
        """Send a part of `data`, as `Link` promises."""
        if not self._wait(select.POLLOUT, timeout_s):
            return 0
        try:
            return os.write(self._descriptor(), data)
        except OSError as error:
            if error.errno in _TRY_AGAIN:
                return 0
            raise LinkDownError(PrinterTrouble.LINK_LOST, str(error)) from error

    def read_some(self, timeout_s: float) -> bytes | None:
        """Give bytes that came. A device file never ends: an empty read is "nothing yet"."""
        if not self._wait(select.POLLIN, timeout_s):
            return b""
        try:
            data = os.read(self._descriptor(), _READ_BYTES)
        except OSError as error:
            if error.errno in _TRY_AGAIN:
                return b""
            raise LinkDownError(PrinterTrouble.LINK_LOST, str(error)) from error
        if not data:
            time.sleep(min(timeout_s, _EMPTY_READ_PAUSE_S))
        return data

    def finish(self, timeout_s: float) -> Finished:
        """Wait until the last transfer is done: closing earlier would cancel it."""
        delivered = self._wait(select.POLLOUT, timeout_s)
        return Finished(self.read_some(0) or b"", delivered=delivered)

    def close(self) -> None:
        """Close the device file."""
        handle, self._handle = self._handle, None
        if handle is not None:
            with contextlib.suppress(OSError):
                os.close(handle)

    def _descriptor(self) -> int:
        if self._handle is None:
            raise LinkDownError(PrinterTrouble.LINK_LOST, "closed")
        return self._handle

    def _wait(self, event: int, timeout_s: float) -> bool:
        poller = select.poll()
        poller.register(self._descriptor(), event)
        ready = poller.poll(timeout_s * 1000)
        if not ready:
            return False
        flags = ready[0][1]
        if not flags & (select.POLLHUP | select.POLLERR | select.POLLNVAL):
            return True
        raise LinkDownError(PrinterTrouble.LINK_LOST, f"the device is gone (poll {flags:#x})")
