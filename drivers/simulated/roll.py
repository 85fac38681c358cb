"""The simulated printer's paper: what every command does to it, as readable lines and as marks.

No threads, no pictures, no sockets. Strict where a cheap printer is: Chinese only after `FS &`,
half a character is an error that is kept, a line that is too long wraps.
"""

import codecs
from collections.abc import Callable
from typing import ClassVar, Final

from msgspec import Struct, field

from drivers.simulated.barcodes import bars
from drivers.simulated.commands import Command, Event, TextRun, Unknown
from drivers.simulated.marks import Bitmap, Glyph, Mark, Piece
from drivers.simulated.qr_symbol import QrTooLongError, qr_symbol

HALF_CELL_DOTS: Final = 12
ROW_DOTS: Final = 30
MAX_PIECE_DOTS: Final = 24_000  # three metres
MAX_MARKS: Final = 20_000
MAX_NOTES: Final = 200
MAX_RAW_BYTES: Final = 4_000_000
_UNREADABLE: Final = "□"
_NOT_DRAWN: Final = frozenset(
    {"GS 8", "GS /", "GS Q", "FS p", "ESC L", "ESC V", "ESC {", "FS !", "GS ^"}
)


class _Style(Struct):
    chinese: bool = False
    wide: int = 1
    high: int = 1
    bold: bool = False
    underline: bool = False
    reverse: bool = False
    align: int = 0
    spacing_dots: int = ROW_DOTS
    left_dots: int = 0
    small_font: bool = False
    utf8: bool = False
    area_dots: int | None = None


class _Row(Struct):
    """The line being put together: x positions from the left margin, y not known yet."""

    glyphs: list[tuple[int, str, int]] = field(default_factory=list)  # x, char, width at size 1
    styles: list[tuple[int, int, bool, bool, bool]] = field(default_factory=list)
    x: int = 0
    align: int = 0


class Roll:
    """Paper of `dots` width. `feed` applies events in order; finished pieces come out of it."""

    def __init__(self, dots: int) -> None:
        """Load a fresh roll; `dots` is 384 for 58 mm, 576 for 80 mm."""
        self._dots = dots
        self._style = _Style()
        self._qr_data = b""
        self._qr_module_dots = 3
        self._qr_level = 0x30
        self._bar_dots = 3
        self._bar_high = 162
        self.lines_printed = 0
        self.drawer_pulses = 0
        self.beeps = 0
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")
        self._begin_piece()

    def _begin_piece(self) -> None:
        self._row = _Row()
        self._lead: int | None = None
        self._raw = bytearray()
        self._lines: list[str] = []
        self._marks: list[Mark] = []
        self._y = 0
        self._inked = False
        self._qr_texts: list[str] = []
        self._notes: list[str] = []
        self._unknown: list[bytes] = []

    def feed(self, event: Event) -> Piece | None:
        """Apply one event; gives the piece of paper if this cut it off."""
        if len(self._raw) < MAX_RAW_BYTES:
            self._raw += event.raw
        if isinstance(event, TextRun):
            self._text(event.raw)
        else:
            self._no_half_character()
            if isinstance(event, Unknown):
                self._remember_unknown(event)
            elif event.name in {"GS V", "ESC i", "ESC m"}:
                return self._cut(event)
            else:
                self._apply(event)
        if self._y > MAX_PIECE_DOTS or len(self._marks) > MAX_MARKS:
            self._note("the piece was longer than three metres and was torn off")
            return self.tear_off()
        return None

    def tear_off(self) -> Piece | None:
        """End the piece without a cut; None if nothing was printed on it."""
        self._no_half_character()
        self._end_row_if_begun()
        return self._finish(cut=False)

    def power_cut(self) -> Piece | None:
        """Lose the line being put together and every setting; what is printed stays."""
        self._row = _Row()
        self._lead = None
        self._style = _Style()
        return self._finish(cut=False)

    def _cut(self, command: Command) -> Piece | None:
        self._end_row_if_begun()
        mode = command.parameters[:1]
        if mode in {b"A", b"B", b"a", b"b", b"g", b"h"}:
            self._y += command.parameters[1]
        return self._finish(cut=True)

    def _finish(self, *, cut: bool) -> Piece | None:
        piece = Piece(
            bytes(self._raw),
            tuple(self._lines),
            tuple(self._marks),
            self._y,
            cut,
            tuple(self._qr_texts),
            tuple(self._notes),
            tuple(self._unknown),
        )
        inked = self._inked or bool(self._unknown)
        self._begin_piece()
        return piece if inked else None

    def _note(self, text: str) -> None:
        if len(self._notes) < MAX_NOTES:
            self._notes.append(text)

    def _remember_unknown(self, event: Unknown) -> None:
        self._note(f"{event.reason}: {event.raw[:16].hex(' ')}")
        if len(self._unknown) < MAX_NOTES:
            self._unknown.append(event.raw)

    # Text.

    def _utf8_text(self, raw: bytes) -> None:
        for char in self._utf8.decode(raw):
            wide = not char.isascii()
            if char == "\ufffd":
                self._note("bytes that are no UTF-8")
            self._put(_UNREADABLE if char == "\ufffd" else char, HALF_CELL_DOTS * (1 + wide))

    def _text(self, raw: bytes) -> None:
        if self._style.utf8:
            self._utf8_text(raw)
            return
        for byte in raw:
            lead, self._lead = self._lead, None
            if lead is not None:
                if 0x40 <= byte <= 0xFE and byte != 0x7F:  # noqa: PLR2004 - second bytes of GBK
                    self._put(_pair(lead, byte), 2 * HALF_CELL_DOTS)
                    continue
                self._note(f"half a Chinese character: {lead:02x} {byte:02x}")
                self._put(_UNREADABLE, HALF_CELL_DOTS)
            if self._style.chinese and 0x81 <= byte <= 0xFE:  # noqa: PLR2004 - first bytes of GBK
                self._lead = byte
            else:
                narrow = 9 if self._style.small_font else HALF_CELL_DOTS
                self._put(bytes([byte]).decode("cp437"), narrow)

    def _no_half_character(self) -> None:
        if self._utf8.decode(b"", final=True):
            self._note("half a UTF-8 character")
        self._utf8.reset()
        if self._lead is not None:
            self._note(f"half a Chinese character: {self._lead:02x}")
            self._lead = None
            self._put(_UNREADABLE, HALF_CELL_DOTS)

    def _area(self) -> int:
        room = max(HALF_CELL_DOTS * 2, self._dots - self._style.left_dots)
        return min(room, self._style.area_dots or room)

    def _put(self, char: str, width_dots: int) -> None:
        style = self._style
        advance = width_dots * style.wide
        if self._row.x + advance > self._area() and self._row.glyphs:
            self._line_feed()
        row = self._row
        if not row.glyphs:
            row.align = style.align
        row.glyphs.append((row.x, char, width_dots))
        row.styles.append((style.wide, style.high, style.bold, style.underline, style.reverse))
        row.x += advance

    def _end_row_if_begun(self) -> None:
        if self._row.glyphs:
            self._line_feed()

    def _line_feed(self) -> None:
        row, self._row = self._row, _Row()
        used = row.x if row.glyphs else 0
        spare = max(0, self._area() - used)
        shift = self._style.left_dots + (0, spare // 2, spare)[row.align]
        high = max((style[1] for style in row.styles), default=1)
        for (x, char, width), style in zip(row.glyphs, row.styles, strict=True):
            y = self._y + (high - style[1]) * ROW_DOTS
            self._marks.append(Glyph(shift + x, y, char, width, *style))
            self._inked = self._inked or char != " "
        self._lines.append(_readable(row, shift))
        self._y += max(self._style.spacing_dots, high * ROW_DOTS if row.glyphs else 0)
        self.lines_printed += 1

    # Pictures.

    def _picture(self, picture: Bitmap, label: str) -> None:
        self._end_row_if_begun()
        width = picture.row_bytes * 8 * picture.wide
        spare = max(0, self._area() - width)
        x = self._style.left_dots + (0, spare // 2, spare)[self._style.align]
        if width > self._area():
            self._note(f"a picture of {width} dots is wider than the paper")
        self._marks.append(
            Bitmap(
                x,
                self._y,
                picture.row_bytes,
                picture.rows,
                picture.data,
                picture.wide,
                picture.high,
            )
        )
        self._y += picture.rows * picture.high
        self._lines.append(" " * (x // HALF_CELL_DOTS) + label)
        self._inked = True
        self.lines_printed += 1

    def _raster_image(self, parameters: bytes) -> None:
        mode, row_bytes, rows = (
            parameters[1] & 3,
            int.from_bytes(parameters[2:4], "little"),
            int.from_bytes(parameters[4:6], "little"),
        )
        wide, high = 1 + (mode & 1), 1 + (mode >> 1)
        picture = Bitmap(0, 0, row_bytes, rows, parameters[6:], wide, high)
        self._picture(picture, f"[图像 {row_bytes * 8 * wide}x{rows * high}]")

    def _column_image(self, parameters: bytes) -> None:
        per_column = 3 if parameters[0] >= 32 else 1  # noqa: PLR2004 - the 24-dot modes
        columns = int.from_bytes(parameters[1:3], "little")
        row_bytes = (columns + 7) // 8
        rows = bytearray(row_bytes * per_column * 8)
        for at, byte in enumerate(parameters[3:]):
            column, part = divmod(at, per_column)
            for bit in range(8):
                if byte >> (7 - bit) & 1:
                    rows[(part * 8 + bit) * row_bytes + column // 8] |= 0x80 >> (column % 8)
        wide = 1 if parameters[0] in {1, 33} else 2
        picture = Bitmap(0, 0, row_bytes, per_column * 8, bytes(rows), wide)
        self._picture(picture, f"[图像 {columns * wide}x{per_column * 8}]")

    def _two_dimensional(self, parameters: bytes) -> None:
        """Apply `GS ( k`: the printer's own QR codes."""
        kind, function, rest = parameters[3:4], parameters[4:5], parameters[5:]
        if kind != b"1":
            self._note(f"two-dimensional code of kind {kind.hex()} is not drawn")
        elif function == b"C" and rest:
            self._qr_module_dots = max(1, min(16, rest[0]))
        elif function == b"E" and rest:
            self._qr_level = rest[0]
        elif function == b"P":
            self._qr_data = rest[1:]
        elif function == b"Q":
            self._draw_qr()

    def _draw_qr(self) -> None:
        try:
            side, data = qr_symbol(self._qr_data, self._qr_level)
        except QrTooLongError:
            self._note(f"a QR code cannot hold {len(self._qr_data)} bytes")
            return
        dots = self._qr_module_dots
        self._picture(Bitmap(0, 0, (side + 7) // 8, side, data, dots, dots), "[二维码]")
        self._qr_texts.append(self._qr_data.decode("utf-8", errors="replace"))

    def _barcode(self, parameters: bytes) -> None:
        """Apply `GS k`: up to a NUL, or counted."""
        kind = parameters[0]
        data = parameters[2:] if kind >= 65 else parameters[1:].rstrip(b"\0")  # noqa: PLR2004 - 'A'
        modules = bars(kind, data)
        if modules is None:
            self._note(f"a barcode of kind {kind} is not drawn")
            return
        row = int(modules.ljust(-(-len(modules) // 8) * 8, "0"), 2)
        row_bytes = -(-len(modules) // 8)
        dots, high = self._bar_dots, self._bar_high
        line = row.to_bytes(row_bytes, "big")
        text = data.decode("latin-1").removeprefix("{B")
        self._picture(Bitmap(0, 0, row_bytes, 1, line, dots, high), f"[条码 {text}]")

    # Settings.

    def _apply(self, command: Command) -> None:
        act = self._ACTIONS.get(command.name)
        if act is not None:
            act(self, command.parameters)
        elif command.name == "GS (" and command.parameters[:1] == b"k":
            self._two_dimensional(command.parameters)
        elif command.name == "FS (" and command.parameters[:4] == b"C\x02\x000":
            self._style.utf8 = command.parameters[4:] == b"2"
        elif command.name in _NOT_DRAWN:
            self._note(f"{command.name} is understood but not drawn")

    def _initialise(self, _: bytes) -> None:
        self._row = _Row()
        self._style = _Style()

    def _feed_lines(self, parameters: bytes) -> None:
        self._end_row_if_begun()
        for _ in range(parameters[0]):
            self._line_feed()

    def _feed_dots(self, parameters: bytes) -> None:
        self._end_row_if_begun()
        self._y += parameters[0]

    def _mode(self, parameters: bytes) -> None:
        bits = parameters[0]
        style = self._style
        style.small_font, style.bold = bool(bits & 0x01), bool(bits & 0x08)
        style.high, style.wide = 1 + (bits >> 4 & 1), 1 + (bits >> 5 & 1)
        style.underline = bool(bits & 0x80)

    def _size(self, parameters: bytes) -> None:
        self._style.high = 1 + (parameters[0] & 7)
        self._style.wide = 1 + (parameters[0] >> 4 & 7)

    def _align(self, parameters: bytes) -> None:
        self._style.align = parameters[0] % 48 % 3

    def _move_to(self, parameters: bytes) -> None:
        self._row.x = min(int.from_bytes(parameters, "little"), self._area())

    def _move_by(self, parameters: bytes) -> None:
        step = int.from_bytes(parameters, "little", signed=True)
        self._row.x = max(0, min(self._row.x + step, self._area()))

    def _tab(self, _: bytes) -> None:
        stop = 8 * HALF_CELL_DOTS
        self._row.x = min((self._row.x // stop + 1) * stop, self._area())

    def _left_margin(self, parameters: bytes) -> None:
        self._style.left_dots = min(int.from_bytes(parameters, "little"), self._dots // 2)

    def _area_width(self, parameters: bytes) -> None:
        self._style.area_dots = max(24, int.from_bytes(parameters, "little"))

    def _bar_width(self, parameters: bytes) -> None:
        self._bar_dots = max(1, min(6, parameters[0]))

    def _bar_height(self, parameters: bytes) -> None:
        self._bar_high = max(1, parameters[0])

    def _pulse(self, _: bytes) -> None:
        self.drawer_pulses += 1

    def _beep(self, parameters: bytes) -> None:
        self.beeps += parameters[0] if parameters else 1

    def _underlined(self, parameters: bytes) -> None:
        self._style.underline = bool(parameters[0] % 48)

    def _bold(self, parameters: bytes) -> None:
        self._style.bold = bool(parameters[0] & 1)

    def _font(self, parameters: bytes) -> None:
        self._style.small_font = bool(parameters[0] & 1)

    def _reverse(self, parameters: bytes) -> None:
        self._style.reverse = bool(parameters[0] & 1)

    def _usual_spacing(self, _: bytes) -> None:
        self._style.spacing_dots = ROW_DOTS

    def _spacing(self, parameters: bytes) -> None:
        self._style.spacing_dots = parameters[0]

    def _chinese_on(self, _: bytes) -> None:
        self._style.chinese = True

    def _chinese_off(self, _: bytes) -> None:
        self._style.chinese = False

    def _new_line(self, _: bytes) -> None:
        self._line_feed()

    def _form_feed(self, _: bytes) -> None:
        self._end_row_if_begun()

    def _cancel(self, _: bytes) -> None:
        self._row = _Row()

    _ACTIONS: ClassVar[dict[str, Callable[["Roll", bytes], None]]] = {
        "LF": _new_line,
        "FF": _form_feed,
        "HT": _tab,
        "CAN": _cancel,
        "BEL": _beep,
        "ESC @": _initialise,
        "ESC !": _mode,
        "ESC $": _move_to,
        "ESC \\": _move_by,
        "ESC *": _column_image,
        "ESC -": _underlined,
        "ESC 2": _usual_spacing,
        "ESC 3": _spacing,
        "ESC B": _beep,
        "ESC C": _beep,
        "ESC E": _bold,
        "ESC G": _bold,
        "ESC J": _feed_dots,
        "ESC M": _font,
        "ESC a": _align,
        "ESC d": _feed_lines,
        "ESC p": _pulse,
        "FS &": _chinese_on,
        "FS .": _chinese_off,
        "GS !": _size,
        "GS B": _reverse,
        "GS L": _left_margin,
        "GS W": _area_width,
        "GS h": _bar_height,
        "GS k": _barcode,
        "GS v": _raster_image,
        "GS w": _bar_width,
    }


def _pair(lead: int, trail: int) -> str:
    """Read one character of the ROM: the two-byte part of the national standard."""
    try:
        return bytes([lead, trail]).decode("gb18030")
    except UnicodeDecodeError:
        return _UNREADABLE


def _readable(row: _Row, shift: int) -> str:
    """Give the row as text, with spaces where the head moved over paper."""
    line: list[str] = []
    end_x = 0
    for (x, char, width), style in zip(row.glyphs, row.styles, strict=True):
        gap = shift + x - end_x
        line.append(" " * (gap // HALF_CELL_DOTS) + char)
        end_x = shift + x + width * style[0]
    return "".join(line).rstrip(" ")
