"""A second reader of codes, which shares nothing with the first.

It is written from docs/codes.md alone, with a table of fields and its own arithmetic; a change
of the formats that the page does not tell breaks it.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

SPECIFICATION = (Path(__file__).parents[2] / "docs" / "codes.md").read_text(encoding="utf-8")
LAYOUTS: dict[int, list[tuple[str, int]]] = {
    int(code_type, 16): [(name, int(size)) for name, size in re.findall(r"([a-z_]+)(\d+)", fields)]
    for code_type, fields in re.findall(
        r"^    (0x..)  ((?:[a-z_]+\d+ ?)+)$", SPECIFICATION, re.MULTILINE
    )
}
_PURPOSES = {0x11: "phone-show", 0x15: "phone-show", 0x13: "phone-confirm"}
_PURPOSES |= {0x21: "terminal-challenge", 0x31: "slot", 0x41: "card", 0x51: "receipt-code"}


@dataclass(frozen=True)
class Known:
    """What a reader goes by: the pool's tag and public keys, raw. ``phone`` and ``asked``, a whole
    challenge, are for a phone's confirmation alone.
    """

    tag: bytes
    issuer: bytes
    terminal: bytes
    phone: bytes = b""
    asked: bytes = b""


def _holds(key: bytes, tag: bytes, purpose: str, message: bytes, signature: bytes) -> bool:
    whole = f"HUIDIAN1/{purpose}\0".encode() + tag + message
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
    """The bytes behind the digits."""
    number, raw = int(digits), b""
    while number:
        number, byte = divmod(number, 256)
        raw = bytes([byte]) + raw
    assert raw[0] == 1
    return raw[1:]


def fields_of(payload: bytes) -> dict[str, bytes]:
    """The fields by the names of the specification."""
    fields, at = {}, 0
    for name, size in LAYOUTS[payload[0]]:
        fields[name], at = payload[at : at + size], at + size
    assert at == len(payload)
    return fields


def verified(payload: bytes, known: Known) -> bool:
    """Whether every signature in it holds."""
    fields, body = fields_of(payload), payload[:-64]
    code_type = payload[0]
    purpose = _PURPOSES[code_type]
    if code_type in {0x31, 0x41}:
        return _holds(known.issuer, known.tag, purpose, body, fields["sig"])
    if code_type == 0x51:
        named = hashlib.sha256(b"HUIDIAN1/terminal-name\0" + known.terminal).digest()[:8]
        return fields["terminal"] == named and _holds(
            known.terminal, known.tag, purpose, body, fields["sig"]
        )
    if code_type == 0x13:
        return _holds(known.phone, known.tag, purpose, body + known.asked, fields["sig"])
    cut = 144 if code_type == 0x21 else len(payload) - 64 - 6
    certified = "terminal-certificate" if code_type == 0x21 else "phone-certificate"
    return _holds(
        known.issuer, known.tag, certified, payload[: cut - 64], fields["issuer_sig"]
    ) and _holds(fields["key"], known.tag, purpose, body, fields["sig"])
