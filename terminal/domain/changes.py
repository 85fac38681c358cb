"""A counter that grows whenever the page has something new to show; many may wait for it."""

import threading

from msgspec import Struct
from msgspec.structs import replace


class Changes:
    """Thread-safe. ``version`` starts at 1 and only grows while the program runs."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._version = 1

    @property
    def version(self) -> int:
        with self._condition:
            return self._version

    def note(self) -> None:
        """Something changed."""
        with self._condition:
            self._version += 1
            self._condition.notify_all()

    def wait_beyond(self, version: int, timeout_s: float) -> int:
        """The version now, as soon as it is another than ``version``, or after the time-out."""
        with self._condition:
            self._condition.wait_for(lambda: self._version != version, timeout_s)
            return self._version


class DeviceStates(Struct, frozen=True):
    """How the till's surroundings are, for the page's status line.

    ``printer`` and ``scanner`` are words of the driver ports ("" for no trouble, "none"
    for no such device); ``server`` is "online", "offline" or "unknown".
    """

    server: str = "unknown"
    printer: str = ""
    scanner: str = ""
    disk_days: int | None = None
    """For how many days the disk has room, where that is too few; None where it is not."""


class Surroundings:
    """What the workers last saw of server, printer and scanner. Thread-safe."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._lock = threading.Lock()
        self._states = DeviceStates()

    def read(self) -> DeviceStates:
        with self._lock:
            return self._states

    def note(
        self,
        *,
        server: str | None = None,
        printer: str | None = None,
        scanner: str | None = None,
    ) -> None:
        """Keep what a worker saw; those not named stay as they were."""
        with self._lock:
            old = self._states
            self._states = replace(
                old,
                server=old.server if server is None else server,
                printer=old.printer if printer is None else printer,
                scanner=old.scanner if scanner is None else scanner,
            )
            changed = self._states != old
        if changed:
            self._changes.note()

    def note_disk(self, days: int | None) -> None:
        """Keep for how many days the disk has room; None where there is enough."""
        with self._lock:
            changed = self._states.disk_days != days
            self._states = replace(self._states, disk_days=days)
        if changed:
            self._changes.note()
