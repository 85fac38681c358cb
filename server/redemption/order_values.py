"""What is asked of vouchers and work orders, and what is answered."""

from dataclasses import dataclass
from datetime import date
from typing import Annotated

from msgspec import Meta, Struct

from server.directory.commands import Id
from server.redemption.order_states import OrderState
from server.redemption.order_tables import ORDER_ID_MAX, SAYS_MAX

MAX_MILLI = 10**9
DAYS_MAX = 3_650

OrderId = Annotated[str, Meta(pattern=r"^[0-9a-f-]+$", max_length=ORDER_ID_MAX)]
_MoveId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
_Milli = Annotated[int, Meta(ge=1, le=MAX_MILLI)]
_Says = Annotated[str, Meta(min_length=1, max_length=SAYS_MAX)]


class _Command(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    pass


class FulfilOrder(_Command, frozen=True, tag="fulfil_order"):
    """The office: so many units of an order are done, as the resident confirms.

    ``fulfilment_id`` is made by whoever asks; it fulfils once. ``provider`` is the merchant who
    did it, ``shop`` his shop, where a contract of its own counts; ``units_milli`` thousandths,
    None for all that is open; ``confirmed_by`` says how the resident confirmed.
    """

    fulfilment_id: _MoveId
    order_id: OrderId
    provider: Id
    business_date: date
    confirmed_by: _Says
    shop: Id | None = None
    units_milli: _Milli | None = None


class CancelOrder(_Command, frozen=True, tag="cancel_order"):
    """The office: so many open units will not be done; their points go back to the resident.

    ``cancel_id`` is made by whoever asks; it cancels once.
    """

    cancel_id: _MoveId
    order_id: OrderId
    business_date: date
    reason: _Says
    units_milli: _Milli | None = None


class ExpireOrders(_Command, frozen=True, tag="expire_orders"):
    """Vouchers that were good until before ``today`` are worth nothing any more."""

    today: date


class SetVoucherDays(_Command, frozen=True, tag="set_voucher_days"):
    """From now on vouchers of an item are good for so many days after their sale; None: for good.
    Vouchers that are sold already keep what they were sold with.
    """

    item_id: Id
    days: Annotated[int, Meta(ge=1, le=DAYS_MAX)] | None
    reason: _Says


@dataclass(frozen=True, slots=True)
class OrderMoved:
    """What was done with an order. Fen were paid to ``merchant``, points went back to the
    resident. ``again``: by an earlier command; nothing was written now.
    """

    order_id: str
    state: OrderState
    units_milli: int
    merchant: str
    amount_fen: int
    points: int
    again: bool = False


@dataclass(frozen=True, slots=True)
class OrdersExpired:
    """How many vouchers expired now; ``more``: ask again."""

    expired: int
    more: bool


@dataclass(frozen=True, slots=True)
class VoucherDaysSet:
    """How long vouchers of the item are good for."""

    item_id: str
    days: int | None
