"""EAN-13 and EAN-8 as bars, so that a shelf label can be scanned."""

from typing import Final

_LEFT_ODD: Final = (
    "0001101", "0011001", "0010011", "0111101", "0100011",
    "0110001", "0101111", "0111011", "0110111", "0001011",
)  # fmt: skip
_RIGHT: Final = tuple("".join("10"[int(bit)] for bit in code) for code in _LEFT_ODD)
_LEFT_EVEN: Final = tuple(code[::-1] for code in _RIGHT)
# Which of the six left digits are even says the first digit, which has no bars of its own.
_FIRST: Final = (
    "000000", "001011", "001101", "001110", "010011",
    "011001", "011100", "010101", "010110", "011010",
)  # fmt: skip
_GUARD, _MIDDLE = "101", "01010"
_LONG, _SHORT = 13, 8


def check_digit(digits: str) -> int:
    """The last digit of a code, from those before it."""
    weighed = sum(int(digit) * (3, 1)[at % 2] for at, digit in enumerate(reversed(digits)))
    return -weighed % 10


def bars_of(code: str) -> str | None:
    """Modules of a whole symbol, ``1`` dark; None where the code is no EAN-13 or EAN-8."""
    if not (code.isascii() and code.isdigit() and len(code) in {_LONG, _SHORT}):
        return None
    if check_digit(code[:-1]) != int(code[-1]):
        return None
    if len(code) == _SHORT:
        left = "".join(_LEFT_ODD[int(digit)] for digit in code[:4])
        right = "".join(_RIGHT[int(digit)] for digit in code[4:])
    else:
        parity = _FIRST[int(code[0])]
        left = "".join(
            (_LEFT_EVEN if even == "1" else _LEFT_ODD)[int(digit)]
            for digit, even in zip(code[1:7], parity, strict=True)
        )
        right = "".join(_RIGHT[int(digit)] for digit in code[7:])
    return _GUARD + left + _MIDDLE + right + _GUARD
