"""The owner's page of prices, with a finger, on the till's screen and on a phone."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from terminal.domain.staff import Role
from tests.browser.test_cashier import open_till, tap
from tests.browser.test_more_pages import SIZES, look
from tests.support.shop import Shop
from tests.unit.terminal.test_price_lists import SHOP, rows_of
from tests.unit.terminal.test_staff import OWNER

pytestmark = pytest.mark.browser

WRONG = (
    SHOP
    + "1003,6901234567890,醋,调料,瓶,3.5.0,,\n1004,,=cmd|' /C calc'!A0,调料,瓶,2.00,,\n"
    + "1001,,酱油（又一行）,调料,瓶,7.00,,\n"
)


def choose(page: Page, text: str, name: str = "价目.csv") -> None:
    page.locator('[type="file"]').set_input_files(
        {"name": name, "mimeType": "text/csv", "buffer": text.encode("gbk")}
    )
    page.get_by_role("button", name="看一遍").tap()


@SIZES
def test_the_owner_brings_a_price_list_and_the_till_sells_by_it(
    page: Page, shop: Shop, till_url: str, artefacts: Path
) -> None:
    shop.staff.add("店主", Role.OWNER, OWNER, None)
    open_till(page, till_url)
    tap(page, "#open-more")
    page.get_by_text("价目").first.tap()
    look(page, artefacts, "prices")
    choose(page, "甲,乙\n1,2\n")
    expect(page.locator("#said-text")).to_have_text("没有找到表头。")
    choose(page, WRONG)
    expect(page.locator(".bad-rows tbody tr")).to_have_count(4)
    expect(page.locator(".bad-rows")).to_contain_text("编号和第 2 行一样")
    look(page, artefacts, "prices-bad")
    page.get_by_role("button", name="不用这份").tap()
    choose(page, SHOP)
    expect(page.locator('[name="file_sha256"]')).to_have_count(1)
    look(page, artefacts, "prices-ready")
    take = page.locator('form[data-post$="/take"]')
    take.locator('[name="reason"]').fill("换供货商")
    take.locator('[name="pin"]').fill("2580")
    take.get_by_role("button", name="换上").tap()
    expect(page.locator("#said-text")).to_have_text("PIN 码不对。")
    take.locator('[name="pin"]').fill(OWNER)
    take.get_by_role("button", name="换上").tap()
    expect(page.locator("#said-text")).to_contain_text("价目已换上：共 3 种")
    page.locator('[name="q"]').fill("酱油")
    page.get_by_role("button", name="找").tap()
    change = page.locator('form[data-post$="/change"]')
    expect(change).to_have_count(1)
    look(page, artefacts, "prices-one")
    change.locator('[name="price"]').fill("7.90")
    change.locator('[name="reason"]').fill("涨价")
    change.locator('[name="pin"]').fill(OWNER)
    change.get_by_role("button", name="改价").tap()
    expect(page.locator("#said-text")).to_have_text("“酱油”的价钱已改。")
    page.get_by_text("回收银台").tap()
    page.get_by_text("葱花饼").tap()  # it has a key
    shop.till.scan("6901234567892")
    expect(page.locator("#due")).to_contain_text("9.90")


def test_goods_of_a_long_list_are_found_by_their_name(
    page: Page, shop: Shop, till_url: str, artefacts: Path
) -> None:
    shop.staff.add("店主", Role.OWNER, OWNER, None)
    looked = shop.prices.check("\n".join(rows_of(3_000)).encode(), replaces=False)
    shop.prices.take(
        getattr(looked, "file_sha256", ""), pin=OWNER, reason="开店", without_bad=False
    )
    open_till(page, till_url)
    page.keyboard.press("F4")
    page.locator("#search").fill("商品2999")
    expect(page.locator("#item-keys .item")).to_have_count(1)
    page.locator("#item-keys .item").tap()
    expect(page.locator("#due")).to_contain_text("500.50")
