"""What is told to the fund, and what it answers: gifts, reserve, write-offs."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from server.directory.commands import HexId, Id, Name
from server.redemption.stock import MAX_MILLI

MAX_FUND_FEN = 10**12

_FundId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]
_Amount = Annotated[int, Meta(ge=1, le=MAX_FUND_FEN)]
_Reason = Annotated[str, Meta(min_length=1, max_length=200)]


class _Command(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    pass


class RegisterSponsor(_Command, frozen=True, tag="register_sponsor"):
    """Somebody who gives money or goods to the pool."""

    sponsor: Id
    name: Name


class ReceiveGift(_Command, frozen=True, tag="receive_gift"):
    """A sponsor gave money; one ``gift_id`` gives once."""

    gift_id: _FundId
    sponsor: Id
    amount_fen: _Amount
    note: Annotated[str, Meta(max_length=200)] = ""


class ReceiveGoods(_Command, frozen=True, tag="receive_goods"):
    """A sponsor gave goods of the catalogue; one ``gift_id`` gives once.

    ``quantity_milli`` in thousandths of the item's unit; ``worth_fen`` is what all of it is worth,
    as giver and pool agree.
    """

    gift_id: _FundId
    sponsor: Id
    item_id: Id
    quantity_milli: Annotated[int, Meta(ge=1, le=MAX_MILLI)]
    worth_fen: _Amount
    note: Annotated[str, Meta(max_length=200)] = ""


class SetAside(_Command, frozen=True, tag="set_aside"):
    """Money of the fund is kept for losses; one ``set_aside_id`` sets aside once."""

    set_aside_id: _FundId
    amount_fen: _Amount
    note: Annotated[str, Meta(max_length=200)] = ""


class ProposeWriteOff(_Command, frozen=True, tag="propose_write_off"):
    """Points that a resident took offline beyond his own will not come back.

    Whoever hands this in is the one who proposes; another one must approve.
    """

    write_off: _FundId
    account: HexId
    points: Annotated[int, Meta(ge=1, le=10**9)]
    reason: _Reason


class ApproveWriteOff(_Command, frozen=True, tag="approve_write_off"):
    """Whoever hands this in has looked at the proposal, and is not the one who made it."""

    write_off: _FundId


class FundProblem(StrEnum):
    """Why nothing was booked."""

    CONFLICT = "conflict"
    UNKNOWN_SPONSOR = "unknown_sponsor"
    UNKNOWN_RESIDENT = "unknown_resident"
    UNKNOWN_WRITE_OFF = "unknown_write_off"
    SAME_PERSON = "same_person"
    NOT_ENOUGH_FUND = "not_enough_fund"
    NOT_ENOUGH_RESERVE = "not_enough_reserve"
    NOT_OVERDRAWN = "not_overdrawn"


@dataclass(frozen=True, slots=True)
class FundDone:
    """It stands in the books, or a proposal waits. ``again``: it stood there before."""

    what: str
    again: bool = False


@dataclass(frozen=True, slots=True)
class Gifts:
    """What a sponsor gave so far: money, and goods by their worth."""

    sponsor: str
    name: str
    given_fen: int
    goods_fen: int = 0


@dataclass(frozen=True, slots=True)
class WriteOff:
    """A proposal; ``approved_by`` is None as long as it waits."""

    write_off: str
    account: str
    points: int
    reason: str
    proposed_by: str
    approved_by: str | None
    loss_fen: int | None


@dataclass(frozen=True, slots=True)
class Overdrawn:
    """One resident who took ``points`` offline that were not there; the next ones clear them."""

    account: str
    points: int


@dataclass(frozen=True, slots=True)
class FundFigures:
    """How the pool stands. Fen and points.

    ``fund_fen``: what came in by share and gifts, less what was paid for points and set
    aside; below zero, more was paid than came in. ``spendable_worth_fen``: what all points
    would cost if they were redeemed today, None where a point has no value in money.
    ``overdrawn``: whose overdrafts make up ``overdraft_points``, the largest first.
    """

    fund_fen: int
    reserve_fen: int
    gifts: tuple[Gifts, ...]
    spendable_points: int
    spendable_worth_fen: int | None
    overdraft_points: int
    overdrawn_count: int
    overdrawn: tuple[Overdrawn, ...]
    written_off_points: int
    write_offs: tuple[WriteOff, ...]
