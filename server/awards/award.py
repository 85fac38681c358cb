"""Awarding points: what the rule was worth on the day of the deed, once for each award id."""

from sqlalchemy import Connection, func, insert, select

from server.awards.booking import Credit, book_credit
from server.awards.checks import check_actor, check_awarder, check_deed, paid_keys
from server.awards.commands import AwardPoints
from server.awards.cover import cover_refusal
from server.awards.tables import award, award_claim, award_clawback, award_origin, paid_once
from server.awards.tasks import task_of
from server.awards.values import Awarded, AwardProblem, Deed, RuleTerms
from server.directory.accounts import POINTS_ISSUED
from server.facts import FactStamp
from server.facts.refused import Refused, stands_for_another

AWARD_KEY = "award:"
AWARD_CODE = "award"


def award_points(tx: Connection, stamp: FactStamp, command: AwardPoints) -> Awarded | Refused:
    """Credit what the rule was worth on ``performed_on``; what is owed is cleared out of it.

    Refused: another award or a claim has this id, the resident is unknown, no rule was in force
    on that day or it wants a review, the day has not come yet, who awards may not, the same
    fact is paid, the rule's limit is reached, or the fund would not cover it.
    """
    before = award_of(tx, stamp.pool, command.award_id)
    if before is not None:
        if before == command:
            return _awarded_before(tx, stamp.pool, command.award_id)
        return id_taken(deed_of(before), deed_of(command))
    claimed = claimed_deed(tx, stamp.pool, command.award_id)
    if claimed is not None:
        return id_taken(claimed, deed_of(command))
    refusal = check_actor(command.awarded_by, stamp.actor)
    if refusal is not None:
        return refusal
    deed = deed_of(command)
    rule = check_award(tx, stamp, deed)
    if isinstance(rule, Refused):
        return rule
    return cover_refusal(tx, stamp.pool, rule.points) or give(tx, stamp, command, rule)


def check_award(tx: Connection, stamp: FactStamp, deed: Deed) -> RuleTerms | Refused:
    """The rule that a deed is awarded by at once, without a review; or why it is not."""
    rule = check_deed(tx, stamp.pool, stamp.recorded_at, deed)
    if isinstance(rule, Refused):
        return rule
    return check_at_once(tx, stamp.pool, deed, rule) or rule


def check_at_once(tx: Connection, pool: str, deed: Deed, rule: RuleTerms) -> Refused | None:
    """Whether who awards may do so, and alone."""
    if task_of(tx, pool, deed.event) is not None:
        return Refused(
            AwardProblem.NEEDS_REVIEW,
            f"{deed.event} 是多人任务，请每人申报后一起审核"
            f" / {deed.event} is a task for several people: each claims, and it is reviewed",
        )
    if rule.review:
        return Refused(
            AwardProblem.NEEDS_REVIEW,
            f"标准 {rule.rule_id} 须先审核：请改为申报，由他人审核"
            f" / rule {rule.rule_id} needs a review: claim it, and a colleague reviews it",
        )
    return check_awarder(tx, pool, deed.by, rule, frozenset({deed.account}))


def give(tx: Connection, stamp: FactStamp, command: AwardPoints, rule: RuleTerms) -> Awarded:
    """Book an award that was checked, and remember what it pays."""
    credit = Credit(
        key=AWARD_KEY + command.award_id,
        kind="award",
        source=POINTS_ISSUED,
        code=AWARD_CODE,
        account=command.account,
        points=rule.points,
        business_date=command.performed_on,
        memo=command.rule_id,
    )
    cleared = book_credit(tx, stamp, credit)
    own = {"pool": stamp.pool, "award_id": command.award_id}
    tx.execute(
        insert(award).values(
            **own,
            account=command.account,
            rule_id=command.rule_id,
            category=rule.category,
            performed_on=command.performed_on,
            points=rule.points,
            awarded_by=command.awarded_by,
            memo=command.memo,
            fact_no=stamp.fact_no,
        )
    )
    if command.event or command.fact_ref:
        named = {"event": command.event, "fact_ref": command.fact_ref}
        tx.execute(insert(award_origin).values(**own, **named))
        keys = paid_keys(deed_of(command))
        tx.execute(insert(paid_once), [own | {"paid_key": key} for key in keys])
    return Awarded(
        command.award_id,
        rule.points,
        cleared.overdraft_points,
        again=False,
        owed_cleared_points=cleared.owed_points,
    )


def award_of(tx: Connection, pool: str, award_id: str) -> AwardPoints | None:
    """The award under this id, as it was asked for, or None."""
    row = tx.execute(
        select(award, award_origin.c.event, award_origin.c.fact_ref)
        .outerjoin(
            award_origin,
            (award_origin.c.pool == award.c.pool) & (award_origin.c.award_id == award.c.award_id),
        )
        .where(award.c.pool == pool, award.c.award_id == award_id)
    ).one_or_none()
    if row is None:
        return None
    return AwardPoints(
        award_id=row.award_id,
        account=row.account,
        rule_id=row.rule_id,
        performed_on=row.performed_on,
        awarded_by=row.awarded_by,
        memo=row.memo,
        event=row.event,
        fact_ref=row.fact_ref,
    )


def deed_of(command: AwardPoints) -> Deed:
    """What the command says was done."""
    return Deed(
        deed_id=command.award_id,
        account=command.account,
        rule_id=command.rule_id,
        performed_on=command.performed_on,
        by=command.awarded_by,
        event=command.event,
        fact_ref=command.fact_ref,
    )


def points_of(tx: Connection, pool: str, award_id: str) -> int:
    """What an award gave; it must be there."""
    found = select(award.c.points).where(award.c.pool == pool, award.c.award_id == award_id)
    return int(tx.execute(found).scalar_one())


def points_awarded(tx: Connection, pool: str) -> int:
    """All points that awards gave, less what was clawed back; before anything was cleared."""
    given, clawed_back = (
        int(tx.execute(select(func.sum(table.c.points)).where(table.c.pool == pool)).scalar() or 0)
        for table in (award, award_clawback)
    )
    return given - clawed_back


def claimed_deed(tx: Connection, pool: str, claim_id: str) -> Deed | None:
    """What was claimed under this id, reviewed or not; or None."""
    row = tx.execute(
        select(award_claim).where(award_claim.c.pool == pool, award_claim.c.claim_id == claim_id)
    ).one_or_none()
    if row is None:
        return None
    return Deed(
        deed_id=row.claim_id,
        account=row.account,
        rule_id=row.rule_id,
        performed_on=row.performed_on,
        by=row.claimed_by,
        event=row.event,
        fact_ref=row.fact_ref,
    )


def id_taken(stands: Deed, asked: Deed) -> Refused:
    """The id stands for something else: both are named, so that somebody can see which is wrong."""
    says = stands_for_another(
        ("编号", "id"), asked.deed_id, stands=_parts(stands), asked=_parts(asked)
    )
    return Refused(AwardProblem.CONFLICT, says)


def _parts(deed: Deed) -> tuple[object, ...]:
    return deed.account, deed.rule_id, deed.performed_on, deed.by, deed.event, deed.fact_ref


def _awarded_before(tx: Connection, pool: str, award_id: str) -> Awarded:
    return Awarded(award_id, points_of(tx, pool, award_id), 0, again=True)
