"""The customer's window in Debian's Chromium, beside the till."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.support.shop import Shop, slot_text

pytestmark = pytest.mark.browser


def keep(page: Page, name: str) -> None:
    folder = os.environ.get("HUIDIAN_PICTURES")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png")


def nothing_is_cut(page: Page) -> bool:
    """No figure stands outside the window or its own box."""
    found: bool = page.evaluate(
        """() => [...document.querySelectorAll("dd, dt, .amount, .large, .ask")]
            .filter((x) => x.offsetParent !== null)
            .every((x) => {
              const box = x.getBoundingClientRect();
              return box.left >= 0 && box.right <= innerWidth && box.bottom <= innerHeight
                && x.scrollWidth <= x.clientWidth + 1;
            })"""
    )
    return found


@pytest.mark.parametrize(("width", "height"), [(800, 480), (390, 844), (1280, 720)])
def test_a_customer_sees_each_step_of_a_sale(
    page: Page, shop: Shop, till_url: str, width: int, height: int
) -> None:
    page.set_viewport_size({"width": width, "height": height})
    page.goto(f"{till_url}/display")
    expect(page.locator("#welcome")).to_be_visible()
    keep(page, f"display_welcome_{width}")
    shop.till.add_item("bun", 5000)
    shop.till.add_item("greens")
    expect(page.locator("#due")).to_have_text("7.10 元")
    expect(page.locator("#ask")).to_be_visible()
    keep(page, f"display_buying_{width}")
    assert nothing_is_cut(page)
    shop.pool.approve(71, 100)
    shop.till.scan(slot_text())
    expect(page.locator("#points")).to_have_text("71 积分")
    expect(page.locator("#to-pay")).to_have_text("0.00 元")
    expect(page.locator("#ask")).to_be_hidden()
    keep(page, f"display_points_{width}")
    assert nothing_is_cut(page)
    shop.till.complete(shop.till.snapshot()[0].sale_id)
    expect(page.locator("#done")).to_be_visible()
    expect(page.locator("#figures dd")).to_have_text(["100", "71", "29", "0.00 元"])
    keep(page, f"display_done_{width}")
    assert nothing_is_cut(page)


def test_a_long_basket_shows_its_newest_lines_and_its_whole_total(
    page: Page, shop: Shop, till_url: str
) -> None:
    page.set_viewport_size({"width": 800, "height": 480})
    page.goto(f"{till_url}/display")
    for number in range(1, 13):
        shop.till.add_amount(f"{number}.00", "其他商品" * 10)
    expect(page.locator("#due")).to_have_text("78.00 元")
    expect(page.locator("#lines li")).to_have_count(5)
    expect(page.locator("#more")).to_contain_text("共 12 样")
    keep(page, "display_long_800")
    assert nothing_is_cut(page)


def test_the_sound_is_off_until_somebody_switches_it_on(page: Page, till_url: str) -> None:
    page.goto(f"{till_url}/display")
    button = page.locator("#voice")
    expect(button).to_have_attribute("aria-pressed", "false")
    said = page.evaluate(
        """async () => {
          const said = [];
          speechSynthesis.speak = (words) => said.push(words.text);
          document.getElementById("voice").click();
          return said;
        }"""
    )
    assert said == ["声音已打开"]
    expect(button).to_have_attribute("aria-pressed", "true")
