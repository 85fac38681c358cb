"""Barcodes of goods: check digits of EAN-13, EAN-8 and UPC-A, and the labels of a shop's scale.

A scale's label is an EAN-13 that begins with 20 to 29: two digits of prefix, five that name the
goods, five of price or weight, and the check digit.
"""

from enum import StrEnum

from msgspec import Struct

GTIN_LENGTHS = frozenset({8, 12, 13})
LABEL_LENGTH = 13
PRICE_PREFIXES = frozenset({"20", "21", "22", "23", "24"})
"""The five digits are fen."""
WEIGHT_PREFIXES = frozenset({"25", "26", "27", "28", "29"})
"""The five digits are grams."""


class LabelKind(StrEnum):
    """What a scale's label carries."""

    PRICE = "price"
    WEIGHT = "weight"


class ScaleLabel(Struct, frozen=True):
    """A label whose check digit holds. ``value`` is fen or grams, 0 or more."""

    prefix: str
    goods: str
    kind: LabelKind
    value: int

    def names(self, barcode: str | None) -> bool:
        """Whether a barcode of the catalogue is what this label calls the goods."""
        return barcode in {self.goods, self.prefix + self.goods, self.goods.lstrip("0") or "0"}


def check_digit_holds(digits: str) -> bool:
    """Whether the last digit of an EAN-13, EAN-8 or UPC-A is the one that the others ask for."""
    if len(digits) not in GTIN_LENGTHS or not (digits.isascii() and digits.isdigit()):
        return False
    weights = (3 if place % 2 else 1 for place in range(len(digits)))
    return sum(int(x) * w for x, w in zip(reversed(digits), weights, strict=True)) % 10 == 0


def is_misread(digits: str) -> bool:
    """Whether this is as long as a barcode of the trade, and none."""
    return len(digits) in GTIN_LENGTHS and not check_digit_holds(digits)


def same_goods(one: str | None, scanned: str) -> bool:
    """Whether two barcodes are one: a UPC-A is the EAN-13 with a 0 before it."""
    return one is not None and (
        one == scanned
        or (one.zfill(LABEL_LENGTH) == scanned.zfill(LABEL_LENGTH) and _upc(one, scanned))
    )


def _upc(one: str, other: str) -> bool:
    return {len(one), len(other)} == {LABEL_LENGTH - 1, LABEL_LENGTH}


def read_label(digits: str) -> ScaleLabel | None:
    """The scale's label that this is; None for any other barcode, and for one that was misread."""
    if len(digits) != LABEL_LENGTH or not check_digit_holds(digits):
        return None
    prefix, goods, value = digits[:2], digits[2:7], int(digits[7:12])
    if prefix in PRICE_PREFIXES:
        return ScaleLabel(prefix, goods, LabelKind.PRICE, value)
    if prefix in WEIGHT_PREFIXES:
        return ScaleLabel(prefix, goods, LabelKind.WEIGHT, value)
    return None
