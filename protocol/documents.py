"""What the pool gives its terminals: policy, catalogue and directory, numbered and signed.

Each document has its own version, counts up by one, and is signed with the pool's root
key, which a terminal learns at enrolment. The directory holds pseudonyms, allowances
rounded down to buckets (so that they are no balances), statuses and cards; no names. It comes
in pages: the changes since the one that a terminal has, or the whole in parts.
"""

from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Struct

from protocol.counter import CounterAwards
from protocol.directory_digest import EMPTY_DIGEST, moved_digest
from protocol.issuers import KeyList
from protocol.keys import sign, signature_holds
from protocol.redemption import NO_LIMITS, FenRemainder, LimitPeriod, Limits
from protocol.sales import Fulfilment

DOCUMENT_PURPOSE = "document"


class DocumentKind(StrEnum):
    """The documents, each with versions of its own; of the directory, pages and a head."""

    POLICY = "policy"
    CATALOGUE = "catalogue"
    DIRECTORY = "directory"
    AWARDS = "awards"
    """By what rules and by whom points are registered at counters (:mod:`protocol.counter`)."""
    KEYS = "keys"
    """The pool's issuer keys, which the root key alone signs (:mod:`protocol.issuers`)."""
    DIRECTORY_HEAD = "directory_head"


class SignedDocument(Struct, frozen=True, kw_only=True):
    """A document on the wire and on disk: exact bytes and the signature of one of the pool's keys."""

    kind: DocumentKind
    body: bytes
    signature: bytes


class StandInMode(StrEnum):
    """How a terminal knows, by itself, what a resident may spend."""

    SNAPSHOT = "snapshot"
    """Up to the allowance in the newest directory, less what was taken here since."""
    CAP = "cap"
    """Up to the limits alone. Not offered yet."""
    ESCROW = "escrow"
    """Only what the pool holds for this terminal. Not offered yet."""


class StandInLimits(Struct, frozen=True, kw_only=True):
    """Up to how much a terminal may answer by itself while the server is out of reach.

    All points are the pool's own; each counts what has not been told to the server yet. A limit
    that is None, as in a document from before there was such a limit, is none.

    Attributes:
        per_resident_points: of one resident at one terminal; ``card_per_resident_points`` by
            card.
        per_terminal_soft_points: from here on the cashier is warned; ``hard`` refuses.
        velocity_soft_sales: of one resident at one terminal; from here on what a sale may take
            is halved; ``hard`` refuses.
        directory_fresh_h: a list of residents older than this halves what a sale may take.
        card_max_age_h: older than this, cards are not taken; ``directory_max_age_h``: nothing.
    """

    per_sale_points: int
    per_resident_points: int
    per_terminal_soft_points: int
    per_terminal_hard_points: int
    directory_max_age_h: int
    card_per_resident_points: int | None = None
    velocity_soft_sales: int | None = None
    velocity_hard_sales: int | None = None
    directory_fresh_h: int | None = None
    card_max_age_h: int | None = None
    mode: StandInMode = StandInMode.SNAPSHOT


class IssuerKey(Struct, frozen=True, kw_only=True):
    """A public key that signs resident codes, by the number that codes name it by."""

    kid: int
    public_key: str


class Policy(Struct, frozen=True, kw_only=True):
    """A pool's rules as the till needs them.

    Attributes:
        unit_name: what points are called on every screen and receipt (积分, 活力值).
        fen_per_point: what a point pays, or None where points have no value in money.
        cut_off_hour: the hour (Asia/Shanghai) at which the business date changes.
        hold_s: how long the server keeps points held for a sale.
        card_cap_points, slot_cap_points: most points a sale by kind of code.
        limits: how far points may pay; a document from before there were any has none.
    """

    version: int
    made_at: datetime
    pool: str
    pool_name: str
    unit_name: str
    unit_name_en: str
    fen_per_point: int | None
    fen_remainder: FenRemainder
    cut_off_hour: int
    hold_s: int
    card_cap_points: int
    slot_cap_points: int
    stand_in: StandInLimits
    issuer_keys: tuple[IssuerKey, ...]
    limits: Limits = NO_LIMITS


class Item(Struct, frozen=True, kw_only=True):
    """A thing or service on sale: price in fen, in points or both.

    With both prices it is sold for its money, which points may pay as well; where ``both_due``
    stands, its money and its points are due together (5 yuan and 20 points).
    ``reimbursement_fen`` is what one unit priced in points costs the pool (0: donated).
    ``limit_per_resident`` and ``limit_per_household`` are whole units in ``limit_period``;
    an item that has one is given to people whom a code names, also where it is free.
    """

    item_id: str
    name: str
    name_en: str
    category: str
    unit: str
    barcode: str | None = None
    price_fen: int | None = None
    price_points: int | None = None
    reimbursement_fen: int = 0
    weighed: bool = False
    quick_key: bool = False
    stock: int | None = None
    fulfilment: Fulfilment = Fulfilment.AT_ONCE
    limit_per_resident: int | None = None
    limit_per_household: int | None = None
    limit_period: LimitPeriod = LimitPeriod.DAY
    both_due: bool = False

    @property
    def unit_prices(self) -> tuple[int | None, int | None]:
        """Fen and points that one unit costs at a till; None for what it is not priced in."""
        in_points = self.both_due or self.price_fen is None
        return self.price_fen, self.price_points if in_points else None

    @property
    def is_limited(self) -> bool:
        return self.limit_per_resident is not None or self.limit_per_household is not None


class Catalogue(Struct, frozen=True, kw_only=True):
    """What a shop sells, as the pool publishes it."""

    version: int
    made_at: datetime
    items: tuple[Item, ...]


class AccountStatus(StrEnum):
    """Whether a resident may redeem at all; a ban until a date is apart from it."""

    ACTIVE = "active"
    BLOCKED = "blocked"


class DirectoryCard(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A live card: id (16 hex digits) and its number in its line of replacements.

    ``pin_verifier`` is what a terminal checks a PIN against, as :mod:`protocol.card_pins` writes
    it: salted with the card's own secret, which no terminal keeps. A card without one has no PIN.
    """

    card_id: str
    seq: int
    pin_verifier: str | None = None


class DirectoryEntry(Struct, frozen=True, kw_only=True):
    """One resident as a terminal may know them.

    ``allowance_points`` is the balance when the document was made, rounded down to a
    bucket; it only bounds what a terminal may give offline. ``phone_seq``: a phone's
    certificates with a lower number are dead (exact, and all that is to know of them).
    """

    account: str
    allowance_points: int
    status: AccountStatus = AccountStatus.ACTIVE
    banned_until: date | None = None
    cards: tuple[DirectoryCard, ...] = ()
    phone_seq: int = 0


class DirectoryHead(Struct, frozen=True, kw_only=True):
    """Which directory: its number, when it was made, and the digest of all its entries."""

    version: int
    made_at: datetime
    digest: str


class DirectoryPlace(Struct, frozen=True, kw_only=True):
    """How far somebody has read a whole directory: up to this account, as of this number."""

    version: int
    account: str


class DirectoryBase(Struct, frozen=True, kw_only=True):
    """The directory that changes are told of."""

    version: int
    digest: str


class DirectoryPage(Struct, frozen=True, kw_only=True):
    """What makes the directory named by ``head``: changes, or a part of the whole of it.

    With a ``base`` the page is all that changed since, and fits nothing but exactly that base.
    Without one it is part of the whole: it goes on ``after`` where the page before it ended
    (None: it is the first) and ends at ``upto`` (None: it is the last). Whatever changes while
    somebody reads moves to the end, so that the last page makes the whole of its head, however
    many numbers the parts before had.

    ``entries`` are the exact bytes of a :class:`DirectoryEntry` each, which the digest is of
    (:mod:`protocol.directory_digest`); ``gone`` are accounts that are not there any more.
    Everybody who may redeem is there; whoever is absent may not.
    """

    head: SignedDocument
    entries: tuple[msgspec.Raw, ...]
    gone: tuple[str, ...] = ()
    base: DirectoryBase | None = None
    after: DirectoryPlace | None = None
    upto: DirectoryPlace | None = None

    def opened_head(self) -> DirectoryHead:
        """The head. It is as good as the page that brings it: the page's signature is over it.

        Raises:
            msgspec.DecodeError: it is none.
        """
        return msgspec.json.decode(self.head.body, type=DirectoryHead)

    def residents(self) -> tuple[DirectoryEntry, ...]:
        """The entries, read.

        Raises:
            msgspec.DecodeError: one of them is none.
        """
        return tuple(msgspec.json.decode(each, type=DirectoryEntry) for each in self.entries)


NumberedDocument = Policy | Catalogue | CounterAwards | KeyList
"""Those that come whole, under the next number."""

Document = NumberedDocument | DirectoryPage | DirectoryHead

_TYPES: dict[DocumentKind, type[Document]] = {
    DocumentKind.POLICY: Policy,
    DocumentKind.CATALOGUE: Catalogue,
    DocumentKind.DIRECTORY: DirectoryPage,
    DocumentKind.DIRECTORY_HEAD: DirectoryHead,
    DocumentKind.AWARDS: CounterAwards,
    DocumentKind.KEYS: KeyList,
}


class DocumentProblem(StrEnum):
    """Why a document is not taken."""

    BAD_SIGNATURE = "bad_signature"
    NOT_A_DOCUMENT = "not_a_document"


def _message(kind: DocumentKind, tag: bytes, body: bytes) -> bytes:
    return kind.value.encode() + b"\0" + tag + body


def sign_document(document: Document, key: Ed25519PrivateKey, tag: bytes) -> SignedDocument:
    """Sign a document for the terminals of the pool with this tag."""
    kind = kind_of(document)
    body = msgspec.json.encode(document, order="deterministic")
    return SignedDocument(
        kind=kind, body=body, signature=sign(key, DOCUMENT_PURPOSE, _message(kind, tag, body))
    )


def kind_of(document: Document) -> DocumentKind:
    """Which of the documents this is."""
    return next(kind for kind, type_ in _TYPES.items() if isinstance(document, type_))


def is_signed_by(signed: SignedDocument, key: Ed25519PublicKey, tag: bytes) -> bool:
    """Whether this key signed the document for the pool with this tag."""
    message = _message(signed.kind, tag, signed.body)
    return signature_holds(key, DOCUMENT_PURPOSE, message, signed.signature)


def whole_directory(
    residents: Sequence[DirectoryEntry],
    *,
    version: int,
    made_at: datetime,
    key: Ed25519PrivateKey,
    tag: bytes,
) -> DirectoryPage:
    """A directory that is one page, for few residents."""
    entries = [msgspec.json.encode(each, order="deterministic") for each in residents]
    digest = moved_digest(EMPTY_DIGEST, into=entries)
    head = DirectoryHead(version=version, made_at=made_at, digest=digest)
    return DirectoryPage(
        head=sign_document(head, key, tag), entries=tuple(msgspec.Raw(each) for each in entries)
    )


def open_document(
    signed: SignedDocument, key: Ed25519PublicKey, tag: bytes
) -> Document | DocumentProblem:
    """Check the signature, then read; a document that does not verify is not looked into."""
    if not is_signed_by(signed, key, tag):
        return DocumentProblem.BAD_SIGNATURE
    try:
        return msgspec.json.decode(signed.body, type=_TYPES[signed.kind])
    except (msgspec.ValidationError, msgspec.DecodeError):
        return DocumentProblem.NOT_A_DOCUMENT
