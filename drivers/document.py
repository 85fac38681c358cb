"""What is on a piece of paper, as values: no bytes, no printer, storable as JSON.

A document says what to print; `drivers.escpos` says it to a printer, `to_plain_text` to a log.
All of them share `lay_out`, so a receipt has the same lines everywhere.
"""

import enum
from typing import Final, TypeAlias

import msgspec

from drivers.cells import cells, clean_line, clean_lines, pad_between, pad_left, wrap

MAX_ELEMENTS: Final = 800
MAX_TEXT_CHARS: Final = 4_000
MAX_QR_BYTES: Final = 666  # a version 20 code at level M; more is unreadable on 58 mm paper
MAX_CODE128_CHARS: Final = 13  # two dots a bar on 58 mm paper
MAX_PICTURE_ROW_BYTES: Final = 48
MAX_PICTURE_ROWS: Final = 1_000
MAX_FEED_LINES: Final = 20
MAX_JSON_BYTES: Final = 1_000_000


class Align(enum.StrEnum):
    """Where a line stands on the paper."""

    LEFT = "left"
    CENTER = "center"
    RIGHT = "right"


class Size(enum.StrEnum):
    """How large characters are: normal, twice as high, or twice as high and wide.

    A BIG line that would not fit the paper is set TALL.
    """

    NORMAL = "normal"
    TALL = "tall"
    BIG = "big"

    @property
    def wide(self) -> int:
        """How many times a character's normal width."""
        return 2 if self is Size.BIG else 1

    @property
    def high(self) -> int:
        """How many times a character's normal height."""
        return 1 if self is Size.NORMAL else 2


def _limit_text(*texts: str) -> None:
    if any(len(text) > MAX_TEXT_CHARS for text in texts):
        raise ValueError(f"a text of a document has at most {MAX_TEXT_CHARS} characters")


class Text(msgspec.Struct, frozen=True, tag="text", omit_defaults=True):
    """A paragraph: wrapped to the paper; line breaks in it are kept, other controls are dropped."""

    text: str
    align: Align = Align.LEFT
    size: Size = Size.NORMAL
    bold: bool = False

    def __post_init__(self) -> None:
        _limit_text(self.text)


class Columns(msgspec.Struct, frozen=True, tag="columns", omit_defaults=True):
    """A row: name at the left, figures at the right, an optional figure between them.

    A name too long for its row is wrapped above the figures; figures are never cut. With a
    `middle`, both figures are set flush right in `middle_cells` and `right_cells`, so that rows
    below each other line up.
    """

    left: str
    right: str
    middle: str | None = None
    middle_cells: int = 6
    right_cells: int = 10
    size: Size = Size.NORMAL
    bold: bool = False

    def __post_init__(self) -> None:
        _limit_text(self.left, self.right, self.middle or "")
        if not (0 <= self.middle_cells <= 32 and 0 <= self.right_cells <= 32):  # noqa: PLR2004 - the narrowest paper
            raise ValueError("a column has 0 to 32 cells")


class Rule(msgspec.Struct, frozen=True, tag="rule", omit_defaults=True):
    """A line across the paper; `heavy` draws it double."""

    heavy: bool = False


class Qr(msgspec.Struct, frozen=True, tag="qr"):
    """A QR code in the middle of the paper, error correction M, as large as is useful."""

    data: str

    def __post_init__(self) -> None:
        if not 1 <= len(self.data.encode()) <= MAX_QR_BYTES:
            raise ValueError(f"a QR code on paper holds 1 to {MAX_QR_BYTES} bytes")


class Symbology(enum.StrEnum):
    """What kind of bars."""

    EAN13 = "ean13"
    EAN8 = "ean8"
    CODE128 = "code128"


_EAN_DIGITS: Final = {Symbology.EAN13: 13, Symbology.EAN8: 8}
_PRINTABLE: Final = frozenset(chr(code) for code in range(0x20, 0x7F)) - {"{"}


class Barcode(msgspec.Struct, frozen=True, tag="barcode", omit_defaults=True):
    """Bars in the middle of the paper, their text below them: an item, a receipt's number."""

    data: str
    symbology: Symbology = Symbology.CODE128

    def __post_init__(self) -> None:
        digits = _EAN_DIGITS.get(self.symbology)
        if digits is None:
            if not (1 <= len(self.data) <= MAX_CODE128_CHARS and set(self.data) <= _PRINTABLE):
                raise ValueError(f"CODE128 on paper: 1 to {MAX_CODE128_CHARS} of ASCII without {{")
        elif not (len(self.data) == digits and self.data.isascii() and self.data.isdigit()):
            raise ValueError(f"{self.symbology} has {digits} digits")
        elif sum(int(d) * (1, 3)[at % 2] for at, d in enumerate(reversed(self.data))) % 10:
            raise ValueError(f"{self.symbology}: wrong check digit")


class Picture(msgspec.Struct, frozen=True, tag="picture"):
    """A black-and-white picture in the middle: `rows` rows of `row_bytes` bytes, 1 is black."""

    row_bytes: int
    rows: int
    data: bytes

    def __post_init__(self) -> None:
        if not (
            1 <= self.row_bytes <= MAX_PICTURE_ROW_BYTES and 1 <= self.rows <= MAX_PICTURE_ROWS
        ):
            raise ValueError("a picture is at most as wide as 58 mm paper, and 1000 rows high")
        if len(self.data) != self.row_bytes * self.rows:
            raise ValueError(f"{len(self.data)} bytes for {self.rows} rows of {self.row_bytes}")


class Feed(msgspec.Struct, frozen=True, tag="feed", omit_defaults=True):
    """Empty lines."""

    lines: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.lines <= MAX_FEED_LINES:
            raise ValueError(f"feed 1 to {MAX_FEED_LINES} lines")


class Cut(msgspec.Struct, frozen=True, tag="cut"):
    """The end of this piece of paper: moved past the knife and cut, or to be torn off."""


class Drawer(msgspec.Struct, frozen=True, tag="drawer"):
    """A pulse that opens the cash drawer. Send it in a job of its own that is never repeated."""


class Beep(msgspec.Struct, frozen=True, tag="beep", omit_defaults=True):
    """Sounds the printer's buzzer `times` times, where it has one."""

    times: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.times <= 9:  # noqa: PLR2004 - the command's own limit
            raise ValueError("beep 1 to 9 times")


Element: TypeAlias = Text | Columns | Rule | Qr | Barcode | Picture | Feed | Cut | Drawer | Beep


class Document(msgspec.Struct, frozen=True):
    """One print job: its elements from top to bottom, at most `MAX_ELEMENTS`."""

    elements: tuple[Element, ...]

    def __post_init__(self) -> None:
        if len(self.elements) > MAX_ELEMENTS:
            raise ValueError(f"a document has at most {MAX_ELEMENTS} elements")


class DocumentFormatError(Exception):
    """Stored bytes are not a document of this version."""


def document_to_json(document: Document) -> bytes:
    """Give the bytes that `document_from_json` reads back to an equal document."""
    return msgspec.json.encode(document)


def document_from_json(stored: bytes | str) -> Document:
    """Read a stored document.

    Raises:
        DocumentFormatError: not JSON, not a document, or past a limit of this module.
    """
    if len(stored) > MAX_JSON_BYTES:
        raise DocumentFormatError(f"a stored document has at most {MAX_JSON_BYTES} bytes")
    try:
        return msgspec.json.decode(stored, type=Document)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DocumentFormatError(str(error)) from error


class Line(msgspec.Struct, frozen=True):
    """One printed line: clean text that fits the paper at its size."""

    text: str
    align: Align = Align.LEFT
    size: Size = Size.NORMAL
    bold: bool = False


Block: TypeAlias = Line | Qr | Barcode | Picture | Feed | Cut | Drawer | Beep


def lay_out(document: Document, columns: int) -> tuple[Block, ...]:
    """Break a document into lines of at most `columns` cells.

    `columns` counts cells of normal size: 32 on 58 mm paper, 48 on 80 mm.
    """
    blocks: list[Block] = []
    for element in document.elements:
        match element:
            case Text():
                blocks.extend(_text_lines(element, columns))
            case Columns():
                blocks.extend(_column_lines(element, columns))
            case Rule():
                blocks.append(Line(("=" if element.heavy else "-") * columns))
            case Qr() | Barcode() | Picture() | Feed() | Cut() | Drawer() | Beep():
                blocks.append(element)
    return tuple(blocks)


def _text_lines(element: Text, columns: int) -> list[Line]:
    lines: list[Line] = []
    for paragraph in clean_lines(element.text):
        size = _fitting(element.size, cells(paragraph), columns)
        lines.extend(
            Line(line, element.align, size, element.bold)
            for line in wrap(paragraph, columns // size.wide)
        )
    return lines


def _fitting(size: Size, used_cells: int, columns: int) -> Size:
    """Give up width before a large line would be broken in two; height stays."""
    return Size.TALL if size is Size.BIG and 2 * used_cells > columns else size


def _column_lines(element: Columns, columns: int) -> list[Line]:
    figures = clean_line(element.right)
    if element.middle is not None:
        middle = pad_left(clean_line(element.middle), element.middle_cells)
        figures = middle + pad_left(" " + figures, element.right_cells)
    left = clean_line(element.left)
    size = _fitting(element.size, cells(left) + 1 + cells(figures), columns)
    room = columns // size.wide
    lines = [left] if cells(left) + 1 + cells(figures) <= room else wrap(left, room)
    if cells(lines[-1]) + (1 if lines[-1] else 0) + cells(figures) <= room:
        lines[-1] = pad_between(lines[-1], figures, room)
    else:
        lines.extend(pad_left(part, room) for part in wrap(figures.strip(" "), room))
    return [Line(line, Align.LEFT, size, element.bold) for line in lines]


def to_plain_text(document: Document, columns: int) -> str:
    """Give the document as readable lines for a log, a test or a screen, ending in a line break.

    What a QR code holds is left out: it may be a card's secret, and logs are not for secrets.
    """
    return "".join(f"{_plain(block, columns)}\n" for block in lay_out(document, columns))


def _plain(block: Block, columns: int) -> str:
    match block:
        case Line():
            spare = columns - cells(block.text) * block.size.wide
            indent = {Align.LEFT: 0, Align.CENTER: spare // 2, Align.RIGHT: spare}[block.align]
            return (" " * max(0, indent) + block.text).rstrip(" ")
        case Qr():
            return " " * ((columns - 8) // 2) + "[二维码]"
        case Barcode():
            return f"[条码 {block.data}]".center(columns).rstrip(" ")
        case Picture():
            return " " * ((columns - 6) // 2) + "[图像]"
        case Feed():
            return "\n" * (block.lines - 1)
        case Cut():
            return "[切纸]"
        case Drawer():
            return "[开钱箱]"
        case Beep():
            return "[蜂鸣]"
