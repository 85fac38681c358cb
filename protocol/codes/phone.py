"""Codes that a phone signs with a key of its own, which the pool certified while it was online.

    0x11 SHOW (185 B)     certificate: type1 kid1 account8 key32 expiry4 cap2 flags1 seq2 sig64
                          shown_at4 counter2 sig64
    0x15 SHOW (186 B)     the same with an ES256 key: key33
    0x13 CONFIRM (77 B)   type1 account8 seq2 counter2 sig64

The certificate's signature is the issuer's, the other two are the phone's. SHOW signs
everything before its signature. CONFIRM signs its own fields and the whole challenge that it
answers (:mod:`protocol.codes.challenge`), which is not sent back: the terminal still has it.
``counter`` goes up with every code of a certificate, whichever of the two kinds.
"""

import struct
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Struct

from protocol.codes.key import (
    ED25519_KEY_BYTES,
    KeyAlgorithm,
    PhoneKey,
    PhonePrivateKey,
    sign_with,
)
from protocol.keys import SIGNATURE_BYTES, sign
from protocol.money import Points

TYPE_SHOW = 0x11
TYPE_SHOW_ES256 = 0x15
TYPE_CONFIRM = 0x13
ACCOUNT_BYTES = 8
CERTIFICATE_PURPOSE = "phone-certificate"
SHOW_PURPOSE = "phone-show"
CONFIRM_PURPOSE = "phone-confirm"

FLAG_EXTRACTABLE = 0x01
"""The key lies where the app's own code can read it (a mini-program's storage)."""
KNOWN_FLAGS = FLAG_EXTRACTABLE

_HEAD = struct.Struct(">BB8s")
_TERMS = struct.Struct(">IHBH")
_SHOWN = struct.Struct(">IH")
_CONFIRM = struct.Struct(">B8sHH")


class PhoneCertificate(Struct, frozen=True):
    """The pool's word that a key is a resident's.

    Attributes:
        cap: most points a sale that the key may give where nobody can be asked.
        seq: the certificate's number among the account's; the counter belongs to it.
        signed: its bytes, the issuer's signature included (115, or 116 with ES256).
    """

    kid: int
    account: bytes
    key: PhoneKey
    expires_at: datetime
    cap: Points
    flags: int
    seq: int
    signed: bytes


class ShowCode(Struct, frozen=True):
    """A phone was at hand at ``shown_at``. It says nothing about an amount."""

    certificate: PhoneCertificate
    shown_at: datetime
    counter: int
    payload: bytes

    @property
    def kid(self) -> int:
        return self.certificate.kid

    @property
    def account(self) -> bytes:
        return self.certificate.account

    @property
    def cap(self) -> Points:
        return self.certificate.cap


class ConfirmCode(Struct, frozen=True):
    """A phone's yes to one challenge: one sale, one terminal, so many points."""

    account: bytes
    seq: int
    counter: int
    payload: bytes


def show_limit(certificate: PhoneCertificate, policy_points: int) -> int:
    """Most points a sale for a code that is only shown: what the policy says, or half of it for
    a key that can be read. More takes a confirmation.
    """
    return policy_points // 2 if certificate.flags & FLAG_EXTRACTABLE else policy_points


def make_certificate(
    issuer: Ed25519PrivateKey,
    tag: bytes,
    *,
    kid: int,
    account: bytes,
    key: PhoneKey,
    expires_at: datetime,
    cap: Points,
    flags: int,
    seq: int,
) -> bytes:
    """Certify a phone's key; returns the 115 (ES256: 116) bytes that begin each of its codes."""
    is_ed25519 = key.algorithm is KeyAlgorithm.ED25519
    code_type = TYPE_SHOW if is_ed25519 else TYPE_SHOW_ES256
    terms = _TERMS.pack(int(expires_at.timestamp()), cap, flags, seq)
    body = _HEAD.pack(code_type, kid, account) + key.raw + terms
    return body + sign(issuer, CERTIFICATE_PURPOSE, tag + body)


def certificate_bytes(code_type: int) -> int:
    """How long a certificate is, the issuer's signature included."""
    key_bytes = ED25519_KEY_BYTES if code_type == TYPE_SHOW else ED25519_KEY_BYTES + 1
    return _HEAD.size + key_bytes + _TERMS.size + SIGNATURE_BYTES


def read_certificate(signed: bytes) -> PhoneCertificate | None:
    """Read a certificate's fields, unjudged; None where it is none."""
    if not signed or signed[0] not in {TYPE_SHOW, TYPE_SHOW_ES256}:
        return None
    if len(signed) != certificate_bytes(signed[0]):
        return None
    _, kid, account = _HEAD.unpack_from(signed)
    terms_at = len(signed) - SIGNATURE_BYTES - _TERMS.size
    expiry_s, cap, flags, seq = _TERMS.unpack_from(signed, terms_at)
    if flags & ~KNOWN_FLAGS:
        return None
    key = PhoneKey(signed[_HEAD.size : terms_at])
    expires_at = datetime.fromtimestamp(expiry_s, UTC)
    return PhoneCertificate(kid, account, key, expires_at, Points(cap), flags, seq, signed)


def make_show(
    key: PhonePrivateKey, tag: bytes, certificate: bytes, *, shown_at: datetime, counter: int
) -> bytes:
    """Sign a show code, as a phone does; returns its payload."""
    body = certificate + _SHOWN.pack(int(shown_at.timestamp()), counter)
    return body + sign_with(key, SHOW_PURPOSE, tag + body)


def read_show(payload: bytes) -> ShowCode | None:
    """Read the fields of a payload of type 0x11 or 0x15; None where a field is impossible."""
    certificate = read_certificate(payload[: certificate_bytes(payload[0])])
    if certificate is None:
        return None
    shown_s, counter = _SHOWN.unpack_from(payload, len(certificate.signed))
    return ShowCode(certificate, datetime.fromtimestamp(shown_s, UTC), counter, payload)


def make_confirm(
    key: PhonePrivateKey,
    tag: bytes,
    challenge: bytes,
    *,
    account: bytes,
    seq: int,
    counter: int,
) -> bytes:
    """Answer a challenge, as a phone does; returns 77 bytes of payload."""
    body = _CONFIRM.pack(TYPE_CONFIRM, account, seq, counter)
    return body + sign_with(key, CONFIRM_PURPOSE, tag + body + challenge)


def read_confirm(payload: bytes) -> ConfirmCode:
    """Read the fields of 77 bytes of type 0x13."""
    _, account, seq, counter = _CONFIRM.unpack(payload[:-SIGNATURE_BYTES])
    return ConfirmCode(account, seq, counter, payload)
