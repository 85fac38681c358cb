"""What the cashier reads where points may not pay everything: on the till and on a phone."""

from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from playwright.sync_api import Page, expect

from protocol.documents import Catalogue, Item
from protocol.messages import Approved
from protocol.money import Points
from protocol.reasons import Declined, DeclineReason
from protocol.redemption import LimitKind, LimitPeriod, Limits
from terminal.domain.ports import Unreachable, UnreachableReason
from tests.support.shop import ITEMS, NOON, ZHANG, Shop, policy, slot_text

pytestmark = pytest.mark.browser

SIZES = {"till": {"width": 800, "height": 480}, "phone": {"width": 390, "height": 844}}
GOODS = (
    Item(
        item_id="cigarettes", name="香烟", name_en="Cigarettes", category="烟", unit="盒",
        price_fen=2500, quick_key=True,
    ),
    Item(
        item_id="flour", name="爱心面粉", name_en="Flour", category="食品", unit="袋",
        price_points=20, quick_key=True, limit_per_resident=2, limit_period=LimitPeriod.MONTH,
    ),
)  # fmt: skip


def no_scroll_sideways(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


@pytest.mark.parametrize("size", list(SIZES))
@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_page_says_which_rule_and_how_many_points(
    page: Page, shop: Shop, till_url: str, size: str, language: str, artefacts: Path
) -> None:
    page.set_viewport_size(SIZES[size])  # type: ignore[arg-type] # width and height
    limits = Limits(excluded_categories=("烟", "酒"), per_day_points=60)
    shop.take(
        replace(policy(version=2), limits=limits),
        Catalogue(version=2, made_at=NOON, items=(*ITEMS, *GOODS)),
    )
    zh = language == "zh"
    page.goto(f"{till_url}/?lang={language}")
    page.locator("#item-keys button").first.wait_for()

    def shot(name: str) -> None:
        assert no_scroll_sideways(page)
        page.screenshot(path=artefacts / f"limits-{size}-{language}-{name}.png")

    shop.till.add_item("cigarettes")
    shop.till.add_item("fresh", 1300)
    rule = page.locator("#rule")
    expect(rule).to_have_text(
        "其中 25.00 元不能用积分付" if zh else "25.00 yuan of it cannot be paid in points"
    )
    expect(page.locator(".line-price").first).to_contain_text("只收现金" if zh else "money only")
    expect(page.locator("#points")).to_have_text("最多 46" if zh else "up to 46")
    shot("mixed")
    shop.pool.approve(46, 100)
    shop.till.scan(slot_text())
    expect(page.locator("#confirm-text")).to_contain_text("25.08")
    expect(rule).to_be_visible()
    shot("mixed-approved")
    shop.till.clear()

    shop.till.add_amount("10", "其他商品")
    shop.pool.answers.append(
        Approved(
            account=ZHANG,
            points=Points(25),
            balance_points=Points(200),
            held_until=NOON + timedelta(minutes=5),
            limited_by=LimitKind.PER_DAY,
        )
    )
    shop.till.scan(slot_text())
    expect(rule).to_have_text(
        "这位居民今天最多还能用 25 积分" if zh else "This resident has 25 points left to use today"
    )
    shot("day-approved")
    shop.till.clear()

    shop.till.add_amount("10", "其他商品")
    shop.pool.answers.append(Declined(DeclineReason.OVER_DAY_LIMIT))
    shop.till.scan(slot_text())
    notice = page.locator("#notice")
    expect(notice).to_contain_text("已用到上限" if zh else "used all points allowed today")
    expect(notice).to_contain_text("10.00")
    shot("day-declined")
    shop.till.clear()

    shop.till.add_item("flour", 3000)
    shop.pool.answers.append(Declined(DeclineReason.OVER_ITEM_LIMIT, item="flour", left_units=1))
    shop.till.scan(slot_text())
    expect(notice).to_contain_text(
        "“爱心面粉”限量，这位居民还可以要 1" if zh else "Flour is limited: 1 left"
    )
    expect(page.locator(".line-price").first).to_contain_text("限量" if zh else "limited")
    shot("item-declined")


@pytest.mark.parametrize("size", list(SIZES))
@pytest.mark.parametrize("language", ["zh", "en"])
def test_near_its_offline_limit_the_top_line_says_what_is_left_and_all_of_it_can_be_read(
    page: Page, shop: Shop, till_url: str, size: str, language: str, artefacts: Path
) -> None:
    page.set_viewport_size(SIZES[size])  # type: ignore[arg-type] # width and height
    rules = policy(version=2)
    limits = replace(rules.stand_in, per_terminal_soft_points=5, per_terminal_hard_points=24)
    shop.take(replace(rules, stand_in=limits))
    shop.till.add_item("bun", 2000)
    shop.pool.answers.append(Unreachable(UnreachableReason.NO_CONNECTION))
    shop.till.scan(slot_text())
    shop.till.complete(shop.till.snapshot()[0].sale_id)
    shop.surroundings.note(server="offline", printer="paper_out")
    page.goto(f"{till_url}/?lang={language}")
    left = "离线还能用 14 积分，请尽快联网" if language == "zh" else "Offline: 14 points left"
    mark = page.get_by_text(left)
    expect(mark).to_be_visible()
    box = mark.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= SIZES[size]["width"]
    assert no_scroll_sideways(page)
    page.screenshot(path=artefacts / f"offline-left-{size}-{language}.png")
