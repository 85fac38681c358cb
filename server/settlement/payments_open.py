"""What is open on a merchant's statements: the rule of payments, and nothing else.

A statement's closing holds everything up to its period: the net of the period and what earlier
statements left open. What is open of it is

    closing − payments booked after it that name it or an earlier statement − what was carried forward

(payments to the merchant count above zero, his own below, bounced ones not at all). A payment
that names a later statement does not count: it can only be made once this one is settled.
Above zero the pool owes the merchant, below zero he owes the pool.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, and_, select

from server.settlement.day_sums_tables import placed_line
from server.settlement.payments_values import Direction
from server.settlement.states import PENDING, PaymentState, StatementState
from server.settlement.states_store import Placed, placed_from
from server.settlement.states_tables import payment as payment_table
from server.settlement.states_tables import payment_move
from server.settlement.tables import statement

_BINDING = frozenset({StatementState.CONFIRMED, StatementState.SETTLED})
"""States in which both sides have agreed to the closing."""


@dataclass(frozen=True, slots=True)
class OpenStatement:
    """A statement with what is open on it. Fen; below zero, the merchant owes the pool.

    ``pay_claimed_fen`` and ``receive_claimed_fen``: payments that wait, of it and earlier ones.
    """

    placed: Placed
    open_fen: int
    pay_claimed_fen: int
    receive_claimed_fen: int

    def claimed_fen(self, direction: Direction) -> int:
        """What the payments that wait in a direction come to."""
        return self.pay_claimed_fen if direction is Direction.PAY else self.receive_claimed_fen

    def free_fen(self, direction: Direction) -> int:
        """How much may still be proposed in a direction; 0 or more."""
        return max(0, direction.sign * self.open_fen - self.claimed_fen(direction))


@dataclass(frozen=True, slots=True)
class _Moved:
    """A payment that moved the books, or waits to. ``through``: its statement's period's end;
    ``placed``: ends of the periods of the statements that show its transfers.
    """

    through: date
    state: PaymentState
    direction: Direction
    amount_fen: int
    placed: tuple[tuple[int, date | None], ...]


def open_statements(tx: Connection, pool: str, placed: Placed) -> list[OpenStatement]:
    """What is open on a statement and on the merchant's later ones, in order; the first is it."""
    of_merchant = placed_from(tx, pool, placed.merchant, placed.period_through)
    return open_of_each(tx, pool, of_merchant)


def open_of_each(tx: Connection, pool: str, placed: list[Placed]) -> list[OpenStatement]:
    """What is open on each of these statements, whoever's they are, in their order."""
    moved = _moved(tx, pool, sorted({each.merchant for each in placed}))
    return [_open(each, moved[each.merchant]) for each in placed]


def payable_fen(opened: list[OpenStatement], direction: Direction) -> int:
    """How much may be proposed for the first of them: what is open on it, and no more than is
    open on any later statement that both sides have agreed to.
    """
    first, *later = opened
    binding = [first, *(each for each in later if each.placed.state in _BINDING)]
    return min(each.free_fen(direction) for each in binding)


def overclaimed_fen(opened: list[OpenStatement], direction: Direction) -> int:
    """By how much the payments that wait claim more than is open, on the first of them or on a
    later one that both sides have agreed to; 0 where everything fits.
    """
    first, *later = opened
    binding = [first, *(each for each in later if each.placed.state in _BINDING)]
    return max(
        0, *(each.claimed_fen(direction) - direction.sign * each.open_fen for each in binding)
    )


def _open(placed: Placed, moved: list[_Moved]) -> OpenStatement:
    paid_fen = pay_claimed_fen = receive_claimed_fen = 0
    for each in moved:
        if each.through > placed.period_through:
            continue
        if each.state in PENDING and each.direction is Direction.PAY:
            pay_claimed_fen += each.amount_fen
        elif each.state in PENDING:
            receive_claimed_fen += each.amount_fen
        for fen, shown_through in each.placed:
            if shown_through is None or shown_through > placed.period_through:
                paid_fen += fen
    return OpenStatement(
        placed=placed,
        open_fen=placed.closing_fen - paid_fen - placed.carried_fen,
        pay_claimed_fen=pay_claimed_fen,
        receive_claimed_fen=receive_claimed_fen,
    )


def _moved(tx: Connection, pool: str, merchants: list[str]) -> dict[str, list[_Moved]]:
    """By merchant, every payment that was not withdrawn."""
    named, shown = statement.alias("named"), statement.alias("shown")
    rows = tx.execute(
        select(
            payment_table,
            named.c.period_through.label("through"),
            payment_move.c.state,
            payment_move.c.transfer_no,
            shown.c.period_through.label("shown_through"),
        )
        .join(
            named,
            and_(
                named.c.pool == payment_table.c.pool,
                named.c.statement == payment_table.c.statement,
            ),
        )
        .outerjoin(
            payment_move,
            and_(
                payment_move.c.pool == payment_table.c.pool,
                payment_move.c.payment == payment_table.c.payment,
            ),
        )
        .outerjoin(
            placed_line,
            and_(
                placed_line.c.pool == payment_move.c.pool,
                placed_line.c.transfer_no == payment_move.c.transfer_no,
            ),
        )
        .outerjoin(
            shown,
            and_(
                shown.c.pool == placed_line.c.pool,
                shown.c.statement == placed_line.c.statement,
            ),
        )
        .where(payment_table.c.pool == pool, payment_table.c.merchant.in_(merchants))
        .order_by(payment_table.c.fact_no, payment_move.c.move_no)
    )
    found: dict[tuple[str, str], _Moved] = {}
    for row in rows:
        before = found.get((row.merchant, row.payment))
        state = PaymentState(row.state) if row.state is not None else PaymentState.PROPOSED
        direction = Direction(row.direction)
        placed = before.placed if before is not None else ()
        if row.transfer_no is not None:
            back = -1 if state is PaymentState.BOUNCED else 1
            placed += ((back * direction.sign * row.amount_fen, row.shown_through),)
        found[row.merchant, row.payment] = _Moved(
            row.through, state, direction, row.amount_fen, placed
        )
    by_merchant: dict[str, list[_Moved]] = defaultdict(list)
    for (merchant, _), each in found.items():
        if each.state is not PaymentState.WITHDRAWN:
            by_merchant[merchant].append(each)
    return by_merchant
