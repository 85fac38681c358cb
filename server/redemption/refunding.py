"""Booking goods that came back: the sale's entries mirrored, at the sale's own frozen rates.

Points go back to the same resident first, then money. What several refunds of one sale give
back is counted together, so that all of them never undo more than the sale did, to the fen.
"""

from collections.abc import Mapping, Sequence

from msgspec.structs import replace
from sqlalchemy import Connection, insert

from protocol.money import price_of
from protocol.refunds import (
    NOTHING_RETURNED,
    Returned,
    is_all_back,
    left_of,
    payment_worth_fen,
    refund_for,
    with_refund,
    worth_of,
)
from protocol.sales import Payment, RefundLine, SaleLine, SaleRefunded
from server.directory.accounts import (
    POOL_FUND,
    TAKINGS_CONTRA,
    merchant_account,
    takings_account,
)
from server.ledger import Asset, EntryDraft, Leg, Posted, post
from server.redemption import tables as t
from server.redemption.booked import Booked, Booking, Duplicate, Parked
from server.redemption.capture import Told, money_reimbursement_fen
from server.redemption.declared import last_declared
from server.redemption.giving_back import lapsed_back, lapsed_of_sale, points_back
from server.redemption.orders import is_order, orders_of_sale
from server.redemption.over_refunding import Excess, post_excess
from server.redemption.queries import Refund, Sale, refund_of, refunds_of, sale_of
from server.redemption.states import SaleState
from server.redemption.stock import goods_back, move_goods
from server.redemption.sums import refund_problem
from server.redemption.taking_back import TakingBack, orders_refund_problem
from server.redemption.told_before import told_otherwise

REFUND_KEY = "refund:"
REIMBURSEMENT_RETURNED_CODE = "reimbursement_returned"
TAKINGS_RETURNED_CODE = "takings_returned"


def book_refund(tx: Connection, told: Told, refund: SaleRefunded) -> Booking:
    """Book a refund once; what cannot be booked is parked and changes nothing."""
    pool = told.terms.pool
    known = refund_of(tx, pool, refund.refund_id)
    if known is not None:
        if known.content_hash == told.content_hash:
            return Duplicate()
        return told_otherwise(known, refund, told.content_hash, told.terminal.merchant)
    sale = sale_of(tx, pool, refund.sale_id)
    if sale is None or sale.state is not SaleState.CAPTURED:
        return Parked("找不到原销售 / the sale that this gives back is not in the books")
    if sale.merchant != told.terminal.merchant:
        return Parked("原销售属于另一家商户 / the sale was another merchant's")
    before = _summed(refunds_of(tx, pool, sale.sale_id))
    problem = _own_problem(told, refund, sale) or _void_problem(tx, told, refund, sale)
    if problem is not None:
        return Parked(problem)
    left = _left(tx, pool, sale, before)
    after = with_refund(before, refund.lines, refund.payment)
    if (
        _is_more_than_left(refund, left)
        or _is_more_than_sold(sale, after)
        or _is_more_than_paid(refund, sale, after)
    ):
        return _book_over_refund(tx, told, refund, sale, before)
    return _book(tx, told, refund, sale, before)


def _book(
    tx: Connection, told: Told, refund: SaleRefunded, sale: Sale, before: Returned
) -> Booking:
    pool = told.terms.pool
    after = with_refund(before, refund.lines, refund.payment)
    promised = any(is_order(line) for line in sale.lines)
    orders = orders_of_sale(tx, pool, sale.sale_id) if promised else {}
    problem = _sum_problem(refund, sale, after) or orders_refund_problem(
        orders, refund, told.terminal.merchant, by_office=told.by_office
    )
    if problem is not None:
        return Parked(problem)
    reimbursement_fen = _reimbursement_fen(sale, after) - _reimbursement_fen(sale, before)
    _write(tx, told, refund, reimbursement_fen)
    back = goods_back(sale.lines, refund.lines)
    move_goods(tx, told.stamp, f"{REFUND_KEY}{refund.refund_id}", back)
    lapsed = lapsed_of_sale(tx, pool, sale) if is_all_back(sale.lines, after) else 0
    _post(tx, told, refund, reimbursement_fen, lapsed)
    TakingBack(tx, told.stamp, refund, told.envelope.occurred_at).run(orders)
    return Booked()


def _book_over_refund(
    tx: Connection, told: Told, refund: SaleRefunded, sale: Sale, before: Returned
) -> Booking:
    """Book what was still there to come back, and note the rest on the merchant's account of
    over-refunds: the goods came back once, so the resident is given nothing twice.
    """
    priced = all(
        _is_about(line.amount_fen, worth_of(sold, line.quantity_milli)[0])
        and _is_about(line.amount_points, worth_of(sold, line.quantity_milli)[1])
        for line in refund.lines
        for sold in sale.lines
        if sold.line_no == line.line_no
    )
    if not priced:
        return Parked(
            "退货金额与原单价不符 / goods come back at another price than they were sold at"
        )
    left = _left(tx, told.terms.pool, sale, before)
    within = {
        line.line_no: min(line.quantity_milli, left[line.line_no])
        for line in refund.lines
        if line.line_no in left
    }
    part = refund_for(sale.lines, sale.payment, before, within) if within else None
    given = Payment()
    if isinstance(part, tuple):
        lines, given = part
        booked = _book(tx, told, replace(refund, lines=lines, payment=given), sale, before)
        if isinstance(booked, Parked):
            return booked
    excess = Excess(
        points=refund.payment.points - given.points,
        fen=refund.payment.cash_fen - given.cash_fen,
    )
    post_excess(tx, told, refund, excess)
    if isinstance(part, tuple):
        return Booked(says=excess.says)
    # Nothing of it is a refund: a person looks at it once, and then it waits no more.
    return Duplicate(excess.says) if told.by_office else Parked(excess.says)


def _left(tx: Connection, pool: str, sale: Sale, before: Returned) -> dict[int, int]:
    """By line number: how much can still come back, in thousandths. Of a voucher or a work order
    what was cancelled or has expired cannot: its points went back then, or never will.
    """
    left = left_of(sale.lines, before)
    if any(is_order(line) for line in sale.lines):
        for line_no, order in orders_of_sale(tx, pool, sale.sale_id).items():
            units = order.units.open_milli + order.units.done_milli
            left[line_no] = min(left.get(line_no, 0), units)
    return {line_no: milli for line_no, milli in left.items() if milli > 0}


def _is_more_than_left(refund: SaleRefunded, left: Mapping[int, int]) -> bool:
    return any(line.quantity_milli > left.get(line.line_no, 0) for line in refund.lines)


def _is_more_than_paid(refund: SaleRefunded, sale: Sale, after: Returned) -> bool:
    """Whether two refunds, each of them right by itself, give points back twice: neither terminal
    knew of the other, and each gave points first.
    """
    rate, paid = sale.fen_per_point or 0, _paid(sale)
    goods_fen = sum(line.amount_fen for line in refund.lines)
    by_itself = all(back <= most for back, most in zip(_amounts(refund.payment), paid, strict=True))
    adds_up = abs(goods_fen - payment_worth_fen(refund.payment, rate)) <= max(0, rate - 1)
    together = any(back > most for back, most in zip(_parts(after), paid, strict=True))
    return by_itself and adds_up and together


def _is_about(amount: int, price: int) -> bool:
    """Whether an amount can be a part's price. A till prices a part by the difference to what it
    knows to be back: one above its own price at most, and two below where a part before it was
    one above. What came back twice is never left out for such a fen.
    """
    return price - 2 <= amount <= price + 1


def _own_problem(told: Told, refund: SaleRefunded, sale: Sale) -> str | None:
    """What is wrong with a refund whatever came back before it."""
    if refund.account != sale.account:
        return "退货的居民与原销售不同 / the sale was another resident's"
    problem = told.time_problem(refund.business_date) or refund_problem(
        refund.lines, refund.payment
    )
    if problem is not None:
        return problem
    sold = {line.line_no: line for line in sale.lines}
    for line in refund.lines:
        if line.line_no not in sold:
            return f"原销售没有第 {line.line_no} 行 / the sale has no line {line.line_no}"
        if line.quantity_milli > sold[line.line_no].quantity_milli:
            return (
                f"第 {line.line_no} 行退得比卖得多"
                f" / more of line {line.line_no} came back than was sold"
            )
    return None


def _void_problem(tx: Connection, told: Told, refund: SaleRefunded, sale: Sale) -> str | None:
    """A void is of the same terminal's own sale, before its next Z report."""
    if refund.void is not True:
        return None
    if sale.terminal != told.terminal.terminal:
        return "撤销只能在原终端办理 / only the terminal that sold may void"
    own = (told.envelope.epoch, told.envelope.seq)
    last = last_declared(tx, told.terms.pool, sale.terminal, before=own)
    if (sale.epoch or 0, sale.seq or 0) < last:
        return "原销售已交班，不能撤销，请办退货 / the sale's shift is closed; refund it"
    return None


def _is_more_than_sold(sale: Sale, after: Returned) -> bool:
    return any(
        after.quantity_milli.get(line.line_no, 0) > line.quantity_milli for line in sale.lines
    )


def _sum_problem(refund: SaleRefunded, sale: Sale, after: Returned) -> str | None:
    sold = {line.line_no: line for line in sale.lines}
    for line_no in after.quantity_milli:
        line = sold[line_no]
        if (
            after.amount_fen[line_no] > line.amount_fen
            or after.amount_points[line_no] > line.amount_points
        ):
            return f"第 {line_no} 行退得比卖得多 / more of line {line_no} came back than was sold"
    if not all(_is_priced_as_sold(line, sold[line.line_no], after) for line in refund.lines):
        return "退货金额与原单价不符 / goods come back at another price than they were sold at"
    if any(back > paid for back, paid in zip(_parts(after), _paid(sale), strict=True)):
        return "退款超过原支付 / more is given back than was paid"
    rate = sale.fen_per_point or 0
    waiting_fen = after.goods_fen - payment_worth_fen(after.payment, rate)
    most_waiting = 0 if is_all_back(sale.lines, after) else max(0, rate - 1)
    if not 0 <= waiting_fen <= most_waiting:
        return "退款与退货金额不符 / the refund does not add up to the goods"
    return None


def _is_priced_as_sold(line: RefundLine, sold: SaleLine, after: Returned) -> bool:
    """Whether a line gives back the price of its quantity.

    Parts of a weighed line do not always add up to the fen: the part that completes what came
    before may make up for it. All parts together are never more than one above their price, or
    crumbs, each rounded up, would give back all of the price for half of the goods.
    """
    parts = zip(
        (line.amount_fen, line.amount_points),
        (after.amount_fen[line.line_no], after.amount_points[line.line_no]),
        worth_of(sold, line.quantity_milli),
        worth_of(sold, after.quantity_milli[line.line_no]),
        strict=True,
    )
    return all(
        back == altogether or (amount == alone and back <= altogether + 1)
        for amount, back, alone, altogether in parts
    )


def _summed(refunds: Sequence[Refund]) -> Returned:
    back = NOTHING_RETURNED
    for refund in refunds:
        back = with_refund(back, refund.lines, refund.payment)
    return back


def _parts(back: Returned) -> tuple[int, int, int, int, int]:
    return _amounts(back.payment)


def _paid(sale: Sale) -> tuple[int, int, int, int, int]:
    return _amounts(sale.payment)


def _amounts(payment: Payment) -> tuple[int, int, int, int, int]:
    return (
        payment.points_for_goods,
        payment.points_for_money,
        payment.cash_fen,
        payment.waived_fen,
        payment.rounded_up_fen,
    )


def _reimbursement_fen(sale: Sale, back: Returned) -> int:
    """What the pool gets back once ``back`` has come back, at the sale's frozen rates.

    Taken over all refunds together, so that the last of them leaves no fen over. What was paid
    for vouchers and work orders comes back from whoever did them.
    """
    goods_fen = sum(
        price_of(line.reimbursement_fen, back.quantity_milli.get(line.line_no, 0))
        for line in sale.lines
        if line.unit_price_points is not None and not is_order(line)
    )
    money_fen = money_reimbursement_fen(
        back.payment.points_for_money, sale.fen_per_point, sale.reimbursement_bp or 0
    )
    return goods_fen + money_fen


def _post(
    tx: Connection, told: Told, refund: SaleRefunded, reimbursement_fen: int, lapsed: int
) -> None:
    stamp, merchant = told.stamp, told.terminal.merchant
    legs: list[Leg] = []
    points = refund.payment.points
    if points and refund.account is not None:
        legs += points_back(tx, stamp.pool, refund.account, merchant, points)
    if lapsed and refund.account is not None:
        legs.append(lapsed_back(tx, stamp.pool, refund.account, lapsed))
    if reimbursement_fen:
        debit = merchant_account(merchant)
        code = REIMBURSEMENT_RETURNED_CODE
        legs.append(Leg(Asset.FEN, code, debit, POOL_FUND, reimbursement_fen))
    if refund.payment.cash_fen:
        debit, fen = takings_account(merchant), refund.payment.cash_fen
        legs.append(Leg(Asset.FEN, TAKINGS_RETURNED_CODE, debit, TAKINGS_CONTRA, fen))
    if not legs:
        return
    draft = EntryDraft(
        key=f"{REFUND_KEY}{refund.refund_id}",
        kind="refund",
        occurred_at=told.envelope.occurred_at,
        business_date=refund.business_date,
        legs=tuple(legs),
        memo=str(refund.sale_id),
    )
    posted = post(tx, stamp.pool, draft, recorded_at=stamp.recorded_at, fact_no=stamp.fact_no)
    assert isinstance(posted, Posted), f"{draft.key}: {posted}"


def _write(tx: Connection, told: Told, refund: SaleRefunded, reimbursement_fen: int) -> None:
    pool, payment = told.terms.pool, refund.payment
    own = {"pool": pool, "refund_id": str(refund.refund_id), "sale_id": str(refund.sale_id)}
    tx.execute(
        insert(t.refund).values(
            **own,
            terminal=told.terminal.terminal,
            merchant=told.terminal.merchant,
            content_hash=told.content_hash,
            receipt_no=refund.receipt_no,
            occurred_at=told.envelope.occurred_at,
            business_date=refund.business_date,
            points_for_goods=payment.points_for_goods,
            points_for_money=payment.points_for_money,
            cash_fen=payment.cash_fen,
            waived_fen=payment.waived_fen,
            rounded_up_fen=payment.rounded_up_fen,
            reimbursement_fen=reimbursement_fen,
            epoch=told.envelope.epoch,
            seq=told.envelope.seq,
        )
    )
    tx.execute(
        insert(t.refund_line),
        [
            own
            | {
                "line_no": line.line_no,
                "quantity_milli": line.quantity_milli,
                "amount_fen": line.amount_fen,
                "amount_points": line.amount_points,
            }
            for line in refund.lines
        ],
    )
