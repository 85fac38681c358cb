"""Taking in a terminal's journal: every authentic record in its place, each with one outcome.

Only a fork, a gap or a false signature stops the transport. A record that cannot be booked is
stored and parked; it waits for a person and blocks nothing behind it.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct
from sqlalchemy import Connection

from protocol.acts import PersonActed
from protocol.card_tries import CardPinWrong
from protocol.counter import CounterAwarded, EventEntered
from protocol.drawer import DrawerOpened
from protocol.evidence import CardEvidence, Evidence
from protocol.journal import (
    GENESIS,
    UNREADABLE,
    Envelope,
    RecordProblem,
    SignedRecord,
    decode_happening,
)
from protocol.messages import OutcomeKind, RecordOutcome
from protocol.prices import PriceChanged, PricesImported
from protocol.proxy import ProxyDelivered
from protocol.sales import (
    OrderFulfilled,
    SaleCaptured,
    SaleRefunded,
    SaleReversed,
    TakingsDeclared,
    TerminalStarted,
)
from protocol.shifts import ShiftClosed, ShiftOpened
from server.db.working_set import working
from server.directory import Terminal, TerminalState, pool_terms, terminal_of
from server.directory.card_pins import note_wrong_pin, wrong_pin_places
from server.facts import FactStamp, Refusal
from server.redemption.booked import Booked, Booking, Duplicate, Parked
from server.redemption.capture import Told
from server.redemption.counter_awards import book_counter_award
from server.redemption.declared import book_declared
from server.redemption.epochs import is_nobodys
from server.redemption.evidence import card_proof_holds
from server.redemption.fulfilled import book_fulfilled
from server.redemption.gaps import first_missing, is_noted_gap
from server.redemption.moved import stands_elsewhere
from server.redemption.opening import opened
from server.redemption.proxies import book_delivered, book_sold
from server.redemption.queries import CHAIN, ChainHead, chain_head, chain_link
from server.redemption.refunding import book_refund
from server.redemption.reversal import book_reversal
from server.redemption.rows import JOURNAL_RECORD
from server.redemption.shifts import book_shift

_NUL_IN_JSON = b"\\u0000"


class JournalRecord(Struct, frozen=True, kw_only=True):
    """A record as a terminal sent it, as a fact: the exact bytes and their signature.

    ``proof_holds`` is what the edge found of a card's proof in it; None where there is none.
    """

    terminal: str
    record: SignedRecord
    proof_holds: bool | None


class StandsAlready(Struct, Refusal, frozen=True):
    """This very record is in its place already; its outcome has not changed."""

    outcome: RecordOutcome


class Gap(Struct, Refusal, frozen=True):
    """Records before this one are missing; the next one wanted is ``expected_seq``."""

    expected_seq: int


class ForkReason(StrEnum):
    """How a chain can fail to be one chain."""

    OTHER_RECORD = "other_record"
    OTHER_PAST = "other_past"
    OTHER_EPOCH = "other_epoch"
    CLOSED_EPOCH = "closed_epoch"
    """The terminal has started since, here: it asks for its new epoch and tells it there."""


class Fork(Struct, Refusal, frozen=True):
    """Another record stands at this place, or the record names another past."""

    seq: int
    reason: ForkReason


class BadRecord(Struct, Refusal, frozen=True):
    """These bytes are no authentic record of this terminal."""

    problem: RecordProblem


IntakeOutcome = RecordOutcome | StandsAlready | Gap | Fork | BadRecord


def record_proof_holds(
    body: bytes, terminal: str, secret_of: Callable[[str, int], bytes]
) -> bool | None:
    """At the edge: whether the card's proof in a record holds; None for a record without one."""
    try:
        envelope = msgspec.json.decode(body, type=Envelope)
    except UNREADABLE:
        return None
    sale = decode_happening(envelope.happening)
    shown: tuple[UUID, Evidence] | None = None
    if isinstance(sale, OrderFulfilled):
        shown = (sale.fulfilment_id, sale.confirmation)
    elif isinstance(sale, CounterAwarded):
        shown = (sale.award_id, sale.evidence)
    if shown is not None and isinstance(shown[1], CardEvidence):
        return card_proof_holds(
            shown[1], sale_id=shown[0], points=0, terminal=terminal, secret_of=secret_of
        )
    if not isinstance(sale, SaleCaptured) or not isinstance(sale.evidence, CardEvidence):
        return None
    return card_proof_holds(
        sale.evidence,
        sale_id=sale.sale_id,
        points=sale.payment.points,
        terminal=terminal,
        secret_of=secret_of,
    )


def book_record(tx: Connection, stamp: FactStamp, command: JournalRecord) -> IntakeOutcome:
    """Put a record into its terminal's chain and book what it tells.

    The same record again answers with the outcome it got then; nothing is written.
    """
    terminal = terminal_of(tx, stamp.pool, command.terminal)
    if (
        terminal is None
        or terminal.state is not TerminalState.ACTIVE
        or terminal.public_key is None
    ):
        return BadRecord(RecordProblem.FOREIGN_TERMINAL)
    envelope = opened(command.record, terminal.public_key, command.terminal)
    if isinstance(envelope, RecordProblem):
        return BadRecord(envelope)
    misplaced = _misplaced(tx, stamp.pool, terminal, envelope, command.record.hash_hex)
    if misplaced is not None:
        return misplaced
    told = Told(stamp, pool_terms(tx, stamp.pool), terminal, envelope, command.proof_holds)
    return book_at(tx, told, command.record.hash_hex)


def book_at(tx: Connection, told: Told, hash_hex: str) -> RecordOutcome:
    """Book what a record tells and put it into its place, which the caller has looked at."""
    stamp, envelope, terminal = told.stamp, told.envelope, told.terminal.terminal
    outcome = _outcome(envelope, book_happening(tx, told))
    link = {
        "pool": stamp.pool,
        "terminal": terminal,
        "epoch": envelope.epoch,
        "seq": envelope.seq,
        "hash": hash_hex,
        "prev_hash": envelope.prev_hash,
        "outcome": outcome.outcome.value,
        "overdraft_points": outcome.overdraft_points,
        "says": outcome.says,
        "fact_no": stamp.fact_no,
    }
    with working(tx, stamp.pool) as books:
        is_newest = chain_head(tx, stamp.pool, terminal, envelope.epoch).seq < envelope.seq
        books.insert(JOURNAL_RECORD, link)
        if is_newest:  # else it fills a gap
            head = ChainHead(envelope.epoch, envelope.seq, hash_hex)
            books.note((CHAIN, terminal, envelope.epoch), head)
    return outcome


def _misplaced(
    tx: Connection, pool: str, terminal: Terminal, envelope: Envelope, hash_hex: str
) -> StandsAlready | Gap | Fork | None:
    if envelope.epoch > terminal.epoch or min(envelope.epoch, envelope.seq) < 1:
        return Fork(envelope.seq, ForkReason.OTHER_EPOCH)
    head = chain_head(tx, pool, terminal.terminal, envelope.epoch)
    if envelope.seq <= head.seq:
        there = chain_link(tx, pool, terminal.terminal, epoch=envelope.epoch, seq=envelope.seq)
        if there is not None and there.hash_hex == hash_hex:
            return StandsAlready(there.outcome)
        if there is not None or not is_noted_gap(
            tx, pool, terminal.terminal, envelope.epoch, envelope.seq
        ):
            return Fork(envelope.seq, ForkReason.OTHER_RECORD)
        return _misplaced_in_gap(tx, pool, terminal, envelope, hash_hex)
    if envelope.epoch != terminal.epoch:
        return Fork(envelope.seq, ForkReason.CLOSED_EPOCH)
    if head.seq == 0 and is_nobodys(tx, pool, terminal.terminal, terminal.epoch):
        return Fork(envelope.seq, ForkReason.CLOSED_EPOCH)
    if envelope.seq != head.seq + 1:
        return Gap(head.seq + 1)
    if envelope.prev_hash != head.hash_hex:
        return Fork(envelope.seq, ForkReason.OTHER_PAST)
    return None


def _misplaced_in_gap(
    tx: Connection, pool: str, terminal: Terminal, envelope: Envelope, hash_hex: str
) -> Gap | Fork | None:
    """A record that was taken for lost comes after all: it must fit between its neighbours."""
    if envelope.epoch != terminal.epoch:
        return Fork(envelope.seq, ForkReason.CLOSED_EPOCH)
    name, epoch, seq = terminal.terminal, envelope.epoch, envelope.seq
    before = chain_link(tx, pool, name, epoch=epoch, seq=seq - 1)
    after = chain_link(tx, pool, name, epoch=epoch, seq=seq + 1)
    if before is None and seq > 1:
        return Gap(first_missing(tx, pool, name, epoch))
    if envelope.prev_hash != (before.hash_hex if before is not None else GENESIS):
        return Fork(seq, ForkReason.OTHER_PAST)
    if after is not None and after.prev_hash != hash_hex:
        return Fork(seq, ForkReason.OTHER_RECORD)
    return None


def book_happening(tx: Connection, told: Told) -> Booking:
    """Book what a record tells, or say why it must wait for a person."""
    if _NUL_IN_JSON in bytes(told.envelope.happening):  # PostgreSQL keeps no text with NUL
        return Parked("记录含有不可用的字符 / the record holds characters that cannot be kept")
    happening = decode_happening(told.envelope.happening)
    book = _BOOKS.get(type(happening))
    if book is not None:
        return book(tx, told, happening)
    if isinstance(happening, _KEPT):
        return Booked()
    return Parked("服务器还不认识这类记录 / a kind of record that this server does not know yet")


_KEPT = (
    TerminalStarted,
    DrawerOpened,
    ShiftOpened,
    PersonActed,
    EventEntered,
    PricesImported,
    PriceChanged,
)
"""What moves nothing: the record itself is what there is to keep."""


def _count_wrong_pin(tx: Connection, told: Told, tried: CardPinWrong) -> Booking:
    """Counted once, also where its record moved into another epoch and comes from both; against
    a PIN that nobody set there is nothing to count.
    """
    envelope = told.envelope
    pool, terminal = told.terms.pool, told.terminal.terminal
    if stands_elsewhere(tx, pool, envelope, wrong_pin_places(tx, pool, tried, terminal)):
        return Duplicate()
    note_wrong_pin(
        tx,
        pool,
        tried,
        terminal=terminal,
        place=(envelope.epoch, envelope.seq),
        at=told.stamp.recorded_at,
    )
    return Booked()


_BOOKS: dict[type[object], Callable[[Connection, Told, Any], Booking]] = {
    SaleCaptured: book_sold,
    SaleReversed: book_reversal,
    SaleRefunded: book_refund,
    TakingsDeclared: book_declared,
    OrderFulfilled: book_fulfilled,
    CounterAwarded: book_counter_award,
    ProxyDelivered: book_delivered,
    CardPinWrong: _count_wrong_pin,
    ShiftClosed: book_shift,
}


def _outcome(envelope: Envelope, booking: Booking) -> RecordOutcome:
    kind, overdraft_points = OutcomeKind.DUPLICATE, 0
    if isinstance(booking, Parked):
        kind = OutcomeKind.PARKED
    elif isinstance(booking, Booked):
        kind, overdraft_points = booking.outcome, booking.overdraft_points
    return RecordOutcome(
        epoch=envelope.epoch,
        seq=envelope.seq,
        outcome=kind,
        overdraft_points=overdraft_points,
        says=booking.says,
    )
