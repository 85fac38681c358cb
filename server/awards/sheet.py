"""Reading a table that somebody keeps in a spreadsheet: CSV (UTF-8 or GBK) or XLSX.

Rows come one by one and never more than a file may have, so that memory stays small whatever
is handed in. What is wrong with a cell is told with its line and column; what is wrong with
the whole file is a :class:`SheetRefused`.
"""

import codecs
import csv
import unicodedata
import zipfile
import zlib
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import IO, Any
from xml.etree.ElementTree import ParseError
from xml.parsers import expat

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

MAX_ROWS = 10_000
MAX_CSV_BYTES = 16 * 1024 * 1024
MAX_XLSX_BYTES = 16 * 1024 * 1024
MAX_COLUMNS = 32
MAX_CELL_CHARS = 500
_MAX_ROWS_WITH_BLANKS = 2 * MAX_ROWS
_MAX_SHEET_BYTES = 128 * 1024 * 1024
# The library holds a row whole, some fifty bytes for each of the file's; 16,384 cells fit in this.
_MAX_ROW_BYTES = 1024 * 1024
_ROW = "http://schemas.openxmlformats.org/spreadsheetml/2006/main}row"
_ROW_DEPTH = 3
_SHEETS = "xl/worksheets/"
_MAX_PART_BYTES = 32 * 1024 * 1024
_CHUNK_BYTES = 64 * 1024
_ZIP = b"PK\x03\x04"
_OLD_EXCEL = b"\xd0\xcf\x11\xe0"
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_FORMULA_SIGNS = frozenset("=+-@")
# Excel keeps 15 digits of a number and makes the others zero.
_EXACT_DIGITS = 15

_TOO_MANY = (
    f"行数太多：一次最多 {MAX_ROWS} 行，请分成几个文件"
    f" / too many rows: at most {MAX_ROWS}, split the file"
)


class SheetRefused(Exception):  # noqa: N818 - named as the sentence it states
    """The file as a whole cannot be read; the message says what to do, Chinese first."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column by the names that its header may have; the first one is shown in messages."""

    key: str
    headers: tuple[str, ...]
    required: bool = True


@dataclass(frozen=True, slots=True)
class BadCell:
    """What is wrong in a line (counted from 1, the header included) and what to do."""

    line: int
    column: str
    says: str


@dataclass(frozen=True, slots=True)
class SheetRow:
    """One row: its texts by column key, blank cells left out, and what is wrong with it."""

    line: int
    texts: dict[str, str]
    bad: tuple[BadCell, ...]


@dataclass(frozen=True, slots=True)
class _Cell:
    text: str
    is_formula: bool = False
    is_number: bool = False


_Lines = Generator[tuple[int, list[_Cell]], None, None]


def read_sheet(path: Path, columns: Sequence[Column]) -> Iterator[SheetRow]:
    """The file's rows that are not blank, in order, as they are asked for.

    Raises:
        SheetRefused: no table, another encoding, other columns, more than 10 000 rows.
    """
    try:
        with path.open("rb") as file:
            start = file.read(4)
        size = path.stat().st_size
    except OSError as fault:
        raise SheetRefused(
            f"文件打不开：{path.name} / cannot open the file: {fault.strerror}"
        ) from fault
    if start.startswith(_OLD_EXCEL):
        raise SheetRefused("这是旧版 Excel 文件，请另存为 .xlsx / save it as .xlsx first")
    if start == _ZIP:
        lines = _xlsx_lines(path, size)
    elif start.startswith(_UTF16):
        raise SheetRefused(
            "文件编码是 UTF-16，请另存为“CSV UTF-8” / the file is UTF-16, save it as CSV UTF-8"
        )
    else:
        lines = _csv_lines(path, size)
    with closing(lines):
        yield from _rows(lines, columns)


def _rows(
    lines: Iterator[tuple[int, list[_Cell]]], columns: Sequence[Column]
) -> Iterator[SheetRow]:
    header = next(lines, None)
    if header is None:
        raise SheetRefused("文件是空的 / the file is empty")
    places = _places([cell.text for cell in header[1]], columns)
    count = 0
    for line, cells in lines:
        if not any(cell.text for cell in cells):
            continue
        count += 1
        if count > MAX_ROWS:
            raise SheetRefused(_TOO_MANY)
        yield _row(line, cells, places, columns)


def _places(headers: list[str], columns: Sequence[Column]) -> list[Column | None]:
    """Which column stands where; blank headers at the end are no columns."""
    while headers and not headers[-1]:
        headers = headers[:-1]
    by_name = {_folded(name): column for column in columns for name in column.headers}
    found = [by_name.get(_folded(name)) for name in headers]
    unknown = [
        name or "（空 / blank）" for name, col in zip(headers, found, strict=True) if not col
    ]
    known = [column.key for column in found if column is not None]
    twice = sorted({column.headers[0] for column in columns if known.count(column.key) > 1})
    missing = [each.headers[0] for each in columns if each.required and each.key not in known]
    if unknown or twice or missing:
        told = (
            ("缺少列 / missing", missing),
            ("不认识的列（请删去）/ unknown, remove", unknown),
            ("重复的列 / twice", twice),
        )
        says = "；".join(f"{what}：{'、'.join(names)}" for what, names in told if names)
        wanted = "、".join(column.headers[0] for column in columns)
        raise SheetRefused(f"表头不对：{says}。可用的列 / columns: {wanted}")
    return found


def _row(
    line: int, cells: list[_Cell], places: list[Column | None], columns: Sequence[Column]
) -> SheetRow:
    texts: dict[str, str] = {}
    bad = []
    for cell, column in zip(cells, places, strict=False):
        if column is None or not cell.text:
            continue
        texts[column.key] = cell.text
        says = _wrong(cell)
        if says:
            bad.append(BadCell(line, column.headers[0], says))
    if any(cell.text for cell in cells[len(places) :]):
        bad.append(BadCell(line, "", "这一行的列比表头多，请检查逗号 / more cells than the header"))
    bad += [
        BadCell(line, column.headers[0], "是空的，请填写 / is blank, fill it in")
        for column in columns
        if column.required and column.key not in texts
    ]
    return SheetRow(line, texts, tuple(bad))


def _wrong(cell: _Cell) -> str | None:
    if cell.is_formula or unicodedata.normalize("NFKC", cell.text[0]) in _FORMULA_SIGNS:
        return (
            "不能是公式，也不能以 = + - @ 开头，请改成普通文字"
            " / no formulas and no = + - @ at the start, type plain text"
        )
    if cell.is_number and len(cell.text) >= _EXACT_DIGITS:
        return (
            "长数字会被 Excel 改掉末位，请把这一列设为“文本”再填"
            " / Excel changes long numbers, format the column as text"
        )
    if len(cell.text) > MAX_CELL_CHARS:
        return f"太长，最多 {MAX_CELL_CHARS} 个字 / at most {MAX_CELL_CHARS} characters"
    if any(unicodedata.category(sign) in {"Cc", "Cf", "Cs"} for sign in cell.text):
        return "含有看不见的字符，请重新输入 / holds invisible characters, type it again"
    return None


def _folded(header: str) -> str:
    return unicodedata.normalize("NFKC", header).strip().casefold().replace(" ", "_")


def _csv_lines(path: Path, size: int) -> _Lines:
    if size > MAX_CSV_BYTES:
        raise SheetRefused(_TOO_MANY)
    with path.open(encoding=_encoding(path), newline="") as file:
        reader = csv.reader(file, strict=True)
        line = 1
        try:
            for cells in reader:
                yield line, [_Cell(text.strip(" \u3000\n\r")) for text in cells]
                # A quoted cell may run over several lines: the row is where it began.
                line = reader.line_num + 1
        except csv.Error as fault:
            raise SheetRefused(
                f"第 {line} 行的引号或逗号不对，请检查 / line {line} is no CSV: {fault}"
            ) from fault


def _encoding(path: Path) -> str:
    """UTF-8 if all of the file is, else GBK; a file that says by a mark that it is UTF-8 must be.

    Raises:
        SheetRefused: it is neither; names the line.
    """
    with path.open("rb") as file:
        marked = file.read(3) == codecs.BOM_UTF8
    wrong_line = _first_wrong_line(path, "utf-8-sig")
    if wrong_line is None:
        return "utf-8-sig"
    if not marked and (wrong_line := _first_wrong_line(path, "gb18030")) is None:
        return "gb18030"
    raise SheetRefused(
        f"第 {wrong_line} 行的编码不对，请另存为“CSV UTF-8”"
        f" / line {wrong_line} is neither UTF-8 nor GBK, save the file as CSV UTF-8"
    )


def _first_wrong_line(path: Path, encoding: str) -> int | None:
    decoder = codecs.getincrementaldecoder(encoding)(errors="strict")
    lines = 1
    with path.open("rb") as file:
        while True:
            chunk = file.read(_CHUNK_BYTES)
            try:
                lines += decoder.decode(chunk, final=not chunk).count("\n")
            except UnicodeDecodeError as fault:
                return lines + bytes(fault.object)[: fault.start].count(b"\n")
            if not chunk:
                return None


def _xlsx_lines(path: Path, size: int) -> _Lines:
    if size > MAX_XLSX_BYTES:
        raise SheetRefused(_TOO_MANY)
    try:
        _refuse_bombs(path)
        book = openpyxl.load_workbook(path, read_only=True, keep_links=False)
        try:
            yield from _lines_of(book.worksheets)
        finally:
            book.close()
    except (
        InvalidFileException,
        zipfile.BadZipFile,
        zlib.error,
        ParseError,
        expat.ExpatError,
        # What reading a part that no spreadsheet wrote may stumble over; a RuntimeError is a
        # part that is locked or packed in a way that nobody here can unpack.
        ArithmeticError,
        AttributeError,
        LookupError,
        RuntimeError,
        ValueError,
        TypeError,
        EOFError,
    ) as fault:
        raise SheetRefused(
            "Excel 文件已损坏，请重新另存为 .xlsx / the file is damaged, save it as .xlsx again"
        ) from fault


def _lines_of(sheets: Sequence[Any]) -> Iterator[tuple[int, list[_Cell]]]:
    if len(sheets) != 1:
        raise SheetRefused(
            f"文件有 {len(sheets)} 个工作表，请只留一个 / keep one sheet, it has {len(sheets)}"
        )
    # Only what lies where every spreadsheet puts it was looked through for endless rows.
    if not sheets[0]._worksheet_path.startswith(_SHEETS):  # noqa: SLF001 - it tells its place nowhere else
        raise ValueError("a sheet elsewhere")
    # What a file says about its own size is not believed.
    sheets[0].reset_dimensions()
    for line, cells in enumerate(sheets[0].iter_rows(max_col=MAX_COLUMNS), start=1):
        if line > _MAX_ROWS_WITH_BLANKS:
            raise SheetRefused(_TOO_MANY)
        yield line, _trimmed(map(_xlsx_cell, cells))


def _trimmed(cells: Iterable[_Cell]) -> list[_Cell]:
    found = list(cells)
    while found and not found[-1].text:
        found.pop()
    return found


def _xlsx_cell(cell: Any) -> _Cell:
    value = cell.value
    if value is None:
        return _Cell("")
    if cell.data_type == "f":
        return _Cell(str(value), is_formula=True)
    if isinstance(value, datetime):
        return _Cell(value.date().isoformat())
    if isinstance(value, date):
        return _Cell(value.isoformat())
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return _Cell(str(value).strip(" \u3000\n\r"), is_number=is_number)


def _refuse_bombs(path: Path) -> None:
    """A small file may unpack to anything: sheets are streamed, the other parts are not."""
    with zipfile.ZipFile(path) as parts:
        for part in parts.infolist():
            is_sheet = part.filename.startswith(_SHEETS)
            if part.file_size > (_MAX_SHEET_BYTES if is_sheet else _MAX_PART_BYTES):
                raise SheetRefused(_TOO_MANY)
            if is_sheet:
                with parts.open(part) as sheet:
                    _refuse_endless_row(sheet)


def _refuse_endless_row(sheet: IO[bytes]) -> None:
    """A hundred kilobytes unpack to one row of ten million cells: no more of the sheet than
    ``_MAX_ROW_BYTES`` may lie between the ends of two rows.
    """
    parser = expat.ParserCreate(namespace_separator="}")
    depth = rows = row_ended_at = 0

    def start(_name: str, _attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1

    def end(name: str) -> None:
        nonlocal depth, rows, row_ended_at
        if name == _ROW and depth == _ROW_DEPTH:
            rows += 1
            row_ended_at = parser.CurrentByteIndex
        depth -= 1

    parser.StartElementHandler, parser.EndElementHandler = start, end
    fed = 0
    while (chunk := sheet.read(_CHUNK_BYTES)) and rows <= _MAX_ROWS_WITH_BLANKS:
        parser.Parse(chunk, False)
        fed += len(chunk)
        if fed - row_ended_at > _MAX_ROW_BYTES:
            raise SheetRefused(
                "有一行太长，请删去多余的内容再另存 / one row is too long, remove what is not needed"
            )
