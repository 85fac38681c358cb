"""Reading and writing payments; the commands are in `payments`."""

from collections import defaultdict
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, insert, select

from server.facts import FactStamp
from server.settlement.payments_values import Direction, Payment, PaymentStep
from server.settlement.states import PENDING, PaymentMove, PaymentState, advance_payment
from server.settlement.states_store import StateFault
from server.settlement.states_tables import payment as payment_table
from server.settlement.states_tables import payment_move


def payment_of(tx: Connection, pool: str, name: str) -> Payment | None:
    """The payment of this id with everything that happened to it, or None."""
    found = _payments(tx, pool, payment_table.c.payment == name)
    return found[0] if found else None


def payments_of_merchant(tx: Connection, pool: str, merchant: str) -> list[Payment]:
    """Every payment to and from a merchant, in the order in which they were proposed."""
    return _payments(tx, pool, payment_table.c.merchant == merchant)


def payments_of_statement(tx: Connection, pool: str, statement: str) -> list[Payment]:
    """Every payment that names this statement, in the order in which they were proposed."""
    return _payments(tx, pool, payment_table.c.statement == statement)


def pending_payments(tx: Connection, pool: str) -> list[Payment]:
    """Every payment that waits for somebody, in the order in which they were proposed."""
    over = select(payment_move.c.payment).where(
        payment_move.c.pool == pool,
        payment_move.c.payment == payment_table.c.payment,
        payment_move.c.state.not_in([each.value for each in PENDING]),
    )
    return _payments(tx, pool, ~over.exists())


def payment_with_bank_ref(tx: Connection, pool: str, bank_ref: str) -> str | None:
    """The payment that a bank reference stands for, or None."""
    return tx.execute(
        select(payment_move.c.payment).where(
            payment_move.c.pool == pool, payment_move.c.bank_ref == bank_ref
        )
    ).scalar_one_or_none()


def move_payment(
    tx: Connection,
    stamp: FactStamp,
    payment: Payment,
    what: PaymentMove,
    *,
    says: str = "",
    bank_ref: str | None = None,
    paid_on: date | None = None,
    transfer_no: int | None = None,
) -> PaymentState:
    """Write a payment's next move; answers where it is then.

    Raises:
        StateFault: the move table does not allow it; handlers refuse before they come here.
    """
    state = advance_payment(payment.state, what)
    if state is None:
        raise StateFault(f"{payment.payment}: {payment.state} cannot {what}")
    tx.execute(
        insert(payment_move).values(
            pool=stamp.pool,
            payment=payment.payment,
            move_no=len(payment.steps) + 1,
            move=what.value,
            state=state.value,
            moved_by=stamp.actor,
            moved_at=stamp.recorded_at,
            says=says,
            bank_ref=bank_ref,
            paid_on=paid_on,
            transfer_no=transfer_no,
            fact_no=stamp.fact_no,
        )
    )
    return state


def _payments(tx: Connection, pool: str, which: ColumnElement[bool]) -> list[Payment]:
    rows = tx.execute(
        select(payment_table)
        .where(payment_table.c.pool == pool, which)
        .order_by(payment_table.c.fact_no)
    ).all()
    if not rows:
        return []
    steps: dict[str, list[Row[Any]]] = defaultdict(list)
    named = select(payment_table.c.payment).where(payment_table.c.pool == pool, which)
    moves = (
        select(payment_move)
        .where(payment_move.c.pool == pool, payment_move.c.payment.in_(named))
        .order_by(payment_move.c.payment, payment_move.c.move_no)
    )
    for row in tx.execute(moves):
        steps[row.payment].append(row)
    return [_payment(row, steps[row.payment]) for row in rows]


def _payment(row: Row[Any], moves: list[Row[Any]]) -> Payment:
    paid = next((each for each in moves if each.bank_ref is not None), None)
    return Payment(
        payment=row.payment,
        merchant=row.merchant,
        statement=row.statement,
        direction=Direction(row.direction),
        amount_fen=row.amount_fen,
        note=row.note,
        proposed_by=row.proposed_by,
        proposed_at=row.proposed_at,
        state=PaymentState(moves[-1].state) if moves else PaymentState.PROPOSED,
        bank_ref=paid.bank_ref if paid is not None else None,
        paid_on=paid.paid_on if paid is not None else None,
        steps=tuple(
            PaymentStep(
                move=PaymentMove(each.move),
                state=PaymentState(each.state),
                moved_by=each.moved_by,
                moved_at=each.moved_at,
                says=each.says,
            )
            for each in moves
        ),
    )
