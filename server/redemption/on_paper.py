"""What the books know of a receipt: the sale or refund behind it, and the very record that told it."""

from dataclasses import dataclass
from uuid import UUID

import msgspec
from sqlalchemy import Connection, select

from protocol.codes.challenge import ReceiptKind, record_digest
from protocol.journal import Envelope, decode_happening
from protocol.money import Fen, Points
from protocol.sales import SaleCaptured, SaleLine
from server.facts.tables import fact
from server.redemption import tables as t
from server.redemption.intake import JournalRecord
from server.redemption.looking_up import MAX_RECEIPT_NO
from server.redemption.queries import Refund, Sale, chain_link, refund_of, refunds_of, sale_of
from server.redemption.states import SaleState


@dataclass(frozen=True, slots=True)
class OnPaper:
    """A booked sale or refund as its receipt says it. ``digest``: of the record that told it;
    ``sold``: the sale's lines, of which a refund's lines are part.
    """

    kind: ReceiptKind
    booked: Sale | Refund
    digest: bytes
    sold: tuple[SaleLine, ...]

    @property
    def points(self) -> Points:
        return Points(self.booked.payment.points)

    @property
    def cash_fen(self) -> Fen:
        return Fen(self.booked.payment.cash_fen)

    @property
    def total_fen(self) -> Fen:
        return Fen(sum(line.amount_fen for line in self.booked.lines))


def booked_of(tx: Connection, pool: str, kind: ReceiptKind, sale_id: UUID) -> list[OnPaper]:
    """The sale with this id as it was booked, or all that came back of it; none: not booked."""
    found: list[Sale | Refund] = []
    if kind is ReceiptKind.REFUND:
        found.extend(refunds_of(tx, pool, sale_id))
    else:
        sale = sale_of(tx, pool, sale_id)
        found.extend([sale] if sale is not None and sale.state is SaleState.CAPTURED else [])
    return [_on_paper(tx, pool, kind, each) for each in found]


def booked_as(tx: Connection, pool: str, receipt_no: str) -> list[OnPaper]:
    """What was booked under a receipt's number; after a terminal was set back, perhaps several."""
    receipt_no = receipt_no[:MAX_RECEIPT_NO]
    # A receipt's number begins with its terminal: rows are found by the index of places.
    terminal = receipt_no.rpartition("-")[0]
    sales = tx.execute(
        select(t.sale.c.sale_id).where(
            t.sale.c.pool == pool,
            t.sale.c.terminal == terminal,
            t.sale.c.receipt_no == receipt_no,
            t.sale.c.state == SaleState.CAPTURED.value,
        )
    ).scalars()
    refunds = tx.execute(
        select(t.refund.c.refund_id).where(
            t.refund.c.pool == pool,
            t.refund.c.terminal == terminal,
            t.refund.c.receipt_no == receipt_no,
        )
    ).scalars()
    sold = [sale_of(tx, pool, UUID(each)) for each in sales.all()]
    back = [refund_of(tx, pool, UUID(each)) for each in refunds.all()]
    return [
        *(_on_paper(tx, pool, ReceiptKind.SALE, each) for each in sold if each is not None),
        *(_on_paper(tx, pool, ReceiptKind.REFUND, each) for each in back if each is not None),
    ]


def _on_paper(tx: Connection, pool: str, kind: ReceiptKind, booked: Sale | Refund) -> OnPaper:
    assert booked.epoch is not None
    assert booked.seq is not None
    envelope = _told(tx, pool, booked.terminal, booked.epoch, booked.seq)
    sale = booked if isinstance(booked, Sale) else sale_of(tx, pool, booked.sale_id)
    assert sale is not None, booked.sale_id
    return OnPaper(kind, booked, record_digest(bytes(envelope.happening)), sale.lines)


def sale_as_told(
    tx: Connection, pool: str, terminal: str, epoch: int, seq: int
) -> SaleCaptured | None:
    """The sale in a terminal's own words; None where the record there is none."""
    told = decode_happening(_told(tx, pool, terminal, epoch, seq).happening)
    return told if isinstance(told, SaleCaptured) else None


def _told(tx: Connection, pool: str, terminal: str, epoch: int, seq: int) -> Envelope:
    link = chain_link(tx, pool, terminal, epoch=epoch, seq=seq)
    assert link is not None, (terminal, epoch, seq)
    body = tx.execute(
        select(fact.c.body).where(fact.c.pool == pool, fact.c.fact_no == link.fact_no)
    ).scalar_one()
    record = msgspec.json.decode(body, type=JournalRecord).record
    return msgspec.json.decode(record.body, type=Envelope)
