"""Opening balances: points that residents bring along from paper cards or a spreadsheet.

They come from an account of their own, so that what the pool itself awarded stays apart.
"""

from datetime import datetime

from sqlalchemy import Connection, Row, func, insert, select

from protocol.business_day import business_date
from server.awards.booking import Credit, book_credit
from server.awards.commands import OpenBalance
from server.awards.tables import opening_balance
from server.awards.values import AwardProblem, Opened
from server.directory import cut_off_hour, resident_of
from server.directory.accounts import OPENING_POINTS
from server.facts import FactStamp
from server.facts.refused import Refused, stands_for_another

OPENING_KEY = "opening:"
OPENING_CODE = "opening"


def open_balance(tx: Connection, stamp: FactStamp, command: OpenBalance) -> Opened | Refused:
    """Credit what a paper is worth, once for its number.

    Refused: the number was taken over for something else, the resident is unknown, or the day
    has not come yet.
    """
    checked = check_opening(tx, stamp.pool, stamp.recorded_at, command)
    if checked is not None:
        return checked
    credit = Credit(
        key=OPENING_KEY + command.opening_id,
        kind="opening",
        source=OPENING_POINTS,
        code=OPENING_CODE,
        account=command.account,
        points=command.points,
        business_date=command.as_of,
        memo=command.opening_id,
    )
    book_credit(tx, stamp, credit)
    tx.execute(
        insert(opening_balance).values(
            pool=stamp.pool,
            opening_id=command.opening_id,
            account=command.account,
            points=command.points,
            as_of=command.as_of,
            opened_by=command.opened_by,
            memo=command.memo,
            fact_no=stamp.fact_no,
        )
    )
    return Opened(command.opening_id, command.points)


def check_opening(
    tx: Connection, pool: str, at: datetime, command: OpenBalance
) -> Opened | Refused | None:
    """None if the paper may be taken over now; Opened if just this one was already."""
    before = _row(tx, pool, command.opening_id)
    if before is not None:
        if (before.account, before.points, before.as_of) == (
            command.account,
            command.points,
            command.as_of,
        ):
            return Opened(command.opening_id, before.points, again=True)
        says = stands_for_another(
            ("编号", "id"),
            command.opening_id,
            stands=(before.account, before.points, before.as_of),
            asked=(command.account, command.points, command.as_of),
        )
        return Refused(AwardProblem.CONFLICT, says)
    if resident_of(tx, pool, command.account) is None:
        return Refused(
            AwardProblem.UNKNOWN_RESIDENT,
            f"没有这位居民：{command.account}，请先登记 / not registered: {command.account}",
        )
    if command.as_of > business_date(at, cut_off_hour(tx, pool)):
        return Refused(
            AwardProblem.FUTURE,
            f"日期 {command.as_of} 还没有到，请改日期 / this day has not come yet",
        )
    return None


def points_opened(tx: Connection, pool: str) -> int:
    """All points that opening balances ever gave."""
    summed = select(func.sum(opening_balance.c.points)).where(opening_balance.c.pool == pool)
    return int(tx.execute(summed).scalar() or 0)


def _row(tx: Connection, pool: str, opening_id: str) -> Row[tuple[object, ...]] | None:
    return tx.execute(
        select(opening_balance).where(
            opening_balance.c.pool == pool, opening_balance.c.opening_id == opening_id
        )
    ).one_or_none()
