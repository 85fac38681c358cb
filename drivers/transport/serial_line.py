"""A printer on a serial line, RS-232 or a USB adapter."""

import time
from collections.abc import Callable
from typing import Final

from drivers.transport.lines import LineSettings, SerialPort
from drivers.transport.link import Finished, Link

_POLL_S: Final = 0.02

OpenPort = Callable[[str, LineSettings], SerialPort]


def serial_connector(path: str, settings: LineSettings, open_port: OpenPort) -> Callable[[], Link]:
    """Give what opens the tty with `open_port`, one opening per job."""

    def connect() -> Link:
        return SerialLink(open_port(path, settings))

    return connect


class SerialLink:
    """A `Link` over a serial port."""

    def __init__(self, port: SerialPort) -> None:
        """Take over an open port."""
        self._port = port

    def write_some(self, data: bytes, timeout_s: float) -> int:
        """Send a part of `data`, as `Link` promises."""
        return self._port.write_some(data, timeout_s)

    def read_some(self, timeout_s: float) -> bytes | None:
        """Give bytes that came; a serial line never ends."""
        return self._port.read_some(timeout_s)

    def finish(self, timeout_s: float) -> Finished:
        """Wait until the kernel's buffer is empty: at 9600 baud it holds seconds of paper."""
        deadline_s = time.monotonic() + timeout_s
        while self._port.unsent_bytes() and time.monotonic() < deadline_s:
            time.sleep(_POLL_S)
        delivered = self._port.unsent_bytes() == 0
        return Finished(self._port.read_some(0), delivered=delivered)

    def close(self) -> None:
        """Let go of the port."""
        self._port.close()
