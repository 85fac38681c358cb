"""What the owner wants to know in the evening: one business day out of this terminal's journal."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, datetime

from msgspec import Struct

from protocol.business_day import SHANGHAI
from protocol.money import allot
from protocol.sales import Happening, SaleCaptured, SaleRefunded
from protocol.shifts import ShiftClosed, ShiftFigures
from terminal.shifts.figures import shift_of


class Part(Struct, frozen=True):
    """What belongs to an hour or a category, less what came back. Fen and points; ``count`` sales."""

    count: int = 0
    goods_fen: int = 0
    cash_fen: int = 0
    points: int = 0

    def plus(self, other: "Part") -> "Part":
        return Part(
            self.count + other.count,
            self.goods_fen + other.goods_fen,
            self.cash_fen + other.cash_fen,
            self.points + other.points,
        )


class DayReport(Struct, frozen=True):
    """One business day. Hours and categories each add up to the figures.

    A refund counts in the hour in which it was given, and in no category of its own: the
    categories are of what was sold that day. ``by_tender`` is the money in fen as it was declared
    at the day's Z reports; ``open_fen`` is what of the day's money no Z report has yet.
    """

    day: date
    figures: ShiftFigures
    by_hour: Mapping[int, Part]
    by_category: Mapping[str, Part]
    by_tender: Mapping[str, int]
    open_fen: int


def report_of(
    day: date,
    records: Iterable[tuple[Happening, datetime]],
    *,
    closed: Iterable[ShiftClosed],
    since_last_z: Iterable[tuple[Happening, datetime]],
) -> DayReport:
    """Fold the records of a business day, whatever shift they were in, with the Z reports of the
    day and what came after the last of all.
    """
    own = _traded(day, records)
    by_tender: dict[str, int] = defaultdict(int)
    for each in closed:
        if each.business_date == day:
            for name, fen in each.tenders_fen.items():
                by_tender[name] += fen
    by_hour: dict[int, Part] = defaultdict(Part)
    by_category: dict[str, Part] = defaultdict(Part)
    for happening, at in own:
        hour = at.astimezone(SHANGHAI).hour
        if isinstance(happening, SaleCaptured):
            by_hour[hour] = by_hour[hour].plus(_whole(happening))
            for category, part in _by_category(happening).items():
                by_category[category] = by_category[category].plus(part)
        elif isinstance(happening, SaleRefunded):
            by_hour[hour] = by_hour[hour].plus(_back(happening))
    return DayReport(
        day=day,
        figures=shift_of(own).figures,
        by_hour=dict(sorted(by_hour.items())),
        by_category=dict(sorted(by_category.items())),
        by_tender=dict(by_tender),
        open_fen=shift_of(_traded(day, since_last_z)).figures.money_fen,
    )


def _traded(
    day: date, records: Iterable[tuple[Happening, datetime]]
) -> list[tuple[Happening, datetime]]:
    return [
        (x, at)
        for x, at in records
        if isinstance(x, SaleCaptured | SaleRefunded) and x.business_date == day
    ]


def _whole(sale: SaleCaptured) -> Part:
    goods_fen = sum(line.amount_fen for line in sale.lines)
    return Part(1, goods_fen, sale.payment.cash_fen, sale.payment.points)


def _back(refund: SaleRefunded) -> Part:
    goods_fen = sum(line.amount_fen for line in refund.lines)
    return Part(0, -goods_fen, -refund.payment.cash_fen, -refund.payment.points)


def _by_category(sale: SaleCaptured) -> dict[str, Part]:
    """Money and points that paid money are divided by the goods' amounts; points of goods that are
    priced in points are their own.
    """
    amounts: dict[str, int] = {}
    points: dict[str, int] = {}
    for line in sale.lines:
        amounts[line.category] = amounts.get(line.category, 0) + line.amount_fen
        points[line.category] = points.get(line.category, 0) + line.amount_points
    names = list(amounts)
    cash = allot(sale.payment.cash_fen, [amounts[name] for name in names])
    paid = allot(sale.payment.points_for_money, [amounts[name] for name in names])
    return {
        name: Part(1, amounts[name], cash[i], points[name] + paid[i])
        for i, name in enumerate(names)
    }
