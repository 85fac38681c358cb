"""Baskets that wait (挂单): what is kept of them, and what becomes of them when they are taken up.

Of the resident nothing is kept: who pays shows a code again.
"""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from protocol.discounts import Discount
from protocol.documents import Item
from terminal.domain.basket import Basket, BasketLine, fits, line_for, sold_at_till

MAX_PARKED = 20
MAX_REASON_CHARS = 80


class KeptLine(Struct, frozen=True, kw_only=True):
    """A line as it lay in the basket; ``item_id`` is None for an amount that was typed."""

    line_no: int
    item_id: str | None
    name: str
    category: str
    unit: str
    quantity_milli: int
    unit_price_fen: int | None
    unit_price_points: int | None


class KeptBasket(Struct, frozen=True, kw_only=True):
    """A basket as the disk has it."""

    lines: tuple[KeptLine, ...]
    next_line_no: int
    discounts: tuple[Discount, ...] = ()


class ParkedBasket(Struct, frozen=True):
    """A basket that waits. ``number`` is from 1 to :data:`MAX_PARKED` and free again after it.

    ``parked_by`` is who stood at the till, None where nobody was signed in.
    """

    number: int
    parked_at: datetime
    parked_by: str | None
    kept: KeptBasket


class PriceChange(Struct, frozen=True):
    """Goods that cost something else than when they were parked; fen or points of one unit."""

    name: str
    was_fen: int | None
    was_points: int | None
    now_fen: int | None
    now_points: int | None


class TakenUp(Struct, frozen=True):
    """A parked basket at today's prices. ``left_out`` names what cannot be sold any more."""

    basket: Basket
    changes: tuple[PriceChange, ...]
    left_out: tuple[str, ...]


def kept_of(basket: Basket) -> KeptBasket:
    """What is kept of a basket."""
    return KeptBasket(
        lines=tuple(
            KeptLine(
                line_no=line.line_no,
                item_id=line.item.item_id if line.item else None,
                name=line.name,
                category=line.category,
                unit=line.unit,
                quantity_milli=line.quantity_milli,
                unit_price_fen=line.unit_price_fen,
                unit_price_points=line.unit_price_points,
            )
            for line in basket.lines
        ),
        next_line_no=basket.next_line_no,
        discounts=basket.wishes,
    )


def as_parked(kept: KeptBasket) -> Basket:
    """The basket at the prices at which it was parked, to be looked at and not to be sold."""
    lines = tuple(_typed(line) for line in kept.lines)
    return Basket(lines, kept.next_line_no, kept.discounts).counted()


def take_up(kept: KeptBasket, items: Sequence[Item]) -> TakenUp:
    """The basket at the prices of ``items``, without what is sold no more or is out of stock."""
    on_sale = {item.item_id: item for item in items}
    lines, changes, left_out = [], [], []
    for line in kept.lines:
        if line.item_id is None:
            lines.append(_typed(line))
            continue
        item = on_sale.get(line.item_id)
        if item is None or not sold_at_till(item) or not fits(item, line.quantity_milli):
            left_out.append(line.name)
            continue
        fresh = line_for(line.line_no, item, line.quantity_milli)
        lines.append(fresh)
        was = (line.unit_price_fen, line.unit_price_points)
        now = (fresh.unit_price_fen, fresh.unit_price_points)
        if was != now:
            changes.append(PriceChange(fresh.name, *was, *now))
    basket = Basket(tuple(lines), kept.next_line_no, kept.discounts).counted()
    while (short := basket.out_of_stock()) is not None:
        left_out.append(short.name)
        for line_no in [
            x.line_no for x in basket.lines if x.item and x.item.item_id == short.item_id
        ]:
            basket = basket.with_quantity(line_no, 0)
    kept_names = {line.name for line in basket.lines}
    return TakenUp(
        basket, tuple(x for x in changes if x.name in kept_names), tuple(dict.fromkeys(left_out))
    )


def _typed(line: KeptLine) -> BasketLine:
    return BasketLine(
        line_no=line.line_no,
        item=None,
        name=line.name,
        category=line.category,
        unit=line.unit,
        quantity_milli=line.quantity_milli,
        unit_price_fen=line.unit_price_fen,
        unit_price_points=line.unit_price_points,
    )
