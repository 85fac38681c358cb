"""A sale by its receipt's number, for a terminal of the same merchant that is to take goods back."""

from uuid import UUID

from sqlalchemy import Connection, select

from protocol.messages import (
    NoSale,
    OrderUnits,
    SaleAnswer,
    SaleBack,
    SaleChoice,
    SaleFound,
    SaleNotFound,
    SaleRequest,
    SalesFound,
)
from server.redemption import tables as t
from server.redemption.orders import Order, is_order, orders_of_sale
from server.redemption.queries import refunds_of, sale_of
from server.redemption.states import SaleState
from server.redemption.taking_back import returnable_milli

MAX_RECEIPT_NO = 64
CHOICES_MAX = 10
CHOICE_GOODS = 3


def look_up(tx: Connection, pool: str, merchant: str, asked: SaleRequest) -> SaleAnswer:
    """The sale and what came back of it; of another merchant's sale nothing but that it is his."""
    receipt_no = asked.receipt_no[:MAX_RECEIPT_NO]
    # A receipt's number begins with its terminal: rows are found by the index of places.
    terminal = receipt_no.rpartition("-")[0]
    rows = tx.execute(
        select(t.sale.c.sale_id, t.sale.c.merchant).where(
            t.sale.c.pool == pool,
            t.sale.c.terminal == terminal,
            t.sale.c.receipt_no == receipt_no,
            t.sale.c.state == SaleState.CAPTURED.value,
        )
    ).all()
    own = [
        UUID(row.sale_id)
        for row in rows
        if row.merchant == merchant and asked.sale_id in {None, UUID(row.sale_id)}
    ]
    if not own:
        return SaleNotFound(reason=_why(tx, pool, terminal, receipt_no, is_a_sale=bool(rows)))
    if len(own) > 1:
        return _several(tx, pool, own)
    sale = sale_of(tx, pool, own[0])
    assert sale is not None
    assert sale.business_date is not None
    assert sale.occurred_at is not None
    promised = any(is_order(line) for line in sale.lines)
    orders = orders_of_sale(tx, pool, sale.sale_id) if promised else {}
    return SaleFound(
        sale_id=sale.sale_id,
        receipt_no=receipt_no,
        business_date=sale.business_date,
        occurred_at=sale.occurred_at,
        lines=sale.lines,
        payment=sale.payment,
        account=sale.account,
        backs=tuple(
            SaleBack(refund_id=each.refund_id, lines=each.lines, payment=each.payment)
            for each in refunds_of(tx, pool, sale.sale_id)
        ),
        orders=tuple(_units(each, merchant) for each in orders.values()),
    )


def _several(tx: Connection, pool: str, sale_ids: list[UUID]) -> SalesFound:
    """An old card gave a number twice: whoever holds the paper says which sale it is."""
    choices = []
    for sale_id in sale_ids:
        sale = sale_of(tx, pool, sale_id)
        assert sale is not None
        assert sale.occurred_at is not None
        choices.append(
            SaleChoice(
                sale_id=sale_id,
                occurred_at=sale.occurred_at,
                goods=tuple(line.name for line in sale.lines[:CHOICE_GOODS]),
                payment=sale.payment,
            )
        )
    choices.sort(key=lambda each: (each.occurred_at, each.sale_id))
    return SalesFound(sales=tuple(choices[:CHOICES_MAX]))


def _units(order: Order, merchant: str) -> OrderUnits:
    units = order.units
    return OrderUnits(
        line_no=order.line_no,
        open_milli=units.open_milli,
        done_milli=units.done_milli,
        gone_milli=units.back_milli + units.expired_milli,
        returnable_milli=returnable_milli(order, merchant),
    )


def _why(tx: Connection, pool: str, terminal: str, receipt_no: str, *, is_a_sale: bool) -> NoSale:
    if is_a_sale:
        return NoSale.OTHER_MERCHANT
    refund = tx.execute(
        select(t.refund.c.refund_id).where(
            t.refund.c.pool == pool,
            t.refund.c.terminal == terminal,
            t.refund.c.receipt_no == receipt_no,
        )
    ).first()
    return NoSale.IS_REFUND if refund is not None else NoSale.UNKNOWN
