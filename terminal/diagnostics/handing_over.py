"""Hands a dead terminal's records over to the server, and counts what became of them."""

from collections.abc import Iterator
from typing import Final, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec import Struct, field

from protocol.journal import MAX_RECORDS_A_BATCH, Envelope, decode_happening
from protocol.recovery import (
    RecoverAnswer,
    Recovered,
    RecoveredKind,
    RecoverRequest,
    RecoveryEnd,
)
from protocol.sales import SaleCaptured
from terminal.diagnostics.looked_through import LookedThrough, authentic
from terminal.domain.ports import Unreachable, UnreachableReason
from terminal.pool.link import ServerProblem
from terminal.store.old_media import OldMedium, Unreadable
from terminal.store.stick import StickLine

MAX_BATCH_BYTES: Final = 1024 * 1024
LISTED_MAX: Final = 200
NEW: Final = frozenset({RecoveredKind.BOOKED, RecoveredKind.OVERDRAFT})
_NONSENSE: Final = Unreachable(UnreachableReason.NONSENSE)


class RecoverLink(Protocol):
    """The server, as a recovery needs it."""

    def recover(self, request: RecoverRequest) -> RecoverAnswer | ServerProblem | Unreachable: ...


class NotHandedOverError(Exception):
    """The server took nothing more; what it took before stands. Running again goes on."""

    def __init__(self, why: ServerProblem | Unreachable, handed: int) -> None:
        super().__init__(str(why))
        self.why = why
        self.handed = handed


class Waiting(Struct, frozen=True):
    """A record that a person has to look at."""

    place: str
    says: str


class HandedOver(Struct):
    """``kinds`` counts records by what became of them; sales are those that are new in the books."""

    kinds: dict[RecoveredKind, int] = field(default_factory=dict)
    sales: int = 0
    points: int = 0
    cash_fen: int = 0
    waiting: list[Waiting] = field(default_factory=list)

    def count(self, *kinds: RecoveredKind) -> int:
        """How many records became one of these."""
        return sum(self.kinds.get(each, 0) for each in kinds)

    @property
    def total(self) -> int:
        return sum(self.kinds.values())


def hand_over(
    link: RecoverLink, medium: OldMedium, looked: LookedThrough, key: Ed25519PublicKey
) -> tuple[HandedOver, RecoverAnswer]:
    """Every authentic record, oldest first, and then what the source was.

    What the server is known to have is not sent again. Each request is taken in whole or not at
    all; after a stop in the middle the same again does the rest.

    Raises:
        NotHandedOverError: the server refuses, or cannot be reached.
    """
    done = HandedOver()
    for batch in _batches(medium, looked, key, done):
        records = tuple(line.record for line, _ in batch)
        answer = _asked(link, RecoverRequest(of=medium.terminal, records=records), done)
        for (line, envelope), became in zip(batch, answer.outcomes, strict=True):
            _count(done, line, envelope, became)
    ended = RecoveryEnd(source=medium.source, records=looked.authentic, ends=looked.known_ends())
    return done, _asked(link, RecoverRequest(of=medium.terminal, finished=ended), done)


def _asked(link: RecoverLink, request: RecoverRequest, done: HandedOver) -> RecoverAnswer:
    answer = link.recover(request)
    if not isinstance(answer, RecoverAnswer):
        raise NotHandedOverError(answer, done.total)
    if len(answer.outcomes) != len(request.records):
        raise NotHandedOverError(_NONSENSE, done.total)
    return answer


def _batches(
    medium: OldMedium, looked: LookedThrough, key: Ed25519PublicKey, done: HandedOver
) -> Iterator[list[tuple[StickLine, Envelope]]]:
    batch: list[tuple[StickLine, Envelope]] = []
    size = 0
    for line in medium.lines():
        if isinstance(line, Unreadable):
            continue
        if line.seq <= looked.same_until.get(line.epoch, 0):
            done.kinds[RecoveredKind.KNOWN] = done.count(RecoveredKind.KNOWN) + 1
            continue
        envelope = authentic(line, key, medium.terminal)
        if envelope is None:
            continue
        if batch and (len(batch) == MAX_RECORDS_A_BATCH or size + len(line.body) > MAX_BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append((line, envelope))
        size += len(line.body)
    if batch:
        yield batch


def _count(done: HandedOver, line: StickLine, envelope: Envelope, became: Recovered) -> None:
    done.kinds[became.kind] = done.count(became.kind) + 1
    happening = decode_happening(envelope.happening)
    if became.kind in NEW and isinstance(happening, SaleCaptured):
        done.sales += 1
        done.points += happening.payment.points
        done.cash_fen += happening.payment.cash_fen
    to_look_at = {RecoveredKind.PARKED, RecoveredKind.DIFFERS, RecoveredKind.REFUSED}
    if became.kind in to_look_at and len(done.waiting) < LISTED_MAX:
        says = became.says or became.kind.value
        done.waiting.append(Waiting(f"{line.epoch}/{line.seq}", says))
