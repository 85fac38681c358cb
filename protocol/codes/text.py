"""The text of a code's QR, and everything that a scanner may send instead of it.

A code is written as the decimal digits of the integer ``0x01 || payload``. What a scanner
adds by itself (an AIM identifier such as ``]Q1`` in front, control characters and line ends
around) is taken off; everything else that is not this one spelling is refused by name.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

GUARD = 0x01

PAYLOAD_BYTES: Mapping[int, int] = MappingProxyType(
    {0x11: 185, 0x13: 77, 0x15: 186, 0x21: 224, 0x31: 85, 0x41: 95, 0x51: 124}
)
"""How many bytes a code of each type has, signatures included."""

MAX_CODE_DIGITS = 552
"""What a QR of version 9-L holds; no format is longer, and nothing longer is read as a number."""

_SHORTEST_PAYLOAD = 24
_AIM_CHARS = 3
_MOST_AROUND = 16
_MOST_TEXT = 2 * (MAX_CODE_DIGITS + _MOST_AROUND)
_AROUND = "".join(map(chr, range(0x21))) + "\x7f\ufeff"
_FULL_WIDTH = frozenset("０１２３４５６７８９")


class Unreadable(StrEnum):
    """Why a text is no code."""

    EMPTY = "empty"
    TOO_LONG = "too_long"
    FULL_WIDTH = "full_width"
    """Digits of a Chinese input method: the scanner types into one that is switched on."""
    NOISE = "noise"
    """Something between the digits that is none."""
    TWO_CODES = "two_codes"
    NOT_A_CODE = "not_a_code"
    """Digits that stand for something else: an article's barcode, a payment code, any number."""
    UNKNOWN_KIND = "unknown_kind"
    """Written like a code, of a type that this version does not know."""
    WRONG_LENGTH = "wrong_length"
    """A known type with too few or too many bytes: cut off, or two read into each other."""
    BAD_FIELD = "bad_field"
    """A field holds what no maker of codes writes there."""


def to_digits(payload: bytes) -> str:
    """The text of a code's QR."""
    return str(int.from_bytes(bytes([GUARD]) + payload, "big"))


def from_digits(text: str) -> bytes | None:
    """A code's payload, or None where the text is no code. Constant effort on any input."""
    if not text or len(text) > MAX_CODE_DIGITS or not (text.isascii() and text.isdigit()):
        return None
    if text[0] == "0":  # one number has one spelling
        return None
    value = int(text)
    raw = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return raw[1:] if raw[:1] == bytes([GUARD]) else None


def without_scanner_marks(text: str) -> str | None:
    """The text without what scanners put around it; None where it is longer than any scan of
    codes can be, which is found before it is looked at or copied.
    """
    if len(text) > _MOST_TEXT:
        return None
    plain = text.strip(_AROUND)
    is_marked = (
        len(plain) >= _AIM_CHARS
        and plain[0] == "]"
        and plain[1].isascii()
        and plain[1].isalpha()
        and plain[2].isascii()
        and plain[2].isalnum()
    )
    return plain[_AIM_CHARS:].strip(_AROUND) if is_marked else plain


def read_text(text: str) -> bytes | Unreadable:
    """The payload of a scanned text, its length right for its type; or why it is none.

    Any text is welcome: effort and memory are bounded, and nothing is raised.
    """
    plain = without_scanner_marks(text)
    if plain is None:
        return Unreadable.TOO_LONG
    if not plain:
        return Unreadable.EMPTY
    if not (plain.isascii() and plain.isdigit()):
        return _what_is_between(plain)
    if len(plain) > MAX_CODE_DIGITS:
        return Unreadable.TWO_CODES if _are_two(plain) else Unreadable.TOO_LONG
    payload = from_digits(plain)
    problem = Unreadable.NOT_A_CODE if payload is None else _length_problem(payload)
    if payload is not None and problem is None:
        return payload
    if _are_two(plain):
        return Unreadable.TWO_CODES
    return problem or Unreadable.NOT_A_CODE


def _length_problem(payload: bytes) -> Unreadable | None:
    if len(payload) < _SHORTEST_PAYLOAD:  # a barcode or a payment code may begin like a code
        return Unreadable.NOT_A_CODE
    length = PAYLOAD_BYTES.get(payload[0])
    if length is None:
        return Unreadable.UNKNOWN_KIND
    return None if length == len(payload) else Unreadable.WRONG_LENGTH


def _is_whole(digits: str) -> bool:
    payload = from_digits(digits)
    return payload is not None and _length_problem(payload) is None


def _what_is_between(plain: str) -> Unreadable:
    if not _FULL_WIDTH.isdisjoint(plain):
        return Unreadable.FULL_WIDTH
    pieces = plain.split(maxsplit=2)
    pair = len(pieces) == 2 and all(  # noqa: PLR2004 - two codes are two pieces
        _is_whole(without_scanner_marks(piece) or "") for piece in pieces
    )
    return Unreadable.TWO_CODES if pair else Unreadable.NOISE


def _are_two(digits: str) -> bool:
    """Whether two whole codes stand one behind the other, nothing between them."""
    return any(
        _is_whole(digits[:cut]) and _is_whole(digits[cut:])
        for cut in _CODE_LENGTHS
        if cut < len(digits)
    )


def _lengths() -> tuple[int, ...]:
    """How many digits a whole code can have. The guard and the type stand first, so that all
    codes of one type have one length, or two where they lie about a power of ten.
    """
    lengths: set[int] = set()
    for code_type, size in PAYLOAD_BYTES.items():
        lowest = (GUARD << 8 | code_type) << 8 * (size - 1)
        highest = lowest + (1 << 8 * (size - 1)) - 1
        lengths |= {len(str(lowest)), len(str(highest))}
    return tuple(sorted(lengths))


_CODE_LENGTHS = _lengths()
SHORTEST_CODE_DIGITS = _CODE_LENGTHS[0]
