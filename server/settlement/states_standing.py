"""How statements stand, for pages and lists: read, never written, here."""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection

from server.settlement.disputes_store import disputes_of_statement, open_disputes
from server.settlement.disputes_values import Dispute
from server.settlement.payments_open import open_of_each, open_statements, payable_fen
from server.settlement.payments_store import payments_of_statement, pending_payments
from server.settlement.payments_values import Direction, Payment
from server.settlement.states import PaymentState, StatementState
from server.settlement.states_store import (
    deadline_of,
    history,
    in_state,
    placed_from,
    placed_of,
    policies,
)
from server.settlement.states_values import MoveRecord


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one statement stands. Fen; above zero the pool owes the merchant.

    ``deadline``: when it counts as confirmed, for an issued one; None for any other.
    ``payable_fen`` and ``receivable_fen``: what may be proposed now, 0 or more.
    """

    statement: str
    merchant: str
    state: StatementState
    since: datetime
    issued_at: datetime
    deadline: datetime | None
    closing_fen: int
    open_fen: int
    payable_fen: int
    receivable_fen: int
    history: tuple[MoveRecord, ...]
    disputes: tuple[Dispute, ...]
    payments: tuple[Payment, ...]


@dataclass(frozen=True, slots=True)
class Overdue:
    """An issued statement whose deadline has passed: it waits for the lapse to be run."""

    statement: str
    merchant: str
    deadline: datetime


@dataclass(frozen=True, slots=True)
class Unsettled:
    """A confirmed statement with something open: it waits to be paid or carried forward.

    ``claimed_fen``: payments that wait, above zero to the merchant, below zero from him.
    """

    statement: str
    merchant: str
    period_through: date
    open_fen: int
    claimed_fen: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """What the pool's people must do next."""

    to_answer: tuple[Dispute, ...]
    to_adjust: tuple[Dispute, ...]
    """Disputes with an adjustment that a second person must approve."""
    to_approve: tuple[Payment, ...]
    to_record: tuple[Payment, ...]
    to_lapse: tuple[Overdue, ...]
    to_pay: tuple[Unsettled, ...]


def standing_of(tx: Connection, pool: str, statement: str) -> Standing | None:
    """Where a statement stands, whoever's it is; None where there is none of this id."""
    placed = placed_of(tx, pool, statement)
    if placed is None:
        return None
    opened = open_statements(tx, pool, placed)
    confirmed = placed.state is StatementState.CONFIRMED
    issued = placed.state is StatementState.ISSUED
    return Standing(
        statement=placed.statement,
        merchant=placed.merchant,
        state=placed.state,
        since=placed.since,
        issued_at=placed.issued_at,
        deadline=deadline_of(placed, policies(tx, pool)) if issued else None,
        closing_fen=placed.closing_fen,
        open_fen=opened[0].open_fen,
        payable_fen=payable_fen(opened, Direction.PAY) if confirmed else 0,
        receivable_fen=payable_fen(opened, Direction.RECEIVE) if confirmed else 0,
        history=history(tx, pool, statement),
        disputes=tuple(disputes_of_statement(tx, pool, statement)),
        payments=tuple(payments_of_statement(tx, pool, statement)),
    )


def states_of(tx: Connection, pool: str, merchant: str) -> dict[str, StatementState]:
    """The state of every statement of a merchant."""
    found = placed_from(tx, pool, merchant, date.min)
    return {placed.statement: placed.state for placed in found}


def waiting(tx: Connection, pool: str, at: datetime) -> Waiting:
    """What waits for the pool's people at a moment."""
    set_days = policies(tx, pool)
    pending = pending_payments(tx, pool)
    issued = in_state(tx, pool, StatementState.ISSUED)
    overdue = [
        Overdue(each.statement, each.merchant, deadline_of(each, set_days))
        for each in issued
        if deadline_of(each, set_days) <= at
    ]
    unsettled = [
        Unsettled(
            statement=each.placed.statement,
            merchant=each.placed.merchant,
            period_through=each.placed.period_through,
            open_fen=each.open_fen,
            claimed_fen=each.pay_claimed_fen - each.receive_claimed_fen,
        )
        for each in open_of_each(tx, pool, in_state(tx, pool, StatementState.CONFIRMED))
    ]
    disputes = open_disputes(tx, pool)
    return Waiting(
        to_answer=tuple(each for each in disputes if each.proposal is None),
        to_adjust=tuple(each for each in disputes if each.proposal is not None),
        to_approve=tuple(each for each in pending if each.state is PaymentState.PROPOSED),
        to_record=tuple(each for each in pending if each.state is PaymentState.APPROVED),
        to_lapse=tuple(sorted(overdue, key=lambda each: (each.deadline, each.statement))),
        to_pay=tuple(unsettled),
    )
