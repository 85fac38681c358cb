"""A resident's own record: everything that moved their points."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, select

from protocol.business_day import business_date
from server.awards.tables import award
from server.awards.temporary_cards import CLEARED_CODE, HANDED_ON_CODE
from server.directory.accounts import overdraft_account, owed_account, resident_account
from server.directory.queries import cut_off_hour
from server.ledger import Asset, TransferRecord, transfers_of
from server.redemption.fulfilling import CANCELLATION_KIND
from server.redemption.over_refunding import OVER_REFUND_KIND

_PAGE = 1_000
_AWARDS_PAGE = 500

_WORDS = {
    "award": ("登记", "awarded"),
    "clawback": ("撤回", "taken back"),
    "opening": ("期初转入", "brought forward"),
    "opening_correction": ("期初更正", "opening corrected"),
    "card_paid_in": ("面值卡转入", "paid in from a card"),
    "sale": ("兑换", "redeemed"),
    "refund": ("退还", "given back"),
    "expiry": ("到期", "expired"),
    "write_off": ("核销", "written off"),
    CANCELLATION_KIND: ("取消退回", "cancelled, given back"),
    OVER_REFUND_KIND: ("多退", "given back beyond the sale"),
    CLEARED_CODE: ("转户前还清", "cleared before it was handed on"),
    HANDED_ON_CODE: ("转户", "handed on"),
}
_NAMES_AN_ACCOUNT = frozenset({CLEARED_CODE, HANDED_ON_CODE})
_SHOWN_DIGITS = 4


@dataclass(frozen=True, slots=True)
class RecordLine:
    """One thing that happened: what, in Chinese and in English (names as the pool wrote them),
    when it was registered, and the points, below 0 where they went. What cleared something that
    was owed is in the line of what was credited.
    """

    what: str
    what_en: str
    registered_at: datetime
    points: int


@dataclass(frozen=True, slots=True)
class RecordCard:
    """A resident's record of some days. ``before`` and ``after`` are what stood before the first
    and after the last of them, less what was owed; ``before`` and the lines add up to ``after``.
    """

    first_day: date
    last_day: date
    before: int
    lines: tuple[RecordLine, ...]
    after: int


def record_card_of(
    tx: Connection, pool: str, account: str, first_day: date, last_day: date
) -> RecordCard:
    """The record of the business dates from the first to the last day, both included."""
    hour = cut_off_hour(tx, pool)
    before, after, shown = 0, 0, []
    for each in record_lines(tx, pool, account):
        day = business_date(each.registered_at, hour)
        before += each.points if day < first_day else 0
        after += each.points if day <= last_day else 0
        if first_day <= day <= last_day:
            shown.append(each)
    return RecordCard(first_day, last_day, before, tuple(shown), after)


def record_lines(tx: Connection, pool: str, account: str) -> list[RecordLine]:
    """Everything that moved a resident's points, oldest first; the sum is the balance less what
    is overdrawn and owed.
    """
    own = (resident_account(account), overdraft_account(account), owed_account(account))
    entries: dict[int, list[TransferRecord]] = {}
    for name in own:
        for each in _all_transfers(tx, pool, name):
            entries.setdefault(each.entry_no, []).append(each)
    found = []
    for _, transfers in sorted(entries.items()):
        # A transfer between two of the three accounts was met twice, and moves nothing in all.
        moved = {each.transfer_no: each for each in transfers}.values()
        points = sum(_sign(each, own) * each.amount for each in moved)
        found.append((transfers[0], points))
    names = _award_names(tx, pool, [first.key for first, _ in found])
    return [RecordLine(*_what(first, names), first.recorded_at, points) for first, points in found]


def _all_transfers(tx: Connection, pool: str, account: str) -> Iterator[TransferRecord]:
    after = 0
    while page := transfers_of(tx, pool, account, Asset.POINTS, after=after, limit=_PAGE):
        yield from page
        after = page[-1].transfer_no


def _sign(each: TransferRecord, own: tuple[str, str, str]) -> int:
    """Overdraft and debt grow on the debit side, a balance on the credit side: all the same, what
    comes in on the credit side is to the resident's good.
    """
    return (each.credit in own) - (each.debit in own)


def _award_names(tx: Connection, pool: str, keys: list[str]) -> dict[str, str]:
    """What awards are called, by id, of those that the keys name."""
    ids = sorted({key.partition(":")[2] for key in keys})
    names: dict[str, str] = {}
    for first in range(0, len(ids), _AWARDS_PAGE):
        rows = tx.execute(
            select(award.c.award_id, award.c.category).where(
                award.c.pool == pool, award.c.award_id.in_(ids[first : first + _AWARDS_PAGE])
            )
        )
        names |= {row.award_id: row.category for row in rows}
    return names


def _what(each: TransferRecord, names: dict[str, str]) -> tuple[str, str]:
    """In both languages."""
    named = names.get(each.key.partition(":")[2])
    if each.kind == "award" and named is not None:
        return named, named
    chinese, english = _WORDS.get(each.kind, (each.kind, each.kind))
    about = named or each.memo
    if each.kind in _NAMES_AN_ACCOUNT:
        # Whoever moves in next is no business of the one who moved out, and the other way round.
        about = f"…{each.memo[-_SHOWN_DIGITS:]}"
    return f"{chinese} {about}".strip(), f"{english} {about}".strip()
