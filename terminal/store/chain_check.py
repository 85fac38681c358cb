"""Is the journal what this terminal wrote: every record there, unaltered, in its place?

A record is authentic by its signature and in place by its hash link. What was checked is
marked, so that a start looks at what came after; what is more than a start can wait for is
checked beside the selling, piece by piece.
"""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec import Struct
from sqlalchemy import Connection, Row, Select, and_, func, or_, select, text
from sqlalchemy.dialects.sqlite import insert as upsert

from protocol.journal import GENESIS, RecordProblem, SignedRecord, open_record
from terminal.domain.ports import StoreFaultError
from terminal.domain.stopped import Stop, StopCause
from terminal.store.sealer import ChainHead
from terminal.store.sqlite import PRUNED, SqliteStore, chain_head
from terminal.store.tables import chain_mark, journal, sale

PAGE_RECORDS: Final = 500
BOOT_RECORDS: Final = 20_000
"""As many as a start checks: some seconds on a small machine."""

AGAIN_RECORDS: Final = 500
"""The newest, looked at again at every start, though they were found in order before."""

QUICK_CHECK_BYTES: Final = 64 * 1024 * 1024
"""A file up to this size is read as a whole at the start."""

BOOT_SALES: Final = 200


class Mark(StrEnum):
    """Places in the chain that are remembered."""

    CHECKED = "checked"
    """Everything up to here was found in order."""
    PRUNED = PRUNED
    """Everything up to here was told long ago, and is deleted."""


class Checked(Struct, frozen=True):
    """How far a check came; ``broken`` says what it found there, None where all is well."""

    records: int
    head: ChainHead | None
    broken: Stop | None = None


def read_mark(connection: Connection, mark: Mark) -> ChainHead | None:
    """A remembered place; None before there is one."""
    row = connection.execute(select(chain_mark).where(chain_mark.c.name == mark.value)).first()
    return ChainHead(row.epoch, row.seq, row.hash) if row else None


def set_mark(connection: Connection, mark: Mark, head: ChainHead) -> None:
    """Remember a place."""
    values = {"epoch": head.epoch, "seq": head.seq, "hash": head.hash_hex}
    statement = upsert(chain_mark).values(name=mark.value, **values)
    connection.execute(
        statement.on_conflict_do_update(index_elements=[chain_mark.c.name], set_=values)
    )


class ChainCheck:
    """Checks one terminal's journal.

    Raises:
        StoreFaultError: from the pieces; :meth:`at_boot` and :meth:`whole` answer it as a Stop.
    """

    def __init__(self, store: SqliteStore, key: Ed25519PublicKey, terminal: str) -> None:
        self._store = store
        self._key = key
        self._terminal = terminal

    def at_boot(self, limit: int = BOOT_RECORDS) -> Stop | None:
        """What is new since the last check, at most the newest ``limit``; None where it holds.

        What is older and was never checked is left to :meth:`piece`.
        """
        try:
            with self._store.reading() as connection:
                damaged = _file_damage(connection)
                checked = read_mark(connection, Mark.CHECKED)
                start = _boot_start(connection, checked, limit)
            if damaged is not None:
                return damaged
            lost = self._lost_start(checked) if checked is not None else None
            found = self._run(start)
            if lost is not None or found.broken is not None:
                return found.broken or lost
            with self._store.reading() as connection:
                strange = _strange_sale(connection)
            # Where older ones wait to be checked, the mark stays with them.
            if strange is None and found.head is not None and not _is_beyond(start, checked):
                self._mark(found.head)
        except StoreFaultError as fault:
            return Stop(StopCause.STORAGE_DAMAGED, str(fault))
        return strange

    def piece(self, limit: int = PAGE_RECORDS) -> Checked:
        """The next records that were not checked yet, and how far they are in order."""
        with self._store.reading() as connection:
            start = read_mark(connection, Mark.CHECKED) or read_mark(connection, Mark.PRUNED)
        found = self._run(start, limit)
        if found.broken is None and found.records and found.head is not None:
            self._mark(found.head)
        return found

    def whole(self) -> Checked:
        """Every record that is there, from the first."""
        try:
            with self._store.reading() as connection:
                start = read_mark(connection, Mark.PRUNED)
            return self._run(start)
        except StoreFaultError as fault:
            return Checked(0, None, Stop(StopCause.STORAGE_DAMAGED, str(fault)))

    def _mark(self, head: ChainHead) -> None:
        """Move the mark on; never back, for what is old may have been deleted meanwhile."""
        with self._store.writing() as connection:
            before = read_mark(connection, Mark.CHECKED)
            if before is None or (before.epoch, before.seq) < (head.epoch, head.seq):
                set_mark(connection, Mark.CHECKED, head)

    def _run(self, start: ChainHead | None, limit: int | None = None) -> Checked:
        """Check on from a place. Where that or what follows was deleted beside it, as too old to
        keep, it begins anew where the chain begins now.
        """
        tried: ChainHead | None = None
        while True:
            found = self._run_once(start, limit)
            if found.broken is None:
                return found
            pruned = self._pruned()
            if pruned is None or pruned == tried or not _is_at_or_beyond(pruned, start):
                return found
            start = tried = pruned

    def _pruned(self) -> ChainHead | None:
        with self._store.reading() as connection:
            return read_mark(connection, Mark.PRUNED)

    def _run_once(self, start: ChainHead | None, limit: int | None) -> Checked:
        head, records = start, 0
        if start is not None:
            lost = self._lost_start(start)
            if lost is not None:
                return Checked(0, None, lost)
        for row in self._rows_after(start):
            if limit is not None and records >= limit:
                break
            broken = self._broken(row, head)
            if broken is not None:
                return Checked(records, head, broken)
            head, records = ChainHead(row.epoch, row.seq, row.hash), records + 1
        return Checked(records, head)

    def _lost_start(self, start: ChainHead) -> Stop | None:
        """The record that was checked last must be there still, with the same hash."""
        with self._store.reading() as connection:
            if read_mark(connection, Mark.PRUNED) == start:
                return None
            here = journal.c.epoch == start.epoch, journal.c.seq == start.seq
            found = connection.execute(select(journal.c.hash).where(*here)).scalar()
        if found == start.hash_hex:
            return None
        return _broken_at(start.epoch, start.seq, "the record that was checked last is gone")

    def _rows_after(self, start: ChainHead | None) -> Iterator[Row[tuple[object, ...]]]:
        place = start
        while True:
            with self._store.reading() as connection:
                rows: Sequence[Row[tuple[object, ...]]] = connection.execute(
                    _page_after(place)
                ).all()
            if not rows:
                return
            yield from rows
            place = ChainHead(rows[-1].epoch, rows[-1].seq, rows[-1].hash)

    def _broken(self, row: Row[tuple[object, ...]], before: ChainHead | None) -> Stop | None:
        record = SignedRecord(body=row.body, signature=row.signature)
        envelope = open_record(record, self._key, self._terminal)
        if isinstance(envelope, RecordProblem):
            return _broken_at(row.epoch, row.seq, f"no authentic record: {envelope.value}")
        if record.hash_hex != row.hash or (envelope.epoch, envelope.seq) != (row.epoch, row.seq):
            return _broken_at(row.epoch, row.seq, "another record stands in this place")
        begins = before is None or before.epoch < row.epoch
        expected = 1 if begins or before is None else before.seq + 1
        if row.seq != expected:
            return _broken_at(row.epoch, expected, "a record is missing")
        if envelope.prev_hash != (GENESIS if begins or before is None else before.hash_hex):
            return _broken_at(row.epoch, row.seq, "it does not follow the record before it")
        return None


def _broken_at(epoch: int, seq: int, says: str) -> Stop:
    return Stop(StopCause.CHAIN_BROKEN, f"{epoch}/{seq}: {says}")


def _page_after(place: ChainHead | None) -> Select[tuple[object, ...]]:
    wanted = select(
        journal.c.epoch, journal.c.seq, journal.c.hash, journal.c.body, journal.c.signature
    ).order_by(journal.c.epoch, journal.c.seq)
    if place is not None:
        wanted = wanted.where(
            or_(
                journal.c.epoch > place.epoch,
                and_(journal.c.epoch == place.epoch, journal.c.seq > place.seq),
            )
        )
    return wanted.limit(PAGE_RECORDS)


def _is_at_or_beyond(place: ChainHead, start: ChainHead | None) -> bool:
    return start is None or (place.epoch, place.seq) >= (start.epoch, start.seq)


def _is_beyond(start: ChainHead | None, checked: ChainHead | None) -> bool:
    if start is None:
        return False
    return checked is None or (start.epoch, start.seq) > (checked.epoch, checked.seq)


def _boot_start(connection: Connection, checked: ChainHead | None, limit: int) -> ChainHead | None:
    """Where a start begins: behind what was checked, but never further on than the newest few
    hundred, which a bad card spoils first; and nearer where all that would take too long.
    """
    head = chain_head(connection)
    pruned = read_mark(connection, Mark.PRUNED)
    if head is None:
        return checked or pruned
    same_epoch = checked is not None and checked.epoch == head.epoch
    begin = checked.seq if checked is not None and same_epoch else 0
    wanted = max(min(begin, head.seq - AGAIN_RECORDS), head.seq - limit)
    if wanted <= 0:
        return _before_epoch(connection, head.epoch) or pruned
    near = connection.execute(
        select(journal.c.hash).where(journal.c.epoch == head.epoch, journal.c.seq == wanted)
    ).scalar()
    return ChainHead(head.epoch, wanted, near) if near else pruned


def _before_epoch(connection: Connection, epoch: int) -> ChainHead | None:
    row = connection.execute(
        select(journal.c.epoch, journal.c.seq, journal.c.hash)
        .where(journal.c.epoch < epoch)
        .order_by(journal.c.epoch.desc(), journal.c.seq.desc())
        .limit(1)
    ).first()
    return ChainHead(row.epoch, row.seq, row.hash) if row else None


def _file_damage(connection: Connection) -> Stop | None:
    pages = int(connection.execute(text("PRAGMA page_count")).scalar_one())
    page_bytes = int(connection.execute(text("PRAGMA page_size")).scalar_one())
    if pages * page_bytes > QUICK_CHECK_BYTES:
        return None
    says = str(connection.execute(text("PRAGMA quick_check(1)")).scalar_one())
    return None if says == "ok" else Stop(StopCause.STORAGE_DAMAGED, says)


def _strange_sale(connection: Connection) -> Stop | None:
    """A newest sale without its record, or a record of a sale without its row."""
    newest = (
        select(sale.c.sale_id, sale.c.epoch, sale.c.seq)
        .where(sale.c.state == "captured")
        .order_by(sale.c.epoch.desc(), sale.c.seq.desc())
        .limit(BOOT_SALES)
        .subquery()
    )
    record = and_(
        journal.c.epoch == newest.c.epoch,
        journal.c.seq == newest.c.seq,
        journal.c.sale_id == newest.c.sale_id,
    )
    oldest = read_mark(connection, Mark.PRUNED)
    without = (
        select(func.count())
        .select_from(newest.outerjoin(journal, record))
        .where(journal.c.seq.is_(None))
    )
    if oldest is not None:
        without = without.where(
            or_(
                newest.c.epoch > oldest.epoch,
                and_(newest.c.epoch == oldest.epoch, newest.c.seq > oldest.seq),
            )
        )
    if connection.execute(without).scalar_one():
        return Stop(StopCause.CHAIN_BROKEN, "a completed sale has no record")
    return None
