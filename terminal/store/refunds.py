"""Refunds on the terminal's disk: several of a sale, and of sales of other terminals too."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import Connection, insert, select, update

from protocol.journal import Envelope, decode_happening
from protocol.messages import SaleFound
from protocol.sales import SaleCaptured, SaleRefunded
from terminal.domain.ports import StoredRefund, StoreFaultError
from terminal.store.reads import Reads
from terminal.store.sealer import ChainHead
from terminal.store.tables import journal, refund, sale, z_report

_INSERT = insert(refund)
_BODY = select(journal.c.body)
_LAST_CLOSED = select(z_report.c.epoch, z_report.c.seq).order_by(z_report.c.z_no.desc()).limit(1)


def save_refund(
    connection: Connection,
    place: ChainHead | None,
    placed_at: datetime | None,
    given: SaleRefunded,
    of: SaleCaptured | SaleFound | None,
    *,
    whole: bool,
) -> None:
    """Note a refund at the place of its record; mark its sale when all of it is back.

    ``of`` None: its sale is another terminal's, and not at hand (the paper cannot be made again).

    Raises:
        ValueError: the refund was not journalled in the same step.
    """
    if place is None or placed_at is None:
        raise ValueError("a refund is journalled before it is noted")
    connection.execute(
        _INSERT,
        {
            "receipt_no": given.receipt_no,
            "refund_id": str(given.refund_id),
            "sale_id": str(given.sale_id),
            "void": int(given.void is True),
            "points": given.payment.points,
            "cash_fen": given.payment.cash_fen,
            "happened_at": placed_at.isoformat(timespec="microseconds"),
            "epoch": place.epoch,
            "seq": place.seq,
            "of_elsewhere": msgspec.json.encode(of) if isinstance(of, SaleFound) else None,
        },
    )
    if whole:
        connection.execute(
            update(sale)
            .where(sale.c.sale_id == str(given.sale_id))
            .values(
                refund_epoch=place.epoch,
                refund_seq=place.seq,
                refund_receipt_no=given.receipt_no,
            )
        )


class RefundReads(Reads):
    """What the store knows of refunds; mixed into the store."""

    def refunds_of(self, sale_id: UUID) -> Sequence[SaleRefunded]:
        with self.reading() as connection:
            rows = connection.execute(
                _BODY.join_from(
                    refund,
                    journal,
                    (refund.c.epoch == journal.c.epoch) & (refund.c.seq == journal.c.seq),
                )
                .where(refund.c.sale_id == str(sale_id))
                .order_by(refund.c.epoch, refund.c.seq)
            ).all()
        return [_refunded(row.body)[0] for row in rows]

    def record_of(self, receipt_no: str) -> bytes:
        with self.reading() as connection:
            for table in (sale, refund):
                body = connection.execute(
                    _BODY.join_from(
                        table,
                        journal,
                        (table.c.epoch == journal.c.epoch) & (table.c.seq == journal.c.seq),
                    ).where(table.c.receipt_no == receipt_no)
                ).scalar()
                if body is not None:
                    return bytes(msgspec.json.decode(body, type=Envelope).happening)
        return b""

    def sold_in_open_shift(self, sale_id: UUID) -> bool:
        with self.reading() as connection:
            sold = connection.execute(
                select(sale.c.epoch, sale.c.seq).where(sale.c.sale_id == str(sale_id))
            ).first()
            closed = connection.execute(_LAST_CLOSED).first()
        return sold is not None and (closed is None or tuple(sold) > tuple(closed))

    def refund_by_receipt(self, receipt_no: str) -> StoredRefund | None:
        with self.reading() as connection:
            row = connection.execute(
                select(refund).where(refund.c.receipt_no == receipt_no)
            ).first()
            if row is None:
                return None
            here = (journal.c.epoch == row.epoch, journal.c.seq == row.seq)
            given, at = _refunded(connection.execute(_BODY.where(*here)).scalar_one())
            of: SaleCaptured | SaleFound
            if row.of_elsewhere is not None:
                of = msgspec.json.decode(row.of_elsewhere, type=SaleFound)
            else:
                own = connection.execute(
                    _BODY.join_from(
                        sale,
                        journal,
                        (sale.c.epoch == journal.c.epoch) & (sale.c.seq == journal.c.seq),
                    ).where(sale.c.sale_id == row.sale_id)
                ).scalar()
                if own is None:  # told long ago, and gone from here
                    return None
                of = _sold(own)
        return StoredRefund(given, of, at)


def _refunded(body: bytes) -> tuple[SaleRefunded, datetime]:
    envelope = msgspec.json.decode(body, type=Envelope)
    happening = decode_happening(envelope.happening)
    if not isinstance(happening, SaleRefunded):
        raise StoreFaultError(f"the journal has no refund at {envelope.epoch}/{envelope.seq}")
    return happening, envelope.occurred_at


def _sold(body: bytes) -> SaleCaptured:
    envelope = msgspec.json.decode(body, type=Envelope)
    happening = decode_happening(envelope.happening)
    if not isinstance(happening, SaleCaptured):
        raise StoreFaultError(f"the journal has no sale at {envelope.epoch}/{envelope.seq}")
    return happening
