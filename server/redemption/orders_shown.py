"""A resident's vouchers and work orders, for the terminal that has his code in front of it."""

from datetime import datetime

from sqlalchemy import Connection, select

from protocol.messages import OrdersAnswer, OrdersFound, OrderShown, OrdersRequest
from protocol.reasons import Declined
from server.directory import merchant_of, pool_terms
from server.redemption import order_tables as o
from server.redemption import tables as t
from server.redemption.evidence import judge_question
from server.redemption.orders import Order, orders_named

SHOWN = 50


def orders_shown(
    tx: Connection,
    pool: str,
    asked: OrdersRequest,
    *,
    terminal: str,
    proof_holds: bool,
    at: datetime,
) -> OrdersAnswer:
    """The orders of whoever shows the code, wherever they were sold; open ones first."""
    shown = judge_question(
        tx,
        pool_terms(tx, pool),
        asked.evidence,
        at,
        proof_holds=proof_holds,
        sale_id=asked.lookup_id,
        terminal=terminal,
        points=0,
    )
    if isinstance(shown, Declined):
        return shown
    ids = tx.execute(
        select(o.fulfilment_order.c.order_id)
        .where(o.fulfilment_order.c.pool == pool, o.fulfilment_order.c.account == shown.account)
        .order_by(o.fulfilment_order.c.business_date.desc(), o.fulfilment_order.c.order_id)
        .limit(SHOWN)
    ).scalars()
    found = list(orders_named(tx, pool, list(ids)).values())
    found.sort(key=lambda each: (each.units.open_milli == 0, -each.business_date.toordinal()))
    return OrdersFound(
        account=shown.account, orders=tuple(_shown(tx, pool, each) for each in found)
    )


def _shown(tx: Connection, pool: str, order: Order) -> OrderShown:
    last = order.moves[-1] if order.moves else None
    merchant = merchant_of(tx, pool, last.merchant) if last is not None else None
    receipt_no = tx.execute(
        select(t.sale.c.receipt_no).where(
            t.sale.c.pool == pool, t.sale.c.sale_id == str(order.sale_id)
        )
    ).scalar()
    return OrderShown(
        order_id=order.order_id,
        kind=order.kind,
        name=order.name,
        receipt_no=receipt_no or "",
        sold_on=order.business_date,
        units_milli=order.units_milli,
        open_milli=order.units.open_milli,
        state=order.state.value,
        valid_until=order.valid_until,
        last_on=last.business_date if last is not None else None,
        last_where=merchant.name if merchant is not None else "",
    )
