import tracemalloc

import pytest

from protocol.codes import SlotCode, to_digits
from terminal.domain.scan import (
    BarcodeScan,
    DamagedCodeScan,
    InputMethodScan,
    PaymentBrand,
    PaymentScan,
    ResidentScan,
    TwoCodesScan,
    UnknownScan,
    classify,
)
from tests.support.code_examples import card, challenge, receipt, slot

SLOT, CARD = to_digits(slot()), to_digits(card())
FULL_WIDTH = {48 + n: 0xFF10 + n for n in range(10)}


@pytest.mark.parametrize("before", ["", "]Q1", "\x02", "\ufeff"])
@pytest.mark.parametrize("after", ["", "\r\n", "\t", "\x03"])
def test_a_code_is_one_whatever_the_scanner_puts_around_it(before: str, after: str) -> None:
    scan = classify(before + SLOT + after)
    assert isinstance(scan, ResidentScan)
    assert isinstance(scan.code, SlotCode)


@pytest.mark.parametrize(
    ("digits", "brand"),
    [
        ("134567890123456789", PaymentBrand.WECHAT),
        ("100000000000000000", PaymentBrand.WECHAT),
        ("159999999999999999", PaymentBrand.WECHAT),
        ("2867890123456789", PaymentBrand.ALIPAY),
        ("250000000000000000000000", PaymentBrand.ALIPAY),
        ("6212345678901234567", PaymentBrand.UNIONPAY),
    ],
)
def test_a_payment_code_is_named_and_not_kept(digits: str, brand: PaymentBrand) -> None:
    for text in (digits, f"]Q1{digits}\r\n"):
        assert classify(text) == PaymentScan(brand)
    assert digits not in repr(classify(digits))


@pytest.mark.parametrize(
    ("text", "scan"),
    [
        ("6901234567892", BarcodeScan("6901234567892")),
        ("]E06901234567892", BarcodeScan("6901234567892")),
        ("0012345678905", BarcodeScan("0012345678905")),
        ("", UnknownScan()),
        ("https://example.org/", UnknownScan()),
        ("９７８", InputMethodScan()),
        (SLOT.translate(FULL_WIDTH), InputMethodScan()),
        (SLOT + CARD, TwoCodesScan()),
        (SLOT + "\r\n" + SLOT, TwoCodesScan()),
        (SLOT[:100] + "#" + SLOT[100:], DamagedCodeScan()),
        (SLOT[:100] + "#x" + SLOT[103:], DamagedCodeScan()),
        ("x" * 300, UnknownScan()),
        (SLOT[:-4], DamagedCodeScan()),
        (CARD[:70], DamagedCodeScan()),
        ("8" * 300, DamagedCodeScan()),
        ("8" * 1_000_000, UnknownScan()),
        (to_digits(challenge()), UnknownScan()),
        (to_digits(receipt()), UnknownScan()),
    ],
)
def test_everything_that_is_scanned_has_a_name(text: str, scan: object) -> None:
    assert classify(text) == scan


@pytest.mark.parametrize("text", ["8" * 1_000_000, "]Q1" + "8" * 1_000_000 + "\r\n"])
def test_a_scan_of_a_million_digits_takes_the_memory_of_none(text: str) -> None:
    classify(SLOT)
    tracemalloc.start()
    try:
        assert classify(text) == UnknownScan()
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 10_000
