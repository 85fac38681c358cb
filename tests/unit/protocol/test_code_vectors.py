"""The published vectors, read by a second reader that shares nothing with the first."""

import hashlib
import hmac
import json
from typing import Any

import pytest

from protocol.codes import Unreadable, read_code, verify_code
from protocol.codes.challenge import Challenge, ReceiptCode
from protocol.codes.phone import ConfirmCode
from protocol.codes.text import PAYLOAD_BYTES
from tests.support import code_examples
from tests.support.second_reader import LAYOUTS, Known, fields_of, payload_of, verified

VECTORS: dict[str, Any] = json.loads(code_examples.VECTORS.read_text(encoding="utf-8"))


def public(name: str) -> bytes:
    return bytes.fromhex(VECTORS["keys"][name]["public"])


def published(name: str) -> Known:
    """What the file says that a reader of this vector knows."""
    pool, terminal = bytes.fromhex(VECTORS["pool"]["tag"]), public("terminal")
    if name not in VECTORS["answered"]:
        return Known(pool, public("issuer"), terminal)
    phone = public(f"phone_{name.removeprefix('confirm_')}")
    return Known(pool, public("issuer"), terminal, phone, by_name(VECTORS["answered"][name]))


def by_name(name: str) -> bytes:
    return bytes.fromhex(next(c["payload"] for c in VECTORS["codes"] if c["name"] == name))


def test_the_specification_names_every_format_and_its_length() -> None:
    assert {each: sum(size for _, size in layout) for each, layout in LAYOUTS.items()} == dict(
        PAYLOAD_BYTES
    )


def test_the_specification_names_the_patents_to_be_checked_before_a_roll_out() -> None:
    text = (code_examples.VECTORS.parent / "codes.md").read_text(encoding="utf-8")
    assert all(number in text for number in ("CN107194694B", "CN111160915B"))


def test_the_published_file_is_what_the_formats_make() -> None:
    """Anew with: python -m tests.support.code_examples"""
    assert code_examples.VECTORS.read_text(encoding="utf-8") == code_examples.written()


@pytest.mark.parametrize("vector", VECTORS["codes"], ids=lambda each: each["name"])
def test_a_second_reader_takes_each_vector_and_no_flip_of_it(vector: dict[str, str]) -> None:
    payload = payload_of(vector["digits"])
    assert payload.hex() == vector["payload"]
    known = published(vector["name"])
    assert verified(payload, known)
    for position in range(8, len(payload) * 8, 13):
        flipped = bytearray(payload)
        flipped[position // 8] ^= 1 << position % 8
        assert not verified(bytes(flipped), known), position


def test_the_second_reader_computes_nonce_proof_tag_and_digest() -> None:
    sale = bytes.fromhex(VECTORS["sale_id"].replace("-", ""))
    nonce = hashlib.sha256(b"HUIDIAN1/challenge-nonce\0" + sale).digest()[:8]
    assert nonce.hex() == VECTORS["challenge_nonce"]
    assert fields_of(by_name("challenge"))["nonce"] == nonce
    proof = VECTORS["card_proof"]
    message = b"HUIDIAN1/card-proof\0" + sale + proof["points"].to_bytes(4, "big")
    mac = hmac.digest(
        bytes.fromhex(proof["secret"]), message + proof["terminal"].encode(), "sha256"
    )
    assert mac.hex() == proof["proof"]
    root = bytes.fromhex(VECTORS["pool"]["root_public_key"])
    assert hashlib.sha256(root).digest()[:8].hex() == VECTORS["pool"]["tag"]
    record = b"HUIDIAN1/receipt-record\0" + VECTORS["receipt_record"].encode()
    assert fields_of(by_name("receipt"))["digest"] == hashlib.sha256(record).digest()[:18]


@pytest.mark.parametrize("vector", VECTORS["refused"], ids=lambda each: each["why"])
def test_each_refused_vector_is_refused_for_its_reason(vector: dict[str, str]) -> None:
    code = read_code(vector["text"])
    if isinstance(code, Unreadable):
        assert code.value == vector["why"]
        return
    assert not isinstance(code, ConfirmCode | Challenge | ReceiptCode)
    declined = verify_code(code, code_examples.KEYS, code_examples.TAG, code_examples.NOON)
    assert declined is not None
    assert declined.reason.value == vector["why"]
