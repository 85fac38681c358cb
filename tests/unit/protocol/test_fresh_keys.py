"""Every format with keys and fields that nobody chose: made, spelled in digits, read and verified.

Pool, issuer, terminal and phone are new in each example, and two readers that share nothing agree.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import assume, given
from hypothesis import strategies as st

from protocol.codes import (
    CardCode,
    Code,
    ConfirmCode,
    ShowCode,
    SlotCode,
    Unreadable,
    make_card,
    make_slot,
    read_code,
    read_payload,
    to_digits,
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
from protocol.codes.key import PhonePrivateKey, public_half
from protocol.codes.phone import (
    PhoneCertificate,
    make_certificate,
    make_confirm,
    make_show,
    read_certificate,
)
from protocol.codes.text import PAYLOAD_BYTES
from protocol.codes.verifying import (
    challenge_problem,
    confirm_problem,
    receipt_holds,
    signature_problem,
)
from protocol.keys import pool_tag
from protocol.money import Fen, Points
from tests.support.second_reader import Known, fields_of, payload_of, verified

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

ed25519_keys = st.binary(min_size=32, max_size=32).map(Ed25519PrivateKey.from_private_bytes)
p256_keys = st.integers(1, P256_ORDER - 1).map(
    lambda number: ec.derive_private_key(number, ec.SECP256R1())
)


def whole(size: int) -> st.SearchStrategy[int]:
    """A number that fits into so many bytes."""
    return st.integers(0, 256**size - 1)


moments = whole(4).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
eight_bytes = st.binary(min_size=8, max_size=8)
points_of_a_code = whole(2).map(Points)


@dataclass(frozen=True)
class Pool:
    """``phone`` and ``asked``: who answers what, where a code is an answer."""

    tag: bytes
    kid: int
    issuer: Ed25519PrivateKey
    terminal: Ed25519PrivateKey
    phone: PhonePrivateKey
    certificate: bytes
    asked: bytes

    @property
    def known(self) -> Known:
        return Known(
            self.tag,
            self.issuer.public_key().public_bytes_raw(),
            self.terminal.public_key().public_bytes_raw(),
            public_half(self.phone).raw,
            self.asked,
        )


@st.composite
def pools(draw: st.DrawFn, phone_keys: st.SearchStrategy[PhonePrivateKey]) -> Pool:
    tag = pool_tag(draw(ed25519_keys).public_key())
    kid, issuer, terminal = draw(whole(1)), draw(ed25519_keys), draw(ed25519_keys)
    phone = draw(phone_keys)
    certificate = make_certificate(
        issuer,
        tag,
        kid=kid,
        account=draw(eight_bytes),
        key=public_half(phone),
        expires_at=draw(moments),
        cap=draw(points_of_a_code),
        flags=draw(st.sampled_from([0, 1])),
        seq=draw(whole(2)),
    )
    shop = draw(
        st.sampled_from(["店", "惠民便利店（示例路店）", "Corner shop", "廣惠小店·一號 🏪"])
    )
    known_by = make_terminal_certificate(
        issuer,
        tag,
        kid=kid,
        key=terminal.public_key(),
        expires_at=draw(moments),
        shop_name=shop,
    )
    asked = make_challenge(
        terminal,
        tag,
        known_by,
        points=Points(draw(whole(4))),
        asked_at=draw(moments),
        nonce=nonce_of(draw(st.uuids())),
    )
    return Pool(tag, kid, issuer, terminal, phone, certificate, asked)


def a_show(pool: Pool, data: st.DataObject) -> bytes:
    return make_show(
        pool.phone,
        pool.tag,
        pool.certificate,
        shown_at=data.draw(moments),
        counter=data.draw(whole(2)),
    )


def a_confirm(pool: Pool, data: st.DataObject) -> bytes:
    holder = certificate_of(pool)
    return make_confirm(
        pool.phone,
        pool.tag,
        pool.asked,
        account=holder.account,
        seq=holder.seq,
        counter=data.draw(whole(2)),
    )


def a_challenge(pool: Pool, data: st.DataObject) -> bytes:
    del data  # it is the pool's own
    return pool.asked


def a_slot(pool: Pool, data: st.DataObject) -> bytes:
    return make_slot(
        pool.issuer,
        pool.tag,
        kid=pool.kid,
        account=data.draw(eight_bytes),
        starts_at=data.draw(moments),
        minutes=data.draw(whole(1)),
        cap=data.draw(points_of_a_code),
        batch=data.draw(whole(2)),
        index=data.draw(whole(2)),
    )


def a_card(pool: Pool, data: st.DataObject) -> bytes:
    return make_card(
        pool.issuer,
        pool.tag,
        kid=pool.kid,
        card_id=data.draw(eight_bytes),
        secret=data.draw(st.binary(min_size=16, max_size=16)),
        seq=data.draw(whole(1)),
        expires_on=date(1970, 1, 1) + timedelta(days=data.draw(whole(2))),
        cap=data.draw(points_of_a_code),
    )


def a_receipt(pool: Pool, data: st.DataObject) -> bytes:
    return make_receipt(
        pool.terminal,
        pool.tag,
        kind=data.draw(st.sampled_from(list(ReceiptKind))),
        sale_id=data.draw(st.uuids()),
        occurred_at=data.draw(moments),
        points=Points(data.draw(whole(4))),
        total_fen=Fen(data.draw(whole(4))),
        cash_fen=Fen(data.draw(whole(4))),
        record=data.draw(st.binary(max_size=50)),
    )


MAKERS: dict[
    int, tuple[st.SearchStrategy[PhonePrivateKey], Callable[[Pool, st.DataObject], bytes]]
] = {
    0x11: (ed25519_keys, a_show),
    0x15: (p256_keys, a_show),
    0x13: (st.one_of(ed25519_keys, p256_keys), a_confirm),
    0x21: (ed25519_keys, a_challenge),
    0x31: (ed25519_keys, a_slot),
    0x41: (ed25519_keys, a_card),
    0x51: (ed25519_keys, a_receipt),
}


def certificate_of(pool: Pool) -> PhoneCertificate:
    found = read_certificate(pool.certificate)
    assert found is not None
    return found


def is_taken(code: Code, pool: Pool) -> bool:
    """Whether the signatures are this pool's, by the reader that is in use."""
    keys = {pool.kid: pool.issuer.public_key()}
    if isinstance(code, ConfirmCode):
        asked = read_payload(pool.asked)
        assert isinstance(asked, Challenge)
        return confirm_problem(code, certificate_of(pool), asked, pool.tag) is None
    if isinstance(code, Challenge):
        return challenge_problem(code, keys, pool.tag) is None
    if isinstance(code, ReceiptCode):
        return receipt_holds(code, pool.terminal.public_key(), pool.tag)
    return signature_problem(code, keys, pool.tag) is None


def read_fields(code: Code) -> dict[str, int | bytes]:
    """What our reader read, by the specification's names; numbers as numbers."""
    match code:
        case ShowCode():
            held = code.certificate
            return {
                "kid": held.kid,
                "account": held.account,
                "key": held.key.raw,
                "expiry": seconds(held.expires_at),
                "cap": held.cap,
                "flags": held.flags,
                "seq": held.seq,
                "shown_at": seconds(code.shown_at),
                "counter": code.counter,
            }
        case ConfirmCode():
            return {"account": code.account, "seq": code.seq, "counter": code.counter}
        case Challenge():
            asked_by = code.certificate
            return {
                "kid": asked_by.kid,
                "key": asked_by.key,
                "expiry": seconds(asked_by.expires_at),
                "shop": asked_by.shop_name.encode().ljust(42, b"\0"),
                "points": code.points,
                "time": seconds(code.asked_at),
                "nonce": code.nonce,
            }
        case SlotCode():
            return {
                "kid": code.kid,
                "account": code.account,
                "start": seconds(code.starts_at),
                "minutes": code.minutes,
                "cap": code.cap,
                "batch": code.batch,
                "index": code.index,
            }
        case CardCode():
            return {
                "kid": code.kid,
                "card_id": code.card_id,
                "secret": code.secret,
                "seq": code.seq,
                "expiry_days": (code.expires_on - date(1970, 1, 1)).days,
                "cap": code.cap,
            }
        case ReceiptCode():
            return {
                "kind": int(code.kind),
                "terminal": code.terminal,
                "sale": as_bytes(code.sale_id),
                "occurred": seconds(code.occurred_at),
                "points": code.points,
                "total_fen": code.total_fen,
                "cash_fen": code.cash_fen,
                "digest": code.digest,
            }


def seconds(at: datetime) -> int:
    return int(at.timestamp())


def as_bytes(sale_id: UUID) -> bytes:
    return sale_id.bytes


def test_every_format_has_its_maker_here() -> None:
    assert set(MAKERS) == set(PAYLOAD_BYTES)


@given(st.sampled_from(sorted(MAKERS)), st.data())
def test_whatever_the_keys_both_readers_take_the_code_and_nobody_elses(
    code_type: int, data: st.DataObject
) -> None:
    phone_keys, make = MAKERS[code_type]
    pool, other = data.draw(pools(phone_keys)), data.draw(pools(phone_keys))
    assume(
        not {pool.known.issuer, pool.known.terminal} & {other.known.issuer, other.known.terminal}
    )
    assume(pool.tag != other.tag and pool.known.phone != other.known.phone)
    payload = make(pool, data)
    assert payload[0] == code_type
    digits = to_digits(payload)
    code = read_code(digits)
    assert not isinstance(code, Unreadable), code
    assert code.payload == payload_of(digits) == payload

    told = fields_of(payload)
    for name, value in read_fields(code).items():
        raw = told.pop(name)
        assert value == (int.from_bytes(raw) if isinstance(value, int) else raw), name
    assert set(told) <= {"type", "sig", "issuer_sig"}, "our reader reads every field"

    assert is_taken(code, pool)
    assert verified(payload, pool.known)
    for stranger in (replace(pool, tag=other.tag), replace(other, tag=pool.tag)):
        assert not is_taken(code, stranger)
        assert not verified(payload, stranger.known)
    position = data.draw(st.integers(8, len(payload) * 8 - 1))
    flipped = bytearray(payload)
    flipped[position // 8] ^= 1 << position % 8
    assert not verified(bytes(flipped), pool.known)
    changed = read_payload(bytes(flipped))
    assert isinstance(changed, Unreadable) or not is_taken(changed, pool)
