"""A dead terminal's records from another hand: each goes to its own place in its own chain.

They are authentic by the dead terminal's signature, whoever brings them; what they tell is booked
under its name, once, by the same rules as if it had told them itself. Unlike a living terminal's
they may come into a closed epoch, for there a delayed packet is no more than a duplicate; and
behind records that are lost, which are then noted as a gap.
"""

from dataclasses import dataclass
from typing import Final

from msgspec import Struct
from sqlalchemy import Connection, insert

from protocol.journal import GENESIS, Envelope, RecordProblem, SignedRecord
from protocol.messages import RecordOutcome
from protocol.recovery import RecoveryEnd
from server.directory import Terminal, TerminalState, pool_terms, terminal_of
from server.directory.terminals import give_epoch
from server.facts import FactStamp
from server.facts.refused import Refused
from server.redemption.capture import Told
from server.redemption.chain_tables import chain_gap, terminal_recovery
from server.redemption.differences import is_known_difference, keep_difference
from server.redemption.epochs import DifferenceKnown, close_to
from server.redemption.intake import BadRecord, StandsAlready, book_at
from server.redemption.opening import opened
from server.redemption.queries import chain_head, chain_link

MAX_EPOCH: Final = 2**31 - 1
MAX_SEQ: Final = 2**62


class RecoverRecord(Struct, frozen=True, kw_only=True):
    """A record of ``terminal``, handed over by the terminal ``by``.

    Its fields are those of a journal record's fact, so that whoever reads that reads this.
    """

    terminal: str
    record: SignedRecord
    proof_holds: bool | None
    by: str


class NoteRecovery(Struct, frozen=True, kw_only=True):
    """All that a source had of ``terminal`` was handed over by the terminal ``by``.

    ``closes``: the dead terminal tells nothing by itself any more, until the office lets it. Facts
    from before that was so do not say it.
    """

    terminal: str
    by: str
    ended: RecoveryEnd
    closes: bool = False


class RecoveryNoted(Struct, frozen=True, kw_only=True):
    """It stands on record."""


class RecordDiffers(Struct, frozen=True, kw_only=True):
    """Another record stands in its place; this one is kept for a person."""

    epoch: int
    seq: int


RecoverOutcome = RecordOutcome | StandsAlready | RecordDiffers | DifferenceKnown | BadRecord


@dataclass(frozen=True, slots=True)
class _Handed:
    command: RecoverRecord
    terminal: Terminal
    envelope: Envelope

    @property
    def hash_hex(self) -> str:
        return self.command.record.hash_hex


def may_recover(tx: Connection, pool: str, terminal: str, by: str) -> Terminal | Refused:
    """The dead terminal, where ``by`` may hand over its records: one of the same merchant."""
    dead, hand = terminal_of(tx, pool, terminal), terminal_of(tx, pool, by)
    if dead is None or dead.public_key is None:
        return Refused(
            "unknown",
            f"本积分池没有终端 {terminal}：U盘或存储卡是别的积分池的，或者编号写错了"
            f" / this pool has no terminal {terminal}: another pool's stick, or a wrong id",
        )
    if hand is None or hand.state is not TerminalState.ACTIVE or hand.merchant != dead.merchant:
        return Refused(
            "other_merchant",
            f"终端 {terminal} 不是本商户的，请交给街道办"
            f" / terminal {terminal} is another merchant's: take it to the office",
        )
    return dead


def recover_record(
    tx: Connection, stamp: FactStamp, command: RecoverRecord
) -> RecoverOutcome | Refused:
    """Put a dead terminal's record into its place and book what it tells; again, the same."""
    dead = may_recover(tx, stamp.pool, command.terminal, command.by)
    if isinstance(dead, Refused):
        return dead
    assert dead.public_key is not None
    envelope = opened(command.record, dead.public_key, command.terminal)
    if isinstance(envelope, RecordProblem):
        return BadRecord(envelope)
    if not (1 <= envelope.epoch <= MAX_EPOCH and 1 <= envelope.seq <= MAX_SEQ):
        return BadRecord(RecordProblem.NOT_A_RECORD)
    handed = _Handed(command, dead, envelope)
    there = chain_link(tx, stamp.pool, dead.terminal, epoch=envelope.epoch, seq=envelope.seq)
    if there is not None and there.hash_hex == handed.hash_hex:
        return StandsAlready(there.outcome)
    if there is not None or not _links(tx, stamp.pool, handed):
        return _differs(tx, stamp, handed, there.hash_hex if there is not None else "")
    if envelope.epoch > dead.epoch:
        # Its own signature says that it had this epoch: the server was restored from a backup.
        give_epoch(tx, stamp.pool, dead.terminal, envelope.epoch)
    _note_gap(tx, stamp, handed)
    told = Told(stamp, pool_terms(tx, stamp.pool), dead, envelope, command.proof_holds)
    return book_at(tx, told, command.record.hash_hex)


def _links(tx: Connection, pool: str, handed: _Handed) -> bool:
    """Whether it fits to the neighbours that are here."""
    at, terminal = handed.envelope, handed.terminal.terminal
    before = chain_link(tx, pool, terminal, epoch=at.epoch, seq=at.seq - 1) if at.seq > 1 else None
    after = chain_link(tx, pool, terminal, epoch=at.epoch, seq=at.seq + 1)
    if at.seq == 1 and at.prev_hash != GENESIS:
        return False
    if before is not None and before.hash_hex != at.prev_hash:
        return False
    if after is not None and after.prev_hash != handed.hash_hex:
        return False
    # What follows a record of another history is of that history too, whatever is missing here.
    other = (at.epoch, at.seq - 1)
    return before is not None or not is_known_difference(tx, pool, terminal, other, at.prev_hash)


def _differs(
    tx: Connection, stamp: FactStamp, handed: _Handed, here_hash: str
) -> RecordDiffers | DifferenceKnown:
    at = handed.envelope
    place = f"{at.epoch}/{at.seq}"
    kept = keep_difference(
        tx,
        stamp,
        handed.terminal.terminal,
        (at.epoch, at.seq),
        here_hash=here_hash,
        there_hash=handed.hash_hex,
        there_body=handed.command.record.body,
        boot_id="",
        says=(
            f"{handed.command.by} 交来的第 {place} 条与这里的不同，未入账，请核对"
            f" / record {place}, handed over by {handed.command.by}, differs; not booked"
        ),
    )
    return RecordDiffers(epoch=at.epoch, seq=at.seq) if kept else DifferenceKnown(at.seq)


def _note_gap(tx: Connection, stamp: FactStamp, handed: _Handed) -> None:
    """What is missing between the newest record that is here and this one."""
    at, terminal = handed.envelope, handed.terminal.terminal
    head = chain_head(tx, stamp.pool, terminal, at.epoch)
    if at.seq <= head.seq + 1:
        return
    tx.execute(
        insert(chain_gap).values(
            pool=stamp.pool,
            terminal=terminal,
            epoch=at.epoch,
            first_seq=head.seq + 1,
            last_seq=at.seq - 1,
            fact_no=stamp.fact_no,
        )
    )


def note_recovery(
    tx: Connection, stamp: FactStamp, command: NoteRecovery
) -> RecoveryNoted | Refused:
    """Keep what the source was known to have had, an epoch a row."""
    dead = may_recover(tx, stamp.pool, command.terminal, command.by)
    if isinstance(dead, Refused):
        return dead
    ended = command.ended
    ends = {each.epoch: each.last for each in ended.ends if 1 <= each.epoch <= MAX_EPOCH}
    for epoch, end_seq in sorted((ends or {dead.epoch: 0}).items()):
        tx.execute(
            insert(terminal_recovery).values(
                pool=stamp.pool,
                terminal=dead.terminal,
                fact_no=stamp.fact_no,
                epoch=epoch,
                end_seq=max(0, min(end_seq, MAX_SEQ)),
                by_terminal=command.by,
                source=ended.source.value,
                records=max(0, min(ended.records, MAX_SEQ)),
            )
        )
    if command.closes and command.by != dead.terminal:
        close_to(tx, stamp, dead, by=command.by)
    return RecoveryNoted()
