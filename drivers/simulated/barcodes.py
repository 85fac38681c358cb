"""The bars that a printer draws for `GS k`: EAN-13, EAN-8 and CODE128, written from their standards."""

from typing import Final

_DIGITS: Final = [
    "0001101",
    "0011001",
    "0010011",
    "0111101",
    "0100011",
    "0110001",
    "0101111",
    "0111011",
    "0110111",
    "0001011",
]
_PARITY: Final = [
    "OOOOOO",
    "OOEOEE",
    "OOEEOE",
    "OOEEEO",
    "OEOOEE",
    "OEEOOE",
    "OEEEOO",
    "OEOEOE",
    "OEOEEO",
    "OEEOEO",
]
_CODE128: Final = [
    "212222",
    "222122",
    "222221",
    "121223",
    "121322",
    "131222",
    "122213",
    "122312",
    "132212",
    "221213",
    "221312",
    "231212",
    "112232",
    "122132",
    "122231",
    "113222",
    "123122",
    "123221",
    "223211",
    "221132",
    "221231",
    "213212",
    "223112",
    "312131",
    "311222",
    "321122",
    "321221",
    "312212",
    "322112",
    "322211",
    "212123",
    "212321",
    "232121",
    "111323",
    "131123",
    "131321",
    "112313",
    "132113",
    "132311",
    "211313",
    "231113",
    "231311",
    "112133",
    "112331",
    "132131",
    "113123",
    "113321",
    "133121",
    "313121",
    "211331",
    "231131",
    "213113",
    "213311",
    "213131",
    "311123",
    "311321",
    "331121",
    "312113",
    "312311",
    "332111",
    "314111",
    "221411",
    "431111",
    "111224",
    "111422",
    "121124",
    "121421",
    "141122",
    "141221",
    "112214",
    "112412",
    "122114",
    "122411",
    "142112",
    "142211",
    "241211",
    "221114",
    "413111",
    "241112",
    "134111",
    "111242",
    "121142",
    "121241",
    "114212",
    "124112",
    "124211",
    "411212",
    "421112",
    "421211",
    "212141",
    "214121",
    "412121",
    "111143",
    "111341",
    "131141",
    "114113",
    "114311",
    "411113",
    "411311",
    "113141",
    "114131",
    "311141",
    "411131",
    "211412",
    "211214",
    "211232",
    "2331112",
]
_START_B, _STOP = 104, 106
_EAN_13, _EAN_8, _CODE_128 = {2, 67}, {3, 68}, {73}


def bars(kind: int, data: bytes) -> str | None:
    """Modules of a symbol, ``1`` dark; None where this printer draws no such code."""
    text = data.decode("latin-1")
    if kind in _EAN_13 and len(text) in {12, 13} and text.isdigit():
        return _ean(text[:12] + _check(text[:12]))
    if kind in _EAN_8 and len(text) in {7, 8} and text.isdigit():
        return _ean(text[:7] + _check(text[:7]))
    if kind in _CODE_128 and text.startswith("{B"):
        return _code_128(text[2:])
    return None


def _check(digits: str) -> str:
    total = sum(int(digit) * (3 if at % 2 == 0 else 1) for at, digit in enumerate(digits[::-1]))
    return str((10 - total % 10) % 10)


def _ean(digits: str) -> str:
    half = len(digits) // 2
    if len(digits) == 13:  # noqa: PLR2004 - EAN-13: the first digit is in the others' parity
        parity, left, right = _PARITY[int(digits[0])], digits[1:7], digits[7:]
    else:
        parity, left, right = "OOOO", digits[:half], digits[half:]
    out = "101"
    for digit, side in zip(left, parity, strict=True):
        odd = _DIGITS[int(digit)]
        out += odd if side == "O" else _inverted(odd)[::-1]
    return out + "01010" + "".join(_inverted(_DIGITS[int(digit)]) for digit in right) + "101"


def _inverted(modules: str) -> str:
    return modules.translate({ord("0"): "1", ord("1"): "0"})


def _code_128(text: str) -> str | None:
    values = [ord(char) - 32 for char in text]
    if not values or any(not 0 <= value <= 95 for value in values):  # noqa: PLR2004 - code set B
        return None
    check = (_START_B + sum(at * value for at, value in enumerate(values, 1))) % 103
    widths = "".join(_CODE128[value] for value in (_START_B, *values, check, _STOP))
    return "".join("10"[at % 2] * int(width) for at, width in enumerate(widths))
