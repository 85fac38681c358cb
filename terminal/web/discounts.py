"""Discounts on the page: what a basket's discounts are called, and their addresses."""

from collections.abc import Callable
from typing import Annotated, Final, Literal

from flask import Response
from msgspec import Meta, Struct

from protocol.discounts import MAX_REASON_CHARS, DiscountKind
from protocol.money import format_yuan
from terminal.checkout.discounts import Discounts
from terminal.checkout.view import DiscountView, TillView
from terminal.domain.notice import NoticeCode
from terminal.web.bodies import ShortText, read_body
from terminal.web.language import later, say

WHOLE_BP: Final = 10_000
BP_A_HUNDREDTH_OF_A_FOLD: Final = 10

DISCOUNT_NOTICES: Final[dict[NoticeCode, tuple[str, str]]] = {
    NoticeCode.FOLDS_WRONG: (
        later("打几折要填 0.1 到 9.9。"),
        later("九折请填 9，八五折请填 8.5。"),
    ),
    NoticeCode.DISCOUNT_TOO_LARGE: (
        later("减的钱比商品还贵，或商品是用{unit}换的，不能减。"),
        later("请重新输入，或换一样商品。"),
    ),
    NoticeCode.DISCOUNT_NEEDS_OWNER: (
        later("这一单的折扣超过收银员的限额。"),
        later("请按“折扣”重新填，让店主输 PIN 码；或去掉折扣。"),
    ),
}


class DiscountBody(Struct, frozen=True, forbid_unknown_fields=True):
    """``text`` as typed: yuan, or 折 where ``how`` is ``folds``. Without a line: off all of it."""

    how: Literal["amount", "folds"]
    text: ShortText
    line_no: int | None = None
    reason: Annotated[str, Meta(max_length=MAX_REASON_CHARS)] = ""
    pin: ShortText = ""


class DiscountOffBody(Struct, frozen=True, forbid_unknown_fields=True):
    line_no: int | None = None


class RoundingBody(Struct, frozen=True, forbid_unknown_fields=True):
    on: bool


class DiscountText(Struct, frozen=True, kw_only=True):
    """A discount in words."""

    name: str
    amount: str


class DiscountRoutes:
    """Their addresses; each answers the new screen."""

    def __init__(self, discounts: Discounts, answer: Callable[[], Response]) -> None:
        self._discounts = discounts
        self._answer = answer

    def discount(self) -> Response:
        body = read_body(DiscountBody)
        take = self._discounts.amount_off if body.how == "amount" else self._discounts.folds
        take(body.line_no, body.text, body.reason, body.pin or None)
        return self._answer()

    def discount_off(self) -> Response:
        self._discounts.remove(read_body(DiscountOffBody).line_no)
        return self._answer()

    def rounding(self) -> Response:
        self._discounts.round_off(on=read_body(RoundingBody).on)
        return self._answer()


def discount_texts(view: TillView) -> tuple[DiscountText, ...]:
    """The basket's discounts in words, in their order."""
    names = {line.line_no: line.name for line in view.lines}
    return tuple(
        DiscountText(
            name=_name(each, names),
            amount=say(later("{amount} 元"), {"amount": format_yuan(-each.amount_fen)}),
        )
        for each in view.discounts
    )


def _name(given: DiscountView, names: dict[int, str]) -> str:
    if given.kind == DiscountKind.ROUNDING:
        return say(later("抹零"))
    what = say(later("整单")) if given.line_no is None else names.get(given.line_no, "")
    if given.rate_bp is None:
        how = say(later("减钱"))
    else:
        folds = format_yuan((WHOLE_BP - given.rate_bp) // BP_A_HUNDREDTH_OF_A_FOLD)
        how = say(later("{folds} 折"), {"folds": folds.rstrip("0").rstrip(".")})
    return " · ".join(part for part in (what, how, given.reason) if part)


def rounding_text(view: TillView) -> str:
    """What 抹零 would drop; empty where the shop has none, or there is nothing to drop."""
    if view.rounding_step_fen is None or view.rounds:
        return ""
    dropped_fen = view.due_fen % view.rounding_step_fen
    if not dropped_fen:
        return ""
    return say(later("零头 {amount} 元"), {"amount": format_yuan(dropped_fen)})
