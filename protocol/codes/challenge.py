"""What a terminal shows a phone, and what it prints for everybody to check.

    0x21 CHALLENGE (224 B)  certificate: type1 kid1 key32 expiry4 shop42 sig64
                            points4 time4 nonce8 sig64
    0x51 RECEIPT (124 B)    type1 kind1 terminal8 sale16 occurred4 points4 total_fen4 cash_fen4
                            digest18 sig64

The certificate's signature is the issuer's, so that a phone that has no network can tell a
terminal of its pool and which shop it stands in; the other signatures are the terminal's.
``shop`` is the shop's name in UTF-8, filled up with zero bytes. ``nonce`` is made of the sale's
id (:func:`nonce_of`), so that an answer is good for one sale. ``time`` is for people to read:
nobody's clock is asked.
"""

import hashlib
import struct
from datetime import UTC, datetime
from enum import IntEnum
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Struct

from protocol.keys import SIGNATURE_BYTES, sign
from protocol.money import Fen, Points

TYPE_CHALLENGE = 0x21
TYPE_RECEIPT = 0x51
TERMINAL_CERTIFICATE_PURPOSE = "terminal-certificate"
CHALLENGE_PURPOSE = "terminal-challenge"
RECEIPT_PURPOSE = "receipt-code"
SHOP_BYTES = 42
NONCE_BYTES = 8
DIGEST_BYTES = 18
CHECK_DIGITS = 10

_CERTIFICATE = struct.Struct(f">BB32sI{SHOP_BYTES}s")
_ASKED = struct.Struct(">II8s")
_RECEIPT = struct.Struct(f">BB8s16sIIII{DIGEST_BYTES}s")
TERMINAL_CERTIFICATE_BYTES = _CERTIFICATE.size + SIGNATURE_BYTES


class TerminalCertificate(Struct, frozen=True):
    """The pool's word that a key is a terminal's, and in which shop it stands."""

    kid: int
    key: bytes
    expires_at: datetime
    shop_name: str
    signed: bytes


class Challenge(Struct, frozen=True):
    """A terminal asks a phone to confirm so many points for one sale."""

    certificate: TerminalCertificate
    points: Points
    asked_at: datetime
    nonce: bytes
    payload: bytes


class ReceiptKind(IntEnum):
    """What the paper says happened."""

    SALE = 1
    REFUND = 2


class ReceiptCode(Struct, frozen=True):
    """A receipt in short. ``digest``: see :func:`record_digest`; ``terminal``: its key's name."""

    kind: ReceiptKind
    terminal: bytes
    sale_id: UUID
    occurred_at: datetime
    points: Points
    total_fen: Fen
    cash_fen: Fen
    digest: bytes
    payload: bytes


def shop_field(name: str) -> bytes:
    """A shop's name as certificates carry it: as many whole characters as 42 bytes hold."""
    raw = name.encode()[:SHOP_BYTES]
    return raw.decode(errors="ignore").encode().ljust(SHOP_BYTES, b"\0")


def nonce_of(sale_id: UUID) -> bytes:
    """The 8 bytes that tie a challenge to a sale."""
    message = b"HUIDIAN1/challenge-nonce\0" + sale_id.bytes
    return hashlib.sha256(message).digest()[:NONCE_BYTES]


def terminal_name(key: Ed25519PublicKey) -> bytes:
    """The 8 bytes by which a receipt names the key that signed it."""
    message = b"HUIDIAN1/terminal-name\0" + key.public_bytes_raw()
    return hashlib.sha256(message).digest()[:8]


def record_digest(record: bytes) -> bytes:
    """What a receipt keeps of the record (its JSON bytes) that stands in the journal."""
    return hashlib.sha256(b"HUIDIAN1/receipt-record\0" + record).digest()[:DIGEST_BYTES]


def check_digits(digest: bytes) -> str:
    """Ten digits of a record's digest, which people can type where nobody can scan."""
    return f"{int.from_bytes(digest) % 10**CHECK_DIGITS:0{CHECK_DIGITS}}"


def make_terminal_certificate(
    issuer: Ed25519PrivateKey,
    tag: bytes,
    *,
    kid: int,
    key: Ed25519PublicKey,
    expires_at: datetime,
    shop_name: str,
) -> bytes:
    """Certify a terminal's key; returns 144 bytes."""
    body = _CERTIFICATE.pack(
        TYPE_CHALLENGE,
        kid,
        key.public_bytes_raw(),
        int(expires_at.timestamp()),
        shop_field(shop_name),
    )
    return body + sign(issuer, TERMINAL_CERTIFICATE_PURPOSE, tag + body)


def read_terminal_certificate(signed: bytes) -> TerminalCertificate | None:
    """Read a certificate's fields, unjudged; None where it is none."""
    if len(signed) != TERMINAL_CERTIFICATE_BYTES or signed[0] != TYPE_CHALLENGE:
        return None
    _, kid, key, expiry_s, shop = _CERTIFICATE.unpack_from(signed)
    try:
        name = shop.rstrip(b"\0").decode()
    except UnicodeDecodeError:
        return None
    if shop_field(name) != shop or not name.isprintable():
        return None
    return TerminalCertificate(kid, key, datetime.fromtimestamp(expiry_s, UTC), name, signed)


def make_challenge(
    key: Ed25519PrivateKey,
    tag: bytes,
    certificate: bytes,
    *,
    points: Points,
    asked_at: datetime,
    nonce: bytes,
) -> bytes:
    """Ask a phone for so many points; returns 224 bytes of payload."""
    body = certificate + _ASKED.pack(points, int(asked_at.timestamp()), nonce)
    return body + sign(key, CHALLENGE_PURPOSE, tag + body)


def read_challenge(payload: bytes) -> Challenge | None:
    """Read the fields of 224 bytes of type 0x21; None where a field is impossible."""
    certificate = read_terminal_certificate(payload[:TERMINAL_CERTIFICATE_BYTES])
    if certificate is None:
        return None
    points, asked_s, nonce = _ASKED.unpack_from(payload, TERMINAL_CERTIFICATE_BYTES)
    asked_at = datetime.fromtimestamp(asked_s, UTC)
    return Challenge(certificate, Points(points), asked_at, nonce, payload)


def make_receipt(
    key: Ed25519PrivateKey,
    tag: bytes,
    *,
    kind: ReceiptKind,
    sale_id: UUID,
    occurred_at: datetime,
    points: Points,
    total_fen: Fen,
    cash_fen: Fen,
    record: bytes,
) -> bytes:
    """Sign a receipt in short; returns 124 bytes of payload."""
    body = _RECEIPT.pack(
        TYPE_RECEIPT,
        kind,
        terminal_name(key.public_key()),
        sale_id.bytes,
        int(occurred_at.timestamp()),
        points,
        total_fen,
        cash_fen,
        record_digest(record),
    )
    return body + sign(key, RECEIPT_PURPOSE, tag + body)


def read_receipt(payload: bytes) -> ReceiptCode | None:
    """Read the fields of 124 bytes of type 0x51; None where a field is impossible."""
    _, kind, terminal, sale, occurred_s, points, total_fen, cash_fen, digest = _RECEIPT.unpack(
        payload[:-SIGNATURE_BYTES]
    )
    if kind not in tuple(ReceiptKind):
        return None
    return ReceiptCode(
        ReceiptKind(kind),
        terminal,
        UUID(bytes=sale),
        datetime.fromtimestamp(occurred_s, UTC),
        Points(points),
        Fen(total_fen),
        Fen(cash_fen),
        digest,
        payload,
    )
