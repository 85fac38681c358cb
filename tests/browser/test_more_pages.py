"""The pages behind 更多, with a finger, on the till's screen and on a phone."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from protocol.messages import OrdersFound
from tests.browser.test_cashier import PHONE, TILL, open_till, tap
from tests.support.shop import ZHANG, Shop, slot_text
from tests.unit.terminal.test_orders import order

pytestmark = pytest.mark.browser

SIZES = pytest.mark.parametrize("page", [TILL, PHONE], indirect=True, ids=["till", "phone"])


def look(page: Page, artefacts: Path, name: str) -> None:
    """A picture, and nothing that stands out to the side."""
    size = "till" if page.viewport_size == TILL else "phone"
    page.screenshot(path=artefacts / f"more-{size}-{name}.png", full_page=True)
    overflow = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert overflow <= 0, name


@SIZES
def test_a_shift_from_the_till_to_its_z_report(
    page: Page, shop: Shop, till_url: str, artefacts: Path
) -> None:
    open_till(page, till_url)
    tap(page, "#open-more")
    look(page, artefacts, "menu")
    page.get_by_text("班次").first.tap()
    page.locator('[name="float"]').fill("100")
    page.get_by_role("button", name="开班").tap()
    expect(page.locator("#said-text")).to_have_text("已开班，备用金 100.00 元。")
    shop.till.add_amount("7.20", "其他商品")
    shop.till.complete(shop.till.snapshot()[0].sale_id)
    page.reload()
    look(page, artefacts, "shift-open")
    page.on("dialog", lambda dialog: dialog.accept())
    page.locator('[name="cash"]').fill("105.20")
    page.locator('[name="wechat"]').fill("2x")
    page.get_by_role("button", name="交班，打印 Z 报表").tap()
    expect(page.locator("#said-text")).to_have_text("金额要填数字。")
    page.locator('[name="wechat"]').fill("2")
    page.get_by_role("button", name="交班，打印 Z 报表").tap()
    expect(page.locator("#said-text")).to_have_text("已交班，Z 报表第 1 号。")
    expect(page.locator(".rows")).to_contain_text("收款 7.20 元")
    look(page, artefacts, "shift-closed")
    page.get_by_text("回收银台").tap()
    expect(page.locator("#done")).to_be_visible()


@SIZES
def test_the_owner_sets_a_pin_and_a_large_refund_asks_for_it(
    page: Page, shop: Shop, till_url: str, artefacts: Path
) -> None:
    page.goto(f"{till_url}/more/staff")
    page.locator('form[data-post$="/add"] [name="name"]').fill("店主")
    page.locator('form[data-post$="/add"] [name="pin"]').fill("4719")
    page.get_by_role("button", name="保存").tap()
    expect(page.locator("#said-text")).to_have_text("“店主”已保存。")
    page.locator('form[data-post$="/in"] [name="pin"]').fill("1111")
    page.locator('form[data-post$="/in"] button').tap()
    expect(page.locator("#said-text")).to_have_text("PIN 码不对。")
    look(page, artefacts, "staff")
    shop.till.add_amount("300", "其他商品")
    shop.till.complete(shop.till.snapshot()[0].sale_id)
    page.goto(till_url)
    expect(page.locator("#done")).to_be_visible()
    tap(page, "#open-sales")
    tap(page, '#sales [data-do="refund"]')
    expect(page.locator("#refund-owner")).to_be_visible()
    page.locator("#refund-owner input").fill("4719")
    look(page, artefacts, "refund-owner")
    tap(page, "#refund-confirm")
    expect(page.locator("#notice")).to_contain_text("这一单已撤销")


@SIZES
def test_a_voucher_is_used_in_front_of_the_resident(
    page: Page, shop: Shop, till_url: str, artefacts: Path
) -> None:
    used = order("ab-1", 0, "便民理发券")
    shop.pool.orders = OrdersFound(account=ZHANG, orders=(order("ab-2", 2_000), used))
    page.goto(f"{till_url}/more/orders")
    shop.till.scan(slot_text())  # the scanner's worker does this
    expect(page.locator(".rows").first).to_contain_text("理发券")
    look(page, artefacts, "orders")
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="用券").tap()
    expect(page.locator("#said-text")).to_have_text("“理发券”已办好。")
    expect(page.get_by_text("待上传")).to_be_visible()


@SIZES
def test_the_owner_reads_the_day(page: Page, shop: Shop, till_url: str, artefacts: Path) -> None:
    for _ in range(3):
        shop.till.clear()
        shop.till.add_item("bun")
        shop.till.complete(shop.till.snapshot()[0].sale_id)
    page.goto(f"{till_url}/more/report")
    expect(page.get_by_text("3 笔", exact=True)).to_be_visible()
    expect(page.locator("table").first).to_contain_text("12:00")
    look(page, artefacts, "report")
