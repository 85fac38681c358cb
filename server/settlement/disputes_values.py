"""What is told about disputes, and how one reads."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from server.settlement.states_values import (
    Note,
    Reason,
    SettlingCommand,
    SettlingId,
    StatementId,
)

MAX_ADJUSTMENT_FEN = 10**12
PROPOSALS_MAX = 20
"""Adjustments proposed for one dispute, one after the other."""
DISPUTES_MAX = 200
"""Disputes on one statement; whoever has more writes them down in one about the whole."""


class Verdict(StrEnum):
    """How a dispute ends."""

    ADJUSTED = "adjusted"
    REFUSED = "refused"


class RaiseDispute(SettlingCommand, frozen=True, kw_only=True, tag="raise_dispute"):
    """The merchant finds a line of an issued statement wrong, or all of it (``line`` empty).

    ``line``: the natural key of what stands there (``sale:<id>``). ``on_behalf``: how the
    merchant said so, where an operator tells it for him.
    """

    dispute: SettlingId
    statement: StatementId
    line: Annotated[str, Meta(max_length=160, pattern=r"^[^\0]*$")] = ""
    reason: Reason
    on_behalf: Note = ""


class AnswerDispute(SettlingCommand, frozen=True, kw_only=True, tag="answer_dispute"):
    """The pool's answer. ``refused``: nothing is booked. ``adjusted``: ``amount_fen`` (above 0 for
    the merchant, below 0 from him) is booked at once, as one person could tell it before
    adjustments took two; only old logs hold it, see :class:`ProposeAdjustment`.
    """

    dispute: SettlingId
    verdict: Verdict
    amount_fen: Annotated[int, Meta(ge=-MAX_ADJUSTMENT_FEN, le=MAX_ADJUSTMENT_FEN)] = 0
    reason: Reason


class ProposeAdjustment(SettlingCommand, frozen=True, kw_only=True, tag="propose_adjustment"):
    """The pool agrees with a dispute: ``amount_fen`` (above 0 for the merchant, below 0 from him)
    is booked when another person approves.
    """

    dispute: SettlingId
    amount_fen: Annotated[int, Meta(ge=-MAX_ADJUSTMENT_FEN, le=MAX_ADJUSTMENT_FEN)]
    reason: Reason


class ApproveAdjustment(SettlingCommand, frozen=True, kw_only=True, tag="approve_adjustment"):
    """A second person agrees to the adjustment that was proposed last: it is booked, and stands
    on the merchant's next statement. ``amount_fen`` is what he saw.
    """

    dispute: SettlingId
    amount_fen: Annotated[int, Meta(ge=-MAX_ADJUSTMENT_FEN, le=MAX_ADJUSTMENT_FEN)]


@dataclass(frozen=True, slots=True)
class Proposal:
    """An adjustment that waits for a second person; `proposal_no` counts a dispute's from 1."""

    proposal_no: int
    amount_fen: int
    reason: str
    proposed_by: str
    proposed_at: datetime


@dataclass(frozen=True, slots=True)
class DisputeAnswer:
    """How a dispute was answered. ``key``: of the adjustment in the ledger, if there is one;
    ``approved_by``: the second person, "" for a refusal.
    """

    verdict: Verdict
    amount_fen: int
    reason: str
    answered_by: str
    answered_at: datetime
    key: str | None
    approved_by: str = ""


@dataclass(frozen=True, slots=True)
class Dispute:
    """A dispute; ``answer`` is None as long as it waits. ``line`` is empty for the whole.
    ``proposal``: the newest adjustment that waits for a second person.
    """

    dispute: str
    statement: str
    line: str
    reason: str
    on_behalf: str
    raised_by: str
    raised_at: datetime
    answer: DisputeAnswer | None
    proposal: Proposal | None = None
