"""Epochs: a terminal's chain from one start to the next. Only the server gives them out.

A start closes the epoch that was and gets the next one. So a packet that was delayed from
before the start finds its epoch closed, and a copy of a terminal's storage that starts too
finds that its epoch is used up.
"""

from enum import Enum, auto

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Connection, Row, insert, select

from protocol.journal import GENESIS, Envelope, SignedRecord
from server.directory import Terminal, TerminalState, terminal_of
from server.directory.terminals import give_epoch
from server.facts import FactStamp, Refusal
from server.facts.refused import Refused
from server.redemption.chain_tables import (
    BY_BOOT,
    BY_OPERATOR,
    terminal_epoch,
    terminal_recovery,
)
from server.redemption.differences import are_enough_kept, differences, keep_difference
from server.redemption.opening import opened
from server.redemption.queries import ChainHead, chain_head, chain_link
from server.redemption.tables import journal_record


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
    """The same difference was kept before, or as many of the terminal's as say something."""

    seq: int


EpochOutcome = EpochOpened | EpochStands | TellFirst | EpochDiffers | DifferenceKnown | Refused


def open_epoch(tx: Connection, stamp: FactStamp, command: OpenEpoch) -> EpochOutcome:
    """Close the epoch that a terminal comes from and give it the next, if its chain is ours."""
    found = terminal_of(tx, stamp.pool, command.terminal)
    if found is None or found.state is not TerminalState.ACTIVE or found.public_key is None:
        return Refused("unknown", f"没有终端 {command.terminal} / there is no such terminal")
    head = chain_head(tx, stamp.pool, command.terminal, command.epoch)
    closed = is_nobodys(tx, stamp.pool, command.terminal, found.epoch)
    if command.differing is not None or closed:
        return _differs(tx, stamp, command, head, found.public_key)
    if command.epoch == found.epoch:
        if command.head_seq > head.seq:
            return TellFirst(head.seq + 1)
        if (command.head_seq, command.head_hash) != (head.seq, head.hash_hex):
            return _differs(tx, stamp, command, head, found.public_key)
        if head.seq == 0:
            return EpochStands(_opened(found.epoch, head))
        next_one = _opened(found.epoch + 1, head)
        boot_id = command.boot_id
        return _opened_by(
            tx, stamp, command.terminal, next_one, opener=BY_BOOT, boot_id=boot_id, reason=""
        )
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


def close_to(tx: Connection, stamp: FactStamp, dead: Terminal, *, by: str) -> None:
    """Close the epoch of a terminal whose records ``by`` has handed over. The one after it is
    nobody's: whoever comes with the dead one's key stands among the differences, until an operator
    opens one for it.
    """
    if is_nobodys(tx, stamp.pool, dead.terminal, dead.epoch):
        return
    head = chain_head(tx, stamp.pool, dead.terminal, dead.epoch)
    _opened_by(
        tx,
        stamp,
        dead.terminal,
        _opened(dead.epoch + 1, head),
        opener=BY_BOOT,
        boot_id="",
        reason=by,
    )


def is_nobodys(tx: Connection, pool: str, terminal: str, epoch: int) -> bool:
    """Whether a recovery opened this epoch, so that nothing is told in it by anybody."""
    opened_at = select(terminal_epoch.c.fact_no).where(
        terminal_epoch.c.pool == pool,
        terminal_epoch.c.terminal == terminal,
        terminal_epoch.c.epoch == epoch,
    )
    noted = select(terminal_recovery.c.fact_no).where(
        terminal_recovery.c.pool == pool,
        terminal_recovery.c.terminal == terminal,
        terminal_recovery.c.fact_no == opened_at.scalar_subquery(),
    )
    return tx.execute(noted).first() is not None


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
    opener: str,
    boot_id: str,
    reason: str,
) -> EpochOpened:
    """``reason``: an operator's; none where the terminal itself has started."""
    tx.execute(
        insert(terminal_epoch).values(
            pool=stamp.pool,
            terminal=terminal,
            epoch=opened.epoch,
            opened_by=opener,
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
    if are_enough_kept(tx, stamp.pool, command.terminal):
        return DifferenceKnown(seq)
    link = chain_link(tx, stamp.pool, command.terminal, epoch=epoch, seq=seq)
    found = terminal_of(tx, stamp.pool, command.terminal)
    is_replaced = found is not None and is_nobodys(tx, stamp.pool, command.terminal, found.epoch)
    kept = keep_difference(
        tx,
        stamp,
        command.terminal,
        (epoch, seq),
        here_hash=link.hash_hex if link is not None else "",
        there_hash=there_hash,
        there_body=body,
        boot_id=command.boot_id,
        says=_words(epoch, seq, head, is_replaced=is_replaced),
    )
    return EpochDiffers(seq=seq) if kept else DifferenceKnown(seq)


def _words(epoch: int, seq: int, head: ChainHead, *, is_replaced: bool) -> str:
    if is_replaced:
        return (
            f"流水交回以后它又开机了，到第 {epoch}/{seq} 条：旧卡有人在用？"
            f" / it started after its records were handed over, at {epoch}/{seq}: an old card in use?"
        )
    if seq < head.seq:
        return (
            f"终端只有到第 {epoch}/{seq} 条，服务器有到第 {head.seq} 条：存储卡可能被还原过"
            f" / the terminal ends at {seq}, we have records up to {head.seq}: rolled back?"
        )
    return (
        f"第 {epoch}/{seq} 条两边不同：存储卡可能被还原或复制过"
        f" / record {epoch}/{seq} differs: rolled back, or copied?"
    )


def is_in_its_own_epoch(tx: Connection, pool: str, terminal: str) -> bool:
    """Whether a terminal goes on by itself: no difference is open, and no operator opened the
    epoch that it has here. An epoch opened for it now could be one that it has used already (after
    a restore), and what it wrote before that one would never be asked for.
    """
    found = terminal_of(tx, pool, terminal)
    if found is None:
        return False
    row = _epoch_row(tx, pool, terminal, found.epoch)
    if row is not None and row.opened_by == BY_OPERATOR:
        return False
    return not any(each.open and not each.handed_over for each in differences(tx, pool, terminal))


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
    return _opened_by(
        tx, stamp, command.terminal, next_one, opener=BY_OPERATOR, boot_id="", reason=reason
    )
