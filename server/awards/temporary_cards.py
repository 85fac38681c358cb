"""A temporary card (临时积分卡): a household's, and handed on when it moves out (转给下一户).

A household is a resident with an account, a card and a history of its own. Handing over moves what
is free of its points to the next household's account, in an entry of its own; the old code is dead
from then on, and what was bought with it at a till that had not heard yet is booked as any late
sale is: from what was left, and the rest as the old account's overdraft. The shop is paid.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct
from sqlalchemy import Connection, insert, select

from protocol.business_day import business_date
from protocol.documents import AccountStatus
from server.awards.bearer_cards import card_id_taken
from server.awards.booking import (
    OVERDRAFT_CLEARED_CODE,
    OWED_CLEARED_CODE,
    Credit,
    book_credit,
    owed_points,
)
from server.directory import cut_off_hour, resident_of
from server.directory.accounts import (
    overdraft_account,
    owed_account,
    resident_account,
    resident_accounts,
)
from server.directory.commands import (
    BlockResident,
    CodePoints,
    HexId,
    Id,
    IssueCard,
    Name,
    RegisterResident,
    RevokeCard,
)
from server.directory.phones import EndPhone, end_phone
from server.directory.queries import cards_of_account
from server.directory.refusals import conflict_says
from server.directory.register import issue_card, register_resident, revoke_card
from server.directory.sanctions import block_resident
from server.directory.temporary import TemporaryCard, temporary_card_of
from server.directory.temporary_tables import temporary_card, temporary_handover, temporary_move
from server.directory.values import Refused as DirectoryRefused
from server.directory.values import Resident
from server.facts import FactDesk, FactStamp
from server.facts.refused import Refused, stands_for_another
from server.ledger import (
    Asset,
    EntryDraft,
    Leg,
    Normal,
    Posted,
    balance,
    open_account,
    post,
    spendable,
)

HANDED_ON_CODE = "handed_on"
CLEARED_CODE = "handover_cleared"

_MoveId = Annotated[
    str, Meta(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")
]
_Reason = Annotated[str, Meta(min_length=1, max_length=80, pattern=r"^[^\x00]*$")]


class TemporaryProblem(StrEnum):
    """Why a temporary card is not issued or handed on."""

    CONFLICT = "conflict"
    UNKNOWN_CARD = "unknown_card"
    HANDED_ON = "handed_on"
    NOT_HANDED_ON = "not_handed_on"
    NOTHING_LEFT = "nothing_left"
    EXPIRED = "expired"
    NO_REASON = "no_reason"


class Household(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who gets a card: a new account, a new card, both random; and where they live."""

    account: HexId
    card_id: HexId
    name: Name
    household: Name
    place: Id
    expires_on: date
    cap_points: CodePoints


class _Command(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    pass


class IssueTemporaryCard(_Command, frozen=True, kw_only=True, tag="issue_temporary_card"):
    """A household gets an account and a card, for as long as it lives there."""

    to: Household


class HandOverTemporaryCard(_Command, frozen=True, kw_only=True, tag="hand_over_temporary_card"):
    """The household of ``account`` has moved out: its points are the next one's. Once."""

    move: _MoveId
    account: HexId
    to: Household
    reason: _Reason


class MoveTemporaryRest(_Command, frozen=True, kw_only=True, tag="move_temporary_rest"):
    """What a till had reserved when the card was handed on, or what came back since, goes over
    as well.
    """

    move: _MoveId
    account: HexId


@dataclass(frozen=True, slots=True)
class TemporaryCardIssued:
    """The household has its card. ``again``: it was issued by an earlier command."""

    account: str
    card_id: str
    again: bool = False


@dataclass(frozen=True, slots=True)
class HandedOver:
    """``points`` went to ``to_account``; ``debts_points`` before them paid what the household
    owed; ``left_points`` are reserved by a till and may follow; ``overdraft_points`` stay owed.
    """

    to_account: str
    points: int
    debts_points: int = 0
    left_points: int = 0
    overdraft_points: int = 0
    again: bool = False


def register(desk: FactDesk) -> None:
    """Makes the desk apply what happens to temporary cards."""
    desk.register("issue_temporary_card", IssueTemporaryCard, issue_temporary_card)
    desk.register("hand_over_temporary_card", HandOverTemporaryCard, hand_over_temporary_card)
    desk.register("move_temporary_rest", MoveTemporaryRest, move_temporary_rest)


def issue_temporary_card(
    tx: Connection, stamp: FactStamp, command: IssueTemporaryCard
) -> TemporaryCardIssued | Refused:
    """Refused: account or card stands for something else, no such place, out of date already."""
    before = temporary_card_of(tx, stamp.pool, command.to.account)
    if before is not None:
        if _is_same(before, command.to):
            return TemporaryCardIssued(before.account, before.card_id, again=True)
        return _account_conflict(command.to, (before.card_id, *_lives(before)))
    refused = _settle_in(tx, stamp, command.to)
    return refused or TemporaryCardIssued(command.to.account, command.to.card_id)


def hand_over_temporary_card(
    tx: Connection, stamp: FactStamp, command: HandOverTemporaryCard
) -> HandedOver | Refused:
    """Hand a card on, once. Refused: no such card, it was handed on, or what
    :func:`issue_temporary_card` refuses.
    """
    card = temporary_card_of(tx, stamp.pool, command.account)
    if card is None:
        return _unknown(command.account)
    before = _move_before(tx, stamp.pool, command.move, card)
    if before is not None:
        if isinstance(before, Refused) or before.to_account == command.to.account:
            return before
        return _move_taken(command.move, before.to_account, command.to.account)
    if card.to_account is not None:
        return Refused(
            TemporaryProblem.HANDED_ON,
            f"这张临时积分卡已转给下一户（{card.to_account}），不能再转"
            f" / this card was handed on before, to {card.to_account}",
        )
    if not command.reason.strip():
        return Refused(TemporaryProblem.NO_REASON, "请写原因 / give a reason")
    refused = _settle_in(tx, stamp, command.to)
    if refused is not None:
        return refused
    _move_out(tx, stamp, command)
    return _move_points(tx, stamp, command.move, command.account, command.to.account)


def move_temporary_rest(
    tx: Connection, stamp: FactStamp, command: MoveTemporaryRest
) -> HandedOver | Refused:
    """Refused: no such card, it was not handed on, or nothing is free on it."""
    card = temporary_card_of(tx, stamp.pool, command.account)
    if card is None:
        return _unknown(command.account)
    before = _move_before(tx, stamp.pool, command.move, card)
    if before is not None:
        return before
    if card.to_account is None:
        return Refused(
            TemporaryProblem.NOT_HANDED_ON,
            "这张临时积分卡还没有转给下一户，请先转 / the card was not handed on yet; do that first",
        )
    if not spendable(tx, stamp.pool, resident_account(command.account), stamp.recorded_at):
        return Refused(
            TemporaryProblem.NOTHING_LEFT,
            "原户没有可转的积分；正被收银台使用的，请几分钟后再试"
            " / nothing is free there; what a till has reserved may be in minutes",
        )
    return _move_points(tx, stamp, command.move, command.account, card.to_account)


def _settle_in(tx: Connection, stamp: FactStamp, to: Household) -> Refused | None:
    """A new account, its card, and what they need in the ledger."""
    today = business_date(stamp.recorded_at, cut_off_hour(tx, stamp.pool))
    if to.expires_on < today:
        return Refused(
            TemporaryProblem.EXPIRED,
            f"有效期 {to.expires_on} 已过，请改日期 / this day is over; give a later one",
        )
    if to.account == to.card_id:
        return Refused(
            TemporaryProblem.CONFLICT,
            f"账号和卡号都是 {to.account}，请用不同的编号 / account and card need ids of their own",
        )
    resident = resident_of(tx, stamp.pool, to.account)
    if resident is not None:
        return _account_conflict(to, _lives(resident))
    taken = card_id_taken(tx, stamp.pool, (to.account, to.card_id))
    if taken is not None:
        return taken
    at = stamp.recorded_at
    household = RegisterResident(
        account=to.account, name=to.name, household=to.household, place=to.place
    )
    card = IssueCard(
        card_id=to.card_id,
        account=to.account,
        seq=1,
        expires_on=to.expires_on,
        cap_points=to.cap_points,
    )
    answer = register_resident(tx, stamp.pool, household, at)
    if not isinstance(answer, DirectoryRefused):
        answer = issue_card(tx, stamp.pool, card, at)
    if isinstance(answer, DirectoryRefused):
        return Refused(answer.reason, answer.says)
    for plan in resident_accounts(to.account):
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
    tx.execute(
        insert(temporary_card).values(
            pool=stamp.pool,
            account=to.account,
            card_id=to.card_id,
            issued_at=at,
            fact_no=stamp.fact_no,
        )
    )
    return None


def _move_out(tx: Connection, stamp: FactStamp, command: HandOverTemporaryCard) -> None:
    """No code of the household is good from now on."""
    pool, account, at = stamp.pool, command.account, stamp.recorded_at
    for card in cards_of_account(tx, pool, account):
        revoke_card(tx, pool, RevokeCard(card_id=card.card_id, reason=command.reason), at)
    end_phone(tx, pool, EndPhone(account=account, reason=command.reason), at)
    found = resident_of(tx, pool, account)
    if found is not None and found.status is AccountStatus.ACTIVE:
        block_resident(tx, pool, BlockResident(account=account, reason=command.reason), at)
    tx.execute(
        insert(temporary_handover).values(
            pool=pool,
            account=account,
            to_account=command.to.account,
            handed_at=at,
            handed_by=stamp.actor,
            reason=command.reason,
            fact_no=stamp.fact_no,
        )
    )


def _move_points(
    tx: Connection, stamp: FactStamp, move: str, account: str, to_account: str
) -> HandedOver:
    """What is free pays first what the household owes; the next one takes over no debts."""
    pool, own = stamp.pool, resident_account(account)
    free = spendable(tx, pool, own, stamp.recorded_at)
    overdraft = balance(tx, pool, overdraft_account(account), Asset.POINTS)
    cleared = min(free, overdraft)
    owed = min(free - cleared, owed_points(tx, pool, account))
    today = business_date(stamp.recorded_at, cut_off_hour(tx, pool))
    legs = tuple(
        Leg(Asset.POINTS, code, own, debt, points)
        for code, debt, points in (
            (OVERDRAFT_CLEARED_CODE, overdraft_account(account), cleared),
            (OWED_CLEARED_CODE, owed_account(account), owed),
        )
        if points
    )
    if legs:
        draft = EntryDraft(
            key=f"{CLEARED_CODE}:{move}",
            kind=CLEARED_CODE,
            occurred_at=stamp.recorded_at,
            business_date=today,
            legs=legs,
            memo=account,
        )
        posted = post(tx, pool, draft, recorded_at=stamp.recorded_at, fact_no=stamp.fact_no)
        assert isinstance(posted, Posted), f"{draft.key}: {posted}"
    points = free - cleared - owed
    if points:
        credit = Credit(
            key=f"{HANDED_ON_CODE}:{move}",
            kind=HANDED_ON_CODE,
            source=own,
            code=HANDED_ON_CODE,
            account=to_account,
            points=points,
            business_date=today,
            memo=account,
        )
        book_credit(tx, stamp, credit)
    tx.execute(
        insert(temporary_move).values(
            pool=pool,
            move=move,
            account=account,
            points=points,
            debts_points=cleared + owed,
            moved_by=stamp.actor,
            fact_no=stamp.fact_no,
        )
    )
    return HandedOver(
        to_account=to_account,
        points=points,
        debts_points=cleared + owed,
        left_points=balance(tx, pool, own, Asset.POINTS),
        overdraft_points=overdraft - cleared,
    )


def _move_before(
    tx: Connection, pool: str, move: str, card: TemporaryCard
) -> HandedOver | Refused | None:
    row = tx.execute(
        select(temporary_move).where(temporary_move.c.pool == pool, temporary_move.c.move == move)
    ).one_or_none()
    if row is None:
        return None
    if row.account != card.account or card.to_account is None:
        return _move_taken(move, row.account, card.account)
    own = resident_account(card.account)
    return HandedOver(
        to_account=card.to_account,
        points=row.points,
        debts_points=row.debts_points,
        left_points=balance(tx, pool, own, Asset.POINTS),
        overdraft_points=balance(tx, pool, overdraft_account(card.account), Asset.POINTS),
        again=True,
    )


def _is_same(card: TemporaryCard, to: Household) -> bool:
    return (card.card_id, *_lives(card)) == (to.card_id, *_lives(to))


def _lives(who: TemporaryCard | Household | Resident) -> tuple[str, str, str]:
    return who.name, who.household, who.place


def _unknown(account: str) -> Refused:
    return Refused(
        TemporaryProblem.UNKNOWN_CARD,
        f"没有这张临时积分卡：{account}，请核对账号 / no temporary card of this account: {account}",
    )


def _account_conflict(to: Household, stands: tuple[str, ...]) -> Refused:
    asked = (to.card_id, *_lives(to))
    says = conflict_says("居民账号", to.account, stands=stands, asked=asked)
    return Refused(TemporaryProblem.CONFLICT, says)


def _move_taken(move: str, stands: str, asked: str) -> Refused:
    """The id moved another account's points, or to another one: both accounts are named."""
    says = stands_for_another(("转移编号", "move"), move, stands=(stands,), asked=(asked,))
    return Refused(TemporaryProblem.CONFLICT, says)
