"""A customer display on a serial line: RS-232, or a USB adapter inside it."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from drivers.display.encode import DisplayKind, Encode, opening_bytes
from drivers.ports import DeviceState, DisplayContent, PrinterTrouble
from drivers.transport.lines import LineSettings, SerialPort
from drivers.transport.link import LinkDownError

_log = logging.getLogger(__name__)

_WRITE_TIMEOUT_S: Final = 1.0  # 50 bytes at 2400 baud are a fifth of a second
_FIRST_PAUSE_S: Final = 0.2
_LONGEST_PAUSE_S: Final = 5.0

OpenPort = Callable[[str, LineSettings], SerialPort]


class SerialDisplay:
    """A `CustomerDisplay` on a tty, opened when first used and again whenever it went away."""

    def __init__(
        self,
        path: str,
        settings: LineSettings,
        kind: DisplayKind,
        encode: Encode,
        *,
        open_port: OpenPort,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare; nothing is opened yet."""
        self._path = path
        self._settings = settings
        self._kind = kind
        self._encode = encode
        self._open_port = open_port
        self._monotonic = monotonic
        self._port: SerialPort | None = None
        self._shown: DisplayContent | None = None
        self._state = DeviceState.ABSENT
        self._pause_s = 0.0
        self._try_again_s = 0.0
        self._guard = threading.Lock()

    def show(self, content: DisplayContent) -> DeviceState:
        """Show this, as `CustomerDisplay` promises."""
        with self._guard:
            if self._state is DeviceState.CLOSED:
                return self._state
            port = self._port or self._open()
            if port is not None and content != self._shown:
                self._send(port, self._encode(content), content)
            return self._state

    def state(self) -> DeviceState:
        """Tell whether the display is there."""
        return self._state

    def close(self) -> None:
        """Blank the display and let go of it."""
        with self._guard:
            port = self._port
            if port is not None:
                self._send(port, opening_bytes(self._kind), None)
            self._drop(DeviceState.CLOSED)

    def _open(self) -> SerialPort | None:
        if self._monotonic() < self._try_again_s:
            return None
        try:
            self._port = self._open_port(self._path, self._settings)
        except LinkDownError as down:
            busy = down.trouble is PrinterTrouble.BUSY
            self._rest(DeviceState.BUSY if busy else DeviceState.ABSENT)
            return None
        _log.info("display %s is there", self._path)
        self._send(self._port, opening_bytes(self._kind), None)
        return self._port

    def _send(self, port: SerialPort, data: bytes, content: DisplayContent | None) -> None:
        try:
            taken = self._write_all(port, data)
        except LinkDownError as down:
            _log.info("display %s went away: %s", self._path, down)
            taken = False
        if taken:
            self._shown = content
            self._state = DeviceState.READY
            self._pause_s = 0.0
        else:
            self._drop(DeviceState.ABSENT)
            self._rest(DeviceState.ABSENT)

    def _write_all(self, port: SerialPort, data: bytes) -> bool:
        """Write it all, or give up: a display that takes no bytes is not there."""
        deadline_s = self._monotonic() + _WRITE_TIMEOUT_S
        while data:
            left_s = deadline_s - self._monotonic()
            if left_s <= 0:
                return False
            data = data[port.write_some(data, left_s) :]
        return True

    def _rest(self, state: DeviceState) -> None:
        self._state = state
        self._pause_s = min(max(2 * self._pause_s, _FIRST_PAUSE_S), _LONGEST_PAUSE_S)
        self._try_again_s = self._monotonic() + self._pause_s

    def _drop(self, state: DeviceState) -> None:
        port, self._port = self._port, None
        self._shown = None
        self._state = state
        if port is not None:
            port.close()
