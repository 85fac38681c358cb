"""What the ledger is given and what it answers. Refusals are values; faults are exceptions."""

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

MAX_LEGS = 1_000
MAX_AMOUNT = 10**15
"""Far above any pool (10 million million yuan in fen), far below what 64 bits can sum."""


class Asset(StrEnum):
    """What an account counts: points, or fen (0.01 yuan)."""

    POINTS = "points"
    FEN = "fen"


class Normal(StrEnum):
    """The side on which an account grows: debit for assets and costs, credit for debts and funds."""

    DEBIT = "debit"
    CREDIT = "credit"


@dataclass(frozen=True, slots=True)
class Leg:
    """One transfer to be: `debit` is debited and `credit` credited with `amount` (> 0).

    Redeeming debits the resident (who is owed less) and credits `points_redeemed`.
    `code` says what kind of movement it is (`redeem`, `reimburse`), for reports.
    """

    asset: Asset
    code: str
    debit: str
    credit: str
    amount: int


@dataclass(frozen=True, slots=True)
class EntryDraft:
    """One business event to be booked under its natural key (`capture:<sale id>`).

    `input_hash` is the SHA-256 of what was asked, where the legs follow from the books as
    well (a capture splits into covered and overdraft); left empty, it is taken over the draft.
    """

    key: str
    kind: str
    occurred_at: datetime
    business_date: date
    legs: tuple[Leg, ...]
    memo: str = ""
    input_hash: bytes = b""


@dataclass(frozen=True, slots=True)
class Posted:
    """Booked now; its transfers are numbered from ``first_transfer_no`` on, leg by leg."""

    entry_no: int
    first_transfer_no: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class AlreadyPosted:
    """Booked before from the same input: a success, with the number it got then."""

    entry_no: int


@dataclass(frozen=True, slots=True)
class KeyConflict:
    """The key was booked before from another input; nothing was written. Hashes are SHA-256."""

    key: str
    entry_no: int
    booked_hash: bytes
    given_hash: bytes


@dataclass(frozen=True, slots=True)
class InsufficientBalance:
    """A leg would take `account` below zero by `missing`; nothing was written."""

    account: str
    asset: Asset
    missing: int


PostOutcome = Posted | AlreadyPosted | KeyConflict | InsufficientBalance


class HoldState(StrEnum):
    """Where a hold is. Expiry is no state: an expired hold no longer counts, but can be captured."""

    HELD = "held"
    CAPTURED = "captured"
    VOIDED = "voided"
    TOMBSTONE = "tombstone"


@dataclass(frozen=True, slots=True)
class Held:
    """Reserved now."""

    amount: int


@dataclass(frozen=True, slots=True)
class Insufficient:
    """Not reserved: only `available` is spendable (balance less live holds, at least 0)."""

    available: int


@dataclass(frozen=True, slots=True)
class HoldExists:
    """The key is in use; nothing changed. The caller compares it with what he asked."""

    state: HoldState
    account: str | None
    amount: int
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Tombstoned:
    """A reversal came before any hold: the key can no longer be held."""


@dataclass(frozen=True, slots=True)
class Taken:
    """The hold is captured. `held` is what it reserved, `captured` what was taken of it
    (at most `held`), `in_time` whether it had not expired.
    """

    held: int
    captured: int
    in_time: bool


@dataclass(frozen=True, slots=True)
class Absent:
    """There was no hold; the key is used up from now on, so that a late authorise cannot hold."""


@dataclass(frozen=True, slots=True)
class AlreadyCaptured:
    """The hold was captured before; `captured` is what was taken of it then."""

    captured: int


@dataclass(frozen=True, slots=True)
class AlreadyVoided:
    """The hold was voided before; `released` is what it reserved."""

    released: int


@dataclass(frozen=True, slots=True)
class Voided:
    """The hold is voided now; `released` is what it reserved."""

    released: int


PlaceOutcome = Held | Insufficient | HoldExists | Tombstoned
TakeOutcome = Taken | Absent | AlreadyCaptured | AlreadyVoided | Tombstoned
VoidOutcome = Voided | AlreadyVoided | AlreadyCaptured | Tombstoned


@dataclass(frozen=True, slots=True)
class Sums:
    """Both sides of an account, folded."""

    debits: int
    credits: int

    def on(self, normal: Normal) -> int:
        """The balance seen from the account's normal side; negative if it stands on the other."""
        return self.credits - self.debits if normal is Normal.CREDIT else self.debits - self.credits


@dataclass(frozen=True, slots=True)
class AccountBalance:
    """An account and its balance on its normal side."""

    account: str
    asset: Asset
    kind: str
    normal: Normal
    balance: int


@dataclass(frozen=True, slots=True)
class TransferRecord:
    """A transfer as booked, with what its entry says about it."""

    transfer_no: int
    entry_no: int
    key: str
    kind: str
    asset: Asset
    code: str
    debit: str
    credit: str
    amount: int
    occurred_at: datetime
    recorded_at: datetime
    business_date: date
    fact_no: int
    memo: str


@dataclass(frozen=True, slots=True)
class EntryRecord:
    """An entry as booked, without its legs."""

    entry_no: int
    key: str
    kind: str
    input_hash: bytes
    occurred_at: datetime
    recorded_at: datetime
    business_date: date
    fact_no: int
    memo: str


@dataclass(frozen=True, slots=True)
class HoldRecord:
    """A hold as it stands; a tombstone names no account."""

    hold_key: str
    account: str | None
    asset: Asset | None
    amount: int
    state: HoldState
    captured: int
    placed_at: datetime
    expires_at: datetime
    resolved_at: datetime | None


class LedgerFault(Exception):  # noqa: N818 - the house says fault, and refusal for values
    """The caller asked for something that no books can do; a mistake in the program."""


class UnknownAccount(LedgerFault):
    """An account that was never opened was named."""
