"""Pictures as values, and the command that prints them."""

from collections.abc import Iterator
from typing import Final, Protocol

from msgspec import Struct

from drivers.document import Line

# Cheap printers lose the end of taller pictures (their buffer is a few KiB).
FRAGMENT_ROWS: Final = 128


class Raster(Struct, frozen=True):
    """A black-and-white picture: `rows` rows of `row_bytes` bytes, high bit left, 1 is black."""

    row_bytes: int
    rows: int
    data: bytes

    def __post_init__(self) -> None:
        if len(self.data) != self.row_bytes * self.rows:
            raise ValueError(f"{len(self.data)} bytes for {self.rows} rows of {self.row_bytes}")


class PainterFailedError(Exception):
    """Nothing could be drawn this time."""


class Painter(Protocol):
    """Draws what a printer has no letters or no command for.

    Raises:
        PainterFailedError: from both methods; the caller prints without the picture.
    """

    def paint_line(self, line: Line, columns: int) -> Raster:
        """Draw one line as wide as the paper's columns; unknown characters become □."""

    def paint_qr(self, data: str, max_dots: int) -> Raster:
        """Draw a QR code with its quiet zone, at most `max_dots` wide."""


def raster_command(raster: Raster) -> Iterator[bytes]:
    """Give `GS v 0` commands, one per `FRAGMENT_ROWS` rows, which join without a gap."""
    for top in range(0, raster.rows, FRAGMENT_ROWS):
        rows = min(FRAGMENT_ROWS, raster.rows - top)
        piece = raster.data[top * raster.row_bytes : (top + rows) * raster.row_bytes]
        size = raster.row_bytes.to_bytes(2, "little") + rows.to_bytes(2, "little")
        yield b"\x1dv0\x00" + size + piece
