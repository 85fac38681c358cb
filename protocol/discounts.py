"""What a shop takes off its own prices: the rule that both sides run.

A discount is off one line or off the basket, by an amount or by a rate; 抹零 drops what is below a
step of the total. Each is a line of the record beside the goods, and what it comes to is divided
over the goods by what they cost, largest remainder, so that every line keeps a price of its own
that is never below zero: points, categories, shares and refunds go by that price. Prices in points
are the pool's, and no shop takes anything off them.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum

from msgspec import UNSET, Struct, UnsetType

from protocol.money import BASIS_POINTS_WHOLE, allot, rate_of

MAX_DISCOUNTS = 100
MAX_REASON_CHARS = 80
ROUNDING_STEPS_FEN = (10, 100)
"""抹零 to whole jiao, or to whole yuan."""


class DiscountKind(StrEnum):
    """What a discount is taken off."""

    LINE = "line"
    BASKET = "basket"
    ROUNDING = "rounding"
    """What is below ``step_fen`` of the total."""


class Discount(Struct, frozen=True, kw_only=True):
    """A discount as it was given; ``amount_fen`` is what it came to.

    ``line_no`` is there for one line's, ``rate_bp`` where it was given as a rate, in basis points
    off, ``step_fen`` for 抹零. ``approved_by`` is the owner who allowed it.
    """

    kind: DiscountKind
    amount_fen: int
    line_no: int | UnsetType = UNSET
    rate_bp: int | UnsetType = UNSET
    step_fen: int | UnsetType = UNSET
    reason: str = ""
    approved_by: str | UnsetType = UNSET


class TakenOff(Struct, frozen=True):
    """What discounts come to: of each line that has any, and of each discount, in their order."""

    by_line: Mapping[int, int]
    amounts_fen: tuple[int, ...]


def take_off(prices_fen: Mapping[int, int], discounts: Sequence[Discount]) -> TakenOff:
    """Take discounts off lines, one after another, each of what those before it left.

    ``prices_fen``: by line number, of the lines priced in money. Of a discount without a rate or a
    step ``amount_fen`` is what is wanted; none takes more than is there.
    """
    left = dict(prices_fen)
    amounts = []
    for each in discounts:
        line_no = each.line_no if isinstance(each.line_no, int) else None
        lines = list(left) if line_no is None else [line_no] if line_no in left else []
        whole = sum(left[line] for line in lines)
        amount = min(_wanted(each, whole), whole)
        if amount:
            parts = allot(amount, [left[line] for line in lines])
            for line, part in zip(lines, parts, strict=True):
                left[line] -= part
        amounts.append(amount)
    by_line = {
        line: prices_fen[line] - left[line] for line in left if prices_fen[line] > left[line]
    }
    return TakenOff(by_line, tuple(amounts))


def _wanted(discount: Discount, whole_fen: int) -> int:
    if isinstance(discount.step_fen, int):
        return whole_fen % discount.step_fen
    if isinstance(discount.rate_bp, int):
        return rate_of(whole_fen, discount.rate_bp)
    return discount.amount_fen


def discounts_hold(
    prices_fen: Mapping[int, int], off_fen: Mapping[int, int], discounts: Sequence[Discount]
) -> bool:
    """Whether lines that cost ``prices_fen`` have off what these discounts take off, to the fen.

    ``off_fen``: by line number, of the lines that have any.
    """
    if len(discounts) > MAX_DISCOUNTS or not all(_is_sound(each) for each in discounts):
        return False
    named = {each.line_no for each in discounts if isinstance(each.line_no, int)}
    if not named <= set(prices_fen):
        return False
    taken = take_off(prices_fen, discounts)
    amounts = tuple(each.amount_fen for each in discounts)
    return taken.amounts_fen == amounts and dict(taken.by_line) == dict(off_fen)


def _is_sound(discount: Discount) -> bool:
    """Whether a discount is of its kind, takes something, and says no more than it may."""
    one_line = isinstance(discount.line_no, int) == (discount.kind is DiscountKind.LINE)
    rounds = discount.kind is DiscountKind.ROUNDING
    stepped = discount.step_fen in ROUNDING_STEPS_FEN if rounds else discount.step_fen is UNSET
    rated = discount.rate_bp is UNSET or (not rounds and 0 < discount.rate_bp <= BASIS_POINTS_WHOLE)
    return (
        one_line
        and stepped
        and rated
        and discount.amount_fen > 0
        and len(discount.reason) <= MAX_REASON_CHARS
    )
