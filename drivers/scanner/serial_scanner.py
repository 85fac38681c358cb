"""A scanner on a line of bytes: USB-CDC, RS-232, a pseudo-terminal, or keys turned into bytes."""

import collections
import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Final

from drivers.ports import PrinterTrouble, Scan, ScanDamaged, ScanEvent, ScannerState, ScanOverflow
from drivers.scanner.framing import IDLE_END_S, Damaged, Frame, Framed, ScanFramer
from drivers.transport.lines import LineSettings, SerialPort
from drivers.transport.link import LinkDownError

_log = logging.getLogger(__name__)

DEBOUNCE_S: Final = 0.3
_SLICE_S: Final = 0.1  # how long close() may have to wait for the reader
_MAX_OVERRUN_S: Final = 1.0  # past the caller's time limit, to see the end of a scan that began
_FIRST_PAUSE_S: Final = 0.2
_LONGEST_PAUSE_S: Final = 5.0
_MAX_PENDING_SCANS: Final = 64

OpenPort = Callable[[str, LineSettings], SerialPort]


class SerialScanner:
    """A `Scanner` on a tty; it is opened when first read, and again whenever it went away."""

    def __init__(
        self,
        path: str,
        settings: LineSettings,
        *,
        open_port: OpenPort,
        utc_now: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
        idle_end_s: float = IDLE_END_S,
        prefix: str = "",
    ) -> None:
        """Prepare to read the tty at `path`; nothing is opened yet.

        `idle_end_s` and `prefix` as in `ScanFramer`.
        """
        self._path = path
        self._settings = settings
        self._open_port = open_port
        self._utc_now = utc_now
        self._monotonic = monotonic
        self._framer = ScanFramer(idle_end_s, prefix)
        self._last_frame: Frame | None = None
        self._last_frame_s = 0.0
        self._scans: collections.deque[ScanEvent] = collections.deque(maxlen=_MAX_PENDING_SCANS)
        self._port: SerialPort | None = None
        self._state = ScannerState.ABSENT
        self._pause_s = 0.0
        self._try_again_s = 0.0
        self._closing = threading.Event()
        self._reading = threading.Lock()

    def read_scan(self, timeout_s: float) -> ScanEvent | None:
        """Wait for the next scan, as `Scanner` promises."""
        deadline_s = self._monotonic() + timeout_s
        with self._reading:
            while not self._closing.is_set():
                if self._scans:
                    return self._scans.popleft()
                left_s = deadline_s - self._monotonic()
                overrun_s = _MAX_OVERRUN_S if self._framer.is_inside_scan else 0.0
                if left_s <= -overrun_s:
                    return None
                self._step(min(max(left_s, 0.0), _SLICE_S))
        return None

    def state(self) -> ScannerState:
        """Tell whether the scanner is there."""
        return ScannerState.CLOSED if self._closing.is_set() else self._state

    def close(self) -> None:
        """Let go of the tty."""
        self._closing.set()
        with self._reading:
            self._drop_port(ScannerState.CLOSED)

    def _step(self, wait_s: float) -> None:
        """Do one thing: open the port, or read what comes within about `wait_s`."""
        port = self._port or self._open(wait_s)
        if port is None:
            return
        try:
            wait_s = self._framer.idle_end_s if self._framer.is_inside_scan else wait_s
            data = port.read_some(wait_s)
        except LinkDownError as down:
            _log.info("scanner %s went away: %s", self._path, down)
            self._drop_port(ScannerState.ABSENT)
            return
        now_s = self._monotonic()
        frames = self._framer.feed(data, now_s) if data else self._framer.idle(now_s)
        self._scans.extend(self._event(frame) for frame in frames if self._is_new(frame, now_s))

    def _is_new(self, frame: Frame, now_s: float) -> bool:
        """A trigger that reads the same code twice at once means it once."""
        again = frame == self._last_frame and now_s - self._last_frame_s < DEBOUNCE_S
        self._last_frame, self._last_frame_s = frame, now_s
        return not again

    def _open(self, wait_s: float) -> SerialPort | None:
        pause_s = self._try_again_s - self._monotonic()
        if pause_s > 0:
            self._closing.wait(min(pause_s, wait_s))
            return None
        try:
            self._port = self._open_port(self._path, self._settings)
        except LinkDownError as down:
            busy = down.trouble is PrinterTrouble.BUSY
            self._state = ScannerState.BUSY if busy else ScannerState.ABSENT
            self._pause_s = min(max(2 * self._pause_s, _FIRST_PAUSE_S), _LONGEST_PAUSE_S)
            self._try_again_s = self._monotonic() + self._pause_s
            return None
        _log.info("scanner %s is there", self._path)
        self._state = ScannerState.READY
        self._pause_s = 0.0
        return self._port

    def _drop_port(self, state: ScannerState) -> None:
        port, self._port = self._port, None
        self._state = state
        self._framer.forget()
        self._try_again_s = self._monotonic() + _FIRST_PAUSE_S
        if port is not None:
            port.close()

    def _event(self, frame: Frame) -> ScanEvent:
        if isinstance(frame, Framed):
            return Scan(frame.text, self._utc_now(), frame.form)
        if isinstance(frame, Damaged):
            return ScanDamaged(self._utc_now())
        return ScanOverflow(frame.length_bytes, self._utc_now())
