"""代兑换 with a finger: begun on its page, sold at the till, delivered on its page."""

from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from protocol.proxy import ProxyDelivered
from terminal.domain.notice import NoticeCode
from tests.browser.test_cashier import PHONE, TILL
from tests.browser.test_more_pages import look
from tests.support.shop import NOON, WANG, Shop, card_text, slot_text
from tests.unit.terminal.test_awarding import PIN, told
from tests.unit.terminal.test_proxies import begin, proxied_awards, redeemed

pytestmark = pytest.mark.browser

SIZES = pytest.mark.parametrize("page", [TILL, PHONE], indirect=True, ids=["till", "phone"])


@SIZES
def test_from_signing_in_to_the_door(
    page: Page, shop: Shop, till_url: str, artefacts: Path
) -> None:
    page.goto(f"{till_url}/more/proxies")
    expect(page.get_by_text("本店没有开通代兑换")).to_be_visible()
    shop.take(proxied_awards())
    page.reload()
    page.locator('[name="pin"]').fill(PIN)
    page.get_by_role("button", name="登录").tap()
    page.locator('[name="place"]').fill("3号楼2单元501")
    page.get_by_role("button", name="开始代兑换").tap()
    expect(page.locator("#said-text")).to_have_text("没有选居民怎么同意的。")
    page.get_by_text("打过电话").tap()
    look(page, artefacts, "proxies-begin")
    page.get_by_role("button", name="开始代兑换").tap()
    expect(page.locator("#proxy")).to_have_text("代兑换 · 社区小周 · 送到 3号楼2单元501")
    shop.till.add_item("rice")
    expect(page.locator("#lines li")).to_have_count(1)
    look(page, artefacts, "proxies-till")
    page.locator("#proxy").tap()
    expect(page.get_by_role("button", name="不代兑换了")).to_be_visible()
    look(page, artefacts, "proxies-acting")
    shop.pool.approve(15, 39, WANG)
    shop.till.scan(card_text())
    shop.till.complete(shop.till.snapshot()[0].sale_id)
    # Two days later nobody has said that it arrived.
    shop.wall.at = NOON + timedelta(days=3)
    shop.wall.monotonic_ms += 60_000
    page.goto(f"{till_url}/more/proxies")
    expect(page.get_by_text("正在代兑换")).to_have_count(0)
    expect(page.locator(".rows li.wrong")).to_contain_text("超期")
    look(page, artefacts, "proxies-late")
    page.get_by_role("button", name="本人收到").tap()
    expect(page.locator("#said-text")).to_have_text("已登记送达：3号楼2单元501。")
    expect(page.locator(".rows li")).to_contain_text("已送达，本人收到")
    look(page, artefacts, "proxies-delivered")


def test_two_browsers_say_one_delivery_and_the_till_refuses_what_is_above_the_day(
    page: Page, browser: Browser, shop: Shop, till_url: str
) -> None:
    shop.take(proxied_awards(residents=1))
    shop.staff.sign_in("worker:w-1", PIN)
    redeemed(shop, card_text())
    context = browser.new_context()
    other = context.new_page()
    for each in (page, other):
        each.goto(f"{till_url}/more/proxies")
        expect(each.get_by_role("button", name="家属收到")).to_be_visible()
    page.get_by_role("button", name="家属收到").click()
    expect(page.locator("#said-text")).to_contain_text("已登记送达")
    other.get_by_role("button", name="本人收到").click()
    expect(other.locator("#said-text")).to_have_text("早已登记送达。")
    assert len([x for x in told(shop) if isinstance(x, ProxyDelivered)]) == 1
    # One page begins, the other is at the till: another resident is above the day's limit.
    assert begin(shop) is NoticeCode.PROXY_BEGUN
    other.goto(till_url)
    shop.till.add_item("rice")
    shop.till.scan(slot_text())
    expect(other.locator("#notice-text")).to_have_text("这位工作人员今天已代 1 位居民。")
    # The pool takes the right back while it stands there.
    shop.take(proxied_awards(residents=0, version=2))
    shop.till.scan(card_text())
    expect(other.locator("#notice-text")).to_contain_text("已收回这位工作人员的代兑换")
    context.close()
