"""How points reach a resident: what he owes is cleared first, and only the rest is his to spend."""

from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection

from server.directory.accounts import overdraft_account, owed_account, resident_account
from server.facts import FactStamp
from server.ledger import (
    Asset,
    EntryDraft,
    Leg,
    Posted,
    UnknownAccount,
    balance,
    post,
)

OVERDRAFT_CLEARED_CODE = "overdraft_cleared"
OWED_CLEARED_CODE = "owed_cleared"


@dataclass(frozen=True, slots=True)
class Cleared:
    """How many of the credited points paid the overdraft, and how many what was owed."""

    overdraft_points: int
    owed_points: int


@dataclass(frozen=True, slots=True)
class Credit:
    """Points for a resident. ``source`` is the account they come from, ``code`` says why."""

    key: str
    kind: str
    source: str
    code: str
    account: str
    points: int
    business_date: date
    memo: str


def book_credit(tx: Connection, stamp: FactStamp, credit: Credit) -> Cleared:
    """Book the points, and out of them the overdraft and then what is owed.

    The overdraft comes first: goods left a shop for it, and the pool has paid the shop. What is
    owed is a correction among points alone.
    """
    resident = resident_account(credit.account)
    overdraft = balance(tx, stamp.pool, overdraft_account(credit.account), Asset.POINTS)
    cleared_overdraft = min(overdraft, credit.points)
    cleared_owed = min(
        owed_points(tx, stamp.pool, credit.account), credit.points - cleared_overdraft
    )
    legs = [Leg(Asset.POINTS, credit.code, credit.source, resident, credit.points)]
    for code, account, points in (
        (OVERDRAFT_CLEARED_CODE, overdraft_account(credit.account), cleared_overdraft),
        (OWED_CLEARED_CODE, owed_account(credit.account), cleared_owed),
    ):
        if points:
            legs.append(Leg(Asset.POINTS, code, resident, account, points))
    draft = EntryDraft(
        key=credit.key,
        kind=credit.kind,
        occurred_at=stamp.recorded_at,
        business_date=credit.business_date,
        legs=tuple(legs),
        memo=credit.memo,
    )
    posted = post(tx, stamp.pool, draft, recorded_at=stamp.recorded_at, fact_no=stamp.fact_no)
    assert isinstance(posted, Posted), f"{draft.key}: {posted}"
    return Cleared(cleared_overdraft, cleared_owed)


def owed_points(tx: Connection, pool: str, account: str) -> int:
    """What a resident owes of awards that were clawed back; 0 for nearly everybody."""
    try:
        return balance(tx, pool, owed_account(account), Asset.POINTS)
    except UnknownAccount:
        return 0
