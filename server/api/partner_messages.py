"""What a partner (a town's mini-program) and the server say to each other.

    POST /v1/partners/<partner>/awards     PartnerAward -> PartnerAnswer

A refusal by the rules is an answer (200); what is not answered 200 is a ``Problem``.
"""

from datetime import date
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from server.awards.commands import Memo, RealName, RuleId
from server.directory.commands import HexId

PartnerAwardId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,40}$", max_length=40)]


class PartnerAward(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A resident did something on a day; a rule of the pool says what it is worth.

    `award_id` is the partner's own: asked again with the same id and the same content, nothing
    is awarded twice and the answer is the same; with other content the answer is 409. `account`
    is the resident's pseudonym. `fact_ref` names the fact in the real world (the report's
    number); it is needed where two rules pay for the same facts, and a fact is paid once
    whatever channel tells it. `event` names what many took part in; each is awarded once.
    """

    award_id: PartnerAwardId
    account: HexId
    rule_id: RuleId
    performed_on: date
    memo: Memo = ""
    event: RealName | None = None
    fact_ref: RealName | None = None


class PartnerAwardState(StrEnum):
    """Where an award stands; asked again, a partner learns what became of it."""

    AWARDED = "awarded"
    WAITING = "waiting"
    """Somebody at the pool reviews it first."""
    NOT_APPROVED = "not_approved"
    CLAWED_BACK = "clawed_back"


class PartnerAccepted(Struct, frozen=True, kw_only=True, tag_field="answer", tag="accepted"):
    """The award is known to the pool. `points` are what it gave: 0 unless it is awarded."""

    award_id: str
    state: PartnerAwardState
    points: int


class PartnerDeclined(Struct, frozen=True, kw_only=True, tag_field="answer", tag="declined"):
    """Nothing was awarded. `reason` is for programs, `says` tells a person what to do next."""

    award_id: str
    reason: str
    says: str


PartnerAnswer = PartnerAccepted | PartnerDeclined
