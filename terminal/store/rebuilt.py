"""What the till keeps beside a record, made again from the record: its sale, refund,
Z report, award slip or place at an event.

For records that come from the second medium or from an old card. What no record holds is not
made up: papers' spool, PINs, the open basket.
"""

from datetime import UTC, datetime
from typing import Final

from msgspec import Struct
from msgspec.json import decode as read_json
from sqlalchemy import Connection, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from protocol.acts import Act, PersonActed
from protocol.codes.phone import PhoneCertificate, read_certificate, read_confirm, read_show
from protocol.counter import CounterAwarded, EventEntered
from protocol.evidence import ConfirmEvidence, Evidence, ShowEvidence
from protocol.journal import Envelope, decode_happening
from protocol.refunds import NOTHING_RETURNED, is_all_back, with_refund
from protocol.sales import AnsweredBy, Happening, SaleCaptured, SaleRefunded, SaleReversed
from protocol.shifts import ShiftClosed
from terminal.domain.ports import ZMark
from terminal.domain.sale import SaleState
from terminal.store.counters import raise_counter
from terminal.store.events import rebuild_award, rebuild_entry, turn_event
from terminal.store.people import remove_person
from terminal.store.phone_counters import note_phone_counter
from terminal.store.refunds import save_refund
from terminal.store.sealer import ChainHead
from terminal.store.shifts import save_z
from terminal.store.sqlite import RECEIPT_COUNTER, time_text
from terminal.store.tables import journal, refund, sale, z_report

KIND_MAX_CHARS: Final = 32


class _Tagged(Struct, frozen=True):
    """What every happening says of itself, also one that this version does not know."""

    type: str = ""


def kind_of(envelope: Envelope) -> str:
    """The happening's kind, as the journal's column has it."""
    return read_json(envelope.happening, type=_Tagged).type[:KIND_MAX_CHARS]


def rebuild(connection: Connection, envelope: Envelope, place: ChainHead, terminal: str) -> None:
    """Make what belongs to a record that was just put into the journal at ``place``.

    A record that stands in an earlier epoch too takes what that one had.

    Raises:
        sqlalchemy.exc.IntegrityError: a receipt's or Z report's number is another one's already.
    """
    happening = decode_happening(envelope.happening)
    at = envelope.occurred_at.astimezone(UTC)
    if isinstance(happening, SaleCaptured):
        _save_sale(connection, happening, place, at)
        _note_number(connection, happening.receipt_no, terminal)
    elif isinstance(happening, SaleRefunded):
        _save_refund(connection, happening, place, at)
        _note_number(connection, happening.receipt_no, terminal)
    elif isinstance(happening, SaleReversed):
        connection.execute(
            update(sale)
            .where(
                sale.c.sale_id == str(happening.sale_id),
                sale.c.state == SaleState.AUTHORISING.value,
            )
            .values(state=SaleState.REVERSED.value)
        )
    elif isinstance(happening, ShiftClosed):
        _save_z(connection, happening, place, at)
    elif isinstance(happening, CounterAwarded):
        rebuild_award(connection, happening, at, terminal)
        _note_phone(connection, happening.evidence)
    elif isinstance(happening, EventEntered):
        rebuild_entry(connection, happening, at)
    elif isinstance(happening, PersonActed):
        _act_again(connection, happening, at)


def _save_sale(connection: Connection, sold: SaleCaptured, place: ChainHead, at: datetime) -> None:
    values = {
        "state": SaleState.CAPTURED.value,
        "captured_at": time_text(at),
        "receipt_no": sold.receipt_no,
        "account": sold.account,
        "points": sold.payment.points,
        "total_fen": sum(line.amount_fen for line in sold.lines),
        "cash_fen": sold.payment.cash_fen,
        "stood_in": int(sold.answered_by is AnsweredBy.STAND_IN),
        "epoch": place.epoch,
        "seq": place.seq,
    }
    inserted = upsert(sale).values(
        sale_id=str(sold.sale_id),
        opened_at=time_text(at),
        decline_reason="",
        balance_points=None,
        **values,
    )
    connection.execute(inserted.on_conflict_do_update(index_elements=[sale.c.sale_id], set_=values))
    _note_phone(connection, sold.evidence)


def _act_again(connection: Connection, acted: PersonActed, at: datetime) -> None:
    if acted.act is Act.PERSON_REMOVED:
        remove_person(connection, acted.about)  # an old image must not bring a PIN back
    elif acted.act is Act.EVENT_OPENED:
        turn_event(connection, acted.about, closed_at=None)
    elif acted.act is Act.EVENT_CLOSED:
        turn_event(connection, acted.about, closed_at=at)


def _note_phone(connection: Connection, evidence: Evidence | None) -> None:
    """A code that was taken is not taken again."""
    counted = _phone_use(evidence)
    if counted is not None:
        certificate, newest = counted
        note_phone_counter(connection, certificate.account.hex(), certificate.seq, newest)


def _phone_use(evidence: Evidence | None) -> tuple[PhoneCertificate, int] | None:
    """The phone's certificate and counter that were used up."""
    if isinstance(evidence, ShowEvidence):
        show = read_show(bytes.fromhex(evidence.payload_hex))
        return None if show is None else (show.certificate, show.counter)
    if isinstance(evidence, ConfirmEvidence):
        certificate = read_certificate(bytes.fromhex(evidence.certificate_hex))
        answer = read_confirm(bytes.fromhex(evidence.answer_hex))
        return None if certificate is None else (certificate, answer.counter)
    return None


def _save_refund(
    connection: Connection, given: SaleRefunded, place: ChainHead, at: datetime
) -> None:
    known = refund.c.refund_id == str(given.refund_id)
    moved = connection.execute(
        update(refund).where(known).values(epoch=place.epoch, seq=place.seq)
    ).rowcount
    sold = _sold(connection, given)
    if moved:
        connection.execute(
            update(sale)
            .where(sale.c.refund_receipt_no == given.receipt_no)
            .values(refund_epoch=place.epoch, refund_seq=place.seq)
        )
        return
    back = NOTHING_RETURNED
    for each in (*_refunds(connection, given), given):
        back = with_refund(back, each.lines, each.payment)
    whole = sold is not None and is_all_back(sold.lines, back)
    # Of a sale of another terminal the record has no more than the id.
    save_refund(connection, place, at, given, sold, whole=whole)


def _sold(connection: Connection, given: SaleRefunded) -> SaleCaptured | None:
    same = (sale.c.epoch == journal.c.epoch) & (sale.c.seq == journal.c.seq)
    body = connection.execute(
        select(journal.c.body)
        .join_from(sale, journal, same)
        .where(sale.c.sale_id == str(given.sale_id))
    ).scalar()
    happening = _read(body) if body is not None else None
    return happening if isinstance(happening, SaleCaptured) else None


def _refunds(connection: Connection, given: SaleRefunded) -> list[SaleRefunded]:
    same = (refund.c.epoch == journal.c.epoch) & (refund.c.seq == journal.c.seq)
    bodies = connection.execute(
        select(journal.c.body)
        .join_from(refund, journal, same)
        .where(refund.c.sale_id == str(given.sale_id))
    ).scalars()
    found = (_read(body) for body in bodies)
    return [each for each in found if isinstance(each, SaleRefunded)]


def _read(body: bytes) -> Happening | None:
    return decode_happening(read_json(body, type=Envelope).happening)


def _save_z(connection: Connection, closed: ShiftClosed, place: ChainHead, at: datetime) -> None:
    moved = connection.execute(
        update(z_report)
        .where(z_report.c.z_no == closed.z_no, z_report.c.closed_at == time_text(at))
        .values(epoch=place.epoch, seq=place.seq, hash=place.hash_hex)
    ).rowcount
    if not moved:
        save_z(connection, place, ZMark(closed.z_no, place.hash_hex, at))


def _note_number(connection: Connection, receipt_no: str, terminal: str) -> None:
    """The next receipt's number is beyond this one."""
    owner, _, digits = receipt_no.rpartition("-")
    if owner == terminal and digits.isascii() and digits.isdigit():
        raise_counter(connection, RECEIPT_COUNTER, int(digits))
