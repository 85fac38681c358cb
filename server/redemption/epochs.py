"""Epochs: a terminal's chain from one start to the next. Only the server gives them out.

A start closes the epoch that was and gets the next one. So a packet that was delayed from
before the start finds its epoch closed, and a copy of a terminal's storage that starts too
finds that its epoch is used up.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Connection, Row, func, insert, select

from protocol.journal import GENESIS, Envelope, SignedRecord
from server.directory import TerminalState, terminal_of
from server.directory.terminals import give_epoch
from server.facts import FactStamp, Refusal
from server.facts.refused import Refused
from server.facts.tables import fact
from server.redemption.chain_tables import journal_difference, terminal_epoch
from server.redemption.opening import opened
from server.redemption.queries import ChainHead, chain_head, chain_link
from server.redemption.tables import journal_record

BY_BOOT = "boot"
BY_OPERATOR = "operator"
LISTED_MAX = 1_000


class OpenEpoch(Struct, frozen=True, kw_only=True):
    """A terminal has started: where its chain ends, by what it has.

    ``differing`` is a record of its own that it was told is another one here.
    """

    terminal: str
    boot_id: str
    epoch: int
    head_seq: int
    head_hash: str
    differing: SignedRecord | None = None


class ReopenTerminal(Struct, frozen=True, kw_only=True):
    """Somebody has looked at the difference: the terminal may go on, in a new epoch.

    ``above``: the highest epoch that this terminal is known to have written in; 0 where that is
    none but those that are here. After a restore it may be one that was given out and is lost.
    """

    terminal: str
    reason: str
    above: int = 0


class EpochOpened(Struct, frozen=True, kw_only=True):
    """The epoch to write in from now on, and where the one before it ends here."""

    epoch: int
    closed_epoch: int
    closed_seq: int
    closed_hash: str
    anew: bool = False


class EpochStands(Struct, Refusal, frozen=True):
    """Nothing to open: it was opened before, and nothing was written in it."""

    opened: EpochOpened


class TellFirst(Struct, Refusal, frozen=True):
    """The terminal has records that are not here yet, from ``expected_seq`` on."""

    expected_seq: int


class EpochDiffers(Struct, frozen=True, kw_only=True):
    """The terminal's chain is another than ours; kept, for a person to look at."""

    seq: int


class DifferenceKnown(Struct, Refusal, frozen=True):
    """The same difference was kept before."""

    seq: int


EpochOutcome = EpochOpened | EpochStands | TellFirst | EpochDiffers | DifferenceKnown | Refused


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference as the operator sees it. ``open``: the terminal was not let go on since."""

    terminal: str
    epoch: int
    seq: int
    here_hash: str
    there_hash: str
    there_body: bytes | None
    says: str
    found_at: datetime
    open: bool


def open_epoch(tx: Connection, stamp: FactStamp, command: OpenEpoch) -> EpochOutcome:
    """Close the epoch that a terminal comes from and give it the next, if its chain is ours."""
    found = terminal_of(tx, stamp.pool, command.terminal)
    if found is None or found.state is not TerminalState.ACTIVE or found.public_key is None:
        return Refused("unknown", f"没有终端 {command.terminal} / there is no such terminal")
    head = chain_head(tx, stamp.pool, command.terminal, command.epoch)
    if command.differing is not None:
        return _differs(tx, stamp, command, head, found.public_key)
    if command.epoch == found.epoch:
        if command.head_seq > head.seq:
            return TellFirst(head.seq + 1)
        if (command.head_seq, command.head_hash) != (head.seq, head.hash_hex):
            return _differs(tx, stamp, command, head, found.public_key)
        if head.seq == 0:
            return EpochStands(_opened(found.epoch, head))
        next_one = _opened(found.epoch + 1, head)
        return _opened_by(tx, stamp, command.terminal, next_one, boot_id=command.boot_id, reason="")
    if command.epoch < found.epoch:
        follows = _may_follow(tx, stamp.pool, found.epoch, command, head)
        if follows is _Follows.ANEW:
            ends = _newest_before(tx, stamp.pool, command.terminal, found.epoch)
            return EpochStands(replace(_opened(found.epoch, ends), anew=True))
        if follows is _Follows.GOES_ON:
            return EpochStands(_opened(found.epoch, head))
    return _differs(tx, stamp, command, head, found.public_key)


def _opened(epoch: int, head: ChainHead) -> EpochOpened:
    return EpochOpened(
        epoch=epoch, closed_epoch=head.epoch, closed_seq=head.seq, closed_hash=head.hash_hex
    )


class _Follows(Enum):
    GOES_ON = auto()
    ANEW = auto()


def _may_follow(
    tx: Connection, pool: str, current: int, command: OpenEpoch, head: ChainHead
) -> _Follows | None:
    """Whether a terminal that comes from an older epoch may have the one that is open.

    It is its own if nothing was written in it: then only the answer was lost, or an operator
    opened it for this terminal.
    """
    if chain_head(tx, pool, command.terminal, current).seq:
        return None
    row = _epoch_row(tx, pool, command.terminal, current)
    if row is not None and row.opened_by == BY_OPERATOR:
        return _Follows.ANEW
    same_end = command.head_seq > head.seq or (
        (command.head_seq, command.head_hash) == (head.seq, head.hash_hex)
    )
    return _Follows.GOES_ON if command.epoch == current - 1 and same_end else None


def _newest_before(tx: Connection, pool: str, terminal: str, epoch: int) -> ChainHead:
    """The newest record that is here from before an epoch, in whichever epoch it stands."""
    here = journal_record.c
    row = tx.execute(
        select(here.epoch, here.seq, here.hash)
        .where(here.pool == pool, here.terminal == terminal, here.epoch < epoch)
        .order_by(here.epoch.desc(), here.seq.desc())
        .limit(1)
    ).first()
    if row is None:
        return ChainHead(epoch - 1, 0, GENESIS)
    return ChainHead(row.epoch, row.seq, row.hash)


def _epoch_row(
    tx: Connection, pool: str, terminal: str, epoch: int
) -> Row[tuple[object, ...]] | None:
    return tx.execute(
        select(terminal_epoch).where(
            terminal_epoch.c.pool == pool,
            terminal_epoch.c.terminal == terminal,
            terminal_epoch.c.epoch == epoch,
        )
    ).first()


def _opened_by(
    tx: Connection,
    stamp: FactStamp,
    terminal: str,
    opened: EpochOpened,
    *,
    boot_id: str,
    reason: str,
) -> EpochOpened:
    """``reason``: an operator's; none where the terminal itself has started."""
    tx.execute(
        insert(terminal_epoch).values(
            pool=stamp.pool,
            terminal=terminal,
            epoch=opened.epoch,
            opened_by=BY_OPERATOR if reason else BY_BOOT,
            boot_id=boot_id,
            closed_seq=opened.closed_seq,
            closed_hash=opened.closed_hash,
            reason=reason,
            fact_no=stamp.fact_no,
        )
    )
    give_epoch(tx, stamp.pool, terminal, opened.epoch)
    return opened


def _differs(
    tx: Connection, stamp: FactStamp, command: OpenEpoch, head: ChainHead, public_key: str
) -> EpochDiffers | DifferenceKnown:
    epoch, seq, there_hash, body = command.epoch, command.head_seq, command.head_hash, None
    if command.differing is not None:
        envelope = opened(command.differing, public_key, command.terminal)
        if isinstance(envelope, Envelope):
            epoch, seq = envelope.epoch, envelope.seq
            there_hash, body = command.differing.hash_hex, command.differing.body
    link = chain_link(tx, stamp.pool, command.terminal, epoch=epoch, seq=seq)
    kept = keep_difference(
        tx,
        stamp,
        command.terminal,
        (epoch, seq),
        here_hash=link.hash_hex if link is not None else "",
        there_hash=there_hash,
        there_body=body,
        boot_id=command.boot_id,
        says=_words(epoch, seq, head),
    )
    return EpochDiffers(seq=seq) if kept else DifferenceKnown(seq)


def is_known_difference(
    tx: Connection, pool: str, terminal: str, place: tuple[int, int], there_hash: str
) -> bool:
    """Whether a terminal's record at ``place`` is kept as another than ours."""
    epoch, seq = place
    same = select(journal_difference.c.fact_no).where(
        journal_difference.c.pool == pool,
        journal_difference.c.terminal == terminal,
        journal_difference.c.epoch == epoch,
        journal_difference.c.seq == seq,
        journal_difference.c.there_hash == there_hash,
    )
    return tx.execute(same).first() is not None


def keep_difference(
    tx: Connection,
    stamp: FactStamp,
    terminal: str,
    place: tuple[int, int],
    *,
    here_hash: str,
    there_hash: str,
    there_body: bytes | None,
    boot_id: str,
    says: str,
) -> bool:
    """Keep how a terminal's record at ``place`` is another than ours; False where it is kept."""
    if is_known_difference(tx, stamp.pool, terminal, place, there_hash):
        return False
    epoch, seq = place
    tx.execute(
        insert(journal_difference).values(
            pool=stamp.pool,
            terminal=terminal,
            fact_no=stamp.fact_no,
            epoch=epoch,
            seq=seq,
            here_hash=here_hash,
            there_hash=there_hash,
            there_body=there_body,
            boot_id=boot_id,
            says=says,
        )
    )
    return True


def _words(epoch: int, seq: int, head: ChainHead) -> str:
    if seq < head.seq:
        return (
            f"终端只有到第 {epoch}/{seq} 条，服务器有到第 {head.seq} 条：存储卡可能被还原过"
            f" / the terminal ends at {seq}, we have records up to {head.seq}: rolled back?"
        )
    return (
        f"第 {epoch}/{seq} 条两边不同：存储卡可能被还原或复制过"
        f" / record {epoch}/{seq} differs: rolled back, or copied?"
    )


def reopen_terminal(
    tx: Connection, stamp: FactStamp, command: ReopenTerminal
) -> EpochOpened | Refused:
    """Close the epoch as it is here, and open the next for whatever this terminal still has.

    What the terminal tells again there and is booked already makes no second booking: a sale's
    id has one outcome.
    """
    found = terminal_of(tx, stamp.pool, command.terminal)
    if found is None or found.state is not TerminalState.ACTIVE:
        return Refused("unknown", f"没有终端 {command.terminal} / there is no such terminal")
    head = chain_head(tx, stamp.pool, command.terminal, found.epoch)
    row = _epoch_row(tx, stamp.pool, command.terminal, found.epoch)
    waits = row is not None and row.opened_by == BY_OPERATOR and head.seq == 0
    if waits and command.above < found.epoch:
        return Refused("open", f"{command.terminal} 已经放行 / it may go on already")
    reason = command.reason.strip()
    if not reason:
        return Refused("no_reason", "请写明原因 / say why")
    next_one = _opened(max(found.epoch, command.above) + 1, head)
    return _opened_by(tx, stamp, command.terminal, next_one, boot_id="", reason=reason)


def highest_epoch_there(tx: Connection, pool: str, terminal: str) -> int:
    """The highest epoch in which a terminal was found to differ; 0 where it never was."""
    highest = tx.execute(
        select(func.max(journal_difference.c.epoch)).where(
            journal_difference.c.pool == pool, journal_difference.c.terminal == terminal
        )
    ).scalar()
    return highest or 0


def differences(
    tx: Connection, pool: str, terminal: str | None = None, limit: int = LISTED_MAX
) -> Sequence[Difference]:
    """What was found, newest first."""
    wanted = (
        select(journal_difference, fact.c.recorded_at)
        .join(
            fact,
            (fact.c.pool == journal_difference.c.pool)
            & (fact.c.fact_no == journal_difference.c.fact_no),
        )
        .where(journal_difference.c.pool == pool)
        .order_by(journal_difference.c.fact_no.desc())
        .limit(limit)
    )
    if terminal is not None:
        wanted = wanted.where(journal_difference.c.terminal == terminal)
    reopened = {
        row.terminal: row.fact_no
        for row in tx.execute(
            select(terminal_epoch)
            .where(terminal_epoch.c.pool == pool, terminal_epoch.c.opened_by == BY_OPERATOR)
            .order_by(terminal_epoch.c.fact_no)
        )
    }
    return [
        Difference(
            terminal=row.terminal,
            epoch=row.epoch,
            seq=row.seq,
            here_hash=row.here_hash,
            there_hash=row.there_hash,
            there_body=row.there_body,
            says=row.says,
            found_at=row.recorded_at,
            open=reopened.get(row.terminal, 0) < row.fact_no,
        )
        for row in tx.execute(wanted)
    ]
