"""One code of each kind, made of fixed keys and fields; the published test vectors are these.

``python -m tests.support.code_examples`` writes docs/codes-vectors.json anew.
"""

import hashlib
import json
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from protocol.codes import card_proof, make_card, make_slot, to_digits
from protocol.codes.challenge import (
    ReceiptKind,
    make_challenge,
    make_receipt,
    make_terminal_certificate,
    nonce_of,
)
from protocol.codes.key import public_half
from protocol.codes.phone import FLAG_EXTRACTABLE, make_certificate, make_confirm, make_show
from protocol.keys import pool_tag
from protocol.money import Fen, Points

VECTORS = Path(__file__).parents[2] / "docs" / "codes-vectors.json"


def _seed(name: str) -> bytes:
    return hashlib.sha256(f"huidian test vector: {name}".encode()).digest()


def _ed25519(name: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(_seed(name))


ROOT, OTHER_ROOT = _ed25519("pool root"), _ed25519("other pool root")
ISSUER, STRANGER = _ed25519("issuer"), _ed25519("stranger")
TERMINAL = _ed25519("terminal")
PHONE = _ed25519("phone")
PHONE_ES256 = ec.derive_private_key(int.from_bytes(_seed("phone es256")), ec.SECP256R1())
TAG, OTHER_TAG = pool_tag(ROOT.public_key()), pool_tag(OTHER_ROOT.public_key())
KID = 7
KEYS = {KID: ISSUER.public_key()}
ACCOUNT = bytes.fromhex("0011223344556677")
CARD_ID = bytes.fromhex("8899aabbccddeeff")
CARD_SECRET = bytes.fromhex("000102030405060708090a0b0c0d0e0f")
SALE_ID = UUID("019c9f5a-4a00-7abc-8def-0123456789ab")
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
EXPIRES = datetime(2026, 6, 1, tzinfo=UTC)
RECORD = b'{"type":"sale_captured"}'


def certificate(
    issuer: Ed25519PrivateKey = ISSUER, tag: bytes = TAG, kid: int = KID, *, es256: bool = False
) -> bytes:
    return make_certificate(
        issuer,
        tag,
        kid=kid,
        account=ACCOUNT,
        key=public_half(PHONE_ES256 if es256 else PHONE),
        expires_at=EXPIRES,
        cap=Points(500),
        flags=FLAG_EXTRACTABLE if es256 else 0,
        seq=3,
    )


def show(
    tag: bytes = TAG, *, es256: bool = False, at: datetime = NOON, counter: int = 258
) -> bytes:
    key = PHONE_ES256 if es256 else PHONE
    signed = certificate(tag=tag, es256=es256)
    return make_show(key, tag, signed, shown_at=at, counter=counter)


def challenge(tag: bytes = TAG, points: int = 480) -> bytes:
    signed = make_terminal_certificate(
        ISSUER,
        tag,
        kid=KID,
        key=TERMINAL.public_key(),
        expires_at=EXPIRES,
        shop_name="惠民便利店（示例路店）",
    )
    return make_challenge(
        TERMINAL, tag, signed, points=Points(points), asked_at=NOON, nonce=nonce_of(SALE_ID)
    )


def confirm(tag: bytes = TAG, *, es256: bool = False, points: int = 480) -> bytes:
    return make_confirm(
        PHONE_ES256 if es256 else PHONE,
        tag,
        challenge(tag, points),
        account=ACCOUNT,
        seq=3,
        counter=259,
    )


def slot(tag: bytes = TAG, kid: int = KID) -> bytes:
    return make_slot(
        ISSUER,
        tag,
        kid=kid,
        account=ACCOUNT,
        starts_at=NOON,
        minutes=30,
        cap=Points(100),
        batch=3,
        index=9,
    )


def card(tag: bytes = TAG, *, seq: int = 2, cap: int = 50) -> bytes:
    return make_card(
        ISSUER,
        tag,
        kid=KID,
        card_id=CARD_ID,
        secret=CARD_SECRET,
        seq=seq,
        expires_on=date(2028, 3, 1),
        cap=Points(cap),
    )


def receipt(tag: bytes = TAG) -> bytes:
    return make_receipt(
        TERMINAL,
        tag,
        kind=ReceiptKind.SALE,
        sale_id=SALE_ID,
        occurred_at=NOON,
        points=Points(480),
        total_fen=Fen(5260),
        cash_fen=Fen(460),
        record=RECORD,
    )


def examples(tag: bytes = TAG) -> dict[str, bytes]:
    """A payload of every kind, by name."""
    return {
        "show_ed25519": show(tag),
        "show_es256": show(tag, es256=True),
        "challenge": challenge(tag),
        "confirm_ed25519": confirm(tag),
        "confirm_es256": confirm(tag, es256=True),
        "slot": slot(tag),
        "card": card(tag),
        "denominated_card": card(tag, seq=1, cap=15),
        "receipt": receipt(tag),
    }


def vectors() -> dict[str, object]:
    """What docs/codes-vectors.json holds."""
    made = examples()
    return {
        "about": "Test vectors of docs/codes.md. The keys are published: use them in tests only.",
        "pool": {
            "root_public_key": ROOT.public_key().public_bytes_raw().hex(),
            "tag": TAG.hex(),
            "other_tag": OTHER_TAG.hex(),
        },
        "keys": {
            "issuer": {
                "kid": KID,
                "algorithm": "ed25519",
                "private": ISSUER.private_bytes_raw().hex(),
                "public": ISSUER.public_key().public_bytes_raw().hex(),
            },
            "terminal": {
                "algorithm": "ed25519",
                "private": TERMINAL.private_bytes_raw().hex(),
                "public": TERMINAL.public_key().public_bytes_raw().hex(),
            },
            "phone_ed25519": {
                "algorithm": "ed25519",
                "private": PHONE.private_bytes_raw().hex(),
                "public": public_half(PHONE).raw.hex(),
            },
            "phone_es256": {
                "algorithm": "es256",
                "private": f"{PHONE_ES256.private_numbers().private_value:064x}",
                "public": public_half(PHONE_ES256).raw.hex(),
            },
        },
        "codes": [
            {"name": name, "payload": payload.hex(), "digits": to_digits(payload)}
            for name, payload in made.items()
        ],
        "answered": {"confirm_ed25519": "challenge", "confirm_es256": "challenge"},
        "sale_id": str(SALE_ID),
        "challenge_nonce": nonce_of(SALE_ID).hex(),
        "card_proof": {
            "secret": CARD_SECRET.hex(),
            "points": 48,
            "terminal": "t-example",
            "proof": card_proof(CARD_SECRET, SALE_ID, 48, "t-example").hex(),
        },
        "receipt_record": RECORD.decode(),
        "refused": refused(made),
    }


def refused(made: dict[str, bytes]) -> list[dict[str, str]]:
    """Texts that no reader may take for a code of this pool, with our name for the reason."""
    digits = {name: to_digits(payload) for name, payload in made.items()}
    flipped = bytearray(made["show_ed25519"])
    flipped[47] ^= 0x40  # the cap
    texts = [
        ("", "empty"),
        ("6901234567892", "not_a_code"),
        (digits["card"][:-1], "not_a_code"),
        (to_digits(made["card"][:-1]), "wrong_length"),
        (to_digits(b"\x77" + made["card"][1:]), "unknown_kind"),
        (digits["slot"] + digits["card"], "two_codes"),
        (digits["slot"] + "\r\n" + digits["card"], "two_codes"),
        (digits["slot"][:80] + "x" + digits["slot"][80:], "noise"),
        (digits["slot"].translate({48 + n: 0xFF10 + n for n in range(10)}), "full_width"),
        ("1" * 553, "too_long"),
        (to_digits(bytes(flipped)), "code_forged"),
        (to_digits(slot(OTHER_TAG)), "code_forged"),
        (to_digits(slot(kid=KID + 1)), "code_foreign"),
    ]
    return [{"text": text, "why": why} for text, why in texts]


def written() -> str:
    """The file's text."""
    return json.dumps(vectors(), ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    VECTORS.write_text(written(), encoding="utf-8")
