"""Server-sent events: few at a time, so that they never take the threads a sale needs."""

import threading
from collections.abc import Callable, Iterator
from typing import Final

from terminal.domain.changes import Changes
from terminal.domain.ports import StoreFaultError

MAX_STREAMS: Final = 4
KEEP_ALIVE_S: Final = 15
REFRESH_S: Final = 60
"""Ages on the page (of the list of residents) grow without anything changing."""

SLICE_S: Final = 1
"""How long a stream waits before it looks whether its reader has gone or the program stops."""

SCREEN_EVENT: Final = "screen"
FAULT_EVENT: Final = "fault"


class Streams:
    """Counts the open streams and ends them when the program stops. Thread-safe."""

    def __init__(self, limit: int = MAX_STREAMS) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._open = 0
        self._closing = threading.Event()

    def enter(self) -> bool:
        """Take a place; False where there is none left. Whoever enters must leave."""
        with self._lock:
            if self._open >= self._limit or self._closing.is_set():
                return False
            self._open += 1
            return True

    def leave(self) -> None:
        with self._lock:
            self._open -= 1

    def close(self) -> None:
        """End every stream within a second, and let no new one in."""
        self._closing.set()

    @property
    def closing(self) -> bool:
        return self._closing.is_set()


def event(name: str, data: bytes) -> bytes:
    """One event; ``data`` is JSON and so has no line break in it."""
    return b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"


def screen_events(
    changes: Changes,
    streams: Streams,
    screen: Callable[[], tuple[int, bytes]],
    fault: Callable[[], bytes],
    reader_gone: Callable[[], bool],
) -> Iterator[bytes]:
    """The screen at once and after every change, and a sign of life while nothing changes.

    Args:
        changes: what to wait for.
        streams: whose closing ends this stream.
        screen: makes the screen; its version and its JSON.
        fault: what to send while the store cannot be read.
        reader_gone: whether the browser has closed the connection.
    """
    version, quiet_s = 0, 0
    while not (streams.closing or reader_gone()):
        now = changes.version
        if now != version:
            try:
                version, data = screen()
                yield event(SCREEN_EVENT, data)
            except StoreFaultError:
                version = now
                yield event(FAULT_EVENT, fault())
            quiet_s = 0
        elif quiet_s >= REFRESH_S:
            version = 0
            continue
        elif quiet_s and quiet_s % KEEP_ALIVE_S == 0:
            yield b": alive\n\n"
        changes.wait_beyond(version, SLICE_S)
        quiet_s += SLICE_S
