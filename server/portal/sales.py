"""What stands behind one line of a statement: the goods, the terminal's record, the ledger."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, select

from protocol.sales import Payment
from server.ledger import TransferRecord, transfers_of_entry
from server.redemption.queries import Refund, Sale, chain_link, refund_of, sale_of
from server.redemption.tables import refund as refund_table
from server.redemption.tables import sale as sale_table
from server.settlement import StatementLine

_SALE, _REFUND = "sale", "refund"


@dataclass(frozen=True, slots=True)
class Goods:
    """A line of the receipt, or what of it came back; exactly one of the prices is there."""

    name: str
    quantity_milli: int
    unit: str
    unit_price_fen: int | None
    unit_price_points: int | None
    amount_fen: int
    amount_points: int


@dataclass(frozen=True, slots=True)
class RecordPlace:
    """Where the terminal wrote it down; the hash can be compared with the terminal's own."""

    terminal: str
    epoch: int
    seq: int
    hash_hex: str


@dataclass(frozen=True, slots=True)
class LineDetail:
    """Everything about one line. ``of_receipt`` is the sale that a refund gives back of."""

    receipt_no: str
    of_receipt: str | None
    goods: tuple[Goods, ...]
    payment: Payment
    account: str | None
    record: RecordPlace | None
    transfers: tuple[TransferRecord, ...]


def receipt_numbers(tx: Connection, pool: str, keys: Sequence[str]) -> dict[str, str]:
    """Receipt numbers by the keys of statement lines (`sale:<id>`, `refund:<id>`)."""
    ids: dict[str, list[str]] = {_SALE: [], _REFUND: []}
    for key in keys:
        kind, _, name = key.partition(":")
        if kind in ids:
            ids[kind].append(name)
    found: dict[str, str] = {}
    for kind, table, column in (
        (_SALE, sale_table, sale_table.c.sale_id),
        (_REFUND, refund_table, refund_table.c.refund_id),
    ):
        if ids[kind]:
            wanted = select(column, table.c.receipt_no).where(
                table.c.pool == pool, column.in_(ids[kind])
            )
            found |= {f"{kind}:{name}": number for name, number in tx.execute(wanted)}
    return found


def line_detail(tx: Connection, pool: str, line: StatementLine) -> LineDetail | None:
    """What stands behind a line, or None where its sale is not in the database.

    The caller has found the line on a statement of the merchant who asks.
    """
    kind, _, name = line.key.partition(":")
    if kind not in {_SALE, _REFUND}:
        return None
    transfers = tuple(transfers_of_entry(tx, pool, line.entry_no))
    if kind == _REFUND:
        refund = refund_of(tx, pool, UUID(name))
        sale = sale_of(tx, pool, refund.sale_id) if refund is not None else None
        if refund is None or sale is None:
            return None
        return LineDetail(
            receipt_no=refund.receipt_no,
            of_receipt=sale.receipt_no,
            goods=_returned_goods(sale, refund),
            payment=refund.payment,
            account=sale.account,
            record=_record(tx, pool, refund.terminal, refund.epoch, refund.seq),
            transfers=transfers,
        )
    sale = sale_of(tx, pool, UUID(name))
    if sale is None:
        return None
    return LineDetail(
        receipt_no=sale.receipt_no or "",
        of_receipt=None,
        goods=_sold_goods(sale),
        payment=sale.payment,
        account=sale.account,
        record=_record(tx, pool, sale.terminal, sale.epoch, sale.seq),
        transfers=transfers,
    )


def _sold_goods(sale: Sale) -> tuple[Goods, ...]:
    return tuple(
        Goods(
            name=each.name,
            quantity_milli=each.quantity_milli,
            unit=each.unit,
            unit_price_fen=each.unit_price_fen,
            unit_price_points=each.unit_price_points,
            amount_fen=each.amount_fen,
            amount_points=each.amount_points,
        )
        for each in sale.lines
    )


def _returned_goods(sale: Sale, refund: Refund) -> tuple[Goods, ...]:
    sold = {each.line_no: each for each in sale.lines}
    return tuple(
        Goods(
            name=sold[each.line_no].name,
            quantity_milli=each.quantity_milli,
            unit=sold[each.line_no].unit,
            unit_price_fen=sold[each.line_no].unit_price_fen,
            unit_price_points=sold[each.line_no].unit_price_points,
            amount_fen=each.amount_fen,
            amount_points=each.amount_points,
        )
        for each in refund.lines
    )


def _record(
    tx: Connection, pool: str, terminal: str, epoch: int | None, seq: int | None
) -> RecordPlace | None:
    if epoch is None or seq is None:
        return None
    link = chain_link(tx, pool, terminal, epoch=epoch, seq=seq)
    return RecordPlace(terminal, epoch, seq, link.hash_hex) if link is not None else None
