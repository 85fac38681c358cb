"""Correcting an opening balance: somebody typed a paper's points wrong, and two people say so.

The opening balance itself stands; the correction is an entry of its own, against the same account.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, func, insert, select

from protocol.business_day import business_date
from server.awards.booking import Credit, book_credit
from server.awards.clawback import take_back
from server.awards.commands import ApproveOpeningCorrection, ProposeOpeningCorrection
from server.awards.tables import (
    opening_balance,
    opening_correction,
    opening_correction_approval,
)
from server.awards.values import AwardProblem, Noted
from server.directory import cut_off_hour
from server.directory.accounts import OPENING_POINTS
from server.facts import FactStamp
from server.facts.actors import same_person
from server.facts.refused import Refused, stands_for_another
from server.ledger import EntryDraft, Posted, post

CORRECTION_KEY = "opening_correction:"
CORRECTED_UP_CODE = "opening_corrected"
TAKEN_CODE = "opening_taken_back"
OWED_CODE = "opening_owed"


@dataclass(frozen=True, slots=True)
class OpeningCorrection:
    """A correction; ``approved_by`` is None while it waits."""

    correction: str
    opening_id: str
    account: str
    was_points: int
    right_points: int
    reason: str
    proposed_by: str
    approved_by: str | None


def propose_opening_correction(
    tx: Connection, stamp: FactStamp, command: ProposeOpeningCorrection
) -> Noted | Refused:
    """Keep a proposal. Refused: no such paper, it is worth so much already, or the id stands
    for another proposal.
    """
    before = correction_of(tx, stamp.pool, command.correction)
    if before is not None:
        stands = (before.opening_id, before.right_points, before.reason, before.proposed_by)
        asked = (command.opening_id, command.right_points, command.reason, stamp.actor)
        if stands == asked:
            return Noted(command.correction, again=True)
        says = stands_for_another(
            ("更正编号", "correction"), command.correction, stands=stands, asked=asked
        )
        return Refused(AwardProblem.CONFLICT, says)
    if not command.reason.strip():
        return Refused(AwardProblem.NEEDS_REASON, "更正要写原因 / a correction needs a reason")
    worth = opening_worth(tx, stamp.pool, command.opening_id)
    if worth is None:
        return Refused(
            AwardProblem.UNKNOWN_OPENING,
            f"没有转入过：{command.opening_id}，请核对编号"
            f" / no opening balance {command.opening_id}, check its id",
        )
    if worth == command.right_points:
        return Refused(
            AwardProblem.NOTHING_TO_CORRECT,
            f"{command.opening_id} 现在就是 {worth} 积分，不用更正 / it is worth {worth} already",
        )
    tx.execute(
        insert(opening_correction).values(
            pool=stamp.pool,
            correction=command.correction,
            opening_id=command.opening_id,
            was_points=worth,
            right_points=command.right_points,
            reason=command.reason,
            proposed_by=stamp.actor,
            fact_no=stamp.fact_no,
        )
    )
    return Noted(command.correction)


def approve_opening_correction(
    tx: Connection, stamp: FactStamp, command: ApproveOpeningCorrection
) -> Noted | Refused:
    """Book the difference: from the balance, what is spent being owed; or to the balance.

    Refused: nobody proposed it, the same person did, or the paper was corrected otherwise since.
    """
    found = correction_of(tx, stamp.pool, command.correction)
    if found is None:
        return Refused(
            AwardProblem.UNKNOWN_CORRECTION,
            f"没有这笔更正：{command.correction}，请先提出 / nobody proposed {command.correction}",
        )
    if same_person(found.proposed_by, stamp.actor):
        return Refused(
            AwardProblem.SAME_PERSON,
            "提出的人不能自己批准，请另一个人来批准 / whoever proposed it cannot approve it;"
            " somebody else must",
        )
    if found.approved_by is not None:
        return Noted(command.correction, again=True)
    if opening_worth(tx, stamp.pool, found.opening_id) != found.was_points:
        return Refused(
            AwardProblem.CONFLICT,
            f"{found.opening_id} 在提出之后已另行更正，请重新提出"
            f" / {found.opening_id} was corrected otherwise since; propose it anew",
        )
    taken, owed = _book(tx, stamp, found)
    tx.execute(
        insert(opening_correction_approval).values(
            pool=stamp.pool,
            correction=found.correction,
            approved_by=stamp.actor,
            taken_points=taken,
            owed_points=owed,
            fact_no=stamp.fact_no,
        )
    )
    return Noted(command.correction)


def opening_worth(tx: Connection, pool: str, opening_id: str) -> int | None:
    """What a paper is worth by now, corrections included; None where it was not taken over."""
    points = tx.execute(
        select(opening_balance.c.points).where(
            opening_balance.c.pool == pool, opening_balance.c.opening_id == opening_id
        )
    ).scalar_one_or_none()
    if points is None:
        return None
    corrected = (
        select(opening_correction.c.right_points)
        .join(opening_correction_approval, _is_of())
        .where(opening_correction.c.pool == pool, opening_correction.c.opening_id == opening_id)
        .order_by(opening_correction_approval.c.fact_no.desc())
        .limit(1)
    )
    newest = tx.execute(corrected).scalar_one_or_none()
    return int(points) if newest is None else int(newest)


def points_corrected(tx: Connection, pool: str) -> int:
    """What approved corrections added to all opening balances; below 0 where they took."""
    difference = opening_correction.c.right_points - opening_correction.c.was_points
    summed = (
        select(func.sum(difference))
        .join(opening_correction_approval, _is_of())
        .where(opening_correction.c.pool == pool)
    )
    return int(tx.execute(summed).scalar() or 0)


def correction_of(tx: Connection, pool: str, correction: str) -> OpeningCorrection | None:
    """The correction under this id, approved or not, or None."""
    row = tx.execute(
        _corrections(pool).where(opening_correction.c.correction == correction)
    ).one_or_none()
    return _correction(row) if row else None


def waiting_corrections(tx: Connection, pool: str) -> list[OpeningCorrection]:
    """Proposals that nobody has approved, oldest first."""
    rows = tx.execute(
        _corrections(pool)
        .where(opening_correction_approval.c.approved_by.is_(None))
        .order_by(opening_correction.c.fact_no)
    )
    return [_correction(row) for row in rows]


def _is_of() -> ColumnElement[bool]:
    return and_(
        opening_correction_approval.c.pool == opening_correction.c.pool,
        opening_correction_approval.c.correction == opening_correction.c.correction,
    )


def _corrections(pool: str) -> Select[*tuple[Any, ...]]:
    return (
        select(
            opening_correction,
            opening_balance.c.account,
            opening_correction_approval.c.approved_by,
        )
        .join(
            opening_balance,
            and_(
                opening_balance.c.pool == opening_correction.c.pool,
                opening_balance.c.opening_id == opening_correction.c.opening_id,
            ),
        )
        .outerjoin(opening_correction_approval, _is_of())
        .where(opening_correction.c.pool == pool)
    )


def _correction(row: Row[tuple[object, ...]]) -> OpeningCorrection:
    return OpeningCorrection(
        correction=row.correction,
        opening_id=row.opening_id,
        account=row.account,
        was_points=row.was_points,
        right_points=row.right_points,
        reason=row.reason,
        proposed_by=row.proposed_by,
        approved_by=row.approved_by,
    )


def _book(tx: Connection, stamp: FactStamp, found: OpeningCorrection) -> tuple[int, int]:
    """Book the difference; answers what was taken from the balance, and what is owed."""
    key = CORRECTION_KEY + found.correction
    more = found.right_points - found.was_points
    day = business_date(stamp.recorded_at, cut_off_hour(tx, stamp.pool))
    if more > 0:
        credit = Credit(
            key=key,
            kind="opening_correction",
            source=OPENING_POINTS,
            code=CORRECTED_UP_CODE,
            account=found.account,
            points=more,
            business_date=day,
            memo=found.opening_id,
        )
        book_credit(tx, stamp, credit)
        return 0, 0
    taken = take_back(
        tx,
        stamp,
        found.account,
        -more,
        to=OPENING_POINTS,
        codes=(TAKEN_CODE, OWED_CODE),
    )
    draft = EntryDraft(
        key=key,
        kind="opening_correction",
        occurred_at=stamp.recorded_at,
        business_date=day,
        legs=taken.legs,
        memo=found.opening_id,
    )
    posted = post(tx, stamp.pool, draft, recorded_at=stamp.recorded_at, fact_no=stamp.fact_no)
    assert isinstance(posted, Posted), f"{draft.key}: {posted}"
    return taken.taken_points, taken.owed_points
