"""One code of each kind, how it is verified, and which signatures that comes down to."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from protocol.codes import (
    ConfirmCode,
    PhoneCertificate,
    ShowCode,
    make_card,
    make_slot,
    read_code,
    to_digits,
    verify_code,
)
from protocol.codes.challenge import (
    Challenge,
    ReceiptCode,
    ReceiptKind,
    make_challenge,
    make_receipt,
    make_terminal_certificate,
    nonce_of,
)
from protocol.codes.issued import CardCode, SlotCode
from protocol.codes.key import PhonePrivateKey, public_half
from protocol.codes.phone import make_certificate, make_confirm, make_show, read_certificate
from protocol.codes.verifying import challenge_problem, confirm_problem, receipt_holds
from protocol.keys import SIGNATURE_BYTES, pool_tag, purposed
from protocol.money import Fen, Points

Check = tuple[bytes, bytes, bytes, bool]
"""Key, message, signature, and whether the key is loaded beforehand."""

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=90)
ISSUER, ROOT, TERMINAL, PHONE = (
    Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in range(1, 5)
)
PHONE_ES256 = ec.derive_private_key(5, ec.SECP256R1())
TAG = pool_tag(ROOT.public_key())
KEYS = {1: ISSUER.public_key()}
ISSUER_RAW = ISSUER.public_key().public_bytes_raw()
TERMINAL_RAW = TERMINAL.public_key().public_bytes_raw()
ACCOUNT = b"account!"
SALE = UUID(int=1)


@dataclass(frozen=True, slots=True)
class Sample:
    """``verify`` reads the digits and verifies them; it raises where it is refused."""

    name: str
    verify: Callable[[], None]
    checks: tuple[Check, ...]


def samples() -> tuple[Sample, ...]:
    return (
        _shown("show, Ed25519 (0x11)", PHONE),
        _shown("show, ES256 (0x15)", PHONE_ES256),
        _confirmed("confirm, Ed25519 (0x13)", PHONE),
        _confirmed("confirm, ES256 (0x13)", PHONE_ES256),
        _challenged(),
        _issued("slot (0x31)", _slot(), "slot"),
        _issued("card (0x41)", _card(), "card"),
        _receipt(),
    )


def _parts(purpose: str, payload: bytes, raw: bytes, *, loaded: bool, more: bytes = b"") -> Check:
    body, signature = payload[:-SIGNATURE_BYTES], payload[-SIGNATURE_BYTES:]
    return raw, purposed(purpose, TAG + body + more), signature, loaded


def _issued(name: str, payload: bytes, purpose: str) -> Sample:
    digits = to_digits(payload)

    def verify() -> None:
        code = read_code(digits)
        assert isinstance(code, SlotCode | CardCode | ShowCode)
        assert verify_code(code, KEYS, TAG, NOW) is None

    return Sample(name, verify, (_parts(purpose, payload, ISSUER_RAW, loaded=True),))


def _certificate(key: PhonePrivateKey) -> bytes:
    return make_certificate(
        ISSUER,
        TAG,
        kid=1,
        account=ACCOUNT,
        key=public_half(key),
        expires_at=LATER,
        cap=Points(500),
        flags=0,
        seq=1,
    )


def _shown(name: str, key: PhonePrivateKey) -> Sample:
    certificate = _certificate(key)
    payload = make_show(key, TAG, certificate, shown_at=NOW, counter=1)
    checks = (
        _parts("phone-certificate", certificate, ISSUER_RAW, loaded=True),
        _parts("phone-show", payload, public_half(key).raw, loaded=False),
    )
    return Sample(name, _issued(name, payload, "").verify, checks)


def _challenge() -> bytes:
    certificate = make_terminal_certificate(
        ISSUER, TAG, kid=1, key=TERMINAL.public_key(), expires_at=LATER, shop_name="惠民便利店"
    )
    return make_challenge(
        TERMINAL, TAG, certificate, points=Points(480), asked_at=NOW, nonce=nonce_of(SALE)
    )


def _challenged() -> Sample:
    payload = _challenge()
    digits = to_digits(payload)

    def verify() -> None:
        code = read_code(digits)
        assert isinstance(code, Challenge)
        assert challenge_problem(code, KEYS, TAG) is None

    checks = (
        _parts("terminal-certificate", payload[:144], ISSUER_RAW, loaded=True),
        _parts("terminal-challenge", payload, TERMINAL_RAW, loaded=False),
    )
    return Sample("challenge (0x21)", verify, checks)


def _confirmed(name: str, key: PhonePrivateKey) -> Sample:
    asked_payload, certified = _challenge(), _certificate(key)
    payload = make_confirm(key, TAG, asked_payload, account=ACCOUNT, seq=1, counter=2)
    asked = read_code(to_digits(asked_payload))
    digits = to_digits(payload)
    assert isinstance(asked, Challenge)

    def verify() -> None:
        code = read_code(digits)
        # Read anew each time, so that its key is loaded anew as well.
        certificate = read_certificate(certified)
        assert isinstance(code, ConfirmCode)
        assert isinstance(certificate, PhoneCertificate)
        assert confirm_problem(code, certificate, asked, TAG) is None

    check = _parts("phone-confirm", payload, public_half(key).raw, loaded=False, more=asked_payload)
    return Sample(name, verify, (check,))


def _slot() -> bytes:
    return make_slot(
        ISSUER,
        TAG,
        kid=1,
        account=ACCOUNT,
        starts_at=NOW,
        minutes=30,
        cap=Points(100),
        batch=1,
        index=1,
    )


def _card() -> bytes:
    return make_card(
        ISSUER,
        TAG,
        kid=1,
        card_id=b"card id!",
        secret=bytes(16),
        seq=1,
        expires_on=date(2028, 1, 1),
        cap=Points(50),
    )


def _receipt() -> Sample:
    payload = make_receipt(
        TERMINAL,
        TAG,
        kind=ReceiptKind.SALE,
        sale_id=SALE,
        occurred_at=NOW,
        points=Points(71),
        total_fen=Fen(718),
        cash_fen=Fen(0),
        record=b"{}",
    )
    digits, key = to_digits(payload), TERMINAL.public_key()

    def verify() -> None:
        code = read_code(digits)
        assert isinstance(code, ReceiptCode)
        assert receipt_holds(code, key, TAG)

    check = _parts("receipt-code", payload, TERMINAL_RAW, loaded=True)
    return Sample("receipt (0x51)", verify, (check,))
