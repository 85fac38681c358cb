"""What a refund gives back: the rule that both sides run.

Lines come back at the prices at which they were sold, discounts off, points first and then money, and never more
of anything than was paid. Where everything was paid with points, fen that whole points cannot give
back wait until more of the sale comes back; when all of it is back, nothing is left waiting.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final

from msgspec import Struct

from protocol.money import QUANTITY_ONE_MILLI, price_of
from protocol.sales import Payment, RefundLine, SaleLine


class RefundProblem(StrEnum):
    """Why these quantities cannot come back."""

    NOTHING = "nothing"
    NO_SUCH_LINE = "no_such_line"
    NOT_WHOLE = "not_whole"
    """Part of a piece, of goods that were sold by the piece."""
    MORE_THAN_SOLD = "more_than_sold"


class Returned(Struct, frozen=True):
    """What came back of a sale altogether, at one time or at several."""

    quantity_milli: Mapping[int, int]
    amount_fen: Mapping[int, int]
    amount_points: Mapping[int, int]
    payment: Payment

    @property
    def goods_fen(self) -> int:
        return sum(self.amount_fen.values())


NOTHING_RETURNED = Returned({}, {}, {}, Payment())


def with_refund(back: Returned, lines: Sequence[RefundLine], payment: Payment) -> Returned:
    """``back`` and one refund more."""
    quantity, fen, points = (
        dict(back.quantity_milli),
        dict(back.amount_fen),
        dict(back.amount_points),
    )
    for line in lines:
        quantity[line.line_no] = quantity.get(line.line_no, 0) + line.quantity_milli
        fen[line.line_no] = fen.get(line.line_no, 0) + line.amount_fen
        points[line.line_no] = points.get(line.line_no, 0) + line.amount_points
    return Returned(quantity, fen, points, payments_added(back.payment, payment))


def payments_added(one: Payment, other: Payment) -> Payment:
    """Two payments, part by part."""
    return Payment(
        points_for_goods=one.points_for_goods + other.points_for_goods,
        points_for_money=one.points_for_money + other.points_for_money,
        cash_fen=one.cash_fen + other.cash_fen,
        waived_fen=one.waived_fen + other.waived_fen,
        rounded_up_fen=one.rounded_up_fen + other.rounded_up_fen,
    )


def payment_worth_fen(payment: Payment, fen_per_point: int) -> int:
    """The money of goods that a payment stands for."""
    return (
        payment.points_for_money * fen_per_point
        + payment.cash_fen
        + payment.waived_fen
        - payment.rounded_up_fen
    )


def rate_of_sale(lines: Iterable[SaleLine], payment: Payment) -> int:
    """Fen a point was worth when this was sold; 0 where no points paid money."""
    if payment.points_for_money == 0:
        return 0
    rest_fen = payment.cash_fen + payment.waived_fen - payment.rounded_up_fen
    return (sum(line.amount_fen for line in lines) - rest_fen) // payment.points_for_money


def is_all_back(lines: Iterable[SaleLine], back: Returned) -> bool:
    """Whether of every line everything came back."""
    return all(back.quantity_milli.get(x.line_no, 0) == x.quantity_milli for x in lines)


def worth_of(line: SaleLine, milli: int) -> tuple[int, int]:
    """What so much of a sold line is worth, in fen and points: all of it what it was sold for.

    A line that had a discount is worth its own part of what is left, halves rounded up.
    """
    price_fen = line.unit_price_fen or 0
    fen = price_of(price_fen, milli)
    if line.amount_fen != price_of(price_fen, line.quantity_milli):
        fen = (line.amount_fen * milli * 2 + line.quantity_milli) // (2 * line.quantity_milli)
    return fen, price_of(line.unit_price_points or 0, milli)


_WEIGHTS: Final = frozenset({"kg", "千克", "公斤", "斤", "市斤", "两", "g", "克"})


def is_by_weight(line: SaleLine) -> bool:
    """Whether a part of a unit can come back: also of greens that weighed two kilograms even."""
    return line.unit in _WEIGHTS or line.quantity_milli % QUANTITY_ONE_MILLI != 0


def left_of(lines: Iterable[SaleLine], back: Returned) -> dict[int, int]:
    """By line number: how much can still come back, in thousandths; lines with nothing left out."""
    left = {x.line_no: x.quantity_milli - back.quantity_milli.get(x.line_no, 0) for x in lines}
    return {line_no: milli for line_no, milli in left.items() if milli > 0}


def refund_for(
    lines: Sequence[SaleLine],
    paid: Payment,
    back: Returned,
    wanted: Mapping[int, int],
) -> tuple[tuple[RefundLine, ...], Payment] | RefundProblem:
    """The lines and the payment of a refund of ``wanted`` (line number: thousandths).

    ``back`` is what came back before. Deterministic, and every part of the payment is 0 or more
    and, with all that came before, at most what was paid.
    """
    if not wanted or min(wanted.values()) <= 0:
        return RefundProblem.NOTHING
    sold = {line.line_no: line for line in lines}
    returning = []
    for line_no, milli in sorted(wanted.items()):
        line = sold.get(line_no)
        if line is None:
            return RefundProblem.NO_SUCH_LINE
        if milli > line.quantity_milli - back.quantity_milli.get(line_no, 0):
            return RefundProblem.MORE_THAN_SOLD
        if not is_by_weight(line) and milli % QUANTITY_ONE_MILLI:
            return RefundProblem.NOT_WHOLE
        returning.append(_returned_line(line, milli, back))
    after = with_refund(back, returning, Payment())
    return tuple(returning), _payment(lines, paid, back, after)


def _returned_line(line: SaleLine, milli: int, back: Returned) -> RefundLine:
    """At the price of everything that is back with it, so that the parts add up to the whole."""
    altogether = back.quantity_milli.get(line.line_no, 0) + milli
    fen, points = back.amount_fen.get(line.line_no, 0), back.amount_points.get(line.line_no, 0)
    worth_fen, worth_points = worth_of(line, altogether)
    return RefundLine(
        line_no=line.line_no,
        quantity_milli=milli,
        amount_fen=max(0, worth_fen - fen),
        amount_points=max(0, worth_points - points),
    )


def _payment(lines: Sequence[SaleLine], paid: Payment, back: Returned, after: Returned) -> Payment:
    rate = rate_of_sale(lines, paid)
    had = back.payment
    points_left = paid.points_for_money - had.points_for_money
    goods_points = sum(after.amount_points.values()) - sum(back.amount_points.values())
    if is_all_back(lines, after):
        return Payment(
            points_for_goods=goods_points,
            points_for_money=points_left,
            cash_fen=paid.cash_fen - had.cash_fen,
            waived_fen=paid.waived_fen - had.waived_fen,
            rounded_up_fen=paid.rounded_up_fen - had.rounded_up_fen,
        )
    due_fen = after.goods_fen - payment_worth_fen(had, rate)
    points = min(points_left, due_fen // rate) if rate else 0
    due_fen -= points * rate
    cash_fen = min(paid.cash_fen - had.cash_fen, due_fen)
    waived_fen = min(paid.waived_fen - had.waived_fen, due_fen - cash_fen)
    return Payment(
        points_for_goods=goods_points,
        points_for_money=points,
        cash_fen=cash_fen,
        waived_fen=waived_fen,
    )
