"""What a cashier should not get through: labels read badly, no weight, far too much, no stock."""

import pytest
from msgspec.structs import replace
from playwright.sync_api import Page, expect

from protocol.documents import Catalogue
from terminal.domain.barcodes import check_digit_holds
from tests.browser.test_cashier import open_till, receipts, tap
from tests.support.shop import ITEMS, NOON, Shop

pytestmark = pytest.mark.browser


def weigh(page: Page, text: str) -> None:
    tap(page, '[data-item-id="greens"]')
    for key in text:
        tap(page, f'#quantity-pad [data-key="{key}"]')
    tap(page, "#quantity-pad .key-submit")


def test_a_weight_of_nothing_or_of_tons_is_not_sold(page: Page, shop: Shop, till_url: str) -> None:
    open_till(page, till_url)
    weigh(page, "0")
    expect(page.locator("#notice-text")).to_have_text("数量不对。")
    weigh(page, "9999")
    expect(page.locator("#notice-text")).to_have_text("数量或金额超过一单的上限。")
    expect(page.locator("#lines li")).to_have_count(0)
    weigh(page, "1.3")
    expect(page.locator("#due")).to_have_text("5.98 元")
    assert receipts(shop) == []


def test_a_scale_label_that_was_misread_is_told_and_one_read_well_is_sold(
    page: Page, shop: Shop, till_url: str
) -> None:
    coded = tuple(replace(x, barcode="00012") if x.item_id == "greens" else x for x in ITEMS)
    shop.take(Catalogue(version=2, made_at=NOON, items=coded))
    open_till(page, till_url)
    labels = [f"250001201300{digit}" for digit in range(10)]  # 1.3 kg
    good = next(each for each in labels if check_digit_holds(each))
    bad = next(each for each in labels if each != good)
    page.keyboard.type(bad)
    page.keyboard.press("Enter")
    expect(page.locator("#notice-text")).to_have_text(f"条码“{bad}”没有读对。")
    expect(page.locator("#lines li")).to_have_count(0)
    page.keyboard.type(good)
    page.keyboard.press("Enter")
    expect(page.locator(".line-price")).to_have_text("4.60 元 × 1.3 kg")
    expect(page.locator("#due")).to_have_text("5.98 元")


def test_goods_that_have_run_out_are_told(page: Page, shop: Shop, till_url: str) -> None:
    few = tuple(replace(x, stock=1) if x.item_id == "rice" else x for x in ITEMS)
    shop.take(Catalogue(version=2, made_at=NOON, items=few))
    open_till(page, till_url)
    tap(page, '[data-item-id="rice"]')
    expect(page.locator("#lines li")).to_have_count(1)
    tap(page, '[data-item-id="rice"]')
    expect(page.locator("#notice-text")).to_have_text("“大米”库存不够，系统里还有 1 件。")
    expect(page.locator(".line-price")).to_have_text("15 积分 × 1 袋")
