"""A denominated card is lost, torn, or paid in: blocked, replaced, or moved to a resident.

What is on a card that was lost is not lost with it: the points go to another card, or to the
balance of whoever holds it, in an entry of their own, and the card is never worth them twice.
"""

from dataclasses import dataclass
from datetime import date
from typing import Annotated

from msgspec import Meta, Struct
from sqlalchemy import Connection, insert, select

from protocol.business_day import business_date
from server.awards.bearer_cards import BearerProblem, card_id_taken, open_card_accounts
from server.awards.booking import Credit, book_credit
from server.directory import cut_off_hour, resident_of
from server.directory import tables as t
from server.directory.accounts import card_account
from server.directory.bearer import bearer_of, stop_of
from server.directory.bearer_tables import bearer_move, bearer_stop
from server.directory.commands import HexId
from server.facts import FactDesk, FactStamp
from server.facts.refused import Refused, stands_for_another
from server.ledger import Asset, EntryDraft, Leg, Posted, balance, post, spendable

REPLACED_CODE = "card_replaced"
PAID_IN_CODE = "card_paid_in"

# A UUID, as a sale's id is: whoever asks what emptied a card finds it by the entry's key.
_MoveId = Annotated[
    str, Meta(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")
]
_Reason = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]


class _Command(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    pass


class BlockBearerCard(_Command, frozen=True, kw_only=True, tag="block_bearer_card"):
    """No till takes the card any more; what is on it stays there until the card is replaced."""

    card_id: HexId
    reason: _Reason


class ReplaceBearerCard(_Command, frozen=True, kw_only=True, tag="replace_bearer_card"):
    """The card is blocked, and what is left on it goes to a new one, which is random.

    One ``move`` moves once. Points that a till has reserved stay, and may be moved later.
    """

    move: _MoveId
    card_id: HexId
    new_card_id: HexId
    expires_on: date
    reason: _Reason


class PayInBearerCard(_Command, frozen=True, kw_only=True, tag="pay_in_bearer_card"):
    """All that is left on a card goes to a resident's balance; one ``move`` moves once."""

    move: _MoveId
    card_id: HexId
    account: HexId


@dataclass(frozen=True, slots=True)
class BearerMoved:
    """So many points are on another card or on a balance, 0 where a card was blocked only.

    ``again``: it was done by an earlier command; nothing was written now.
    """

    card_id: str
    points: int
    again: bool = False


def register(desk: FactDesk) -> None:
    """Makes the desk apply what happens to cards after they were given out."""
    desk.register("block_bearer_card", BlockBearerCard, block_bearer_card)
    desk.register("replace_bearer_card", ReplaceBearerCard, replace_bearer_card)
    desk.register("pay_in_bearer_card", PayInBearerCard, pay_in_bearer_card)


def block_bearer_card(
    tx: Connection, stamp: FactStamp, command: BlockBearerCard
) -> BearerMoved | Refused:
    """Block a card for good. Refused: no such card, or no reason."""
    if bearer_of(tx, stamp.pool, command.card_id) is None:
        return _unknown(command.card_id)
    if not command.reason.strip():
        return _no_reason()
    if stop_of(tx, stamp.pool, command.card_id) is not None:
        return BearerMoved(command.card_id, 0, again=True)
    _stop(tx, stamp, command.card_id, command.reason)
    return BearerMoved(command.card_id, 0)


def replace_bearer_card(
    tx: Connection, stamp: FactStamp, command: ReplaceBearerCard
) -> BearerMoved | Refused:
    """Block a card and move what is free on it to a new one, spent in the same way.

    Refused: no such card, it is out of date, nothing is free on it, the new id or the move
    stands for something else, or the new card would be out of date.
    """
    wanted = (command.card_id, command.new_card_id, None)
    before = _move_before(tx, stamp.pool, command.move, wanted)
    if before is not None:
        return before
    old = bearer_of(tx, stamp.pool, command.card_id)
    if old is None:
        return _unknown(command.card_id)
    if not command.reason.strip():
        return _no_reason()
    today = business_date(stamp.recorded_at, cut_off_hour(tx, stamp.pool))
    points = _movable(tx, stamp, command.card_id, today)
    if isinstance(points, Refused):
        return points
    problem = card_id_taken(tx, stamp.pool, (command.new_card_id,))
    if problem is None and command.expires_on < today:
        problem = Refused(
            BearerProblem.EXPIRED,
            f"有效期 {command.expires_on} 已过，请改日期 / this day is over; give a later one",
        )
    if problem is not None:
        return problem
    if stop_of(tx, stamp.pool, command.card_id) is None:
        _stop(tx, stamp, command.card_id, command.reason)
    tx.execute(
        insert(t.bearer_card).values(
            pool=stamp.pool,
            card_id=command.new_card_id,
            batch=f"{REPLACED_CODE}:{command.card_id}",
            value_points=points,
            expires_on=command.expires_on,
            spend=old.spend.value,
            place=old.place,
        )
    )
    open_card_accounts(tx, stamp.pool, command.new_card_id)
    leg = Leg(
        Asset.POINTS,
        REPLACED_CODE,
        card_account(command.card_id),
        card_account(command.new_card_id),
        points,
    )
    draft = EntryDraft(
        key=_key(command.move),
        kind=REPLACED_CODE,
        occurred_at=stamp.recorded_at,
        business_date=today,
        legs=(leg,),
        memo=command.reason,
    )
    posted = post(tx, stamp.pool, draft, recorded_at=stamp.recorded_at, fact_no=stamp.fact_no)
    assert isinstance(posted, Posted), f"{draft.key}: {posted}"
    _note(tx, stamp, command.move, wanted, points=points, reason=command.reason)
    return BearerMoved(command.card_id, points)


def pay_in_bearer_card(
    tx: Connection, stamp: FactStamp, command: PayInBearerCard
) -> BearerMoved | Refused:
    """Move what is free on a card to a resident's balance, which clears first what he owes.

    Refused: no such card or resident, the card is blocked or out of date, nothing is free on
    it, or the move stands for another one.
    """
    wanted = (command.card_id, None, command.account)
    before = _move_before(tx, stamp.pool, command.move, wanted)
    if before is not None:
        return before
    if bearer_of(tx, stamp.pool, command.card_id) is None:
        return _unknown(command.card_id)
    if resident_of(tx, stamp.pool, command.account) is None:
        return Refused(
            BearerProblem.UNKNOWN_RESIDENT,
            f"没有这位居民：{command.account}，请先登记 / not registered: {command.account}",
        )
    stopped = stop_of(tx, stamp.pool, command.card_id)
    if stopped is not None:
        return Refused(
            BearerProblem.BLOCKED,
            f"此卡已停用（{stopped.reason}），请换新卡 / the card is blocked; replace it",
        )
    today = business_date(stamp.recorded_at, cut_off_hour(tx, stamp.pool))
    points = _movable(tx, stamp, command.card_id, today)
    if isinstance(points, Refused):
        return points
    credit = Credit(
        key=_key(command.move),
        kind=PAID_IN_CODE,
        source=card_account(command.card_id),
        code=PAID_IN_CODE,
        account=command.account,
        points=points,
        business_date=today,
        memo=command.card_id,
    )
    book_credit(tx, stamp, credit)
    _note(tx, stamp, command.move, wanted, points=points, reason="")
    return BearerMoved(command.card_id, points)


def moved_to(tx: Connection, pool: str, move: str) -> str | None:
    """The new card that a move made; None where there is no such move, or it went to somebody."""
    return tx.execute(
        select(bearer_move.c.to_card).where(bearer_move.c.pool == pool, bearer_move.c.move == move)
    ).scalar_one_or_none()


def _movable(tx: Connection, stamp: FactStamp, card_id: str, today: date) -> int | Refused:
    """The points on a card that no till has reserved; or why none can be moved."""
    expires_on = tx.execute(
        select(t.bearer_card.c.expires_on).where(
            t.bearer_card.c.pool == stamp.pool, t.bearer_card.c.card_id == card_id
        )
    ).scalar_one()
    if expires_on < today:
        return Refused(
            BearerProblem.EXPIRED,
            f"此卡 {expires_on} 已到期，不能再转 / the card expired on {expires_on}",
        )
    account = card_account(card_id)
    free = spendable(tx, stamp.pool, account, stamp.recorded_at, asset=Asset.POINTS)
    if free:
        return free
    if balance(tx, stamp.pool, account, Asset.POINTS):
        return Refused(
            BearerProblem.RESERVED,
            "卡上积分正被收银台使用，请几分钟后再试 / a till has reserved them; try again in minutes",
        )
    return Refused(BearerProblem.EMPTY, "此卡已用完 / nothing is left on this card")


def _move_before(
    tx: Connection, pool: str, move: str, wanted: tuple[str, str | None, str | None]
) -> BearerMoved | Refused | None:
    row = tx.execute(
        select(bearer_move).where(bearer_move.c.pool == pool, bearer_move.c.move == move)
    ).one_or_none()
    if row is None:
        return None
    if (row.card_id, row.to_card, row.to_account) == wanted:
        return BearerMoved(row.card_id, row.points, again=True)
    stands = row.card_id, row.to_card, row.to_account
    says = stands_for_another(("转移编号", "move"), move, stands=stands, asked=wanted)
    return Refused(BearerProblem.CONFLICT, says)


def _note(
    tx: Connection,
    stamp: FactStamp,
    move: str,
    where: tuple[str, str | None, str | None],
    *,
    points: int,
    reason: str,
) -> None:
    card_id, to_card, to_account = where
    tx.execute(
        insert(bearer_move).values(
            pool=stamp.pool,
            move=move,
            card_id=card_id,
            to_card=to_card,
            to_account=to_account,
            points=points,
            moved_by=stamp.actor,
            reason=reason,
            fact_no=stamp.fact_no,
        )
    )


def _stop(tx: Connection, stamp: FactStamp, card_id: str, reason: str) -> None:
    tx.execute(
        insert(bearer_stop).values(
            pool=stamp.pool,
            card_id=card_id,
            stopped_at=stamp.recorded_at,
            stopped_by=stamp.actor,
            reason=reason,
            fact_no=stamp.fact_no,
        )
    )


def _key(move: str) -> str:
    return f"card_move:{move}"


def _unknown(card_id: str) -> Refused:
    return Refused(
        BearerProblem.UNKNOWN_CARD,
        f"没有这张面值卡：{card_id}，请核对卡号 / no such card: {card_id}, check its number",
    )


def _no_reason() -> Refused:
    return Refused(BearerProblem.NO_REASON, "请写原因 / give a reason")
