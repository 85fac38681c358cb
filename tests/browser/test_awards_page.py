"""Registering points at the counter, with a finger: a deed, and an event with its list."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from protocol.documents import DirectoryEntry
from tests.browser.test_cashier import PHONE, TILL
from tests.browser.test_more_pages import look
from tests.support.shop import Shop, directory, slot_text
from tests.unit.terminal.test_awarding import PIN, awards

pytestmark = pytest.mark.browser

SIZES = pytest.mark.parametrize("page", [TILL, PHONE], indirect=True, ids=["till", "phone"])


def sign_in(page: Page) -> None:
    page.locator('[name="pin"]').fill(PIN)
    page.get_by_role("button", name="登录").tap()
    expect(page.get_by_text("社区小周").last).to_be_visible()


@SIZES
def test_a_worker_registers_a_deed_and_hands_over_a_slip(
    page: Page, shop: Shop, till_url: str, artefacts: Path
) -> None:
    page.goto(f"{till_url}/more/awards")
    expect(page.get_by_text("本店没有开通")).to_be_visible()
    shop.take(awards())
    page.reload()
    look(page, artefacts, "awards-sign-in")
    sign_in(page)
    look(page, artefacts, "awards-rules")
    page.get_by_role("button", name="隐患上报 +10 积分").tap()
    expect(page.locator("#said-text")).to_have_text("这一项要填事实编号，如上报单号。")
    page.get_by_role("button", name="巡逻 +5 积分").tap()
    expect(page.locator("#said-text")).to_have_text("巡逻：5 积分。")
    look(page, artefacts, "awards-code")
    page.locator('[name="text"]').fill(slot_text())
    page.get_by_role("button", name="登记", exact=True).tap()
    expect(page.get_by_text("已登记：巡逻 5 积分。")).to_be_visible()
    expect(page.locator(".rows")).to_contain_text("待上传")
    look(page, artefacts, "awards-done")
    # By the scanner, without touching the page.
    page.get_by_role("button", name="巡逻 +5 积分").tap()
    expect(page.locator("#said-text")).to_have_text("巡逻：5 积分。")
    shop.till.scan(slot_text("00000000000000ee"))
    expect(page.locator('[data-level="refused"]')).to_be_visible()
    shop.till.scan(slot_text())
    expect(page.locator(".rows li")).to_have_count(2)
    page.get_by_role("button", name="退出").tap()
    expect(page.get_by_role("button", name="登录")).to_be_visible()


@SIZES
def test_an_event_from_signing_in_to_its_list(
    page: Page, shop: Shop, till_url: str, artefacts: Path
) -> None:
    accounts = [f"{0xE000 + number:016x}" for number in range(34)]
    listed = tuple(DirectoryEntry(account=each, allowance_points=0) for each in accounts)
    shop.take(awards(), directory(version=2, residents=listed))
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto(f"{till_url}/more/awards")
    sign_in(page)
    page.locator('form[data-post$="/open"] [name="name"]').fill("周六大扫除")
    page.locator('form[data-post$="/open"] [name="rule_id"]').select_option("clean-up")
    page.locator('form[data-post$="/open"] [name="with_exit"]').check()
    page.get_by_role("button", name="开始登记").tap()
    expect(page.get_by_role("heading", name="周六大扫除 · 大扫除")).to_be_visible()
    codes = [slot_text(each) for each in accounts]
    for code in codes:
        shop.awarding.show_text(code)
    expect(page.get_by_text("签到成功，第 34 位。")).to_be_visible()
    shop.awarding.show_text(codes[3])
    expect(page.get_by_text("已经签到")).to_be_visible()
    look(page, artefacts, "event-signing-in")
    page.get_by_role("button", name="签退，登记积分").tap()
    expect(page.locator(".award-ways .strong")).to_have_text("签退，登记积分")
    for code in codes[:30]:
        shop.awarding.show_text(code)
    expect(page.get_by_text("已登记 10 积分，第 30 位。")).to_be_visible()
    expect(page.locator(".figure-list")).to_contain_text("300 积分")
    look(page, artefacts, "event-signing-out")
    page.get_by_role("button", name="结束活动").tap()
    expect(page.locator("#said-text")).to_have_text("“周六大扫除”已结束：到场 34 人，登记 30 人。")
    page.get_by_role("link", name="周六大扫除").tap()
    expect(page.locator(".rows li")).to_have_count(34)
    look(page, artefacts, "event-list")
