"""The terminal's journal: gapless, hash-chained, signed records; sent and stored as bytes.

A record's bytes are made once, by the terminal, and never made again: its hash and its
signature are over those bytes, the server stores those bytes, and a replay reads them.
"""

import hashlib
import re
from datetime import datetime
from enum import StrEnum

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Struct

from protocol.keys import sign, signature_holds
from protocol.sales import Happening

RECORD_PURPOSE = "record"
GENESIS = "0" * 64
"""The previous hash of an epoch's first record."""

MAX_RECORD_BYTES = 128 * 1024
MAX_RECORDS_A_BATCH = 100
MAX_NESTING = 64
"""Lists and objects inside one another. Without a limit of our own it would be the reader's stack
that decides, and a record that was read once might not be read again.
"""

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BRACKET = re.compile(rb"[\[\]{}]")


class ClockState(StrEnum):
    """How far the terminal's clock is to be believed."""

    GOOD = "good"
    HELD = "held"
    UNKNOWN = "unknown"


class Envelope(Struct, frozen=True, kw_only=True):
    """A record: its place in the chain, its time as the terminal tells it, and what happened.

    Attributes:
        terminal: terminal id.
        epoch: number given out by the server, from 1.
        seq: place in the epoch, from 1, without gaps.
        prev_hash: hex hash of the record before, :data:`GENESIS` for the first.
        occurred_at: the terminal's claim, aware UTC.
        monotonic_ms: milliseconds since the machine started, within ``boot_id``.
        happening: one of :data:`protocol.sales.Happening`, undecoded, so that a kind
            which one side does not know yet can still be chained, stored and parked.
    """

    terminal: str
    epoch: int
    seq: int
    prev_hash: str
    occurred_at: datetime
    monotonic_ms: int
    boot_id: str
    clock_state: ClockState
    policy_version: int
    directory_version: int
    happening: msgspec.Raw


class SignedRecord(Struct, frozen=True, kw_only=True):
    """A record on the wire and on disk: exact bytes and the terminal's signature."""

    body: bytes
    signature: bytes

    @property
    def hash_hex(self) -> str:
        return record_hash(self.body)


class RecordProblem(StrEnum):
    """Why bytes are not an authentic record of this terminal."""

    NOT_A_RECORD = "not_a_record"
    TOO_LARGE = "too_large"
    FOREIGN_TERMINAL = "foreign_terminal"
    BAD_SIGNATURE = "bad_signature"


UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What reading JSON of a stranger can raise: no JSON or another shape, no UTF-8, too deep."""

_encoder = msgspec.json.Encoder(order="deterministic")
_envelopes = msgspec.json.Decoder(Envelope)
_happenings: msgspec.json.Decoder[Happening] = msgspec.json.Decoder(Happening)


def encode_happening(happening: Happening) -> msgspec.Raw:
    """What happened, as it stands inside the record."""
    return msgspec.Raw(_encoder.encode(happening))


def decode_happening(raw: msgspec.Raw) -> Happening | None:
    """What happened, or None for a kind or a shape that this side does not know."""
    try:
        return _happenings.decode(raw)
    except UNREADABLE:
        return None


def record_hash(body: bytes) -> str:
    """Hex SHA-256 that the next record of the chain names."""
    return hashlib.sha256(b"HUIDIAN1/record-hash\0" + body).hexdigest()


def seal(envelope: Envelope, key: Ed25519PrivateKey) -> SignedRecord:
    """Make a record's bytes, once, and sign them."""
    body = _encoder.encode(envelope)
    return SignedRecord(body=body, signature=sign(key, RECORD_PURPOSE, body))


def _is_nested_too_deep(body: bytes) -> bool:
    if body.count(b"[") + body.count(b"{") <= MAX_NESTING:
        return False
    depth = 0
    for bracket in _BRACKET.findall(_STRING.sub(b"", body)):
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_NESTING:
            return True
    return False


def open_record(
    record: SignedRecord, key: Ed25519PublicKey, terminal: str
) -> Envelope | RecordProblem:
    """Check a record's size, shape, terminal and signature; its place is the caller's to judge."""
    if len(record.body) > MAX_RECORD_BYTES:
        return RecordProblem.TOO_LARGE
    if _is_nested_too_deep(record.body):
        return RecordProblem.NOT_A_RECORD
    try:
        envelope = _envelopes.decode(record.body)
    except UNREADABLE:
        return RecordProblem.NOT_A_RECORD
    if envelope.terminal != terminal:
        return RecordProblem.FOREIGN_TERMINAL
    if not signature_holds(key, RECORD_PURPOSE, record.body, record.signature):
        return RecordProblem.BAD_SIGNATURE
    return envelope
