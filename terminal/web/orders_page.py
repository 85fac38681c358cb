"""The page of vouchers and work orders: a resident's code, what is open, done or used."""

from collections.abc import Callable
from typing import Annotated, Final

from flask import Response
from msgspec import Meta, Struct

from drivers.ports import MAX_SCAN_CHARS
from protocol.messages import OrderShown, OutcomeKind
from protocol.money import QUANTITY_ONE_MILLI, format_quantity
from protocol.sales import Fulfilment, OrderFulfilled
from terminal.checkout.orders import Orders
from terminal.domain.notice import NoticeCode
from terminal.domain.ports import ToldRecord
from terminal.web.answers import json_answer
from terminal.web.bodies import ShortText, read_body
from terminal.web.language import day_text, later, say, time_text
from terminal.web.more import MorePages, Said

HERE: Final = "/more/orders"
KINDS: Final = {Fulfilment.VOUCHER: later("兑换券"), Fulfilment.WORK_ORDER: later("上门单")}
OUTCOMES: Final = {
    "": later("待上传"),
    OutcomeKind.POSTED.value: later("已入账"),
    OutcomeKind.DUPLICATE.value: later("已入账"),
    OutcomeKind.PARKED.value: later("待处理"),
}
STATES: Final = {
    "fulfilled": later("已用完"),
    "cancelled": later("已取消"),
    "expired": later("已过期"),
}


class CodeBody(Struct, frozen=True, forbid_unknown_fields=True):
    text: Annotated[str, Meta(max_length=8 * MAX_SCAN_CHARS)]


class DoneBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Which order, and how many units of it were done."""

    order_id: ShortText
    units: ShortText


class Turn(Struct, frozen=True):
    """What the page compares with what it shows."""

    turn: int


class OrdersPage:
    """Its addresses."""

    def __init__(self, orders: Orders, pages: MorePages) -> None:
        self._orders = orders
        self._pages = pages

    def rules(
        self,
    ) -> tuple[dict[str, Callable[[], str | Response]], dict[str, Callable[[], Response]]]:
        """Addresses that are looked at, and those that change something."""
        return {HERE: self.orders_page, f"{HERE}/turn": self.orders_turn}, {
            f"{HERE}/code": self.orders_code,
            f"{HERE}/done": self.orders_done,
        }

    def orders_page(self) -> str:
        self._orders.wait()
        found = self._orders.on_page()
        return self._pages.show(
            "orders",
            turn=self._orders.turn,
            found=None if found is None else [_order(each) for each in found],
            recent=[_recent(each) for each in self._orders.recent()],
        )

    def orders_turn(self) -> Response:
        self._orders.wait()
        return json_answer(Turn(self._orders.turn))

    def orders_code(self) -> Response:
        notice = self._orders.show_text(read_body(CodeBody).text)
        if notice is not None:
            return self._pages.said(notice, HERE)
        return json_answer(Said(level="good", text=say(later("居民码已读出。")), next="", go=HERE))

    def orders_done(self) -> Response:
        body = read_body(DoneBody)
        if not (body.units.isascii() and body.units.isdigit()):
            return self._pages.refused(NoticeCode.QUANTITY_WRONG)
        return self._pages.said(self._orders.fulfil(body.order_id, int(body.units)), HERE)


class OrderRow(Struct, frozen=True, kw_only=True):
    """One order in words; ``open`` is empty where nothing of it is left."""

    order_id: str
    name: str
    about: str
    open: str
    is_voucher: bool


def _order(order: OrderShown) -> OrderRow:
    about = [say(KINDS[order.kind]), order.receipt_no, day_text(order.sold_on)]
    if order.open_milli and order.valid_until is not None:
        about.append(say(later("{day}前有效"), {"day": day_text(order.valid_until)}))
    if not order.open_milli:
        about.append(say(STATES.get(order.state, later("已用完"))))
        if order.state == "expired" and order.valid_until is not None:
            about.append(day_text(order.valid_until))
        elif order.last_on is not None:
            about += [day_text(order.last_on), order.last_where]
    return OrderRow(
        order_id=order.order_id,
        name=order.name,
        about=" · ".join(x for x in about if x),
        open=format_quantity(order.open_milli // QUANTITY_ONE_MILLI * QUANTITY_ONE_MILLI)
        if order.open_milli
        else "",
        is_voucher=order.kind is Fulfilment.VOUCHER,
    )


def _recent(told: ToldRecord) -> tuple[str, str]:
    done = told.happening
    receipt = done.order_id if isinstance(done, OrderFulfilled) else ""
    says = told.says.partition(" / ")[0]
    outcome = say(OUTCOMES.get(told.outcome, later("已入账")))
    return f"{time_text(told.at)} · …{receipt[-6:]}", " ".join(x for x in (outcome, says) if x)
