"""Vouchers and work orders in a practice: two that are there from the start, and what is sold."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Final

from msgspec import Struct

from protocol.messages import OrderShown
from protocol.sales import Fulfilment, OrderFulfilled, RefundLine, SaleCaptured
from terminal.domain.ports import Store

OPEN_ONE: Final = "practice-1"
USED_ONE: Final = "practice-2"
ONE_MILLI: Final = 1_000
VALID: Final = timedelta(days=30)
BOUGHT_BEFORE: Final = timedelta(days=7)
USED_BEFORE: Final = timedelta(days=1)
MOST_DONE: Final = 500


class _Done(Struct, frozen=True):
    units_milli: int
    last_on: date


def orders_of(
    store: Store, sales: Sequence[SaleCaptured], today: date, here: str, *, has_some: bool
) -> tuple[OrderShown, ...]:
    """What a practice resident has, open ones first; ``sales`` are his, ``here`` is this shop, and
    ``has_some`` gives him one to use and a used one from the start.
    """
    done = _done(store)
    found = [
        _shown(each, done, _back(store, sale, each), here) for sale in sales for each in _sold(sale)
    ]
    if has_some:
        found = [_shown(_of_start(today), done, 0, here), *found, _used_elsewhere(today)]
    return tuple(sorted(found, key=lambda each: each.open_milli == 0))


def _done(store: Store) -> Mapping[str, _Done]:
    made: dict[str, _Done] = {}
    for told in store.newest_told("order_fulfilled", MOST_DONE):
        record = told.happening
        if isinstance(record, OrderFulfilled):
            before = made.get(record.order_id)
            units = record.units_milli + (before.units_milli if before else 0)
            day = max(record.business_date, before.last_on) if before else record.business_date
            made[record.order_id] = _Done(units, day)
    return made


def _of_start(today: date) -> OrderShown:
    return OrderShown(
        order_id=OPEN_ONE,
        kind=Fulfilment.VOUCHER,
        name="练习券 / practice voucher",
        receipt_no="LX-0",
        sold_on=today - BOUGHT_BEFORE,
        units_milli=ONE_MILLI,
        open_milli=ONE_MILLI,
        state="open",
        valid_until=today + VALID,
    )


def _used_elsewhere(today: date) -> OrderShown:
    """So that a cashier has seen what a used one looks like before somebody shows it to her."""
    return OrderShown(
        order_id=USED_ONE,
        kind=Fulfilment.VOUCHER,
        name="练习券 / practice voucher",
        receipt_no="LX-0",
        sold_on=today - BOUGHT_BEFORE,
        units_milli=ONE_MILLI,
        open_milli=0,
        state="fulfilled",
        valid_until=today + VALID,
        last_on=today - USED_BEFORE,
        last_where="别家 / elsewhere",
    )


def _sold(sale: SaleCaptured) -> list[OrderShown]:
    return [
        OrderShown(
            order_id=f"{sale.sale_id}-{line.line_no}",
            kind=line.fulfilment,
            name=line.name,
            receipt_no=sale.receipt_no,
            sold_on=sale.business_date,
            units_milli=line.quantity_milli,
            open_milli=line.quantity_milli,
            state="open",
            valid_until=sale.business_date + VALID
            if line.fulfilment is Fulfilment.VOUCHER
            else None,
        )
        for line in sale.lines
        if line.fulfilment is not Fulfilment.AT_ONCE
    ]


def _back(store: Store, sale: SaleCaptured, order: OrderShown) -> int:
    lines: list[RefundLine] = [
        line for refund in store.refunds_of(sale.sale_id) for line in refund.lines
    ]
    line_no = int(order.order_id.rpartition("-")[2])
    return sum(line.quantity_milli for line in lines if line.line_no == line_no)


def _shown(order: OrderShown, done: Mapping[str, _Done], back_milli: int, here: str) -> OrderShown:
    units = done.get(order.order_id)
    done_milli = units.units_milli if units is not None else 0
    left = max(0, order.units_milli - done_milli - back_milli)
    if left == order.units_milli:
        return order
    state = "open" if left else ("fulfilled" if units is not None else "cancelled")
    return OrderShown(
        order_id=order.order_id,
        kind=order.kind,
        name=order.name,
        receipt_no=order.receipt_no,
        sold_on=order.sold_on,
        units_milli=order.units_milli,
        open_milli=left,
        state=state,
        valid_until=order.valid_until,
        last_on=units.last_on if units is not None else None,
        last_where=here if units is not None else "",
    )
