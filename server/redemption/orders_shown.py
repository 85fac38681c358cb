"""A resident's vouchers and work orders, for the terminal that has his code in front of it."""

from datetime import date, datetime

from sqlalchemy import ColumnElement, Connection, and_, case, func, or_, select

from protocol.business_day import business_date
from protocol.evidence import Evidence, SlotEvidence
from protocol.messages import OrdersAnswer, OrdersFound, OrderShown, OrdersRequest
from protocol.reasons import Declined, DeclineReason
from server.directory import PoolTerms, merchant_of, pool_terms, shop_of, terminal_of
from server.redemption import order_tables as o
from server.redemption import tables as t
from server.redemption.evidence import judge_question, slot_of
from server.redemption.order_states import OrderMove, OrderState
from server.redemption.orders import Order, orders_named
from server.redemption.slot_spent import slot_use

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
    """The orders of whoever shows the code, wherever they were sold; open ones first.

    A voucher whose last day has passed shows nothing open, also before its order is expired: a
    shop must not do the work for it. A slot that can confirm nothing any more shows nothing either,
    and says why and until when: told after the work, its record would only be parked.
    """
    terms = pool_terms(tx, pool)
    today = business_date(at, terms.cut_off_hour)
    shown = judge_question(
        tx,
        terms,
        asked.evidence,
        at,
        proof_holds=proof_holds,
        sale_id=asked.lookup_id,
        terminal=terminal,
        points=0,
    )
    if isinstance(shown, Declined):
        return shown
    spent = _spent(tx, terms, shown.account, asked.evidence, terminal)
    if spent is not None:
        return spent
    ids = tx.execute(
        select(o.fulfilment_order.c.order_id)
        .where(o.fulfilment_order.c.pool == pool, o.fulfilment_order.c.account == shown.account)
        .order_by(
            case((_is_open(today), 0), else_=1),
            o.fulfilment_order.c.business_date.desc(),
            o.fulfilment_order.c.order_id,
        )
        .limit(SHOWN)
    ).scalars()
    found = list(orders_named(tx, pool, list(ids)).values())
    found.sort(key=lambda each: (_open_milli(each, today) == 0, -each.business_date.toordinal()))
    return OrdersFound(
        account=shown.account, orders=tuple(_shown(tx, pool, each, today) for each in found)
    )


def _spent(
    tx: Connection, terms: PoolTerms, account: str, evidence: Evidence, terminal: str
) -> Declined | None:
    """Where a slot stands for something already: when and where, and when the next one comes."""
    code = slot_of(evidence) if isinstance(evidence, SlotEvidence) else None
    if code is None or not isinstance(evidence, SlotEvidence):
        return None
    use = slot_use(tx, terms, account, evidence, terminal)
    if use is None:
        return None
    there = terminal_of(tx, terms.pool, use.terminal)
    shop = shop_of(tx, terms.pool, there.shop) if there is not None else None
    return Declined(
        DeclineReason.CODE_USED,
        used_at=use.at,
        used_where=shop.name if shop is not None else "",
        expired_at=code.ends_at,
    )


def _is_open(today: date) -> ColumnElement[bool]:
    """Whether units of an order can still be done. What is undone does not become open again."""
    order, move = o.fulfilment_order.c, o.order_move.c
    used = (
        select(func.coalesce(func.sum(move.units_milli), 0))
        .where(
            move.pool == order.pool,
            move.order_id == order.order_id,
            move.move != OrderMove.UNDO.value,
        )
        .correlate(o.fulfilment_order)
        .scalar_subquery()
    )
    in_time = or_(order.valid_until.is_(None), order.valid_until >= today)
    return and_(in_time, order.units_milli > used)


def _open_milli(order: Order, today: date) -> int:
    if order.valid_until is not None and order.valid_until < today:
        return 0
    return order.units.open_milli


def _state(order: Order, today: date) -> OrderState:
    """As it will be once the order is expired, where that is still to be done."""
    late = order.units.open_milli != _open_milli(order, today)
    return OrderState.EXPIRED if late else order.state


def _shown(tx: Connection, pool: str, order: Order, today: date) -> OrderShown:
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
        open_milli=_open_milli(order, today),
        state=_state(order, today).value,
        valid_until=order.valid_until,
        last_on=last.business_date if last is not None else None,
        last_where=merchant.name if merchant is not None else "",
    )
