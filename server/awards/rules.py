"""Award rules (积分评定标准): what a deed is worth on its day, and how that is amended.

A rule is what the pool was adopted with, until an amendment takes its place. History is never
re-rated: an award keeps its points, and no amendment reaches into days that were awarded.
"""

from datetime import date

from sqlalchemy import Connection, Row, exists, func, insert, or_, select, union

from server.awards.commands import AmendAwardRule, AwarderRole
from server.awards.tables import award, award_claim, award_review, award_rule_terms
from server.awards.values import AwardProblem, Noted, RuleTerms
from server.directory.tables import award_rule
from server.facts import FactStamp
from server.facts.refused import Refused

_TERMS = (
    "last_day",
    "category",
    "points",
    "same_fact_as",
    "per_person_a_day",
    "per_person_a_month",
    "per_day",
    "per_event",
    "review",
)


def amend_award_rule(tx: Connection, stamp: FactStamp, command: AmendAwardRule) -> Noted | Refused:
    """Let a rule, an old one or a new one, read as the command says from ``valid_from`` on.

    Refused: it would end before it starts, it names itself as the same fact, or an award or a
    claim by this rule stands on a day that it would change.
    """
    if command.last_day is not None and command.last_day < command.valid_from:
        return Refused(
            AwardProblem.BAD_PERIOD,
            f"标准 {command.rule_id} 的结束日早于开始日，请改日期 / the rule ends before it starts",
        )
    if command.same_fact_as == command.rule_id:
        return Refused(
            AwardProblem.BAD_PERIOD,
            f"标准 {command.rule_id} 不能与自己同一事实，请改 same_fact_as"
            " / a rule is not the same fact as itself",
        )
    newest = _newest(tx, stamp.pool, command.rule_id, command.valid_from)
    if newest is not None and newest.valid_from == command.valid_from and _same(newest, command):
        return Noted(command.rule_id, again=True)
    awarded = _told_until(tx, stamp.pool, command.rule_id, command.valid_from)
    if awarded is not None:
        return Refused(
            AwardProblem.BACKDATED,
            f"标准 {command.rule_id} 到 {awarded} 已登记过积分，历史不改：请从次日或更晚起改"
            f" / awarded by until {awarded}; amend it from a later day",
        )
    numbered = newest is not None and newest.valid_from == command.valid_from
    tx.execute(
        insert(award_rule_terms).values(
            pool=stamp.pool,
            rule_id=command.rule_id,
            valid_from=command.valid_from,
            version=newest.version + 1 if newest is not None and numbered else 1,
            may_award=_roles_text(command.may_award),
            fact_no=stamp.fact_no,
            **{name: getattr(command, name) for name in _TERMS},
        )
    )
    return Noted(command.rule_id)


def rule_on(tx: Connection, pool: str, rule_id: str, day: date) -> RuleTerms | None:
    """How a rule reads on a day, or None outside its days."""
    amended = _newest(tx, pool, rule_id, day)
    if amended is not None:
        ended = amended.last_day is not None and amended.last_day < day
        return None if ended else _amended(amended)
    row = tx.execute(
        select(award_rule).where(
            award_rule.c.pool == pool,
            award_rule.c.rule_id == rule_id,
            award_rule.c.first_day <= day,
            or_(award_rule.c.last_day.is_(None), award_rule.c.last_day >= day),
        )
    ).one_or_none()
    return _adopted(row) if row is not None else None


def rules_on(tx: Connection, pool: str, day: date) -> list[RuleTerms]:
    """Every rule in force on a day, by id."""
    ids = union(
        select(award_rule.c.rule_id).where(award_rule.c.pool == pool),
        select(award_rule_terms.c.rule_id).where(award_rule_terms.c.pool == pool),
    )
    known = sorted(tx.execute(ids).scalars())
    found = (rule_on(tx, pool, rule_id, day) for rule_id in known)
    return [rule for rule in found if rule is not None]


def linked_rules(tx: Connection, pool: str, rule_id: str) -> frozenset[str]:
    """The rules that pay for the same facts as this one, itself included.

    A link holds in both directions and whenever it was made: a fact has no date of expiry.
    """
    pairs = union(
        *(
            select(table.c.rule_id, table.c.same_fact_as).where(
                table.c.pool == pool, table.c.same_fact_as.is_not(None)
            )
            for table in (award_rule, award_rule_terms)
        )
    )
    links = [(row.rule_id, row.same_fact_as) for row in tx.execute(pairs)]
    linked, before = {rule_id}, 0
    while len(linked) > before:
        before = len(linked)
        linked |= {end for link in links if linked.intersection(link) for end in link}
    return frozenset(linked)


def _told_until(tx: Connection, pool: str, rule_id: str, since: date) -> date | None:
    """The last day from ``since`` on of an award by the rule, or of a claim not refused."""
    refused = exists().where(
        award_review.c.pool == award_claim.c.pool,
        award_review.c.claim_id == award_claim.c.claim_id,
        ~award_review.c.approved,
    )
    last_days = [
        tx.execute(
            select(func.max(table.c.performed_on)).where(
                table.c.pool == pool,
                table.c.rule_id == rule_id,
                table.c.performed_on >= since,
                *also,
            )
        ).scalar_one()
        for table, also in ((award, ()), (award_claim, (~refused,)))
    ]
    return max((day for day in last_days if day is not None), default=None)


def _newest(tx: Connection, pool: str, rule_id: str, day: date) -> Row[tuple[object, ...]] | None:
    """The amendment that counts on a day."""
    return tx.execute(
        select(award_rule_terms)
        .where(
            award_rule_terms.c.pool == pool,
            award_rule_terms.c.rule_id == rule_id,
            award_rule_terms.c.valid_from <= day,
        )
        .order_by(award_rule_terms.c.valid_from.desc(), award_rule_terms.c.version.desc())
        .limit(1)
    ).one_or_none()


def _same(row: Row[tuple[object, ...]], command: AmendAwardRule) -> bool:
    return row.may_award == _roles_text(command.may_award) and all(
        getattr(row, name) == getattr(command, name) for name in _TERMS
    )


def _roles_text(roles: tuple[AwarderRole, ...]) -> str:
    return ",".join(sorted({role.value for role in roles}))


def _amended(row: Row[tuple[object, ...]]) -> RuleTerms:
    return RuleTerms(
        rule_id=row.rule_id,
        category=row.category,
        points=row.points,
        first_day=row.valid_from,
        last_day=row.last_day,
        same_fact_as=row.same_fact_as,
        per_person_a_day=row.per_person_a_day,
        per_person_a_month=row.per_person_a_month,
        per_day=row.per_day,
        per_event=row.per_event,
        may_award=tuple(AwarderRole(role) for role in row.may_award.split(",") if role),
        review=row.review,
    )


def _adopted(row: Row[tuple[object, ...]]) -> RuleTerms:
    return RuleTerms(
        rule_id=row.rule_id,
        category=row.category,
        points=row.points,
        first_day=row.first_day,
        last_day=row.last_day,
        same_fact_as=row.same_fact_as,
    )
