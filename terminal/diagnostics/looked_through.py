"""What a dead terminal's stick or card is worth, before anything of it is handed over."""

from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec import Struct, field

from protocol.journal import GENESIS, Envelope, open_record
from protocol.recovery import RecoverAnswer, SeqRange
from terminal.store.old_media import OldMedium, Unreadable
from terminal.store.sealer import ChainHead
from terminal.store.stick import StickLine

LISTED_MAX: Final = 100


class Damage(Struct, frozen=True):
    """A place that should hold a record and does not. ``last`` is ``first`` for a single one."""

    epoch: int
    first: int
    last: int
    says: str


class LookedThrough(Struct):
    """``authentic`` records are signed by the terminal and have its place in them.

    ``damages`` are places of which the server has nothing either, at most :data:`LISTED_MAX`
    of ``damaged``; ``ends`` the newest place of each epoch that is known to have been.
    ``same_until``: up to there, in each epoch, the server has the very same records.
    """

    lines: int = 0
    authentic: int = 0
    torn: bool = False
    damaged: int = 0
    damages: list[Damage] = field(default_factory=list)
    ends: dict[int, int] = field(default_factory=dict)
    same_until: dict[int, int] = field(default_factory=dict)

    def known_ends(self) -> tuple[SeqRange, ...]:
        """For the server's list of what is missing."""
        return tuple(
            SeqRange(epoch=epoch, first=seq, last=seq) for epoch, seq in sorted(self.ends.items())
        )


def look_through(medium: OldMedium, known: RecoverAnswer, key: Ed25519PublicKey) -> LookedThrough:
    """Read all of it once, and hold it against the terminal's key and what the server has."""
    found = LookedThrough()
    has = whole_until(known)
    heads = {
        ChainHead(each.epoch, each.head_seq, each.head_hash)
        for each in known.epochs
        if has[each.epoch] == each.head_seq
    }
    before: ChainHead | None = None
    for line in medium.lines():
        found.lines += 1
        at = _next_place(before, line.epoch)
        envelope = None
        if not isinstance(line, Unreadable):
            envelope = authentic(line, key, medium.terminal)
        if isinstance(line, Unreadable) or envelope is None:
            _note(found, has, (line.epoch, at), line)
            # Its place is taken; what it held, and so what the next one names, is not known.
            before = ChainHead(line.epoch, at, "")
            continue
        found.authentic += 1
        _follow(found, has, line, envelope, before)
        before = line.head
        found.ends[line.epoch] = max(found.ends.get(line.epoch, 0), line.seq)
        if line.head in heads:
            found.same_until[line.epoch] = line.seq
    return found


def authentic(line: StickLine, key: Ed25519PublicKey, terminal: str) -> Envelope | None:
    """The record, if the terminal signed it and it says where it stands."""
    envelope = open_record(line.record, key, terminal)
    if isinstance(envelope, Envelope) and (envelope.epoch, envelope.seq) == (line.epoch, line.seq):
        return envelope
    return None


def whole_until(known: RecoverAnswer) -> dict[int, int]:
    """Up to where the server has every record, by epoch."""
    until = {each.epoch: each.head_seq for each in known.epochs}
    for lost in known.missing:
        until[lost.epoch] = min(until.get(lost.epoch, 0), lost.first - 1)
    return until


def _next_place(before: ChainHead | None, epoch: int) -> int:
    return before.seq + 1 if before is not None and before.epoch == epoch else 1


def _follow(
    found: LookedThrough,
    has: dict[int, int],
    line: StickLine,
    envelope: Envelope,
    before: ChainHead | None,
) -> None:
    """Note what is missing in front of a record, or that it names another one there."""
    expected = _next_place(before, line.epoch)
    if line.seq > expected:
        _damage(found, has, (line.epoch, expected, line.seq - 1), "records are missing")
        return
    same_epoch = before is not None and before.epoch == line.epoch
    named = before.hash_hex if same_epoch and before is not None else GENESIS
    if line.seq < expected or named not in {"", envelope.prev_hash}:
        place = (line.epoch, line.seq, line.seq)
        _damage(found, {}, place, "it does not follow the record before it")


def _note(
    found: LookedThrough,
    has: dict[int, int],
    place: tuple[int, int],
    line: StickLine | Unreadable,
) -> None:
    epoch, seq = place
    if isinstance(line, Unreadable) and line.at_end:
        found.torn = True
        found.ends[epoch] = max(found.ends.get(epoch, 0), seq)
        return
    says = line.says if isinstance(line, Unreadable) else "not signed by this terminal"
    _damage(found, has, (epoch, seq, seq), says)


def _damage(
    found: LookedThrough, has: dict[int, int], place: tuple[int, int, int], says: str
) -> None:
    epoch, first, last = place
    found.ends[epoch] = max(found.ends.get(epoch, 0), last)
    if last <= has.get(epoch, 0):
        return  # the server has them: nothing is lost by it
    found.damaged += 1
    if len(found.damages) < LISTED_MAX:
        found.damages.append(Damage(epoch, max(first, has.get(epoch, 0) + 1), last, says))
