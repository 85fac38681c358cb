"""Claw-back (撤回): an award was wrong, and its points go back where they came from."""

from sqlalchemy import Connection, Row, delete, insert, select

from protocol.business_day import business_date
from server.awards.commands import ClawBackAward
from server.awards.tables import award, award_clawback, paid_once
from server.awards.values import AwardProblem, ClawedBack
from server.directory import cut_off_hour
from server.directory.accounts import POINTS_ISSUED, owed_account, owed_accounts, resident_account
from server.facts import FactStamp
from server.facts.refused import Refused
from server.ledger import Asset, EntryDraft, Leg, Normal, Posted, open_account, post, spendable

CLAWBACK_KEY = "clawback:"
TAKEN_CODE = "award_clawed_back"
OWED_CODE = "award_owed"


def claw_back_award(
    tx: Connection, stamp: FactStamp, command: ClawBackAward
) -> ClawedBack | Refused:
    """Take an award back: from what the resident may spend, and the rest is owed.

    Points that a till has reserved at this moment are left to it. No balance goes below zero.
    What the award paid once may be awarded again, to whom it belongs.
    Refused: no such award, or it was clawed back for another reason.
    """
    found = tx.execute(
        select(award).where(award.c.pool == stamp.pool, award.c.award_id == command.award_id)
    ).one_or_none()
    if found is None:
        return Refused(
            AwardProblem.UNKNOWN_AWARD,
            f"没有这笔登记：{command.award_id}，请核对编号 / no such award: {command.award_id}",
        )
    before = _row(tx, stamp.pool, command.award_id)
    if before is not None:
        return _clawed_back_before(command, before)
    free = spendable(
        tx, stamp.pool, resident_account(found.account), stamp.recorded_at, asset=Asset.POINTS
    )
    taken = min(free, found.points)
    owed = found.points - taken
    _book(tx, stamp, command, found.account, taken=taken, owed=owed)
    tx.execute(
        delete(paid_once).where(
            paid_once.c.pool == stamp.pool, paid_once.c.award_id == command.award_id
        )
    )
    tx.execute(
        insert(award_clawback).values(
            pool=stamp.pool,
            award_id=command.award_id,
            clawed_back_by=command.clawed_back_by,
            reason=command.reason,
            points=found.points,
            taken_points=taken,
            owed_points=owed,
            fact_no=stamp.fact_no,
        )
    )
    return ClawedBack(command.award_id, found.points, taken, owed)


def is_clawed_back(tx: Connection, pool: str, award_id: str) -> bool:
    """Whether the award no longer stands."""
    return _row(tx, pool, award_id) is not None


def _book(
    tx: Connection, stamp: FactStamp, command: ClawBackAward, account: str, *, taken: int, owed: int
) -> None:
    legs = []
    if taken:
        legs.append(Leg(Asset.POINTS, TAKEN_CODE, resident_account(account), POINTS_ISSUED, taken))
    if owed:
        for plan in owed_accounts(account):
            open_account(
                tx,
                stamp.pool,
                plan.account,
                Asset(plan.asset),
                plan.kind,
                normal=Normal(plan.normal),
                floor_at_zero=plan.floor_at_zero,
                hot=plan.hot,
            )
        legs.append(Leg(Asset.POINTS, OWED_CODE, owed_account(account), POINTS_ISSUED, owed))
    draft = EntryDraft(
        key=CLAWBACK_KEY + command.award_id,
        kind="clawback",
        occurred_at=stamp.recorded_at,
        business_date=business_date(stamp.recorded_at, cut_off_hour(tx, stamp.pool)),
        legs=tuple(legs),
        memo=command.award_id,
    )
    posted = post(tx, stamp.pool, draft, recorded_at=stamp.recorded_at, fact_no=stamp.fact_no)
    assert isinstance(posted, Posted), f"{draft.key}: {posted}"


def _row(tx: Connection, pool: str, award_id: str) -> Row[tuple[object, ...]] | None:
    return tx.execute(
        select(award_clawback).where(
            award_clawback.c.pool == pool, award_clawback.c.award_id == award_id
        )
    ).one_or_none()


def _clawed_back_before(
    command: ClawBackAward, row: Row[tuple[object, ...]]
) -> ClawedBack | Refused:
    if row.reason != command.reason:
        return Refused(
            AwardProblem.CONFLICT,
            f"登记 {command.award_id} 已撤回（{row.reason}），没有改动"
            f" / {command.award_id} was clawed back before; nothing was changed",
        )
    return ClawedBack(row.award_id, row.points, row.taken_points, row.owed_points, again=True)
