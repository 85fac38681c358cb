"""I7: what a sale's points are worth, recomputed to the fen from its frozen prices and rates."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, and_, select

from protocol.money import price_of, rate_of
from protocol.sales import Fulfilment
from server.db.paging import KeyPage, Tick, key_pages, untold
from server.db.violation import Violation
from server.ledger.tables import entry as entry_table
from server.ledger.tables import transfer as transfer_table
from server.redemption.tables import journal_record, refund, refund_line, sale, sale_line

_PAGE_SALES = 500
_MEASURES = {"redeemed": 0, "returned": 0, "takings": 1, "merchant": 2}


@dataclass(slots=True)
class _Page:
    """What belongs to one page of sales.

    ``goods``: lines priced in points, by sale and number: reimbursement of one unit, quantity.
    ``back``: quantities that came back, by refund and line. ``moved``: by natural key, the
    points, cash and reimbursement that moved on the merchant's accounts.
    """

    sales: list[Row[Any]]
    refunds: dict[str, list[Row[Any]]] = field(default_factory=lambda: defaultdict(list))
    goods: dict[str, dict[int, tuple[int, int]]] = field(default_factory=lambda: defaultdict(dict))
    back: dict[str, dict[int, int]] = field(default_factory=lambda: defaultdict(dict))
    moved: dict[str, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0, 0]))


def check_money(tx: Connection, pool: str, tick: Tick = untold) -> Iterator[Violation]:
    """I7: what a sale's points cost the pool is points × fen per point × the contract's rate,
    plus the frozen reimbursement of goods priced in points; a refund gives back the same, in
    sum over all refunds of a sale; and the ledger moved just that, to the fen.
    """
    for page in key_pages(tx, sale.c.sale_id, pool, rows=_PAGE_SALES):
        found = _read(tx, pool, page)
        for row in found.sales:
            yield from _check_sale(pool, row, found)
        tick(page.rows)


def _read(tx: Connection, pool: str, page: KeyPage) -> _Page:
    captured = select(sale).where(sale.c.pool == pool, page.within(), sale.c.state == "captured")
    found = _Page(list(tx.execute(captured.order_by(sale.c.sale_id))))
    for row in _refunds(tx, pool, page):
        found.refunds[row.sale_id].append(row)
    goods = select(sale_line).where(
        sale_line.c.pool == pool,
        page.within(sale_line.c.sale_id),
        sale_line.c.unit_price_points.is_not(None),
        # What vouchers and work orders cost is booked when they are fulfilled.
        sale_line.c.fulfilment == Fulfilment.AT_ONCE.value,
    )
    for row in tx.execute(goods):
        found.goods[row.sale_id][row.line_no] = (row.reimbursement_fen, row.quantity_milli)
    of_refund = and_(
        refund_line.c.pool == refund.c.pool, refund_line.c.refund_id == refund.c.refund_id
    )
    back = select(refund_line).select_from(refund.join(refund_line, of_refund))
    for row in tx.execute(back.where(refund.c.pool == pool, page.within(refund.c.sale_id))):
        found.back[row.refund_id][row.line_no] = row.quantity_milli
    keys = [f"sale:{row.sale_id}" for row in found.sales]
    keys += [f"refund:{row.refund_id}" for rows in found.refunds.values() for row in rows]
    for key, debit, credit, amount in _transfers(tx, pool, keys):
        sign = -1 if key.startswith("refund:") else 1
        for account, side in ((credit, 1), (debit, -1)):
            measure = _MEASURES.get(account.partition(":")[0])
            if measure is not None:
                found.moved[key][measure] += sign * side * amount
    return found


def _refunds(tx: Connection, pool: str, page: KeyPage) -> Iterator[Row[Any]]:
    """Refunds of these sales, in the order in which they were booked: that of their facts."""
    yield from tx.execute(
        select(refund)
        .join(
            journal_record,
            (journal_record.c.pool == refund.c.pool)
            & (journal_record.c.terminal == refund.c.terminal)
            & (journal_record.c.epoch == refund.c.epoch)
            & (journal_record.c.seq == refund.c.seq),
        )
        .where(refund.c.pool == pool, page.within(refund.c.sale_id))
        .order_by(journal_record.c.fact_no)
    )


def _transfers(tx: Connection, pool: str, keys: list[str]) -> Iterator[tuple[str, str, str, int]]:
    of_entry = and_(
        transfer_table.c.pool == entry_table.c.pool,
        transfer_table.c.entry_no == entry_table.c.entry_no,
    )
    rows = (
        select(
            entry_table.c.key,
            transfer_table.c.debit_account,
            transfer_table.c.credit_account,
            transfer_table.c.amount,
        )
        .join(transfer_table, of_entry)
        .where(entry_table.c.pool == pool, entry_table.c.key.in_(keys))
    )
    for row in tx.execute(rows):
        yield row.key, row.debit_account, row.credit_account, row.amount


def _check_sale(pool: str, row: Row[Any], found: _Page) -> Iterator[Violation]:
    rate = (row.fen_per_point or 0, row.reimbursement_bp or 0)
    lines = found.goods[row.sale_id]
    whole = {line_no: quantity for line_no, (_, quantity) in lines.items()}
    worth = _worth(lines, whole, row.points_for_money, rate)
    points = row.points_for_goods + row.points_for_money
    expected = (points, row.cash_fen, worth)
    yield from _problems(pool, f"sale:{row.sale_id}", expected, found, row)
    returned: dict[int, int] = defaultdict(int)
    points_for_money = returned_fen = 0
    for each in found.refunds[row.sale_id]:
        for line_no, quantity in found.back[each.refund_id].items():
            returned[line_no] += quantity
        points_for_money += each.points_for_money
        now_fen = _worth(lines, returned, points_for_money, rate)
        points = each.points_for_goods + each.points_for_money
        expected = (points, each.cash_fen, now_fen - returned_fen)
        yield from _problems(pool, f"refund:{each.refund_id}", expected, found, each)
        returned_fen = now_fen


def _problems(
    pool: str, key: str, expected: tuple[int, int, int], found: _Page, row: Row[Any]
) -> Iterator[Violation]:
    names = ("points", "cash in fen", "reimbursement in fen")
    for name, wanted, booked in zip(names, expected, found.moved[key], strict=True):
        if wanted != booked:
            says = f"{name}: {booked} were booked, the rule says {wanted}"
            yield Violation("I7", f"pool {pool}, {key}", says)
    if row.reimbursement_fen != expected[2]:
        says = f"notes a reimbursement of {row.reimbursement_fen} fen, the rule says {expected[2]}"
        yield Violation("I7", f"pool {pool}, {key}", says)


def _worth(
    lines: dict[int, tuple[int, int]],
    quantities: dict[int, int],
    points_for_money: int,
    rate: tuple[int, int],
) -> int:
    """Fen. ``lines``: reimbursement of one unit and quantity sold, by number of the line;
    ``rate``: fen per point, and basis points of it that the pool pays.
    """
    fen_per_point, reimbursement_bp = rate
    of_goods = sum(
        price_of(unit_fen, quantities.get(line_no, 0)) for line_no, (unit_fen, _) in lines.items()
    )
    return of_goods + rate_of(points_for_money * fen_per_point, reimbursement_bp)
