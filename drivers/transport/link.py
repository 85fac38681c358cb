"""A connection to a printer, whatever it runs over."""

from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from drivers.ports import PrinterTrouble


class LinkDownError(Exception):
    """There is no connection (any more). `trouble` is what to tell the caller."""

    def __init__(self, trouble: PrinterTrouble, detail: str) -> None:
        """Name the trouble and the system's own words for it."""
        super().__init__(f"{trouble}: {detail}")
        self.trouble = trouble


class Finished(Struct, frozen=True):
    """How a connection ended: what still came back, and whether all bytes were delivered."""

    answers: bytes
    delivered: bool


class Link(Protocol):
    """One open connection, used by one thread."""

    def write_some(self, data: bytes, timeout_s: float) -> int:
        """Send a part of `data`; the number of bytes taken, 0 if none were in time.

        Raises:
            LinkDownError: the connection is gone; how much of earlier bytes arrived is unknown.
        """

    def read_some(self, timeout_s: float) -> bytes | None:
        """Give bytes that came, b"" if none did in time, None if the other side is done sending.

        Raises:
            LinkDownError: the connection is gone.
        """

    def finish(self, timeout_s: float) -> Finished:
        """Say that nothing more comes and see the last byte delivered, within `timeout_s`.

        Raises:
            LinkDownError: the connection broke before that.
        """

    def close(self) -> None:
        """Let go; may be called again. Never raises."""


Connect = Callable[[], Link]
