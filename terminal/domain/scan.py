"""What a scanned text is: an item's barcode, a resident code, a payment code, or unknown.

A WeChat, Alipay or UnionPay payment code is recognised by its length and first digits so
that the cashier can be told; it is never kept, logged or sent anywhere.
"""

from enum import StrEnum

from msgspec import Struct

from protocol.codes import ConfirmCode, ResidentCode, ShowCode, Unreadable, read_code
from protocol.codes.text import SHORTEST_CODE_DIGITS, without_scanner_marks


class PaymentBrand(StrEnum):
    """Whose payment code was scanned by mistake."""

    WECHAT = "wechat"
    ALIPAY = "alipay"
    UNIONPAY = "unionpay"


class BarcodeScan(Struct, frozen=True):
    barcode: str


class ResidentScan(Struct, frozen=True):
    code: ResidentCode | ShowCode


class ConfirmScan(Struct, frozen=True):
    """A phone's answer to a challenge; whose, only the till that asked can tell."""

    answer: ConfirmCode


class PaymentScan(Struct, frozen=True):
    """Carries the brand only: the code is money, and not ours to keep."""

    brand: PaymentBrand


class DamagedCodeScan(Struct, frozen=True):
    """Digits as long as a resident code that are none: badly read, cut or made up."""


class UnknownScan(Struct, frozen=True):
    """Text that means nothing here. Not kept: it may be anything, a private message too."""


class TwoCodesScan(Struct, frozen=True):
    """Two codes in one scan; which of them is meant, only the people at the counter know."""


class InputMethodScan(Struct, frozen=True):
    """Full-width digits: an input method sits between the scanner and the till."""


Scan = (
    BarcodeScan
    | ResidentScan
    | ConfirmScan
    | PaymentScan
    | DamagedCodeScan
    | TwoCodesScan
    | InputMethodScan
    | UnknownScan
)

_SHORTEST_DAMAGED = 60
"""Digits from which on a scan is taken for a code that was not read whole."""


_MOST_LOST = 20
"""How many digits the line may lose or disturb in a code that is still told as one."""


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
    code = read_code(text)
    if isinstance(code, ResidentCode | ShowCode):
        return ResidentScan(code)
    if isinstance(code, ConfirmCode):
        return ConfirmScan(code)
    if code is Unreadable.TWO_CODES:
        return TwoCodesScan()
    if code is Unreadable.FULL_WIDTH:
        return InputMethodScan()
    if not isinstance(code, Unreadable):
        return UnknownScan()  # a terminal's own question, or the code of a receipt
    plain = without_scanner_marks(text)
    if not plain or code is Unreadable.TOO_LONG:
        return UnknownScan()
    if code is Unreadable.NOISE:
        return DamagedCodeScan() if _is_noisy_code(plain) else UnknownScan()
    if len(plain) >= _SHORTEST_DAMAGED:
        return DamagedCodeScan()
    brand = payment_brand(plain)
    return PaymentScan(brand) if brand else BarcodeScan(plain)


def _is_noisy_code(plain: str) -> bool:
    """Whether a code's digits were disturbed on the line: nearly all of them are still there."""
    digits = sum(map(plain.count, "0123456789"))
    return digits >= SHORTEST_CODE_DIGITS - _MOST_LOST and len(plain) - digits <= _MOST_LOST
