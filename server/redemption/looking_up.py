"""A sale by its receipt's number, for a terminal of the same merchant that is to take goods back."""

from uuid import UUID

from sqlalchemy import Connection, select

from protocol.messages import NoSale, SaleAnswer, SaleBack, SaleFound, SaleNotFound, SaleRequest
from server.redemption import tables as t
from server.redemption.queries import refunds_of, sale_of
from server.redemption.states import SaleState

MAX_RECEIPT_NO = 64


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
    own = next((row for row in rows if row.merchant == merchant), None)
    if own is None:
        return SaleNotFound(reason=_why(tx, pool, terminal, receipt_no, is_a_sale=bool(rows)))
    sale = sale_of(tx, pool, UUID(own.sale_id))
    assert sale is not None
    assert sale.business_date is not None
    assert sale.occurred_at is not None
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
