"""What the awards answer; refusals are values."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from msgspec import Struct

from server.awards.commands import AwarderRole


class AwardProblem(StrEnum):
    """Why nothing is awarded, claimed, reviewed or taken back."""

    CONFLICT = "conflict"
    UNKNOWN_RESIDENT = "unknown_resident"
    NO_RULE = "no_rule"
    FUTURE = "future"
    BACKDATED = "backdated"
    """Awards were given by the rule in the days that an amendment would change."""
    BAD_PERIOD = "bad_period"
    NOT_ALLOWED = "not_allowed"
    """Who awards or reviews is not registered, has retired, or has another role."""
    SELF = "self"
    NEEDS_REVIEW = "needs_review"
    NO_REVIEW = "no_review"
    PAID_ALREADY = "paid_already"
    NEEDS_FACT = "needs_fact"
    """The rule pays for the same facts as another one, and the fact was not named."""
    OVER_LIMIT = "over_limit"
    NOT_COVERED = "not_covered"
    """The pool has a hard level, and the fund would not cover what points are worth."""
    UNKNOWN_AWARD = "unknown_award"
    UNKNOWN_CLAIM = "unknown_claim"
    UNKNOWN_AWARDER = "unknown_awarder"
    UNKNOWN_PARTNER = "unknown_partner"
    NEEDS_REASON = "needs_reason"
    FULL = "full"
    """So many people as a task takes have handed it in."""
    SHORT_OF_PEOPLE = "short_of_people"
    OTHER_TASK = "other_task"
    """The task has another rule or another day, or this resident is in it already."""
    UNKNOWN_OPENING = "unknown_opening"
    UNKNOWN_CORRECTION = "unknown_correction"
    NOTHING_TO_CORRECT = "nothing_to_correct"
    SAME_PERSON = "same_person"
    BAD_KEY = "bad_key"


@dataclass(frozen=True, slots=True)
class Awarded:
    """The points are the resident's. ``cleared_points`` of them paid an offline overdraft,
    ``owed_cleared_points`` what was owed of an award that was clawed back.

    ``again``: they were awarded by an earlier command; nothing was written now.
    """

    award_id: str
    points: int
    cleared_points: int
    again: bool
    owed_cleared_points: int = 0


class Claimed(Struct, frozen=True):
    """The claim waits for its review; ``again``: it did so already."""

    claim_id: str
    again: bool = False


class Reviewed(Struct, frozen=True):
    """The claim is approved, or refused for ``reason``; ``points`` were awarded."""

    claim_id: str
    approved: bool
    points: int
    reason: str = ""
    again: bool = False


class ClawedBack(Struct, frozen=True):
    """The award's points are gone: ``taken_points`` from the balance, ``owed_points`` of
    awards to come.
    """

    award_id: str
    points: int
    taken_points: int
    owed_points: int
    again: bool = False


class Opened(Struct, frozen=True):
    """What the paper was worth is the resident's."""

    opening_id: str
    points: int
    again: bool = False


class Noted(Struct, frozen=True):
    """It stands so; ``again``: it stood so already."""

    what: str
    again: bool = False


@dataclass(frozen=True, slots=True)
class RuleTerms:
    """An award rule as it reads on a day. Limits are numbers of awards, None for no limit."""

    rule_id: str
    category: str
    points: int
    first_day: date
    last_day: date | None
    same_fact_as: str | None = None
    per_person_a_day: int | None = None
    per_person_a_month: int | None = None
    per_day: int | None = None
    per_event: int | None = None
    may_award: tuple[AwarderRole, ...] = ()
    review: bool = False


@dataclass(frozen=True, slots=True)
class Deed:
    """What an award or a claim says was done. ``by`` awards it, or claims it."""

    deed_id: str
    account: str
    rule_id: str
    performed_on: date
    by: str
    event: str | None
    fact_ref: str | None
