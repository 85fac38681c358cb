"""I2 for goods: a stock level is the fold of its movements, and a sale's are its lines."""

from collections.abc import Iterator

from sqlalchemy import Connection, and_, func, literal, select

from server.db.paging import Tick, streamed, untold
from server.db.violation import Violation
from server.redemption.tables import refund_line, sale_line, stock_level, stock_movement


def check_stock(tx: Connection, pool: str, tick: Tick = untold) -> Iterator[Violation]:
    """Every level is its opening and all that moved; what a sale or a refund moved is what its
    lines say.
    """
    yield from _check_levels(tx, pool, tick)
    yield from _check_lines(tx, pool)


def _check_levels(tx: Connection, pool: str, tick: Tick) -> Iterator[Violation]:
    moved = func.coalesce(func.sum(stock_movement.c.quantity_milli), 0)
    rows = tx.execute(
        select(stock_level, moved.label("moved"))
        .outerjoin(
            stock_movement,
            and_(
                stock_movement.c.pool == stock_level.c.pool,
                stock_movement.c.item_id == stock_level.c.item_id,
            ),
        )
        .where(stock_level.c.pool == pool)
        .group_by(*stock_level.c)
        .order_by(stock_level.c.item_id)
    )
    for row in rows:
        tick(1)
        folded = row.opening_milli + int(row.moved)
        if folded != row.level_milli:
            says = f"stands at {row.level_milli} thousandths, its movements say {folded}"
            yield Violation("I2", f"pool {pool}, stock of {row.item_id}", says)


def _check_lines(tx: Connection, pool: str) -> Iterator[Violation]:
    sold = select(
        (literal("sale:") + sale_line.c.sale_id).label("key"),
        sale_line.c.item_id,
        (-func.sum(sale_line.c.quantity_milli)).label("milli"),
    )
    sold = sold.where(sale_line.c.pool == pool).group_by(sale_line.c.sale_id, sale_line.c.item_id)
    back = (
        select(
            (literal("refund:") + refund_line.c.refund_id).label("key"),
            sale_line.c.item_id,
            func.sum(refund_line.c.quantity_milli).label("milli"),
        )
        .join(
            sale_line,
            and_(
                sale_line.c.pool == refund_line.c.pool,
                sale_line.c.sale_id == refund_line.c.sale_id,
                sale_line.c.line_no == refund_line.c.line_no,
            ),
        )
        .where(refund_line.c.pool == pool)
        .group_by(refund_line.c.refund_id, sale_line.c.item_id)
    )
    for prefix, told in (("sale:", sold.subquery()), ("refund:", back.subquery())):
        expected = func.coalesce(told.c.milli, 0)
        wrong = (
            select(stock_movement, expected.label("expected"))
            .outerjoin(
                told,
                and_(
                    told.c.key == stock_movement.c.key, told.c.item_id == stock_movement.c.item_id
                ),
            )
            .where(
                stock_movement.c.pool == pool,
                stock_movement.c.key.startswith(prefix),
                stock_movement.c.quantity_milli != expected,
            )
            .order_by(stock_movement.c.item_id, stock_movement.c.key)
        )
        for row in streamed(tx, wrong):
            says = f"moved {row.quantity_milli} thousandths, its lines say {row.expected}"
            yield Violation("I2", f"pool {pool}, stock of {row.item_id}, {row.key}", says)
