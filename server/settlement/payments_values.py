"""What is told about money between pool and merchant, and how a payment reads."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from server.settlement.states import PaymentMove, PaymentState
from server.settlement.states_values import (
    BANK_REF_MAX,
    Note,
    Reason,
    SettlingCommand,
    SettlingId,
    StatementId,
)

MAX_PAYMENT_FEN = 10**12

BankRef = Annotated[str, Meta(max_length=BANK_REF_MAX, pattern=r"^[^\s\0]([^\0]*[^\s\0])?\Z")]


class Direction(StrEnum):
    """Which way the money goes."""

    PAY = "pay"
    """From the pool to the merchant."""
    RECEIVE = "receive"
    """From the merchant to the pool."""

    @property
    def sign(self) -> int:
        """1 where the pool owed the merchant, -1 where he owed the pool."""
        return 1 if self is Direction.PAY else -1


class ProposePayment(SettlingCommand, frozen=True, tag="propose_payment"):
    """Money should go to a merchant, or is to come from him, for a statement.

    ``statement`` is the newest one that it pays for: its closing holds what earlier ones left
    open. Whoever hands this in proposes; somebody else must approve.
    """

    payment: SettlingId
    statement: StatementId
    direction: Direction
    amount_fen: Annotated[int, Meta(ge=1, le=MAX_PAYMENT_FEN)]
    note: Note = ""


class ApprovePayment(SettlingCommand, frozen=True, tag="approve_payment"):
    """Whoever hands this in has looked at the proposal, and is not the one who made it."""

    payment: SettlingId


class WithdrawPayment(SettlingCommand, frozen=True, tag="withdraw_payment"):
    """A payment that was proposed or approved will not be made; no money has moved."""

    payment: SettlingId
    reason: Reason


class RecordPaid(SettlingCommand, frozen=True, tag="record_paid"):
    """The bank has moved an approved payment: its reference, and the day of the bank."""

    payment: SettlingId
    bank_ref: BankRef
    paid_on: date


class BouncePayment(SettlingCommand, frozen=True, tag="bounce_payment"):
    """A recorded payment came back. The statement is open again; propose another payment."""

    payment: SettlingId
    reason: Reason


@dataclass(frozen=True, slots=True)
class PaymentStep:
    """One move of a payment as it was made."""

    move: PaymentMove
    state: PaymentState
    moved_by: str
    moved_at: datetime
    says: str


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment as it stands. ``bank_ref`` and ``paid_on`` are there once it was paid."""

    payment: str
    merchant: str
    statement: str
    direction: Direction
    amount_fen: int
    note: str
    proposed_by: str
    proposed_at: datetime
    state: PaymentState
    bank_ref: str | None
    paid_on: date | None
    steps: tuple[PaymentStep, ...]

    @property
    def approved_by(self) -> str | None:
        approvals = (each.moved_by for each in self.steps if each.move is PaymentMove.APPROVE)
        return next(approvals, None)
