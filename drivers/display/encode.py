"""What each kind of customer display is sent. Pure.

LED8 and LED8N show eight digits and four lamps, CD5220 two lines of twenty characters by `ESC Q`,
an ESC/POS display (VFD) two lines by cursor moves. None of them has Chinese: letters are ASCII.
"""

import enum
from collections.abc import Callable
from typing import Final

from drivers.ports import DisplayContent, Lamp

COLUMNS: Final = 20
LED_DIGITS: Final = 8
_CLEAR: Final = b"\x0c"
_INITIALISE: Final = b"\x1b@"
_FEN_PER_YUAN: Final = 100
_TOO_LARGE: Final = "-" * LED_DIGITS


class DisplayKind(enum.StrEnum):
    """How a display is spoken to."""

    LED8 = "led8"
    CD5220 = "cd5220"
    VFD = "vfd"


class LampForm(enum.StrEnum):
    """How an LED8 is told its lamp: by `ESC s n`, or by `STX L` and four signs."""

    ESC = "esc"
    STX = "stx"


_LAMP_SIGN: Final = {
    Lamp.OFF: b"0",
    Lamp.PRICE: b"1",
    Lamp.TOTAL: b"2",
    Lamp.PAID: b"3",
    Lamp.CHANGE: b"4",
}
# STX L has the lamps in another order: price, total, paid, change.
_LAMP_PATTERN: Final = {
    Lamp.OFF: b"0000",
    Lamp.PRICE: b"1000",
    Lamp.TOTAL: b"0100",
    Lamp.PAID: b"0010",
    Lamp.CHANGE: b"0001",
}

Encode = Callable[[DisplayContent], bytes]


def opening_bytes(kind: DisplayKind) -> bytes:
    """What a display gets when it was just opened: everything that was on it is gone."""
    return _INITIALISE + _CLEAR + (b"\x1f\x01" if kind is DisplayKind.VFD else b"")


def encoder(kind: DisplayKind, lamps: LampForm = LampForm.ESC) -> Encode:
    """The encoding of a kind; `lamps` matters to LED8 only."""
    if kind is DisplayKind.LED8:
        return lambda content: led8(content, lamps)
    return {DisplayKind.CD5220: cd5220, DisplayKind.VFD: vfd}[kind]


def led8(content: DisplayContent, lamps: LampForm = LampForm.ESC) -> bytes:
    """`ESC s lamp`, `ESC Q A digits CR`; an amount past eight digits is a row of dashes."""
    if content.amount_fen is None:
        return _CLEAR + _lamp(Lamp.OFF, lamps)
    return _lamp(content.lamp, lamps) + b"\x1bQA" + amount_digits(content.amount_fen) + b"\r"


def amount_digits(amount_fen: int) -> bytes:
    """Yuan as an LED shows them: always two decimals, no separator, eight digits at most."""
    sign = "-" if amount_fen < 0 else ""
    text = f"{sign}{abs(amount_fen) // _FEN_PER_YUAN}.{abs(amount_fen) % _FEN_PER_YUAN:02d}"
    fits = len(text.replace(".", "")) <= LED_DIGITS
    return (text if fits else _TOO_LARGE).encode()


def _lamp(lamp: Lamp, form: LampForm) -> bytes:
    if form is LampForm.STX:
        return b"\x02L" + _LAMP_PATTERN[lamp]
    return b"\x1bs" + _LAMP_SIGN[lamp]


def cd5220(content: DisplayContent) -> bytes:
    """Both lines whole: some clones do not blank the rest of a shorter one."""
    return b"\x1bQA" + _line(content.upper) + b"\r\x1bQB" + _line(content.lower) + b"\r"


def vfd(content: DisplayContent) -> bytes:
    """Each line at its place by `US $`; the display does not scroll in overwrite mode."""
    upper = b"\x1f$\x01\x01" + _line(content.upper)
    return upper + b"\x1f$\x01\x02" + _line(content.lower)


def _line(text: str) -> bytes:
    """Twenty printable ASCII characters; what is none of them is a `?`, never a command."""
    signs = "".join(char if " " <= char <= "~" else "?" for char in text[:COLUMNS])
    return signs.ljust(COLUMNS).encode("ascii")
