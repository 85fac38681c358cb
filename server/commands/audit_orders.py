"""I4 and I7 for vouchers and work orders: one order for each, and money only for what was done."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Row, and_, or_, select

from protocol.money import price_of
from protocol.sales import Fulfilment
from server.db.paging import PAGE_ROWS, streamed
from server.db.violation import Violation
from server.directory.accounts import POOL_FUND, merchant_account, returned_account
from server.directory.contract_terms import CATEGORY_PREFIX
from server.directory.queries import contract_named
from server.ledger.tables import entry as entry_table
from server.ledger.tables import transfer as transfer_table
from server.redemption.fulfilling import (
    CANCEL_KEY,
    FEE_CODE,
    FULFIL_KEY,
    ORDER_KINDS,
    REIMBURSEMENT_CODE,
    UNFULFIL_KEY,
)
from server.redemption.giving_back import POINTS_RETURNED_CODE
from server.redemption.order_states import OrderMove, OrderState, Units, advance
from server.redemption.order_tables import fulfilment_order
from server.redemption.orders import (
    Moved,
    Order,
    order_id_of,
    orders_after,
    orders_named,
)
from server.redemption.tables import sale_line
from server.redemption.taking_back import BACK_CODES

_KEYS = {
    OrderMove.FULFIL: FULFIL_KEY,
    OrderMove.UNDO: UNFULFIL_KEY,
    OrderMove.CANCEL: CANCEL_KEY,
}
"""Moves that have an entry of their own; a refund's points stand in the refund's."""
_KEYS_AT_ONCE = 500

_Leg = tuple[str, str, str, int]
"""Code, debit, credit and amount."""


def check_orders(tx: Connection, pool: str) -> Iterator[Violation]:
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
    for row in streamed(tx, lines.add_columns(counted)):
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
    booked = (
        select(entry_table.c.key)
        .where(entry_table.c.pool == pool, entry_table.c.kind.in_(ORDER_KINDS))
        .order_by(entry_table.c.entry_no)
    )
    keys = (row.key for row in streamed(tx, booked))
    while some := list(islice(keys, PAGE_ROWS)):
        places = [key.partition(":")[2].rpartition(":")[0] for key in some]
        orders = orders_named(tx, pool, places)
        made = {
            f"{_KEYS[moved.move]}{order.order_id}:{moved.move_no}"
            for order in orders.values()
            for moved in order.moves
            if moved.move in _KEYS
        }
        for key in some:
            if key not in made:
                yield Violation("I4", f"pool {pool}, {key}", "was not done, but is booked")


def check_order_money(tx: Connection, pool: str) -> Iterator[Violation]:
    """I7: each fulfilment paid its provider the fee of his contract, or where that names none what
    the catalogue said, times the units; a refund took the same back; what was given up gave its
    points back; and the ledger moved just that.
    """
    after = ""
    while page := orders_after(tx, pool, after, limit=PAGE_ROWS):
        after = page[-1].order_id
        keys = [key for order in page for each in order.moves if (key := _key(order, each))]
        booked = _booked(tx, pool, keys)
        for order in page:
            for number, moved in enumerate(order.moves):
                earlier = replace(order, moves=order.moves[:number])
                for says in _money_problems(tx, pool, earlier, moved, booked):
                    where = f"pool {pool}, order {order.order_id}, move {moved.move_no}"
                    yield Violation("I7", where, says)


def _key(order: Order, moved: Moved) -> str | None:
    prefix = _KEYS.get(moved.move)
    return f"{prefix}{order.order_id}:{moved.move_no}" if prefix is not None else None


def _booked(tx: Connection, pool: str, keys: Sequence[str]) -> dict[str, list[_Leg]]:
    found: dict[str, list[_Leg]] = defaultdict(list)
    own_entry = and_(
        transfer_table.c.pool == entry_table.c.pool,
        transfer_table.c.entry_no == entry_table.c.entry_no,
    )
    for start in range(0, len(keys), _KEYS_AT_ONCE):
        some = keys[start : start + _KEYS_AT_ONCE]
        rows = tx.execute(
            select(entry_table.c.key, transfer_table)
            .join(transfer_table, own_entry)
            .where(entry_table.c.pool == pool, entry_table.c.key.in_(some))
        )
        for row in rows:
            leg = (row.code, row.debit_account, row.credit_account, row.amount)
            found[row.key].append(leg)
    return found


def _money_problems(
    tx: Connection, pool: str, order: Order, moved: Moved, booked: dict[str, list[_Leg]]
) -> Iterator[str]:
    """``order`` is as it was before the move."""
    legs = booked.get(_key(order, moved) or "", [])
    theirs = merchant_account(moved.merchant)
    wanted: list[_Leg] = []
    if moved.move is OrderMove.FULFIL:
        fen = price_of(moved.rate_fen, moved.units_milli)
        if (moved.code, moved.rate_fen) != _rate(tx, pool, order, moved):
            yield f"paid {moved.rate_fen} fen a unit as {moved.code}, the contract says otherwise"
        wanted = [(moved.code or "", POOL_FUND, theirs, fen)]
    elif moved.move is OrderMove.UNDO:
        done = order.moves[(moved.undoes or 1) - 1]
        there = order.done_by(done.move_no)
        left = there - moved.units_milli
        fen = price_of(done.rate_fen, there) - price_of(done.rate_fen, left)
        code = BACK_CODES.get(done.code or "", "")
        wanted = [(code, merchant_account(done.merchant), POOL_FUND, fen)]
    elif moved.move is OrderMove.CANCEL:
        legs = [leg for leg in legs if leg[0] == POINTS_RETURNED_CODE]
        points = order.points_for(moved.units_milli)
        resident = legs[0][2] if legs else ""
        wanted = [(POINTS_RETURNED_CODE, returned_account(order.merchant), resident, points)]
    wanted = [leg for leg in wanted if leg[3]]
    if sorted(legs) != wanted:
        yield f"booked {legs or 'nothing'}, the rule says {wanted or 'nothing'}"
    amount = wanted[0][3] if wanted else 0
    noted = moved.points if moved.move is OrderMove.CANCEL else moved.amount_fen
    if noted != amount:
        yield f"notes {noted}, the rule says {amount}"


def _rate(tx: Connection, pool: str, order: Order, moved: Moved) -> tuple[str, int] | None:
    """The code and the fen a unit that the move's contract names for the order."""
    contract = contract_named(tx, pool, moved.contract or "")
    if contract is None or contract.merchant != moved.merchant:
        return None
    fees = contract.terms.fees
    for name in (order.item_id, f"{CATEGORY_PREFIX}{order.category}"):
        if name in fees:
            return FEE_CODE, fees[name]
    return REIMBURSEMENT_CODE, order.reimbursement_fen
