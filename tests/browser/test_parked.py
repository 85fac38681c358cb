"""A basket is put aside for the next customer and taken up again: with a finger, and with keys."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from protocol.acts import Act, PersonActed
from protocol.documents import Catalogue
from tests.browser.test_cashier import PHONE, TILL, open_till, receipts, tap
from tests.support.at_till import happenings
from tests.support.shop import ITEMS, NOON, Shop, slot_text

pytestmark = pytest.mark.browser

SIZES = pytest.mark.parametrize("page", [TILL, PHONE], indirect=True, ids=["till", "phone"])


def look(page: Page, artefacts: Path, name: str) -> None:
    size = "till" if page.viewport_size == TILL else "phone"
    page.screenshot(path=artefacts / f"parked-{size}-{name}.png")
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0, name


@SIZES
def test_by_touch(page: Page, shop: Shop, till_url: str, artefacts: Path) -> None:
    open_till(page, till_url)
    for _ in range(3):
        tap(page, '[data-item-id="bun"]')
    tap(page, '[data-item-id="rice"]')
    expect(page.locator("#lines li")).to_have_count(2)
    tap(page, "#open-parked")
    look(page, artefacts, "park")
    tap(page, "#park")
    expect(page.locator("#parked-dialog")).to_be_hidden()
    expect(page.locator("#lines li")).to_have_count(0)
    expect(page.locator("#notice-text")).to_have_text("已挂起，挂单 1，没有用积分。")
    expect(page.locator("#open-parked")).to_contain_text("挂单 1")
    look(page, artefacts, "parked")
    shop.pool.approve(15, 100)
    tap(page, '[data-item-id="rice"]')
    expect(page.locator("#lines li")).to_have_count(1)
    shop.till.scan(slot_text())
    expect(page.locator("#confirm")).to_be_visible()
    tap(page, "#open-parked")  # the resident goes back for something: the points are let go
    tap(page, "#park")
    expect(page.locator("#open-parked")).to_contain_text("挂单 2")
    shop.till.add_item("bun")
    tap(page, "#open-parked")
    tap(page, '#parked [data-number="1"] [data-do="take-up"]')
    expect(page.locator("#parked-notice")).to_contain_text("现在这一单里还有商品。")
    look(page, artefacts, "list")
    tap(page, "#parked-dialog [data-close]")
    tap(page, "#clear")
    tap(page, "#clear-confirm")
    expect(page.locator("#lines li")).to_have_count(0)
    tap(page, "#open-parked")
    tap(page, '#parked [data-number="2"] [data-do="delete"]')
    look(page, artefacts, "delete")
    tap(page, '#park-reasons [data-reason="居民不来了"]')
    expect(page.locator("#parked li")).to_have_count(1)
    dearer = tuple(ITEMS[:1])
    shop.take(Catalogue(version=2, made_at=NOON, items=dearer))
    tap(page, '#parked [data-number="1"] [data-do="take-up"]')
    expect(page.locator("#notice-text")).to_contain_text("现在卖不了、已去掉：大米")
    look(page, artefacts, "taken-up")
    tap(page, "#cash")
    expect(page.locator("#done")).to_be_visible()
    acts = [x for x in happenings(shop) if isinstance(x, PersonActed)]
    assert [(x.act, x.reason) for x in acts] == [(Act.BASKET_DELETED, "居民不来了")]
    assert receipts(shop) == ["T0001-000001"]
    assert shop.store.parked() == []


def test_with_the_keyboard_alone(page: Page, shop: Shop, till_url: str) -> None:
    open_till(page, till_url)
    keys = page.keyboard
    keys.type("6900000000014")
    keys.press("Enter")
    expect(page.locator("#lines li")).to_have_count(1)
    keys.press("F10")
    expect(page.locator("#park")).to_be_focused()
    page.wait_for_timeout(600)  # an Enter right after a scan is the scanner's own
    keys.press("Enter")
    expect(page.locator("#lines li")).to_have_count(0)
    expect(page.locator("#parked-dialog")).to_be_hidden()
    keys.press("F10")
    expect(page.locator('#parked [data-do="take-up"]')).to_be_focused()
    keys.press("Enter")
    expect(page.locator("#lines li")).to_have_count(1)
    expect(page.locator("#notice-text")).to_have_text("挂单 1 取回来了，价钱没有变。")
    expect(page.locator("#parked-dialog")).to_be_hidden()
    keys.press("F10")
    keys.press("Enter")
    expect(page.locator("#lines li")).to_have_count(0)
    expect(page.locator("#parked-dialog")).to_be_hidden()
    keys.press("F10")
    keys.press("Escape")
    expect(page.locator("#parked-dialog")).to_be_hidden()
    assert [x.number for x in shop.store.parked()] == [1]


@SIZES
def test_the_list_in_english(page: Page, shop: Shop, till_url: str, artefacts: Path) -> None:
    for count in range(1, 6):
        shop.till.add_item("bun", count * 1000)
        shop.till.add_item("greens", 1300)
        shop.till.add_amount("1234.50", "其他商品")
        shop.till.add_item("rice")
        shop.till.parking.park()
    page.goto(f"{till_url}/?lang=en")
    page.locator("#item-keys button").first.wait_for()
    tap(page, "#open-parked")
    expect(page.locator("#parked li")).to_have_count(5)
    look(page, artefacts, "english")
