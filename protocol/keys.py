"""Keys that carry their algorithm: ``ed25519:`` and the key in base64url.

Signatures are separated by purpose: what is signed is ``HUIDIAN1/<purpose>``, a zero
byte, and the message, so that a signature given for one thing never serves for another.
"""

import base64
import binascii
import hashlib
from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ALGORITHM = "ed25519"
SIGNATURE_BYTES = 64
POOL_TAG_BYTES = 8


class KeyTextError(ValueError):
    """A key's text is not ``ed25519:`` and 32 bytes in base64url."""


def _raw(text: str) -> bytes:
    algorithm, _, encoded = text.partition(":")
    try:
        raw = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    except (binascii.Error, ValueError) as error:
        raise KeyTextError("a key's text is not base64url") from error
    if algorithm != ALGORITHM or len(raw) != 32:  # noqa: PLR2004 - Ed25519 keys are 32 bytes
        raise KeyTextError(f"a key must be {ALGORITHM}: and 32 bytes")
    return raw


def _text(raw: bytes) -> str:
    return f"{ALGORITHM}:{base64.urlsafe_b64encode(raw).decode().rstrip('=')}"


def public_key_text(key: Ed25519PublicKey) -> str:
    return _text(key.public_bytes_raw())


@lru_cache(maxsize=256)
def read_public_key(text: str) -> Ed25519PublicKey:
    """The key that a text names; the same few keys are asked for again and again.

    Raises :class:`KeyTextError` for anything but a tagged Ed25519 public key.
    """
    return Ed25519PublicKey.from_public_bytes(_raw(text))


def private_key_text(key: Ed25519PrivateKey) -> str:
    return _text(key.private_bytes_raw())


def read_private_key(text: str) -> Ed25519PrivateKey:
    """Raises :class:`KeyTextError` for anything but a tagged Ed25519 private key."""
    return Ed25519PrivateKey.from_private_bytes(_raw(text))


def key_fingerprint(key: Ed25519PublicKey) -> str:
    """First 16 hex digits of the SHA-256 of the key: for people to compare."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16]


def pool_tag(root_key: Ed25519PublicKey) -> bytes:
    """8 bytes that stand for a pool in every signature, and are never transmitted."""
    return hashlib.sha256(root_key.public_bytes_raw()).digest()[:POOL_TAG_BYTES]


def purposed(purpose: str, message: bytes) -> bytes:
    """What is signed for a purpose: see the head of this file."""
    return b"HUIDIAN1/" + purpose.encode() + b"\0" + message


def sign(key: Ed25519PrivateKey, purpose: str, message: bytes) -> bytes:
    """64 bytes of signature for one purpose."""
    return key.sign(purposed(purpose, message))


def signature_holds(key: Ed25519PublicKey, purpose: str, message: bytes, signature: bytes) -> bool:
    """Whether ``signature`` is this key's for this purpose and message."""
    try:
        key.verify(signature, purposed(purpose, message))
    except InvalidSignature:
        return False
    return True
