"""What residents have taken so far: points of a day, and goods of some days, in one question each.

What came back counts no more: by a refund, or because an order was cancelled.
"""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Connection, Select, cast, func, select

from protocol.evidence import ProofGrade
from server.directory.accounts import resident_account
from server.ledger import Asset
from server.ledger.live import live_holds, live_holds_sum
from server.redemption import order_tables as o
from server.redemption import tables as t
from server.redemption.limit_tables import limited_goods
from server.redemption.order_states import OrderMove
from server.redemption.queries import sale_of

_SALE = "sale"

Days = tuple[date, date]
"""The first and the last business date, both included."""


def points_taken(tx: Connection, pool: str, accounts: Sequence[str], day: date) -> int:
    """Points that these residents took on a business date, less what came back of them."""
    which = _sales_of(pool, accounts, (day, day))
    sold = select(_sum(t.sale.c.points_for_goods + t.sale.c.points_for_money)).where(*which)
    back = (
        select(_sum(t.refund.c.points_for_goods + t.refund.c.points_for_money))
        .join(t.sale, (t.sale.c.pool == t.refund.c.pool) & (t.sale.c.sale_id == t.refund.c.sale_id))
        .where(*which)
    )
    cancelled = _cancelled(o.order_move.c.points, which)
    parts = (each.scalar_subquery() for each in (sold, back, cancelled))
    row = tx.execute(select(*parts)).one()
    return int(row[0] - row[1] - row[2])


def points_held(tx: Connection, pool: str, accounts: Sequence[str], at: datetime) -> int:
    """Points of these residents that questions have reserved and nobody has taken yet."""
    return sum(
        live_holds_sum(tx, pool, resident_account(each), Asset.POINTS, at) for each in accounts
    )


def points_taken_by(
    tx: Connection,
    pool: str,
    account: str,
    day: date,
    grade: ProofGrade,
    *,
    terminal: str | None = None,
) -> int:
    """Points that a resident took on a business date with a proof of this grade (a card without
    its PIN, or nothing at all), at one terminal or at all; what came back of them counts as well:
    a refund makes no small purchase undone.
    """
    which = [*_sales_of(pool, [account], (day, day)), t.sale.c.proof_grade == grade.value]
    if terminal is not None:
        which.append(t.sale.c.terminal == terminal)
    sold = select(_sum(t.sale.c.points_for_goods + t.sale.c.points_for_money)).where(*which)
    return int(tx.execute(sold).scalar_one())


def points_held_by(tx: Connection, pool: str, account: str, grade: ProofGrade, at: datetime) -> int:
    """Points of a resident that questions with a proof of this grade have reserved."""
    held = 0
    for key, points in live_holds(tx, pool, resident_account(account), Asset.POINTS, at).items():
        kind, _, sale_id = key.partition(":")
        sale = sale_of(tx, pool, UUID(sale_id)) if kind == _SALE else None
        held += points if sale is not None and sale.proof_grade == grade.value else 0
    return held


def goods_taken(
    tx: Connection, pool: str, accounts: Sequence[str], item_id: str, days: Days
) -> int:
    """Thousandths of an item that these residents took, less what came back of them."""
    line, sale, back_line = t.sale_line, t.sale, t.refund_line
    of_sale = (sale.c.pool == line.c.pool) & (sale.c.sale_id == line.c.sale_id)
    which = (*_sales_of(pool, accounts, days), line.c.item_id == item_id)
    sold = select(_sum(line.c.quantity_milli)).join(sale, of_sale).where(*which)
    of_line = (
        (line.c.pool == back_line.c.pool)
        & (line.c.sale_id == back_line.c.sale_id)
        & (line.c.line_no == back_line.c.line_no)
    )
    back = (
        select(_sum(back_line.c.quantity_milli))
        .join(line, of_line)
        .join(sale, of_sale)
        .where(*which)
    )
    of_item = o.fulfilment_order.c.item_id == item_id
    cancelled = _cancelled(o.order_move.c.units_milli, (*_sales_of(pool, accounts, days), of_item))
    parts = (each.scalar_subquery() for each in (sold, back, cancelled))
    row = tx.execute(select(*parts)).one()
    return int(row[0] - row[1] - row[2])


def goods_reserved(
    tx: Connection, pool: str, accounts: Sequence[str], item_id: str, at: datetime
) -> int:
    """Thousandths of an item that approved questions asked for and no sale has taken yet."""
    found = (
        select(_sum(limited_goods.c.quantity_milli))
        .join(
            t.sale,
            (t.sale.c.pool == limited_goods.c.pool)
            & (t.sale.c.sale_id == limited_goods.c.sale_id)
            & (t.sale.c.state == "authorised"),
        )
        .where(
            limited_goods.c.pool == pool,
            limited_goods.c.account.in_(accounts),
            limited_goods.c.item_id == item_id,
            limited_goods.c.held_until > at,
        )
    )
    return int(tx.execute(found).scalar_one())


def _sales_of(pool: str, accounts: Sequence[str], days: Days) -> tuple[ColumnElement[bool], ...]:
    """Captured sales alone have a business date."""
    return (
        t.sale.c.pool == pool,
        t.sale.c.account.in_(accounts),
        t.sale.c.business_date.between(*days),
    )


def _cancelled(column: ColumnElement[int], which: Sequence[ColumnElement[bool]]) -> Select[int]:
    """What cancelled orders of sales gave back; a refund's are among what came back already."""
    order, move = o.fulfilment_order, o.order_move
    own_moves = (move.c.pool == order.c.pool) & (move.c.order_id == order.c.order_id)
    of_sale = (t.sale.c.pool == order.c.pool) & (t.sale.c.sale_id == order.c.sale_id)
    return (
        select(_sum(column))
        .select_from(order)
        .join(move, own_moves)
        .join(t.sale, of_sale)
        .where(*which, move.c.move == OrderMove.CANCEL.value)
    )


def _sum(column: ColumnElement[int]) -> ColumnElement[int]:
    return cast(func.coalesce(func.sum(column), 0), BigInteger)
