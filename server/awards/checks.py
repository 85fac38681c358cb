"""Whether a deed may be awarded: the resident, the day, the rule, who awards, and how often.

One piece of code for the handlers and for the dry run of a file, which is a question to a
snapshot and writes nothing. What a file would award before a row is told by ``Ahead``.
"""

import calendar
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime

from sqlalchemy import ColumnElement, Connection, exists, func, select

from protocol.business_day import business_date
from server.awards.people import PARTNER_PREFIX, awarder_of
from server.awards.rules import linked_rules, rule_on
from server.awards.tables import award, award_claim, award_clawback, award_origin, paid_once
from server.awards.values import AwardProblem, Deed, RuleTerms
from server.directory import cut_off_hour, resident_of
from server.facts.refused import Refused

_RESIDENT_PREFIX = "resident:"
_Counted = tuple[str, ...]


@dataclass(slots=True)
class Ahead:
    """What rows further up in a file will have been awarded, as far as it limits a row."""

    paid: dict[str, str] = field(default_factory=dict)
    counts: Counter[_Counted] = field(default_factory=Counter)

    def will_award(self, deed: Deed) -> None:
        """Count a row in whose check found nothing wrong."""
        self.paid |= dict.fromkeys(paid_keys(deed), deed.deed_id)
        self.counts.update(_counted(deed).values())


def check_deed(
    tx: Connection, pool: str, at: datetime, deed: Deed, ahead: Ahead | None = None
) -> RuleTerms | Refused:
    """The rule that a deed is awarded by, or why it is not; who awards is another question."""
    if resident_of(tx, pool, deed.account) is None:
        return Refused(
            AwardProblem.UNKNOWN_RESIDENT,
            f"没有这位居民：{deed.account}，请先登记 / not registered: {deed.account}",
        )
    if deed.performed_on > business_date(at, cut_off_hour(tx, pool)):
        return Refused(
            AwardProblem.FUTURE,
            f"日期 {deed.performed_on} 还没有到，请改日期 / this day has not come yet",
        )
    rule = rule_on(tx, pool, deed.rule_id, deed.performed_on)
    if rule is None:
        return Refused(
            AwardProblem.NO_RULE,
            f"{deed.performed_on} 没有生效的积分标准 {deed.rule_id}，请核对标准和日期"
            f" / no rule {deed.rule_id} was in force on that day",
        )
    return _paid_already(tx, pool, deed, ahead) or _over_limit(tx, pool, deed, rule, ahead) or rule


def check_awarder(
    tx: Connection, pool: str, by: str, rule: RuleTerms | None, performers: frozenset[str]
) -> Refused | None:
    """Whether ``by`` may award, or review, what these residents did. A claim whose rule has been
    taken away meanwhile (None) asks for no role: it can only be refused.
    """
    who = awarder_of(tx, pool, by)
    if who is not None and who.retired:
        return Refused(
            AwardProblem.NOT_ALLOWED,
            f"{who.name} 已停用，请由在岗人员登记 / {by} has retired, somebody else must award",
        )
    own = who.account if who is not None else by.removeprefix(_RESIDENT_PREFIX)
    if own in performers:
        return Refused(
            AwardProblem.SELF,
            f"{who.name if who is not None else by} 不能给自己登记或审核，请换一位工作人员"
            " / nobody awards or reviews his own deed, ask a colleague",
        )
    if rule is not None and rule.may_award and (who is None or who.role not in rule.may_award):
        roles = ", ".join(rule.may_award)
        return Refused(
            AwardProblem.NOT_ALLOWED,
            f"{by} 无权按标准 {rule.rule_id} 登记，请由以下角色办理：{roles}"
            f" / {by} may not award by this rule; these roles may: {roles}",
        )
    return None


def check_actor(by: str, actor: str) -> Refused | None:
    """A partner's name stands for its signed requests alone: nobody else awards under it."""
    if not by.startswith(PARTNER_PREFIX) or by == actor:
        return None
    return Refused(
        AwardProblem.NOT_ALLOWED,
        f"{by} 只能由该渠道自己的签名请求使用，请写实际登记人"
        f" / only this partner's own requests are made as {by}; name who awards",
    )


def check_fact_named(tx: Connection, pool: str, deed: Deed) -> Refused | None:
    """At the edges: where two rules pay for the same facts, a deed must name its fact, or the
    same one could come in by two channels and be paid twice.
    """
    if deed.fact_ref is not None or len(linked_rules(tx, pool, deed.rule_id)) == 1:
        return None
    return Refused(
        AwardProblem.NEEDS_FACT,
        f"标准 {deed.rule_id} 与其他标准可能登记同一事实，请填事实编号（如上报单号）"
        f" / name the fact (the report's number): rule {deed.rule_id} shares facts with another",
    )


def performers_of_event(tx: Connection, pool: str, event: str) -> frozenset[str]:
    """Everybody who was awarded for an event, or for whom it was claimed."""
    claimed = select(award_claim.c.account).where(
        award_claim.c.pool == pool, award_claim.c.event == event
    )
    awarded = (
        select(award.c.account)
        .join(
            award_origin,
            (award_origin.c.pool == award.c.pool) & (award_origin.c.award_id == award.c.award_id),
        )
        .where(award_origin.c.pool == pool, award_origin.c.event == event)
    )
    return frozenset(tx.execute(claimed.union(awarded)).scalars())


def paid_keys(deed: Deed, rule_id: str | None = None) -> list[str]:
    """What a deed pays at most once: its fact; and at its event, its performer."""
    rule = rule_id or deed.rule_id
    keys = [f"fact:{rule}:{deed.fact_ref.strip().casefold()}"] if deed.fact_ref else []
    if deed.event:
        keys.append(f"event:{rule}:{deed.event.strip()}:{deed.account}")
    return keys


def _paid_already(tx: Connection, pool: str, deed: Deed, ahead: Ahead | None) -> Refused | None:
    if not (deed.fact_ref or deed.event):
        return None
    keys = [key for rule in linked_rules(tx, pool, deed.rule_id) for key in paid_keys(deed, rule)]
    by = (
        tx.execute(
            select(paid_once.c.award_id)
            .where(paid_once.c.pool == pool, paid_once.c.paid_key.in_(keys))
            .order_by(paid_once.c.paid_key)
        )
        .scalars()
        .first()
    )
    if by is None and ahead is not None:
        by = next((ahead.paid[key] for key in keys if key in ahead.paid), None)
    if by is None:
        return None
    return Refused(
        AwardProblem.PAID_ALREADY,
        f"同一事实已登记过（编号 {by}），不再登记 / paid already by award {by}, nothing to do",
    )


def _over_limit(
    tx: Connection, pool: str, deed: Deed, rule: RuleTerms, ahead: Ahead | None
) -> Refused | None:
    counted = _counted(deed)
    for name, zh in _LIMITS.items():
        limit = getattr(rule, name)
        if limit is None or name not in counted:
            continue
        already = _count(tx, pool, _where(name, deed))
        if ahead is not None:
            already += ahead.counts[counted[name]]
        if already >= limit:
            return Refused(
                AwardProblem.OVER_LIMIT,
                f"标准 {rule.rule_id} {zh}最多登记 {limit} 次，已登记 {already} 次，请核对"
                f" / over the rule's limit ({name}: {limit}), check the deed",
            )
    return None


_LIMITS = {
    "per_person_a_day": "每人每天",
    "per_person_a_month": "每人每月",
    "per_day": "每天",
    "per_event": "每次活动",
}


def _counted(deed: Deed) -> dict[str, _Counted]:
    """By limit, what a deed counts towards."""
    day = deed.performed_on.isoformat()
    counted: dict[str, _Counted] = {
        "per_person_a_day": ("person-day", deed.rule_id, deed.account, day),
        "per_person_a_month": ("person-month", deed.rule_id, deed.account, day[:7]),
        "per_day": ("day", deed.rule_id, day),
    }
    if deed.event:
        counted["per_event"] = ("event", deed.rule_id, deed.event)
    return counted


def _where(name: str, deed: Deed) -> Iterator[ColumnElement[bool]]:
    yield award.c.rule_id == deed.rule_id
    if name.startswith("per_person"):
        yield award.c.account == deed.account
    if name == "per_person_a_month":
        yield award.c.performed_on.between(*_month(deed.performed_on))
    elif name == "per_event":
        yield (
            exists().where(
                award_origin.c.pool == award.c.pool,
                award_origin.c.award_id == award.c.award_id,
                award_origin.c.event == deed.event,
            )
        )
    else:
        yield award.c.performed_on == deed.performed_on


def _count(tx: Connection, pool: str, where: Iterator[ColumnElement[bool]]) -> int:
    """Awards that stand: what was clawed back no longer counts."""
    clawed_back = exists().where(
        award_clawback.c.pool == award.c.pool, award_clawback.c.award_id == award.c.award_id
    )
    counted = select(func.count()).select_from(award)
    return int(tx.execute(counted.where(award.c.pool == pool, ~clawed_back, *where)).scalar_one())


def _month(day: date) -> tuple[date, date]:
    last = calendar.monthrange(day.year, day.month)[1]
    return day.replace(day=1), day.replace(day=last)
