"""A serial line as values: its parameters, and what an open one can do."""

import enum
from typing import Final, Protocol

from msgspec import Struct

ALLOWED_BAUD: Final = (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)


class Parity(enum.StrEnum):
    """The parity bit, by pyserial's letters."""

    NONE = "N"
    EVEN = "E"
    ODD = "O"


class FlowControl(enum.StrEnum):
    """Who stops the sender."""

    NONE = "none"
    XON_XOFF = "xonxoff"
    RTS_CTS = "rtscts"


class LineSettings(Struct, frozen=True):
    """Every parameter of a serial line, so that none is left to what was set before."""

    baud: int = 9600
    parity: Parity = Parity.NONE
    stop_bits: int = 1
    flow: FlowControl = FlowControl.NONE

    def __post_init__(self) -> None:
        if self.baud not in ALLOWED_BAUD:
            raise ValueError(f"baud must be one of {ALLOWED_BAUD}, not {self.baud}")
        if self.stop_bits not in {1, 2}:
            raise ValueError(f"stop bits are 1 or 2, not {self.stop_bits}")


class SerialPort(Protocol):
    """One tty, open and locked for us. Every method raises LinkDownError once it is gone."""

    def read_some(self, timeout_s: float) -> bytes:
        """Give bytes that came, b"" if none did in time."""

    def write_some(self, data: bytes, timeout_s: float) -> int:
        """Send a part of `data`; the number of bytes taken, 0 if none were in time."""

    def unsent_bytes(self) -> int:
        """Give the bytes that wait in the kernel."""

    def close(self) -> None:
        """Let go; may be called again. Never raises."""
