"""Records that were handed over and found another in their place: the office books one, or leaves it.

Its place in the chain is taken, and stays so. What it tells is booked as told by the office's own
fact: at :data:`OFFICE_EPOCH`, under that fact's number, where no terminal's record can stand.
"""

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace
from sqlalchemy import Connection, Row, insert, select

from protocol.journal import Envelope
from protocol.messages import OutcomeKind
from server.directory import pool_terms, terminal_of
from server.facts import FactStamp
from server.facts.refused import Refused
from server.facts.tables import fact
from server.redemption.booked import Booked, Parked
from server.redemption.capture import Told
from server.redemption.chain_tables import REASON_MAX, difference_decision, journal_difference
from server.redemption.differences import HANDED_OVER
from server.redemption.intake import book_happening
from server.redemption.recovering import RecoverRecord

OFFICE_EPOCH: Final = 0
"""Terminals count theirs from 1."""

LEFT: Final = "left"


class BookDiffering(Struct, frozen=True, kw_only=True):
    """Book what a record tells that was handed over and found another in its place.

    ``hash_hex`` names it, whole or by its beginning; ``reason`` says why it happened after all.
    """

    terminal: str
    epoch: int
    seq: int
    hash_hex: Annotated[str, Meta(min_length=8, max_length=64)]
    reason: Annotated[str, Meta(min_length=1, max_length=REASON_MAX)]


class LeaveDiffering(Struct, frozen=True, kw_only=True):
    """Such a record is not to be booked: somebody looked, and ``reason`` says why not."""

    terminal: str
    epoch: int
    seq: int
    hash_hex: Annotated[str, Meta(min_length=8, max_length=64)]
    reason: Annotated[str, Meta(min_length=1, max_length=REASON_MAX)]


class DifferenceBooked(Struct, frozen=True, kw_only=True):
    """What became of it. ``overdraft_points`` for an overdraft."""

    outcome: OutcomeKind
    overdraft_points: int


class DifferenceLeft(Struct, frozen=True, kw_only=True):
    """It waits for nobody any more."""


def book_differing(
    tx: Connection, stamp: FactStamp, command: BookDiffering
) -> DifferenceBooked | Refused:
    """Book it by the rules of its own day. What the books have already is a duplicate; what cannot
    be booked is refused with the reason, and waits on.
    """
    found = _waiting(tx, stamp.pool, command)
    if isinstance(found, Refused):
        return found
    handed = msgspec.json.decode(found.body, type=RecoverRecord)
    told_by = terminal_of(tx, stamp.pool, command.terminal)
    assert told_by is not None, command.terminal
    envelope = replace(
        msgspec.json.decode(handed.record.body, type=Envelope),
        epoch=OFFICE_EPOCH,
        seq=stamp.fact_no,
    )
    terms = pool_terms(tx, stamp.pool)
    told = Told(stamp, terms, told_by, envelope, handed.proof_holds, by_office=True)
    booking = book_happening(tx, told)
    if isinstance(booking, Parked):
        place = _place(command)
        return Refused("parked", f"{place} 不能入账：{booking.says} / it cannot be booked")
    outcome, overdraft = OutcomeKind.DUPLICATE, 0
    if isinstance(booking, Booked):
        outcome, overdraft = booking.outcome, booking.overdraft_points
    _decide(tx, stamp, command, found.fact_no, outcome.value, overdraft_points=overdraft)
    return DifferenceBooked(outcome=outcome, overdraft_points=overdraft)


def leave_differing(
    tx: Connection, stamp: FactStamp, command: LeaveDiffering
) -> DifferenceLeft | Refused:
    """Let it wait no more without booking it. It stays on record."""
    found = _waiting(tx, stamp.pool, command)
    if isinstance(found, Refused):
        return found
    _decide(tx, stamp, command, found.fact_no, LEFT)
    return DifferenceLeft()


def _place(command: BookDiffering | LeaveDiffering) -> str:
    return f"{command.terminal} {command.epoch}/{command.seq}"


def _waiting(
    tx: Connection, pool: str, command: BookDiffering | LeaveDiffering
) -> Row[Any, Any] | Refused:
    """The difference's fact: its number and the command that brought the record."""
    place = _place(command)
    if not command.reason.strip():
        return Refused("no_reason", "请写明原因 / say why")
    differing = journal_difference.c
    at_fact = (fact.c.pool == differing.pool) & (fact.c.fact_no == differing.fact_no)
    rows = tx.execute(
        select(fact.c.fact_no, fact.c.body)
        .select_from(journal_difference.join(fact, at_fact))
        .where(
            differing.pool == pool,
            differing.terminal == command.terminal,
            differing.epoch == command.epoch,
            differing.seq == command.seq,
            differing.there_hash.startswith(command.hash_hex, autoescape=True),
            fact.c.kind == HANDED_OVER,
        )
        .limit(2)
    ).all()
    if not rows:
        return Refused(
            "unknown",
            f"{place} 没有这样一条交来的流水；终端自己的，放行后它会自己重报"
            " / no such record was handed over; what a terminal has itself it tells again when it"
            " is let go on",
        )
    if len(rows) > 1:
        return Refused(
            "ambiguous", f"{place} 有几条，请写完整的编号 / several: give the whole hash"
        )
    decided = select(difference_decision.c.fact_no).where(
        difference_decision.c.pool == pool,
        difference_decision.c.terminal == command.terminal,
        difference_decision.c.found_no == rows[0].fact_no,
    )
    if tx.execute(decided).first() is not None:
        return Refused("decided", f"{place} 已经处理过了 / it is dealt with already")
    return rows[0]


def _decide(
    tx: Connection,
    stamp: FactStamp,
    command: BookDiffering | LeaveDiffering,
    found_no: int,
    outcome: str,
    *,
    overdraft_points: int = 0,
) -> None:
    tx.execute(
        insert(difference_decision).values(
            pool=stamp.pool,
            terminal=command.terminal,
            found_no=found_no,
            outcome=outcome,
            overdraft_points=overdraft_points,
            reason=command.reason,
            fact_no=stamp.fact_no,
        )
    )
