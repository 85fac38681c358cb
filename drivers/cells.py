"""Character cells: how wide a text is on a Chinese receipt printer, and how it is cut to fit.

Such a printer gives an ASCII character one cell and a character of its Chinese ROM two, which is
exactly the number of bytes of the character in GBK. Unicode's own width tables are wrong here:
“ ” … — × ① ℃ count one there and print two cells wide.
"""

import unicodedata
from typing import Final

# What shop software writes, and what the ROM has instead. U+00A5 has no GBK code at all; as
# GB18030 it is four bytes, which cheap printers show as two digits in front of the amount.
_SUBSTITUTES: Final = {
    0x00A5: "￥",
    0x00A0: " ",
    0x2007: " ",
    0x202F: " ",
    0x3000: "  ",
    0x2010: "-",
    0x2011: "-",
    0x2012: "-",
    0x2013: "-",
    0x2212: "-",
    0x2022: "·",
    0x0009: " ",
    0x000A: " ",
    0x000D: " ",
    0x0085: " ",
    0x2028: " ",
    0x2029: " ",
}
# Controls (ESC must never come from an item's name), invisible formatting (joiners, direction
# marks), and halves of surrogate pairs.
_DROPPED_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs"})
_VARIATION_SELECTORS: Final = frozenset(chr(code) for code in range(0xFE00, 0xFE10))
_NO_LINE_STARTS_WITH: Final = frozenset("，。、；：！？）》】”’％%,.;:!?)")
REPLACEMENT: Final = "□"


def clean_line(text: str) -> str:
    """Give `text` as one line that is safe to print: no control characters, NFC, ￥ for ¥."""
    mapped = unicodedata.normalize("NFC", text).translate(_SUBSTITUTES)
    return "".join(
        char
        for char in mapped
        if unicodedata.category(char) not in _DROPPED_CATEGORIES
        and char not in _VARIATION_SELECTORS
    )


def clean_lines(text: str) -> list[str]:
    """Give the lines of `text`, each cleaned; only line breaks written as such separate lines."""
    return [clean_line(line) for line in text.replace("\r\n", "\n").split("\n")]


def gbk_or_none(char: str) -> bytes | None:
    """Give the GBK bytes of one character (1 or 2), or None where GBK has none."""
    try:
        return char.encode("gbk")
    except UnicodeEncodeError:
        return None


def fits_gbk(text: str) -> bool:
    """Tell whether a printer's Chinese ROM can hold every character of `text`."""
    return all(gbk_or_none(char) is not None for char in text)


def char_cells(char: str) -> int:
    """Give the cells of one character: its GBK bytes, or 2 for one that is drawn instead."""
    encoded = gbk_or_none(char)
    return 2 if encoded is None else len(encoded)


def cells(text: str) -> int:
    """Give the cells of `text` on paper, in units of one ASCII character."""
    return sum(char_cells(char) for char in text)


def wrap(text: str, room_cells: int) -> list[str]:
    """Cut `text` into lines of at most `room_cells`, always between whole characters.

    An ASCII word moves to the next line whole if it fits there; closing punctuation takes the
    character before it along. Gives at least one line, which may be empty.

    Raises:
        ValueError: less than two cells, in which a Chinese character cannot be put.
    """
    if room_cells < 2:  # noqa: PLR2004 - one Chinese character
        raise ValueError(f"no room to wrap in: {room_cells} cells")
    lines: list[str] = []
    rest = text
    while cells(rest) > room_cells:
        cut = _cut_at(rest, room_cells)
        lines.append(rest[:cut].rstrip(" "))
        rest = rest[cut:].lstrip(" ")
    lines.append(rest)
    return lines


def _cut_at(text: str, room_cells: int) -> int:
    used = 0
    cut = 0
    for char in text:
        used += char_cells(char)
        if used > room_cells:
            break
        cut += 1
    if _is_word(text[cut]) and _is_word(text[cut - 1]):
        space = text.rfind(" ", 0, cut)
        if space > 0:
            return space
    if text[cut] in _NO_LINE_STARTS_WITH and cut > 1:
        return cut - 1
    return cut


def _is_word(char: str) -> bool:
    return char.isascii() and char != " "


def pad_between(left: str, right: str, room_cells: int) -> str:
    """Put `left` and `right` at the two ends of `room_cells`, spaces between (never negative)."""
    return left + " " * max(0, room_cells - cells(left) - cells(right)) + right


def pad_left(text: str, room_cells: int) -> str:
    """Push `text` to the right end of `room_cells`."""
    return pad_between("", text, room_cells)
