"""What one printer can do. Chosen at set-up on paper: there is no way to ask a printer."""

import enum
from typing import Final

from msgspec import Struct

from drivers.ports import StatusLevel

CELL_DOTS: Final = 12  # a half-width character of the Chinese ROM; a Chinese one is 24
MIN_COLUMNS: Final = 16
MAX_COLUMNS: Final = 80
_USUAL_DOTS: Final = {32: 384, 42: 512, 48: 576}


class ChineseEncoding(enum.StrEnum):
    """How Chinese text is sent."""

    GBK = "gbk"  # to the printer's own ROM
    UTF8 = "utf8"  # to printers that were set up for it, or know `FS ( C`
    RASTER = "raster"  # as pictures of lines, for a printer without Chinese


class PrinterProfile(Struct, frozen=True):
    """One printer's paper, text, knife and answers.

    `columns` counts half-width cells (32 on 58 mm, 48 on 80 mm), `dots` the print head.
    `status_level` None: found out from the printer's answers, as far as that is free of risk.
    """

    columns: int = 32
    dots: int = 384
    encoding: ChineseEncoding = ChineseEncoding.GBK
    native_qr: bool = True
    cutter: bool = True
    status_level: StatusLevel | None = None

    def __post_init__(self) -> None:
        if not MIN_COLUMNS <= self.columns <= MAX_COLUMNS:
            raise ValueError(f"columns must be {MIN_COLUMNS} to {MAX_COLUMNS}, not {self.columns}")
        if self.dots % 8 or self.dots < self.columns * CELL_DOTS:
            raise ValueError(
                f"{self.columns} columns need a multiple of 8 dots, {self.columns * CELL_DOTS} "
                f"or more, not {self.dots}"
            )


def usual_dots(columns: int) -> int:
    """Give the print head's width in dots that goes with `columns` on common printers."""
    return _USUAL_DOTS.get(columns, -(-columns * CELL_DOTS // 8) * 8)
