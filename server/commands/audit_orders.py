"""I4 and I7 for vouchers and work orders: one order for each, and money only for what was done."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Row, and_, func, literal, or_, select

from protocol.money import price_of
from protocol.sales import Fulfilment
from server.db.paging import PAGE_ROWS, Tick, untold
from server.db.violation import Violation
from server.directory.contract_terms import CATEGORY_PREFIX
from server.directory.queries import contract_named
from server.ledger.tables import entry as entry_table
from server.ledger.tables import transfer as transfer_table
from server.redemption.fulfilling import CANCEL_KEY, FEE_CODE, FULFIL_KEY, ORDER_KINDS, UNFULFIL_KEY
from server.redemption.order_states import OrderMove, OrderState, Units, advance
from server.redemption.order_tables import fulfilment_order, order_move
from server.redemption.orders import Moved, Order, order_id_of, orders_after
from server.redemption.tables import sale_line

_KEYS = {
    OrderMove.FULFIL: FULFIL_KEY,
    OrderMove.UNDO: UNFULFIL_KEY,
    OrderMove.CANCEL: CANCEL_KEY,
}
"""Moves that have an entry of their own; a refund's points stand in the refund's."""


def check_orders(tx: Connection, pool: str, _tick: Tick = untold) -> Iterator[Violation]:
    """I4: every line that is a voucher or a work order has exactly one order, and its moves follow
    one another as the table of moves allows; what was booked for orders was moved.
    """
    own_line = and_(
        fulfilment_order.c.pool == sale_line.c.pool,
        fulfilment_order.c.sale_id == sale_line.c.sale_id,
        fulfilment_order.c.line_no == sale_line.c.line_no,
    )
    lines = select(sale_line, fulfilment_order.c.order_id, fulfilment_order.c.kind)
    lines = lines.select_from(sale_line.outerjoin(fulfilment_order, own_line)).where(
        sale_line.c.pool == pool,
        or_(
            sale_line.c.fulfilment != Fulfilment.AT_ONCE.value,
            fulfilment_order.c.order_id.is_not(None),
        ),
    )
    counted = fulfilment_order.c.units_milli.label("promised_milli")
    for row in tx.execute(lines.add_columns(counted)):
        says = _line_problem(row)
        if says is not None:
            where = f"pool {pool}, sale:{row.sale_id}, line {row.line_no}"
            yield Violation("I4", where, says)
    for order in _orders(tx, pool):
        for says in _move_problems(order):
            yield Violation("I4", f"pool {pool}, order {order.order_id}", says)
    yield from _booked_for_nothing(tx, pool)


def _line_problem(row: Row[Any]) -> str | None:
    if row.order_id is None:
        return "is fulfilled later, and has no order"
    if row.order_id != order_id_of(row.sale_id, row.line_no):
        return f"has an order with another's name, {row.order_id}"
    if row.kind != row.fulfilment:
        return f"is {row.fulfilment}, and its order is {row.kind}"
    if row.promised_milli != row.quantity_milli:
        return f"sold {row.quantity_milli} thousandths, its order promises {row.promised_milli}"
    return None


def _orders(tx: Connection, pool: str) -> Iterator[Order]:
    after = ""
    while page := orders_after(tx, pool, after, limit=PAGE_ROWS):
        yield from page
        after = page[-1].order_id


def _move_problems(order: Order) -> Iterator[str]:
    state, units = OrderState.OPEN, Units(order.units_milli)
    for number, each in enumerate(order.moves, start=1):
        if each.move_no != number:
            yield f"move {number} is missing"
            return
        left = units.after(each.move, each.units_milli)
        wanted = advance(state, each.move, left) if left is not None else None
        if left is None or wanted is not each.state:
            yield f"move {number}, {each.move} of {each.units_milli} thousandths: cannot be {each.state}"
            return
        state, units = each.state, left


def _booked_for_nothing(tx: Connection, pool: str) -> Iterator[Violation]:
    """Entries about orders that no move has made."""
    moved = (
        literal(":")
        .concat(order_move.c.order_id)
        .concat(":")
        .concat(func.cast(order_move.c.move_no, entry_table.c.key.type))
    )
    del moved
    rows = tx.execute(
        select(entry_table.c.key)
        .where(entry_table.c.pool == pool, entry_table.c.kind.in_(ORDER_KINDS))
        .order_by(entry_table.c.entry_no)
    )
    known: dict[str, Order] = {each.order_id: each for each in _orders(tx, pool)}
    for (key,) in rows:
        prefix, _, place = key.partition(":")
        order_id, _, number = place.rpartition(":")
        order = known.get(order_id)
        moves = order.moves if order is not None else ()
        made = [each for each in moves if f"{each.move_no}" == number]
        if not made or _KEYS.get(made[0].move) != f"{prefix}:":
            yield Violation("I4", f"pool {pool}, {key}", "was not done, but is booked")
