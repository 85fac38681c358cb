"""The rule of categories: what of a sale's takings belongs to which category of goods.

Cash, and what points paid, are divided over the categories by their amounts in money, largest
remainder. A refund takes from each category what it has less afterwards: the sale is divided as
it stood before and as it stands after, so that goods that all came back leave nothing anywhere.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Select, and_, literal, select

from protocol.money import allot
from server.ledger.tables import entry as entry_table
from server.redemption.tables import refund, refund_line, sale, sale_line
from server.settlement.figures import REFUND_KEY
from server.settlement.unplaced import DECLARED_KIND, REFUND_KIND, Trade

_SALES_AT_ONCE = 400


@dataclass(frozen=True, slots=True)
class Part:
    """What of an entry belongs to one category, in fen; below 0 for a refund."""

    cash_fen: int = 0
    points_fen: int = 0

    def less(self, other: "Part") -> "Part":
        return Part(self.cash_fen - other.cash_fen, self.points_fen - other.points_fen)


@dataclass(frozen=True, slots=True)
class Goods:
    """Goods of a sale: money amounts by category in the order of the receipt, and how the money
    was paid.
    """

    amounts_fen: Mapping[str, int]
    cash_fen: int
    points_fen: int


def divide(goods: Goods) -> dict[str, Part]:
    """What of the payment belongs to each category; the parts add up to it."""
    names = list(goods.amounts_fen)
    if not names:
        return {"": Part(goods.cash_fen, goods.points_fen)}
    weights = list(goods.amounts_fen.values())
    cash = allot(goods.cash_fen, weights)
    points = allot(goods.points_fen, weights)
    return {name: Part(cash[i], points[i]) for i, name in enumerate(names)}


def taken_away(before: Goods, after: Goods) -> dict[str, Part]:
    """What a refund takes from each category, as amounts below 0."""
    had, has = divide(before), divide(after)
    return {name: has.get(name, Part()).less(had.get(name, Part())) for name in {**had, **has}}


def divided(
    tx: Connection, pool: str, trades: Iterable[Trade]
) -> Iterator[tuple[Trade, dict[str, Part]]]:
    """Each sale, refund and declaration with its parts by category; what was declared belongs
    to no category ("").
    """
    all_trades = iter(trades)
    while some := list(islice(all_trades, _SALES_AT_ONCE)):
        sales = _Sales.read(tx, pool, [each.sale_id for each in some if each.sale_id])
        for each in some:
            if each.kind == DECLARED_KIND:
                yield each, {"": Part(cash_fen=each.declared_fen)}
            elif each.kind == REFUND_KIND:
                yield each, sales.taken_away(each.sale_id, each.refund_id)
            else:
                yield each, divide(sales.goods[each.sale_id])


@dataclass(frozen=True, slots=True)
class _Back:
    refund_id: str
    goods: Goods


@dataclass(frozen=True, slots=True)
class _Sales:
    """Some sales as they were sold, and what came back of each, in the order of booking."""

    goods: dict[str, Goods]
    backs: dict[str, list[_Back]]

    @classmethod
    def read(cls, tx: Connection, pool: str, sale_ids: Sequence[str]) -> "_Sales":
        wanted = sorted(set(sale_ids))
        amounts: dict[str, dict[str, int]] = defaultdict(dict)
        for row in tx.execute(_sold(pool, wanted)):
            of_sale = amounts[row.sale_id]
            of_sale[row.category] = of_sale.get(row.category, 0) + row.amount_fen
        paid = tx.execute(select(sale).where(sale.c.pool == pool, sale.c.sale_id.in_(wanted))).all()
        goods = {
            row.sale_id: Goods(
                _of_money(amounts[row.sale_id]),
                row.cash_fen,
                row.points_for_money * (row.fen_per_point or 0),
            )
            for row in paid
        }
        rates = {row.sale_id: row.fen_per_point or 0 for row in paid}
        return cls(goods, _backs(tx, pool, wanted, rates))

    def taken_away(self, sale_id: str, refund_id: str) -> dict[str, Part]:
        before = after = self.goods[sale_id]
        for back in self.backs[sale_id]:
            before, after = after, _left(after, back.goods)
            if back.refund_id == refund_id:
                break
        return taken_away(before, after)


def _backs(
    tx: Connection, pool: str, sale_ids: Sequence[str], rates: Mapping[str, int]
) -> dict[str, list[_Back]]:
    amounts: dict[str, dict[str, int]] = defaultdict(dict)
    for row in tx.execute(_returned(pool, sale_ids)):
        of_refund = amounts[row.refund_id]
        of_refund[row.category] = of_refund.get(row.category, 0) + row.amount_fen
    booked = and_(
        entry_table.c.pool == pool, entry_table.c.key == literal(REFUND_KEY) + refund.c.refund_id
    )
    rows = tx.execute(
        select(refund)
        .join(entry_table, booked)
        .where(refund.c.pool == pool, refund.c.sale_id.in_(sale_ids))
        .order_by(entry_table.c.entry_no)
    )
    backs: dict[str, list[_Back]] = defaultdict(list)
    for row in rows:
        points_fen = row.points_for_money * rates[row.sale_id]
        goods = Goods(amounts[row.refund_id], row.cash_fen, points_fen)
        backs[row.sale_id].append(_Back(row.refund_id, goods))
    return backs


def _left(goods: Goods, back: Goods) -> Goods:
    amounts = {
        name: max(0, amount - back.amounts_fen.get(name, 0))
        for name, amount in goods.amounts_fen.items()
    }
    return Goods(
        amounts,
        max(0, goods.cash_fen - back.cash_fen),
        max(0, goods.points_fen - back.points_fen),
    )


def _of_money(amounts_fen: Mapping[str, int]) -> dict[str, int]:
    """Categories of goods that are priced in points take no part in money."""
    return {name: amount for name, amount in amounts_fen.items() if amount > 0}


def _sold(pool: str, sale_ids: Sequence[str]) -> Select[Any]:
    return (
        select(sale_line.c.sale_id, sale_line.c.category, sale_line.c.amount_fen)
        .where(sale_line.c.pool == pool, sale_line.c.sale_id.in_(sale_ids))
        .order_by(sale_line.c.sale_id, sale_line.c.line_no)
    )


def _returned(pool: str, sale_ids: Sequence[str]) -> Select[Any]:
    same_line = and_(
        sale_line.c.pool == refund_line.c.pool,
        sale_line.c.sale_id == refund_line.c.sale_id,
        sale_line.c.line_no == refund_line.c.line_no,
    )
    return (
        select(refund_line.c.refund_id, sale_line.c.category, refund_line.c.amount_fen)
        .join(sale_line, same_line)
        .join(refund, and_(refund.c.pool == pool, refund.c.refund_id == refund_line.c.refund_id))
        .where(refund_line.c.pool == pool, refund.c.sale_id.in_(sale_ids))
        .order_by(refund_line.c.refund_id, refund_line.c.line_no)
    )
