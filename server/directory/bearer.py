"""Denominated cards (面值积分卡): worth so many points to whoever holds them."""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, select

from server.db.working_set import standing
from server.directory import tables as t
from server.directory.accounts import card_account, resident_account
from server.directory.bearer_tables import bearer_stop
from server.directory.queries import resident_of

BEARER_SEQ = 1
"""A bearer's card is never replaced, so it is always the first of its line."""


class Spend(StrEnum):
    """How a card may be spent."""

    DOWN_TO_ZERO = "down_to_zero"
    """Sale by sale, as long as something is left."""
    IN_ONE_GO = "in_one_go"
    """In one sale; what the sale does not take lapses."""


@dataclass(frozen=True, slots=True)
class BearerCard:
    """A card as it was given out; what is left of it stands on its account.

    ``is_stopped``: it was blocked, and is good for nothing from the day of that on.
    """

    card_id: str
    batch: str
    value_points: int
    expires_on: date
    spend: Spend
    place: str
    is_stopped: bool = False


@dataclass(frozen=True, slots=True)
class BearerStop:
    """A card was blocked for good."""

    stopped_at: datetime
    stopped_by: str
    reason: str


@standing
def bearer_of(tx: Connection, pool: str, account: str) -> BearerCard | None:
    """The denominated card with this id, which is its account's as well; or None.

    One that was blocked reads as if it had expired the day before (UTC, as codes are judged), so
    that whoever asks whether it is still good is told no; sales that were made with it stand.
    """
    row = tx.execute(
        select(t.bearer_card, bearer_stop.c.stopped_at)
        .outerjoin(
            bearer_stop,
            (bearer_stop.c.pool == t.bearer_card.c.pool)
            & (bearer_stop.c.card_id == t.bearer_card.c.card_id),
        )
        .where(t.bearer_card.c.pool == pool, t.bearer_card.c.card_id == account)
    ).one_or_none()
    if row is None:
        return None
    card = _bearer(row)
    if row.stopped_at is None:
        return card
    last_good = row.stopped_at.date() - timedelta(days=1)
    return replace(card, expires_on=min(card.expires_on, last_good), is_stopped=True)


def stop_of(tx: Connection, pool: str, card_id: str) -> BearerStop | None:
    """When, by whom and why a card was blocked; None while it is good."""
    row = tx.execute(
        select(bearer_stop).where(bearer_stop.c.pool == pool, bearer_stop.c.card_id == card_id)
    ).one_or_none()
    return BearerStop(row.stopped_at, row.stopped_by, row.reason) if row else None


def stopped_cards(tx: Connection, pool: str) -> frozenset[str]:
    """Every denominated card that was blocked."""
    rows = tx.execute(select(bearer_stop.c.card_id).where(bearer_stop.c.pool == pool))
    return frozenset(rows.scalars())


def bearer_cards(tx: Connection, pool: str, *, batch: str | None = None) -> list[BearerCard]:
    """Every denominated card of the pool, or of one batch, by id."""
    which = [t.bearer_card.c.pool == pool]
    if batch is not None:
        which.append(t.bearer_card.c.batch == batch)
    rows = tx.execute(select(t.bearer_card).where(*which).order_by(t.bearer_card.c.card_id))
    return [_bearer(row) for row in rows]


def holder_account(tx: Connection, pool: str, account: str) -> str | None:
    """The ledger's account of a resident or of a denominated card; None where there is neither."""
    if resident_of(tx, pool, account) is not None:
        return resident_account(account)
    return card_account(account) if bearer_of(tx, pool, account) is not None else None


def _bearer(row: Row[Any]) -> BearerCard:
    return BearerCard(
        card_id=row.card_id,
        batch=row.batch,
        value_points=row.value_points,
        expires_on=row.expires_on,
        spend=Spend(row.spend),
        place=row.place,
    )
