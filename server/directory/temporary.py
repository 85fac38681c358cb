"""Temporary cards as the directory knows them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from server.directory import tables as t
from server.directory.temporary_tables import temporary_card, temporary_handover
from server.directory.values import DirectoryProblem, Refused

MOST_LISTED = 500


@dataclass(frozen=True, slots=True)
class TemporaryCard:
    """A household's account. ``to_account``: whose it became, None while it is this one's."""

    account: str
    card_id: str
    name: str
    household: str
    place: str
    issued_at: datetime
    to_account: str | None
    handed_at: datetime | None


def temporary_card_of(tx: Connection, pool: str, account: str) -> TemporaryCard | None:
    """The temporary card of this account; None for any other resident."""
    row = tx.execute(_cards(pool).where(temporary_card.c.account == account)).one_or_none()
    return _card(row) if row is not None else None


def temporary_cards(tx: Connection, pool: str) -> list[TemporaryCard]:
    """The newest temporary cards, those that were handed on included; at most 500."""
    rows = tx.execute(
        _cards(pool)
        .order_by(temporary_card.c.issued_at.desc(), temporary_card.c.account)
        .limit(MOST_LISTED)
    )
    return [_card(row) for row in rows]


def was_handed_on(tx: Connection, pool: str, account: str) -> bool:
    """Whether this account was a household's that has moved out: it gets nothing new."""
    found = select(temporary_handover.c.account).where(
        temporary_handover.c.pool == pool, temporary_handover.c.account == account
    )
    return tx.execute(found).first() is not None


def moved_out(account: str) -> Refused:
    """The refusal of anything new for such an account."""
    return Refused(
        DirectoryProblem.HANDED_ON,
        f"居民账号 {account} 的临时积分卡已转给下一户，请用新账号"
        f" / the card of {account} was handed on; use the next household's account",
    )


def _cards(pool: str) -> Any:
    handed, resident = temporary_handover, t.resident
    return (
        select(
            temporary_card,
            resident.c.name,
            resident.c.household,
            resident.c.place,
            handed.c.to_account,
            handed.c.handed_at,
        )
        .join(
            resident,
            (resident.c.pool == temporary_card.c.pool)
            & (resident.c.account == temporary_card.c.account),
        )
        .outerjoin(
            handed,
            (handed.c.pool == temporary_card.c.pool)
            & (handed.c.account == temporary_card.c.account),
        )
        .where(temporary_card.c.pool == pool)
    )


def _card(row: Row[Any]) -> TemporaryCard:
    return TemporaryCard(
        account=row.account,
        card_id=row.card_id,
        name=row.name,
        household=row.household,
        place=row.place,
        issued_at=row.issued_at,
        to_account=row.to_account,
        handed_at=row.handed_at,
    )
