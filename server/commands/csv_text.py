"""Tables as CSV that a spreadsheet opens as text and numbers, and never runs."""

import csv
import io
from collections.abc import Iterable, Sequence

from server.exports.csv_file import BYTE_ORDER_MARK, guarded

__all__ = ["BYTE_ORDER_MARK", "csv_text", "guarded"]


def csv_text(header: Sequence[str], rows: Iterable[Sequence[str | int | None]]) -> str:
    """UTF-8 text with a byte order mark, CRLF at each line's end, every cell guarded."""
    out = io.StringIO()
    out.write(BYTE_ORDER_MARK)
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows([guarded(cell) for cell in row] for row in rows)
    return out.getvalue()
