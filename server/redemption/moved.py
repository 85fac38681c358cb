"""A record that moved: what was never told in a closed epoch is sealed anew in the next one.

Nearly all that moves something has an id of its own, under which it is booked once. What has none
is known again by what sealing leaves as it was: when it happened, in which run of the program, what.
"""

from collections.abc import Iterable

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, select

from protocol.journal import Envelope, SignedRecord
from server.facts.tables import fact
from server.redemption.tables import journal_record


class _RecordFact(Struct):
    """What every fact that brought a record has, whoever brought it."""

    record: SignedRecord


def stands_elsewhere(
    tx: Connection, pool: str, told: Envelope, places: Iterable[tuple[int, int]]
) -> bool:
    """Whether one of these records of the same terminal, (epoch, number) each, tells this very
    happening in another epoch.
    """
    return any(
        _content(there) == _content(told)
        for epoch, seq in places
        if epoch != told.epoch
        for there in [_record_at(tx, pool, told.terminal, epoch, seq)]
    )


def _content(envelope: Envelope) -> tuple[object, ...]:
    return (
        envelope.occurred_at,
        envelope.monotonic_ms,
        envelope.boot_id,
        bytes(envelope.happening),
    )


def _record_at(tx: Connection, pool: str, terminal: str, epoch: int, seq: int) -> Envelope:
    at_fact = (fact.c.pool == journal_record.c.pool) & (fact.c.fact_no == journal_record.c.fact_no)
    body = tx.execute(
        select(fact.c.body)
        .select_from(journal_record.join(fact, at_fact))
        .where(
            journal_record.c.pool == pool,
            journal_record.c.terminal == terminal,
            journal_record.c.epoch == epoch,
            journal_record.c.seq == seq,
        )
    ).scalar_one()
    signed = msgspec.json.decode(body, type=_RecordFact).record
    return msgspec.json.decode(signed.body, type=Envelope)
