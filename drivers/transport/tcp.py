"""A network printer, usually port 9100."""

import contextlib
import errno
import fcntl
import socket
import struct
import termios
import time
from collections.abc import Callable
from typing import Final

from drivers.ports import PrinterTrouble
from drivers.transport.link import Finished, Link, LinkDownError

_READ_BYTES: Final = 4096
_POLL_S: Final = 0.05
MAX_DRAINED_BYTES: Final = 65_536


def tcp_connector(host: str, port: int, *, connect_timeout_s: float = 3.0) -> Callable[[], Link]:
    """Give what opens a connection to `host`:`port`, one per job: many printers hold only one."""

    def connect() -> Link:
        try:
            plug = socket.create_connection((host, port), timeout=connect_timeout_s)
        except OSError as error:
            raise LinkDownError(PrinterTrouble.OFFLINE, str(error)) from error
        return TcpLink(plug)

    return connect


class TcpLink:
    """A `Link` over TCP that loses no tail.

    Linux answers a close() on a socket with unread bytes by a reset, and the reset throws away
    what the printer has not read yet. So `finish` closes our half, reads until the printer closes
    its own, and looks at the kernel's count of unacknowledged bytes.
    """

    def __init__(self, plug: socket.socket) -> None:
        """Take over a connected socket."""
        self._plug = plug
        self._plug.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def write_some(self, data: bytes, timeout_s: float) -> int:
        """Send a part of `data`, as `Link` promises."""
        self._plug.settimeout(timeout_s)
        try:
            return self._plug.send(data)
        except (TimeoutError, BlockingIOError):
            return 0
        except OSError as error:
            raise LinkDownError(PrinterTrouble.LINK_LOST, str(error)) from error

    def read_some(self, timeout_s: float) -> bytes | None:
        """Give bytes that came, as `Link` promises."""
        self._plug.settimeout(timeout_s)
        try:
            return self._plug.recv(_READ_BYTES) or None
        except (TimeoutError, BlockingIOError):
            return b""
        except OSError as error:
            raise LinkDownError(PrinterTrouble.LINK_LOST, str(error)) from error

    def finish(self, timeout_s: float) -> Finished:
        """Half-close, then read until the printer closes too, or all bytes are acknowledged."""
        deadline_s = time.monotonic() + timeout_s
        try:
            self._plug.shutdown(socket.SHUT_WR)
        except OSError as error:
            if error.errno != errno.ENOTCONN:
                raise LinkDownError(PrinterTrouble.LINK_LOST, str(error)) from error
        answers = bytearray()
        while (left_s := deadline_s - time.monotonic()) > 0 and len(answers) < MAX_DRAINED_BYTES:
            piece = self.read_some(min(left_s, _POLL_S))
            if piece is None:
                return Finished(bytes(answers), delivered=True)
            answers += piece
        return Finished(bytes(answers), delivered=self._unacknowledged_bytes() == 0)

    def _unacknowledged_bytes(self) -> int:
        counted = fcntl.ioctl(self._plug.fileno(), termios.TIOCOUTQ, b"\0" * 4)
        count: int = struct.unpack("i", counted)[0]
        return count

    def close(self) -> None:
        """Close the socket."""
        with contextlib.suppress(OSError):
            self._plug.close()
