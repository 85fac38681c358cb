"""The digest of a directory: of all its entries, whatever their order, and quickly moved on.

It is the sum of the entries' SHA-256 modulo 2**256, as 64 hex digits: who takes an entry out or
puts one in needs that entry alone. It finds what was lost, doubled or altered on the way or on
the disk; that nobody made it up is what the signatures over pages and heads are for.
"""

import hashlib
from collections.abc import Iterable

EMPTY_DIGEST = "0" * 64
_MODULUS = 1 << 256


def moved_digest(digest: str, *, out: Iterable[bytes] = (), into: Iterable[bytes] = ()) -> str:
    """The digest without the entries ``out`` and with those ``into``; entries' exact bytes.

    Raises:
        ValueError: ``digest`` is none.
    """
    total = int(digest, 16) + sum(map(_number, into)) - sum(map(_number, out))
    return f"{total % _MODULUS:064x}"


def _number(entry: bytes) -> int:
    return int.from_bytes(hashlib.sha256(entry).digest(), "big")
