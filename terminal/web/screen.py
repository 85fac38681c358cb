"""The till's view with everything in words, so that the page itself has none to say."""

from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct
from msgspec.structs import asdict

from protocol.documents import Catalogue, Item
from protocol.money import format_yuan
from terminal.checkout.view import CompletedView, LineView, PaymentView, TillView
from terminal.domain.basket import sold_at_till
from terminal.domain.sale import SaleState
from terminal.web.amounts import amount_text, price_text, yuan
from terminal.web.device_words import StatusView, print_words, status_views
from terminal.web.discounts import DiscountText, discount_texts, rounding_text
from terminal.web.language import Words, language_now, later, say
from terminal.web.parked import ParkedText, parked_button, parked_texts
from terminal.web.pin_words import pin_skip_text, pin_text
from terminal.web.rules import rule_text
from terminal.web.words import notice_words, unit_of

TYPED_AMOUNT_NAME: Final = "其他商品"
"""What page and receipt call an amount that was typed; receipts speak Chinese."""

_ENGLISH_TYPED_AMOUNT: Final = later("其他商品")


class FigureView(Struct, frozen=True, kw_only=True):
    """One figure with its name, ready to show."""

    label: str
    text: str


class LineTexts(Struct, frozen=True, kw_only=True):
    """A basket line in words; in the order of ``lines``."""

    name: str
    price: str
    amount: str


class Screen(TillView, frozen=True, kw_only=True):
    """A :class:`TillView` and its words in the language of the request.

    Empty text means that there is nothing of the kind to show: without ``cash_text`` the
    basket cannot be completed without points, without ``confirm_text`` none are approved.
    """

    boot: str
    person_text: str
    proxy_text: str
    catalogue_version: str
    notice_text: str
    notice_next: str
    statuses: tuple[StatusView, ...]
    line_texts: tuple[LineTexts, ...]
    due_text: str
    points_label: str
    points_text: str
    to_pay_text: str
    hint_text: str
    cash_text: str
    confirm_text: str
    fewer_text: str
    remainder_text: str
    rule_text: str
    discount_texts: tuple[DiscountText, ...]
    rounding_text: str
    parked_text: str
    parked_texts: tuple[ParkedText, ...]
    figures: tuple[FigureView, ...]
    receipt_text: str
    print_text: str
    print_level: str
    confirming_text: str
    confirming_skip_text: str
    pin_text: str
    pin_skip_text: str


class CatalogueItem(Struct, frozen=True, kw_only=True):
    """An item as keys and search show it."""

    item_id: str
    name: str
    barcode: str
    price: str
    unit: str
    weighed: bool
    quick_key: bool


class CatalogueScreen(Struct, frozen=True, kw_only=True):
    """What the shop sells and has a key for; ``searches``: there is more, found by its name.

    ``version`` is another one whenever the catalogue or the shop's own prices are.
    """

    version: str
    searches: bool
    items: tuple[CatalogueItem, ...]


def goods_version(catalogue: Catalogue | None, own_revision: int) -> str:
    """Names the catalogue and the shop's own list, as they are."""
    return f"{catalogue.version if catalogue else 0}.{own_revision}"


def catalogue_screen(
    version: str, items: Iterable[Item], view: TillView, *, searches: bool
) -> CatalogueScreen:
    """Goods with names and prices in words."""
    unit = unit_of(view)
    return CatalogueScreen(
        version=version,
        searches=searches,
        items=tuple(
            CatalogueItem(
                item_id=item.item_id,
                name=_item_name(item),
                barcode=item.barcode or "",
                price=price_text(*item.unit_prices, unit),
                unit=item.unit,
                weighed=item.weighed,
                quick_key=item.quick_key,
            )
            for item in items
            if sold_at_till(item)
        ),
    )


def screen_of(
    view: TillView,
    catalogue: Catalogue | None,
    boot: str,
    own_revision: int = 0,
    person: str | None = None,
) -> Screen:
    """Put the view into words. ``boot`` names this run of the program, ``person`` who is signed
    in at the till.
    """
    unit = unit_of(view)
    names = {item.item_id: _item_name(item) for item in catalogue.items} if catalogue else {}
    notice = notice_words(view.notice, view, names) if view.notice else Words("", "")
    payment, completed = view.payment, view.completed
    print_text, print_level = (
        print_words(completed.print_state, completed.print_trouble, view.printer)
        if completed
        else ("", "")
    )
    return Screen(
        **asdict(view),
        boot=boot,
        person_text=say(later("{person} · 换人"), {"person": person}) if person else "",
        proxy_text=_proxy(view),
        catalogue_version=goods_version(catalogue, own_revision),
        notice_text=notice.text,
        notice_next=notice.next,
        statuses=status_views(view),
        line_texts=_line_texts(view, names, unit),
        due_text=amount_text(view.due_fen, view.goods_points, unit),
        points_label=_points_label(view, unit),
        points_text=_points_text(view, unit),
        to_pay_text=yuan(payment.cash_fen if payment else view.due_fen),
        hint_text=_hint_text(view),
        cash_text=_cash_text(view, unit),
        confirm_text=_confirm_text(view, unit),
        fewer_text=_fewer_text(view, unit),
        remainder_text=_remainder_text(completed or payment, unit),
        rule_text=rule_text(view, unit),
        discount_texts=discount_texts(view),
        rounding_text=rounding_text(view),
        parked_text=parked_button(view),
        parked_texts=parked_texts(view, unit),
        figures=_figures(completed or payment),
        receipt_text=(
            say(later("小票号 {number}"), {"number": completed.receipt_no}) if completed else ""
        ),
        print_text=print_text,
        print_level=print_level,
        confirming_text=_confirming_text(view, unit),
        confirming_skip_text=_confirming_skip_text(view, unit),
        pin_text=pin_text(view, unit),
        pin_skip_text=pin_skip_text(view, unit),
    )


def _item_name(item: Item) -> str:
    return item.name_en if language_now() == "en" and item.name_en else item.name


def _line_texts(view: TillView, names: Mapping[str, str], unit: str) -> tuple[LineTexts, ...]:
    def words(line: LineView) -> LineTexts:
        price = price_text(line.unit_price_fen, line.unit_price_points, unit)
        typed = line.item_id is None
        name = say(_ENGLISH_TYPED_AMOUNT) if typed else names.get(line.item_id or "", line.name)
        marks = (
            *((say(later("只收现金")),) if line.money_only else ()),
            *((say(later("限量")),) if line.limited else ()),
        )
        return LineTexts(
            name=name,
            price=" · ".join((f"{price} × {line.quantity} {line.unit}".rstrip(), *marks)),
            # Before discounts, which are lines of their own below.
            amount=price_text(line.price_fen, line.amount_points, unit),
        )

    return tuple(words(line) for line in view.lines)


def _points_label(view: TillView, unit: str) -> str:
    label = later("{unit}兑换") if view.goods_points else later("{unit}抵扣")
    return say(label, {"unit": unit})


def _points_text(view: TillView, unit: str) -> str:
    if view.payment is not None and view.payment.points:
        return f"{view.payment.points} {unit}"
    if not view.points_possible:
        return "—"
    text = later("要用 {points}") if view.goods_points else later("最多 {points}")
    if 0 < view.goods_points < view.points_possible:
        text = later("{lowest} 到 {points}")
    return say(text, {"lowest": view.goods_points, "points": view.points_possible})


def _hint_text(view: TillView) -> str:
    if view.state != SaleState.OPEN or view.confirming is not None or view.pin is not None:
        return ""
    if not view.lines:
        return say(later("请扫商品，或选商品、输金额"))
    if not view.points_possible and not view.needs_code:
        return ""
    return say(later("请居民出示居民码"))


def _cash_text(view: TillView, unit: str) -> str:
    if view.state != SaleState.OPEN or view.payment is None or not view.lines:
        return ""
    figures: dict[str, str | int] = {"due": format_yuan(view.payment.cash_fen), "unit": unit}
    if not view.payment.cash_fen:
        return say(later("免费，直接完成"))
    if view.points_possible:
        return say(later("不用{unit}，收现金 {due} 元"), figures)
    return say(later("收现金 {due} 元"), figures)


def _confirm_text(view: TillView, unit: str) -> str:
    payment = view.payment
    if view.state != SaleState.AUTHORISED or payment is None:
        return ""
    figures: dict[str, str | int] = {
        "points": payment.points,
        "due": format_yuan(payment.cash_fen),
        "unit": unit,
    }
    return say(later("用 {points} {unit}，还需付 {due} 元"), figures)


def _confirming_text(view: TillView, unit: str) -> str:
    if view.confirming is None:
        return ""
    figures: dict[str, str | int] = {"points": view.confirming.points, "unit": unit}
    return say(
        later("请居民用手机扫这个码，看清后确认（最多 {points} {unit}），再扫手机上的码"), figures
    )


def _confirming_skip_text(view: TillView, unit: str) -> str:
    if view.confirming is None or not view.confirming.skip_points:
        return ""
    figures: dict[str, str | int] = {"points": view.confirming.skip_points, "unit": unit}
    return say(later("不确认，只用 {points} {unit}"), figures)


def _fewer_text(view: TillView, unit: str) -> str:
    payment = view.payment
    if view.state != SaleState.AUTHORISED or payment is None:
        return ""
    if payment.points_max <= payment.points_min:
        return ""
    figures: dict[str, str | int] = {
        "lowest": payment.points_min,
        "highest": payment.points_max,
        "unit": unit,
    }
    return say(later("用多少{unit}？{lowest} 到 {highest}"), figures)


def _remainder_text(paid: PaymentView | CompletedView | None, unit: str) -> str:
    if paid is None:
        return ""
    if paid.waived_fen:
        return say(later("抹零 {amount} 元"), {"amount": format_yuan(paid.waived_fen)})
    if paid.rounded_up_fen:
        amount = format_yuan(paid.rounded_up_fen)
        return say(later("零头进为 1 {unit}，多 {amount} 元"), {"amount": amount, "unit": unit})
    return ""


def _figures(paid: PaymentView | CompletedView | None) -> tuple[FigureView, ...]:
    """Before, used, after, and what remains to pay; only the last where no points were used."""
    if paid is None:
        return ()
    to_pay = FigureView(label=say(later("还需付")), text=yuan(paid.cash_fen))
    if not paid.points:
        return (to_pay,)
    before, after = paid.balance_before_points, paid.balance_after_points
    unknown = say(later("离线，未知"))
    return (
        FigureView(
            label=say(later("使用前")),
            text=unknown if before is None else str(before),
        ),
        FigureView(label=say(later("本次用")), text=str(paid.points)),
        FigureView(label=say(later("使用后")), text=unknown if after is None else str(after)),
        to_pay,
    )


def _proxy(view: TillView) -> str:
    if view.acting is None:
        return ""
    figures: dict[str, str | int] = {"person": view.acting.name, "place": view.acting.place}
    return say(later("代兑换 · {person} · 送到 {place}"), figures)
