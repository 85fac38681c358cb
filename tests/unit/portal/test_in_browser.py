"""The pages in a real browser, as a merchant on a phone and at a till's screen."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from tests.support.serving import listening
from tests.unit.audit.pool_world import PASSWORD
from tests.unit.portal.portal_world import MERCHANT, OTHER, PortalWorld

PHONE: ViewportSize = {"width": 390, "height": 844}
TILL: ViewportSize = {"width": 800, "height": 480}

pytestmark = pytest.mark.browser


@pytest.fixture
def address(portal: PortalWorld) -> Iterator[str]:
    with listening(portal.app) as url:
        yield url


def sign_in_by_keyboard(page: Page, address: str, user: str) -> None:
    page.goto(address)
    # A page is loaded before its first frame gives the field the focus: keys typed between go
    # nowhere. That it comes without a touch is what lets a merchant sign in by keyboard alone.
    expect(page.get_by_label("用户名")).to_be_focused()
    page.keyboard.type(user)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="对账单")).to_be_visible()


def nothing_sticks_out(page: Page) -> bool:
    wide: int = page.evaluate("document.documentElement.scrollWidth")
    seen: int = page.evaluate("document.documentElement.clientWidth")
    return wide <= seen


@pytest.mark.parametrize("page", [PHONE, TILL], indirect=True, ids=["phone", "till"])
def test_a_merchant_reads_his_statement_down_to_a_sale(
    page: Page, address: str, artefacts: Path
) -> None:
    size = page.viewport_size
    assert size is not None
    shots = artefacts / f"portal-{size['width']}"
    page.goto(f"{address}/portal/sign-in")
    page.screenshot(path=f"{shots}-1-sign-in.png", full_page=True)
    assert nothing_sticks_out(page)

    sign_in_by_keyboard(page, address, MERCHANT)
    page.screenshot(path=f"{shots}-2-list.png", full_page=True)
    assert nothing_sticks_out(page)

    page.get_by_text("2026-03-02").click()
    expect(page.locator(".owed strong")).to_have_text("3.30 元")
    page.screenshot(path=f"{shots}-3-statement.png", full_page=True)
    assert nothing_sticks_out(page)

    page.locator(".rows a").first.click()
    expect(page.get_by_text("终端 t-xiaodian，第 1 段第 1 条")).to_be_visible()
    page.screenshot(path=f"{shots}-4-sale.png", full_page=True)
    assert nothing_sticks_out(page)

    page.get_by_role("button", name="退出").click()
    expect(page).to_have_url(re.compile("/portal/sign-in$"))


@pytest.mark.parametrize("page", [PHONE], indirect=True, ids=["phone"])
def test_late_marks_and_english_are_seen(page: Page, address: str, artefacts: Path) -> None:
    sign_in_by_keyboard(page, address, OTHER)
    page.get_by_text("2026-03-03").click()
    expect(page.get_by_text("迟到，属于 2026-03-02")).to_be_visible()
    page.screenshot(path=artefacts / "portal-390-5-late.png", full_page=True)
    page.get_by_role("link", name="English").click()
    expect(page.get_by_text("late, of 2026-03-02")).to_be_visible()
    page.screenshot(path=artefacts / "portal-390-6-english.png", full_page=True)
    assert nothing_sticks_out(page)
