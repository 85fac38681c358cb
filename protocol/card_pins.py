"""A card's PIN: what a terminal may know of it, and what proves that it was typed.

Argon2id over the PIN, salted with the card's own secret, gives 32 bytes. The first 16, the
*verifier*, stand in the directory: every terminal can tell a right PIN from a wrong one with the
card in front of it, and nobody can search for the PIN who has the terminal without the card, or
the card without a terminal. The other 16, the *proof key*, are known to the server and to whoever
has card and PIN at hand, and to no terminal that has not seen both: so a terminal cannot claim
that a PIN was typed.
"""

import base64
import binascii
import hmac
import re
from itertools import pairwise
from typing import Protocol
from uuid import UUID

from msgspec import Struct

PIN_DIGITS = 6
MAX_ROUND = 10**6
VERIFIER_BYTES = 16
PROOF_KEY_BYTES = 16
MOST_TRIES = 10
"""Wrong PINs of one card at all terminals together, within :data:`TRIES_DAYS`, until it is locked."""
TRIES_DAYS = 30
"""How long a wrong PIN counts. A right one takes nothing back: whoever has a picture of the card
could wait for its holder to shop."""
TRIES_A_DAY = 3
"""Wrong PINs of one card at one terminal on one business date; the next day begins anew."""

_PIN = re.compile(rf"[0-9]{{{PIN_DIGITS}}}", re.ASCII)
_FORM = "1"
_LOCKED = "locked"
_TEXT = re.compile(r"1\.([0-9]{1,7})\.(locked|[A-Za-z0-9_-]{22})", re.ASCII)
_PROOF_DOMAIN = b"HUIDIAN1/card-pin\0"


class PinMade(Struct, frozen=True):
    """What Argon2id makes of a PIN. ``proof_key`` is as good as the PIN; repr shows neither."""

    verifier: bytes
    proof_key: bytes

    def __repr__(self) -> str:
        return "PinMade(withheld)"


class PinBusyError(Exception):
    """Too many PINs are being worked on at this moment; the same again in a moment may do."""


class PinMaker(Protocol):
    """Works a PIN out; slow and big in memory on purpose."""

    def make(self, pin: str, secret: bytes, card_id: bytes) -> PinMade:
        """What becomes of a PIN of six digits with a card's secret.

        Raises:
            PinBusyError: no place came free in time.
        """


class PinRule(Struct, frozen=True):
    """What a terminal knows of a card's PIN. ``verifier`` is None while the PIN is locked."""

    pin_round: int
    verifier: bytes | None


def is_pin(text: str) -> bool:
    """Whether it is six plain digits."""
    return _PIN.fullmatch(text) is not None


def is_too_easy(pin: str) -> bool:
    """Whether it is among the first that anybody tries.

    All digits the same, rising or falling by one (123456, 654321), or a piece that is repeated
    (121212, 123123).
    """
    digits = [int(each) for each in pin]
    steps = {(after - before) % 10 for before, after in pairwise(digits)}
    repeated = pin == pin[:2] * 3 or pin == pin[:3] * 2
    return steps in ({0}, {1}, {9}) or repeated


def verifier_text(pin_round: int, verifier: bytes | None) -> str:
    """What stands in the directory; ``None`` where the PIN is locked."""
    if verifier is None:
        return f"{_FORM}.{pin_round}.{_LOCKED}"
    assert len(verifier) == VERIFIER_BYTES
    return f"{_FORM}.{pin_round}.{base64.urlsafe_b64encode(verifier).decode().rstrip('=')}"


def read_verifier(text: str) -> PinRule | None:
    """What :func:`verifier_text` wrote; None for anything else."""
    found = _TEXT.fullmatch(text)
    if found is None or not 1 <= int(found[1]) <= MAX_ROUND:
        return None
    if found[2] == _LOCKED:
        return PinRule(int(found[1]), None)
    try:
        return PinRule(int(found[1]), base64.urlsafe_b64decode(found[2] + "=="))
    except binascii.Error:
        return None


def pin_proof(proof_key: bytes, sale_id: UUID, points: int, terminal: str) -> bytes:
    """32 bytes that only somebody with card and PIN at hand can make, for one sale."""
    message = _PROOF_DOMAIN + sale_id.bytes + points.to_bytes(4, "big") + terminal.encode()
    return hmac.digest(proof_key, message, "sha256")
