"""Points and money: whole numbers, exact rates, and the text people type.

Money is fen (0.01 yuan), points are points; neither is ever a float. A rate is in
basis points (1/10,000). Splitting hands the remainder out and loses nothing.
"""

import unicodedata
from collections.abc import Sequence
from enum import StrEnum
from typing import NewType

Points = NewType("Points", int)
Fen = NewType("Fen", int)

FEN_PER_YUAN = 100
BASIS_POINTS_WHOLE = 10_000
QUANTITY_ONE_MILLI = 1_000
"""Quantities are in thousandths of the unit: 1,300 is 1.3 kg, 5,000 is five buns."""

MAX_AMOUNT_FEN = Fen(5_000_000)
"""50,000.00 yuan: a neighbourhood shop's basket above this is a slip of the finger."""

MAX_YUAN_TEXT = 16
"""Characters of an amount that are looked at; anything longer is not an amount."""


class AmountProblem(StrEnum):
    """Why a typed amount of money is refused."""

    NOT_A_NUMBER = "not_a_number"
    ZERO = "zero"
    NEGATIVE = "negative"
    TOO_MANY_DECIMALS = "too_many_decimals"
    TOO_LARGE = "too_large"


def parse_yuan(text: str) -> Fen | AmountProblem:
    """Read an amount in yuan as a person types it: ``7``, ``7.1``, ``7.10``, ``７．１０``.

    Returns:
        The amount in fen (1 to :data:`MAX_AMOUNT_FEN`), or the reason it is refused.
    """
    plain = unicodedata.normalize("NFKC", text[: MAX_YUAN_TEXT + 1]).strip()
    negative = plain.startswith("-")
    whole, _, decimals = plain.removeprefix("-").partition(".")
    digits = whole + decimals
    if not digits or not (digits.isascii() and digits.isdigit()) or not whole:
        return AmountProblem.NOT_A_NUMBER
    if len(text) > MAX_YUAN_TEXT:
        return AmountProblem.TOO_LARGE
    if len(decimals) > 2:  # noqa: PLR2004 - a fen is the second decimal of a yuan
        return AmountProblem.TOO_MANY_DECIMALS
    fen = int(whole) * FEN_PER_YUAN + int(decimals.ljust(2, "0"))
    if negative:
        return AmountProblem.NEGATIVE
    if fen == 0:
        return AmountProblem.ZERO
    if fen > MAX_AMOUNT_FEN:
        return AmountProblem.TOO_LARGE
    return Fen(fen)


def format_yuan(fen: int) -> str:
    """Yuan with two decimals and no sign of currency: 710 is ``7.10``, -5 is ``-0.05``."""
    sign = "-" if fen < 0 else ""
    return f"{sign}{abs(fen) // FEN_PER_YUAN}.{abs(fen) % FEN_PER_YUAN:02d}"


def format_quantity(quantity_milli: int) -> str:
    """A quantity without needless zeros: 5,000 is ``5``, 1,300 is ``1.3``."""
    whole, rest = divmod(quantity_milli, QUANTITY_ONE_MILLI)
    return f"{whole}.{rest:03d}".rstrip("0") if rest else str(whole)


def price_of(unit_price: int, quantity_milli: int) -> int:
    """Price of a quantity, halves rounded up: 3.60 a kilogram × 1.300 kg is 4.68 yuan.

    Works for fen and for points. Both arguments must be 0 or more.
    """
    return (unit_price * quantity_milli * 2 + QUANTITY_ONE_MILLI) // (2 * QUANTITY_ONE_MILLI)


def rate_of(amount: int, rate_bp: int) -> int:
    """``amount`` × ``rate_bp`` / 10,000, halves rounded up; amounts below zero mirror it."""
    rounded = (abs(amount) * rate_bp * 2 + BASIS_POINTS_WHOLE) // (2 * BASIS_POINTS_WHOLE)
    return rounded if amount >= 0 else -rounded


def allot(total: int, weights: Sequence[int]) -> list[int]:
    """Split ``total`` (0 or more) by ``weights`` so that the parts add up to it exactly.

    Largest remainder; equal remainders go to the earlier part. With no weight at all
    everything goes to the first part.

    Raises:
        ValueError: for a negative total or weight, or no parts at all.
    """
    if total < 0 or not weights or min(weights) < 0:
        raise ValueError("allot needs a total of 0 or more and weights of 0 or more")
    whole = sum(weights)
    if whole == 0:
        return [total, *([0] * (len(weights) - 1))]
    parts = [total * weight // whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda i: (-(total * weights[i] % whole), i))
    for i in by_remainder[: total - sum(parts)]:
        parts[i] += 1
    return parts
