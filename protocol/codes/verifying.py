"""Whether a code is the pool's and in its time, with public keys only."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from protocol.codes.challenge import (
    CHALLENGE_PURPOSE,
    RECEIPT_PURPOSE,
    TERMINAL_CERTIFICATE_PURPOSE,
    Challenge,
    ReceiptCode,
    TerminalCertificate,
    terminal_name,
)
from protocol.codes.issued import CARD_PURPOSE, SLOT_PURPOSE, CardCode, SlotCode
from protocol.codes.phone import (
    CERTIFICATE_PURPOSE,
    CONFIRM_PURPOSE,
    SHOW_PURPOSE,
    ConfirmCode,
    PhoneCertificate,
    ShowCode,
)
from protocol.keys import SIGNATURE_BYTES, signature_holds
from protocol.reasons import Declined, DeclineReason

SLOT_GRACE = timedelta(seconds=90)
"""How far a phone's minute may differ from the terminal's."""

SHOW_WINDOW = timedelta(seconds=90)
"""How long after a phone signed it a show code may be taken."""
SHOW_AHEAD = timedelta(seconds=30)
"""How far a phone's clock may be ahead of the terminal's."""

IssuerKeys = Mapping[int, Ed25519PublicKey]
Judged = SlotCode | CardCode | ShowCode


def verify_code(
    code: Judged, issuer_keys: IssuerKeys, tag: bytes, now: datetime | None
) -> Declined | None:
    """None where the code is this pool's and in its time; else why not.

    Args:
        code: what was read.
        issuer_keys: live issuer keys by kid.
        tag: the pool's tag.
        now: the time, or None where the terminal does not know it; then a code that
            lives for minutes is refused and a card's expiry is left to the server.
    """
    return signature_problem(code, issuer_keys, tag) or time_problem(code, now)


def signature_problem(code: Judged, issuer_keys: IssuerKeys, tag: bytes) -> Declined | None:
    """None where the code is this pool's, whenever that is asked; the first half of
    :func:`verify_code`.
    """
    if isinstance(code, ShowCode):
        declined = certificate_problem(code.certificate, issuer_keys, tag)
        if declined is not None:
            return declined
        message = tag + code.payload[:-SIGNATURE_BYTES]
        if code.certificate.key.signed(SHOW_PURPOSE, message, code.payload[-SIGNATURE_BYTES:]):
            return None
        return Declined(DeclineReason.CODE_FORGED)
    purpose = SLOT_PURPOSE if isinstance(code, SlotCode) else CARD_PURPOSE
    return _issued_problem(code.kid, code.payload, purpose, issuer_keys, tag)


def time_problem(code: Judged, now: datetime | None) -> Declined | None:
    """None where the code is in its time; the second half of :func:`verify_code`."""
    if isinstance(code, CardCode):
        return _card_time_problem(code, now)
    if now is None:
        return Declined(DeclineReason.CLOCK_UNKNOWN)
    if isinstance(code, SlotCode):
        if now >= code.ends_at + SLOT_GRACE:
            return Declined(DeclineReason.CODE_EXPIRED, expired_at=code.ends_at)
        if now < code.starts_at - SLOT_GRACE:
            return Declined(DeclineReason.CODE_NOT_YET_VALID)
        return None
    expired = certificate_expired(code.certificate, now)
    if expired is not None:
        return expired
    if now > code.shown_at + SHOW_WINDOW:
        return Declined(DeclineReason.CODE_EXPIRED, expired_at=code.shown_at + SHOW_WINDOW)
    if now < code.shown_at - SHOW_AHEAD:
        return Declined(DeclineReason.CODE_NOT_YET_VALID)
    return None


def _card_time_problem(code: CardCode, now: datetime | None) -> Declined | None:
    if now is None or now.date() <= code.expires_on:
        return None
    last = code.expires_on
    ended = datetime(last.year, last.month, last.day, tzinfo=UTC)
    return Declined(DeclineReason.CODE_EXPIRED, expired_at=ended)


def certificate_problem(
    certificate: PhoneCertificate, issuer_keys: IssuerKeys, tag: bytes
) -> Declined | None:
    """None where the pool certified this phone's key, whenever that is asked."""
    return _issued_problem(
        certificate.kid, certificate.signed, CERTIFICATE_PURPOSE, issuer_keys, tag
    )


def certificate_expired(certificate: PhoneCertificate, now: datetime) -> Declined | None:
    """None while the certificate is good."""
    if now < certificate.expires_at:
        return None
    return Declined(DeclineReason.CODE_EXPIRED, expired_at=certificate.expires_at)


def confirm_problem(
    answer: ConfirmCode, certificate: PhoneCertificate, challenge: Challenge, tag: bytes
) -> Declined | None:
    """None where ``answer`` is the certified phone's yes to this very challenge.

    Certificate and challenge must have been judged: the one is whose code was shown first, the
    other is the terminal's own.
    """
    if answer.account != certificate.account or answer.seq != certificate.seq:
        return Declined(DeclineReason.CONFIRM_OTHER)
    body, signature = answer.payload[:-SIGNATURE_BYTES], answer.payload[-SIGNATURE_BYTES:]
    if certificate.key.signed(CONFIRM_PURPOSE, tag + body + challenge.payload, signature):
        return None
    # Signed for another challenge, or by another key: the one cannot be told from the other.
    return Declined(DeclineReason.CONFIRM_OTHER)


def terminal_certificate_problem(
    certificate: TerminalCertificate, issuer_keys: IssuerKeys, tag: bytes
) -> Declined | None:
    """None where the pool certified this terminal's key, whenever that is asked."""
    return _issued_problem(
        certificate.kid, certificate.signed, TERMINAL_CERTIFICATE_PURPOSE, issuer_keys, tag
    )


def challenge_problem(challenge: Challenge, issuer_keys: IssuerKeys, tag: bytes) -> Declined | None:
    """None where a terminal of this pool asks; what a phone checks, and the server again."""
    declined = terminal_certificate_problem(challenge.certificate, issuer_keys, tag)
    if declined is not None:
        return declined
    key = Ed25519PublicKey.from_public_bytes(challenge.certificate.key)
    body, signature = challenge.payload[:-SIGNATURE_BYTES], challenge.payload[-SIGNATURE_BYTES:]
    if signature_holds(key, CHALLENGE_PURPOSE, tag + body, signature):
        return None
    return Declined(DeclineReason.CODE_FORGED)


def receipt_holds(receipt: ReceiptCode, key: Ed25519PublicKey, tag: bytes) -> bool:
    """Whether the terminal with this key made the receipt."""
    if receipt.terminal != terminal_name(key):
        return False
    body, signature = receipt.payload[:-SIGNATURE_BYTES], receipt.payload[-SIGNATURE_BYTES:]
    return signature_holds(key, RECEIPT_PURPOSE, tag + body, signature)


def _issued_problem(
    kid: int, signed: bytes, purpose: str, issuer_keys: IssuerKeys, tag: bytes
) -> Declined | None:
    key = issuer_keys.get(kid)
    if key is None:
        return Declined(DeclineReason.CODE_FOREIGN)
    body, signature = signed[:-SIGNATURE_BYTES], signed[-SIGNATURE_BYTES:]
    if signature_holds(key, purpose, tag + body, signature):
        return None
    return Declined(DeclineReason.CODE_FORGED)
