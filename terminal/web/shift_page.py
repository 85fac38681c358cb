"""The page of the shift: open it, look at it, count the money and close it."""

from collections.abc import Callable
from typing import Final

from flask import Response
from msgspec import Struct

from protocol.business_day import SHANGHAI
from protocol.money import format_yuan
from terminal.checkout.page import Page
from terminal.domain.notice import Notice, NoticeCode, NoticeLevel
from terminal.domain.ports import Store
from terminal.shifts.figures import ShiftNow
from terminal.shifts.shifts import TENDERS, Counted, Shifts
from terminal.web.amounts import yuan
from terminal.web.bodies import NoBody, ShortText, read_body
from terminal.web.language import later, say, time_text
from terminal.web.more import MorePages, fen_of
from terminal.web.screen import FigureView
from terminal.web.words import unit_of

REPORTS_SHOWN: Final = 31
HERE: Final = "/more/shift"


class OpenBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Money in the drawer, as typed; empty for none."""

    float: ShortText


class CloseBody(Struct, frozen=True, forbid_unknown_fields=True):
    """What was counted, as typed; empty where nobody counted, or nothing came in so."""

    z_no: ShortText
    cash: ShortText
    wechat: ShortText
    alipay: ShortText
    other: ShortText
    elsewhere: bool


class ZBody(Struct, frozen=True, forbid_unknown_fields=True):
    z_no: ShortText


class ReportRow(Struct, frozen=True, kw_only=True):
    z_no: int
    closed: str
    money: str


class ShiftPage:
    """Its addresses."""

    def __init__(self, shifts: Shifts, store: Store, page: Page, pages: MorePages) -> None:
        self._shifts = shifts
        self._store = store
        self._page = page
        self._pages = pages

    def rules(self) -> tuple[dict[str, Callable[[], str]], dict[str, Callable[[], Response]]]:
        """Addresses that are looked at, and those that change something."""
        return {HERE: self.shift}, {
            f"{HERE}/open": self.open_shift,
            f"{HERE}/x": self.print_x,
            f"{HERE}/close": self.close_shift,
            f"{HERE}/reprint": self.reprint_z,
        }

    def shift(self) -> str:
        now = self._shifts.now()
        forgotten = None
        if self._shifts.is_forgotten():
            forgotten = self._pages.words(Notice(NoticeCode.SHIFT_FORGOTTEN, NoticeLevel.REFUSED))
        return self._pages.show(
            "shift",
            figures=self._figures(now),
            forgotten=forgotten,
            can_open=now.opened is None,
            can_close=not now.is_empty,
            next_z_no=self._shifts.next_z_no(),
            reports=self._reports(),
        )

    def open_shift(self) -> Response:
        fen = fen_of(read_body(OpenBody).float or "0")
        if isinstance(fen, NoticeCode):
            return self._pages.refused(fen)
        return self._pages.said(self._shifts.open(fen), HERE)

    def print_x(self) -> Response:
        read_body(NoBody)
        return self._pages.said(self._shifts.print_x(), HERE)

    def close_shift(self) -> Response:
        body = read_body(CloseBody)
        cash = fen_of(body.cash) if body.cash else None
        if isinstance(cash, NoticeCode):
            return self._pages.refused(cash)
        others: dict[str, int] = {}
        for name in TENDERS:
            fen = fen_of(getattr(body, name) or "0")
            if isinstance(fen, NoticeCode):
                return self._pages.refused(fen)
            others[name] = fen
        counted = Counted(cash, others, body.elsewhere)
        return self._pages.said(self._shifts.close(_number(body.z_no), counted), HERE)

    def reprint_z(self) -> Response:
        return self._pages.said(self._shifts.reprint(_number(read_body(ZBody).z_no)), HERE)

    def _figures(self, now: ShiftNow) -> tuple[FigureView, ...]:
        figures, unit = now.figures, unit_of(self._page.view())
        began = time_text(now.opened_at) if now.opened_at else "—"
        parked, points, cash_fen = self._store.parked_value()
        waiting: dict[str, str | int] = {
            "count": parked,
            "points": points,
            "unit": unit,
            "cash": format_yuan(cash_fen),
        }
        text = say(later("{count} 笔 · {points} {unit} · {cash} 元"), waiting)
        parked_row = FigureView(label=say(later("待处理的销售")), text=text)
        rows = tuple(
            FigureView(label=say(label, {"unit": unit}), text=text)
            for label, text in (
                (later("开始"), began),
                (later("备用金"), yuan(now.float_fen)),
                (later("销售"), say(later("{count} 笔"), {"count": figures.sales})),
                (
                    later("退货和撤销"),
                    say(later("{count} 笔"), {"count": figures.refunds + figures.voids}),
                ),
                (later("商品金额"), yuan(figures.sold_fen)),
                (later("退货金额"), yuan(figures.refunded_fen)),
                (later("收款（减退款）"), yuan(figures.money_fen)),
                (later("抽屉应有"), yuan(now.float_fen + figures.money_fen)),
                (later("用了{unit}"), str(figures.points_used)),
                (later("退回{unit}"), str(figures.points_returned)),
            )
        )
        return (*rows, parked_row) if parked else rows

    def _reports(self) -> tuple[ReportRow, ...]:
        rows = []
        for mark in self._store.z_reports(REPORTS_SHOWN):
            found = self._store.z_report(mark.z_no)
            if found is None:
                continue
            closed = found[0]
            differs_fen = 0
            if closed.counted_cash_fen is not None:
                differs_fen = closed.counted_cash_fen - closed.expected_cash_fen
            money = say(
                later("收款 {amount} 元"), {"amount": format_yuan(sum(closed.tenders_fen.values()))}
            )
            if differs_fen:
                sign = "+" if differs_fen > 0 else ""
                text = {"amount": f"{sign}{format_yuan(differs_fen)}"}
                differs = say(later("差额 {amount} 元"), text)
                money = f"{money} · {differs}"
            at = mark.closed_at.astimezone(SHANGHAI)
            rows.append(
                ReportRow(
                    z_no=mark.z_no,
                    closed=f"{closed.business_date:%Y-%m-%d} · {at:%m-%d %H:%M}",
                    money=money,
                )
            )
        return tuple(rows)


def _number(text: str) -> int:
    """A Z report's number as the page sends it; 0 where it is none, which no report has."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < len(str(10**9)) else 0
