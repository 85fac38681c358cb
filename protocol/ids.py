"""Identifiers: made by whoever makes the thing, unique for ever, sortable by time."""

from datetime import datetime
from uuid import UUID


def uuid7(at: datetime, randomness: bytes) -> UUID:
    """A UUID version 7 (RFC 9562): 48 bits of Unix milliseconds, 74 bits of randomness.

    Args:
        at: aware time.
        randomness: 10 bytes from the caller's source of randomness.

    Raises:
        ValueError: for a naive time or the wrong number of bytes.
    """
    if at.tzinfo is None or len(randomness) != 10:  # noqa: PLR2004 - 80 bits, six of them overwritten
        raise ValueError("uuid7 needs an aware time and 10 bytes of randomness")
    milliseconds = int(at.timestamp() * 1000)
    raw = bytearray(milliseconds.to_bytes(6, "big") + randomness)
    raw[6] = 0x70 | (raw[6] & 0x0F)
    raw[8] = 0x80 | (raw[8] & 0x3F)
    return UUID(bytes=bytes(raw))
