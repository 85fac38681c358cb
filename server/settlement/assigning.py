"""Who is to do a voucher or a work order: the office asks a merchant, and he sees it.

It moves nothing. Whoever does the order is paid, also where somebody else was asked.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated

from msgspec import Meta
from sqlalchemy import ColumnElement, Connection, Table, and_, func, insert, select

from server.directory.commands import Id
from server.directory.queries import merchant_of
from server.facts import FactDesk, FactStamp
from server.facts.refused import Refused
from server.redemption.order_states import OrderMove, OrderState
from server.redemption.order_tables import fulfilment_order, order_move
from server.redemption.order_values import OrderId
from server.redemption.orders import Order, order_of, orders_named
from server.settlement.assigning_tables import SAYS_MAX, order_assignment
from server.settlement.states_rights import refuse_all_but_operators
from server.settlement.states_values import SettlingCommand, SettlingDone, SettlingProblem

ASSIGNMENTS_MAX = 50
"""How often one order is given to somebody else."""


class AssignOrder(SettlingCommand, frozen=True, kw_only=True, tag="assign_order"):
    """The office asks a merchant to do an open order; ``says`` tells him what he must know."""

    order_id: OrderId
    merchant: Id
    says: Annotated[str, Meta(max_length=SAYS_MAX, pattern=r"^[^\0]*$")] = ""


@dataclass(frozen=True, slots=True)
class Assigned:
    """An order that a merchant was asked to do."""

    order: Order
    says: str
    assigned_at: datetime


@dataclass(frozen=True, slots=True)
class DoneOrder:
    """What a merchant did of an order, and what the pool pays for it; thousandths and fen. Below
    0 where it was taken back.
    """

    order: Order
    business_date: date
    units_milli: int
    amount_fen: int


def register(desk: FactDesk) -> None:
    """Makes the desk apply assignments."""
    desk.register("assign_order", AssignOrder, assign_order)


def assign_order(tx: Connection, stamp: FactStamp, command: AssignOrder) -> SettlingDone | Refused:
    """Note whom the office asked; the last one asked counts.

    Refused: no such order or merchant, or the order is not open any more.
    """
    refused = refuse_all_but_operators(tx, stamp.pool, stamp.actor)
    if refused is not None:
        return refused
    order = order_of(tx, stamp.pool, command.order_id)
    if order is None or order.state is not OrderState.OPEN:
        return Refused(
            SettlingProblem.WRONG_STATE,
            "没有这张未兑现的券或工单，请用 order list 核对编号"
            " / no such open order; look at `order list`",
        )
    if merchant_of(tx, stamp.pool, command.merchant) is None:
        return Refused(
            SettlingProblem.CONFLICT,
            f"没有这个商户：{command.merchant}，请核对编号 / no such merchant: {command.merchant}",
        )
    before = tx.execute(
        select(order_assignment)
        .where(
            order_assignment.c.pool == stamp.pool,
            order_assignment.c.order_id == command.order_id,
        )
        .order_by(order_assignment.c.assignment_no.desc())
        .limit(1)
    ).one_or_none()
    if before is not None and (before.merchant, before.says) == (command.merchant, command.says):
        return SettlingDone(command.order_id, command.merchant, again=True)
    number = 1 if before is None else before.assignment_no + 1
    if number > ASSIGNMENTS_MAX:
        return Refused(
            SettlingProblem.CONFLICT,
            f"这张单已派过 {ASSIGNMENTS_MAX} 次，请先与商户说定再办"
            f" / it was assigned {ASSIGNMENTS_MAX} times; agree with a merchant first",
        )
    tx.execute(
        insert(order_assignment).values(
            pool=stamp.pool,
            order_id=command.order_id,
            assignment_no=number,
            merchant=command.merchant,
            says=command.says,
            assigned_by=stamp.actor,
            assigned_at=stamp.recorded_at,
            fact_no=stamp.fact_no,
        )
    )
    return SettlingDone(command.order_id, command.merchant)


def assigned_to(tx: Connection, pool: str, merchant: str, *, limit: int = 500) -> list[Assigned]:
    """Open orders that this merchant was the last to be asked for, the oldest first."""
    newer = order_assignment.alias("newer")
    rows = tx.execute(
        select(order_assignment)
        .where(
            order_assignment.c.pool == pool,
            order_assignment.c.merchant == merchant,
            ~select(newer.c.order_id)
            .where(
                newer.c.pool == order_assignment.c.pool,
                newer.c.order_id == order_assignment.c.order_id,
                newer.c.assignment_no > order_assignment.c.assignment_no,
            )
            .exists(),
            ~_is_closed(order_assignment),
        )
        .order_by(order_assignment.c.fact_no.desc())
        .limit(limit)
    ).all()
    orders = orders_named(tx, pool, [row.order_id for row in rows])
    return [Assigned(orders[row.order_id], row.says, row.assigned_at) for row in reversed(rows)]


def waiting_orders(tx: Connection, pool: str, *, limit: int = 500) -> list[Order]:
    """Open vouchers and work orders, whoever was asked to do them, the oldest first."""
    rows = tx.execute(
        select(fulfilment_order.c.order_id)
        .where(fulfilment_order.c.pool == pool, ~_is_closed(fulfilment_order))
        .order_by(fulfilment_order.c.fact_no, fulfilment_order.c.line_no)
        .limit(limit)
    )
    ids = list(rows.scalars())
    orders = orders_named(tx, pool, ids)
    return [orders[each] for each in ids]


def _is_closed(named: Table) -> ColumnElement[bool]:
    """Whether the newest move of the order that a row names left it in another state than open."""
    later = order_move.alias("later")
    same = (order_move.c.pool == named.c.pool, order_move.c.order_id == named.c.order_id)
    newer = (
        later.c.pool == order_move.c.pool,
        later.c.order_id == order_move.c.order_id,
        later.c.move_no > order_move.c.move_no,
    )
    return (
        select(order_move.c.order_id)
        .where(
            *same,
            order_move.c.state != OrderState.OPEN.value,
            ~select(later.c.order_id).where(*newer).exists(),
        )
        .exists()
    )


def done_by(tx: Connection, pool: str, merchant: str, *, limit: int = 500) -> list[DoneOrder]:
    """What this merchant did and took back, the newest first."""
    rows = tx.execute(
        select(order_move)
        .where(
            order_move.c.pool == pool,
            order_move.c.merchant == merchant,
            order_move.c.move.in_([OrderMove.FULFIL.value, OrderMove.UNDO.value]),
        )
        .order_by(order_move.c.fact_no.desc(), order_move.c.order_id, order_move.c.move_no.desc())
        .limit(limit)
    ).all()
    orders = orders_named(tx, pool, [row.order_id for row in rows])
    found = []
    for row in rows:
        sign = 1 if row.move == OrderMove.FULFIL.value else -1
        found.append(
            DoneOrder(
                orders[row.order_id],
                row.business_date,
                sign * row.units_milli,
                sign * row.amount_fen,
            )
        )
    return found


@dataclass(frozen=True, slots=True)
class Asked:
    """Whom the office asked to do an order, with what words."""

    merchant: str
    says: str
    assigned_by: str
    assigned_at: datetime


def asked_for(tx: Connection, pool: str, order_id: str) -> list[Asked]:
    """Everybody who was asked to do the order, the last one first."""
    rows = tx.execute(
        select(order_assignment)
        .where(order_assignment.c.pool == pool, order_assignment.c.order_id == order_id)
        .order_by(order_assignment.c.assignment_no.desc())
    )
    return [Asked(row.merchant, row.says, row.assigned_by, row.assigned_at) for row in rows]


def assigned_merchants(tx: Connection, pool: str) -> dict[str, str]:
    """By order: the merchant who was asked last."""
    newest = (
        select(
            order_assignment.c.order_id, func.max(order_assignment.c.assignment_no).label("newest")
        )
        .where(order_assignment.c.pool == pool)
        .group_by(order_assignment.c.order_id)
        .subquery()
    )
    rows = tx.execute(
        select(order_assignment.c.order_id, order_assignment.c.merchant)
        .join(
            newest,
            and_(
                newest.c.order_id == order_assignment.c.order_id,
                newest.c.newest == order_assignment.c.assignment_no,
            ),
        )
        .where(order_assignment.c.pool == pool)
    )
    return {row.order_id: row.merchant for row in rows}
