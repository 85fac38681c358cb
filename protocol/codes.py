"""Resident codes: what the QR carries, and how it is verified with public keys only.

Fixed layout, big-endian, written as decimal digits: digits are the only keys that every
scanner types alike, and cost no more QR modules than raw bytes. The text is the decimal
form of the integer ``0x01 || payload``; the guard byte keeps leading zeros.

    0x31 SLOT (85 B)  type1 kid1 account8 slot_start4 minutes1 cap2 batch2 index2 sig64
    0x41 CARD (95 B)  type1 kid1 card_id8 secret16 seq1 expiry_days2 cap2 sig64

What is signed is the pool's tag and everything before the signature; the tag itself is
never transmitted, so a code of one pool never verifies in another. ``kid`` names the
issuer key. Times are Unix seconds, ``expiry_days`` counts days since 1970-01-01, caps are
points a sale.
"""

import hmac
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from protocol.keys import SIGNATURE_BYTES, sign, signature_holds
from protocol.money import Points
from protocol.reasons import Declined, DeclineReason

TYPE_SLOT = 0x31
TYPE_CARD = 0x41
GUARD = 0x01
SECRET_BYTES = 16

MAX_CODE_DIGITS = 512
"""No format is longer; a longer string of digits is refused before it is read as a number."""

SLOTS_REMEMBERED = 4_096

SLOT_GRACE = timedelta(seconds=90)
"""How far a phone's minute may differ from the terminal's."""

_SLOT = struct.Struct(">BB8sIBHHH")
_CARD = struct.Struct(">BB8s16sBHH")
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class SlotCode:
    """A short-lived code that the pool server made for a resident's phone."""

    kid: int
    account: bytes
    starts_at: datetime
    minutes: int
    cap: Points
    batch: int
    index: int
    payload: bytes

    @property
    def ends_at(self) -> datetime:
        return self.starts_at + timedelta(minutes=self.minutes)


@dataclass(frozen=True, slots=True)
class CardCode:
    """A printed card. ``secret`` is used once and never stored: see :func:`card_proof`."""

    kid: int
    card_id: bytes
    secret: bytes
    seq: int
    expires_on: date
    cap: Points
    payload: bytes

    def __repr__(self) -> str:
        return f"CardCode(card_id={self.card_id.hex()}, seq={self.seq}, secret=withheld)"


ResidentCode = SlotCode | CardCode


def to_digits(payload: bytes) -> str:
    """The text of a code's QR."""
    return str(int.from_bytes(bytes([GUARD]) + payload, "big"))


def from_digits(text: str) -> bytes | None:
    """A code's payload, or None where the text is no code. Constant effort on any input."""
    if not text or len(text) > MAX_CODE_DIGITS or not (text.isascii() and text.isdigit()):
        return None
    if text[0] == "0":  # one number has one spelling
        return None
    value = int(text)
    raw = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return raw[1:] if raw[:1] == bytes([GUARD]) else None


def parse_code(text: str) -> ResidentCode | None:
    """Read a code's fields; nothing about it is to be trusted before :func:`verify_code`."""
    payload = from_digits(text)
    if payload is None or not payload:
        return None
    return parse_payload(payload)


def parse_payload(payload: bytes) -> ResidentCode | None:
    """As :func:`parse_code`, from the bytes."""
    body = payload[:-SIGNATURE_BYTES]
    if payload[:1] == bytes([TYPE_SLOT]) and len(body) == _SLOT.size:
        _, kid, account, start_s, minutes, cap, batch, index = _SLOT.unpack(body)
        starts_at = datetime.fromtimestamp(start_s, UTC)
        return SlotCode(kid, account, starts_at, minutes, Points(cap), batch, index, payload)
    if payload[:1] == bytes([TYPE_CARD]) and len(body) == _CARD.size:
        _, kid, card_id, secret, seq, expiry_days, cap = _CARD.unpack(body)
        expires_on = _EPOCH + timedelta(days=expiry_days)
        return CardCode(kid, card_id, secret, seq, expires_on, Points(cap), payload)
    return None


def _purpose(code_type: int) -> str:
    return "slot" if code_type == TYPE_SLOT else "card"


def _signed(key: Ed25519PrivateKey, tag: bytes, body: bytes) -> bytes:
    return body + sign(key, _purpose(body[0]), tag + body)


def make_slot(
    key: Ed25519PrivateKey,
    tag: bytes,
    *,
    kid: int,
    account: bytes,
    starts_at: datetime,
    minutes: int,
    cap: Points,
    batch: int,
    index: int,
) -> bytes:
    """Sign a slot; returns its 85 bytes of payload."""
    start_s = int(starts_at.timestamp())
    body = _SLOT.pack(TYPE_SLOT, kid, account, start_s, minutes, cap, batch, index)
    return _signed(key, tag, body)


def make_card(
    key: Ed25519PrivateKey,
    tag: bytes,
    *,
    kid: int,
    card_id: bytes,
    secret: bytes,
    seq: int,
    expires_on: date,
    cap: Points,
) -> bytes:
    """Sign a card; returns its 95 bytes of payload."""
    expiry_days = (expires_on - _EPOCH).days
    return _signed(key, tag, _CARD.pack(TYPE_CARD, kid, card_id, secret, seq, expiry_days, cap))


def _payload_holds(raw_key: bytes, tag: bytes, payload: bytes) -> bool:
    key = Ed25519PublicKey.from_public_bytes(raw_key)
    body, signature = payload[:-SIGNATURE_BYTES], payload[-SIGNATURE_BYTES:]
    return signature_holds(key, _purpose(body[0]), tag + body, signature)


_slot_holds = lru_cache(maxsize=SLOTS_REMEMBERED)(_payload_holds)


def verify_code(
    code: ResidentCode,
    issuer_keys: Mapping[int, Ed25519PublicKey],
    tag: bytes,
    now: datetime | None,
) -> Declined | None:
    """None where the code is this pool's and in its time; else why not.

    Args:
        code: what :func:`parse_code` read.
        issuer_keys: live issuer keys by kid.
        tag: the pool's tag.
        now: the time, or None where the terminal does not know it; then a code that
            lives for minutes is refused and a card's expiry is left to the server.
    """
    return signature_problem(code, issuer_keys, tag) or time_problem(code, now)


def signature_problem(
    code: ResidentCode, issuer_keys: Mapping[int, Ed25519PublicKey], tag: bytes
) -> Declined | None:
    """None where the code is this pool's, whenever that is asked; the first half of
    :func:`verify_code`.
    """
    key = issuer_keys.get(code.kid)
    if key is None:
        return Declined(DeclineReason.CODE_FOREIGN)
    body, signature = code.payload[:-SIGNATURE_BYTES], code.payload[-SIGNATURE_BYTES:]
    if not signature_holds(key, _purpose(body[0]), tag + body, signature):
        return Declined(DeclineReason.CODE_FORGED)
    return None


def time_problem(code: ResidentCode, now: datetime | None) -> Declined | None:
    """None where the code is in its time; the second half of :func:`verify_code`."""
    if isinstance(code, SlotCode):
        if now is None:
            return Declined(DeclineReason.CLOCK_UNKNOWN)
        if now >= code.ends_at + SLOT_GRACE:
            return Declined(DeclineReason.CODE_EXPIRED, expired_at=code.ends_at)
        if now < code.starts_at - SLOT_GRACE:
            return Declined(DeclineReason.CODE_NOT_YET_VALID)
    elif now is not None and now.date() > code.expires_on:
        ended = datetime(
            code.expires_on.year, code.expires_on.month, code.expires_on.day, tzinfo=UTC
        )
        return Declined(DeclineReason.CODE_EXPIRED, expired_at=ended)
    return None


def card_proof(secret: bytes, sale_id: UUID, points: int, terminal: str) -> bytes:
    """Proof that a card was in front of this terminal for this sale and these points.

    The journal keeps this instead of the secret; the server, which knows every card's
    secret, can check it, and a stolen terminal reveals no card.
    """
    message = (
        b"HUIDIAN1/card-proof\0" + sale_id.bytes + points.to_bytes(4, "big") + terminal.encode()
    )
    return hmac.digest(secret, message, "sha256")
