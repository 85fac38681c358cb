"""Claim and review (申报, 审核): two different people stand behind a reviewed award."""

from dataclasses import dataclass, replace
from datetime import date

from sqlalchemy import Connection, Row, insert, select

from server.awards.award import award_of, deed_of, give, id_taken, points_of
from server.awards.checks import (
    check_actor,
    check_awarder,
    check_deed,
    check_fact_named,
    performers_of_event,
)
from server.awards.commands import AwardPoints, ClaimAward, ReviewAward
from server.awards.cover import cover_refusal
from server.awards.people import awarder_of
from server.awards.rules import rule_on
from server.awards.tables import award_claim, award_review
from server.awards.tasks import (
    Task,
    check_whole,
    free_seat,
    share_of_seat,
    take_seat,
    task_of,
)
from server.awards.values import AwardProblem, Claimed, Deed, Reviewed, RuleTerms
from server.facts import FactStamp
from server.facts.refused import Refused, stands_for_another

WAITING_MAX = 1_000


@dataclass(frozen=True, slots=True)
class WaitingClaim:
    """A claim that nobody has reviewed."""

    claim_id: str
    account: str
    rule_id: str
    performed_on: date
    claimed_by: str
    memo: str
    event: str | None


def claim_award(tx: Connection, stamp: FactStamp, command: ClaimAward) -> Claimed | Refused:
    """Put a deed up for review; the performer may claim his own.

    Refused: the id stands for something else, the rule wants no review, its task is full, or for
    what would refuse the award itself.
    """
    before = claim_of(tx, stamp.pool, command.claim_id)
    if before is not None:
        if before == command:
            return Claimed(command.claim_id, again=True)
        return id_taken(deed_of_claim(before), deed_of_claim(command))
    awarded = award_of(tx, stamp.pool, command.claim_id)
    if awarded is not None:
        return id_taken(deed_of(awarded), deed_of_claim(command))
    refusal = check_actor(command.claimed_by, stamp.actor)
    if refusal is not None:
        return refusal
    rule = check_deed(tx, stamp.pool, stamp.recorded_at, deed_of_claim(command))
    if isinstance(rule, Refused):
        return rule
    found = task_of(tx, stamp.pool, command.event)
    seat = free_seat(tx, stamp.pool, found, deed_of_claim(command)) if found else None
    if isinstance(seat, Refused):
        return seat
    if found is None and not rule.review:
        return Refused(
            AwardProblem.NO_REVIEW,
            f"标准 {rule.rule_id} 不需要审核，请直接登记 / rule {rule.rule_id} needs no review, award it",
        )
    tx.execute(
        insert(award_claim).values(
            pool=stamp.pool,
            claim_id=command.claim_id,
            account=command.account,
            rule_id=command.rule_id,
            performed_on=command.performed_on,
            claimed_by=command.claimed_by,
            memo=command.memo,
            event=command.event,
            fact_ref=command.fact_ref,
            fact_no=stamp.fact_no,
        )
    )
    if found is not None and seat is not None:
        take_seat(tx, stamp.pool, found.event, command.claim_id, seat)
    return Claimed(command.claim_id)


def review_award(tx: Connection, stamp: FactStamp, command: ReviewAward) -> Reviewed | Refused:
    """Approve a claim, which awards it at what the rule was worth on its day, or refuse it.

    Sent again, nothing changes. Refused: no such claim, it was reviewed otherwise, a refusal
    without reason, a reviewer who is not registered, performed the deed or took part in its
    event, claimed it, or has the wrong role; a task that is short of people; or what would refuse
    the award by now.
    """
    claim = claim_of(tx, stamp.pool, command.claim_id)
    if claim is None:
        return Refused(
            AwardProblem.UNKNOWN_CLAIM,
            f"没有这个申报：{command.claim_id}，请核对编号 / no such claim: {command.claim_id}",
        )
    before = _review_row(tx, stamp.pool, command.claim_id)
    if before is not None:
        return _reviewed_before(tx, stamp.pool, command, before)
    if not command.approve and not command.reason.strip():
        return Refused(
            AwardProblem.NEEDS_REASON, "不通过要写原因 / a claim is refused with a reason"
        )
    deed = deed_of_claim(claim)
    refusal = _check_reviewer(tx, stamp, deed, command)
    if refusal is not None:
        return refusal
    points = 0
    found = task_of(tx, stamp.pool, deed.event)
    if command.approve:
        rule = _worth(tx, stamp, deed, found)
        if isinstance(rule, Refused):
            return rule
        points = give(tx, stamp, _award_for(claim, command.reviewed_by), rule).points
    elif found is not None and (refusal := check_whole(tx, stamp.pool, found)) is not None:
        return refusal
    tx.execute(
        insert(award_review).values(
            pool=stamp.pool,
            claim_id=command.claim_id,
            approved=command.approve,
            reviewed_by=command.reviewed_by,
            reason=command.reason,
            fact_no=stamp.fact_no,
        )
    )
    return Reviewed(command.claim_id, command.approve, points, command.reason)


def _worth(tx: Connection, stamp: FactStamp, deed: Deed, found: Task | None) -> RuleTerms | Refused:
    """The rule, with the points that this claim is awarded; or why it is not."""
    rule = check_deed(tx, stamp.pool, stamp.recorded_at, deed)
    if isinstance(rule, Refused):
        return rule
    if found is not None:
        points = share_of_seat(tx, stamp.pool, found, deed.deed_id, rule)
        if isinstance(points, Refused):
            return points
        rule = replace(rule, points=points)
    return cover_refusal(tx, stamp.pool, rule.points) or rule


def claim_of(tx: Connection, pool: str, claim_id: str) -> ClaimAward | None:
    """The claim under this id, as it was made, or None."""
    row = tx.execute(
        select(award_claim).where(award_claim.c.pool == pool, award_claim.c.claim_id == claim_id)
    ).one_or_none()
    if row is None:
        return None
    return ClaimAward(
        claim_id=row.claim_id,
        account=row.account,
        rule_id=row.rule_id,
        performed_on=row.performed_on,
        claimed_by=row.claimed_by,
        memo=row.memo,
        event=row.event,
        fact_ref=row.fact_ref,
    )


def review_of(tx: Connection, pool: str, claim_id: str) -> Reviewed | None:
    """How a claim was reviewed, or None while it waits."""
    row = _review_row(tx, pool, claim_id)
    return _reviewed(tx, pool, row, again=False) if row is not None else None


def unnamed_fact(tx: Connection, pool: str, command: AwardPoints | ClaimAward) -> Refused | None:
    """For every edge that takes awards and claims: why one must name its fact, or None. What was
    told before is answered as it was then.
    """
    if isinstance(command, AwardPoints):
        return (
            None
            if award_of(tx, pool, command.award_id) == command
            else check_fact_named(tx, pool, deed_of(command))
        )
    if claim_of(tx, pool, command.claim_id) == command:
        return None
    return check_fact_named(tx, pool, deed_of_claim(command))


def waiting_claims(tx: Connection, pool: str) -> list[WaitingClaim]:
    """Claims that nobody has reviewed, oldest first, at most 1 000."""
    reviewed = (
        select(award_review.c.claim_id)
        .where(
            award_review.c.pool == award_claim.c.pool,
            award_review.c.claim_id == award_claim.c.claim_id,
        )
        .exists()
    )
    rows = tx.execute(
        select(award_claim)
        .where(award_claim.c.pool == pool, ~reviewed)
        .order_by(award_claim.c.fact_no)
        .limit(WAITING_MAX)
    )
    return [
        WaitingClaim(
            row.claim_id,
            row.account,
            row.rule_id,
            row.performed_on,
            row.claimed_by,
            row.memo,
            row.event,
        )
        for row in rows
    ]


def _check_reviewer(
    tx: Connection, stamp: FactStamp, deed: Deed, command: ReviewAward
) -> Refused | None:
    refusal = check_actor(command.reviewed_by, stamp.actor)
    if refusal is not None:
        return refusal
    reviewer = awarder_of(tx, stamp.pool, command.reviewed_by)
    if reviewer is None:
        return Refused(
            AwardProblem.UNKNOWN_AWARDER,
            f"审核人 {command.reviewed_by} 没有登记，请先登记"
            f" / {command.reviewed_by} is not registered and cannot review",
        )
    claimer = awarder_of(tx, stamp.pool, deed.by)
    same_person = (
        reviewer.account is not None
        and claimer is not None
        and (claimer.account == reviewer.account)
    )
    if same_person or deed.by in {command.reviewed_by, reviewer.account}:
        return Refused(
            AwardProblem.SELF,
            f"{reviewer.name} 是申报人，请换一位审核 / who claimed it cannot review it",
        )
    performers = frozenset({deed.account})
    if deed.event is not None:
        performers |= performers_of_event(tx, stamp.pool, deed.event)
    rule = rule_on(tx, stamp.pool, deed.rule_id, deed.performed_on)
    return check_awarder(tx, stamp.pool, command.reviewed_by, rule, performers)


def _award_for(claim: ClaimAward, reviewed_by: str) -> AwardPoints:
    return AwardPoints(
        award_id=claim.claim_id,
        account=claim.account,
        rule_id=claim.rule_id,
        performed_on=claim.performed_on,
        awarded_by=reviewed_by,
        memo=claim.memo,
        event=claim.event,
        fact_ref=claim.fact_ref,
    )


def deed_of_claim(claim: ClaimAward) -> Deed:
    """What the claim says was done."""
    return Deed(
        deed_id=claim.claim_id,
        account=claim.account,
        rule_id=claim.rule_id,
        performed_on=claim.performed_on,
        by=claim.claimed_by,
        event=claim.event,
        fact_ref=claim.fact_ref,
    )


def _review_row(tx: Connection, pool: str, claim_id: str) -> Row[tuple[object, ...]] | None:
    return tx.execute(
        select(award_review).where(award_review.c.pool == pool, award_review.c.claim_id == claim_id)
    ).one_or_none()


def _reviewed(tx: Connection, pool: str, row: Row[tuple[object, ...]], *, again: bool) -> Reviewed:
    points = points_of(tx, pool, row.claim_id) if row.approved else 0
    return Reviewed(row.claim_id, row.approved, points, row.reason, again)


def _reviewed_before(
    tx: Connection, pool: str, command: ReviewAward, row: Row[tuple[object, ...]]
) -> Reviewed | Refused:
    if (row.approved, row.reviewed_by) == (command.approve, command.reviewed_by):
        return _reviewed(tx, pool, row, again=True)
    verdicts = {True: "通过 approved", False: "不通过 refused"}
    says = stands_for_another(
        ("审核", "review"),
        command.claim_id,
        stands=(verdicts[row.approved], row.reviewed_by),
        asked=(verdicts[command.approve], command.reviewed_by),
    )
    return Refused(AwardProblem.CONFLICT, says)
