"""A statement as a workbook: a sheet for each table, numbers as numbers, and no formula.

The same statement gives the same bytes: dates inside are the statement's, and parts stand in the
order in which they are written.
"""

import io
import zipfile
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import openpyxl
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.xml.functions import tostring

from protocol.business_day import SHANGHAI
from server.exports.canonical import FORMAT_NAME
from server.exports.tables import Cell, Kind, Table, printable

MAX_ROWS = 1_000_000
"""A sheet of Excel holds 1 048 576 rows."""

_NUMBERS = {
    Kind.YUAN: "#,##0.00;[Red]-#,##0.00;0.00",
    Kind.NUMBER: "#,##0;[Red]-#,##0;0",
    Kind.RATE: "0.00%",
    Kind.MILLI: "0.###",
}
_SCALES = {Kind.YUAN: -2, Kind.RATE: -4, Kind.MILLI: -3}
_DAY = "yyyy-mm-dd"
_TIME = "yyyy-mm-dd hh:mm:ss"
_WIDTHS = {Kind.YUAN: 14, Kind.NUMBER: 10, Kind.RATE: 10, Kind.MILLI: 10, Kind.DAY: 12}
_TIME_WIDTH, _TEXT_WIDTH_MIN, _TEXT_WIDTH_MAX = 20, 10, 48
_LOOKED_AT_FOR_WIDTH = 200
_MAX_CELL_CHARS = 32_767
_HEADER = PatternFill("solid", fgColor="DDE7F0")
_COMMENT_LENGTH_BYTES = 2
# A part of ours among those of the workbook; its content type has to be named.
_EMBEDDED = f"{FORMAT_NAME}.json"
_TYPES = "[Content_Types].xml"
_CORE = "docProps/core.xml"
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)


def xlsx_bytes(tables: list[Table], payload: bytes, made_at: datetime, seal_bytes: int) -> bytes:
    """The workbook with the canonical JSON inside, up to where the seal goes.

    The seal is the archive's comment, so its length has to be known before.
    """
    book = openpyxl.Workbook(write_only=True)
    for table in tables:
        _add_sheet(book, table)
    written = io.BytesIO()
    book.save(written)
    made = made_at.astimezone(UTC).replace(tzinfo=None)
    book.properties.creator = "Huidian"
    book.properties.created = made
    book.properties.modified = made
    core = tostring(book.properties.to_tree())
    packed = _packed(written, core, payload)
    return packed[:-_COMMENT_LENGTH_BYTES] + seal_bytes.to_bytes(_COMMENT_LENGTH_BYTES, "little")


def embedded_payload(content: bytes) -> bytes:
    """The canonical JSON inside a workbook of ours.

    Raises:
        KeyError, zipfile.BadZipFile: it holds none.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as parts:
        return parts.read(_EMBEDDED)


def _add_sheet(book: Any, table: Table) -> None:
    sheet = book.create_sheet(table.title)
    sheet.freeze_panes = "A2"
    for number, width in enumerate(_widths(table), start=1):
        sheet.column_dimensions[get_column_letter(number)].width = width
    if table.rows:
        last = get_column_letter(len(table.columns))
        sheet.auto_filter.ref = f"A1:{last}{len(table.rows) + 1}"
    sheet.append([_header(sheet, column.title) for column in table.columns])
    for row in table.rows:
        sheet.append(
            [
                _cell(sheet, column.kind, cell)
                for column, cell in zip(table.columns, row, strict=True)
            ]
        )


def _header(sheet: Any, title: str) -> Any:
    cell = WriteOnlyCell(sheet, title)
    cell.font = Font(bold=True)
    cell.fill = _HEADER
    cell.alignment = Alignment(wrap_text=True, vertical="top")
    return cell


def _cell(sheet: Any, kind: Kind, value: Cell) -> Any:
    if value is None:
        return None
    if isinstance(value, str):
        return _text(sheet, printable(value)[:_MAX_CELL_CHARS])
    if isinstance(value, datetime):
        cell = WriteOnlyCell(sheet, value.astimezone(SHANGHAI).replace(tzinfo=None))
        cell.number_format = _TIME
    elif isinstance(value, date):
        cell = WriteOnlyCell(sheet, value)
        cell.number_format = _DAY
    else:
        scale = _SCALES.get(kind)
        cell = WriteOnlyCell(sheet, value if scale is None else Decimal(value).scaleb(scale))
        cell.number_format = _NUMBERS[kind]
    return cell


def _text(sheet: Any, text: str) -> Any:
    """Text that stays text: not a formula, an error or a number, whatever it begins with."""
    cell = WriteOnlyCell(sheet, text)
    if cell.data_type != "s":
        cell.data_type = "s"
        # Kept when somebody edits the cell: Excel then shows it with a ' in front.
        cell.quotePrefix = True
    return cell


def _widths(table: Table) -> Iterator[int]:
    for place, column in enumerate(table.columns):
        if column.kind is Kind.TEXT:
            texts = [str(row[place]) for row in table.rows[:_LOOKED_AT_FOR_WIDTH]]
            widest = max(map(_width, texts), default=0) + 2
            yield min(max(widest, _TEXT_WIDTH_MIN), _TEXT_WIDTH_MAX)
        else:
            yield _WIDTHS.get(column.kind, _TIME_WIDTH)


def _width(text: str) -> int:
    return sum(1 if sign.isascii() else 2 for sign in text)


def _packed(written: io.BytesIO, core: bytes, payload: bytes) -> bytes:
    """The same parts with fixed dates, our part among them."""
    out = io.BytesIO()
    with zipfile.ZipFile(written) as parts, zipfile.ZipFile(out, "w") as packed:
        for name, content in _parts(parts, core, payload):
            entry = zipfile.ZipInfo(name, _ZIP_DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o600 << 16
            packed.writestr(entry, content)
    return out.getvalue()


def _parts(parts: zipfile.ZipFile, core: bytes, payload: bytes) -> Iterable[tuple[str, bytes]]:
    types = parts.read(_TYPES)
    known = b'<Default Extension="xml"'
    assert types.count(known) == 1, "the workbook names its types in another way"
    yield (
        _TYPES,
        types.replace(
            known, b'<Default Extension="json" ContentType="application/json" />' + known
        ),
    )
    yield _EMBEDDED, payload
    for name in parts.namelist():
        if name != _TYPES:
            yield name, core if name == _CORE else parts.read(name)
