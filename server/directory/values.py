"""What the directory answers; refusals are values."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec import Struct

from protocol.documents import AccountStatus, StandInLimits
from protocol.keys import pool_tag
from protocol.redemption import NO_LIMITS, FenRemainder, Limits, RedemptionTerms
from server.directory.contract_terms import ContractTerms, simple_terms

ID_MAX = 32
NAME_MAX = 80


class DirectoryProblem(StrEnum):
    """Why a command to the directory is refused."""

    CONFLICT = "conflict"
    """The id is taken by something else."""
    HANDED_ON = "handed_on"
    UNKNOWN_PLACE = "unknown_place"
    UNKNOWN_RESIDENT = "unknown_resident"
    UNKNOWN_CARD = "unknown_card"
    UNKNOWN_MERCHANT = "unknown_merchant"
    UNKNOWN_SHOP = "unknown_shop"
    UNKNOWN_SHOP_KIND = "unknown_shop_kind"
    UNKNOWN_TERMINAL = "unknown_terminal"
    WRONG_SEQ = "wrong_seq"
    UNKNOWN_CONTRACT = "unknown_contract"
    OVERLAP = "overlap"
    GAP = "gap"
    CLOSED = "closed"
    """The days are settled already."""
    BAD_TERMS = "bad_terms"
    BAD_PERIOD = "bad_period"
    WRONG_ROLE = "wrong_role"
    BAD_KEY = "bad_key"
    UNKNOWN_ITEM = "unknown_item"
    RETIRED = "retired"
    BAD_PRICE = "bad_price"
    PAST_DAY = "past_day"
    BAD_LIMIT = "bad_limit"
    NO_VALUE = "no_value"
    """A point has no value in money in this pool."""
    WRONG_CODE = "wrong_code"
    """The enrolment code is wrong, used up or too old: one answer for all three."""


class Refused(Struct, frozen=True):
    """Nothing was changed. ``says`` tells a person why and what to do next."""

    reason: DirectoryProblem
    says: str


class Done(Struct, frozen=True):
    """It stands in the directory. ``again``: it stood there already, just so."""

    what: str
    again: bool = False


class Enrolled(Struct, frozen=True, kw_only=True):
    """The terminal is somebody from now on."""

    terminal: str
    epoch: int
    shop: str


Answer = Done | Enrolled | Refused


class TerminalState(StrEnum):
    """Where a terminal is. A closed terminal is never opened again; a new one is enrolled."""

    INVITED = "invited"
    ACTIVE = "active"
    CODE_DEAD = "code_dead"


class CardState(StrEnum):
    """Whether the newest card of a line of replacements may be used."""

    LIVE = "live"
    REVOKED = "revoked"


class SignInRole(StrEnum):
    """What a sign-in is for; only a merchant's is bound to a merchant."""

    MERCHANT = "merchant"
    OPERATOR = "operator"
    FINANCE = "finance"


@dataclass(frozen=True, slots=True)
class TermsPeriod:
    """How far points may pay from a business date on; later ones replace earlier ones."""

    valid_from: date
    version: int
    fen_remainder: FenRemainder
    limits: Limits
    reason: str


@dataclass(frozen=True, slots=True)
class CoverTerms:
    """How much of what all points are worth the fund must hold, in basis points of it.

    Below ``warning_bp`` the office is warned; below ``hard_bp`` nothing is awarded.
    """

    warning_bp: int
    hard_bp: int | None


@dataclass(frozen=True, slots=True)
class PoolTerms:
    """A pool's policy as it stands. Caps and limits in points, periods as named.

    ``fen_remainder`` is the one that the pool was adopted with; ``periods``, in the order in
    which they begin, say what became of it and how far points may pay.
    """

    pool: str
    name: str
    name_en: str
    street: str
    unit_name: str
    unit_name_en: str
    merchant_word: str
    fen_per_point: int | None
    fen_remainder: FenRemainder
    cut_off_hour: int
    hold_s: int
    card_cap_points: int
    card_valid_days: int
    slot_cap_points: int
    slot_minutes: int
    stand_in: StandInLimits
    directory_fresh_h: int
    allowance_buckets_points: tuple[int, ...]
    root_key: Ed25519PublicKey
    periods: tuple[TermsPeriod, ...] = ()
    cover: CoverTerms | None = None
    points_expire_after_days: int | None = None

    @property
    def tag(self) -> bytes:
        """What stands for the pool in every signature."""
        return pool_tag(self.root_key)

    def redemption_on(self, day: date) -> RedemptionTerms:
        """The terms in force on a business date."""
        begun = [each for each in self.periods if each.valid_from <= day]
        return self._terms(begun[-1] if begun else None)

    def redemption_since(self, day: date, leeway_days: int) -> tuple[RedemptionTerms, ...]:
        """Every terms in force on a business date or up to so many days before, the newest first.

        What a terminal was given may be older than what is in force, and may have been replaced
        on the very day on which it began.
        """
        first = day - timedelta(days=leeway_days)
        begun = [each for each in reversed(self.periods) if first < each.valid_from <= day]
        every = (*(self._terms(each) for each in begun), self.redemption_on(first))
        return tuple(dict.fromkeys(every))

    def _terms(self, period: TermsPeriod | None) -> RedemptionTerms:
        if period is None:
            return RedemptionTerms(self.fen_per_point, self.fen_remainder, NO_LIMITS)
        return RedemptionTerms(self.fen_per_point, period.fen_remainder, period.limits)


@dataclass(frozen=True, slots=True)
class Resident:
    """A resident; ``account`` is the pseudonym, 16 hex digits."""

    account: str
    name: str
    household: str
    place: str
    status: AccountStatus
    banned_until: date | None
    credit_score: int = 100


@dataclass(frozen=True, slots=True)
class Sanction:
    """One decision about a resident; ``credit_score`` is what it left."""

    account: str
    sanction_no: int
    what: str
    until: date | None
    credit_change: int
    credit_score: int
    reason: str
    evidence: str
    decided_by: str
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Card:
    """The newest card of a line of replacements; ``cap_points`` a sale."""

    card_id: str
    account: str
    seq: int
    expires_on: date
    cap_points: int
    state: CardState


@dataclass(frozen=True, slots=True)
class Merchant:
    """A contract party."""

    merchant: str
    name: str
    registered_at: datetime


@dataclass(frozen=True, slots=True)
class Shop:
    """A place of trade of one merchant."""

    shop: str
    merchant: str
    kind: str
    name: str
    place: str


@dataclass(frozen=True, slots=True)
class Contract:
    """Terms of one merchant from ``valid_from`` to ``valid_until``, both included.

    ``reimbursement_bp``: basis points of the points' value in money that the pool pays.
    ``shop``: the one shop that it is for; None for all of the merchant's shops that have none
    of their own. ``share_bp`` is what a contract without ``own_terms`` says: read ``terms``.
    """

    contract: str
    merchant: str
    share_bp: int
    reimbursement_bp: int
    valid_from: date
    valid_until: date | None
    shop: str | None = None
    own_terms: ContractTerms | None = None

    @property
    def terms(self) -> ContractTerms:
        if self.own_terms is not None:
            return self.own_terms
        return simple_terms(self.share_bp, self.reimbursement_bp)

    def in_force(self, day: date) -> bool:
        return self.valid_from <= day and (self.valid_until is None or day <= self.valid_until)


@dataclass(frozen=True, slots=True)
class Terminal:
    """A device in a shop; ``public_key`` and ``enrolled_at`` are None until it has enrolled."""

    terminal: str
    shop: str
    merchant: str
    state: TerminalState
    public_key: str | None
    epoch: int
    enrolled_at: datetime | None


@dataclass(frozen=True, slots=True)
class Invitation:
    """What is kept of a terminal's one-time code; ``public_key`` of whoever has used it."""

    terminal: str
    state: TerminalState
    code_hash: str
    expires_at: datetime
    public_key: str | None


@dataclass(frozen=True, slots=True)
class AwardRule:
    """What one deed was worth on a day."""

    rule_id: str
    category: str
    points: int


@dataclass(frozen=True, slots=True)
class SignIn:
    """Somebody who may sign in; the hash is Argon2's own text."""

    user: str
    role: SignInRole
    merchant: str | None
    password_hash: str


def masked_name(name: str) -> str:
    """A name as whoever finds a paper may see it: the first character, the rest as stars."""
    return name[:1] + "*" * (len(name) - 1)
