"""A worker: one thread, woken by an event, that survives whatever one round throws at it."""

import logging
import threading
from collections.abc import Callable

LOG = logging.getLogger(__name__)

FAULT_PAUSE_S = 2.0


class Worker:
    """Calls ``round_`` again and again until stopped.

    ``round_`` returns how long to rest, in seconds; :meth:`wake` ends a rest early.
    """

    def __init__(self, name: str, round_: Callable[[], float]) -> None:
        self._name = name
        self._round = round_
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        self._wake.set()

    def stop(self, timeout_s: float = 5.0) -> None:
        """Ask the thread to end after its round, and wait for it."""
        self._stopping.set()
        self._wake.set()
        self._thread.join(timeout_s)

    @property
    def stopping(self) -> bool:
        return self._stopping.is_set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            try:
                rest_s = self._round()
            except Exception:
                LOG.exception("worker %s: a round failed", self._name)
                rest_s = FAULT_PAUSE_S
            self._wake.wait(rest_s)
