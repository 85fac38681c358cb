"""Why points do not pay more of a basket, in one short sentence."""

from typing import Final

from protocol.money import format_yuan
from protocol.redemption import LimitKind
from terminal.checkout.view import TillView
from terminal.domain.sale import SaleState
from terminal.web.language import later, say

_BY_BASKET: Final[dict[LimitKind, str]] = {
    LimitKind.EXCLUDED: later("其中 {amount} 元不能用{unit}付"),
    LimitKind.BILL_SHARE: later("{unit}最多付账单的 {percent}%"),
    LimitKind.PER_SALE: later("一单最多用 {points} {unit}"),
    LimitKind.PER_DAY: later("每人每天最多用 {points} {unit}"),
    LimitKind.PER_HOUSEHOLD_DAY: later("每户每天最多用 {points} {unit}"),
    LimitKind.MINIMUM: later("用{unit}一单最少 {points}"),
}
_BY_ANSWER: Final[dict[LimitKind, str]] = {
    LimitKind.PER_SALE: _BY_BASKET[LimitKind.PER_SALE],
    LimitKind.PER_DAY: later("这位居民今天最多还能用 {points} {unit}"),
    LimitKind.PER_HOUSEHOLD_DAY: later("这一户今天最多还能用 {points} {unit}"),
}


def rule_text(view: TillView, unit: str) -> str:
    """The rule with its figures; empty where none keeps points from paying, or it is over."""
    asked = view.state == SaleState.AUTHORISED
    if not view.rule or not view.lines or not (asked or view.state == SaleState.OPEN):
        return ""
    kind = LimitKind(view.rule)
    text = (_BY_ANSWER.get(kind) if asked else None) or _BY_BASKET[kind]
    figures: dict[str, str | int] = {
        "amount": format_yuan(view.money_only_fen),
        "percent": format_yuan(view.rule_bp).rstrip("0").rstrip("."),
        "points": view.rule_points,
        "unit": unit,
    }
    return say(text, figures)
