"""Points that nobody used for as long as the pool allows go; off unless a pool switches it on.

What was credited first is used first. Of what a resident was credited with up to the last day
that has expired, all is gone that he has not used by now; goods brought back undo their use.
A deed that is awarded late has its whole time, as it counts from when it was credited.
Everything comes from the ledger, so that a replay expires the same points.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import islice

from msgspec import Struct
from sqlalchemy import Connection

from protocol.business_day import business_date, closes_at
from server.directory import pool_terms
from server.directory.accounts import EXPIRED_POINTS, expired_accounts
from server.facts import FactStamp
from server.facts.refused import Refused
from server.ledger import (
    Asset,
    EntryDraft,
    Leg,
    Normal,
    Posted,
    entry_of,
    open_account,
    post,
)
from server.ledger.spendables import spendables
from server.ledger.totals import credits_of, debits_of

EXPIRED_CODE = "expired"
RETURNED_CODE = "points_returned"
LEGS_AN_ENTRY = 500


class ExpirePoints(
    Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="kind",
    tag="expire_points",
):
    """Let go what had expired at the end of a business date; once for each date."""

    through: date


class ExpiryProblem(StrEnum):
    """Why nothing expired."""

    SWITCHED_OFF = "switched_off"
    FUTURE = "future"


@dataclass(frozen=True, slots=True)
class Expired:
    """``points`` of so many residents are gone. ``again``: they went before."""

    through: date
    points: int
    residents: int
    again: bool = False


def expiring(tx: Connection, pool: str, through: date, at: datetime) -> dict[str, int]:
    """Points to go by ledger account, if everything that expires by ``through`` went at ``at``.

    Points that a till has reserved at that moment are left to it.
    """
    terms = pool_terms(tx, pool)
    days = terms.points_expire_after_days
    if days is None:
        return {}
    before = closes_at(through - timedelta(days=days), terms.cut_off_hour)
    old = credits_of(tx, pool, "resident", before=before, but=RETURNED_CODE)
    used = debits_of(tx, pool, "resident")
    back = credits_of(tx, pool, "resident", code=RETURNED_CODE)
    free = spendables(tx, pool, "resident", at)
    left = {
        account: min(credited - used[account] + back.get(account, 0), free[account])
        for account, credited in sorted(old.items())
    }
    return {account: points for account, points in left.items() if points > 0}


def expire_points(tx: Connection, stamp: FactStamp, command: ExpirePoints) -> Expired | Refused:
    """Post what expired, in entries of at most 500 legs. Refused: the pool's points never
    expire, or the day is not over.
    """
    terms = pool_terms(tx, stamp.pool)
    if terms.points_expire_after_days is None:
        return Refused(
            ExpiryProblem.SWITCHED_OFF,
            "本积分池的积分不过期；要启用请先设天数 / points never expire in this pool; to switch it on,"
            " set the days first",
        )
    if command.through >= business_date(stamp.recorded_at, terms.cut_off_hour):
        return Refused(
            ExpiryProblem.FUTURE,
            f"营业日 {command.through} 还没有结束，请写更早的日期"
            f" / {command.through} is not over; give an earlier day",
        )
    if entry_of(tx, stamp.pool, _key(command.through, 0)) is not None:
        return Expired(command.through, 0, 0, again=True)
    going = expiring(tx, stamp.pool, command.through, stamp.recorded_at)
    _open(tx, stamp.pool)
    rows = iter(going.items())
    number = 0
    while chunk := list(islice(rows, LEGS_AN_ENTRY)):
        _post(tx, stamp, command.through, number, chunk)
        number += 1
    return Expired(command.through, sum(going.values()), len(going))


def _key(through: date, number: int) -> str:
    return f"expiry:{through}:{number}"


def _post(
    tx: Connection, stamp: FactStamp, through: date, number: int, going: list[tuple[str, int]]
) -> None:
    draft = EntryDraft(
        key=_key(through, number),
        kind="expiry",
        occurred_at=stamp.recorded_at,
        business_date=through,
        legs=tuple(
            Leg(Asset.POINTS, EXPIRED_CODE, account, EXPIRED_POINTS, points)
            for account, points in going
        ),
        memo=str(through),
    )
    posted = post(tx, stamp.pool, draft, recorded_at=stamp.recorded_at, fact_no=stamp.fact_no)
    assert isinstance(posted, Posted), f"{draft.key}: {posted}"


def _open(tx: Connection, pool: str) -> None:
    for plan in expired_accounts():
        open_account(
            tx,
            pool,
            plan.account,
            Asset(plan.asset),
            plan.kind,
            normal=Normal(plan.normal),
            floor_at_zero=plan.floor_at_zero,
            hot=plan.hot,
        )
