"""A dead terminal's records, handed over by another terminal of the same merchant.

    POST /v1/terminals/<terminal>/recover       RecoverRequest   -> RecoverAnswer

Asked without records, the server says what it knows of the dead terminal, and with which key its
records are signed. Then come the records, oldest first, in as many requests as it takes; each
request is taken in whole or not at all, and asking twice does no more than once. The last one
says what the source was known to have had (``finished``), so that what is missing stays open.
"""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from msgspec import Struct

from protocol.journal import SignedRecord

MAX_RANGES = 200
MAX_OPEN_ASKS = 50


class RecoverySource(StrEnum):
    """Where the records come from."""

    STICK = "stick"
    CARD = "card"
    NOTHING = "nothing"


class RecoveredKind(StrEnum):
    """What became of a record that was handed over."""

    BOOKED = "booked"
    OVERDRAFT = "overdraft"
    """Booked; the resident's points did not cover all of it. The merchant is paid."""
    KNOWN = "known"
    """The server had this very record."""
    DUPLICATE = "duplicate"
    """The record is new here, what it tells was in the books already."""
    PARKED = "parked"
    """Stored, and waiting for a person; ``says`` tells why."""
    DIFFERS = "differs"
    """Another record stands in its place: kept, for a person to look at."""
    REFUSED = "refused"
    """No authentic record of that terminal; not kept."""


class SeqRange(Struct, frozen=True, kw_only=True):
    """Records ``first`` to ``last`` of an epoch, both included."""

    epoch: int
    first: int
    last: int


class EpochKnown(Struct, frozen=True, kw_only=True):
    """How far an epoch goes at the server; ``head_seq`` 0 where nothing of it was told."""

    epoch: int
    head_seq: int
    head_hash: str


class OpenAsk(Struct, frozen=True, kw_only=True):
    """A sale for which the terminal asked for points, and of which nothing was heard since."""

    sale_id: UUID
    points: int
    account: str


class RecoveryEnd(Struct, frozen=True, kw_only=True):
    """What a source was: ``ends`` are the newest places that it is known to have had."""

    source: RecoverySource
    records: int
    ends: tuple[SeqRange, ...] = ()


class RecoverRequest(Struct, frozen=True, kw_only=True):
    """About terminal ``of``. ``records`` need not follow one another where some are lost."""

    of: str
    records: tuple[SignedRecord, ...] = ()
    finished: RecoveryEnd | None = None


class Recovered(Struct, frozen=True, kw_only=True):
    """One record's outcome, in the order in which they were sent."""

    kind: RecoveredKind
    says: str = ""


class RecoverAnswer(Struct, frozen=True, kw_only=True):
    """The outcomes, and what the server knows of the terminal now.

    ``missing`` are records that are known to have been and are not here, at most
    :data:`MAX_RANGES` ranges; ``missing_records`` counts them all. ``last_receipt`` is the
    highest receipt number among what it told; papers beyond it are not known here.
    """

    of: str
    shop_name: str
    public_key: str
    epochs: tuple[EpochKnown, ...]
    records: int
    missing: tuple[SeqRange, ...]
    missing_records: int
    open_asks: tuple[OpenAsk, ...]
    last_receipt: str
    heard_at: datetime | None
    outcomes: tuple[Recovered, ...] = ()
