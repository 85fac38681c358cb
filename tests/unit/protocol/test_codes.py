import struct
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
import qrcode
import qrcode.constants
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from protocol.codes import (
    MAX_CODE_DIGITS,
    CardCode,
    SlotCode,
    card_proof,
    from_digits,
    make_card,
    make_slot,
    parse_code,
    to_digits,
    verify_code,
)
from protocol.keys import pool_tag
from protocol.money import Points
from protocol.reasons import DeclineReason

ISSUER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
STRANGER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
TAG = pool_tag(Ed25519PrivateKey.from_private_bytes(b"r" * 32).public_key())
OTHER_TAG = pool_tag(Ed25519PrivateKey.from_private_bytes(b"s" * 32).public_key())
KEYS = {7: ISSUER.public_key()}
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def slot(key: Ed25519PrivateKey = ISSUER, tag: bytes = TAG, kid: int = 7) -> bytes:
    return make_slot(
        key,
        tag,
        kid=kid,
        account=bytes.fromhex("0011223344556677"),
        starts_at=NOON,
        minutes=30,
        cap=Points(100),
        batch=3,
        index=9,
    )


def card(key: Ed25519PrivateKey = ISSUER, tag: bytes = TAG, kid: int = 7) -> bytes:
    return make_card(
        key,
        tag,
        kid=kid,
        card_id=bytes.fromhex("8899aabbccddeeff"),
        secret=b"0123456789abcdef",
        seq=2,
        expires_on=date(2028, 3, 1),
        cap=Points(50),
    )


def read(payload: bytes) -> SlotCode | CardCode:
    code = parse_code(to_digits(payload))
    assert code is not None
    return code


def test_a_slot_is_85_bytes_and_says_what_was_signed() -> None:
    payload = slot()
    assert len(payload) == 85
    code = read(payload)
    assert isinstance(code, SlotCode)
    assert code.account.hex() == "0011223344556677"
    assert (code.starts_at, code.ends_at) == (NOON, NOON + timedelta(minutes=30))
    assert (code.kid, code.cap, code.batch, code.index) == (7, 100, 3, 9)
    assert verify_code(code, KEYS, TAG, NOON) is None


def test_a_card_is_95_bytes_and_says_what_was_signed() -> None:
    payload = card()
    assert len(payload) == 95
    code = read(payload)
    assert isinstance(code, CardCode)
    assert code.card_id.hex() == "8899aabbccddeeff"
    assert (code.secret, code.seq, code.expires_on, code.cap) == (
        b"0123456789abcdef",
        2,
        date(2028, 3, 1),
        50,
    )
    assert verify_code(code, KEYS, TAG, NOON) is None


@pytest.mark.parametrize(
    ("payload", "correction", "version"),
    [
        (slot(), qrcode.constants.ERROR_CORRECT_L, 5),
        (card(), qrcode.constants.ERROR_CORRECT_M, 6),
    ],
)
def test_the_codes_fit_the_promised_qr_versions(
    payload: bytes, correction: int, version: int
) -> None:
    code = qrcode.QRCode(error_correction=correction)
    code.add_data(to_digits(payload))
    assert code.best_fit() == version


def test_a_cards_secret_does_not_show_in_its_repr() -> None:
    assert "0123456789abcdef" not in repr(read(card()))
    assert b"0123456789abcdef".hex() not in repr(read(card()))


@pytest.mark.parametrize(
    ("at", "reason"),
    [
        (NOON - timedelta(minutes=1), None),
        (NOON - timedelta(minutes=2), DeclineReason.CODE_NOT_YET_VALID),
        (NOON + timedelta(minutes=31), None),
        (NOON + timedelta(minutes=32), DeclineReason.CODE_EXPIRED),
        (NOON + timedelta(days=365), DeclineReason.CODE_EXPIRED),
        (None, DeclineReason.CLOCK_UNKNOWN),
    ],
)
def test_a_slot_lives_for_its_minutes(at: datetime | None, reason: DeclineReason | None) -> None:
    declined = verify_code(read(slot()), KEYS, TAG, at)
    assert (declined.reason if declined else None) == reason


@pytest.mark.parametrize(
    ("at", "reason"),
    [
        (datetime(2028, 3, 1, 23, 0, tzinfo=UTC), None),
        (datetime(2028, 3, 2, 0, 0, tzinfo=UTC), DeclineReason.CODE_EXPIRED),
        (None, None),
    ],
)
def test_a_card_lives_to_the_end_of_its_last_day(
    at: datetime | None, reason: DeclineReason | None
) -> None:
    declined = verify_code(read(card()), KEYS, TAG, at)
    assert (declined.reason if declined else None) == reason


@pytest.mark.parametrize("payload", [slot(), card()], ids=["slot", "card"])
def test_every_flipped_bit_is_refused(payload: bytes) -> None:
    for position in range(len(payload) * 8):
        flipped = bytearray(payload)
        flipped[position // 8] ^= 1 << position % 8
        code = parse_code(to_digits(bytes(flipped)))
        assert code is None or verify_code(code, KEYS, TAG, NOON) is not None, position


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (slot(key=STRANGER), DeclineReason.CODE_FORGED),
        (card(key=STRANGER), DeclineReason.CODE_FORGED),
        (slot(kid=8), DeclineReason.CODE_FOREIGN),
        (card(tag=OTHER_TAG), DeclineReason.CODE_FORGED),
    ],
)
def test_what_this_pool_did_not_sign_is_refused(payload: bytes, reason: DeclineReason) -> None:
    declined = verify_code(read(payload), KEYS, TAG, NOON)
    assert declined is not None
    assert declined.reason is reason


def test_a_signature_for_a_card_does_not_serve_for_a_slot() -> None:
    body = struct.pack(">BB8sIBHHH", 0x31, 7, b"a" * 8, int(NOON.timestamp()), 30, 100, 0, 0)
    as_card = ISSUER.sign(b"HUIDIAN1/card\0" + TAG + body)
    code = read(body + as_card)
    declined = verify_code(code, KEYS, TAG, NOON)
    assert declined is not None
    assert declined.reason is DeclineReason.CODE_FORGED


@given(st.text(max_size=600))
def test_any_text_is_a_code_or_none(text: str) -> None:
    assert parse_code(text) is None or text.isdigit()


@given(st.binary(max_size=200))
def test_digits_and_bytes_are_two_spellings_of_one_code(payload: bytes) -> None:
    digits = to_digits(payload)
    assert from_digits(digits) == payload
    assert from_digits("0" + digits) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "1",
        "256",
        "２５６",
        "12 34",
        "9" * (MAX_CODE_DIGITS + 1),
        "9" * 1_000_000,
        "-5",
        "1" * 512,
        "1" * 552,
    ],
)
def test_what_is_no_code_is_none(text: str) -> None:
    assert parse_code(text) is None


def test_a_truncated_or_doubled_code_is_none() -> None:
    digits = to_digits(card())
    for broken in (digits[:-1], digits[1:], digits + "0", digits + digits):
        code = parse_code(broken)
        assert code is None or verify_code(code, KEYS, TAG, NOON) is not None


def test_a_cards_proof_is_for_one_sale_one_number_of_points_and_one_terminal() -> None:
    sale, other = UUID(int=1), UUID(int=2)
    proofs = {
        card_proof(b"0123456789abcdef", sale, 71, "t-1"),
        card_proof(b"0123456789abcdef", other, 71, "t-1"),
        card_proof(b"0123456789abcdef", sale, 72, "t-1"),
        card_proof(b"0123456789abcdef", sale, 71, "t-2"),
        card_proof(b"0123456789abcdeF", sale, 71, "t-1"),
    }
    assert len(proofs) == 5


def test_a_slot_that_was_verified_is_still_forged_under_another_key_or_tag() -> None:
    code = read(slot())
    for _ in range(2):
        assert verify_code(code, KEYS, TAG, NOON) is None
        for keys, tag in (({7: STRANGER.public_key()}, TAG), (KEYS, OTHER_TAG)):
            declined = verify_code(code, keys, tag, NOON)
            assert declined is not None
            assert declined.reason is DeclineReason.CODE_FORGED
