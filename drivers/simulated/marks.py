"""What is on the simulated paper: characters and pictures at their places, in dots."""

from typing import TypeAlias

from msgspec import Struct


class Glyph(Struct, frozen=True):
    """One character: its upper left corner, its width in dots at normal size, and its style."""

    x: int
    y: int
    char: str
    width_dots: int
    wide: int
    high: int
    bold: bool
    underline: bool
    reverse: bool


class Bitmap(Struct, frozen=True):
    """A picture: rows of bytes, high bit left, each dot drawn `wide` x `high`."""

    x: int
    y: int
    row_bytes: int
    rows: int
    data: bytes
    wide: int = 1
    high: int = 1


Mark: TypeAlias = Glyph | Bitmap


class Piece(Struct, frozen=True):
    """One piece of paper, from the last cut to this one."""

    raw: bytes
    lines: tuple[str, ...]
    marks: tuple[Mark, ...]
    height_dots: int
    cut: bool
    qr_texts: tuple[str, ...]
    notes: tuple[str, ...]
    unknown: tuple[bytes, ...]
