"""Doing what was sold: the pool pays for a voucher or a work order when it is fulfilled.

The provider gets his contract's fee of that day, or where his contract names none what the
catalogue said when it was sold. What is cancelled gives its points back and moves no money.
"""

import hashlib
from dataclasses import dataclass
from datetime import date, datetime

import msgspec
from sqlalchemy import Connection, insert

from protocol.business_day import business_date
from protocol.money import price_of
from protocol.sales import Fulfilment
from server.directory import contract_on, merchant_of, pool_terms
from server.directory.accounts import POOL_FUND, merchant_account
from server.directory.contract_terms import CATEGORY_PREFIX
from server.directory.queries import shop_of
from server.facts import FactStamp
from server.facts.refused import Refused, stands_for_another
from server.ledger import Asset, EntryDraft, Leg, Posted, post
from server.redemption import order_tables as o
from server.redemption.giving_back import points_back
from server.redemption.order_states import OrderMove, OrderState
from server.redemption.order_values import CancelOrder, FulfilOrder, OrderMoved
from server.redemption.orders import Moved, Order, moved_before, order_of
from server.redemption.stock import move_goods
from server.redemption.told_before import short

FULFIL_KEY, UNFULFIL_KEY, CANCEL_KEY = "fulfil:", "unfulfil:", "cancel:"
FULFILMENT_KIND, CANCELLATION_KIND = "fulfilment", "cancellation"
ORDER_KINDS = (FULFILMENT_KIND, CANCELLATION_KIND)
"""Kinds of entries that move orders; their keys end in the order's id and the move's number."""
FEE_CODE = "fee"
REIMBURSEMENT_CODE = "reimbursement"
NAME_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Doing:
    """Somebody says that units of an order are done; ``shop`` is where, ``at`` when."""

    move_id: str
    content_hash: str
    order_id: str
    merchant: str
    shop: str | None
    units_milli: int | None
    day: date
    at: datetime
    says: str


@dataclass(frozen=True, slots=True)
class _Rate:
    contract: str
    code: str
    fen: int


def fulfil_order(tx: Connection, stamp: FactStamp, command: FulfilOrder) -> OrderMoved | Refused:
    """The office books that an order is done. Refused: nothing open, no fee, no such provider."""
    if merchant_of(tx, stamp.pool, command.provider) is None:
        return Refused(
            "unknown_merchant",
            f"没有这个商户：{command.provider}，请先登记 / not registered: {command.provider}",
        )
    shop = shop_of(tx, stamp.pool, command.shop) if command.shop is not None else None
    if command.shop is not None and (shop is None or shop.merchant != command.provider):
        return Refused(
            "unknown_shop",
            f"商户 {command.provider} 没有门店 {command.shop}，请核对"
            f" / the provider has no shop {command.shop}",
        )
    problem = _day_problem(tx, stamp, command.business_date)
    if problem is not None:
        return problem
    doing = Doing(
        move_id=command.fulfilment_id,
        content_hash=_hash_of(command),
        order_id=command.order_id,
        merchant=command.provider,
        shop=command.shop,
        units_milli=command.units_milli,
        day=command.business_date,
        at=stamp.recorded_at,
        says=command.confirmed_by,
    )
    return fulfil(tx, stamp, doing)


def fulfil(tx: Connection, stamp: FactStamp, doing: Doing) -> OrderMoved | Refused:
    """Pay the provider for what is done, once; what cannot be is refused and changes nothing."""
    order = order_of(tx, stamp.pool, doing.order_id)
    if order is None:
        return _unknown(doing.order_id)
    again = _again(tx, stamp.pool, order, doing.move_id, doing.content_hash)
    if again is not None:
        return again
    milli = doing.units_milli or order.units.open_milli
    state = order.state_after(OrderMove.FULFIL, milli)
    if state is None:
        return _nothing_open(tx, stamp.pool, order)
    if doing.day < order.business_date:
        return _before_sale(order, doing.day)
    if order.valid_until is not None and doing.day > order.valid_until:
        return _expired(order)
    rate = _rate(tx, stamp.pool, order, doing)
    if isinstance(rate, Refused):
        return rate
    amount_fen = price_of(rate.fen, milli)
    number = len(order.moves) + 1
    write_move(
        tx,
        stamp,
        order,
        {
            "move": OrderMove.FULFIL.value,
            "state": state.value,
            "units_milli": milli,
            "move_id": doing.move_id,
            "content_hash": doing.content_hash,
            "merchant": doing.merchant,
            "shop": doing.shop,
            "contract": rate.contract,
            "code": rate.code,
            "rate_fen": rate.fen,
            "amount_fen": amount_fen,
            "business_date": doing.day,
            "says": doing.says,
        },
    )
    if amount_fen:
        leg = Leg(Asset.FEN, rate.code, POOL_FUND, merchant_account(doing.merchant), amount_fen)
        key = f"{FULFIL_KEY}{order.order_id}:{number}"
        post_move(tx, stamp, order, key=key, day=doing.day, at=doing.at, legs=[leg])
    return OrderMoved(order.order_id, state, milli, doing.merchant, amount_fen, points=0)


def cancel_order(tx: Connection, stamp: FactStamp, command: CancelOrder) -> OrderMoved | Refused:
    """Give up what is open: points back to the same resident, no money. Refused: nothing open."""
    order = order_of(tx, stamp.pool, command.order_id)
    if order is None:
        return _unknown(command.order_id)
    content_hash = _hash_of(command)
    again = _again(tx, stamp.pool, order, command.cancel_id, content_hash)
    if again is not None:
        return again
    problem = _day_problem(tx, stamp, command.business_date)
    if problem is not None:
        return problem
    if command.business_date < order.business_date:
        return _before_sale(order, command.business_date)
    milli = command.units_milli or order.units.open_milli
    state = order.state_after(OrderMove.CANCEL, milli)
    if state is None:
        return _nothing_open(tx, stamp.pool, order)
    points = order.points_for(milli)
    key = f"{CANCEL_KEY}{order.order_id}:{len(order.moves) + 1}"
    write_move(
        tx,
        stamp,
        order,
        {
            "move": OrderMove.CANCEL.value,
            "state": state.value,
            "units_milli": milli,
            "move_id": command.cancel_id,
            "content_hash": content_hash,
            "merchant": order.merchant,
            "points": points,
            "business_date": command.business_date,
            "says": command.reason,
        },
    )
    if points:
        legs = points_back(tx, stamp.pool, order.account, order.merchant, points)
        day = command.business_date
        post_move(tx, stamp, order, key=key, day=day, at=stamp.recorded_at, legs=legs)
    move_goods(tx, stamp, key, {order.item_id: milli})
    return OrderMoved(order.order_id, state, milli, order.merchant, 0, points)


def _rate(tx: Connection, pool: str, order: Order, doing: Doing) -> _Rate | Refused:
    contract = contract_on(tx, pool, doing.merchant, doing.day, doing.shop)
    if contract is None:
        return Refused(
            "no_contract",
            f"商户 {doing.merchant} 在 {doing.day} 没有合约，请先补签合约"
            f" / the provider has no contract on {doing.day}: agree one first",
        )
    fees = contract.terms.fees
    for name in (order.item_id, f"{CATEGORY_PREFIX}{order.category}"):
        if name in fees:
            return _Rate(contract.contract, FEE_CODE, fees[name])
    if order.reimbursement_fen:
        return _Rate(contract.contract, REIMBURSEMENT_CODE, order.reimbursement_fen)
    return Refused(
        "no_fee",
        f"合约 {contract.contract} 没有写“{order.name[:NAME_SHOWN]}”的费用，目录也没有成本，"
        "请先在合约中写明（不付费的写 0）"
        f" / contract {contract.contract} names no fee for {order.item_id}, and the catalogue no"
        " cost: agree one first, 0 where nothing is paid",
    )


def _again(
    tx: Connection, pool: str, order: Order, move_id: str, content_hash: str
) -> OrderMoved | Refused | None:
    before = moved_before(tx, pool, move_id)
    if before is None:
        return None
    if before != (order.order_id, content_hash):
        was_order, was_hash = before
        says = stands_for_another(
            ("办理编号", "move"),
            move_id,
            stands=(was_order, short(was_hash)),
            asked=(order.order_id, short(content_hash)),
        )
        return Refused("conflict", says)
    moved = next(each for each in order.moves if each.move_id == move_id)
    return OrderMoved(
        order.order_id,
        order.state,
        moved.units_milli,
        moved.merchant,
        moved.amount_fen,
        moved.points,
        again=True,
    )


def write_move(tx: Connection, stamp: FactStamp, order: Order, changes: dict[str, object]) -> Moved:
    """The order's next move, with ``changes`` where it is not as most are."""
    row: dict[str, object] = {
        "shop": None,
        "contract": None,
        "code": None,
        "rate_fen": 0,
        "amount_fen": 0,
        "points": 0,
        "undoes": None,
        **changes,
        "move_no": len(order.moves) + 1,
        "moved_at": stamp.recorded_at,
        "moved_by": stamp.actor,
    }
    own = {"pool": stamp.pool, "order_id": order.order_id, "fact_no": stamp.fact_no}
    tx.execute(insert(o.order_move).values(**own, **row))
    return msgspec.convert(row, Moved)


def post_move(
    tx: Connection,
    stamp: FactStamp,
    order: Order,
    *,
    key: str,
    day: date,
    at: datetime,
    legs: list[Leg],
) -> None:
    """The entry of an order's move; its key ends in the order's id and the move's number."""
    draft = EntryDraft(
        key=key,
        kind=CANCELLATION_KIND if key.startswith(CANCEL_KEY) else FULFILMENT_KIND,
        occurred_at=at,
        business_date=day,
        legs=tuple(legs),
        memo=order.name[:NAME_SHOWN],
    )
    posted = post(tx, stamp.pool, draft, recorded_at=stamp.recorded_at, fact_no=stamp.fact_no)
    assert isinstance(posted, Posted), f"{draft.key}: {posted}"


def _day_problem(tx: Connection, stamp: FactStamp, day: date) -> Refused | None:
    today = business_date(stamp.recorded_at, pool_terms(tx, stamp.pool).cut_off_hour)
    if day <= today:
        return None
    return Refused("future_day", f"{day} 还没有到，请改日期 / {day} has not come yet")


def _nothing_open(tx: Connection, pool: str, order: Order) -> Refused:
    """With the place and the day, where it was used: whoever brings it again wants to know."""
    what = "兑换券" if order.kind is Fulfilment.VOUCHER else "工单"
    done = next((each for each in reversed(order.moves) if each.move is OrderMove.FULFIL), None)
    if order.units.open_milli:
        left = order.units.open_milli / 1_000
        return Refused(
            "too_many", f"{what}只剩 {left:g} 份未兑现，请改数量 / only {left:g} are open"
        )
    if done is not None and order.state is OrderState.FULFILLED:
        where = _place(tx, pool, done)
        return Refused(
            "used_before",
            f"此{what}已于 {done.business_date} 在“{where}”兑现过，不能再用"
            f" / used before, on {done.business_date} at {where}",
        )
    if order.state is OrderState.EXPIRED:
        return _expired(order)
    return Refused(
        "cancelled",
        f"此{what}已取消，积分已退回，请重新兑换"
        " / cancelled before, the points went back: sell it anew",
    )


def _place(tx: Connection, pool: str, done: Moved) -> str:
    shop = shop_of(tx, pool, done.shop) if done.shop is not None else None
    if shop is not None:
        return shop.name
    merchant = merchant_of(tx, pool, done.merchant)
    return merchant.name if merchant is not None else done.merchant


def _unknown(order_id: str) -> Refused:
    return Refused(
        "unknown_order",
        f"没有这张券或工单：{order_id}，请核对编号；若刚售出，请等售出的终端上传"
        f" / no such order: {order_id}; if it was just sold, wait for that terminal's records",
    )


def _before_sale(order: Order, day: date) -> Refused:
    return Refused(
        "before_sale",
        f"{day} 早于售出日 {order.business_date}，请改日期"
        f" / {day} is before the day of sale, {order.business_date}",
    )


def _expired(order: Order) -> Refused:
    return Refused(
        "expired",
        f"此券只到 {order.valid_until} 有效，已过期 / it was good until {order.valid_until}",
    )


def _hash_of(command: FulfilOrder | CancelOrder) -> str:
    return hashlib.sha256(msgspec.json.encode(command, order="deterministic")).hexdigest()
