"""Records that could not be booked: who waits, and booking one when its cause is gone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, RowMapping, and_, func, insert, select

from protocol.journal import Envelope
from protocol.messages import OutcomeKind
from server.directory import pool_terms, terminal_of
from server.directory.tables import terminal
from server.facts import FactStamp
from server.facts.refused import Refused
from server.facts.tables import fact
from server.redemption.booked import Booked, Parked
from server.redemption.capture import Told
from server.redemption.chain_tables import parked_booking
from server.redemption.intake import JournalRecord, book_happening
from server.redemption.tables import journal_record

LISTED_MAX = 1_000


class BookParked(Struct, frozen=True, kw_only=True):
    """Book a parked record now: what was in the way is gone. ``reason`` says what was done."""

    terminal: str
    epoch: int
    seq: int
    reason: str


class ParkedBooked(Struct, frozen=True, kw_only=True):
    """What became of it. ``overdraft_points`` for an overdraft."""

    outcome: OutcomeKind
    overdraft_points: int


@dataclass(frozen=True, slots=True)
class ParkedRecord:
    """A record that waits for a person."""

    terminal: str
    shop: str
    epoch: int
    seq: int
    kind: str
    sale_id: str
    occurred_at: datetime
    recorded_at: datetime
    says: str


def parked_records(tx: Connection, pool: str, limit: int = LISTED_MAX) -> Sequence[ParkedRecord]:
    """Those that nobody booked yet, oldest first, at most ``limit``."""
    booked = and_(
        *(
            parked_booking.c[name] == journal_record.c[name]
            for name in ("pool", "terminal", "epoch", "seq")
        )
    )
    at_fact = and_(fact.c.pool == journal_record.c.pool, fact.c.fact_no == journal_record.c.fact_no)
    at_terminal = and_(
        terminal.c.pool == journal_record.c.pool,
        terminal.c.terminal == journal_record.c.terminal,
    )
    rows = tx.execute(
        select(
            journal_record.c.terminal,
            terminal.c.shop,
            journal_record.c.epoch,
            journal_record.c.seq,
            journal_record.c.says,
            fact.c.body,
            fact.c.recorded_at,
        )
        .select_from(
            journal_record.join(fact, at_fact)
            .join(terminal, at_terminal)
            .outerjoin(parked_booking, booked)
        )
        .where(
            journal_record.c.pool == pool,
            journal_record.c.outcome == OutcomeKind.PARKED.value,
            parked_booking.c.fact_no.is_(None),
        )
        .order_by(journal_record.c.fact_no)
        .limit(limit)
    )
    return [_parked(row) for row in rows.mappings()]


def parked_count(tx: Connection, pool: str) -> int:
    """How many records wait for a person."""
    count = select(func.count()).select_from(journal_record)
    parked = tx.execute(
        count.where(
            journal_record.c.pool == pool, journal_record.c.outcome == OutcomeKind.PARKED.value
        )
    ).scalar_one()
    booked = tx.execute(
        select(func.count()).select_from(parked_booking).where(parked_booking.c.pool == pool)
    ).scalar_one()
    return int(parked) - int(booked)


class _Happened(Struct, frozen=True):
    """What every kind of happening may say, also one that is not known yet."""

    type: str = ""
    sale_id: str = ""


def _parked(row: RowMapping) -> ParkedRecord:
    envelope = _envelope(row["body"])
    try:
        happened = msgspec.json.decode(envelope.happening, type=_Happened)
    except msgspec.DecodeError:
        happened = _Happened()
    return ParkedRecord(
        terminal=row["terminal"],
        shop=row["shop"],
        epoch=envelope.epoch,
        seq=envelope.seq,
        kind=happened.type,
        sale_id=happened.sale_id,
        occurred_at=envelope.occurred_at,
        recorded_at=row["recorded_at"],
        says=row["says"],
    )


def _envelope(fact_body: bytes) -> Envelope:
    command = msgspec.json.decode(fact_body, type=JournalRecord)
    return msgspec.json.decode(command.record.body, type=Envelope)


def book_parked(tx: Connection, stamp: FactStamp, command: BookParked) -> ParkedBooked | Refused:
    """Book what a parked record tells, by this fact's number and the rules of its own day.

    What cannot be booked still is refused with the reason, and stays parked.
    """
    place = f"{command.terminal} {command.epoch}/{command.seq}"
    here = (
        journal_record.c.pool == stamp.pool,
        journal_record.c.terminal == command.terminal,
        journal_record.c.epoch == command.epoch,
        journal_record.c.seq == command.seq,
    )
    row = tx.execute(
        select(journal_record.c.outcome, journal_record.c.fact_no).where(*here)
    ).first()
    if row is None or row.outcome != OutcomeKind.PARKED.value:
        return Refused("not_parked", f"{place} 没有待处理的记录 / there is no parked record")
    if _is_booked(tx, stamp.pool, command):
        return Refused("booked", f"{place} 已经补记入账 / it is booked already")
    told_by = terminal_of(tx, stamp.pool, command.terminal)
    body = tx.execute(
        select(fact.c.body).where(fact.c.pool == stamp.pool, fact.c.fact_no == row.fact_no)
    ).scalar_one()
    record = msgspec.json.decode(body, type=JournalRecord)
    assert told_by is not None, place
    envelope = msgspec.json.decode(record.record.body, type=Envelope)
    terms = pool_terms(tx, stamp.pool)
    told = Told(stamp, terms, told_by, envelope, record.proof_holds, by_office=True)
    booking = book_happening(tx, told)
    if isinstance(booking, Parked):
        return Refused("parked", f"{place} 仍不能入账：{booking.says} / it cannot be booked yet")
    outcome, overdraft = OutcomeKind.DUPLICATE, 0
    if isinstance(booking, Booked):
        outcome, overdraft = booking.outcome, booking.overdraft_points
    tx.execute(
        insert(parked_booking).values(
            pool=stamp.pool,
            terminal=command.terminal,
            epoch=command.epoch,
            seq=command.seq,
            outcome=outcome.value,
            overdraft_points=overdraft,
            reason=command.reason,
            fact_no=stamp.fact_no,
        )
    )
    return ParkedBooked(outcome=outcome, overdraft_points=overdraft)


def _is_booked(tx: Connection, pool: str, command: BookParked) -> bool:
    found = select(parked_booking.c.fact_no).where(
        parked_booking.c.pool == pool,
        parked_booking.c.terminal == command.terminal,
        parked_booking.c.epoch == command.epoch,
        parked_booking.c.seq == command.seq,
    )
    return tx.execute(found).first() is not None
