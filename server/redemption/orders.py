"""Vouchers and work orders as the server has them: opened with the sale, read with their moves.

A line that is a voucher or a work order takes the resident's points at once and moves no money:
the pool pays whoever does it, when it is done (:mod:`server.redemption.fulfilling`).
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, and_, select

from protocol.money import price_of
from protocol.sales import Fulfilment, SaleCaptured, SaleLine
from server.db.working_set import Stored, standing, working
from server.facts import FactStamp
from server.redemption import order_tables as o
from server.redemption import tables as t
from server.redemption.order_states import OrderMove, OrderState, Units, advance

ORDER = Stored(o.fulfilment_order)
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Moved:
    """One move of an order. ``merchant`` and ``shop``: who did it, or sold it; fen and points
    0 or more.
    """

    move_no: int
    move: OrderMove
    state: OrderState
    units_milli: int
    move_id: str
    content_hash: str
    merchant: str
    shop: str | None
    contract: str | None
    code: str | None
    rate_fen: int
    amount_fen: int
    points: int
    undoes: int | None
    business_date: date
    moved_at: datetime
    moved_by: str
    says: str


@dataclass(frozen=True, slots=True)
class Order:
    """An order with its moves. ``merchant`` sold it; ``reimbursement_fen`` is what the catalogue
    says that one unit costs the pool.
    """

    order_id: str
    sale_id: UUID
    line_no: int
    kind: Fulfilment
    item_id: str
    name: str
    category: str
    merchant: str
    account: str
    units_milli: int
    unit_price_points: int
    reimbursement_fen: int
    business_date: date
    valid_until: date | None
    moves: tuple[Moved, ...]

    @property
    def state(self) -> OrderState:
        return self.moves[-1].state if self.moves else OrderState.OPEN

    @property
    def units(self) -> Units:
        units = Units(self.units_milli)
        for each in self.moves:
            after = units.after(each.move, each.units_milli)
            assert after is not None, f"{self.order_id}: move {each.move_no}"
            units = after
        return units

    def done_by(self, move_no: int) -> int:
        """Thousandths that a fulfilment did and that were not taken back."""
        return sum(
            each.units_milli * (1 if each.move_no == move_no else -1)
            for each in self.moves
            if move_no in {each.move_no, each.undoes}
        )

    def points_for(self, milli: int) -> int:
        """Points of so many more units that go back: all that went back together, to the point."""
        before = self.units.back_milli
        price = self.unit_price_points
        return price_of(price, before + milli) - price_of(price, before)

    def state_after(self, move: OrderMove, milli: int) -> OrderState | None:
        """The state after a move of so many units; None where it is not open any more."""
        left = self.units.after(move, milli)
        return advance(self.state, move, left) if left is not None else None

    def with_move(self, moved: Moved) -> "Order":
        return replace(self, moves=(*self.moves, moved))


def is_order(line: SaleLine) -> bool:
    """Whether a line is fulfilled later: its money must not move before."""
    return line.fulfilment is not Fulfilment.AT_ONCE


def order_id_of(sale_id: UUID | str, line_no: int) -> str:
    return f"{sale_id}-{line_no}"


def orders_problem(sale: SaleCaptured) -> str | None:
    """Why the sale's vouchers and work orders cannot be sold so, or None."""
    lines = [line for line in sale.lines if is_order(line)]
    if not lines:
        return None
    if any(line.unit_price_points is None or line.unit_price_fen is not None for line in lines):
        return (
            "兑换券和上门服务只能用积分兑换，请在积分池目录中定积分价"
            " / vouchers and work orders are sold for points: give the item a price in points"
        )
    if sale.account is None:
        return (
            "兑换券和上门服务要记在居民名下，请先出示居民码"
            " / a voucher or a work order is a resident's: show the resident's code first"
        )
    return None


def open_orders(tx: Connection, stamp: FactStamp, sale: SaleCaptured) -> None:
    """One order for each line that is a voucher or a work order; within the sale's own fact."""
    with working(tx, stamp.pool) as books:
        for line in sale.lines:
            if is_order(line):
                books.append(ORDER, _opened(tx, stamp, sale, line))


def _opened(
    tx: Connection, stamp: FactStamp, sale: SaleCaptured, line: SaleLine
) -> dict[str, object]:
    assert line.item_id is not None, f"{sale.sale_id}: an order without an item"
    days = None
    if line.fulfilment is Fulfilment.VOUCHER:
        days = voucher_days(tx, stamp.pool, line.item_id)
    return {
        "pool": stamp.pool,
        "order_id": order_id_of(sale.sale_id, line.line_no),
        "sale_id": str(sale.sale_id),
        "line_no": line.line_no,
        "kind": line.fulfilment.value,
        "item_id": line.item_id,
        "units_milli": line.quantity_milli,
        "account": sale.account,
        "business_date": sale.business_date,
        "valid_until": sale.business_date + timedelta(days=days) if days is not None else None,
        "fact_no": stamp.fact_no,
    }


@standing
def voucher_days(tx: Connection, pool: str, item_id: str) -> int | None:
    """How many days after its sale a voucher of the item is good for; None: for good."""
    days: int | None = tx.execute(
        select(o.voucher_validity.c.days)
        .where(o.voucher_validity.c.pool == pool, o.voucher_validity.c.item_id == item_id)
        .order_by(o.voucher_validity.c.fact_no.desc())
        .limit(1)
    ).scalar_one_or_none()
    return days


def order_of(tx: Connection, pool: str, order_id: str) -> Order | None:
    """The order with its moves, or None."""
    found = _read(tx, pool, o.fulfilment_order.c.order_id == order_id)
    return found[0] if found else None


def orders_of_sale(tx: Connection, pool: str, sale_id: UUID) -> dict[int, Order]:
    """A sale's orders by the number of their line."""
    found = _read(tx, pool, o.fulfilment_order.c.sale_id == str(sale_id))
    return {each.line_no: each for each in found}


def orders_after(tx: Connection, pool: str, after: str = "", *, limit: int = 500) -> list[Order]:
    """Orders by id, those above ``after``: a page of them, for whoever reads all."""
    ids = (
        select(o.fulfilment_order.c.order_id)
        .where(o.fulfilment_order.c.pool == pool, o.fulfilment_order.c.order_id > after)
        .order_by(o.fulfilment_order.c.order_id)
        .limit(limit)
    )
    return _read(tx, pool, o.fulfilment_order.c.order_id.in_(ids))


def orders_named(tx: Connection, pool: str, order_ids: Iterable[str]) -> dict[str, Order]:
    """Those of these orders that there are, by id."""
    ids = sorted(set(order_ids))
    found: dict[str, Order] = {}
    for start in range(0, len(ids), _AT_ONCE):
        some = o.fulfilment_order.c.order_id.in_(ids[start : start + _AT_ONCE])
        found |= {each.order_id: each for each in _read(tx, pool, some)}
    return found


def moved_before(tx: Connection, pool: str, move_id: str) -> tuple[str, str] | None:
    """The order that this id moved, and the hash of what it was moved with; or None."""
    row = tx.execute(
        select(o.order_move.c.order_id, o.order_move.c.content_hash).where(
            o.order_move.c.pool == pool, o.order_move.c.move_id == move_id
        )
    ).one_or_none()
    return (row.order_id, row.content_hash) if row else None


def _read(tx: Connection, pool: str, which: ColumnElement[bool]) -> list[Order]:
    own_line = and_(
        t.sale_line.c.pool == o.fulfilment_order.c.pool,
        t.sale_line.c.sale_id == o.fulfilment_order.c.sale_id,
        t.sale_line.c.line_no == o.fulfilment_order.c.line_no,
    )
    own_sale = and_(t.sale.c.pool == t.sale_line.c.pool, t.sale.c.sale_id == t.sale_line.c.sale_id)
    rows = tx.execute(
        select(
            o.fulfilment_order,
            t.sale.c.merchant,
            t.sale_line.c.name,
            t.sale_line.c.category,
            t.sale_line.c.unit_price_points,
            t.sale_line.c.reimbursement_fen,
        )
        .join(t.sale_line, own_line)
        .join(t.sale, own_sale)
        .where(o.fulfilment_order.c.pool == pool, which)
        .order_by(o.fulfilment_order.c.order_id)
    ).all()
    moves = _moves(tx, pool, [row.order_id for row in rows])
    return [_order(row, moves[row.order_id]) for row in rows]


def _moves(tx: Connection, pool: str, ids: Sequence[str]) -> dict[str, list[Moved]]:
    found: dict[str, list[Moved]] = defaultdict(list)
    for start in range(0, len(ids), _AT_ONCE):
        rows = tx.execute(
            select(o.order_move)
            .where(
                o.order_move.c.pool == pool,
                o.order_move.c.order_id.in_(ids[start : start + _AT_ONCE]),
            )
            .order_by(o.order_move.c.order_id, o.order_move.c.move_no)
        )
        for row in rows:
            found[row.order_id].append(_moved(row))
    return found


def _order(row: Row[Any], moves: Iterable[Moved]) -> Order:
    return Order(
        order_id=row.order_id,
        sale_id=UUID(row.sale_id),
        line_no=row.line_no,
        kind=Fulfilment(row.kind),
        item_id=row.item_id,
        name=row.name,
        category=row.category,
        merchant=row.merchant,
        account=row.account,
        units_milli=row.units_milli,
        unit_price_points=row.unit_price_points,
        reimbursement_fen=row.reimbursement_fen,
        business_date=row.business_date,
        valid_until=row.valid_until,
        moves=tuple(moves),
    )


def _moved(row: Row[Any]) -> Moved:
    return Moved(
        move_no=row.move_no,
        move=OrderMove(row.move),
        state=OrderState(row.state),
        units_milli=row.units_milli,
        move_id=row.move_id,
        content_hash=row.content_hash,
        merchant=row.merchant,
        shop=row.shop,
        contract=row.contract,
        code=row.code,
        rate_fen=row.rate_fen,
        amount_fen=row.amount_fen,
        points=row.points,
        undoes=row.undoes,
        business_date=row.business_date,
        moved_at=row.moved_at,
        moved_by=row.moved_by,
        says=row.says,
    )
