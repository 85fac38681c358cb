"""A document as the bytes that an ESC/POS printer with a Chinese ROM prints. Pure.

Chinese goes out as GBK in the printer's Chinese mode (or as UTF-8, where a printer was found to
want that), laid out in cells of GBK bytes, so that columns are spaces and any decoder agrees with
the paper. The QR and picture commands are a few
bytes each and are written here: python-escpos would cost a second of start-up, a pickle cache and
a temporary directory left behind at each import.
"""

import logging
from collections.abc import Callable
from typing import Final

from msgspec import Struct, field

from drivers.cells import REPLACEMENT, fits_gbk, gbk_or_none
from drivers.document import (
    Align,
    Barcode,
    Beep,
    Block,
    Cut,
    Document,
    Drawer,
    Feed,
    Line,
    Picture,
    Qr,
    Size,
    Symbology,
    lay_out,
)
from drivers.escpos.profile import ChineseEncoding, PrinterProfile
from drivers.escpos.raster import Painter, PainterFailedError, Raster, raster_command

_log = logging.getLogger(__name__)

INITIALISE: Final = b"\x1b@"
CHINESE_MODE: Final = b"\x1c&"
# Leave the two-byte mode and say that UTF-8 comes (`FS ( C`, function 48); `ESC @` undoes it.
UTF8_MODE: Final = b"\x1c.\x1c(C\x02\x0002"
LINE_FEED: Final = b"\n"
_ALIGN_CODE: Final = {Align.LEFT: 0, Align.CENTER: 1, Align.RIGHT: 2}
_SIZE_CODE: Final = {Size.NORMAL: 0x00, Size.TALL: 0x01, Size.BIG: 0x11}
_CUT: Final = b"\n\n\n\x1dVB\x00"  # feed to the knife, then cut
_TEAR_OFF: Final = b"\n\n\n\n\n"
_OPEN_DRAWER: Final = b"\x1bp\x00\x19\xfa"  # pin 2, 50 ms on, 500 ms off
# Bytes that a QR code of version 1, 2, … holds at level M: the printer chooses the version, we
# need it to choose modules that fit the paper.
_QR_BYTES_AT_M: Final = (
    *(14, 26, 42, 62, 84, 106, 122, 152, 180, 213),
    *(251, 287, 331, 362, 412, 450, 504, 560, 624, 666),
)
_BARCODE_KIND: Final = {Symbology.EAN13: 67, Symbology.EAN8: 68, Symbology.CODE128: 73}
_BARCODE_STYLE: Final = b"\x1dH\x02\x1dh\x50\x1dw\x02"  # text below, 10 mm high, 2 dots a module
_MAX_MODULE_DOTS: Final = 6

PainterSource = Callable[[], Painter | None]


class EncodedJob(Struct, frozen=True):
    """One job's bytes. `replaced_chars` characters are □ for want of a Chinese font to draw.

    `only_pulses` is how often the drawer opens in a job that does nothing else, otherwise 0.
    """

    data: bytes
    raster_lines: int = 0
    replaced_chars: int = 0
    only_pulses: int = 0


class _Printing(Struct):
    """The printer's state as the job so far has left it, so that only changes are sent."""

    profile: PrinterProfile
    painter: PainterSource
    out: bytearray = field(default_factory=bytearray)
    align: Align = Align.LEFT
    size: Size = Size.NORMAL
    bold: bool = False
    raster_lines: int = 0
    replaced_chars: int = 0

    def __post_init__(self) -> None:
        utf8 = self.profile.encoding is ChineseEncoding.UTF8
        self.out += INITIALISE + (UTF8_MODE if utf8 else CHINESE_MODE)

    def set_align(self, align: Align) -> None:
        if align is not self.align:
            self.out += b"\x1ba" + bytes([_ALIGN_CODE[align]])
            self.align = align

    def set_style(self, size: Size, *, bold: bool) -> None:
        if size is not self.size:
            self.out += b"\x1d!" + bytes([_SIZE_CODE[size]])
            self.size = size
        if bold is not self.bold:
            self.out += b"\x1bE" + bytes([bold])
            self.bold = bold


def encode_document(
    document: Document, profile: PrinterProfile, painter: PainterSource
) -> EncodedJob:
    """Encode a document for a printer.

    `painter` is called only when a line or a QR code must be drawn. Without one, characters
    outside GBK become □, and a QR code goes out as the printer's own.
    """
    printing = _Printing(profile, painter)
    for block in lay_out(document, profile.columns):
        _print_block(printing, block)
    printing.set_align(Align.LEFT)
    printing.set_style(Size.NORMAL, bold=False)
    printing.out += INITIALISE
    pulses = len(document.elements)
    if not all(isinstance(element, Drawer) for element in document.elements):
        pulses = 0
    return EncodedJob(bytes(printing.out), printing.raster_lines, printing.replaced_chars, pulses)


def _print_block(printing: _Printing, block: Block) -> None:
    match block:
        case Line():
            _print_line(printing, block)
        case Qr():
            _print_qr(printing, block.data)
        case Barcode():
            _print_barcode(printing, block)
        case Picture():
            printing.set_align(Align.CENTER)
            for command in raster_command(Raster(block.row_bytes, block.rows, block.data)):
                printing.out += command
        case Feed():
            printing.out += LINE_FEED * block.lines
        case Cut():
            printing.out += _CUT if printing.profile.cutter else _TEAR_OFF
        case Drawer():
            printing.out += _OPEN_DRAWER
        case Beep():
            printing.out += b"\x1bB" + bytes([block.times, 2])


def _print_line(printing: _Printing, line: Line) -> None:
    as_raster = printing.profile.encoding is ChineseEncoding.RASTER
    if line.text and (as_raster or not fits_gbk(line.text)):
        raster = _drawn(
            printing.painter(), lambda painter: painter.paint_line(line, printing.profile.columns)
        )
        if raster is not None:
            printing.set_align(Align.LEFT)
            for command in raster_command(raster):
                printing.out += command
            printing.raster_lines += 1
            return
    if line.text:
        printing.set_align(line.align)
        printing.set_style(line.size, bold=line.bold)
    printing.out += _text_bytes(printing, line.text) + LINE_FEED


def _text_bytes(printing: _Printing, text: str) -> bytes:
    encoded = bytearray()
    for char in text:
        known = gbk_or_none(char)
        if known is None:
            printing.replaced_chars += 1
            known = REPLACEMENT.encode("gbk")
        encoded += known
    if printing.profile.encoding is ChineseEncoding.UTF8:
        return encoded.decode("gbk").encode()
    return bytes(encoded)


def _print_qr(printing: _Printing, data: str) -> None:
    printing.set_align(Align.CENTER)
    painter = None if printing.profile.native_qr else printing.painter()
    raster = _drawn(painter, lambda able: able.paint_qr(data, printing.profile.dots))
    if raster is None:
        # The printer's own symbol has no quiet zone; an empty line on both sides is one.
        symbol = native_qr(data.encode(), printing.profile.dots)
        printing.out += LINE_FEED + symbol + LINE_FEED
        return
    for command in raster_command(raster):
        printing.out += command


def _drawn(painter: Painter | None, draw: Callable[[Painter], Raster]) -> Raster | None:
    """The picture, or None where nobody can draw it: paper with a □ is better than no paper."""
    if painter is None:
        return None
    try:
        return draw(painter)
    except PainterFailedError as error:
        _log.warning("%s", error)
        return None


def _print_barcode(printing: _Printing, barcode: Barcode) -> None:
    """The counted form of `GS k`: the old one ends at a NUL and knows no CODE128."""
    data = barcode.data.encode("ascii")
    if barcode.symbology is Symbology.CODE128:
        data = b"{B" + data
    printing.set_align(Align.CENTER)
    printing.out += _BARCODE_STYLE
    printing.out += b"\x1dk" + bytes([_BARCODE_KIND[barcode.symbology], len(data)]) + data


def native_qr(data: bytes, dots: int) -> bytes:
    """Give the commands with which a printer draws a QR code itself: model 2, level M.

    Modules are as large as fits `dots` with the quiet zone, at most 6 dots.
    """
    version = next((at for at, room in enumerate(_QR_BYTES_AT_M, 1) if len(data) <= room), 40)
    modules = 17 + 4 * version + 8
    module_dots = max(1, min(_MAX_MODULE_DOTS, dots // modules))
    return b"".join(
        (
            _qr_function(0x41, b"2\x00"),
            _qr_function(0x43, bytes([module_dots])),
            _qr_function(0x45, b"1"),
            _qr_function(0x50, b"0" + data),
            _qr_function(0x51, b"0"),
        )
    )


def _qr_function(function: int, parameters: bytes) -> bytes:
    body = b"1" + bytes([function]) + parameters
    return b"\x1d(k" + len(body).to_bytes(2, "little") + body
