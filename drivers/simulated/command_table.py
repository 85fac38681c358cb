"""The ESC/POS command table: how many parameter bytes each command has.

From the makers' command references (Epson's, and those of printers made in China where they add
to it); nothing of the encoder is used. Where two makers give one code different parameters, the
one that receipt printers sold in China mean is taken: `ESC B` and `ESC C` are buzzers.
"""

from collections.abc import Callable
from typing import Final, TypeAlias

# Given the parameter bytes so far, a length function says how many there must be in all. It may
# answer with what it needs to know more, and is asked again when that many are there.
Length: TypeAlias = int | Callable[[bytes], int]

# Bytes of one user-defined Chinese character (`FS 2`) in the fonts A, B and C of `FS ( A`.
KANJI_BYTES: Final = (72, 60, 32)
MAX_TAB_STOPS: Final = 32


class NotACommandError(Exception):
    """The parameters belong to no known variant."""


def _counted(parameters: bytes) -> int:
    """Give the length of `fn pL pH …`: the usual form of newer commands."""
    if len(parameters) < 3:  # noqa: PLR2004 - fn, pL, pH
        return 3
    return 3 + int.from_bytes(parameters[1:3], "little")


def _by_first(table: dict[int, int]) -> Callable[[bytes], int]:
    def length(parameters: bytes) -> int:
        if not parameters:
            return 1
        if parameters[0] not in table:
            raise NotACommandError
        return table[parameters[0]]

    return length


def _product(skip: int, counts: tuple[int, ...], unit: int = 1) -> Callable[[bytes], int]:
    """Give the length of `skip` bytes, numbers of `counts` bytes each, then product x unit."""
    head = skip + sum(counts)

    def length(parameters: bytes) -> int:
        if len(parameters) < head:
            return head
        at = skip
        size = unit
        for width in counts:
            size *= int.from_bytes(parameters[at : at + width], "little")
            at += width
        return head + size

    return length


def _column_image(parameters: bytes) -> int:
    if len(parameters) < 3:  # noqa: PLR2004 - m, nL, nH
        return 3
    bytes_per_column = {0: 1, 1: 1, 32: 3, 33: 3}.get(parameters[0])
    if bytes_per_column is None:
        raise NotACommandError
    return 3 + int.from_bytes(parameters[1:3], "little") * bytes_per_column


def _user_characters(parameters: bytes) -> int:
    if len(parameters) < 3:  # noqa: PLR2004 - y, c1, c2
        return 3
    rows, first, last = parameters[:3]
    at = 3
    for _ in range(first, last + 1):
        if len(parameters) <= at:
            return at + 1
        at += 1 + rows * parameters[at]
    return at


def _until_nul(limit: int) -> Callable[[bytes], int]:
    def length(parameters: bytes) -> int:
        end = parameters.find(0)
        if end >= 0:
            return end + 1
        if len(parameters) >= limit:
            raise NotACommandError
        return len(parameters) + 1

    return length


def _tab_stops(parameters: bytes) -> int:
    """Give the length of `ESC D n1 … nk NUL`; a stop before the one before it ends it as well."""
    for at, stop in enumerate(parameters):
        if stop == 0:
            return at + 1
        if at == MAX_TAB_STOPS or (at and stop <= parameters[at - 1]):
            return at
    return len(parameters) + 1


def _counter(parameters: bytes) -> int:
    """Give the length of `GS C 0`, `1`, `2`, or of `GS C ; a ; b ; n ; r ; c ;` in digits."""
    if parameters[:1] != b";":
        return _by_first({0x30: 3, 0x31: 7, 0x32: 3})(parameters)
    if not parameters.replace(b";", b"").isdigit() and len(parameters) > 1:
        raise NotACommandError
    if parameters.count(b";") == 6:  # noqa: PLR2004 - the first, and one after each number
        return len(parameters)
    if len(parameters) > 36:  # noqa: PLR2004 - five numbers of six digits
        raise NotACommandError
    return len(parameters) + 1


def _windows_bitmap(parameters: bytes) -> int:
    """Give the length of `GS D m fn a kc1 kc2 b c` and a Windows bitmap, which tells its own."""
    if len(parameters) < 13:  # noqa: PLR2004 - to the end of the bitmap's own length
        return 13
    if parameters[:1] != b"0" or parameters[1:2] not in {b"C", b"S"} or parameters[7:9] != b"BM":
        raise NotACommandError
    return 7 + max(6, int.from_bytes(parameters[9:13], "little"))


def _barcode(parameters: bytes) -> int:
    if not parameters:
        return 1
    if parameters[0] <= 6:  # noqa: PLR2004 - the old form, up to a NUL
        return 1 + _until_nul(255)(parameters[1:])
    if 65 <= parameters[0] <= 79:  # noqa: PLR2004 - the counted form
        return 2 if len(parameters) < 2 else 2 + parameters[1]  # noqa: PLR2004 - m, n
    raise NotACommandError


def _nv_images(parameters: bytes) -> int:
    if not parameters:
        return 1
    at = 1
    for _ in range(parameters[0]):
        if len(parameters) < at + 4:
            return at + 4
        x = int.from_bytes(parameters[at : at + 2], "little")
        y = int.from_bytes(parameters[at + 2 : at + 4], "little")
        at += 4 + x * y * 8
    return at


def _large_graphics(parameters: bytes) -> int:
    """Give the length of `GS 8 L`: as `GS ( L`, with four bytes of length."""
    if parameters[:1] not in {b"", b"L"}:
        raise NotACommandError
    if len(parameters) < 5:  # noqa: PLR2004 - L, p1 to p4
        return 1 if not parameters else 5
    return 5 + int.from_bytes(parameters[1:5], "little")


def _user_memory(parameters: bytes) -> int:
    if not parameters:
        return 1
    if parameters[0] == 0x32:  # noqa: PLR2004 - read
        return 8
    if parameters[0] != 0x31:  # noqa: PLR2004 - write
        raise NotACommandError
    return 8 if len(parameters) < 8 else 8 + int.from_bytes(parameters[6:8], "little")  # noqa: PLR2004 - head


def _pulse(parameters: bytes) -> int:
    """Give the length of `DLE DC4 fn …`."""
    return _by_first({1: 3, 2: 3, 3: 6, 7: 2, 8: 8})(parameters)


def _old_qr(parameters: bytes) -> int:
    """Give the length of `ESC Z m n k nL nH data`: a QR code of many Chinese printers."""
    if len(parameters) < 5:  # noqa: PLR2004 - m, n, k, nL, nH
        return 5
    return 5 + int.from_bytes(parameters[3:5], "little")


def _display_text(parameters: bytes) -> int:
    """Give the length of a pole display's `ESC Q A … CR`, seen where lines are shared."""
    end = parameters.find(b"\r")
    if end >= 0:
        return end + 1
    if len(parameters) > 42:  # noqa: PLR2004 - A, 40 characters, CR
        raise NotACommandError
    return len(parameters) + 1


def _table(fixed: dict[int, str], other: dict[str, Length]) -> dict[int, Length]:
    table: dict[int, Length] = {}
    for length, names in fixed.items():
        table.update({ord(name): length for name in names})
    return table | {ord(name): length for name, length in other.items()}


_DLE: Final = _table(
    {},
    {
        "\x04": _by_first({0: 2, 1: 1, 2: 1, 3: 1, 4: 1, 5: 1, 6: 1, 7: 2, 8: 2, 18: 2}),
        "\x05": 1,
        "\x14": _pulse,
    },
)
_ESC: Final = _table(
    {
        0: "2<@LSimoqv\x0c",
        1: " !%-39=?EFGJKMRTUVadertuz{_s\x11\x12\x13",
        2: "$\\cBf",
        3: "pC",
        8: "W",
    },
    {"&": _user_characters, "(": _counted, "*": _column_image, "D": _tab_stops,
     "Q": _display_text, "Z": _old_qr},
)  # fmt: skip
_FS: Final = _table(
    {0: "&.Lbc", 1: "!-CW", 2: "?Sp", 2 + KANJI_BYTES[0]: "2"},
    {
        "(": _counted,
        "a": _by_first({0x30: 2, 0x31: 1, 0x32: 1}),
        "g": _user_memory,
        "q": _nv_images,
    },
)
_GS: Final = _table(
    {0: ":<c\x0c", 1: "!/BEHITabfhjrw", 2: "$ALPW\\", 3: "^"},
    {
        "(": _counted,
        "*": _product(0, (1, 1), 8),
        "8": _large_graphics,
        "C": _counter,
        "D": _windows_bitmap,
        "Q": _product(2, (2, 2)),
        "V": _by_first({0: 1, 1: 1, 48: 1, 49: 1, 65: 2, 66: 2, 97: 2, 98: 2, 103: 2, 104: 2}),
        "g": _by_first({0x30: 4, 0x32: 4}),
        "k": _barcode,
        "v": _product(2, (2, 2)),
        "z": 3,
    },
)
# A customer display's, seen where it shares the printer's line.
_US: Final = _table(
    {0: "\x01\x02\x03\n\r:@BU", 1: ",.;CEXrv", 2: "#$T^"},
    {"(": _counted},
)
TABLES: Final = {0x10: _DLE, 0x1B: _ESC, 0x1C: _FS, 0x1D: _GS, 0x1F: _US}
# The functions behind a letter, each with its own count: `GS ( k pL pH cn fn …`.
FUNCTIONS: Final = {
    0x1B: frozenset(b"AY"),
    0x1C: frozenset(b"ACELefg"),
    0x1D: frozenset(b"ABCDEFGHKLMNPQkz"),
    0x1F: frozenset(b"AEG"),
}
SINGLE: Final = {0x07: "BEL", 0x09: "HT", 0x0A: "LF", 0x0C: "FF", 0x0D: "CR", 0x18: "CAN"}
