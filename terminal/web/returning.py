"""Taking goods back: what of a receipt can come back, what that gives, and doing it."""

from collections.abc import Callable, Mapping
from typing import Annotated, Final
from uuid import UUID

from flask import Response
from msgspec import Meta, Struct, structs

from protocol.business_day import SHANGHAI
from protocol.money import format_quantity, format_yuan
from protocol.refunds import is_by_weight
from protocol.sales import Payment, SaleLine
from terminal.checkout.page import Page
from terminal.checkout.returns import Returnable, Returns, Several
from terminal.checkout.till import Till
from terminal.checkout.view import NoticeView
from terminal.domain.notice import Notice, NoticeCode, NoticeLevel
from terminal.shifts.staff import Staff
from terminal.web.amounts import price_text
from terminal.web.answers import json_answer
from terminal.web.bodies import ShortText, parse_quantity_milli, read_body
from terminal.web.language import later, say
from terminal.web.words import notice_words, unit_of

MAX_LINES: Final = 500
CONFIRM: Final = later("确认退货")


class WantedLine(Struct, frozen=True, forbid_unknown_fields=True):
    """How much of a line comes back, as typed."""

    line_no: int
    quantity: ShortText


WantedLines = Annotated[tuple[WantedLine, ...], Meta(max_length=MAX_LINES)]


class LookBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Which receipt, and what of it; without ``lines`` all that is left. ``sale_id``: which sale,
    where two have the number.
    """

    receipt_no: ShortText
    lines: WantedLines | None = None
    sale_id: UUID | None = None


class ReturnBody(Struct, frozen=True, forbid_unknown_fields=True):
    """``reason`` as the cashier chose it; ``pin`` an owner's, where the refund is large."""

    receipt_no: ShortText
    reason: ShortText
    lines: WantedLines | None = None
    pin: ShortText = ""
    sale_id: UUID | None = None


class ReturnLine(Struct, frozen=True, kw_only=True):
    """One line of the sale. ``left`` is how much can still come back, ready to show."""

    line_no: int
    name: str
    price: str
    left: str
    left_milli: int
    by_weight: bool


class ReturnChoice(Struct, frozen=True, kw_only=True):
    """One of several sales with this number, ready to show."""

    sale_id: str
    at: str
    goods: str
    paid: str


class ReturnScreen(Struct, frozen=True, kw_only=True):
    """What can come back. ``problem`` is empty where it can; ``give`` says what is given for it.

    ``choices``: two sales have this number, and one of them is to be chosen first.
    """

    receipt_no: str
    title: str
    confirm: str
    problem: str
    next: str
    lines: tuple[ReturnLine, ...]
    give: str
    needs_owner: bool = False
    choices: tuple[ReturnChoice, ...] = ()


class ReturnRoutes:
    """The two addresses of returns."""

    def __init__(
        self, returns: Returns, staff: Staff, till: Till, page: Page, answer: Callable[[], Response]
    ) -> None:
        self._returns = returns
        self._staff = staff
        self._till = till
        self._page = page
        self._answer = answer

    def look(self) -> Response:
        body = read_body(LookBody)
        wanted = wanted_of(body.lines)
        found = self._returns.look(body.receipt_no, body.sale_id)
        if isinstance(found, Several):
            return json_answer(self._which(body.receipt_no, found))
        if isinstance(found, Notice):
            return json_answer(self._refused(body.receipt_no, found, None))
        if wanted is None and body.lines is not None:
            wrong = Notice(NoticeCode.QUANTITY_WRONG, NoticeLevel.REFUSED)
            return json_answer(self._refused(body.receipt_no, wrong, found))
        offered = found.offer(wanted)
        if isinstance(offered, Notice):
            return json_answer(self._refused(body.receipt_no, offered, found))
        lines, payment = offered
        is_void = found.is_void({line.line_no: line.quantity_milli for line in lines})
        return json_answer(
            ReturnScreen(
                receipt_no=body.receipt_no,
                title=say(later("撤销")) if is_void else say(later("退货")),
                confirm=say(later("确认撤销")) if is_void else say(CONFIRM),
                problem="",
                next="",
                lines=self._lines(found),
                give=self._give(payment),
                needs_owner=self._staff.needs_owner(found.altogether(payment)),
            )
        )

    def refund(self) -> Response:
        body = read_body(ReturnBody)
        wanted = wanted_of(body.lines)
        if wanted is None and body.lines is not None:
            self._till.say(NoticeCode.QUANTITY_WRONG, NoticeLevel.REFUSED)
            return self._answer()
        notice = self._returns.refund(
            body.receipt_no, body.reason, wanted, pin=body.pin or None, sale_id=body.sale_id
        )
        self._till.say_done(notice)
        return self._answer()

    def _refused(self, receipt_no: str, notice: Notice, found: Returnable | None) -> ReturnScreen:
        view = NoticeView(
            code=notice.code.value, level=notice.level.value, figures=notice.figures, decline=None
        )
        words = notice_words(view, self._page.view())
        return ReturnScreen(
            receipt_no=receipt_no,
            title=say(later("退货")),
            confirm=say(CONFIRM),
            problem=words.text,
            next=words.next,
            lines=self._lines(found) if found is not None else (),
            give="",
        )

    def _which(self, receipt_no: str, found: Several) -> ReturnScreen:
        twice = Notice(NoticeCode.RECEIPT_TWICE, NoticeLevel.ASK)
        unit = unit_of(self._page.view())
        choices = tuple(
            ReturnChoice(
                sale_id=str(each.sale_id),
                at=each.occurred_at.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M"),
                goods="、".join(each.goods),
                paid=_paid(each.payment, unit),
            )
            for each in found.sales
        )
        return structs.replace(self._refused(receipt_no, twice, None), choices=choices)

    def _lines(self, found: Returnable) -> tuple[ReturnLine, ...]:
        unit = unit_of(self._page.view())
        return tuple(_line(line, found.left, unit) for line in found.sale.lines)

    def _give(self, payment: Payment) -> str:
        figures: dict[str, str | int] = {
            "points": payment.points,
            "unit": unit_of(self._page.view()),
            "cash": format_yuan(payment.cash_fen),
        }
        if not payment.points:
            return say(later("退现金 {cash} 元"), figures)
        return say(later("退回 {points} {unit}，退现金 {cash} 元"), figures)


def _paid(payment: Payment, unit: str) -> str:
    figures: dict[str, str | int] = {
        "points": payment.points,
        "unit": unit,
        "cash": format_yuan(payment.cash_fen),
    }
    if not payment.points:
        return say(later("付了 {cash} 元"), figures)
    return say(later("付了 {points} {unit}、{cash} 元"), figures)


def wanted_of(lines: tuple[WantedLine, ...] | None) -> dict[int, int] | None:
    """By line number in thousandths, lines of 0 left out; None for none, or where one is no number."""
    wanted: dict[int, int] = {}
    for line in lines or ():
        milli = parse_quantity_milli(line.quantity)
        if milli is None:
            return None
        if milli:
            wanted[line.line_no] = wanted.get(line.line_no, 0) + milli
    return None if lines is None else wanted


def _line(line: SaleLine, left: Mapping[int, int], unit: str) -> ReturnLine:
    milli = left.get(line.line_no, 0)
    price = price_text(line.unit_price_fen, line.unit_price_points, unit)
    return ReturnLine(
        line_no=line.line_no,
        name=line.name,
        price=f"{price} × {format_quantity(line.quantity_milli)} {line.unit}".rstrip(),
        left=format_quantity(milli),
        left_milli=milli,
        by_weight=is_by_weight(line),
    )
