"""Claw-back (撤回): an award was wrong, and its points go back where they came from."""

from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class TakenBack:
    """``taken_points`` come from the balance, ``owed_points`` out of awards to come; the legs
    say so to the ledger.
    """

    taken_points: int
    owed_points: int
    legs: tuple[Leg, ...]


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
    if not command.reason.strip():
        return Refused(
            AwardProblem.NEEDS_REASON, "撤回要写原因 / points are taken back with a reason"
        )
    back = take_back(
        tx, stamp, found.account, found.points, to=POINTS_ISSUED, codes=(TAKEN_CODE, OWED_CODE)
    )
    _book(tx, stamp, command, back.legs)
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
            taken_points=back.taken_points,
            owed_points=back.owed_points,
            fact_no=stamp.fact_no,
        )
    )
    return ClawedBack(command.award_id, found.points, back.taken_points, back.owed_points)


def is_clawed_back(tx: Connection, pool: str, award_id: str) -> bool:
    """Whether the award no longer stands."""
    return _row(tx, pool, award_id) is not None


def take_back(
    tx: Connection, stamp: FactStamp, account: str, points: int, *, to: str, codes: tuple[str, str]
) -> TakenBack:
    """How points go back to where they came from: out of what the resident may spend now, and
    the rest is owed out of awards to come. Books nothing, but opens the account of what is owed.
    """
    resident, (taken_code, owed_code) = resident_account(account), codes
    free = spendable(tx, stamp.pool, resident, stamp.recorded_at, asset=Asset.POINTS)
    taken = min(free, points)
    owed = points - taken
    legs = []
    if taken:
        legs.append(Leg(Asset.POINTS, taken_code, resident, to, taken))
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
        legs.append(Leg(Asset.POINTS, owed_code, owed_account(account), to, owed))
    return TakenBack(taken, owed, tuple(legs))


def _book(tx: Connection, stamp: FactStamp, command: ClawBackAward, legs: tuple[Leg, ...]) -> None:
    draft = EntryDraft(
        key=CLAWBACK_KEY + command.award_id,
        kind="clawback",
        occurred_at=stamp.recorded_at,
        business_date=business_date(stamp.recorded_at, cut_off_hour(tx, stamp.pool)),
        legs=legs,
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
            f"登记 {command.award_id} 已撤回（{row.reason}），与这次（{command.reason}）不同，没有改动"
            f" / {command.award_id} was clawed back before ({row.reason}), asked was"
            f" ({command.reason}); nothing was changed",
        )
    return ClawedBack(row.award_id, row.points, row.taken_points, row.owed_points, again=True)
