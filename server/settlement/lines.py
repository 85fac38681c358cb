"""A statement line by line: each sale, refund, declaration and adjustment with all its parts."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Row, Table, and_, select

from server.directory.contract_terms import ShareRule
from server.directory.queries import contracts_of
from server.directory.tables import terminal as terminal_table
from server.redemption.fulfilling import ORDER_KINDS
from server.redemption.order_tables import fulfilment_order
from server.redemption.tables import declared_takings, refund, sale
from server.settlement.categories import Part, divided
from server.settlement.document_values import StatementLine
from server.settlement.figures import (
    PAID_CODE,
    RECEIVED_CODE,
    REFUND_KEY,
    SALE_KEY,
    SHARE_KEY,
    Tally,
)
from server.settlement.free import FreeTrade, free_of
from server.settlement.months import basis_fen, months_so_far, rule_for
from server.settlement.rent import month_of
from server.settlement.share import share_parts_of_lines
from server.settlement.statements import Member, members_of
from server.settlement.unplaced import (
    DECLARED_KIND,
    DECLARED_SOURCE,
    REFUND_KIND,
    SALE_KIND,
    Trade,
)
from server.settlement.values import Statement

_PAYMENTS = frozenset({PAID_CODE, RECEIVED_CODE})
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry on a statement: its transfers, what they add up to, and where it comes from.

    ``told`` is the sale's, refund's or declaration's own row, None for what no terminal told;
    ``sold`` the sale's that a refund gives back of, or that a voucher or a work order was sold
    with, where the merchant sold it himself: another's receipts are not his to see.
    """

    members: tuple[Member, ...]
    tally: Tally
    trade: Trade | None
    told: Row[Any] | None
    sold: Row[Any] | None

    @property
    def key(self) -> str:
        return self.members[0].transfer.key

    @property
    def contract(self) -> str:
        return self.members[0].contract


@dataclass(frozen=True, slots=True)
class _Told:
    """Rows behind a statement's entries; ``sold_with`` by the key of an order's entry."""

    sales: Mapping[str, Row[Any]]
    refunds: Mapping[str, Row[Any]]
    declared: Mapping[str, Row[Any]]
    sold_with: Mapping[str, Row[Any]]


def entries_of(tx: Connection, pool: str, statement: Statement) -> list[Entry]:
    """The statement's entries in the order of booking, but for its own charges and payments."""
    by_entry: dict[int, list[Member]] = defaultdict(list)
    for member in members_of(tx, pool, statement):
        is_charge = member.transfer.key.startswith(SHARE_KEY)
        if not is_charge and member.transfer.code not in _PAYMENTS:
            by_entry[member.transfer.entry_no].append(member)
    refunds = _rows(tx, pool, refund, "refund_id", _ids(by_entry, REFUND_KIND, REFUND_KEY))
    sale_ids = [*_ids(by_entry, SALE_KIND, SALE_KEY)]
    sale_ids += [row.sale_id for row in refunds.values()]
    sales = _rows(tx, pool, sale, "sale_id", sale_ids)
    firsts = [each[0].transfer for each in by_entry.values()]
    orders = [each.key for each in firsts if each.kind in ORDER_KINDS]
    told = _Told(
        sales=sales,
        refunds=refunds,
        declared=_rows(tx, pool, declared_takings, "key", [each.key for each in firsts]),
        sold_with=_sold_with(tx, pool, statement.merchant, orders),
    )
    return [_entry(statement.merchant, tuple(each), told) for each in by_entry.values()]


def lines_of(tx: Connection, pool: str, statement: Statement) -> list[StatementLine]:
    """The statement line by line, in the order of booking; the lines add up to it to the fen.

    Each line bears the part of the share by which it moves its month.
    """
    entries = entries_of(tx, pool, statement)
    parts = parts_of(tx, pool, entries)
    free = free_of(tx, pool, statement)
    return lines_from(tx, pool, statement, entries, parts=parts, free=free)


def lines_from(
    tx: Connection,
    pool: str,
    statement: Statement,
    entries: Sequence[Entry],
    *,
    parts: Mapping[int, Mapping[str, Part]],
    free: Sequence[FreeTrade] = (),
) -> list[StatementLine]:
    """As :func:`lines_of`, for entries, and trades that are in none, that are read already."""
    shares = _shares(tx, pool, statement, entries, parts)
    told = [each.told for each in entries if each.told is not None]
    shops = _shops(tx, pool, [*told, *(each.told for each in free)])
    booked = [
        (each.members[0].transfer.fact_no, _line(each, _share_of(each, shares), shops))
        for each in entries
    ]
    booked += [(each.fact_no, _free_line(each, shops)) for each in free]
    in_order = sorted(booked, key=lambda each: each[0])  # entries are in their order already
    return [replace(line, line_no=number) for number, (_, line) in enumerate(in_order, start=1)]


def _share_of(entry: Entry, shares: Mapping[int, int]) -> int:
    return shares[entry.members[0].transfer.entry_no]


def parts_of(tx: Connection, pool: str, entries: Sequence[Entry]) -> dict[int, dict[str, Part]]:
    """By entry number: what of its takings belongs to which category of goods."""
    trades = [each.trade for each in entries if each.trade is not None]
    return {trade.entry_no: parts for trade, parts in divided(tx, pool, trades)}


def _ids(by_entry: Mapping[int, list[Member]], kind: str, prefix: str) -> list[str]:
    return [
        members[0].transfer.key.removeprefix(prefix)
        for members in by_entry.values()
        if members[0].transfer.kind == kind
    ]


def _rows(
    tx: Connection, pool: str, table: Table, name: str, wanted: Sequence[str]
) -> dict[str, Row[Any]]:
    found: dict[str, Row[Any]] = {}
    names = sorted(set(wanted))
    for start in range(0, len(names), _AT_ONCE):
        some = names[start : start + _AT_ONCE]
        rows = tx.execute(select(table).where(table.c.pool == pool, table.c[name].in_(some)))
        found |= {getattr(row, name): row for row in rows}
    return found


def _sold_with(
    tx: Connection, pool: str, merchant: str, keys: Sequence[str]
) -> dict[str, Row[Any]]:
    """By the key of an order's entry: the sale that it was sold with, of the merchant's own."""
    orders = {key: key.split(":")[1] for key in keys}
    names = sorted(set(orders.values()))
    found: dict[str, Row[Any]] = {}
    same = and_(
        sale.c.pool == fulfilment_order.c.pool, sale.c.sale_id == fulfilment_order.c.sale_id
    )
    for start in range(0, len(names), _AT_ONCE):
        rows = tx.execute(
            select(sale, fulfilment_order.c.order_id)
            .join(fulfilment_order, same)
            .where(
                fulfilment_order.c.pool == pool,
                fulfilment_order.c.order_id.in_(names[start : start + _AT_ONCE]),
                sale.c.merchant == merchant,
            )
        )
        found |= {row.order_id: row for row in rows}
    return {key: found[name] for key, name in orders.items() if name in found}


def _entry(
    merchant: str,
    members: tuple[Member, ...],
    rows: _Told,
) -> Entry:
    tally = Tally(merchant)
    for member in members:
        tally.add(member.transfer)
    first = members[0].transfer
    told: Row[Any] | None = None
    sold: Row[Any] | None = None
    sale_id = refund_id = source = ""
    terms_day = first.business_date
    if first.kind == SALE_KIND:
        sale_id = first.key.removeprefix(SALE_KEY)
        told = rows.sales[sale_id]
        source = told.amounts_source
    elif first.kind == REFUND_KIND:
        refund_id = first.key.removeprefix(REFUND_KEY)
        told = rows.refunds[refund_id]
        sale_id = told.sale_id
        sold = rows.sales[sale_id]
        source, terms_day = sold.amounts_source, sold.business_date
    elif first.kind == DECLARED_KIND:
        told, source = rows.declared[first.key], DECLARED_SOURCE
    else:
        sold = rows.sold_with.get(first.key)
    trade = Trade(
        kind=first.kind,
        entry_no=first.entry_no,
        business_date=first.business_date,
        terms_day=terms_day,
        contract=members[0].contract,
        source=source,
        sale_id=sale_id,
        refund_id=refund_id,
        declared_fen=tally.declared_fen,
    )
    return Entry(members, tally, trade if told is not None else None, told, sold)


def _shares(
    tx: Connection,
    pool: str,
    statement: Statement,
    entries: Sequence[Entry],
    parts: Mapping[int, Mapping[str, Part]],
) -> dict[int, int]:
    """By entry number: its part of the share, over all rules that its goods fall under."""
    shares: dict[int, int] = defaultdict(int)
    contracts = {each.contract: each for each in contracts_of(tx, pool, statement.merchant)}
    by_rule: dict[tuple[str, str, str], dict[int, int]] = defaultdict(lambda: defaultdict(int))
    rules: dict[tuple[str, str, str], ShareRule] = {}
    for each in entries:
        if each.trade is None:
            continue
        terms = contracts[each.contract].terms
        month = month_of(each.trade.terms_day) if statement.is_by_months else ""
        for category, part in parts[each.trade.entry_no].items():
            rule = rule_for(terms, category)
            if rule is not None:
                place = (each.contract, month, rule.category)
                rules[place] = rule
                by_rule[place][each.trade.entry_no] += basis_fen(rule, part)
    months = sorted({month for _, month, _ in by_rule} - {""})
    so_far = months_so_far(tx, pool, list(contracts), months, before=statement.period_through)
    for place, takings in by_rule.items():
        before_fen = so_far.takings_fen[place]
        owed = share_parts_of_lines(rules[place].tiers, before_fen, list(takings.values()))
        for entry_no, share_fen in zip(takings, owed, strict=True):
            shares[entry_no] += share_fen
    return shares


def _shops(tx: Connection, pool: str, told: Sequence[Row[Any]]) -> dict[str, str]:
    """By terminal: the shop that it stands in."""
    names = {each.terminal for each in told}
    rows = tx.execute(
        select(terminal_table.c.terminal, terminal_table.c.shop).where(
            terminal_table.c.pool == pool, terminal_table.c.terminal.in_(sorted(names))
        )
    )
    return {row.terminal: row.shop for row in rows}


def _line(entry: Entry, share_fen: int, shops: Mapping[str, str]) -> StatementLine:
    """An entry's line, which has its number from its place among the others."""
    first, tally = entry.members[0].transfer, entry.tally
    told, sold = entry.told, entry.sold
    owed = tally.owed_fen
    receipt_no = ""
    if told is not None:
        receipt_no = f"Z{told.z_no}" if first.kind == DECLARED_KIND else told.receipt_no or ""
    return StatementLine(
        line_no=0,
        key=first.key,
        kind=first.kind,
        source=entry.trade.source if entry.trade is not None else "",
        shop=shops.get(told.terminal, "") if told is not None else "",
        terminal=told.terminal if told is not None else "",
        epoch=told.epoch or 0 if told is not None else 0,
        seq=told.seq or 0 if told is not None else 0,
        receipt_no=receipt_no,
        proof=told.proof_grade or "" if told is not None and first.kind == SALE_KIND else "",
        entry_no=first.entry_no,
        transfer_nos=tuple(each.transfer.transfer_no for each in entry.members),
        occurred_at=first.occurred_at,
        business_date=first.business_date,
        late=entry.members[0].late,
        contract=entry.contract,
        takings_fen=tally.takings_fen - tally.takings_returned_fen + tally.declared_fen,
        points=tally.redeemed_points - tally.returned_points,
        reimbursement_fen=owed["reimbursement_fen"] - owed["reimbursement_returned_fen"],
        share_fen=share_fen,
        fee_fen=owed["fee_fen"],
        adjustment_fen=owed["adjustment_fen"],
        of_business_date=sold.business_date if sold is not None else None,
        of_terminal=sold.terminal if sold is not None else "",
        of_receipt_no=sold.receipt_no or "" if sold is not None else "",
        memo=first.memo if first.kind != REFUND_KIND else "",
    )


def _free_line(free: FreeTrade, shops: Mapping[str, str]) -> StatementLine:
    """As :func:`_line`, for what moved nothing and so is in no entry."""
    trade, told = free.trade, free.told
    is_refund = trade.kind == REFUND_KIND
    return StatementLine(
        line_no=0,
        key=free.key,
        kind=trade.kind,
        source=trade.source,
        shop=shops.get(told.terminal, ""),
        terminal=told.terminal,
        epoch=told.epoch,
        seq=told.seq,
        receipt_no=told.receipt_no,
        proof="",
        entry_no=0,
        transfer_nos=(),
        occurred_at=told.occurred_at,
        business_date=trade.business_date,
        late=free.late,
        contract=trade.contract,
        takings_fen=0,
        points=0,
        reimbursement_fen=0,
        share_fen=0,
        fee_fen=0,
        adjustment_fen=0,
        of_business_date=trade.terms_day if is_refund else None,
        of_terminal=told.of_terminal if is_refund else "",
        of_receipt_no=told.of_receipt_no or "" if is_refund else "",
        memo="",
    )
