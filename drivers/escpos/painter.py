"""Draws lines and QR codes with Pillow. Imported through `drivers.heavy` only."""

import qrcode
from PIL import Image, ImageDraw, ImageFont
from qrcode.constants import ERROR_CORRECT_M

from drivers.cells import REPLACEMENT, cells, char_cells
from drivers.document import Align, Line, Size
from drivers.escpos.profile import CELL_DOTS
from drivers.escpos.raster import Raster
from drivers.fonts import FontFile

_FONT_PX = 2 * CELL_DOTS
_LINE_DOTS = 30
_BASELINE_DOTS = 23
_MAX_MODULE_DOTS = 6
_QUIET_MODULES = 4


class PillowPainter:
    """A `Painter` on one installed font."""

    def __init__(self, font: FontFile) -> None:
        """Load the face.

        Raises:
            OSError: the file is no font that Pillow can read.
        """
        self._font = ImageFont.truetype(str(font.path), _FONT_PX, index=font.face)
        self._missing = bytes(self._font.getmask("\U0010fffe"))

    def paint_line(self, line: Line, columns: int) -> Raster:
        """Draw one line; each character stands on its own cell, as in the printer's ROM."""
        wide, high = line.size.wide, line.size.high
        room = columns // wide
        picture = Image.new("1", (room * CELL_DOTS, _LINE_DOTS), 0)
        draw = ImageDraw.Draw(picture)
        draw.fontmode = "1"
        spare = max(0, room - cells(line.text))
        at_cell = {Align.LEFT: 0, Align.CENTER: spare // 2, Align.RIGHT: spare}[line.align]
        for char in line.text:
            glyph = char if self._has(char) else REPLACEMENT
            at = (at_cell * CELL_DOTS + self._nudge(glyph), _BASELINE_DOTS)
            draw.text(at, glyph, font=self._font, fill=1, anchor="ls")
            if line.bold:
                draw.text((at[0] + 1, at[1]), glyph, font=self._font, fill=1, anchor="ls")
            at_cell += char_cells(char)
        if line.size is not Size.NORMAL:
            scaled = (picture.width * wide, picture.height * high)
            picture = picture.resize(scaled, Image.Resampling.NEAREST)
        return _raster(picture)

    def paint_qr(self, data: str, max_dots: int) -> Raster:
        """Draw a QR code, level M, in modules of at most 6 dots."""
        code = qrcode.QRCode(error_correction=ERROR_CORRECT_M, border=_QUIET_MODULES)
        code.add_data(data.encode())
        code.make(fit=True)
        matrix = code.get_matrix()
        modules = len(matrix)
        module_dots = max(1, min(_MAX_MODULE_DOTS, max_dots // modules))
        small = Image.new("1", (modules, modules), 0)
        small.putdata([int(dark) for row in matrix for dark in row])
        side = (modules * module_dots, modules * module_dots)
        return _raster(small.resize(side, Image.Resampling.NEAREST))

    def _nudge(self, glyph: str) -> int:
        """Give the dots from the cell's left edge: a half-width “ is centred in its two cells."""
        room = char_cells(glyph) * CELL_DOTS
        left, _, right, _ = self._font.getbbox(glyph, anchor="ls")
        centred = (room - self._font.getlength(glyph)) // 2
        return int(max(-left, min(centred, room - right)))

    def _has(self, char: str) -> bool:
        return char == " " or bytes(self._font.getmask(char)) != self._missing


def _raster(picture: Image.Image) -> Raster:
    row_bytes = (picture.width + 7) // 8
    return Raster(row_bytes, picture.height, picture.tobytes())
