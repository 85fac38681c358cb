"""What the pool signs and hands out whole: slots for a phone without a key, printed cards.

    0x31 SLOT (85 B)  type1 kid1 account8 slot_start4 minutes1 cap2 batch2 index2 sig64
    0x41 CARD (95 B)  type1 kid1 card_id8 secret16 seq1 expiry_days2 cap2 sig64

A denominated card is a card as well: its id says that it is one, to whoever has the directory; its
seq is 1, and its ``cap`` is what it was worth when it was printed.
"""

import hmac
import struct
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Struct

from protocol.keys import SIGNATURE_BYTES, sign
from protocol.money import Points

TYPE_SLOT = 0x31
TYPE_CARD = 0x41
SECRET_BYTES = 16
SLOT_PURPOSE = "slot"
CARD_PURPOSE = "card"

_SLOT = struct.Struct(">BB8sIBHHH")
_CARD = struct.Struct(">BB8s16sBHH")
_EPOCH = date(1970, 1, 1)


class SlotCode(Struct, frozen=True):
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


class CardCode(Struct, frozen=True):
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


def read_slot(payload: bytes) -> SlotCode:
    """Read the fields of 85 bytes of type 0x31."""
    _, kid, account, start_s, minutes, cap, batch, index = _SLOT.unpack(payload[:-SIGNATURE_BYTES])
    starts_at = datetime.fromtimestamp(start_s, UTC)
    return SlotCode(kid, account, starts_at, minutes, Points(cap), batch, index, payload)


def read_card(payload: bytes) -> CardCode:
    """Read the fields of 95 bytes of type 0x41."""
    _, kid, card_id, secret, seq, expiry_days, cap = _CARD.unpack(payload[:-SIGNATURE_BYTES])
    expires_on = _EPOCH + timedelta(days=expiry_days)
    return CardCode(kid, card_id, secret, seq, expires_on, Points(cap), payload)


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
    return body + sign(key, SLOT_PURPOSE, tag + body)


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
    body = _CARD.pack(TYPE_CARD, kid, card_id, secret, seq, expiry_days, cap)
    return body + sign(key, CARD_PURPOSE, tag + body)


def card_proof(secret: bytes, sale_id: UUID, points: int, terminal: str) -> bytes:
    """Proof that a card was in front of this terminal for this sale and these points.

    The journal keeps this instead of the secret; the server, which knows every card's
    secret, can check it, and a stolen terminal reveals no card.
    """
    message = (
        b"HUIDIAN1/card-proof\0" + sale_id.bytes + points.to_bytes(4, "big") + terminal.encode()
    )
    return hmac.digest(secret, message, "sha256")
