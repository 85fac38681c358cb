"""A statement as canonical JSON: one document has exactly one text, which is what is signed.

The text is UTF-8 JSON with keys sorted by code point, no white space, characters beyond ASCII as
they are, and whole numbers only: what ``json.dumps(…, ensure_ascii=False, sort_keys=True,
separators=(",", ":"))`` of Python makes.
"""

import hashlib
import json
import re

import msgspec

from server.settlement.document import StatementDocument
from server.settlement.document_values import LINE_FIELDS_SINCE

FORMAT_NAME = "huidian-statement"

_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LETTER_BITS = 5
_LOCATOR_LETTERS = 4
_DIGEST_LETTERS = 12
_GROUP_LETTERS = 4
_MISREAD = str.maketrans("OIL", "011")
_CODE_TAG = b"HUIDIAN1/statement-code\0"


def payload_of(document: StatementDocument) -> bytes:
    """All of the document as canonical JSON, with the format's name and the document's version:
    the text that was signed when it was issued, for good.
    """
    plain = msgspec.to_builtins(document)
    version = plain.pop("version")
    later = [name for name, since in LINE_FIELDS_SINCE.items() if since > version]
    for line in plain["lines"] if later else ():
        for name in later:
            del line[name]
    return canonical({"document": plain, "format": FORMAT_NAME, "version": version})


def canonical(plain: object) -> bytes:
    """The one text of plain JSON data."""
    text = json.dumps(plain, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode()


def digest_of(payload: bytes) -> bytes:
    """SHA-256 of a payload: 32 bytes that stand for the whole statement."""
    return hashlib.sha256(payload).digest()


def code_of(pool: str, statement: str, digest: bytes) -> str:
    """The verification code, four groups of four: ``7Q2M-1HX4-…``.

    The first group says which statement it is (so that one is found among thousands without
    making them all), the other three are 60 bits of the digest. The letters I, L, O and U are
    not among them.
    """
    named = hashlib.sha256(_CODE_TAG + pool.encode() + b"\0" + statement.encode()).digest()
    letters = _letters(named, _LOCATOR_LETTERS) + _letters(digest, _DIGEST_LETTERS)
    return "-".join(
        letters[start : start + _GROUP_LETTERS] for start in range(0, len(letters), _GROUP_LETTERS)
    )


def is_code_for(code: str, pool: str, statement: str) -> bool:
    """Whether the code's first group names this statement of this pool."""
    return code[:_LOCATOR_LETTERS] == code_of(pool, statement, b"\0" * 32)[:_LOCATOR_LETTERS]


def read_code(typed: str) -> str | None:
    """A code as a person types it (any case, with or without strokes or blanks), or None."""
    letters = re.sub(r"[\s–—－-]", "", typed).upper().translate(_MISREAD)
    if len(letters) != _LOCATOR_LETTERS + _DIGEST_LETTERS or not set(letters) <= set(_LETTERS):
        return None
    return "-".join(
        letters[start : start + _GROUP_LETTERS] for start in range(0, len(letters), _GROUP_LETTERS)
    )


def _letters(raw: bytes, count: int) -> str:
    number = int.from_bytes(raw, "big") >> (len(raw) * 8 - count * _LETTER_BITS)
    return "".join(
        _LETTERS[(number >> shift) & 31] for shift in range((count - 1) * _LETTER_BITS, -1, -5)
    )
