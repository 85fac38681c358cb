"""What can be told about awards. Each command is a fact and carries everything it needs.

An id is made by whoever asks: asked again with the same id and the same content, nothing
changes; with other content it is a conflict.
"""

from datetime import date
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from server.directory.commands import HexId, Id, KeyText, Name

AwardId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._:-]{1,64}$", max_length=64)]
RealName = Annotated[str, Meta(pattern=r"^[0-9A-Za-z一-鿿._:/-]{1,64}$", max_length=64)]
"""Names something in the real world: an event, or a fact with the number that it has there."""
Awarder = AwardId
NO_NUL = r"^[^\x00]*$"
"""PostgreSQL keeps no text with NUL: what SQLite would take, every database refuses."""
By = Annotated[str, Meta(min_length=1, max_length=80, pattern=NO_NUL)]
Memo = Annotated[str, Meta(max_length=200, pattern=NO_NUL)]
Reason = Annotated[str, Meta(min_length=1, max_length=200, pattern=NO_NUL)]
RuleId = Annotated[str, Meta(min_length=1, max_length=32, pattern=NO_NUL)]
Limit = Annotated[int, Meta(ge=1, le=1_000_000)]
PartnerId = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,19}$", max_length=20)]

MAX_POINTS = 1_000_000
"""Points that one deed or one paper may be worth: above it, somebody's finger slipped."""


class AwarderRole(StrEnum):
    """What somebody who awards points is in the programme."""

    OFFICE = "office"
    """街道工作人员"""
    COMMUNITY = "community"
    """社区工作者"""
    GRID_WORKER = "grid_worker"
    """网格员"""
    PARTNER = "partner"
    """A mini-program or another office's system."""


class _Command(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    pass


class AwardPoints(_Command, frozen=True, kw_only=True, tag="award_points"):
    """A resident did something on a day, and a rule says what it is worth.

    ``event`` names what many took part in: each of them is awarded once. ``fact_ref`` names
    one fact of the real world (a report's number): it is paid once, whoever tells it.
    """

    award_id: AwardId
    account: HexId
    rule_id: RuleId
    performed_on: date
    awarded_by: By
    memo: Memo = ""
    event: RealName | None = None
    fact_ref: RealName | None = None


class AmendAwardRule(_Command, frozen=True, kw_only=True, tag="amend_award_rule"):
    """From ``valid_from`` on a rule reads so, until it is amended again or ``last_day`` is over.

    What was awarded stays as it was. Limits count awards by this rule that were not clawed
    back; None is no limit. ``may_award``: only registered awarders of these roles award by the
    rule, or review where ``review`` is set; none named is everybody. With ``review`` nothing is
    awarded until somebody other than the performer and the claimer has approved a claim.
    """

    rule_id: Id
    valid_from: date
    last_day: date | None = None
    category: Name
    points: Annotated[int, Meta(ge=1, le=MAX_POINTS)]
    same_fact_as: Id | None = None
    per_person_a_day: Limit | None = None
    per_person_a_month: Limit | None = None
    per_day: Limit | None = None
    per_event: Limit | None = None
    may_award: tuple[AwarderRole, ...] = ()
    review: bool = False


class RegisterAwarder(_Command, frozen=True, kw_only=True, tag="register_awarder"):
    """Somebody awards or reviews. ``account`` is his own, if he is a resident and earns too."""

    awarder: Awarder
    name: Name
    role: AwarderRole
    account: HexId | None = None


class RetireAwarder(_Command, frozen=True, kw_only=True, tag="retire_awarder"):
    """He no longer awards or reviews; what he did stays. Never undone: register a new id."""

    awarder: Awarder
    reason: Reason


class ClaimAward(_Command, frozen=True, kw_only=True, tag="claim_award"):
    """A deed is put up for review. Approved, it becomes the award of the same id."""

    claim_id: AwardId
    account: HexId
    rule_id: RuleId
    performed_on: date
    claimed_by: By
    memo: Memo = ""
    event: RealName | None = None
    fact_ref: RealName | None = None


class ReviewAward(_Command, frozen=True, kw_only=True, tag="review_award"):
    """A registered awarder has looked at a claim. A refusal gives its reason."""

    claim_id: AwardId
    approve: bool
    reviewed_by: Awarder
    reason: Memo = ""


class ClawBackAward(_Command, frozen=True, kw_only=True, tag="claw_back_award"):
    """撤回: an award was wrong. What the balance does not cover is owed out of later awards."""

    award_id: AwardId
    clawed_back_by: By
    reason: Reason


class OpenBalance(_Command, frozen=True, kw_only=True, tag="open_balance"):
    """Points that a resident brings along from paper cards or a spreadsheet.

    ``opening_id`` is the paper's own number, so that no paper is taken over twice.
    """

    opening_id: AwardId
    account: HexId
    points: Annotated[int, Meta(ge=1, le=MAX_POINTS)]
    as_of: date
    opened_by: By
    memo: Memo = ""


class Split(StrEnum):
    """Who gets a rule's points where a task takes several people."""

    EACH = "each"
    """每人: everybody gets what the rule says."""
    TOGETHER = "together"
    """合计: they share it; what does not divide goes to the first seats, a point each."""


class PublishTask(_Command, frozen=True, kw_only=True, tag="publish_task"):
    """A task that takes exactly ``headcount`` people, named by its event.

    Everybody hands in a claim for the event; nobody is awarded before all of them have, and the
    next one is told that it is full. What its rule says of a review does not matter: a task is
    always reviewed.
    """

    event: RealName
    rule_id: RuleId
    performed_on: date
    headcount: Annotated[int, Meta(ge=2, le=100)]
    split: Split
    published_by: By


class ProposeOpeningCorrection(
    _Command, frozen=True, kw_only=True, tag="propose_opening_correction"
):
    """A paper was taken over with wrong points; it is worth ``right_points``, 0 for nothing.

    Whoever hands this in is the one who proposes; another one must approve.
    """

    correction: AwardId
    opening_id: AwardId
    right_points: Annotated[int, Meta(ge=0, le=MAX_POINTS)]
    reason: Reason


class ApproveOpeningCorrection(
    _Command, frozen=True, kw_only=True, tag="approve_opening_correction"
):
    """Whoever hands this in has looked at the paper, and is not the one who proposed it."""

    correction: AwardId


class RegisterPartner(_Command, frozen=True, kw_only=True, tag="register_partner"):
    """A channel may award over signed HTTP; again with another key, it gets the new key."""

    partner: PartnerId
    name: Name
    public_key: KeyText


class ClosePartner(_Command, frozen=True, kw_only=True, tag="close_partner"):
    """The channel's requests are no longer dealt with; registering it again opens it."""

    partner: PartnerId
    reason: Reason


AwardCommand = (
    AwardPoints
    | AmendAwardRule
    | RegisterAwarder
    | RetireAwarder
    | ClaimAward
    | ReviewAward
    | ClawBackAward
    | OpenBalance
    | PublishTask
    | RegisterPartner
    | ClosePartner
)
"""What an operator may import."""
