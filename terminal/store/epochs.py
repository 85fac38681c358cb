"""A new epoch on the terminal's disk: what was not told in the old one is told again in it."""

from datetime import datetime
from typing import Final

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Table,
    and_,
    delete,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.sqlite import insert as upsert

from protocol.journal import GENESIS, Envelope, decode_happening, encode_happening, seal
from protocol.shifts import ShiftClosed
from terminal.store.counters import raise_counter
from terminal.store.sealer import ChainHead
from terminal.store.shifts import Z_COUNTER
from terminal.store.sqlite import (
    EPOCH_COUNTER,
    RECEIPT_COUNTER,
    SqliteStore,
    chain_head,
    time_text,
)
from terminal.store.tables import MOVED, chain_mark, counter, journal, metadata, outbox, z_report

_PLACES: Final = ("", "refund_")


def head_in(store: SqliteStore) -> ChainHead:
    """Where the epoch in use ends; seq 0 and the genesis hash before its first record."""
    with store.reading() as connection:
        head = chain_head(connection)
    if head is None or head.epoch != store.epoch:
        return ChainHead(store.epoch, 0, GENESIS)
    return head


def enter_epoch(
    store: SqliteStore, epoch: int, closed: ChainHead, at: datetime, *, anew: bool
) -> str:
    """Go on in an epoch that the server gave; what is untold moves there, in order.

    ``closed`` is where the server closed the one before. Returns how the journal contradicts
    it, and then nothing has changed; empty where it does not. ``anew``: it is known to, a
    person has looked, and the terminal goes on with what it has: what it told beyond ``closed``
    the server does not have any more, so that counts as untold.
    """
    old = store.epoch
    try:
        with store.writing() as connection:
            if not anew and not _agrees(connection, closed):
                return f"{closed.epoch}/{closed.seq}: the server closed the epoch at another record"
            if anew:
                _tell_again_beyond(connection, closed)
            _move_untold(connection, store, epoch, at)
            statement = upsert(counter).values(name=EPOCH_COUNTER, value=epoch)
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=[counter.c.name], set_={"value": epoch}
                )
            )
            store.use_epoch(epoch)  # before the next one may write
    except BaseException:
        store.use_epoch(old)
        raise
    return ""


def raise_numbers(store: SqliteStore, *, receipt: int, z_no: int) -> None:
    """Give no receipt and no Z report a number that the server knows already."""
    wanted = {RECEIPT_COUNTER: receipt, Z_COUNTER: z_no}
    with store.reading() as connection:
        rows = connection.execute(select(counter).where(counter.c.name.in_(wanted))).all()
    has = {row.name: row.value for row in rows}
    higher = {name: value for name, value in wanted.items() if value > has.get(name, 0)}
    if not higher:
        return
    with store.writing() as connection:
        for name, value in higher.items():
            raise_counter(connection, name, value)


def _agrees(connection: Connection, closed: ChainHead) -> bool:
    if closed.seq == 0:
        return True
    here = journal.c.epoch == closed.epoch, journal.c.seq == closed.seq
    found = connection.execute(select(journal.c.hash).where(*here)).scalar()
    return found == closed.hash_hex


def _tell_again_beyond(connection: Connection, closed: ChainHead) -> None:
    """Into the outbox with everything behind a place, but for what stands in a later one too."""
    beyond = or_(
        journal.c.epoch > closed.epoch,
        and_(journal.c.epoch == closed.epoch, journal.c.seq > closed.seq),
    )
    once = or_(journal.c.outcome.is_(None), journal.c.outcome != MOVED)
    lost = select(journal.c.epoch, journal.c.seq).where(beyond, once)
    connection.execute(upsert(outbox).from_select(["epoch", "seq"], lost).on_conflict_do_nothing())


def _move_untold(connection: Connection, store: SqliteStore, epoch: int, at: datetime) -> None:
    head = chain_head(connection)
    seq, before = 0, GENESIS
    if head is not None and head.epoch == epoch:
        seq, before = head.seq, head.hash_hex
    untold = connection.execute(
        select(journal)
        .join_from(outbox, journal, _same(outbox))
        .where(journal.c.epoch < epoch)
        .order_by(journal.c.epoch, journal.c.seq)
    ).all()
    for row in untold:
        seq += 1
        before = _move(connection, store, row, ChainHead(epoch, seq, before), at)


def _same(table: Table) -> ColumnElement[bool]:
    return (table.c.epoch == journal.c.epoch) & (table.c.seq == journal.c.seq)


def _move(
    connection: Connection,
    store: SqliteStore,
    row: Row[tuple[object, ...]],
    place: ChainHead,
    at: datetime,
) -> str:
    """Seal one record anew at ``place``, whose hash is that of the one before; its own hash."""
    envelope = msgspec.json.decode(row.body, type=Envelope)
    moved = msgspec.structs.replace(
        _z_linked(connection, envelope),
        epoch=place.epoch,
        seq=place.seq,
        prev_hash=place.hash_hex,
    )
    record = seal(moved, store.sealer.key)
    values = {"epoch": place.epoch, "seq": place.seq}
    connection.execute(
        insert(journal).values(
            **values,
            hash=record.hash_hex,
            occurred_at=row.occurred_at,
            kind=row.kind,
            sale_id=row.sale_id,
            body=record.body,
            signature=record.signature,
        )
    )
    old = row.epoch, row.seq
    connection.execute(delete(outbox).where(outbox.c.epoch == old[0], outbox.c.seq == old[1]))
    connection.execute(insert(outbox).values(**values))
    connection.execute(
        update(journal)
        .where(journal.c.epoch == old[0], journal.c.seq == old[1])
        .values(told_at=time_text(at), outcome=MOVED, says=f"{place.epoch}/{place.seq}")
    )
    for table, prefix in _referring():
        its_epoch, its_seq = table.c[f"{prefix}epoch"], table.c[f"{prefix}seq"]
        connection.execute(
            update(table)
            .where(its_epoch == old[0], its_seq == old[1])
            .values({its_epoch: place.epoch, its_seq: place.seq})
        )
    # The next Z report names the record that the server gets, not the one that it never had.
    connection.execute(
        update(z_report)
        .where(z_report.c.epoch == place.epoch, z_report.c.seq == place.seq)
        .values(hash=record.hash_hex)
    )
    return record.hash_hex


def _z_linked(connection: Connection, envelope: Envelope) -> Envelope:
    """A Z report names the one before by its hash, and that one may have moved just now."""
    closed = decode_happening(envelope.happening)
    if not isinstance(closed, ShiftClosed):
        return envelope
    before = connection.execute(
        select(z_report.c.hash).where(z_report.c.z_no == closed.z_no - 1)
    ).scalar()
    if before is None or before == closed.previous_hash:
        return envelope
    linked = msgspec.structs.replace(closed, previous_hash=before)
    return msgspec.structs.replace(envelope, happening=encode_happening(linked))


def _referring() -> list[tuple[Table, str]]:
    """Every table that names a record by its place, with the prefix of the two columns."""
    own = {journal.name, outbox.name, chain_mark.name}
    return [
        (table, prefix)
        for table in metadata.tables.values()
        for prefix in _PLACES
        if table.name not in own and f"{prefix}epoch" in table.c and f"{prefix}seq" in table.c
    ]
