"""The seal of an exported file: whose statement it is, and that no byte was changed since.

A seal is one line of ASCII that stands at the end of the file (where, depends on the format):

    HUIDIAN1 statement=S digest=D code=C key=K[ voucher=N:R] signature=A file-signature=B

``D`` is the SHA-256 of the statement's canonical JSON, ``A`` the pool's signature of it, and
``B`` the pool's signature of the SHA-256 of **every byte of the file before B itself**. After
``B`` there are only the few bytes with which the format ends. So no byte is left that can be
changed unnoticed, and whoever has the pool's public key can check it (docs/statements.md).

``K`` is the pool's root key, or where that lies in a drawer the key number ``N`` for documents,
for which ``R``, the root key's signature, vouches (:mod:`protocol.issuers`).
"""

import hashlib
import re
from collections.abc import Container
from dataclasses import dataclass
from enum import StrEnum

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from protocol.issuers import IssuerRole, certificate_holds
from protocol.keys import (
    KeyTextError,
    key_fingerprint,
    public_key_text,
    read_public_key,
    sign,
    signature_holds,
)
from server.exports.canonical import FORMAT_NAME, code_of, digest_of

STATEMENT_PURPOSE = "statement"
FILE_PURPOSE = "statement-file"
MAX_FILE_BYTES = 256 * 1024 * 1024
"""A longer file is none of ours: a statement of a hundred thousand lines stays far below."""

_SIGNATURE_LETTERS = 128
_KID_MAX = 255
_SEAL = re.compile(
    rb"HUIDIAN1 statement=(?P<statement>[a-z0-9-]{1,80}) digest=(?P<digest>[0-9a-f]{64})"
    rb" code=(?P<code>[0-9A-Z-]{19}) key=(?P<key>ed25519:[A-Za-z0-9_-]{43})"
    rb"(?: voucher=(?P<voucher>[0-9]{1,3}:[0-9a-f]{128}))?"
    rb" signature=(?P<signature>[0-9a-f]{128}) file-signature=(?P<file>[0-9a-f]{128})\Z"
)
_SEAL_BYTES_MAX = 800
_MARKS = (b"HUIDIAN1 ", b"file-signature=", FORMAT_NAME.encode())
"""Stand in every export more than once, so that an altered one is known as one of ours."""


class StatementFormat(StrEnum):
    """The kinds of files that a statement is exported to."""

    PDF = "pdf"
    XLSX = "xlsx"
    CSV = "csv"
    JSON = "json"


_BEGINS = {
    StatementFormat.PDF: b"%PDF-",
    StatementFormat.XLSX: b"PK\x03\x04",
    StatementFormat.CSV: b"\xef\xbb\xbf",
    StatementFormat.JSON: b'{"',
}
_ENDS = {
    StatementFormat.PDF: b"\n",
    StatementFormat.XLSX: b"",
    StatementFormat.CSV: b"\r\n",
    StatementFormat.JSON: b'"}\n',
}


class Verdict(StrEnum):
    """What can be said of a file."""

    WHOLE = "whole"
    ALTERED = "altered"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Seal:
    """What a file says about itself; `digest` and `signature` in hex, `key` as text."""

    statement: str
    digest: str
    code: str
    key: str
    signature: str
    voucher: str = ""

    @property
    def text(self) -> str:
        """The seal up to the place where the signature of the file stands."""
        voucher = f" voucher={self.voucher}" if self.voucher else ""
        return (
            f"HUIDIAN1 statement={self.statement} digest={self.digest} code={self.code}"
            f" key={self.key}{voucher} signature={self.signature} file-signature="
        )


@dataclass(frozen=True, slots=True)
class Verified:
    """The verdict on a file, the sentence that says why, and its seal where it is believed."""

    verdict: Verdict
    says: str
    seal: Seal | None = None


def make_seal(
    root: Ed25519PrivateKey, pool: str, statement: str, payload: bytes, voucher: str = ""
) -> Seal:
    """The seal of one statement, signed with the pool's root key; or with a key that it vouches
    for by ``voucher``.
    """
    digest = digest_of(payload)
    return Seal(
        statement=statement,
        digest=digest.hex(),
        code=code_of(pool, statement, digest),
        key=public_key_text(root.public_key()),
        signature=sign(root, STATEMENT_PURPOSE, digest).hex(),
        voucher=voucher,
    )


def sealed_length(seal: Seal) -> int:
    """How many bytes the whole seal has, known before the file is signed."""
    return len(seal.text) + _SIGNATURE_LETTERS


def close_file(root: Ed25519PrivateKey, kind: StatementFormat, content: bytes, seal: Seal) -> bytes:
    """The finished file: `content`, the seal with the signature of all before, the ending."""
    signed = content + seal.text.encode()
    signature = sign(root, FILE_PURPOSE, hashlib.sha256(signed).digest())
    return signed + signature.hex().encode() + _ENDS[kind]


def verify_file(
    content: bytes, root_key: Ed25519PublicKey, revoked: Container[str] = ()
) -> Verified:
    """Whether a file is, byte for byte, what the pool with this root key exported.

    ``revoked``: the texts of keys that were taken back, where the pool's list is at hand.

    Whole: the pool signed every byte of it. Altered: it is an export that somebody changed.
    Unknown: it is none of this pool's exports, or cannot be told to be one.
    """
    if len(content) > MAX_FILE_BYTES:
        return Verified(Verdict.UNKNOWN, "文件太大，不是对账单 / too large to be a statement")
    found = _seal_in(content)
    if found is None:
        if any(mark in content for mark in _MARKS):
            return Verified(
                Verdict.ALTERED,
                "文件被改动过：封印不完整，请重新下载 / altered: its seal is damaged; get it anew",
            )
        return Verified(
            Verdict.UNKNOWN,
            "不是惠点对账单文件，无法核对 / no statement of Huidian, nothing can be said",
        )
    seal, signed, signature = found
    if seal.key in revoked:
        return Verified(
            Verdict.ALTERED,
            "签这个文件的密钥已被吊销，不能当真，请重新下载"
            " / sealed with a key that was taken back: not to be believed; get it anew",
        )
    signer = _vouched_for(root_key, seal) or root_key
    if _is_signed(signer, seal, signed, signature):
        return Verified(
            Verdict.WHOLE, "文件完整，签名有效 / whole: the pool signed every byte of it", seal
        )
    other = _other_pool(seal.key, root_key)
    if other is not None and _is_signed(other, seal, signed, signature):
        return Verified(
            Verdict.UNKNOWN,
            f"由另一个积分池（公钥指纹 {key_fingerprint(other)}）签发，请向该积分池核对"
            " / signed by another pool, which has this key; ask there",
        )
    return Verified(
        Verdict.ALTERED,
        "文件被改动过，与签名不符，请重新下载 / altered: it is not what was signed; get it anew",
    )


def _seal_in(content: bytes) -> tuple[Seal, bytes, bytes] | None:
    """The seal, what its last signature is of, and that signature."""
    kind = next((kind for kind, start in _BEGINS.items() if content.startswith(start)), None)
    if kind is None or not content.endswith(_ENDS[kind]):
        return None
    end = len(content) - len(_ENDS[kind])
    window = content[max(0, end - _SEAL_BYTES_MAX) : end]
    match = _SEAL.search(window)
    if match is None:
        return None
    seal = Seal(**{name: (match[name] or b"").decode() for name in Seal.__slots__})
    return seal, content[: end - _SIGNATURE_LETTERS], bytes.fromhex(match["file"].decode())


def _is_signed(key: Ed25519PublicKey, seal: Seal, signed: bytes, signature: bytes) -> bool:
    return (
        seal.key == public_key_text(key)
        and signature_holds(key, FILE_PURPOSE, hashlib.sha256(signed).digest(), signature)
        and signature_holds(
            key, STATEMENT_PURPOSE, bytes.fromhex(seal.digest), bytes.fromhex(seal.signature)
        )
    )


def _vouched_for(root_key: Ed25519PublicKey, seal: Seal) -> Ed25519PublicKey | None:
    """The key in the file, where the root key vouches that it signs documents."""
    kid, _, certificate = seal.voucher.partition(":")
    if not kid or int(kid) > _KID_MAX:
        return None
    try:
        key = read_public_key(seal.key)
    except (KeyTextError, ValueError):
        return None
    role = IssuerRole.DOCUMENT
    return key if certificate_holds(root_key, role, int(kid), key, certificate) else None


def _other_pool(text: str, root_key: Ed25519PublicKey) -> Ed25519PublicKey | None:
    """The key in the file, if it is a key and not this pool's."""
    try:
        key = read_public_key(text)
    except (KeyTextError, ValueError):
        return None
    return None if public_key_text(key) == public_key_text(root_key) else key
