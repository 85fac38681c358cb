"""A tty by pyserial. Imported through `drivers.heavy` only."""

import contextlib
import errno
import select
import termios
from typing import Final

import serial

from drivers.ports import PrinterTrouble
from drivers.transport.lines import FlowControl, LineSettings
from drivers.transport.link import LinkDownError

_HELD_BY_ANOTHER: Final = frozenset({errno.EBUSY, errno.EAGAIN, errno.EWOULDBLOCK})
# The faces of a tty that was unplugged: pyserial lets them all through, and closes itself on some.
_GONE: Final = (OSError, termios.error, TypeError, ValueError)


class PyserialPort:
    """A `SerialPort`: every parameter set, locked, never blocking longer than it is told to.

    What waited in the kernel when it was opened is thrown away: a code that was scanned before
    anybody asked must not be used now.
    """

    def __init__(self, path: str, settings: LineSettings) -> None:
        """Open and lock the tty.

        Raises:
            LinkDownError: OFFLINE if it is not there, BUSY if another program holds it.
        """
        try:
            self._port = serial.Serial(
                path,
                baudrate=settings.baud,
                bytesize=serial.EIGHTBITS,
                parity=settings.parity.value,
                stopbits=settings.stop_bits,
                xonxoff=settings.flow is FlowControl.XON_XOFF,
                rtscts=settings.flow is FlowControl.RTS_CTS,
                timeout=0,
                write_timeout=0,
                exclusive=True,
            )
        except (OSError, termios.error) as error:
            busy = getattr(error, "errno", None) in _HELD_BY_ANOTHER
            trouble = PrinterTrouble.BUSY if busy else PrinterTrouble.OFFLINE
            raise LinkDownError(trouble, str(error)) from error

    def read_some(self, timeout_s: float) -> bytes:
        """Give bytes that came, b"" if none did in time."""
        try:
            ready, _, _ = select.select([self._port.fileno()], [], [], timeout_s)
            if not ready:
                return b""
            return bytes(self._port.read(max(1, self._port.in_waiting)))
        except _GONE as error:
            raise LinkDownError(PrinterTrouble.LINK_LOST, str(error)) from error

    def write_some(self, data: bytes, timeout_s: float) -> int:
        """Send a part of `data`; the number of bytes taken, 0 if none were in time."""
        try:
            _, ready, _ = select.select([], [self._port.fileno()], [], timeout_s)
            if not ready:
                return 0
            return self._port.write(data) or 0
        except _GONE as error:
            raise LinkDownError(PrinterTrouble.LINK_LOST, str(error)) from error

    def unsent_bytes(self) -> int:
        """Give the bytes that wait in the kernel."""
        try:
            return int(self._port.out_waiting)
        except _GONE as error:
            raise LinkDownError(PrinterTrouble.LINK_LOST, str(error)) from error

    def close(self) -> None:
        """Close the tty."""
        with contextlib.suppress(*_GONE):
            self._port.close()
