"""A price list as a file: CSV in UTF-8 or GBK, or a workbook; and the list in use as either.

What the terminal writes and reads again is the same to the byte.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Final

from msgspec import Struct

from protocol.money import format_yuan
from terminal.domain.own_goods import OwnItem
from terminal.prices.rows import EMPTY, YES, Cell, Column, digits_of

MAX_FILE_BYTES: Final = 8 * 1024 * 1024
MAX_COLUMNS: Final = 64
MAX_ROW_CHARS: Final = 64 * 1024
"""Of a row as text; one of a list has some hundred."""
MAX_HEADER_ROWS: Final = 10
"""A title above the names of the columns is no harm."""

HEADER: Final[Mapping[Column, str]] = {
    Column.CODE: "编号",
    Column.BARCODE: "条码",
    Column.NAME: "名称",
    Column.CATEGORY: "类别",
    Column.UNIT: "单位",
    Column.PRICE: "单价（元）",
    Column.WEIGHED: "称重",
    Column.QUICK_KEY: "快捷键",
}
_ALSO: Final[dict[str, Column]] = {
    "编码": Column.CODE, "货号": Column.CODE, "商品编号": Column.CODE, "code": Column.CODE,
    "商品条码": Column.BARCODE, "条形码": Column.BARCODE, "barcode": Column.BARCODE,
    "品名": Column.NAME, "商品名称": Column.NAME, "商品": Column.NAME, "name": Column.NAME,
    "分类": Column.CATEGORY, "category": Column.CATEGORY,
    "计量单位": Column.UNIT, "unit": Column.UNIT,
    "单价(元)": Column.PRICE, "价格(元)": Column.PRICE, "售价(元)": Column.PRICE,
    "单价": Column.PRICE, "价格": Column.PRICE, "售价": Column.PRICE, "price": Column.PRICE,
    "price_yuan": Column.PRICE,
    "weighed": Column.WEIGHED, "quick_key": Column.QUICK_KEY,
}  # fmt: skip
_NAMES = {digits_of(name).lower(): column for column, name in HEADER.items()} | _ALSO
_IN_FEN = ("(分)", "_fen", "（分）")
_DELIMITERS = (",", "\t", ";")
_BOM = "\ufeff"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_OLD_EXCEL = b"\xd0\xcf\x11\xe0"


class FileProblem(StrEnum):
    """Why a file as a whole is no price list."""

    EMPTY = "empty"
    TOO_LARGE = "too_large"
    OLD_EXCEL = "old_excel"
    """A workbook of the time before .xlsx."""
    DAMAGED = "damaged"
    NOT_TEXT = "not_text"
    """Neither UTF-8 nor GBK."""
    NO_HEADER = "no_header"
    COLUMN_MISSING = "column_missing"
    COLUMN_TWICE = "column_twice"
    PRICE_IN_FEN = "price_in_fen"
    TOO_MANY_ROWS = "too_many_rows"
    """The list would have more goods than a till keeps; ``shown`` is how many it keeps."""
    TOO_MANY_KEYS = "too_many_keys"


class FileProblemError(Exception):
    """A file is no price list. ``shown`` is the column or the number that it is about."""

    def __init__(self, problem: FileProblem, shown: str = "") -> None:
        super().__init__(f"{problem.value}: {shown}")
        self.problem = problem
        self.shown = shown


class Row(Struct, frozen=True):
    """A row that is not empty, by its number in the file."""

    row_no: int
    cells: Mapping[Column, Cell]


def read_rows(data: bytes) -> Iterator[Row]:
    """The rows of a file behind its header, one after the other.

    Raises:
        FileProblemError: at the start or on the way: this is no price list.
    """
    if not data.strip():
        raise FileProblemError(FileProblem.EMPTY)
    if len(data) > MAX_FILE_BYTES:
        raise FileProblemError(FileProblem.TOO_LARGE, str(MAX_FILE_BYTES // 1024 // 1024))
    if data.startswith(_OLD_EXCEL):
        raise FileProblemError(FileProblem.OLD_EXCEL)
    # Workbooks need XML and archives, a till's start does not.
    from terminal.prices.workbook import is_workbook  # noqa: PLC0415 - loaded with the first file

    sheet = _workbook_rows(data) if is_workbook(data) else _text_rows(data)
    columns: Mapping[int, Column] | None = None
    for row_no, cells in sheet:
        if not any(cell.text or cell.is_formula for cell in cells):
            continue
        if columns is not None:
            yield Row(
                row_no, {x: cells[i] if i < len(cells) else EMPTY for i, x in columns.items()}
            )
        elif (found := _columns(cells)) is not None:
            columns = found
        elif row_no >= MAX_HEADER_ROWS:
            break
    if columns is None:
        raise FileProblemError(FileProblem.NO_HEADER)


def _columns(cells: Sequence[Cell]) -> Mapping[int, Column] | None:
    """Which columns this header names; None if it is none."""
    names = [digits_of(cell.text).lower().replace(" ", "") for cell in cells]
    found = {i: _NAMES[name] for i, name in enumerate(names) if name in _NAMES}
    taken = list(found.values())
    if Column.NAME not in taken and Column.PRICE not in taken:
        return None
    fen = next((x for x in names if x.endswith(_IN_FEN)), None)
    if fen is not None and Column.PRICE not in taken:
        raise FileProblemError(FileProblem.PRICE_IN_FEN, fen)
    twice = next((x for x in Column if taken.count(x) > 1), None)
    if twice is not None:
        raise FileProblemError(FileProblem.COLUMN_TWICE, HEADER[twice])
    for needed in (Column.NAME, Column.PRICE):
        if needed not in taken:
            raise FileProblemError(FileProblem.COLUMN_MISSING, HEADER[needed])
    if Column.CODE not in taken and Column.BARCODE not in taken:
        raise FileProblemError(FileProblem.COLUMN_MISSING, HEADER[Column.CODE])
    return found


def _workbook_rows(data: bytes) -> Iterator[tuple[int, Sequence[Cell]]]:
    from terminal.prices.workbook import NotAWorkbookError, read_workbook  # noqa: PLC0415 - as above

    try:
        for row_no, cells in read_workbook(data, MAX_COLUMNS):
            yield row_no, [Cell(x.text.strip(), x.is_formula) for x in cells]
    except NotAWorkbookError as error:
        raise FileProblemError(FileProblem.DAMAGED) from error


def _text_rows(data: bytes) -> Iterator[tuple[int, Sequence[Cell]]]:
    text = _decoded(data)
    first = text.split("\n", 1)[0]
    delimiter = max(_DELIMITERS, key=first.count)
    lines = _Lines(text)
    try:
        for row_no, cells in enumerate(csv.reader(lines, delimiter=delimiter), 1):
            lines.row_chars = 0
            yield row_no, [Cell(x.strip()) for x in cells[:MAX_COLUMNS]]
    except csv.Error as error:
        raise FileProblemError(FileProblem.DAMAGED) from error


class _Lines:
    """A text's lines for the one who makes rows of them and says when one is whole: a row that
    goes on and on is not collected first.
    """

    def __init__(self, text: str) -> None:
        self._lines = io.StringIO(text, newline="")
        self.row_chars = 0

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self.row_chars += len(line)
            if self.row_chars > MAX_ROW_CHARS:
                raise FileProblemError(FileProblem.DAMAGED)
            yield line


def _decoded(data: bytes) -> str:
    """UTF-8, with or without its mark; what Excel calls Unicode text; else GBK."""
    codecs = ("utf-16",) if data.startswith(_UTF16) else ("utf-8-sig", "gb18030")
    for codec in codecs:
        try:
            text = data.decode(codec)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise FileProblemError(FileProblem.NOT_TEXT)


def texts_of(item: OwnItem) -> tuple[str, ...]:
    """A row as it is written, in the order of :data:`HEADER`."""
    return (
        item.code,
        item.barcode,
        item.name,
        item.category,
        item.unit,
        format_yuan(item.price_fen),
        YES if item.weighed else "",
        YES if item.quick_key else "",
    )


def csv_chunks(items: Iterable[OwnItem]) -> Iterator[bytes]:
    """The list in CSV, UTF-8 with the mark that Excel needs for Chinese; in portions."""
    out = io.StringIO()
    out.write(_BOM)
    writer = csv.writer(out)
    writer.writerow(HEADER.values())
    for count, item in enumerate(items, 1):
        writer.writerow(texts_of(item))
        if count % 500 == 0:
            yield out.getvalue().encode()
            out.seek(0)
            out.truncate()
    yield out.getvalue().encode()


def xlsx_of(items: Iterable[OwnItem]) -> bytes:
    """The list as a workbook: barcodes as text, so that no spreadsheet rounds them."""
    from terminal.prices.workbook import write_workbook  # noqa: PLC0415 - as above

    price = list(HEADER).index(Column.PRICE)
    return write_workbook("价目", tuple(HEADER.values()), map(texts_of, items), money_column=price)
