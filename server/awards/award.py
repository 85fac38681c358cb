"""Awarding points: what the rule was worth on the day of the deed, once for each award id."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct
from sqlalchemy import Connection, func, insert, select

from protocol.business_day import business_date
from server.awards.tables import award
from server.directory import award_rule_on, pool_terms, resident_of
from server.directory.accounts import POINTS_ISSUED, overdraft_account, resident_account
from server.facts import FactDesk, FactStamp
from server.facts.refused import Refused
from server.ledger import Asset, EntryDraft, Leg, Posted, balance, post

AWARD_KEY = "award:"
AWARD_CODE = "award"
OVERDRAFT_CLEARED_CODE = "overdraft_cleared"


class AwardPoints(
    Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="kind",
    tag="award_points",
):
    """The command: a resident did something on a day, and a rule says what it is worth.

    ``award_id`` is made by whoever asks; asked again with the same, it is awarded once.
    """

    award_id: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]
    account: Annotated[str, Meta(pattern=r"^[0-9a-f]{16}$")]
    rule_id: Annotated[str, Meta(min_length=1, max_length=32)]
    performed_on: date
    awarded_by: Annotated[str, Meta(min_length=1, max_length=80)]
    memo: Annotated[str, Meta(max_length=200)] = ""


class AwardProblem(StrEnum):
    """Why nothing is awarded."""

    CONFLICT = "conflict"
    UNKNOWN_RESIDENT = "unknown_resident"
    NO_RULE = "no_rule"
    FUTURE = "future"


@dataclass(frozen=True, slots=True)
class Awarded:
    """The points are the resident's. ``cleared_points`` of them paid an offline overdraft.

    ``again``: they were awarded by an earlier command; nothing was written now.
    """

    award_id: str
    points: int
    cleared_points: int
    again: bool


def register(desk: FactDesk) -> None:
    """Makes the desk apply :class:`AwardPoints`."""
    desk.register("award_points", AwardPoints, award_points)


def award_points(tx: Connection, stamp: FactStamp, command: AwardPoints) -> Awarded | Refused:
    """Credit what the rule was worth on ``performed_on``; an overdraft is cleared out of it.

    Refused: another award has this id, the resident is unknown, no rule was in force on that
    day, or the day has not come yet.
    """
    before = award_of(tx, stamp.pool, command.award_id)
    if before is not None:
        if before == command:
            return _awarded_before(tx, stamp.pool, command.award_id)
        return Refused(
            AwardProblem.CONFLICT,
            f"奖励编号 {command.award_id} 已用于另一笔，请换一个编号"
            f" / award id {command.award_id} stands for another award",
        )
    if resident_of(tx, stamp.pool, command.account) is None:
        return Refused(
            AwardProblem.UNKNOWN_RESIDENT,
            f"没有这位居民：{command.account}，请先登记 / not registered: {command.account}",
        )
    today = business_date(stamp.recorded_at, pool_terms(tx, stamp.pool).cut_off_hour)
    if command.performed_on > today:
        return Refused(
            AwardProblem.FUTURE,
            f"日期 {command.performed_on} 还没有到，请改日期 / this day has not come yet",
        )
    rule = award_rule_on(tx, stamp.pool, command.rule_id, command.performed_on)
    if rule is None:
        return Refused(
            AwardProblem.NO_RULE,
            f"{command.performed_on} 没有生效的积分标准 {command.rule_id}，请核对标准和日期"
            f" / no rule {command.rule_id} was in force on that day",
        )
    overdraft = balance(tx, stamp.pool, overdraft_account(command.account), Asset.POINTS)
    cleared = min(overdraft, rule.points)
    _book(tx, stamp, command, points=rule.points, cleared=cleared)
    tx.execute(
        insert(award).values(
            pool=stamp.pool,
            award_id=command.award_id,
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
    return Awarded(command.award_id, rule.points, cleared, again=False)


def award_of(tx: Connection, pool: str, award_id: str) -> AwardPoints | None:
    """The award under this id, as it was asked for, or None."""
    row = tx.execute(
        select(award).where(award.c.pool == pool, award.c.award_id == award_id)
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
    )


def points_awarded(tx: Connection, pool: str) -> int:
    """All points that awards ever gave, before anything was cleared of them."""
    total = tx.execute(select(func.sum(award.c.points)).where(award.c.pool == pool)).scalar_one()
    return int(total or 0)


def _awarded_before(tx: Connection, pool: str, award_id: str) -> Awarded:
    points = tx.execute(
        select(award.c.points).where(award.c.pool == pool, award.c.award_id == award_id)
    ).scalar_one()
    return Awarded(award_id, int(points), 0, again=True)


def _book(
    tx: Connection, stamp: FactStamp, command: AwardPoints, *, points: int, cleared: int
) -> None:
    resident = resident_account(command.account)
    legs = [Leg(Asset.POINTS, AWARD_CODE, POINTS_ISSUED, resident, points)]
    if cleared:
        owed = overdraft_account(command.account)
        legs.append(Leg(Asset.POINTS, OVERDRAFT_CLEARED_CODE, resident, owed, cleared))
    draft = EntryDraft(
        key=AWARD_KEY + command.award_id,
        kind="award",
        occurred_at=stamp.recorded_at,
        business_date=command.performed_on,
        legs=tuple(legs),
        memo=command.rule_id,
    )
    posted = post(tx, stamp.pool, draft, recorded_at=stamp.recorded_at, fact_no=stamp.fact_no)
    assert isinstance(posted, Posted), f"{draft.key}: {posted}"
