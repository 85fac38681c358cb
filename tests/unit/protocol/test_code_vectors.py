"""The published vectors, read by a second reader that shares nothing with the first.

It is written from docs/codes.md alone, with a table of fields and its own arithmetic; a change
of the formats that the page does not tell breaks it.
"""

import hashlib
import hmac
import json
import re
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from protocol.codes import Unreadable, read_code, verify_code
from protocol.codes.challenge import Challenge, ReceiptCode
from protocol.codes.phone import ConfirmCode
from protocol.codes.text import PAYLOAD_BYTES
from tests.support import code_examples

VECTORS: dict[str, Any] = json.loads(code_examples.VECTORS.read_text(encoding="utf-8"))
SPECIFICATION = code_examples.VECTORS.with_name("codes.md").read_text(encoding="utf-8")
LAYOUTS: dict[int, list[tuple[str, int]]] = {
    int(code_type, 16): [(name, int(size)) for name, size in re.findall(r"([a-z_]+)(\d+)", fields)]
    for code_type, fields in re.findall(
        r"^    (0x..)  ((?:[a-z_]+\d+ ?)+)$", SPECIFICATION, re.MULTILINE
    )
}
PURPOSES = {0x11: "phone-show", 0x15: "phone-show", 0x13: "phone-confirm"}
PURPOSES |= {0x21: "terminal-challenge", 0x31: "slot", 0x41: "card", 0x51: "receipt-code"}


def holds(key: bytes, purpose: str, message: bytes, signature: bytes) -> bool:
    whole = f"HUIDIAN1/{purpose}\0".encode() + bytes.fromhex(VECTORS["pool"]["tag"]) + message
    try:
        if len(key) == 32:
            ed25519.Ed25519PublicKey.from_public_bytes(key).verify(signature, whole)
        else:
            der = encode_dss_signature(
                int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
            )
            point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key)
            point.verify(der, whole, ec.ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


def payload_of(digits: str) -> bytes:
    number, raw = int(digits), b""
    while number:
        number, byte = divmod(number, 256)
        raw = bytes([byte]) + raw
    assert raw[0] == 1
    return raw[1:]


def fields_of(payload: bytes) -> dict[str, bytes]:
    fields, at = {}, 0
    for name, size in LAYOUTS[payload[0]]:
        fields[name], at = payload[at : at + size], at + size
    assert at == len(payload)
    return fields


def public(name: str) -> bytes:
    return bytes.fromhex(VECTORS["keys"][name]["public"])


def verified(name: str, payload: bytes) -> bool:
    fields, body = fields_of(payload), payload[:-64]
    code_type = payload[0]
    purpose = PURPOSES[code_type]
    if code_type in {0x31, 0x41}:
        return holds(public("issuer"), purpose, body, fields["sig"])
    if code_type == 0x51:
        named = hashlib.sha256(b"HUIDIAN1/terminal-name\0" + public("terminal")).digest()[:8]
        assert fields["terminal"] == named
        return holds(public("terminal"), purpose, body, fields["sig"])
    if code_type == 0x13:
        phone = public(f"phone_{name.removeprefix('confirm_')}")
        asked = by_name(VECTORS["answered"][name])
        return holds(phone, purpose, body + asked, fields["sig"])
    cut = 144 if code_type == 0x21 else len(payload) - 64 - 6
    certified = "terminal-certificate" if code_type == 0x21 else "phone-certificate"
    return holds(public("issuer"), certified, payload[: cut - 64], fields["issuer_sig"]) and holds(
        fields["key"], purpose, body, fields["sig"]
    )


def by_name(name: str) -> bytes:
    return bytes.fromhex(next(c["payload"] for c in VECTORS["codes"] if c["name"] == name))


def test_the_specification_names_every_format_and_its_length() -> None:
    assert {each: sum(size for _, size in layout) for each, layout in LAYOUTS.items()} == dict(
        PAYLOAD_BYTES
    )


def test_the_published_file_is_what_the_formats_make() -> None:
    """Anew with: python -m tests.support.code_examples"""
    assert code_examples.VECTORS.read_text(encoding="utf-8") == code_examples.written()


@pytest.mark.parametrize("vector", VECTORS["codes"], ids=lambda each: each["name"])
def test_a_second_reader_takes_each_vector_and_no_flip_of_it(vector: dict[str, str]) -> None:
    payload = payload_of(vector["digits"])
    assert payload.hex() == vector["payload"]
    assert verified(vector["name"], payload)
    for position in range(8, len(payload) * 8, 13):
        flipped = bytearray(payload)
        flipped[position // 8] ^= 1 << position % 8
        if payload[0] == 0x51 and 2 <= position // 8 < 10:
            continue  # the terminal's name: asserted above
        assert not verified(vector["name"], bytes(flipped)), position


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
