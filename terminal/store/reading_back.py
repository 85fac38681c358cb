"""Records that only the second medium still has, put back into the journal.

After somebody has put an old image of the card in, the stick knows more than the journal. What
follows the journal's newest record, link by link and signed by this terminal, is this terminal's
own past: it goes back to its place, and the server is told what it has not heard. Anything else
changes nothing.
"""

from collections.abc import Callable, Iterable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec import Struct, field
from msgspec.json import decode as read_json
from msgspec.structs import replace
from sqlalchemy import Connection, and_, delete, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.exc import IntegrityError

from protocol.journal import (
    GENESIS,
    Envelope,
    RecordProblem,
    decode_happening,
    encode_happening,
    open_record,
)
from protocol.shifts import ShiftClosed
from terminal.store.about import about
from terminal.store.chain_check import Mark, read_mark
from terminal.store.counters import raise_counter
from terminal.store.rebuilt import kind_of, rebuild
from terminal.store.sealer import ChainHead
from terminal.store.sqlite import EPOCH_COUNTER, SqliteStore, chain_head, time_text
from terminal.store.stick import GIVE_SIGN_EVERY, Stick, StickFaultError, StickLine
from terminal.store.tables import MOVED, journal, outbox


class TailError(Exception):
    """What the stick has is not this journal's continuation; nothing was changed."""


class _Before(Struct):
    """Where a happening stands already: to tell a record that moved into a later epoch."""

    places: dict[tuple[str, str, str | None], list[tuple[int, int]]] = field(default_factory=dict)
    is_loaded: bool = False


def link_problem(
    line: StickLine, before: ChainHead | None, key: Ed25519PublicKey, terminal: str
) -> Envelope | str:
    """The record, or what is wrong with it as the one that follows ``before``."""
    envelope = open_record(line.record, key, terminal)
    place = f"{line.epoch}/{line.seq}"
    if isinstance(envelope, RecordProblem):
        return f"{place}: no authentic record: {envelope.value}"
    if (envelope.epoch, envelope.seq) != (line.epoch, line.seq):
        return f"{place}: the record is of another place, {envelope.epoch}/{envelope.seq}"
    begins = before is None or before.epoch < line.epoch
    expected = 1 if begins or before is None else before.seq + 1
    if line.seq != expected or (before is not None and line.epoch < before.epoch):
        return f"{place}: {line.epoch}/{expected} is missing"
    if envelope.prev_hash != (GENESIS if begins or before is None else before.hash_hex):
        return f"{place}: it does not follow the record before it"
    return envelope


def difference(store: SqliteStore, stick: ChainHead) -> str:
    """How the stick's newest record contradicts the journal; empty where it does not."""
    with store.reading() as connection:
        here = connection.execute(
            select(journal.c.hash).where(journal.c.epoch == stick.epoch, journal.c.seq == stick.seq)
        ).scalar()
        pruned = read_mark(connection, Mark.PRUNED)
    if here == stick.hash_hex:
        return ""
    place = f"{stick.epoch}/{stick.seq}"
    if here is not None:
        return f"record {place} is another one on the second medium"
    if stick == pruned:
        return ""
    if pruned is not None and (stick.epoch, stick.seq) < (pruned.epoch, pruned.seq):
        return ""  # told and deleted here long ago; the stick was away meanwhile
    return f"the second medium has record {place}, which the journal lacks"


def take_back(
    store: SqliteStore, stick: Stick, ahead: str, alive: Callable[[], None] = lambda: None
) -> int:
    """Put back what the stick has beyond the journal; how many records that were.

    ``ahead`` says what is known of the difference; an error's sentence begins with it.

    Raises:
        TailError: what it has is not the journal's continuation, or cannot be read to its end; it
            is ahead for certain, so nothing must be sold on this image.
        StoreFaultError: the disk did not take it.
    """
    with store.reading() as connection:
        here = chain_head(connection)
    sealer = store.sealer
    key, terminal = sealer.key.public_key(), sealer.identity.terminal
    try:
        if here is None:
            tail = stick.lines_after(None, alive=alive)
        else:
            tail = stick.lines_after(ChainHead(here.epoch, here.seq - 1, ""), alive=alive)
            own = next(tail, None)
            if own is None or own.head != here:
                raise TailError(ahead)
        return read_back(store, tail, here, key=key, terminal=terminal, alive=alive)
    except StickFaultError as fault:
        raise TailError(f"{ahead}; it cannot be read to its end: {fault}") from fault


def read_back(
    store: SqliteStore,
    tail: Iterable[StickLine],
    head: ChainHead | None,
    *,
    key: Ed25519PublicKey,
    terminal: str,
    alive: Callable[[], None] = lambda: None,
) -> int:
    """Put the records behind ``head`` into the journal: all of them in one step, or none.

    ``head`` is the journal's newest record as the stick has it too. Doing it twice does it once.
    All of them are told again: what the server has it answers as it did then. ``alive`` is
    called every few records.

    Returns:
        How many there were.

    Raises:
        TailError: one of them is not authentic or not in its place, or the journal goes on
            otherwise than the stick.
        terminal.store.stick.StickFaultError: the stick cannot be read.
        StoreFaultError: the disk did not take it.
    """
    old = store.epoch
    try:
        with store.writing() as connection:
            if chain_head(connection) != head:
                raise TailError("the journal has gone on meanwhile")  # noqa: TRY301 - undoes the step
            epoch, count = _put_all(connection, tail, head, (old, key, terminal), alive)
            raise_counter(connection, EPOCH_COUNTER, epoch)
            store.use_epoch(epoch)  # before the next one may write
    except BaseException:
        store.use_epoch(old)
        raise
    return count


def _put_all(
    connection: Connection,
    tail: Iterable[StickLine],
    head: ChainHead | None,
    own: tuple[int, Ed25519PublicKey, str],
    alive: Callable[[], None],
) -> tuple[int, int]:
    """The newest epoch and how many records there were."""
    (epoch, key, terminal), count = own, 0
    before, known = head, _Before()
    for line in tail:
        envelope = link_problem(line, before, key, terminal)
        if isinstance(envelope, str):
            raise TailError(envelope)
        if before is None and line.epoch != epoch:
            raise TailError(f"{epoch}/1 is missing")
        if before is not None and line.epoch > before.epoch and not known.is_loaded:
            _remember(connection, known, line.epoch)
        try:
            _put(connection, line, envelope, known)
        except IntegrityError as error:
            says = f"{line.epoch}/{line.seq}: a number is there already: {error.orig}"
            raise TailError(says) from error
        before, epoch, count = line.head, max(epoch, line.epoch), count + 1
        if count % GIVE_SIGN_EVERY == 0:
            alive()
    return epoch, count


def _put(connection: Connection, line: StickLine, envelope: Envelope, known: _Before) -> None:
    at, kind = time_text(envelope.occurred_at), kind_of(envelope)
    sale_id = about(decode_happening(envelope.happening))
    connection.execute(
        insert(journal).values(
            epoch=line.epoch,
            seq=line.seq,
            hash=line.hash,
            occurred_at=at,
            kind=kind,
            sale_id=sale_id,
            body=line.body,
            signature=line.signature,
        )
    )
    connection.execute(
        upsert(outbox).values(epoch=line.epoch, seq=line.seq).on_conflict_do_nothing()
    )
    same = (at, kind, sale_id)
    for place in known.places.get(same, ()):
        if place[0] < line.epoch and _is_same(connection, place, envelope):
            _mark_moved(connection, place, line)
    if known.is_loaded:
        known.places.setdefault(same, []).append((line.epoch, line.seq))
    rebuild(connection, envelope, line.head, envelope.terminal)


def _remember(connection: Connection, known: _Before, epoch: int) -> None:
    """Before the first record of a new epoch: what of the earlier ones may stand in it again."""
    known.is_loaded = True
    rows = connection.execute(
        select(
            journal.c.epoch,
            journal.c.seq,
            journal.c.occurred_at,
            journal.c.kind,
            journal.c.sale_id,
        ).where(journal.c.epoch < epoch, journal.c.outcome.is_distinct_from(MOVED))
    )
    for row in rows:
        same = (row.occurred_at, row.kind, row.sale_id)
        known.places.setdefault(same, []).append((row.epoch, row.seq))


def _is_same(connection: Connection, place: tuple[int, int], envelope: Envelope) -> bool:
    """Whether the record there tells this very happening: sealed anew it has all but its place."""
    body = connection.execute(
        select(journal.c.body).where(journal.c.epoch == place[0], journal.c.seq == place[1])
    ).scalar_one()
    return _content(read_json(body, type=Envelope)) == _content(envelope)


def _content(envelope: Envelope) -> tuple[object, ...]:
    happening = envelope.happening
    closed = decode_happening(happening)
    if isinstance(closed, ShiftClosed):  # it names the Z report before, which may have moved too
        happening = encode_happening(replace(closed, previous_hash=""))
    return envelope.occurred_at, envelope.monotonic_ms, envelope.boot_id, bytes(happening)


def _mark_moved(connection: Connection, place: tuple[int, int], line: StickLine) -> None:
    here = and_(journal.c.epoch == place[0], journal.c.seq == place[1])
    told_at = select(journal.c.occurred_at).where(
        journal.c.epoch == line.epoch, journal.c.seq == line.seq
    )
    connection.execute(
        update(journal)
        .where(here)
        .values(told_at=told_at.scalar_subquery(), outcome=MOVED, says=f"{line.epoch}/{line.seq}")
    )
    connection.execute(delete(outbox).where(outbox.c.epoch == place[0], outbox.c.seq == place[1]))
