"""What people type with a Chinese keyboard, as the programs compare it."""

from typing import Final

_WIDE_FIRST: Final = 0xFF01
_WIDE_LAST: Final = 0xFF5E
_APART: Final = 0xFEE0
_WIDE_SPACE: Final = 0x3000
_NARROW: Final = {wide: wide - _APART for wide in range(_WIDE_FIRST, _WIDE_LAST + 1)} | {
    _WIDE_SPACE: ord(" ")
}


def narrow(text: str) -> str:
    """Wide figures, letters, signs and spaces narrow, without space around: ``１２`` is ``12``.

    Nothing else changes: ``²`` is no two.
    """
    return text.translate(_NARROW).strip()
