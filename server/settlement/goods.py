"""What went out of each item on a statement, and what the pool pays for it.

Of vouchers and work orders the points stand with their sale; units and money stand with their
fulfilment, which may be another merchant's and on a later statement.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, select

from protocol.money import price_of
from protocol.sales import Fulfilment
from server.redemption.fulfilling import FEE_CODE
from server.redemption.order_states import OrderMove
from server.redemption.orders import orders_named
from server.redemption.tables import refund_line, sale_line
from server.settlement.document_values import GoodsRow
from server.settlement.unplaced import REFUND_KIND, SALE_KIND, Trade

_AT_ONCE = 400
_KINDS = {
    Fulfilment.AT_ONCE.value: "goods",
    Fulfilment.VOUCHER.value: "voucher",
    Fulfilment.WORK_ORDER.value: "service",
}


@dataclass(slots=True)
class _Sum:
    name: str = ""
    units_milli: int = 0
    points: int = 0
    reimbursement_fen: int = 0
    fee_fen: int = 0


def goods_of(
    tx: Connection,
    pool: str,
    trades: Sequence[Trade],
    order_keys: Sequence[str] = (),
) -> tuple[GoodsRow, ...]:
    """Items of the catalogue on these sales less what came back, by id and kind; at the costs
    that were frozen with the sale. ``order_keys`` are of entries that moved orders.
    """
    sums: dict[tuple[str, str], _Sum] = defaultdict(_Sum)
    for row, sign in _moved(tx, pool, trades):
        found = sums[row.item_id, _KINDS[row.fulfilment]]
        found.name = found.name or row.name
        at_once = row.fulfilment == Fulfilment.AT_ONCE.value
        if at_once:
            found.units_milli += sign * row.quantity_milli
        if row.unit_price_points is None:
            continue
        found.points += sign * row.amount_points
        if at_once:
            found.reimbursement_fen += sign * price_of(row.reimbursement_fen, row.quantity_milli)
    _add_orders(tx, pool, order_keys, sums)
    return tuple(
        GoodsRow(
            item_id=item_id,
            name=found.name,
            kind=kind,
            units_milli=found.units_milli,
            points=found.points,
            reimbursement_fen=found.reimbursement_fen,
            fee_fen=found.fee_fen,
        )
        for (item_id, kind), found in sorted(sums.items())
    )


def _add_orders(
    tx: Connection, pool: str, keys: Sequence[str], sums: dict[tuple[str, str], _Sum]
) -> None:
    places = [each.split(":") for each in keys]
    orders = orders_named(tx, pool, [order_id for _, order_id, _ in places])
    for _, order_id, move_no in places:
        order = orders[order_id]
        moved = order.moves[int(move_no) - 1]
        found = sums[order.item_id, _KINDS[order.kind.value]]
        found.name = found.name or order.name
        if moved.move is OrderMove.CANCEL:
            found.points -= moved.points
            continue
        sign = -1 if moved.move is OrderMove.UNDO else 1
        found.units_milli += sign * moved.units_milli
        if moved.code == FEE_CODE:
            found.fee_fen += sign * moved.amount_fen
        else:
            found.reimbursement_fen += sign * moved.amount_fen


def _moved(tx: Connection, pool: str, trades: Sequence[Trade]) -> list[tuple[Row[Any], int]]:
    """Lines with an item, 1 for what was sold and -1 for what came back."""
    sold = [each.sale_id for each in trades if each.kind == SALE_KIND]
    back = [each.refund_id for each in trades if each.kind == REFUND_KIND]
    names = ("item_id", "name", "sale_id", "fulfilment", "unit_price_points", "reimbursement_fen")
    columns = [sale_line.c[name] for name in names]
    found: list[tuple[Row[Any], int]] = []
    for some in _chunks(sold):
        wanted: Select[Any] = select(
            *columns, sale_line.c.quantity_milli, sale_line.c.amount_points
        ).where(
            sale_line.c.pool == pool,
            sale_line.c.sale_id.in_(some),
            sale_line.c.item_id.is_not(None),
        )
        found += [(row, 1) for row in tx.execute(wanted)]
    same_line = and_(
        sale_line.c.pool == refund_line.c.pool,
        sale_line.c.sale_id == refund_line.c.sale_id,
        sale_line.c.line_no == refund_line.c.line_no,
    )
    for some in _chunks(back):
        returned: Select[Any] = (
            select(*columns, refund_line.c.quantity_milli, refund_line.c.amount_points)
            .join(sale_line, same_line)
            .where(
                refund_line.c.pool == pool,
                refund_line.c.refund_id.in_(some),
                sale_line.c.item_id.is_not(None),
            )
        )
        found += [(row, -1) for row in tx.execute(returned)]
    return found


def _chunks(names: Sequence[str]) -> list[list[str]]:
    every = iter(sorted(set(names)))
    chunks: list[list[str]] = []
    while some := list(islice(every, _AT_ONCE)):
        chunks.append(some)
    return chunks
