"""What is told about a statement's state, and what is answered."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from server.settlement.states import StatementMove, StatementState

REASON_MAX = 200
BANK_REF_MAX = 64
CONFIRM_DAYS = 7
"""Days until an issued statement counts as confirmed, in a pool that has set nothing."""

LAPSED_AT_ONCE = 100
"""Statements that one fact lets lapse; whoever asks again gets the next ones."""

SettlingId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]
StatementId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._:-]{1,80}$")]
# PostgreSQL keeps no text with NUL.
Reason = Annotated[str, Meta(max_length=REASON_MAX, pattern=r"^[^\0]*[^\0\s][^\0]*$")]
Note = Annotated[str, Meta(max_length=REASON_MAX, pattern=r"^[^\0]*$")]


class SettlingCommand(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"
):
    """A command about statements, disputes or payments; each carries all it needs."""


class ConfirmStatement(SettlingCommand, frozen=True, tag="confirm_statement"):
    """The merchant finds the statement right.

    ``on_behalf``: how the merchant said so, where an operator tells it for him.
    """

    statement: StatementId
    on_behalf: Note = ""


class LapseStatements(SettlingCommand, frozen=True, tag="lapse_statements"):
    """Every issued statement whose deadline has passed counts as confirmed, up to 100 a fact."""


class CarryForward(SettlingCommand, frozen=True, tag="carry_forward"):
    """What is open on a confirmed statement, and on earlier ones, goes into the next opening."""

    statement: StatementId
    reason: Reason


class SetConfirmDays(SettlingCommand, frozen=True, tag="set_confirm_days"):
    """Statements that are issued from now on count as confirmed after so many days."""

    confirm_days: Annotated[int, Meta(ge=1, le=60)]


class SettlingProblem(StrEnum):
    """Why nothing happened."""

    CONFLICT = "conflict"
    UNKNOWN_STATEMENT = "unknown_statement"
    """There is none of this id, or it is another merchant's: one answer for both."""
    UNKNOWN_LINE = "unknown_line"
    UNKNOWN_DISPUTE = "unknown_dispute"
    UNKNOWN_PAYMENT = "unknown_payment"
    NOT_ALLOWED = "not_allowed"
    NEEDS_WORD = "needs_word"
    WRONG_STATE = "wrong_state"
    SAME_PERSON = "same_person"
    ABOVE_OPEN = "above_open"
    EARLIER_OPEN = "earlier_open"
    PAYMENT_PENDING = "payment_pending"
    BAD_AMOUNT = "bad_amount"
    BAD_DAY = "bad_day"


@dataclass(frozen=True, slots=True)
class SettlingDone:
    """It stands. ``state`` is where ``what`` is now; ``again``: it stood there before."""

    what: str
    state: str
    again: bool = False


@dataclass(frozen=True, slots=True)
class Lapsed:
    """Statements that count as confirmed now; ``more`` are left for another fact."""

    statements: tuple[str, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class MoveRecord:
    """One move of a statement as it was made."""

    move_no: int
    move: StatementMove
    state: StatementState
    moved_by: str
    moved_at: datetime
    says: str
    carried_fen: int
