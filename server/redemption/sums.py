"""Whether a sale's own numbers agree: lines with their prices, payment with the lines."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from protocol.business_day import business_date
from protocol.discounts import Discount, discounts_hold
from protocol.money import MAX_AMOUNT_FEN, Points, price_of
from protocol.redemption import RedemptionTerms, Tender, TenderProblem, due_of, tender
from protocol.sales import Payment, RefundLine, SaleLine

MAX_LINES = 500
MAX_UNITS = 10**9
"""No quantity, price or number of points in a shop is above this."""

_FIRST_YEAR = 2020
_LAST_YEAR = 2200


def time_problem(
    occurred_at: datetime,
    day: date,
    *,
    enrolled_at: datetime | None,
    recorded_at: datetime,
    hour: int,
) -> str | None:
    """What is wrong with a terminal's time, or None.

    A record may be late by any time, since late facts are facts; but no terminal sold before
    it was enrolled (a day is left to its clock): such a date would ask the settlement for a
    contract that nobody made. A business date after tomorrow would fall into a period that
    nobody is settling yet.
    """
    if occurred_at.utcoffset() is None or not _FIRST_YEAR <= occurred_at.year <= _LAST_YEAR:
        return "终端时间不可用 / the terminal's time is not usable"
    if not _FIRST_YEAR <= day.year <= _LAST_YEAR:
        return "营业日不可用 / the business date is not usable"
    if enrolled_at is None or day < business_date(enrolled_at, hour) - timedelta(days=1):
        return (
            f"营业日 {day} 早于终端注册日 / business date {day} is before the terminal was enrolled"
        )
    if day > business_date(recorded_at, hour) + timedelta(days=1):
        return f"营业日 {day} 还没有到 / business date {day} has not come yet"
    return None


def lines_problem(lines: tuple[SaleLine, ...]) -> str | None:
    """What is wrong with a sale's lines, or None."""
    if not 1 <= len(lines) <= MAX_LINES:
        return f"商品行数不对：{len(lines)} / {len(lines)} lines"
    if len({line.line_no for line in lines}) != len(lines):
        return "行号重复 / a line's number stands twice"
    for line in lines:
        if not _line_holds(line):
            return f"第 {line.line_no} 行金额不对 / line {line.line_no} does not add up"
    return None


def discounts_problem(lines: tuple[SaleLine, ...], discounts: tuple[Discount, ...]) -> str | None:
    """What is wrong with what was taken off the lines, by the rule that both sides run; or None."""
    prices = {
        line.line_no: price_of(line.unit_price_fen, line.quantity_milli)
        for line in lines
        if line.unit_price_fen is not None
    }
    off = {line.line_no: line.discount_fen for line in lines if isinstance(line.discount_fen, int)}
    if discounts_hold(prices, off, discounts):
        return None
    return "折扣与商品金额不符 / the discounts do not add up to the goods"


def _line_holds(line: SaleLine) -> bool:
    numbers = (
        line.line_no,
        line.unit_price_fen or 0,
        line.unit_price_points or 0,
        line.amount_fen,
        line.amount_points,
        line.reimbursement_fen,
        line.catalogue_version,
        line.discount_fen or 0,
    )
    if not all(0 <= each <= MAX_UNITS for each in numbers):
        return False
    if not 0 < line.quantity_milli <= MAX_UNITS:
        return False
    if line.unit_price_fen is None and line.unit_price_points is None:
        return False
    due_fen = price_of(line.unit_price_fen or 0, line.quantity_milli)
    due_points = price_of(line.unit_price_points or 0, line.quantity_milli)
    return (
        line.amount_fen + (line.discount_fen or 0) == due_fen and line.amount_points == due_points
    )


def payment_problem(
    lines: tuple[SaleLine, ...], payment: Payment, accepted: Sequence[RedemptionTerms]
) -> str | None:
    """What is wrong with how lines were paid, by the rule that both sides run; or None.

    ``accepted`` are the terms that the terminal may have had, the newest first: one will do.
    """
    money_fen = sum(line.amount_fen for line in lines)
    goods_points = sum(line.amount_points for line in lines)
    if money_fen > MAX_AMOUNT_FEN or goods_points > MAX_UNITS:
        return "金额超过上限 / more than a sale may be"
    if min(_parts(payment)) < 0 or max(_parts(payment)) > MAX_UNITS:
        return "支付金额不对 / a part of the payment is out of range"
    answers = [
        tender(due_of(lines, terms.limits), terms, Points(payment.points)) for terms in accepted
    ]
    if any(isinstance(paid, Tender) and _expected(paid) == _parts(payment) for paid in answers):
        return None
    if isinstance(answers[0], TenderProblem):
        return _TENDER_SAYS[answers[0]]
    return "支付与商品金额不符 / the payment does not add up to the goods"


_TENDER_SAYS = {
    TenderProblem.FEWER_THAN_GOODS: "所用积分与商品不符 / these points cannot pay these goods",
    TenderProblem.MORE_THAN_DUE: "所用积分与商品不符，超过积分可付的部分"
    " / these points cannot pay these goods: more than points may pay of them",
    TenderProblem.OVER_LIMIT: "所用积分超过每单或每天的上限"
    " / more points than one sale, or one day, may take",
    TenderProblem.BELOW_MINIMUM: "所用积分少于最低数 / fewer points than a sale takes at least",
    TenderProblem.EXCLUDED_GOODS: "有不能用积分的商品 / there are goods that points may not pay",
}


def _expected(paid: Tender) -> tuple[int, int, int, int, int]:
    return (
        paid.points_for_goods,
        paid.points_for_money,
        paid.cash_fen,
        paid.waived_fen,
        paid.rounded_up_fen,
    )


def refund_problem(lines: tuple[RefundLine, ...], payment: Payment) -> str | None:
    """What is wrong with a refund's own numbers, or None; what was sold is not looked at."""
    if not 1 <= len(lines) <= MAX_LINES:
        return f"退货行数不对：{len(lines)} / {len(lines)} lines"
    if len({line.line_no for line in lines}) != len(lines):
        return "行号重复 / a line's number stands twice"
    for line in lines:
        numbers = (line.amount_fen, line.amount_points)
        in_range = all(0 <= each <= MAX_UNITS for each in numbers)
        if not in_range or not 0 < line.quantity_milli <= MAX_UNITS:
            return f"第 {line.line_no} 行退货不对 / line {line.line_no} is out of range"
    if min(_parts(payment)) < 0 or max(_parts(payment)) > MAX_UNITS:
        return "退款金额不对 / a part of the refund is out of range"
    if payment.points_for_goods != sum(line.amount_points for line in lines):
        return "退还积分与退货不符 / the points given back do not add up to the goods"
    return None


def _parts(payment: Payment) -> tuple[int, int, int, int, int]:
    return (
        payment.points_for_goods,
        payment.points_for_money,
        payment.cash_fen,
        payment.waived_fen,
        payment.rounded_up_fen,
    )
