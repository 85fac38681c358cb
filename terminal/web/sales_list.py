"""The list of past sales (最近交易) in words."""

from typing import Final

from msgspec import Struct

from protocol.money import format_yuan
from terminal.checkout.view import TillView
from terminal.domain.ports import SaleRow, SaleSummary
from terminal.domain.print_job import JobState
from terminal.web.language import later, say, time_text
from terminal.web.words import unit_of

RECENT_SALES: Final = 30


class SaleView(Struct, frozen=True, kw_only=True):
    """A completed sale. ``can_return``: something of it may still come back."""

    receipt_no: str
    time: str
    paid: str
    marks: tuple[str, ...]
    says: str
    can_return: bool


class SalesScreen(Struct, frozen=True, kw_only=True):
    """Newest first."""

    sales: tuple[SaleView, ...]


def sales_screen(sales: tuple[SaleSummary, ...], view: TillView) -> SalesScreen:
    """Put the newest sales into words."""
    unit = unit_of(view)
    return SalesScreen(
        sales=tuple(
            SaleView(
                receipt_no=sale.row.receipt_no or "",
                time=time_text(sale.row.opened_at),
                paid=_paid_text(sale.row, unit),
                marks=_marks(sale),
                says=sale.says.partition(" / ")[0] if sale.parked else "",
                can_return=not sale.refunded,
            )
            for sale in sales
        )
    )


def _figures(row: SaleRow, unit: str) -> dict[str, str | int]:
    return {"points": row.points, "unit": unit, "cash": format_yuan(row.cash_fen)}


def _paid_text(row: SaleRow, unit: str) -> str:
    if not row.points:
        return say(later("现金 {cash} 元"), _figures(row, unit))
    return say(later("{points} {unit} + 现金 {cash} 元"), _figures(row, unit))


def _marks(sale: SaleSummary) -> tuple[str, ...]:
    marks = []
    if sale.refunded:
        marks.append(say(later("已退货")))
    elif sale.partly_back:
        marks.append(say(later("部分退货")))
    if sale.row.stood_in:
        marks.append(say(later("离线")))
    if sale.parked:
        marks.append(say(later("待处理")))
    elif not sale.told:
        marks.append(say(later("待上传")))
    if sale.print_state in {JobState.FAILED, JobState.UNKNOWN}:
        marks.append(say(later("小票没有打好")))
    return tuple(marks)
