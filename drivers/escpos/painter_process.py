"""Draws in a process of its own, so that Pillow and a font stay out of the terminal's memory.

One request a line of JSON, one answer a header of four numbers and the picture's bytes. The child
ends by itself when nobody has asked for a while, and with its parent; the next request starts
another.
"""

import contextlib
import logging
import os
import select
import struct
import subprocess
import sys
import threading
import time
from typing import BinaryIO, Final

import msgspec

from drivers.document import Line
from drivers.escpos.raster import Painter, PainterFailedError, Raster

_log = logging.getLogger(__name__)

IDLE_S: Final = 20.0
ANSWER_TIMEOUT_S: Final = 20.0  # a small computer that loads the font from a slow card
MAX_RASTER_BYTES: Final = 4_000_000
_HEADER: Final = struct.Struct("<II")
_COMMAND: Final = (sys.executable, "-m", "drivers.escpos.painter_main")


class LineRequest(msgspec.Struct, frozen=True, tag="line"):
    """Draw a line of text."""

    line: Line
    columns: int


class QrRequest(msgspec.Struct, frozen=True, tag="qr"):
    """Draw a QR code."""

    data: str
    max_dots: int


class ProcessPainter:
    """A `Painter` that asks its child. Thread-safe; one request at a time."""

    def __init__(self, command: tuple[str, ...] = _COMMAND) -> None:
        """Prepare; the child is started when something must be drawn."""
        self._command = command
        self._child: subprocess.Popen[bytes] | None = None
        self._guard = threading.Lock()

    def paint_line(self, line: Line, columns: int) -> Raster:
        """Draw one line, as `Painter` promises."""
        return self._ask(LineRequest(line, columns))

    def paint_qr(self, data: str, max_dots: int) -> Raster:
        """Draw a QR code, as `Painter` promises."""
        return self._ask(QrRequest(data, max_dots))

    def close(self) -> None:
        """End the child, if there is one."""
        with self._guard:
            self._end()

    def _ask(self, request: LineRequest | QrRequest) -> Raster:
        text = msgspec.json.encode(request) + b"\n"
        with self._guard:
            for attempt in range(2):
                try:
                    return self._exchange(text)
                except (OSError, EOFError, ValueError) as error:
                    # A child that went to rest a moment ago looks like one that failed.
                    _log.debug("painter, attempt %d: %s", attempt, error)
                    self._end()
        raise PainterFailedError("the painting process does not draw")

    def _exchange(self, request: bytes) -> Raster:
        child = self._started()
        if child.stdin is None or child.stdout is None:
            raise EOFError
        child.stdin.write(request)
        child.stdin.flush()
        handle = child.stdout.fileno()
        deadline_s = time.monotonic() + ANSWER_TIMEOUT_S
        row_bytes, rows = _HEADER.unpack(_read(handle, _HEADER.size, deadline_s))
        if row_bytes * rows > MAX_RASTER_BYTES:
            raise ValueError(f"a picture of {row_bytes} x {rows}")
        return Raster(row_bytes, rows, _read(handle, row_bytes * rows, deadline_s))

    def _started(self) -> subprocess.Popen[bytes]:
        if self._child is None or self._child.poll() is not None:
            self._end()
            self._child = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,  # the keyboard's interrupt is for the terminal
            )
        return self._child

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        child.kill()
        child.wait()


def _read(handle: int, count: int, deadline_s: float) -> bytes:
    """Read exactly `count` bytes before the deadline."""
    data = bytearray()
    while len(data) < count:
        left_s = deadline_s - time.monotonic()
        ready, _, _ = select.select([handle], [], [], max(0.0, left_s))
        if not ready:
            raise TimeoutError("the painter takes too long")
        piece = os.read(handle, min(65_536, count - len(data)))
        if not piece:
            raise EOFError("the painter ended")
        data += piece
    return bytes(data)


def serve(painter: Painter, requests: int, answers: BinaryIO, idle_s: float = IDLE_S) -> None:
    """Answer requests from a file descriptor until its end, or nothing comes for `idle_s`."""
    held = b""
    decoder = msgspec.json.Decoder(LineRequest | QrRequest)
    while True:
        ready, _, _ = select.select([requests], [], [], idle_s)
        data = os.read(requests, 65_536) if ready else b""
        if not data:
            return
        *lines, held = (held + data).split(b"\n")
        for line in lines:
            match decoder.decode(line):
                case LineRequest(line=text, columns=columns):
                    raster = painter.paint_line(text, columns)
                case QrRequest(data=code, max_dots=dots):
                    raster = painter.paint_qr(code, dots)
            answers.write(_HEADER.pack(raster.row_bytes, raster.rows) + raster.data)
            answers.flush()
