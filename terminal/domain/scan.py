"""What a scanned text is: an item's barcode, a resident code, a payment code, or unknown.

A WeChat, Alipay or UnionPay payment code is recognised by its length and first digits so
that the cashier can be told; it is never kept, logged or sent anywhere.
"""

from dataclasses import dataclass
from enum import StrEnum

from protocol.codes import MAX_CODE_DIGITS, ResidentCode, parse_code


class PaymentBrand(StrEnum):
    """Whose payment code was scanned by mistake."""

    WECHAT = "wechat"
    ALIPAY = "alipay"
    UNIONPAY = "unionpay"


@dataclass(frozen=True, slots=True)
class BarcodeScan:
    barcode: str


@dataclass(frozen=True, slots=True)
class ResidentScan:
    code: ResidentCode


@dataclass(frozen=True, slots=True)
class PaymentScan:
    """Carries the brand only: the code is money, and not ours to keep."""

    brand: PaymentBrand


@dataclass(frozen=True, slots=True)
class DamagedCodeScan:
    """Digits as long as a resident code that are none: badly read, cut or made up."""


@dataclass(frozen=True, slots=True)
class UnknownScan:
    """Text that means nothing here. Not kept: it may be anything, a private message too."""


Scan = BarcodeScan | ResidentScan | PaymentScan | DamagedCodeScan | UnknownScan

SHORTEST_CODE_DIGITS = 60


def payment_brand(digits: str) -> PaymentBrand | None:
    """Whose payment code this is (by length and first two digits, as each brand publishes)."""
    length, first_two = len(digits), int(digits[:2])
    if length == 18 and 10 <= first_two <= 15:  # noqa: PLR2004 - WeChat Pay's rule
        return PaymentBrand.WECHAT
    if 16 <= length <= 24 and 25 <= first_two <= 30:  # noqa: PLR2004 - Alipay's rule
        return PaymentBrand.ALIPAY
    if length == 19 and first_two == 62:  # noqa: PLR2004 - UnionPay's rule
        return PaymentBrand.UNIONPAY
    return None


def classify(text: str) -> Scan:
    """Say what was scanned. Any text is welcome; effort is bounded."""
    plain = text.strip()
    if not plain or len(plain) > MAX_CODE_DIGITS or not (plain.isascii() and plain.isdigit()):
        return UnknownScan()
    code = parse_code(plain)
    if code is not None:
        return ResidentScan(code)
    if len(plain) >= SHORTEST_CODE_DIGITS:
        return DamagedCodeScan()
    brand = payment_brand(plain)
    return PaymentScan(brand) if brand else BarcodeScan(plain)
