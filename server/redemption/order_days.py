"""How long vouchers are good for, and what becomes of those that nobody brought in time."""

import hashlib

from sqlalchemy import Connection, insert, select

from protocol.business_day import business_date
from server.directory import pool_terms
from server.directory.tables import item as item_table
from server.facts import FactStamp
from server.facts.refused import Refused
from server.redemption import order_tables as o
from server.redemption.order_states import OrderMove
from server.redemption.order_values import (
    ExpireOrders,
    OrdersExpired,
    SetVoucherDays,
    VoucherDaysSet,
)
from server.redemption.orders import order_of, voucher_days

_AT_ONCE = 200


def set_voucher_days(
    tx: Connection, stamp: FactStamp, command: SetVoucherDays
) -> VoucherDaysSet | Refused:
    """For vouchers sold from now on. Refused: an item that the pool does not know."""
    known = select(item_table.c.item_id).where(
        item_table.c.pool == stamp.pool, item_table.c.item_id == command.item_id
    )
    if tx.execute(known.limit(1)).first() is None:
        return Refused(
            "unknown_item",
            f"没有这个商品：{command.item_id}，请核对编号 / no such item: {command.item_id}",
        )
    if voucher_days(tx, stamp.pool, command.item_id) != command.days:
        tx.execute(
            insert(o.voucher_validity).values(
                pool=stamp.pool,
                item_id=command.item_id,
                fact_no=stamp.fact_no,
                days=command.days,
                reason=command.reason,
            )
        )
    return VoucherDaysSet(command.item_id, command.days)


def expire_orders(
    tx: Connection, stamp: FactStamp, command: ExpireOrders
) -> OrdersExpired | Refused:
    """End vouchers whose last day is over, some at a time; their points stay spent, nobody is
    paid. Refused: a day that has not come.
    """
    today = business_date(stamp.recorded_at, pool_terms(tx, stamp.pool).cut_off_hour)
    if command.today > today:
        return Refused("future_day", f"{command.today} 还没有到 / {command.today} has not come yet")
    ended = select(o.order_move.c.order_id).where(
        o.order_move.c.pool == o.fulfilment_order.c.pool,
        o.order_move.c.order_id == o.fulfilment_order.c.order_id,
        o.order_move.c.state != "open",
    )
    due = tx.execute(
        select(o.fulfilment_order.c.order_id)
        .where(
            o.fulfilment_order.c.pool == stamp.pool,
            o.fulfilment_order.c.valid_until < command.today,
            ~ended.exists(),
        )
        .order_by(o.fulfilment_order.c.order_id)
        .limit(_AT_ONCE + 1)
    ).scalars()
    ids = list(due)
    for order_id in ids[:_AT_ONCE]:
        _expire(tx, stamp, order_id, command)
    return OrdersExpired(len(ids[:_AT_ONCE]), more=len(ids) > _AT_ONCE)


def _expire(tx: Connection, stamp: FactStamp, order_id: str, command: ExpireOrders) -> None:
    order = order_of(tx, stamp.pool, order_id)
    assert order is not None, order_id
    milli = order.units.open_milli
    state = order.state_after(OrderMove.EXPIRE, milli)
    assert state is not None, f"{order_id} is {order.state}"
    move_id = f"expire:{order_id}"
    tx.execute(
        insert(o.order_move).values(
            pool=stamp.pool,
            order_id=order_id,
            move_no=len(order.moves) + 1,
            move=OrderMove.EXPIRE.value,
            state=state.value,
            units_milli=milli,
            move_id=move_id,
            content_hash=hashlib.sha256(move_id.encode()).hexdigest(),
            merchant=order.merchant,
            rate_fen=0,
            amount_fen=0,
            points=0,
            business_date=command.today,
            moved_at=stamp.recorded_at,
            moved_by=stamp.actor,
            says=f"{order.valid_until}",
            fact_no=stamp.fact_no,
        )
    )
