"""Points on paper: a batch of denominated cards, each with its points on an account of its own."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct
from sqlalchemy import Connection, exists, func, insert, select

from protocol.business_day import business_date
from server.awards.cover import cover_refusal
from server.directory import pool_terms
from server.directory import tables as t
from server.directory.accounts import (
    POINTS_ISSUED,
    bearer_accounts,
    card_account,
    lapsed_accounts,
)
from server.directory.bearer import BearerCard, Spend, bearer_cards
from server.directory.bearer_tables import bearer_move
from server.directory.commands import CodePoints, HexId, Id
from server.directory.refusals import conflict_says
from server.facts import FactDesk, FactStamp
from server.facts.refused import Refused, stands_for_another
from server.ledger import Asset, EntryDraft, Leg, Normal, Posted, open_account, post

BATCH_MAX = 500
ISSUED_CODE = "card_issued"


class IssueBearerCards(
    Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="kind",
    tag="issue_bearer_cards",
):
    """Cards worth ``value_points`` each, given out in ``place``.

    ``card_ids`` are random; ``batch`` is made by whoever asks, and issues once.
    """

    batch: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]
    card_ids: Annotated[tuple[HexId, ...], Meta(min_length=1, max_length=BATCH_MAX)]
    value_points: CodePoints
    expires_on: date
    spend: Spend
    place: Id


class BearerProblem(StrEnum):
    """Why no card was issued, blocked, replaced or paid in."""

    CONFLICT = "conflict"
    UNKNOWN_PLACE = "unknown_place"
    EXPIRED = "expired"
    UNKNOWN_CARD = "unknown_card"
    UNKNOWN_RESIDENT = "unknown_resident"
    BLOCKED = "blocked"
    EMPTY = "empty"
    RESERVED = "reserved"
    """A till has reserved what is on the card; it may let go of it."""
    NO_REASON = "no_reason"


@dataclass(frozen=True, slots=True)
class BearerCardsIssued:
    """The cards are worth their points. ``again``: they were issued by an earlier command."""

    batch: str
    count: int
    again: bool = False


def register(desk: FactDesk) -> None:
    """Makes the desk apply :class:`IssueBearerCards`."""
    desk.register("issue_bearer_cards", IssueBearerCards, issue_bearer_cards)


def issue_bearer_cards(
    tx: Connection, stamp: FactStamp, command: IssueBearerCards
) -> BearerCardsIssued | Refused:
    """Issue a batch: all of its cards or none.

    Refused: the batch or a card's id stands for something else, the place is unknown, the
    cards would be out of date already.
    """
    asked = [
        BearerCard(
            card_id=card_id,
            batch=command.batch,
            value_points=command.value_points,
            expires_on=command.expires_on,
            spend=command.spend,
            place=command.place,
        )
        for card_id in sorted(command.card_ids)
    ]
    before = bearer_cards(tx, stamp.pool, batch=command.batch)
    if before:
        if before == asked:
            return BearerCardsIssued(command.batch, len(before), again=True)
        says = stands_for_another(
            ("批号", "batch"), command.batch, stands=_terms_of(before), asked=_terms_of(asked)
        )
        return Refused(BearerProblem.CONFLICT, says)
    today = business_date(stamp.recorded_at, pool_terms(tx, stamp.pool).cut_off_hour)
    worth = command.value_points * len(asked)
    problem = _problem(tx, stamp.pool, command, today) or cover_refusal(tx, stamp.pool, worth)
    if problem is not None:
        return problem
    tx.execute(
        insert(t.bearer_card),
        [
            {
                "pool": stamp.pool,
                "card_id": each.card_id,
                "batch": each.batch,
                "value_points": each.value_points,
                "expires_on": each.expires_on,
                "spend": each.spend.value,
                "place": each.place,
            }
            for each in asked
        ],
    )
    _book(tx, stamp, asked, today)
    return BearerCardsIssued(command.batch, len(asked))


def points_on_cards(tx: Connection, pool: str) -> int:
    """All points that were ever issued on denominated cards; those of a card that replaces
    another one were issued with the first.
    """
    replaces = exists().where(
        bearer_move.c.pool == t.bearer_card.c.pool,
        bearer_move.c.to_card == t.bearer_card.c.card_id,
    )
    total = select(func.sum(t.bearer_card.c.value_points)).where(
        t.bearer_card.c.pool == pool, ~replaces
    )
    return int(tx.execute(total).scalar_one() or 0)


def _problem(tx: Connection, pool: str, command: IssueBearerCards, today: date) -> Refused | None:
    place = select(t.place.c.place).where(t.place.c.pool == pool, t.place.c.place == command.place)
    if tx.execute(place).first() is None:
        return Refused(
            BearerProblem.UNKNOWN_PLACE,
            f"没有这个区域：{command.place}，请核对 / no such place: {command.place}",
        )
    if command.expires_on < today:
        return Refused(
            BearerProblem.EXPIRED,
            f"有效期 {command.expires_on} 已过，请改日期 / this day is over; give a later one",
        )
    twice = [each for each, times in Counter(command.card_ids).items() if times > 1]
    if twice:
        return Refused(
            BearerProblem.CONFLICT,
            f"卡号 {twice[0]} 在这一批里重复，请去掉 / {twice[0]} is given twice; leave one out",
        )
    return card_id_taken(tx, pool, command.card_ids)


def card_id_taken(tx: Connection, pool: str, card_ids: tuple[str, ...]) -> Refused | None:
    """Why new cards cannot have these ids: a card, of either kind, or a resident has one."""
    holders = (
        ("居民账号 resident", t.resident.c.account, t.resident.c.name, t.resident.c.pool),
        ("积分卡 card", t.card.c.card_id, t.card.c.account, t.card.c.pool),
        (
            "面值积分卡 bearer card",
            t.bearer_card.c.card_id,
            t.bearer_card.c.batch,
            t.bearer_card.c.pool,
        ),
    )
    for kind, column, whose, own_pool in holders:
        taken = tx.execute(select(column, whose).where(own_pool == pool, column.in_(card_ids)))
        found = taken.first()
        if found is not None:
            new = ("新卡 new card",)
            says = conflict_says("卡号", found[0], stands=(kind, found[1]), asked=new)
            return Refused(BearerProblem.CONFLICT, says)
    return None


def open_card_accounts(tx: Connection, pool: str, *card_ids: str) -> None:
    """Open what new cards need in the ledger."""
    plans = [plan for each in card_ids for plan in bearer_accounts(each)]
    for plan in (*plans, *lapsed_accounts()):
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


def _book(tx: Connection, stamp: FactStamp, cards: list[BearerCard], today: date) -> None:
    open_card_accounts(tx, stamp.pool, *(each.card_id for each in cards))
    draft = EntryDraft(
        key=f"cards:{cards[0].batch}",
        kind="cards",
        occurred_at=stamp.recorded_at,
        business_date=today,
        legs=tuple(
            Leg(
                Asset.POINTS,
                ISSUED_CODE,
                POINTS_ISSUED,
                card_account(each.card_id),
                each.value_points,
            )
            for each in cards
        ),
    )
    posted = post(tx, stamp.pool, draft, recorded_at=stamp.recorded_at, fact_no=stamp.fact_no)
    assert isinstance(posted, Posted), f"{draft.key}: {posted}"


def _terms_of(cards: Sequence[BearerCard]) -> tuple[object, ...]:
    """What the cards of a batch have in common, and how many there are."""
    first = cards[0]
    count, points = f"{len(cards)} 张", f"{first.value_points} 积分"
    return count, points, first.spend.value, first.expires_on, first.place
