"""Records that could not be booked: who waits, and booking one when its cause is gone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta, Struct
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
from server.redemption.chain_tables import REASON_MAX, parked_booking
from server.redemption.intake import JournalRecord, book_happening
from server.redemption.tables import journal_record

LISTED_MAX = 1_000
COUNTER_AWARD = "counter_awarded"


class BookParked(Struct, frozen=True, kw_only=True):
    """Book a parked record now: what was in the way is gone. ``reason`` says what was done."""

    terminal: str
    epoch: int
    seq: int
    reason: str


class LeaveParked(Struct, frozen=True, kw_only=True):
    """A parked award is not to be booked: somebody looked, and ``reason`` says why not.

    Awards alone: what a shop sold or gave back is always booked in the end.
    """

    terminal: str
    epoch: int
    seq: int
    reason: Annotated[str, Meta(min_length=1, max_length=REASON_MAX)]


class ParkedLeft(Struct, frozen=True, kw_only=True):
    """It waits for nobody any more."""

    kind: str


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
    happened = _happened(envelope)
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


def _happened(envelope: Envelope) -> _Happened:
    try:
        return msgspec.json.decode(envelope.happening, type=_Happened)
    except msgspec.DecodeError:
        return _Happened()


def _envelope(fact_body: bytes) -> Envelope:
    command = msgspec.json.decode(fact_body, type=JournalRecord)
    return msgspec.json.decode(command.record.body, type=Envelope)


def book_parked(tx: Connection, stamp: FactStamp, command: BookParked) -> ParkedBooked | Refused:
    """Book what a parked record tells, by this fact's number and the rules of its own day.

    What cannot be booked still is refused with the reason, and stays parked.
    """
    place = _place(command)
    record = _waiting(tx, stamp.pool, command)
    if isinstance(record, Refused):
        return record
    told_by = terminal_of(tx, stamp.pool, command.terminal)
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
    _close(tx, stamp, command, outcome, overdraft)
    return ParkedBooked(outcome=outcome, overdraft_points=overdraft)


def leave_parked(tx: Connection, stamp: FactStamp, command: LeaveParked) -> ParkedLeft | Refused:
    """Let an award wait no more without booking it. Refused: no award, or it does not wait."""
    record = _waiting(tx, stamp.pool, command)
    if isinstance(record, Refused):
        return record
    envelope = msgspec.json.decode(record.record.body, type=Envelope)
    happened = _happened(envelope)
    if happened.type != COUNTER_AWARD:
        return Refused(
            "not_an_award",
            f"{_place(command)} 不是登记积分，只能处理后补记入账"
            " / it is no award: mend its cause and book it",
        )
    _close(tx, stamp, command, OutcomeKind.DUPLICATE, 0)
    return ParkedLeft(kind=happened.type)


def _place(command: BookParked | LeaveParked) -> str:
    return f"{command.terminal} {command.epoch}/{command.seq}"


def _waiting(
    tx: Connection, pool: str, command: BookParked | LeaveParked
) -> JournalRecord | Refused:
    """The parked record that the command is about, as it came."""
    place = _place(command)
    here = (
        journal_record.c.pool == pool,
        journal_record.c.terminal == command.terminal,
        journal_record.c.epoch == command.epoch,
        journal_record.c.seq == command.seq,
    )
    row = tx.execute(
        select(journal_record.c.outcome, journal_record.c.fact_no).where(*here)
    ).first()
    if row is None or row.outcome != OutcomeKind.PARKED.value:
        return Refused("not_parked", f"{place} 没有待处理的记录 / there is no parked record")
    if _is_booked(tx, pool, command):
        return Refused("booked", f"{place} 已经处理过了 / it is dealt with already")
    body = tx.execute(
        select(fact.c.body).where(fact.c.pool == pool, fact.c.fact_no == row.fact_no)
    ).scalar_one()
    return msgspec.json.decode(body, type=JournalRecord)


def _close(
    tx: Connection,
    stamp: FactStamp,
    command: BookParked | LeaveParked,
    outcome: OutcomeKind,
    overdraft_points: int,
) -> None:
    tx.execute(
        insert(parked_booking).values(
            pool=stamp.pool,
            terminal=command.terminal,
            epoch=command.epoch,
            seq=command.seq,
            outcome=outcome.value,
            overdraft_points=overdraft_points,
            reason=command.reason,
            fact_no=stamp.fact_no,
        )
    )


def _is_booked(tx: Connection, pool: str, command: BookParked | LeaveParked) -> bool:
    found = select(parked_booking.c.fact_no).where(
        parked_booking.c.pool == pool,
        parked_booking.c.terminal == command.terminal,
        parked_booking.c.epoch == command.epoch,
        parked_booking.c.seq == command.seq,
    )
    return tx.execute(found).first() is not None
