"""Requests and answers between a terminal and its pool server: JSON bodies over HTTP.

    POST /v1/enrol                              EnrolRequest     -> EnrolAnswer
    POST /v1/terminals/<terminal>/authorise     AuthoriseRequest -> AuthoriseAnswer
    POST /v1/terminals/<terminal>/journal       JournalBatch     -> JournalAnswer
    POST /v1/terminals/<terminal>/documents     DocumentsRequest -> DocumentsAnswer
    POST /v1/terminals/<terminal>/boot          BootRequest      -> BootAnswer
    POST /v1/terminals/<terminal>/sale          SaleRequest      -> SaleAnswer
    POST /v1/terminals/<terminal>/orders        OrdersRequest    -> OrdersAnswer

Every request is signed with the terminal's key (:mod:`protocol.http_signing`). What is
not answered 200 is a :class:`Problem`. A decline is an answer, not a problem.
"""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from msgspec import UNSET, Struct, UnsetType

from protocol.documents import DirectoryPlace, DocumentKind, SignedDocument
from protocol.evidence import Evidence
from protocol.journal import SignedRecord
from protocol.money import Points
from protocol.reasons import Declined
from protocol.redemption import LimitKind
from protocol.sales import Fulfilment, Payment, RefundLine, SaleLine

MAX_BODY_BYTES = 4 * 1024 * 1024
"""Neither side reads a longer body."""


class ProblemKind(StrEnum):
    """Why a request was not dealt with."""

    UNSIGNED = "unsigned"
    BAD_SIGNATURE = "bad_signature"
    REPLAYED = "replayed"
    CLOCK_SKEW = "clock_skew"
    UNKNOWN_TERMINAL = "unknown_terminal"
    UNKNOWN_PARTNER = "unknown_partner"
    BAD_REQUEST = "bad_request"
    WRONG_CODE = "wrong_code"
    """The one-time code of an enrolment is wrong, used up or too old."""
    GAP = "gap"
    """``expected_seq`` says which record the server needs next."""
    FORK = "fork"
    """A different record stands at this place already: the terminal must stop."""
    EPOCH_CLOSED = "epoch_closed"
    """The terminal has started since: it asks for its new epoch, and tells the record there."""
    CONFLICT = "conflict"
    """The same id was used before for another question."""
    TRY_AGAIN = "try_again"
    NOT_FOUND = "not_found"
    TOO_LARGE = "too_large"
    FAULT = "fault"


class Problem(Struct, frozen=True, kw_only=True):
    """The body of every answer that is not 200."""

    problem: ProblemKind
    says: str
    expected_seq: int = 0
    server_time: datetime | None = None


class EnrolRequest(Struct, frozen=True, kw_only=True):
    """A new terminal's introduction; the request is signed with the key that it brings.

    ``nonce`` of the signature and the one-time code together make it good once.
    """

    code: str
    public_key: str


class EnrolAnswer(Struct, frozen=True, kw_only=True):
    """Who the terminal is from now on, and whom it believes.

    ``root_key`` is the pool's public key; documents are believed with it alone.
    """

    terminal: str
    epoch: int
    pool: str
    root_key: str
    shop: str
    shop_name: str
    merchant_name: str


class ItemUnits(Struct, frozen=True, kw_only=True):
    """So many whole units of an item."""

    item_id: str
    units: int


class AuthoriseRequest(Struct, frozen=True, kw_only=True):
    """May this resident's points pay, and how many?

    ``required_points`` are needed for goods priced in points: all or nothing.
    ``optional_points`` pay money, as many as there are. A card's proof is over the sum.
    ``limited_items`` are the basket's goods that have a limit of their own: with them a
    question may ask for no points at all, and the answer says that they may be given.
    """

    sale_id: UUID
    evidence: Evidence
    required_points: int
    optional_points: int
    occurred_at: datetime
    limited_items: tuple[ItemUnits, ...] = ()


class Approved(Struct, frozen=True, kw_only=True, tag="approved"):
    """Points are held for the sale until ``held_until``; taking fewer is fine.

    ``balance_points`` is what the resident has before this sale, None when the
    terminal stands in and cannot know. ``limited_by`` is the rule, if any, by which fewer
    points are held than were asked for and are there.
    """

    account: str
    points: Points
    balance_points: Points | None
    held_until: datetime | None
    limited_by: LimitKind | UnsetType = UNSET


AuthoriseAnswer = Approved | Declined


class JournalBatch(Struct, frozen=True, kw_only=True):
    """Contiguous records, oldest first; at most ``MAX_RECORDS_A_BATCH``."""

    records: tuple[SignedRecord, ...]


class OutcomeKind(StrEnum):
    """What became of a record at the server. Each record has exactly one outcome."""

    POSTED = "posted"
    DUPLICATE = "duplicate"
    """Its sale was in the books already; nothing was posted again."""
    OVERDRAFT = "overdraft"
    """Posted; the resident's points did not cover all of it. The merchant is paid."""
    PARKED = "parked"
    """Stored, and waiting for a person; ``says`` tells why. Never deleted, blocks nothing."""


class RecordOutcome(Struct, frozen=True, kw_only=True):
    """One record's outcome. ``overdraft_points`` for an overdraft, ``says`` for a parked one."""

    epoch: int
    seq: int
    outcome: OutcomeKind
    overdraft_points: int = 0
    says: str = ""


class JournalAnswer(Struct, frozen=True, kw_only=True):
    """One outcome per record sent, in order, and the server's head of this terminal's chain."""

    outcomes: tuple[RecordOutcome, ...]
    head_epoch: int
    head_seq: int
    head_hash: str


class BootRequest(Struct, frozen=True, kw_only=True):
    """A terminal has started: the epoch that it comes from and where its chain ends there.

    ``head_seq`` 0 and the genesis hash before the first record. All records up to there are told
    already. ``differing`` is a record of its own that was refused as a fork.
    """

    boot_id: str
    epoch: int
    head_seq: int
    head_hash: str
    differing: SignedRecord | None = None


class BootAnswer(Struct, frozen=True, kw_only=True):
    """The epoch to write in from now on, and where the one before it ends at the server.

    ``closed_hash`` must be that of the terminal's own record there; records behind it that the
    terminal still has are told again in the new epoch. ``anew``: the chain was found to differ,
    a person has looked, and the terminal goes on with what it has.
    """

    epoch: int
    closed_epoch: int
    closed_seq: int
    closed_hash: str
    server_time: datetime
    anew: bool = False
    last_receipt: int = 0
    last_z: int = 0


class DocumentsRequest(Struct, frozen=True, kw_only=True):
    """The versions that the terminal has; 0 for none.

    A terminal that does not know of ``awards`` or ``keys`` leaves it out, and is given none.

    Attributes:
        directory_digest: of the directory that it has.
        directory_after: it has read a whole directory up to here, and wants the next part.
        shown: what it has of a kind of which the last answer said that it is ``unknown``.
    """

    policy: int = 0
    catalogue: int = 0
    directory: int = 0
    awards: int | UnsetType = UNSET
    keys: int | UnsetType = UNSET
    directory_digest: str = ""
    directory_after: DirectoryPlace | None = None
    shown: tuple[SignedDocument, ...] = ()


class SaleRequest(Struct, frozen=True, kw_only=True):
    """A receipt's number, of any terminal of the same merchant: what may still come back of it?

    ``sale_id`` says which, where two sales have the number.
    """

    receipt_no: str
    sale_id: UUID | None = None


class SaleBack(Struct, frozen=True, kw_only=True):
    """One refund of a sale, as the server booked it."""

    refund_id: UUID
    lines: tuple[RefundLine, ...]
    payment: Payment


class OrderUnits(Struct, frozen=True, kw_only=True):
    """What became of a line that is a voucher or a work order, in thousandths of its units.

    ``gone_milli`` were cancelled, refunded or have expired. ``returnable_milli`` is how many the
    asking terminal's merchant may take back: those still open, and those that he did himself.
    """

    line_no: int
    open_milli: int
    done_milli: int
    gone_milli: int
    returnable_milli: int


class SaleFound(Struct, frozen=True, kw_only=True, tag="sale_found"):
    """A sale of the asking terminal's merchant, and all that came back of it so far.

    ``orders`` has one for each line that is a voucher or a work order.
    """

    sale_id: UUID
    receipt_no: str
    business_date: date
    occurred_at: datetime
    lines: tuple[SaleLine, ...]
    payment: Payment
    account: str | None
    backs: tuple[SaleBack, ...]
    orders: tuple[OrderUnits, ...] = ()


class SaleChoice(Struct, frozen=True, kw_only=True):
    """One of several sales with the same receipt number, as a cashier tells them apart."""

    sale_id: UUID
    occurred_at: datetime
    goods: tuple[str, ...]
    payment: Payment


class SalesFound(Struct, frozen=True, kw_only=True, tag="sales_found"):
    """Several sales have this number: an old card gave it twice. Oldest first, at most 10."""

    sales: tuple[SaleChoice, ...]


class NoSale(StrEnum):
    """Why there is nothing to give back."""

    UNKNOWN = "unknown"
    OTHER_MERCHANT = "other_merchant"
    IS_REFUND = "is_refund"


class SaleNotFound(Struct, frozen=True, kw_only=True, tag="sale_not_found"):
    reason: NoSale


SaleAnswer = SaleFound | SalesFound | SaleNotFound


class OrdersRequest(Struct, frozen=True, kw_only=True):
    """A resident shows a code: which vouchers and work orders are there?

    A card's proof is made for ``lookup_id`` and 0 points.
    """

    lookup_id: UUID
    evidence: Evidence
    occurred_at: datetime


class OrderShown(Struct, frozen=True, kw_only=True):
    """A voucher or a work order. ``open_milli`` thousandths can still be done; none of a voucher
    whose last day, ``valid_until``, has passed.

    ``last_on`` and ``last_where`` say when and by whom something was last done with it.
    """

    order_id: str
    kind: Fulfilment
    name: str
    receipt_no: str
    sold_on: date
    units_milli: int
    open_milli: int
    state: str
    valid_until: date | None = None
    last_on: date | None = None
    last_where: str = ""


class OrdersFound(Struct, frozen=True, kw_only=True, tag="orders_found"):
    """A resident's orders, open ones first, then the newest; at most 50."""

    account: str
    orders: tuple[OrderShown, ...]


OrdersAnswer = OrdersFound | Declined


class DocumentsAnswer(Struct, frozen=True, kw_only=True):
    """Those documents that are newer than the terminal's; possibly none.

    ``certificate``: by which a phone knows the terminal (:mod:`protocol.codes.challenge`);
    ``certificates``: the same by every live issuer key, for phones that know only an older one.
    The list of keys, where there is a newer one, comes first of all documents.
    ``unknown``: of these the terminal has what this server never gave, as after a backup was
    restored. The terminal shows what it has, and gets what is newer by its number.
    """

    documents: tuple[SignedDocument, ...]
    server_time: datetime
    certificate: bytes | None = None
    certificates: tuple[bytes, ...] = ()
    unknown: tuple[DocumentKind, ...] = ()
