"""What stands behind one line of a statement: the goods, the terminal's record, the ledger."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import Connection, select

from protocol.sales import Payment
from server.ledger import TransferRecord, transfers_of_entry
from server.redemption.fulfilling import ORDER_KINDS
from server.redemption.order_states import OrderMove
from server.redemption.orders import order_of
from server.redemption.proxies import ProxySale, proxy_sale_of
from server.redemption.queries import Refund, Sale, chain_link, refund_of, sale_of
from server.redemption.tables import journal_record
from server.settlement.document_values import StatementLine

_SALE, _REFUND = "sale", "refund"


@dataclass(frozen=True, slots=True)
class Goods:
    """A line of the receipt, or what of it came back; both prices are there where both were due."""

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
class OrderLine:
    """What a line did with a voucher or a work order. ``sale`` is the sale that it was sold with,
    where the merchant sold it himself: another's receipts are not his to see. ``sale_record`` is
    where that sale was written down. ``says`` is how the office learned of it, "" from a till.
    """

    order_id: str
    name: str
    move: OrderMove
    units_milli: int
    sold_on: date
    sale: Sale | None
    sale_record: RecordPlace | None
    says: str


@dataclass(frozen=True, slots=True)
class LineDetail:
    """Everything about one line. ``of_sale`` is the sale that a refund gives back of;
    ``order`` is there where a voucher or a work order moved;
    ``payment`` is None where nothing was sold; ``proxy`` is there where a worker redeemed it for
    the resident. What moved nothing has no ``transfers``.
    ``proof`` is the sale's grade, "" where there is none; also where the statement's version does
    not say it.
    """

    of_sale: Sale | None
    goods: tuple[Goods, ...]
    payment: Payment | None
    proof: str
    account: str | None
    proxy: ProxySale | None
    order: OrderLine | None
    record: RecordPlace | None
    transfers: tuple[TransferRecord, ...]


def line_detail(tx: Connection, pool: str, line: StatementLine, today: date) -> LineDetail:
    """What stands behind a line; what no till sold (a declaration, an adjustment) has no goods.
    ``today`` says whether a delivery is overdue.

    The caller has found the line on a statement of the merchant who asks.
    """
    kind, _, name = line.key.partition(":")
    refund = refund_of(tx, pool, UUID(name)) if kind == _REFUND else None
    sale = sale_of(tx, pool, UUID(name)) if kind == _SALE else None
    of_sale = None
    if refund is not None:
        sale = of_sale = sale_of(tx, pool, refund.sale_id)
    goods: tuple[Goods, ...] = ()
    payment = None
    if sale is not None:
        goods = _sold_goods(sale) if refund is None else _returned_goods(sale, refund)
        payment = sale.payment if refund is None else refund.payment
    transfers = tuple(transfers_of_entry(tx, pool, line.entry_no)) if line.entry_no else ()
    record = _record(tx, pool, line.terminal, line.epoch, line.seq)
    if record is None and transfers:
        # A service that a till confirmed: its line names no place, its entry the record's fact.
        record = _record_of_fact(tx, pool, transfers[0].fact_no)
    return LineDetail(
        of_sale=of_sale,
        goods=goods,
        payment=payment,
        proof=sale.proof_grade or "" if sale is not None and refund is None else "",
        account=sale.account if sale is not None else None,
        proxy=proxy_sale_of(tx, pool, str(sale.sale_id), today) if sale is not None else None,
        order=_order(tx, pool, line, told_by_till=record is not None),
        record=record,
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


def _order(
    tx: Connection, pool: str, line: StatementLine, *, told_by_till: bool
) -> OrderLine | None:
    if line.kind not in ORDER_KINDS:
        return None
    _, order_id, move_no = line.key.split(":")
    order = order_of(tx, pool, order_id)
    assert order is not None, f"{line.key}: no such order"
    moved = order.moves[int(move_no) - 1]
    sale = sale_of(tx, pool, order.sale_id) if order.merchant == moved.merchant else None
    record = None
    if sale is not None:
        record = _record(tx, pool, sale.terminal, sale.epoch or 0, sale.seq or 0)
    return OrderLine(
        order_id=order.order_id,
        name=order.name,
        move=moved.move,
        units_milli=moved.units_milli,
        sold_on=order.business_date,
        sale=sale,
        sale_record=record,
        says="" if told_by_till else moved.says,
    )


def _record(tx: Connection, pool: str, terminal: str, epoch: int, seq: int) -> RecordPlace | None:
    link = chain_link(tx, pool, terminal, epoch=epoch, seq=seq)
    return RecordPlace(terminal, epoch, seq, link.hash_hex) if link is not None else None


def _record_of_fact(tx: Connection, pool: str, fact_no: int) -> RecordPlace | None:
    """The record that was handed in by this fact; None where no terminal told it."""
    own = select(journal_record).where(
        journal_record.c.pool == pool, journal_record.c.fact_no == fact_no
    )
    row = tx.execute(own).one_or_none()
    return RecordPlace(row.terminal, row.epoch, row.seq, row.hash) if row is not None else None
