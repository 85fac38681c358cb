"""A cashier's first day: she practises with her shop's goods, and then sells for real."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_cashier import PHONE, TILL, tap
from tests.support.running_till import RunningTill

pytestmark = pytest.mark.browser

SIZES = pytest.mark.parametrize("page", [TILL, PHONE], indirect=True, ids=["till", "phone"])


@pytest.fixture
def till(tmp_path: Path) -> Iterator[RunningTill]:
    """Nobody listens at its server's address: practice needs no network. Each case has its own:
    a case that breaks off in the midst of practice says nothing about the next one.
    """
    made = RunningTill(tmp_path)
    made.enrol()
    made.start()
    yield made
    made.end()


def look(page: Page, artefacts: Path, name: str) -> None:
    """Chromium takes no picture of a page that is still leaving for the next one."""
    page.wait_for_load_state()
    size = "till" if page.viewport_size == TILL else "phone"
    page.screenshot(path=artefacts / f"practice-{size}-{name}.png")
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0, name


@SIZES
def test_from_the_menu_to_a_practice_receipt_and_back(
    page: Page, till: RunningTill, artefacts: Path
) -> None:
    url = f"http://127.0.0.1:{till.port}"
    sold_before = till.ask("GET", "/api/sales")["sales"]
    left_open = page.context.new_page()
    left_open.goto(url)
    band = "#practice-band"
    page.bring_to_front()
    page.goto(url)
    expect(page.locator(band)).to_have_count(0)
    tap(page, "#open-more")
    tap(page, 'a[href="/more/practice"]')
    expect(page.locator('form[data-post="/practice/enter"]')).to_be_visible()
    look(page, artefacts, "begin")
    tap(page, 'form[data-post="/practice/enter"] button')
    expect(page.locator(band)).to_contain_text("练习模式 不会扣积分，不会记账，不打印")
    # A page that was open comes over by itself: nobody sells on it by mistake.
    expect(left_open.locator(band)).to_be_visible()
    tap(page, '[data-item-id="bun"]')
    tap(page, '[data-item-id="bun"]')
    expect(page.locator("#due")).to_have_text("1.00 元")
    look(page, artefacts, "basket")
    tap(page, "#practice-codes")
    expect(page.locator(".practice-residents")).to_be_visible()
    look(page, artefacts, "codes")
    tap(page, ".practice-residents li:nth-child(1) button")
    expect(page.locator("#confirm-text")).to_have_text("用 10 积分，还需付 0.00 元")
    expect(page.locator(band)).to_be_visible()
    tap(page, "#confirm")
    expect(page.locator("#print-text")).to_contain_text("练习不打印")
    expect(page.locator(band)).to_be_in_viewport()
    look(page, artefacts, "done")
    tap(page, "#practice-codes")
    paper = page.locator(".practice-paper").first
    expect(paper).to_contain_text("练习 PRACTICE")
    expect(paper).to_contain_text("不是小票，不算数")
    expect(paper).to_contain_text("馒头")
    # The figures at the right end of the large lines are whole, too.
    assert paper.evaluate("each => each.scrollWidth - each.clientWidth") <= 0
    look(page, artefacts, "paper")
    tap(page, "#end-practice")
    expect(page.locator("#notice-text")).to_have_text("练习结束，现在是真的收银。")
    expect(page.locator(band)).to_have_count(0)
    expect(left_open.locator(band)).to_have_count(0)
    look(page, artefacts, "ended")
    assert till.ask("GET", "/api/sales")["sales"] == sold_before
