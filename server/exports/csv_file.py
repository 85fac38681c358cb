"""A statement as CSV: one file with every table, each row with its table's name in front."""

import csv
import io

from server.exports.tables import Cell, Kind, Table, shown

BYTE_ORDER_MARK = "\ufeff"
"""By it the spreadsheets of an office read UTF-8, and not the code page of the machine."""

_STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
SEAL_ROW = "seal"


def guarded(cell: str | int | None) -> str | int:
    """A cell that is shown as it stands: text that a spreadsheet would calculate gets a ``'``.

    Whole numbers are left alone, also those below zero; None is an empty cell.
    """
    if cell is None:
        return ""
    if isinstance(cell, str) and cell.lstrip(" ").startswith(_STARTS_A_FORMULA):
        return f"'{cell}"
    return cell


def csv_bytes(tables: list[Table]) -> bytes:
    """UTF-8 with a byte order mark, CRLF at each line's end, up to where the seal goes.

    Every table begins with a row of column titles. Money is in yuan with two decimals.
    """
    out = io.StringIO()
    out.write(BYTE_ORDER_MARK)
    writer = csv.writer(out, lineterminator="\r\n")
    for table in tables:
        writer.writerow([table.title, *(column.title for column in table.columns)])
        kinds = [column.kind for column in table.columns]
        for row in table.rows:
            cells = (_cell(kind, cell) for kind, cell in zip(kinds, row, strict=True))
            writer.writerow([table.key, *cells])
    return f"{out.getvalue()}{SEAL_ROW},".encode()


def _cell(kind: Kind, cell: Cell) -> str | int:
    text = shown(kind, cell)
    # Numbers are ours and may begin with a minus; only text can be somebody else's formula.
    return guarded(text) if isinstance(cell, str) else text
