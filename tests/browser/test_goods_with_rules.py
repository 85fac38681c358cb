"""Goods with rules at real tills with their server: free things once a household, a basket priced
in money and in points, and a voucher that a second shop refuses.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import Engine

from protocol.codes import to_digits
from protocol.evidence import SlotEvidence
from protocol.redemption import LimitPeriod
from server.db import create_all, metadata, open_engine
from server.directory.commands import AddItem
from server.redemption.order_states import OrderState
from tests.browser.test_cashier import FIGURES, tap
from tests.browser.test_scenarios import (
    TEN_MINUTES_S,
    counter,
    furnished,
    give,
    next_one,
    pick,
    sell,
)
from tests.support.pool_till import pass_time, till_of
from tests.support.till_web import app_of, served
from tests.unit.awards.deeds import assert_audit_is_clean
from tests.unit.server.world import LIU, ZHANG
from tests.unit.settlement.orders_world import CENTRE, left, open_street, state, statement

pytestmark = pytest.mark.browser


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Engine]:
    opened = open_engine(f"sqlite:///{tmp_path}/pool.sqlite3")
    create_all(opened, metadata)
    yield opened
    opened.dispose()


def test_free_eggs_once_a_household_beside_goods_for_money_and_for_points(
    page: Page, books: Engine, tmp_path: Path
) -> None:
    world = furnished(books, tmp_path, "guanghui")
    give(world, 30)
    world.do(
        AddItem(
            item_id="love-eggs",
            name="爱心鸡蛋",
            name_en="Free eggs",
            category="公益",
            unit="份",
            price_points=0,
            limit_per_household=1,
            limit_period=LimitPeriod.DAY,
        )
    )
    world.do(
        AddItem(
            item_id="love-salt",
            name="爱心食盐",
            name_en="Salt",
            category="公益",
            unit="袋",
            price_points=20,
            reimbursement_fen=150,
        )
    )
    with counter(page, world, tmp_path) as till:
        for _ in range(5):
            tap(page, '[data-item-id="bun"]')
        pick(page, "爱心食盐")
        pick(page, "爱心鸡蛋")
        expect(page.locator("#lines li")).to_have_count(3)
        till.show_slot(ZHANG)
        tap(page, "#confirm")
        expect(page.locator("#done")).to_be_visible()
        # 20 for the salt and 10 for a yuan of the buns.
        expect(page.locator(FIGURES)).to_have_text(["30", "30", "0", "1.50 元"])
        next_one(page, till)
        pick(page, "爱心鸡蛋")
        expect(page.locator("#lines li")).to_have_count(1)
        till.show_slot(LIU)  # of the same household
        expect(page.locator("#notice")).to_contain_text("“爱心鸡蛋”限量")
        expect(page.locator("#notice")).to_contain_text("这一户已经领完")
        till.till.clear()
        till.sync()
    assert left(world) == 0
    made = statement(world, "shop-a")
    goods = {x.item_id: (x.units_milli, x.points, x.reimbursement_fen) for x in made.goods}
    assert goods == {
        "bun": (5_000, 0, 0),
        "love-salt": (1_000, 20, 150),
        "love-eggs": (1_000, 0, 0),
    }
    assert (made.redeemed_points, made.reimbursement_fen, made.takings_fen) == (30, 250, 150)
    assert_audit_is_clean(world)


def test_a_voucher_that_was_used_is_refused_in_another_shop_with_place_and_date(
    page: Page, books: Engine, tmp_path: Path
) -> None:
    world = open_street(books, tmp_path)
    give(world, 20)
    page.on("dialog", lambda dialog: dialog.accept())
    with (
        counter(page, world, tmp_path) as shop,
        till_of(world, tmp_path, shop=CENTRE, terminal="t-9") as centre,
        served(app_of(shop)) as shop_url,
        served(app_of(centre)) as centre_url,
    ):
        sell(page, shop, "理发券")
        expect(page.locator(FIGURES)).to_have_text(["20", "20", "0", "0.00 元"])
        shop.sync()
        sale_id = shop.store.recent_sales(1)[0].row.sale_id
        page.goto(f"{shop_url}/more/orders")
        earlier = world.slot(ZHANG, starts_in_s=-300)
        assert isinstance(earlier, SlotEvidence)
        shop.till.scan(to_digits(bytes.fromhex(earlier.payload_hex)))
        expect(page.get_by_role("button", name="用券")).to_be_visible()  # found before it is used
        page.goto(f"{centre_url}/more/orders")
        centre.show_slot()
        page.get_by_role("button", name="用券").tap()
        expect(page.locator("#said-text")).to_have_text("“理发券”已办好。")
        centre.sync()
        assert state(world, sale_id) is OrderState.FULFILLED
        # Photographed, or found before: the shop is told where and when, and is paid nothing.
        page.goto(f"{shop_url}/more/orders")
        page.get_by_role("button", name="用券").tap()
        expect(page.locator("#said-text")).to_be_visible()
        shop.sync()
        page.reload()
        expect(page.locator(".rows").last).to_contain_text("饮马帮办中心")
        pass_time(world, shop, centre, seconds=TEN_MINUTES_S)
        shop.show_slot()
        expect(page.locator(".rows").first).to_contain_text("饮马帮办中心")
        expect(page.locator(".rows").first).to_contain_text("2026-03-02")
        expect(page.get_by_role("button", name="用券")).to_have_count(0)
    assert statement(world, CENTRE).fee_fen == 0  # a haircut has no fee of its own there
    assert_audit_is_clean(world)
