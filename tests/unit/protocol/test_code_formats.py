import tracemalloc
from datetime import datetime, timedelta
from uuid import UUID

import pytest
import qrcode
import qrcode.constants
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from protocol.codes import (
    Code,
    ConfirmCode,
    ShowCode,
    Unreadable,
    read_code,
    read_payload,
    to_digits,
    verify_code,
)
from protocol.codes.challenge import (
    Challenge,
    ReceiptCode,
    ReceiptKind,
    make_terminal_certificate,
    nonce_of,
    read_terminal_certificate,
    record_digest,
)
from protocol.codes.key import PhoneKey
from protocol.codes.phone import FLAG_EXTRACTABLE, make_certificate, make_show, read_certificate
from protocol.codes.text import PAYLOAD_BYTES
from protocol.codes.verifying import (
    challenge_problem,
    confirm_problem,
    receipt_holds,
)
from protocol.money import Points
from protocol.reasons import DeclineReason
from tests.support.code_examples import (
    ACCOUNT,
    EXPIRES,
    ISSUER,
    KEYS,
    KID,
    NOON,
    OTHER_TAG,
    PHONE,
    PHONE_ES256,
    RECORD,
    SALE_ID,
    STRANGER,
    TAG,
    TERMINAL,
    card,
    certificate,
    challenge,
    confirm,
    examples,
    receipt,
    show,
    slot,
)

L, M = qrcode.constants.ERROR_CORRECT_L, qrcode.constants.ERROR_CORRECT_M
NAMES = list(examples())


def is_taken(payload: bytes, tag: bytes = TAG) -> bool:
    """Whether anybody who verifies this kind of code would take it."""
    code = read_payload(payload)
    if isinstance(code, Unreadable):
        return False
    if isinstance(code, ConfirmCode):
        phones = (read_certificate(certificate()), read_certificate(certificate(es256=True)))
        asked = read_payload(challenge())
        assert isinstance(asked, Challenge)
        return any(phone and confirm_problem(code, phone, asked, tag) is None for phone in phones)
    if isinstance(code, Challenge):
        return challenge_problem(code, KEYS, tag) is None
    if isinstance(code, ReceiptCode):
        return receipt_holds(code, TERMINAL.public_key(), tag)
    return verify_code(code, KEYS, tag, NOON) is None


def read(payload: bytes) -> Code:
    code = read_code(to_digits(payload))
    assert not isinstance(code, Unreadable), code
    return code


@pytest.mark.parametrize(
    ("name", "most_bytes", "correction", "version"),
    [
        ("show_ed25519", 185, L, 8),
        ("show_es256", 186, L, 8),
        ("confirm_ed25519", 77, M, 5),
        ("confirm_es256", 77, M, 5),
        ("challenge", 224, L, 9),
        ("slot", 85, L, 5),
        ("card", 95, M, 6),
        ("denominated_card", 95, M, 6),
        ("receipt", 124, M, 8),
    ],
)
def test_each_code_keeps_to_its_bytes_and_its_qr(
    name: str, most_bytes: int, correction: int, version: int
) -> None:
    payload = examples()[name]
    assert len(payload) == most_bytes == PAYLOAD_BYTES[payload[0]]
    code = qrcode.QRCode(error_correction=correction)
    code.add_data(to_digits(payload))
    assert code.best_fit() == version


@pytest.mark.parametrize("es256", [False, True])
def test_a_shown_code_says_what_was_signed(es256: bool) -> None:
    code = read(show(es256=es256))
    assert isinstance(code, ShowCode)
    assert (code.kid, code.account, code.cap) == (KID, ACCOUNT, 500)
    assert (code.shown_at, code.counter) == (NOON, 258)
    assert (code.certificate.expires_at, code.certificate.seq) == (EXPIRES, 3)
    assert code.certificate.flags == (FLAG_EXTRACTABLE if es256 else 0)
    assert verify_code(code, KEYS, TAG, NOON) is None


def test_a_challenge_says_shop_and_points_and_which_sale() -> None:
    code = read(challenge())
    assert isinstance(code, Challenge)
    assert (code.certificate.shop_name, code.points) == ("惠民便利店（示例路店）", 480)
    assert (code.asked_at, code.nonce) == (NOON, nonce_of(SALE_ID))
    assert nonce_of(UUID(int=SALE_ID.int + 1)) != code.nonce
    assert challenge_problem(code, KEYS, TAG) is None


def test_a_receipt_says_what_was_paid_and_which_record_it_is_of() -> None:
    code = read(receipt())
    assert isinstance(code, ReceiptCode)
    assert (code.kind, code.sale_id, code.occurred_at) == (ReceiptKind.SALE, SALE_ID, NOON)
    assert (code.points, code.total_fen, code.cash_fen) == (480, 5260, 460)
    assert code.digest == record_digest(RECORD) != record_digest(RECORD + b" ")
    assert receipt_holds(code, TERMINAL.public_key(), TAG)
    assert not receipt_holds(code, STRANGER.public_key(), TAG)


@pytest.mark.parametrize("name", NAMES)
def test_every_flipped_bit_of_every_format_is_refused(name: str) -> None:
    payload = examples()[name]
    assert is_taken(payload)
    for position in range(len(payload) * 8):
        flipped = bytearray(payload)
        flipped[position // 8] ^= 1 << position % 8
        assert not is_taken(bytes(flipped)), position


@pytest.mark.parametrize("name", NAMES)
def test_a_code_of_one_pool_is_none_of_another(name: str) -> None:
    payload = examples(OTHER_TAG)[name]
    assert not is_taken(payload)
    assert not is_taken(examples()[name], OTHER_TAG)


@pytest.mark.parametrize(
    ("after_s", "reason"),
    [
        (-31, DeclineReason.CODE_NOT_YET_VALID),
        (-30, None),
        (0, None),
        (90, None),
        (91, DeclineReason.CODE_EXPIRED),
        (8 * 3600, DeclineReason.CODE_EXPIRED),
        (-8 * 3600, DeclineReason.CODE_NOT_YET_VALID),
        (None, DeclineReason.CLOCK_UNKNOWN),
    ],
)
def test_a_shown_code_lives_for_ninety_seconds(
    after_s: int | None, reason: DeclineReason | None
) -> None:
    code = read(show())
    assert isinstance(code, ShowCode)
    now = None if after_s is None else NOON + timedelta(seconds=after_s)
    declined = verify_code(code, KEYS, TAG, now)
    assert (declined.reason if declined else None) is reason


def test_a_certificate_ends() -> None:
    code = read(show(at=EXPIRES))
    assert isinstance(code, ShowCode)
    declined = verify_code(code, KEYS, TAG, EXPIRES)
    assert declined is not None
    assert (declined.reason, declined.expired_at) == (DeclineReason.CODE_EXPIRED, EXPIRES)


def test_a_key_that_the_pool_did_not_certify_signs_for_nobody() -> None:
    forged = make_show(PHONE, TAG, certificate(STRANGER), shown_at=NOON, counter=1)
    stolen = make_show(STRANGER, TAG, certificate(), shown_at=NOON, counter=1)
    foreign = make_show(PHONE, TAG, certificate(kid=KID + 1), shown_at=NOON, counter=1)
    for payload, reason in (
        (forged, DeclineReason.CODE_FORGED),
        (stolen, DeclineReason.CODE_FORGED),
        (foreign, DeclineReason.CODE_FOREIGN),
    ):
        code = read(payload)
        assert isinstance(code, ShowCode)
        declined = verify_code(code, KEYS, TAG, NOON)
        assert declined is not None
        assert declined.reason is reason


def test_a_key_that_is_no_point_of_the_curve_verifies_nothing() -> None:
    for raw in (b"\x02" + b"\xff" * 32, b"\x09" + b"\1" * 32, b"", b"\2" * 40):
        assert not PhoneKey(raw).is_sound
        assert not PhoneKey(raw).signed("phone-show", b"", b"\1" * 64)
    unsound = PhoneKey(b"\x02" + b"\xff" * 32)
    signed = make_certificate(
        ISSUER,
        TAG,
        kid=KID,
        account=ACCOUNT,
        key=unsound,
        expires_at=EXPIRES,
        cap=Points(1),
        flags=0,
        seq=1,
    )
    code = read(make_show(PHONE_ES256, TAG, signed, shown_at=NOON, counter=1))
    assert isinstance(code, ShowCode)
    declined = verify_code(code, KEYS, TAG, NOON)
    assert declined is not None
    assert declined.reason is DeclineReason.CODE_FORGED


@pytest.mark.parametrize("es256", [False, True])
def test_an_answer_is_to_one_challenge_of_one_sale_for_one_number_of_points(es256: bool) -> None:
    phone = read_certificate(certificate(es256=es256))
    asked, other = read(challenge()), read(challenge(points=481))
    answer = read(confirm(es256=es256))
    assert phone is not None
    assert isinstance(asked, Challenge)
    assert isinstance(other, Challenge)
    assert isinstance(answer, ConfirmCode)
    assert confirm_problem(answer, phone, asked, TAG) is None
    somebody = replace(phone, account=b"another!")
    renewed = replace(phone, seq=phone.seq + 1)
    other_key = replace(phone, key=PhoneKey(b"\1" * 32))
    for given_phone, given_asked in (
        (phone, other),
        (somebody, asked),
        (renewed, asked),
        (other_key, asked),
    ):
        declined = confirm_problem(answer, given_phone, given_asked, TAG)
        assert declined is not None
        assert declined.reason is DeclineReason.CONFIRM_OTHER


def test_a_flag_that_nobody_knows_yet_is_refused() -> None:
    for flags in range(2, 256):
        signed = make_certificate(
            ISSUER,
            TAG,
            kid=KID,
            account=ACCOUNT,
            key=PhoneKey(b"\1" * 32),
            expires_at=EXPIRES,
            cap=Points(1),
            flags=flags,
            seq=1,
        )
        assert read_certificate(signed) is None


@pytest.mark.parametrize("name", ["店", "惠" * 14, "惠" * 15, "a" * 43, "甲" + "b" * 40])
def test_a_shops_name_is_cut_between_characters(name: str) -> None:
    signed = make_terminal_certificate(
        ISSUER, TAG, kid=KID, key=TERMINAL.public_key(), expires_at=EXPIRES, shop_name=name
    )
    read_back = read_terminal_certificate(signed)
    assert read_back is not None
    assert name.startswith(read_back.shop_name)
    assert len(read_back.shop_name.encode()) > min(len(name.encode()), 42) - 3


def test_a_shops_name_carries_no_control_characters() -> None:
    for name in ("甲\n乙", "a\u202eb", "\x1b[31m"):
        signed = make_terminal_certificate(
            ISSUER, TAG, kid=KID, key=TERMINAL.public_key(), expires_at=EXPIRES, shop_name=name
        )
        assert read_terminal_certificate(signed) is None


DIGITS = {name: to_digits(payload) for name, payload in examples().items()}
FULL_WIDTH = {48 + n: 0xFF10 + n for n in range(10)}


@pytest.mark.parametrize("name", NAMES)
def test_what_scanners_add_is_taken_off(name: str) -> None:
    expected = read_code(DIGITS[name])
    assert not isinstance(expected, Unreadable)
    for before, after in (
        ("]Q1", ""),
        ("]Q3", "\r\n"),
        ("]C0", "\t"),
        ("\x02", "\x03"),
        ("\ufeff", "\n"),
        ("\x02]d2", "\x1d"),
    ):
        assert read_code(before + DIGITS[name] + after) == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", Unreadable.EMPTY),
        (" \r\n\t", Unreadable.EMPTY),
        ("]Q1", Unreadable.EMPTY),
        ("0", Unreadable.NOT_A_CODE),
        ("0" + DIGITS["slot"], Unreadable.NOT_A_CODE),
        ("6901234567892", Unreadable.NOT_A_CODE),
        ("139876543210987654", Unreadable.NOT_A_CODE),
        ("-" + DIGITS["slot"], Unreadable.NOISE),
        (DIGITS["slot"][:9] + "\x00" + DIGITS["slot"][9:], Unreadable.NOISE),
        (DIGITS["slot"][:9] + " " + DIGITS["slot"][9:], Unreadable.NOISE),
        (DIGITS["slot"].translate(FULL_WIDTH), Unreadable.FULL_WIDTH),
        (DIGITS["slot"][:-1] + "３", Unreadable.FULL_WIDTH),
        ("١٢٣٤٥", Unreadable.NOISE),
        ("²³", Unreadable.NOISE),
        ("HC1:6BF", Unreadable.NOISE),
        (DIGITS["card"] + DIGITS["card"], Unreadable.TWO_CODES),
        (DIGITS["slot"] + DIGITS["card"], Unreadable.TWO_CODES),
        (DIGITS["show_ed25519"] + DIGITS["card"], Unreadable.TWO_CODES),
        (DIGITS["challenge"] + DIGITS["challenge"], Unreadable.TWO_CODES),
        (DIGITS["slot"] + "\n]Q1" + DIGITS["card"], Unreadable.TWO_CODES),
        (DIGITS["card"] * 3, Unreadable.TOO_LONG),
        ("1" * 553, Unreadable.TOO_LONG),
        ("9" * 1_000_000, Unreadable.TOO_LONG),
        ("９" * 1_000_000, Unreadable.TOO_LONG),
        (" " * 1_000_000, Unreadable.TOO_LONG),
        (to_digits(b"\x77" * 95), Unreadable.UNKNOWN_KIND),
        (to_digits(card()[:-1]), Unreadable.WRONG_LENGTH),
        (to_digits(card() + b"\0"), Unreadable.WRONG_LENGTH),
        (to_digits(b"\x12" + slot()[1:]), Unreadable.UNKNOWN_KIND),
    ],
)
def test_what_is_no_code_is_refused_by_name(text: str, why: Unreadable) -> None:
    assert read_code(text) is why


def test_a_million_digits_are_refused_in_the_memory_of_none() -> None:
    text = "7" * 1_000_000
    read_code(text[:100])
    tracemalloc.start()
    try:
        assert read_code(text) is Unreadable.TOO_LONG
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 10_000


@given(st.text(max_size=1_300))
def test_any_text_gets_an_answer(text: str) -> None:
    code = read_code(text)
    assert isinstance(code, Unreadable) or code.payload


@given(
    st.sampled_from(NAMES),
    st.binary(max_size=300),
    st.integers(min_value=0, max_value=230),
    st.integers(min_value=0, max_value=230),
)
def test_a_code_with_anything_in_its_place_is_refused(
    name: str, put: bytes, begin: int, end: int
) -> None:
    whole = examples()[name]
    payload = whole[: min(begin, end)] + put + whole[max(begin, end) :]
    assert is_taken(payload) == (payload == whole)


@given(st.sampled_from(sorted(PAYLOAD_BYTES)), st.data())
def test_random_fields_raise_nothing(code_type: int, data: st.DataObject) -> None:
    size = PAYLOAD_BYTES[code_type] - 1
    payload = bytes([code_type]) + data.draw(st.binary(min_size=size, max_size=size))
    assert not is_taken(payload)


@pytest.mark.parametrize("name", NAMES)
def test_every_digit_lost_changed_or_added_is_refused(name: str) -> None:
    digits = DIGITS[name]
    for place in range(0, len(digits), 7):
        other = str((int(digits[place]) + 3) % 10)
        for text in (
            digits[:place] + digits[place + 1 :],
            digits[:place] + other + digits[place + 1 :],
            digits[:place] + other + digits[place:],
        ):
            code = read_code(text)
            assert isinstance(code, Unreadable) or not is_taken(code.payload), (place, text)


def test_a_time_of_another_zone_opens_no_second_window() -> None:
    code = read(show())
    assert isinstance(code, ShowCode)
    in_shanghai = datetime.fromisoformat("2026-03-01T20:00:00+08:00")
    assert verify_code(code, KEYS, TAG, in_shanghai) is None
    assert verify_code(code, KEYS, TAG, NOON.replace(hour=20)) is not None
