"""The first sheet of an .xlsx, read row by row, and one written: with the standard library alone.

A terminal has little memory and needs of a workbook only texts and numbers; numbers stay decimal
text on the way, as a float would make 7.1 into something else. Formulas are told, never computed.
"""

import io
import posixpath
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from decimal import Context, Decimal, InvalidOperation
from typing import Final
from xml.parsers import expat
from xml.sax.saxutils import escape

from msgspec import Struct

MAX_PART_BYTES: Final = 64 * 1024 * 1024
"""Of a part when it is unpacked: 50,000 rows are about 20 MB."""
MAX_PARTS: Final = 500
MAX_STRINGS: Final = 600_000
MAX_CELL_CHARS: Final = 1_000
MAX_ROW_NO: Final = 1_048_576
MAX_DEPTH: Final = 64
"""Of elements in each other; a sheet's are a handful deep."""
MAX_TAG_BYTES: Final = 256 * 1024
"""Of one element's beginning, with its attributes: the parser holds it whole."""
_CHUNK_BYTES = 64 * 1024
_SIGNATURE = b"PK\x03\x04"
_AS_EXCEL_SHOWS = Context(prec=15)
_MOST_DIGITS = 20
_REFERENCE = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")
_NUMBER_TYPES = frozenset({"", "n"})
_LETTERS = 26

_WORKBOOK = "xl/workbook.xml"
_RELATIONS = "xl/_rels/workbook.xml.rels"
_STRINGS = "xl/sharedStrings.xml"
_BROKEN = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    expat.ExpatError,
    EOFError,
    KeyError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OSError,
)
"""What reading a stranger's archive can raise: damaged, cut off, packed otherwise, locked."""


class NotAWorkbookError(Exception):
    """These bytes are no workbook that can be read, or one that is larger than any price list."""


class SheetCell(Struct, frozen=True):
    """A cell's text; a number as Excel shows it, without needless digits."""

    text: str
    is_formula: bool = False


_NOTHING = SheetCell("")


def is_workbook(data: bytes) -> bool:
    """Whether these bytes are an archive, as an .xlsx is."""
    return data.startswith(_SIGNATURE)


def read_workbook(data: bytes, max_columns: int) -> Iterator[tuple[int, Sequence[SheetCell]]]:
    """The rows of the first sheet that have cells, by their numbers.

    Raises:
        NotAWorkbookError: at the start or on the way.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if len(archive.infolist()) > MAX_PARTS:
                raise NotAWorkbookError("too many parts")
            strings = _shared_strings(archive)
            yield from _sheet(archive, _first_sheet(archive), strings, max_columns)
    except _BROKEN as error:
        raise NotAWorkbookError(str(error)) from error


def _chunks(archive: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    size = 0
    with archive.open(name) as part:
        while chunk := part.read(_CHUNK_BYTES):
            size += len(chunk)
            if size > MAX_PART_BYTES:
                raise NotAWorkbookError(f"{name} is too large")
            yield chunk


class _Reader:
    """Follows a part's elements. What a document type could define is refused with it."""

    def __init__(self) -> None:
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartDoctypeDeclHandler = self._refuse
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._texts: list[str] | None = None
        self._chars = 0
        self._depth = 0
        self._fed_bytes = 0

    def feed(self, chunk: bytes, *, is_last: bool = False) -> None:
        self._parser.Parse(chunk, is_last)
        self._fed_bytes += len(chunk)
        if self._fed_bytes - self._parser.CurrentByteIndex > MAX_TAG_BYTES:
            raise NotAWorkbookError("a tag without an end")

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins; its name without the prefix."""

    def finish(self, name: str) -> None:
        """It ends."""

    def collect(self) -> None:
        """Keep text from here on."""
        self._texts, self._chars = [], 0

    def collected(self) -> str:
        """The text since :meth:`collect`, cut where it is longer than any cell that is taken."""
        text = "".join(self._texts or ())
        self._texts = None
        return text

    def _refuse(self, *_declared: object) -> None:
        raise NotAWorkbookError("a document type")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise NotAWorkbookError("elements in each other without an end")
        self.begin(name.rpartition(":")[2], attributes)

    def _end(self, name: str) -> None:
        self._depth -= 1
        self.finish(name.rpartition(":")[2])

    def _text(self, text: str) -> None:
        if self._texts is not None and self._chars <= MAX_CELL_CHARS:
            self._texts.append(text[:MAX_CELL_CHARS])
            self._chars += len(text)


class _Strings(_Reader):
    """The texts that cells name by number; how a text is to be pronounced is left out."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._whole = ""
        self._aside = 0

    def begin(self, name: str, _attributes: dict[str, str]) -> None:
        if name == "si":
            self._whole = ""
        elif name == "rPh":
            self._aside += 1
        elif name == "t" and not self._aside:
            self.collect()

    def finish(self, name: str) -> None:
        if name == "si":
            if len(self.texts) >= MAX_STRINGS:
                raise NotAWorkbookError("too many texts")
            self.texts.append(self._whole)
        elif name == "rPh":
            self._aside -= 1
        elif name == "t" and not self._aside:
            self._whole = (self._whole + self.collected())[:MAX_CELL_CHARS]


def _shared_strings(archive: zipfile.ZipFile) -> Sequence[str]:
    if _STRINGS not in archive.namelist():
        return ()
    reader = _Strings()
    for chunk in _chunks(archive, _STRINGS):
        reader.feed(chunk)
    reader.feed(b"", is_last=True)
    return reader.texts


class _Names(_Reader):
    """The sheets' relations in the order of the book, or the relations' targets."""

    def __init__(self) -> None:
        super().__init__()
        self.sheets: list[str] = []
        self.targets: dict[str, str] = {}

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        if name == "sheet":
            self.sheets += [v for k, v in attributes.items() if k.rpartition(":")[2] == "id"]
        elif name == "Relationship":
            self.targets[attributes.get("Id", "")] = attributes.get("Target", "")


def _first_sheet(archive: zipfile.ZipFile) -> str:
    names = _Names()
    for chunk in _chunks(archive, _WORKBOOK):
        names.feed(chunk)
    relations = _Names()
    for chunk in _chunks(archive, _RELATIONS):
        relations.feed(chunk)
    if not names.sheets:
        raise NotAWorkbookError("no sheet")
    target = relations.targets[names.sheets[0]]
    return target.lstrip("/") if target.startswith("/") else posixpath.join("xl", target)


class _Sheet(_Reader):
    """Collects finished rows."""

    def __init__(self, strings: Sequence[str], max_columns: int) -> None:
        super().__init__()
        self.rows: list[tuple[int, Sequence[SheetCell]]] = []
        self._strings = strings
        self._most = max_columns
        self._row_no = 0
        self._cells: dict[int, SheetCell] = {}
        self._column = 0
        self._kind = ""
        self._value = ""
        self._is_formula = False

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        if name == "row":
            self._row_no = int(attributes.get("r") or self._row_no + 1)
            self._cells, self._column = {}, 0
            if not 1 <= self._row_no <= MAX_ROW_NO:
                raise NotAWorkbookError("a row beyond the sheet")
        elif name == "c":
            named = _REFERENCE.fullmatch(attributes.get("r", ""))
            self._column = _column_no(named[1]) if named else self._column + 1
            self._kind = attributes.get("t", "")
            self._value, self._is_formula = "", False
        elif name == "f":
            self._is_formula = True
        elif name in {"v", "t"}:
            self.collect()

    def finish(self, name: str) -> None:
        if name in {"v", "t"}:
            self._value = (self._value + self.collected())[:MAX_CELL_CHARS]
        elif name == "c":
            if self._column <= self._most:
                self._cells[self._column] = SheetCell(self._text_of_cell(), self._is_formula)
        elif name == "row":
            last = max(self._cells, default=0)
            cells = [self._cells.get(x, _NOTHING) for x in range(1, last + 1)]
            self.rows.append((self._row_no, cells))

    def _text_of_cell(self) -> str:
        if self._kind == "s":
            place = int(self._value)
            if not 0 <= place < len(self._strings):
                raise NotAWorkbookError("a text that there is not")
            return self._strings[place]
        return number_text(self._value) if self._kind in _NUMBER_TYPES else self._value


def number_text(text: str) -> str:
    """A number of the sheet as plain digits: at most fifteen count, as in what Excel shows.

    What is no number, or one longer than any that means something here, stays as it is.
    """
    try:
        number = _AS_EXCEL_SHOWS.create_decimal(text.strip())
    except InvalidOperation:
        return text
    if not number.is_finite() or abs(number.adjusted()) > _MOST_DIGITS:
        return text
    whole = format(number, "f")
    return whole.rstrip("0").rstrip(".") if "." in whole else whole


def _column_no(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * _LETTERS + ord(letter) - ord("A") + 1
    return number


def _sheet(
    archive: zipfile.ZipFile, name: str, strings: Sequence[str], max_columns: int
) -> Iterator[tuple[int, Sequence[SheetCell]]]:
    reader = _Sheet(strings, max_columns)
    for chunk in _chunks(archive, name):
        reader.feed(chunk)
        yield from reader.rows
        reader.rows.clear()
    reader.feed(b"", is_last=True)
    yield from reader.rows


_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_KINDS = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_FIRST_SHEET = "xl/worksheets/sheet1.xml"
_FIXED: Final = {
    "[Content_Types].xml": f'{_XML}<Types xmlns="{_PACKAGE}/content-types">'
    '<Default Extension="rels" ContentType='
    '"application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/>'
    f'<Override PartName="/{_WORKBOOK}" ContentType="{_KINDS}.sheet.main+xml"/>'
    f'<Override PartName="/{_FIRST_SHEET}" ContentType="{_KINDS}.worksheet+xml"/>'
    f'<Override PartName="/xl/styles.xml" ContentType="{_KINDS}.styles+xml"/></Types>',
    "_rels/.rels": f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="r1" Type="{_OFFICE}/officeDocument" Target="{_WORKBOOK}"/>'
    "</Relationships>",
    _RELATIONS: f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="r1" Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/>'
    f'<Relationship Id="r2" Type="{_OFFICE}/styles" Target="styles.xml"/></Relationships>',
    # Style 1 is text (a barcode typed into it stays whole), style 2 money.
    "xl/styles.xml": f'{_XML}<styleSheet xmlns="{_MAIN}">'
    '<fonts><font><sz val="11"/></font></fonts><fills><fill><patternFill/></fill></fills>'
    "<borders><border/></borders><cellStyleXfs><xf/></cellStyleXfs><cellXfs><xf/>"
    '<xf numFmtId="49" applyNumberFormat="1"/><xf numFmtId="2" applyNumberFormat="1"/>'
    '</cellXfs><cellStyles><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>'
    "</styleSheet>",
}
_PACKED_AT = (1980, 1, 1, 0, 0, 0)
_WIDTHS = (16, 18, 28, 12, 8, 12, 8, 8)


def write_workbook(
    sheet_name: str,
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    money_column: int,
) -> bytes:
    """A workbook of one sheet. The same rows give the same bytes.

    Texts are texts, whatever they look like; ``money_column`` (from 0) holds numbers.
    """
    book = (
        f'{_XML}<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>'
        f'<sheet name="{escape(sheet_name)}" sheetId="1" r:id="r1"/></sheets></workbook>'
    )
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for name, text in {**_FIXED, _WORKBOOK: book}.items():
            archive.writestr(_part(name), text)
        with archive.open(_part(_FIRST_SHEET), "w") as part:
            for text in _sheet_texts(header, rows, money_column):
                part.write(text.encode())
    return written.getvalue()


def _part(name: str) -> zipfile.ZipInfo:
    part = zipfile.ZipInfo(name, _PACKED_AT)
    part.compress_type = zipfile.ZIP_DEFLATED
    return part


def _sheet_texts(
    header: Sequence[str], rows: Iterable[Sequence[str]], money_column: int
) -> Iterator[str]:
    yield f'{_XML}<worksheet xmlns="{_MAIN}"><sheetViews><sheetView workbookViewId="0">'
    yield '<pane ySplit="1" topLeftCell="A2" state="frozen"/></sheetView></sheetViews><cols>'
    for number, width in enumerate(_WIDTHS[: len(header)], 1):
        style = 2 if number - 1 == money_column else 1
        yield f'<col min="{number}" max="{number}" width="{width}" style="{style}"/>'
    yield "</cols><sheetData>"
    yield _row_text(1, header, None)
    for row_no, row in enumerate(rows, 2):
        yield _row_text(row_no, row, money_column)
    yield "</sheetData></worksheet>"


def _row_text(row_no: int, texts: Sequence[str], money_column: int | None) -> str:
    cells = []
    for number, text in enumerate(texts):
        place = f"{chr(ord('A') + number)}{row_no}"
        if number == money_column:
            cells.append(f'<c r="{place}" s="2"><v>{Decimal(text)}</v></c>')
        elif text:
            kept = f'<t xml:space="preserve">{escape(text)}</t>'
            cells.append(f'<c r="{place}" s="1" t="inlineStr"><is>{kept}</is></c>')
    return f'<row r="{row_no}">{"".join(cells)}</row>'
