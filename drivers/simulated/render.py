"""Draws a piece of the simulated paper as a picture, with the Chinese of an installed font."""

import functools
from typing import Final

from PIL import Image, ImageChops, ImageDraw, ImageFont

from drivers.fonts import HOW_TO_GET_A_FONT, FontFile
from drivers.simulated.marks import Bitmap, Glyph, Piece
from drivers.simulated.roll import ROW_DOTS

_MARGIN_DOTS: Final = 16
_FONT_PX: Final = 24
_BASELINE_DOTS: Final = 23
_ASCII_END: Final = 0x7F
_TILES_KEPT: Final = 4096


class PaperPainter:
    """Draws pieces of paper. Without a Chinese font each Chinese character is an empty box."""

    def __init__(self, dots: int, font: FontFile | None) -> None:
        """Paint for a print head of `dots`; `font` None: the picture says what is missing."""
        self._dots = dots
        self._has_chinese = font is not None
        self._font = (
            ImageFont.truetype(str(font.path), _FONT_PX, index=font.face)
            if font is not None
            else ImageFont.load_default(_FONT_PX - 4)
        )
        self._tile = functools.lru_cache(maxsize=_TILES_KEPT)(self._draw_tile)

    def paint(self, piece: Piece) -> Image.Image:
        """Give the paper: black on white, a white margin around the printed dots."""
        top = 0 if self._has_chinese else ROW_DOTS
        height = piece.height_dots + 2 * _MARGIN_DOTS + top
        paper = Image.new("1", (self._dots + 2 * _MARGIN_DOTS, max(height, 64)), 1)
        if not self._has_chinese:
            self._warn(paper)
        for mark in piece.marks:
            at = (mark.x + _MARGIN_DOTS, mark.y + _MARGIN_DOTS + top)
            ink = self._glyph(mark) if isinstance(mark, Glyph) else _bitmap(mark)
            if ink is not None:
                paper.paste(0, at, ink)
        return paper

    def _warn(self, paper: Image.Image) -> None:
        small = ImageFont.load_default(12)
        text = f"No Chinese font on this machine. {HOW_TO_GET_A_FONT}"
        ImageDraw.Draw(paper).text((4, 4), text, fill=0, font=small)

    def _glyph(self, glyph: Glyph) -> Image.Image:
        ink = self._tile(glyph.char, glyph.width_dots)
        if glyph.bold:
            ink = ImageChops.logical_or(ink, ImageChops.offset(ink, 1, 0))
        if glyph.underline:
            ink = ink.copy()
            ImageDraw.Draw(ink).line((0, ROW_DOTS - 2, ink.width, ROW_DOTS - 2), fill=1, width=2)
        if glyph.reverse:
            ink = ImageChops.invert(ink)
        scaled = (ink.width * glyph.wide, ink.height * glyph.high)
        return ink if scaled == ink.size else ink.resize(scaled, Image.Resampling.NEAREST)

    def _draw_tile(self, char: str, width_dots: int) -> Image.Image:
        """Give one character as ink (1 where black), on a tile as wide as its cells."""
        tile = Image.new("1", (width_dots, ROW_DOTS), 0)
        draw = ImageDraw.Draw(tile)
        draw.fontmode = "1"
        if ord(char) > _ASCII_END and not self._has_chinese:
            draw.rectangle((2, 4, width_dots - 3, _BASELINE_DOTS), outline=1)
        else:
            # Some fonts have “ ” · — at half width, and glyphs that lean out of their cell.
            centred = (width_dots - self._font.getlength(char)) / 2
            inset = int(max(centred, -self._font.getbbox(char, anchor="ls")[0]))
            draw.text((inset, _BASELINE_DOTS), char, font=self._font, fill=1, anchor="ls")
        return tile


def _bitmap(picture: Bitmap) -> Image.Image | None:
    if not picture.row_bytes or not picture.rows:
        return None
    size = (picture.row_bytes * 8, picture.rows)
    ink = Image.frombytes("1", size, picture.data)
    scaled = (size[0] * picture.wide, size[1] * picture.high)
    return ink if scaled == size else ink.resize(scaled, Image.Resampling.NEAREST)
