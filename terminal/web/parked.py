"""Baskets that wait (挂单) on the page: what they are called, what is said, and their addresses."""

from collections.abc import Callable
from typing import Annotated, Final

from flask import Response
from msgspec import Meta, Struct

from protocol.business_day import SHANGHAI
from terminal.checkout.parking import Parking
from terminal.checkout.view import ParkedView, TillView
from terminal.domain.notice import NoticeCode
from terminal.domain.parked import MAX_REASON_CHARS
from terminal.web.amounts import amount_text
from terminal.web.bodies import NoBody, read_body
from terminal.web.language import day_text, later, say, time_text

PARKED_NOTICES: Final[dict[NoticeCode, tuple[str, str]]] = {
    NoticeCode.PARK_EMPTY: (later("还没有商品，没有可以挂的单。"), later("请先扫商品。")),
    NoticeCode.PARK_FULL: (
        later("最多挂 {most} 单，已经满了。"),
        later("请先取回一单，或把不要的删掉。"),
    ),
    NoticeCode.PARK_FIRST: (
        later("现在这一单里还有商品。"),
        later("请先把它做完、挂起来或清空，再取单。"),
    ),
    NoticeCode.PARK_UNKNOWN: (
        later("挂单 {number} 不在了，可能刚被取走。"),
        later("请看清单里还有哪些。"),
    ),
    NoticeCode.PARK_REASON: (later("删掉挂单要说明原因。"), later("请选一个原因。")),
    NoticeCode.PARKED: (
        later("已挂起，挂单 {number}，没有用{unit}。"),
        later("请接待下一位；要接着做，按“挂单”取回。"),
    ),
    NoticeCode.PARK_DELETED: (
        later("挂单 {number} 已删掉。"),
        later("原因已经记下，请接待下一位。"),
    ),
    NoticeCode.PARK_AGAIN: (
        later("没有做完，退回挂单 {number}。"),
        later("请接待下一位；不要了，按“挂单”删掉它。"),
    ),
    NoticeCode.TAKEN_UP: (
        later("挂单 {number} 取回来了，价钱没有变。"),
        later("接着扫商品，或请居民出示居民码。"),
    ),
    NoticeCode.TAKEN_UP_CHANGED: (
        later("挂单 {number} 取回来了，价钱变了：{changes}。"),
        later("请把现在的价钱告诉居民。"),
    ),
    NoticeCode.TAKEN_UP_LESS: (
        later("挂单 {number} 取回来了，现在卖不了、已去掉：{gone}。"),
        later("请告诉居民；货在手上，请按“金额”输入价钱。"),
    ),
    NoticeCode.TAKEN_UP_BOTH: (
        later("挂单 {number} 取回来了。价钱变了：{changes}；卖不了、已去掉：{gone}。"),
        later("请把现在的商品和价钱告诉居民。"),
    ),
}


class ParkedBody(Struct, frozen=True, forbid_unknown_fields=True):
    number: int


class ParkedDeleteBody(Struct, frozen=True, forbid_unknown_fields=True):
    number: int
    reason: Annotated[str, Meta(max_length=MAX_REASON_CHARS)] = ""


class ParkedText(Struct, frozen=True, kw_only=True):
    """A waiting basket in words; in the order of ``parked``."""

    title: str
    goods: str
    amount: str


class ParkedRoutes:
    """Their addresses; each answers the new screen."""

    def __init__(self, parking: Parking, answer: Callable[[], Response]) -> None:
        self._parking = parking
        self._answer = answer

    def park(self) -> Response:
        read_body(NoBody)
        self._parking.park()
        return self._answer()

    def take_up(self) -> Response:
        self._parking.take_up(read_body(ParkedBody).number)
        return self._answer()

    def park_delete(self) -> Response:
        body = read_body(ParkedDeleteBody)
        self._parking.delete(body.number, body.reason)
        return self._answer()


def parked_texts(view: TillView, unit: str) -> tuple[ParkedText, ...]:
    """The waiting baskets in words."""
    return tuple(_text(each, unit) for each in view.parked)


def parked_button(view: TillView) -> str:
    """What the button to them says."""
    if not view.parked:
        return say(later("挂单"))
    return say(later("挂单 {count}"), {"count": len(view.parked)})


def _text(parked: ParkedView, unit: str) -> ParkedText:
    when = time_text(parked.parked_at)
    if not parked.is_today:
        when = f"{day_text(parked.parked_at.astimezone(SHANGHAI).date())} {when}"
    number = say(later("{number} 号"), {"number": parked.number})
    named = say(later("、")).join(parked.goods) + ("…" if parked.items > len(parked.goods) else "")
    goods = say(later("{count} 样：{goods}"), {"count": parked.items, "goods": named})
    return ParkedText(
        title=" · ".join(part for part in (number, when, parked.parked_by) if part),
        goods=goods,
        amount=amount_text(parked.due_fen, parked.goods_points, unit),
    )
