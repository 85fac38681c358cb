"""The records that the server has not been told yet, in order."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct
from sqlalchemy import delete, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from protocol.journal import MAX_RECORDS_A_BATCH, SignedRecord
from protocol.messages import RecordOutcome
from terminal.store.sqlite import SqliteStore, time_text
from terminal.store.tables import journal, outbox

MAX_BATCH_BYTES = 1024 * 1024


class UntoldRecord(Struct, frozen=True):
    epoch: int
    seq: int
    record: SignedRecord


class Outbox:
    """The sync worker's side of the store."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    def next_batch(self) -> Sequence[UntoldRecord]:
        """The oldest untold records: contiguous, at most a batch, at most a megabyte."""
        with self._store.reading() as connection:
            rows = connection.execute(
                select(journal.c.epoch, journal.c.seq, journal.c.body, journal.c.signature)
                .join_from(
                    outbox,
                    journal,
                    (outbox.c.epoch == journal.c.epoch) & (outbox.c.seq == journal.c.seq),
                )
                .order_by(outbox.c.epoch, outbox.c.seq)
                .limit(MAX_RECORDS_A_BATCH)
            ).all()
        batch: list[UntoldRecord] = []
        size = 0
        for row in rows:
            size += len(row.body)
            if batch and (size > MAX_BATCH_BYTES or row.epoch != batch[0].epoch):
                break
            record = SignedRecord(body=row.body, signature=row.signature)
            batch.append(UntoldRecord(row.epoch, row.seq, record))
        return batch

    def tell_again(self, epoch: int, from_seq: int) -> bool:
        """Put told records back, from ``from_seq`` on: the server lost them.

        Returns whether there were any: without them telling cannot go on.
        """
        with self._store.writing() as connection:
            told = (
                select(journal.c.epoch, journal.c.seq)
                .where(journal.c.epoch == epoch, journal.c.seq >= from_seq)
                .order_by(journal.c.seq)
            )
            rows = connection.execute(told).all()
            for row in rows:
                connection.execute(
                    upsert(outbox).values(epoch=row.epoch, seq=row.seq).on_conflict_do_nothing()
                )
        return bool(rows) and rows[0].seq == from_seq

    def mark_told(self, outcomes: Sequence[RecordOutcome], at: datetime) -> None:
        """Keep each record's outcome; it leaves the outbox and stays in the journal."""
        with self._store.writing() as connection:
            for outcome in outcomes:
                here = (journal.c.epoch == outcome.epoch, journal.c.seq == outcome.seq)
                connection.execute(
                    update(journal)
                    .where(*here)
                    .values(
                        told_at=time_text(at),
                        outcome=outcome.outcome.value,
                        says=outcome.says[:400],
                    )
                )
                connection.execute(
                    delete(outbox).where(
                        outbox.c.epoch == outcome.epoch, outbox.c.seq == outcome.seq
                    )
                )
