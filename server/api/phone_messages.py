"""What a resident's phone asks and is answered: JSON over HTTPS, described in openapi.json.

    POST /v1/phones/enrol     PhoneEnrolRequest  -> PhoneAnswer
    POST /v1/phones/refresh   PhoneRequest       -> PhoneAnswer
    POST /v1/receipts/check   ReceiptCheck       -> ReceiptAnswer

Anybody may write such a client; the pool's own page is one, a town's mini-program another.
Bytes are hex, times Unix seconds.
"""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

HexText = Annotated[str, Meta(pattern=r"^([0-9a-f]{2})*$", max_length=512)]


class PhoneEnrolRequest(Struct, frozen=True, kw_only=True):
    """A phone introduces itself with its one-time code and its public key.

    Attributes:
        public_key: 32 bytes Ed25519, or a compressed P-256 point of 33.
        extractable: the key lies where the app's own code can read it.
    """

    code: Annotated[str, Meta(max_length=32)]
    public_key: HexText
    extractable: bool = False


class PhoneRequest(Struct, frozen=True, kw_only=True):
    """A phone that is enrolled asks for what is new.

    Attributes:
        at: its time; within 300 s of the server's.
        signature: the phone's, purpose ``phone-request``, over the pool's tag, the account's 8
            bytes, seq 2 and at 4.
    """

    account: Annotated[str, Meta(pattern=r"^[0-9a-f]{16}$")]
    seq: Annotated[int, Meta(ge=1, le=65_535)]
    at: Annotated[int, Meta(ge=0, le=2**32 - 1)]
    signature: Annotated[str, Meta(pattern=r"^[0-9a-f]{128}$")]


class IssuerKeyHex(Struct, frozen=True, kw_only=True):
    """An issuer key, by which a phone knows the terminals of its pool."""

    kid: int
    public_key: str


class PhoneSlot(Struct, frozen=True, kw_only=True):
    """A code for some minutes, for a phone that has lost its key."""

    starts_at: int
    minutes: int
    digits: str


class PhoneHistoryLine(Struct, frozen=True, kw_only=True):
    """One thing that happened, in Chinese and in English; points below 0 went."""

    at: int
    what: str
    what_en: str
    points: int


class PhoneAnswer(Struct, frozen=True, kw_only=True):
    """Everything that a phone needs until it is online again.

    Attributes:
        tag: the pool's 8 bytes, which every signature covers.
        certificate: the 115 or 116 bytes that begin each of its codes.
        show_points: most points a sale for a code that is only shown.
        balance_points: what is there now; held for a sale is not.
        overdraft_points: taken offline beyond the balance; the next points earned clear it.
        owed_points: still owed of awards that were taken back; the next points earned pay it.
        slots: codes for the coming 24 hours, a resident's who has lost the key.
    """

    pool: str
    pool_name: str
    pool_name_en: str
    unit_name: str
    unit_name_en: str
    tag: str
    account: str
    seq: int
    name: str
    certificate: str
    certificate_expires_at: int
    show_points: int
    balance_points: int
    overdraft_points: int
    owed_points: int
    history: tuple[PhoneHistoryLine, ...]
    slots: tuple[PhoneSlot, ...]
    issuer_keys: tuple[IssuerKeyHex, ...]
    server_time: int


class PhoneEnded(Struct, frozen=True, kw_only=True):
    """The phone is not the resident's any more; ``state`` says why: ``copied``, ``revoked``,
    ``replaced``.
    """

    state: str
    says: str


class ReceiptCheck(Struct, frozen=True, kw_only=True):
    """The digits of a receipt's code; or, typed off the paper, its number and its check number."""

    digits: Annotated[str, Meta(max_length=700)] = ""
    receipt_no: Annotated[str, Meta(max_length=64)] = ""
    check: Annotated[str, Meta(max_length=32)] = ""


class ReceiptState(StrEnum):
    """How a receipt stands to what the pool knows.

    ``whole``: a terminal of the pool made it, and the books say the same. ``untold``: a terminal
    made it, and the books do not have it yet. ``altered``: somebody changed it, or it differs from
    the books. ``unknown``: no receipt of this pool, or a number that is not in the books.
    """

    WHOLE = "whole"
    UNTOLD = "untold"
    ALTERED = "altered"
    UNKNOWN = "unknown"


class ReceiptLine(Struct, frozen=True, kw_only=True):
    """A line as the books have it; ``quantity`` as people write it, with its unit."""

    name: str
    quantity: str
    amount_fen: int
    amount_points: int


class ReceiptAnswer(Struct, frozen=True, kw_only=True):
    """What the pool knows of a receipt, for whoever holds it to compare with the paper.

    Attributes:
        genuine: a terminal of this pool signed it, or told the record it is of.
        booked: it is in the books, of this terminal, with the same points, cash and total.
        shop_name: where the terminal stands.
        lines: as booked, where it is ``whole``.
    """

    state: ReceiptState
    genuine: bool
    booked: bool
    says: str
    kind: str = ""
    receipt_no: str = ""
    shop_name: str = ""
    occurred_at: int = 0
    points: int = 0
    total_fen: int = 0
    cash_fen: int = 0
    unit_name: str = ""
    unit_name_en: str = ""
    lines: tuple[ReceiptLine, ...] = ()
