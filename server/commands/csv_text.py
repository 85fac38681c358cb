"""Tables as CSV that a spreadsheet opens as text and numbers, and never runs."""

import csv
import io
from collections.abc import Iterable, Sequence

BYTE_ORDER_MARK = "\ufeff"
"""By it the spreadsheets of an office read UTF-8, and not the code page of the machine."""

_STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def guarded(cell: str | int | None) -> str | int:
    """A cell that is shown as it stands: text that a spreadsheet would calculate gets a ``'``.

    Whole numbers are left alone, also those below zero; None is an empty cell.
    """
    if cell is None:
        return ""
    if isinstance(cell, str) and cell.lstrip(" ").startswith(_STARTS_A_FORMULA):
        return f"'{cell}"
    return cell


def csv_text(header: Sequence[str], rows: Iterable[Sequence[str | int | None]]) -> str:
    """UTF-8 text with a byte order mark, CRLF at each line's end, every cell guarded."""
    out = io.StringIO()
    out.write(BYTE_ORDER_MARK)
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows([guarded(cell) for cell in row] for row in rows)
    return out.getvalue()
