"""The owner's page of prices: a list out of a file, the list as a file, one price changed."""

import csv
import io
from collections.abc import Callable, Iterable
from typing import Final

from flask import Response, request
from flask import stream_with_context as keep_request
from msgspec import Struct

from protocol.money import format_yuan
from terminal.domain.notice import Notice
from terminal.prices.desk import MAX_REASON_CHARS, PriceDesk
from terminal.prices.files import MAX_FILE_BYTES, FileProblem, FileProblemError
from terminal.prices.looking_through import Looked
from terminal.prices.rows import FORMULA_SIGNS, BadRow
from terminal.web.answers import json_answer
from terminal.web.bodies import NoBody, ShortText, read_body
from terminal.web.language import later, say
from terminal.web.more import MorePages, Said
from terminal.web.price_words import file_words, wrong_words

HERE: Final = "/more/prices"
SHOWN_BAD_ROWS: Final = 100
_SHEET: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_FORMULA_SIGNS: Final = (*FORMULA_SIGNS, "\t", "\r")

_TOO_LARGE: Final = FileProblemError(FileProblem.TOO_LARGE, str(MAX_FILE_BYTES // 1024 // 1024))


class TakeBody(Struct, frozen=True, forbid_unknown_fields=True):
    """``without_bad``: rows that are wrong are left out, by the owner's choice."""

    file_sha256: ShortText
    pin: ShortText
    reason: ShortText
    without_bad: bool = False


class ChangeBody(Struct, frozen=True, forbid_unknown_fields=True):
    """``price`` in yuan, as typed."""

    code: ShortText
    price: ShortText
    pin: ShortText
    reason: ShortText


class WrongAnswer(Struct, frozen=True, kw_only=True):
    """A value of ``RowProblem``, one of ``Column``, and what stands there or is in its way."""

    problem: str
    column: str
    shown: str


class BadRowAnswer(Struct, frozen=True, kw_only=True):
    row_no: int
    wrong: tuple[WrongAnswer, ...]


class CheckedList(Struct, frozen=True, kw_only=True):
    """A list that was looked through, for the command; every row that is wrong."""

    file_sha256: str
    rows: int
    items: int
    added: int
    changed: int
    removed: int
    bad: tuple[BadRowAnswer, ...]


class PricesPage:
    """Its addresses."""

    def __init__(self, desk: PriceDesk, pages: MorePages) -> None:
        self._desk = desk
        self._pages = pages

    def rules(
        self,
    ) -> tuple[dict[str, Callable[[], str | Response]], dict[str, Callable[[], Response]]]:
        """Addresses that are looked at, and those that change something."""
        return {
            HERE: self.prices,
            f"{HERE}.csv": self.prices_csv,
            f"{HERE}.xlsx": self.prices_xlsx,
            f"{HERE}/bad.csv": self.bad_rows_csv,
        }, {
            f"{HERE}/check": self.check_prices,
            f"{HERE}/take": self.take_prices,
            f"{HERE}/forget": self.forget_prices,
            f"{HERE}/change": self.change_price,
        }

    def prices(self) -> str:
        asked = request.args.get("q", "")[:MAX_REASON_CHARS]
        looked = self._desk.looked()
        return self._pages.show(
            "prices",
            count=self._desk.count(),
            looked=looked,
            bad=[_bad_view(x) for x in looked.bad[:SHOWN_BAD_ROWS]] if looked else [],
            asked=asked,
            most_bytes=MAX_FILE_BYTES,
            too_large=" ".join(file_words(_TOO_LARGE)),
            found=[(x, format_yuan(x.price_fen)) for x in self._desk.find(asked)],
        )

    def prices_csv(self) -> Response:
        body = keep_request(self._desk.csv_file())
        return Response(body, mimetype="text/csv; charset=utf-8", headers=_as_file("csv"))

    def prices_xlsx(self) -> Response:
        return Response(self._desk.xlsx_file(), mimetype=_SHEET, headers=_as_file("xlsx"))

    def bad_rows_csv(self) -> Response:
        looked = self._desk.looked()
        out = io.StringIO("\ufeff")
        out.seek(0, io.SEEK_END)
        sheet = csv.writer(out)
        names = (later("行"), later("列"), later("原来写的"), later("哪里不对"), later("怎么改"))
        sheet.writerow([say(name) for name in names])
        for row in looked.bad if looked else ():
            for wrong in row.wrong:
                cells = (str(row.row_no), *wrong_words(wrong))
                sheet.writerow([f"'{x}" if x.startswith(_FORMULA_SIGNS) else x for x in cells])
        headers = _as_file("csv", "bad-rows")
        return Response(out.getvalue(), mimetype="text/csv; charset=utf-8", headers=headers)

    def check_prices(self) -> Response:
        looked = self._looked_through()
        if isinstance(looked, FileProblemError):
            text, todo = file_words(looked)
            return json_answer(Said(level="refused", text=text, next=todo))
        if isinstance(looked, Notice):
            return self._pages.said(looked, "")
        if request.args.get("whole") == "1":
            return json_answer(_checked(looked))
        return json_answer(Said(level="ask", text="", next="", go=HERE))

    def _looked_through(self) -> Looked | FileProblemError | Notice:
        if (request.content_length or 0) > MAX_FILE_BYTES:
            return _TOO_LARGE
        request.max_content_length = MAX_FILE_BYTES
        data = request.get_data(cache=False)
        return self._desk.check(data, replaces=request.args.get("replace") == "1")

    def take_prices(self) -> Response:
        body = read_body(TakeBody)
        said = self._desk.take(
            body.file_sha256, pin=body.pin, reason=body.reason, without_bad=body.without_bad
        )
        return self._pages.said(said, HERE)

    def forget_prices(self) -> Response:
        read_body(NoBody)
        return self._pages.said(self._desk.forget(), HERE)

    def change_price(self) -> Response:
        body = read_body(ChangeBody)
        said = self._desk.change(body.code, body.price, pin=body.pin, reason=body.reason)
        return self._pages.said(said, HERE)


def _as_file(extension: str, name: str = "prices") -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="huidian-{name}.{extension}"'}


def _bad_view(row: BadRow) -> tuple[int, Iterable[tuple[str, str, str, str]]]:
    return row.row_no, [wrong_words(x) for x in row.wrong]


def _checked(looked: Looked) -> CheckedList:
    return CheckedList(
        file_sha256=looked.file_sha256,
        rows=looked.rows,
        items=looked.counts.items,
        added=looked.counts.added,
        changed=looked.counts.changed,
        removed=looked.counts.removed,
        bad=tuple(
            BadRowAnswer(
                row_no=row.row_no,
                wrong=tuple(
                    WrongAnswer(problem=x.problem.value, column=x.column.value, shown=x.shown)
                    for x in row.wrong
                ),
            )
            for row in looked.bad
        ),
    )
