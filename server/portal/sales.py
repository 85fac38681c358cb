"""What stands behind one line of a statement: the goods, the terminal's record, the ledger."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import Connection

from protocol.sales import Payment
from server.ledger import TransferRecord, transfers_of_entry
from server.redemption.proxies import ProxySale, proxy_sale_of
from server.redemption.queries import Refund, Sale, chain_link, refund_of, sale_of
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
class LineDetail:
    """Everything about one line. ``of_sale`` is the sale that a refund gives back of;
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
    return LineDetail(
        of_sale=of_sale,
        goods=goods,
        payment=payment,
        proof=sale.proof_grade or "" if sale is not None and refund is None else "",
        account=sale.account if sale is not None else None,
        proxy=proxy_sale_of(tx, pool, str(sale.sale_id), today) if sale is not None else None,
        record=_record(tx, pool, line),
        transfers=tuple(transfers_of_entry(tx, pool, line.entry_no)) if line.entry_no else (),
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


def _record(tx: Connection, pool: str, line: StatementLine) -> RecordPlace | None:
    link = chain_link(tx, pool, line.terminal, epoch=line.epoch, seq=line.seq)
    if link is None:
        return None
    return RecordPlace(line.terminal, line.epoch, line.seq, link.hash_hex)
