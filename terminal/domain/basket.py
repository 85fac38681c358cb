"""The shopping basket before it becomes a sale."""

from collections import Counter

import msgspec
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from protocol.discounts import MAX_DISCOUNTS, Discount, DiscountKind, take_off
from protocol.documents import Item
from protocol.messages import ItemUnits
from protocol.money import QUANTITY_ONE_MILLI, Fen, price_of
from protocol.redemption import NO_LIMITS, Due, Limits, due_of, is_excluded
from protocol.sales import Fulfilment, SaleLine

MAX_LINES = 200
MAX_QUANTITY_MILLI = 999 * QUANTITY_ONE_MILLI
MAX_BASKET_FEN = 5_000_000
MAX_BASKET_POINTS = 1_000_000

_ORDER = (DiscountKind.LINE, DiscountKind.BASKET, DiscountKind.ROUNDING)
"""In which discounts are taken: what the basket has off is off what its lines left."""


def sold_at_till(item: Item) -> bool:
    """Vouchers and work orders are sold for points alone: their money moves when they are done."""
    at_once = item.fulfilment is Fulfilment.AT_ONCE
    return at_once or (item.price_points is not None and item.price_fen is None)


def _is_same(one: Item, other: Item) -> bool:
    """The same goods at the same price, however many are left of them."""
    return msgspec.structs.replace(one, stock=other.stock) == other


def fits(item: Item | None, quantity_milli: int) -> bool:
    """Whether something can be sold in this quantity: what is not weighed comes in whole pieces."""
    if quantity_milli <= 0:
        return False
    return (item is not None and item.weighed) or quantity_milli % QUANTITY_ONE_MILLI == 0


class BasketLine(Struct, frozen=True):
    """One line: a catalogue item, or an amount that the cashier typed (no item).

    ``discount_fen`` is its part of the basket's discounts; the basket works it out.
    """

    line_no: int
    item: Item | None
    name: str
    category: str
    unit: str
    quantity_milli: int
    unit_price_fen: int | None
    unit_price_points: int | None
    discount_fen: int = 0

    @property
    def price_fen(self) -> int:
        """What it costs before discounts."""
        return price_of(self.unit_price_fen or 0, self.quantity_milli)

    @property
    def amount_fen(self) -> int:
        return self.price_fen - self.discount_fen

    @property
    def amount_points(self) -> int:
        return price_of(self.unit_price_points or 0, self.quantity_milli)

    @property
    def is_free(self) -> bool:
        """A line that costs nothing; it is counted, and needs no code."""
        return self.amount_fen == 0 and self.amount_points == 0


def line_for(line_no: int, item: Item, quantity_milli: int) -> BasketLine:
    """A line of an item at its price."""
    price_fen, price_points = item.unit_prices
    return BasketLine(
        line_no=line_no,
        item=item,
        name=item.name,
        category=item.category,
        unit=item.unit,
        quantity_milli=quantity_milli,
        unit_price_fen=price_fen,
        unit_price_points=price_points,
    )


class Basket(Struct, frozen=True):
    """Lines in the order in which they were entered; every change makes a new basket.

    ``wishes`` are the discounts as they were asked for, one a line and one for the basket at most,
    and 抹零 last. What they come to follows the lines: a tenth off is a tenth of what is there.
    """

    lines: tuple[BasketLine, ...] = ()
    next_line_no: int = 1
    wishes: tuple[Discount, ...] = ()

    def due(self, limits: Limits = NO_LIMITS) -> Due:
        return due_of(self.lines, limits)

    def limited_items(self) -> tuple[ItemUnits, ...]:
        """The goods with a limit of their own: a code must say who gets them."""
        units: Counter[str] = Counter()
        for line in self.lines:
            if line.item is not None and line.item.is_limited:
                units[line.item.item_id] += -(-line.quantity_milli // QUANTITY_ONE_MILLI)
        return tuple(ItemUnits(item_id=item, units=units[item]) for item in sorted(units))

    def line(self, line_no: int) -> BasketLine | None:
        return next((line for line in self.lines if line.line_no == line_no), None)

    def with_item(self, item: Item, quantity_milli: int) -> "Basket":
        """Add an item; the same counted item again adds to its line, a weighed one does not."""
        for line in self.lines:
            if line.item is not None and _is_same(line.item, item) and not item.weighed:
                newest = self._replaced(replace(line, item=item))
                return newest.with_quantity(line.line_no, line.quantity_milli + quantity_milli)
        return self._appended(line_for(self.next_line_no, item, quantity_milli))

    def with_amount(self, amount_fen: Fen, name: str, category: str) -> "Basket":
        """Add an amount of money that has no item."""
        return self._appended(
            BasketLine(
                line_no=self.next_line_no,
                item=None,
                name=name,
                category=category,
                unit="",
                quantity_milli=QUANTITY_ONE_MILLI,
                unit_price_fen=amount_fen,
                unit_price_points=None,
            )
        )

    def with_quantity(self, line_no: int, quantity_milli: int) -> "Basket":
        """Change a line's quantity; 0 takes the line out."""
        if quantity_milli == 0:
            kept = tuple(x for x in self.lines if x.line_no != line_no)
            return replace(self, lines=kept).counted()
        line = self.line(line_no)
        return (
            self if line is None else self._replaced(replace(line, quantity_milli=quantity_milli))
        )

    def with_discount(self, wish: Discount) -> "Basket":
        """Take something off a line or the basket, in place of what was taken off before."""
        others = [x for x in self.wishes if (x.kind, x.line_no) != (wish.kind, wish.line_no)]
        wishes = sorted((*others, wish), key=lambda x: _ORDER.index(x.kind))
        return replace(self, wishes=tuple(wishes)).counted()

    def without_discount(self, kind: DiscountKind, line_no: int | UnsetType = UNSET) -> "Basket":
        kept = tuple(x for x in self.wishes if (x.kind, x.line_no) != (kind, line_no))
        return replace(self, wishes=kept).counted()

    def approved(self, wish: Discount, owner: str) -> "Basket":
        """The owner allows this discount, at what it comes to now."""
        place = self.wishes.index(wish)
        amount_fen = take_off(self._prices(), self.wishes).amounts_fen[place]
        allowed = msgspec.structs.replace(wish, amount_fen=amount_fen, approved_by=owner)
        return self.with_discount(allowed)

    def discounts(self) -> tuple[Discount, ...]:
        """The discounts with what they come to, by the lines' numbers; without those of nothing."""
        amounts = take_off(self._prices(), self.wishes).amounts_fen
        given = zip(self.wishes, amounts, strict=True)
        return tuple(msgspec.structs.replace(x, amount_fen=fen) for x, fen in given if fen)

    def unapproved_fen(self) -> int:
        """What is off without an owner's leave. A leave is for so much as the discount came to then
        (``amount_fen`` of the wish): of a rate, what a basket grows by is not allowed with it. 抹零
        needs none.
        """
        amounts = take_off(self._prices(), self.wishes).amounts_fen
        return sum(
            fen if wish.approved_by is UNSET else max(0, fen - wish.amount_fen)
            for wish, fen in zip(self.wishes, amounts, strict=True)
            if wish.kind is not DiscountKind.ROUNDING
        )

    @property
    def price_fen(self) -> int:
        """What the goods priced in money cost before discounts."""
        return sum(self._prices().values())

    def frozen_discounts(self) -> tuple[Discount, ...] | UnsetType:
        """The discounts as the sale's record keeps them, by the numbers of its lines."""
        numbers = {line.line_no: number for number, line in enumerate(self.lines, 1)}
        frozen = tuple(
            msgspec.structs.replace(x, line_no=numbers[x.line_no])
            if isinstance(x.line_no, int)
            else x
            for x in self.discounts()
        )
        return frozen or UNSET

    def out_of_stock(self) -> Item | None:
        """The first of the goods priced in points of which the basket wants more than there is.

        What is priced in money is the shop's own, and never refused: the goods are at the till.
        """
        wanted: Counter[str] = Counter()
        for line in self.lines:
            if line.item is None or line.unit_price_points is None or line.item.stock is None:
                continue
            wanted[line.item.item_id] += line.quantity_milli
            if wanted[line.item.item_id] > line.item.stock * QUANTITY_ONE_MILLI:
                return line.item
        return None

    def within_limits(self) -> bool:
        """Whether this basket is one that a neighbourhood shop could mean."""
        due = self.due()
        return (
            len(self.lines) <= MAX_LINES
            and len(self.wishes) <= MAX_DISCOUNTS
            and self.price_fen <= MAX_BASKET_FEN
            and due.money_fen <= MAX_BASKET_FEN
            and due.goods_points <= MAX_BASKET_POINTS
            and all(x.quantity_milli <= MAX_QUANTITY_MILLI for x in self.lines)
        )

    def frozen_lines(
        self, catalogue_version: int, limits: Limits = NO_LIMITS
    ) -> tuple[SaleLine, ...]:
        """The lines as the sale's record keeps them, numbered from 1 without gaps."""
        return tuple(
            SaleLine(
                line_no=number,
                item_id=line.item.item_id if line.item else None,
                barcode=line.item.barcode if line.item else None,
                name=line.name,
                category=line.category,
                quantity_milli=line.quantity_milli,
                unit=line.unit,
                unit_price_fen=line.unit_price_fen,
                unit_price_points=line.unit_price_points,
                amount_fen=line.amount_fen,
                amount_points=line.amount_points,
                reimbursement_fen=line.item.reimbursement_fen if line.item else 0,
                fulfilment=line.item.fulfilment if line.item else Fulfilment.AT_ONCE,
                catalogue_version=catalogue_version,
                money_only=True if is_excluded(line, limits) else UNSET,
                discount_fen=line.discount_fen or UNSET,
            )
            for number, line in enumerate(self.lines, 1)
        )

    def _replaced(self, line: BasketLine) -> "Basket":
        lines = (line if x.line_no == line.line_no else x for x in self.lines)
        return replace(self, lines=tuple(lines)).counted()

    def _appended(self, line: BasketLine) -> "Basket":
        lines = (*self.lines, line)
        return replace(self, lines=lines, next_line_no=self.next_line_no + 1).counted()

    def counted(self) -> "Basket":
        """The same basket with every line's part of the discounts worked out anew."""
        if not self.wishes and not any(x.discount_fen for x in self.lines):
            return self
        prices = self._prices()
        wishes = tuple(x for x in self.wishes if self._stays(x, prices))
        off = take_off(prices, wishes).by_line
        lines = (replace(x, discount_fen=off.get(x.line_no, 0)) for x in self.lines)
        return replace(self, lines=tuple(lines), wishes=wishes)

    def _stays(self, wish: Discount, prices: dict[int, int]) -> bool:
        """A line's discount goes with the line, the basket's with the last one; 抹零 stays."""
        if wish.line_no is UNSET:
            return bool(self.lines) or wish.kind is DiscountKind.ROUNDING
        return wish.line_no in prices

    def _prices(self) -> dict[int, int]:
        return {x.line_no: x.price_fen for x in self.lines if x.unit_price_fen is not None}
