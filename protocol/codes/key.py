"""Keys in codes: raw bytes whose algorithm is told by the code's type.

Ed25519 (RFC 8032) everywhere; a phone whose browser has none uses ES256 (ECDSA on P-256 with
SHA-256), its point compressed to 33 bytes. Signatures are 64 bytes for both; an ES256 one is
``r || s``, as WebCrypto writes it.
"""

from enum import StrEnum
from functools import cached_property

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec import Struct

from protocol.keys import SIGNATURE_BYTES, purposed

ED25519_KEY_BYTES = 32
P256_KEY_BYTES = 33
_HALF = SIGNATURE_BYTES // 2


class KeyAlgorithm(StrEnum):
    """How a phone's key signs."""

    ED25519 = "ed25519"
    ES256 = "es256"


PhonePrivateKey = Ed25519PrivateKey | EllipticCurvePrivateKey


class PhoneKey(Struct, frozen=True, dict=True):
    """A phone's public key: 32 bytes for Ed25519, 33 (compressed point) for ES256."""

    raw: bytes

    @property
    def algorithm(self) -> KeyAlgorithm:
        return KeyAlgorithm.ED25519 if len(self.raw) == ED25519_KEY_BYTES else KeyAlgorithm.ES256

    @cached_property
    def _loaded(self) -> Ed25519PublicKey | EllipticCurvePublicKey | None:
        try:
            if len(self.raw) == ED25519_KEY_BYTES:
                return Ed25519PublicKey.from_public_bytes(self.raw)
            if len(self.raw) == P256_KEY_BYTES:
                return EllipticCurvePublicKey.from_encoded_point(SECP256R1(), self.raw)
        except ValueError:  # no point of the curve
            return None
        return None

    @property
    def is_sound(self) -> bool:
        """Whether the bytes are a key at all."""
        return self._loaded is not None

    def signed(self, purpose: str, message: bytes, signature: bytes) -> bool:
        """Whether ``signature`` is this key's for this purpose and message."""
        key = self._loaded
        if key is None or len(signature) != SIGNATURE_BYTES:
            return False
        try:
            if isinstance(key, Ed25519PublicKey):
                key.verify(signature, purposed(purpose, message))
            else:
                r, s = int.from_bytes(signature[:_HALF]), int.from_bytes(signature[_HALF:])
                key.verify(encode_dss_signature(r, s), purposed(purpose, message), ECDSA(SHA256()))
        except InvalidSignature:
            return False
        return True


def public_half(key: PhonePrivateKey) -> PhoneKey:
    """The public key of a phone's key."""
    if isinstance(key, Ed25519PrivateKey):
        return PhoneKey(key.public_key().public_bytes_raw())
    raw = key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    return PhoneKey(raw)


def sign_with(key: PhonePrivateKey, purpose: str, message: bytes) -> bytes:
    """64 bytes; the same ones for the same message, whichever algorithm (RFC 6979 for ES256)."""
    whole = purposed(purpose, message)
    if isinstance(key, Ed25519PrivateKey):
        return key.sign(whole)
    r, s = decode_dss_signature(key.sign(whole, ECDSA(SHA256(), deterministic_signing=True)))
    return r.to_bytes(_HALF) + s.to_bytes(_HALF)
