"""Codes in QR: what they carry, how they are read, and how they are verified.

Fixed layout, big-endian, written as decimal digits: digits are the only keys that every
scanner types alike, and cost no more QR modules than raw bytes. What is signed is a purpose,
the pool's tag and the bytes; the tag itself is never transmitted, so that a code of one pool
never verifies in another. ``kid`` names the issuer key. Times are Unix seconds, caps are
points a sale. docs/codes.md is the specification, docs/codes-vectors.json its test vectors.
"""

from protocol.codes.issued import (
    SECRET_BYTES,
    CardCode,
    SlotCode,
    card_proof,
    make_card,
    make_slot,
)
from protocol.codes.phone import ConfirmCode, PhoneCertificate, ShowCode
from protocol.codes.reading import (
    Code,
    ResidentCode,
    parse_code,
    parse_payload,
    read_code,
    read_payload,
)
from protocol.codes.text import (
    MAX_CODE_DIGITS,
    SHORTEST_CODE_DIGITS,
    Unreadable,
    from_digits,
    to_digits,
)
from protocol.codes.verifying import SLOT_GRACE, signature_problem, time_problem, verify_code

__all__ = [
    "MAX_CODE_DIGITS",
    "SECRET_BYTES",
    "SHORTEST_CODE_DIGITS",
    "SLOT_GRACE",
    "CardCode",
    "Code",
    "ConfirmCode",
    "PhoneCertificate",
    "ResidentCode",
    "ShowCode",
    "SlotCode",
    "Unreadable",
    "card_proof",
    "from_digits",
    "make_card",
    "make_slot",
    "parse_code",
    "parse_payload",
    "read_code",
    "read_payload",
    "signature_problem",
    "time_problem",
    "to_digits",
    "verify_code",
]
