"""The programmes' scenarios from the cashier's page to the statement: a real till with its page in
a browser, a real server over HTTP, and the figures of the reports.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from playwright.sync_api import Page, expect
from sqlalchemy import Engine

from protocol.codes import make_card, to_digits
from protocol.money import Points
from protocol.sales import SaleCaptured
from server.awards import OpenBalance
from server.db import create_all, metadata, open_engine
from server.directory.commands import RegisterSignIn
from server.directory.values import SignInRole
from server.redemption.order_states import OrderState
from server.redemption.stock import stock_units
from tests.browser.test_cashier import FIGURES, open_till, tap
from tests.support.pool_till import PoolTill, pass_time, till_of
from tests.support.serving import listening
from tests.support.till_web import app_of, served
from tests.unit.awards.deeds import assert_audit_is_clean, award
from tests.unit.awards.test_scenarios import MARCH
from tests.unit.server.test_bearer_cards import CARD, batch
from tests.unit.server.world import TODAY, ZHANG, World
from tests.unit.settlement.orders_world import (
    CENTRE,
    SHOP,
    left,
    open_street,
    state,
    statement,
)

pytestmark = pytest.mark.browser

TEN_MINUTES_S = 600


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Engine]:
    opened = open_engine(f"sqlite:///{tmp_path}/pool.sqlite3")
    create_all(opened, metadata)
    yield opened
    opened.dispose()


def furnished(books: Engine, folder: Path, preset: str) -> World:
    world = World(books, folder, preset)
    world.furnish()
    return world


def give(world: World, points: int) -> None:
    world.do(
        OpenBalance(opening_id="o-1", account=ZHANG, points=points, as_of=TODAY, opened_by="办公室")
    )


@contextmanager
def counter(page: Page, world: World, folder: Path) -> Iterator[PoolTill]:
    """The shop's till, its page open."""
    with till_of(world, folder) as till, served(app_of(till)) as url:
        open_till(page, url)
        yield till


def pick(page: Page, name: str, weight: str = "") -> None:
    """Goods by their name, and what they weigh."""
    page.keyboard.press("F4")
    page.locator("#search").fill(name)
    page.locator("#item-keys .item").first.tap()
    if weight:
        page.locator("#quantity-pad input").fill(weight)
        tap(page, "#quantity-pad .key-submit")


def sell(page: Page, till: PoolTill, *names: str) -> None:
    """A basket by the page, paid with the resident's code."""
    for name in names:
        pick(page, name)
    expect(page.locator("#lines li")).to_have_count(len(names))
    till.show_slot()
    tap(page, "#confirm")
    expect(page.locator("#done")).to_be_visible()


def next_one(page: Page, *tills: PoolTill) -> None:
    """The next customer, or the same one a little later."""
    page.wait_for_timeout(700)  # the button waits so long before it dismisses a sale
    tap(page, "#next-customer")
    expect(page.locator("#done")).to_be_hidden()
    for till in tills:
        till.sync()  # the worker beside the selling does this
    pass_time(tills[0].world, *tills, seconds=TEN_MINUTES_S)


def test_a1b_weighed_goods_leave_eight_fen_that_the_shop_waives(
    page: Page, books: Engine, tmp_path: Path
) -> None:
    world = furnished(books, tmp_path, "guanghui")
    give(world, 100)
    with counter(page, world, tmp_path) as till:
        for _ in range(5):
            tap(page, '[data-item-id="bun"]')
        pick(page, "时令青菜", "1.3")
        expect(page.locator("#due")).to_have_text("7.18 元")
        till.show_slot()
        expect(page.get_by_text("抹零 0.08 元").first).to_be_visible()
        tap(page, "#confirm")
        expect(page.locator("#done")).to_be_visible()
        expect(page.locator(FIGURES)).to_have_text(["100", "71", "29", "0.00 元"])
        till.sync()
    assert left(world) == 29
    made = statement(world, "shop-a")
    assert (made.redeemed_points, made.reimbursement_fen) == (71, 710)
    assert (made.takings_fen, made.share_fen, made.net_fen) == (0, 0, 710)
    assert_audit_is_clean(world)


def test_a3_a_free_service_beside_one_for_points(page: Page, books: Engine, tmp_path: Path) -> None:
    world = furnished(books, tmp_path, "guanghui")
    give(world, 420)
    with counter(page, world, tmp_path) as till:
        sell(page, till, "血压测量", "推拿按摩")
        expect(page.locator(FIGURES)).to_have_text(["420", "380", "40", "0.00 元"])
        next_one(page, till)
        pick(page, "血压测量")  # alone it needs neither code nor money
        tap(page, "#cash")
        expect(page.locator("#done")).to_be_visible()
        till.sync()
    assert left(world) == 40
    made = statement(world, "shop-a")
    goods = {x.item_id: (x.units_milli, x.reimbursement_fen) for x in made.goods}
    assert goods == {"massage": (1_000, 0), "blood-pressure": (2_000, 0)}  # with points, and alone
    assert (made.redeemed_points, made.reimbursement_fen) == (380, 3_800)
    assert [(each.points, each.reimbursement_fen) for each in made.lines] == [(380, 3_800), (0, 0)]
    assert (made.sales_count, made.free_count) == (1, 1)
    assert_audit_is_clean(world)


def card_digits(world: World) -> str:
    return to_digits(
        make_card(
            world.keys.card_issuer,
            world.keys.tag,
            kid=world.keys.card_kid,
            card_id=bytes.fromhex(CARD),
            secret=world.keys.card_secret(CARD, 1),
            seq=1,
            expires_on=date(2027, 3, 2),
            cap=Points(40),
        )
    )


def test_c1_one_card_of_fifteen_buys_one_bag_of_rice(
    page: Page, books: Engine, tmp_path: Path
) -> None:
    world = furnished(books, tmp_path, "yamen")
    world.do(batch(CARD))
    card = card_digits(world)
    with counter(page, world, tmp_path) as till:
        pick(page, "大米")
        expect(page.locator("#lines li")).to_have_count(1)
        till.till.scan(card)
        tap(page, "#confirm")
        expect(page.locator("#done")).to_be_visible()
        expect(page.locator(FIGURES)).to_have_text(["15", "15", "0", "0.00 元"])
        till.sync()
        next_one(page, till)
        pick(page, "大米")
        expect(page.locator("#lines li")).to_have_count(1)
        till.till.scan(card)
        expect(page.locator("#notice")).to_contain_text("此卡已用完")
        expect(page.locator("#notice")).to_contain_text("2026年3月2日")
        expect(page.locator("#notice")).to_contain_text("门店shop-a")
    assert world.points(f"card:{CARD}") == 0
    made = statement(world, "shop-a")
    assert (made.redeemed_points, made.reimbursement_fen) == (15, 2_800)
    assert_audit_is_clean(world)


def test_c2_forty_is_refused_and_twenty_four_comes_out_even(
    page: Page, books: Engine, tmp_path: Path
) -> None:
    world = furnished(books, tmp_path, "yamen")
    world.award(ZHANG, "early-fire", "guest-house", "haircut", "clean-up", "recommending")
    before = world.read(lambda tx: stock_units(tx, world.pool))
    with counter(page, world, tmp_path) as till:
        pick(page, "菜籽油")
        expect(page.locator("#lines li")).to_have_count(1)
        till.show_slot()
        expect(page.locator("#notice")).to_contain_text("还差16积分")
        assert world.free(ZHANG) == 24  # nothing is held
        till.till.clear()
        pass_time(world, till, seconds=TEN_MINUTES_S)
        sell(page, till, "大米", "洗涤剂", "酱油")
        expect(page.locator(FIGURES)).to_have_text(["24", "24", "0", "0.00 元"])
        till.sync()
    after = world.read(lambda tx: stock_units(tx, world.pool))
    gone = {item: before[item] - after[item] for item in before if before[item] != after[item]}
    assert gone == {"rice": 1, "detergent": 1, "soy-sauce": 1}
    made = statement(world, "shop-a")
    assert (made.redeemed_points, made.reimbursement_fen, made.share_fen) == (24, 4_400, 0)
    assert_audit_is_clean(world)


def test_e1_flour_and_laundry_liquid_come_out_even(
    page: Page, books: Engine, tmp_path: Path
) -> None:
    world = furnished(books, tmp_path, "wenhuajie")
    give(world, 10)
    world.award(ZHANG, "registration", "sweeping", "sweeping")
    with counter(page, world, tmp_path) as till:
        sell(page, till, "面粉", "洗衣液")
        expect(page.locator(FIGURES)).to_have_text(["25", "25", "0", "0.00 元"])
        till.sync()
    made = statement(world, "shop-a")
    assert (made.redeemed_points, made.reimbursement_fen, made.net_fen) == (25, 0, 0)
    assert {x.item_id: x.units_milli for x in made.goods} == {
        "flour": 1_000,
        "laundry-liquid": 1_000,
    }
    assert_audit_is_clean(world)


def march(world: World) -> None:
    """68 by the rules of that March, whatever they are worth today."""
    for rule, times, _ in MARCH:
        for number in range(times):
            world.do(award(f"{rule}-{number}", rule, date(2024, 3, 5 + number)))
    assert left(world) == 68


def test_e2_sixty_eight_from_march_and_the_cleaning_is_paid_when_she_confirms(
    page: Page, books: Engine, tmp_path: Path
) -> None:
    world = open_street(books, tmp_path)
    march(world)
    with counter(page, world, tmp_path) as till:
        sell(page, till, "家政保洁")
        expect(page.locator(FIGURES)).to_have_text(["68", "50", "18", "0.00 元"])
        next_one(page, till)
        sell(page, till, "便民测血压")
        expect(page.locator(FIGURES)).to_have_text(["18", "10", "8", "0.00 元"])
        next_one(page, till)
        sell(page, till, "食盐")
        expect(page.locator(FIGURES)).to_have_text(["8", "5", "3", "0.00 元"])
        till.sync()
        cleaning = till.store.recent_sales(3)[-1].row.sale_id
        assert state(world, cleaning) is OrderState.OPEN
        assert (world.fen(f"merchant:{SHOP}"), world.fen(f"merchant:{CENTRE}")) == (0, 0)
        confirm_at_the_centre(page, world, tmp_path)
    assert state(world, cleaning) is OrderState.FULFILLED
    made = statement(world, CENTRE)
    assert (made.fee_fen, made.net_fen) == (8_000, 8_000)
    assert left(world) == 3
    assert_audit_is_clean(world)


def confirm_at_the_centre(page: Page, world: World, folder: Path) -> None:
    """The cleaner's own till: the resident shows her code when it is done."""
    with till_of(world, folder, shop=CENTRE, terminal="t-9") as centre:
        with served(app_of(centre)) as url:
            page.goto(f"{url}/more/orders")
            centre.show_slot()  # the scanner's worker does this
            expect(page.locator(".rows").first).to_contain_text("家政保洁")
            page.on("dialog", lambda dialog: dialog.accept())
            page.get_by_role("button", name="已做完").tap()
            expect(page.locator("#said-text")).to_have_text("“家政保洁”已办好。")
        centre.sync()


def cancel_at_the_office(page: Page, world: World, sale: SaleCaptured, artefacts: Path) -> None:
    """By the console's pages: the cleaner is ill."""
    hashed = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("p-of-a-test")
    office = RegisterSignIn(
        user="office", role=SignInRole.OPERATOR, merchant=None, password_hash=hashed
    )
    world.do(office)
    with listening(world.app) as url:
        page.goto(f"{url}/console/sign-in")
        page.fill("#user", "office")
        page.fill("#password", "p-of-a-test")
        page.get_by_role("button", name="登录").tap()
        page.wait_for_url(lambda there: "sign-in" not in there)
        page.goto(f"{url}/console/orders")
        page.get_by_role("link", name="家政保洁").tap()
        page.fill("#reason", "保洁员病了")
        page.screenshot(path=artefacts / "console-cancel.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
        page.get_by_role("button", name="取消并退积分").tap()
        expect(page.get_by_text("已取消，退给居民 50")).to_be_visible()
        expect(page.get_by_text("这张单已经了结")).to_be_visible()
    assert state(world, sale.sale_id) is OrderState.CANCELLED


def test_e2_cancelled_at_the_office_gives_fifty_back_and_no_money(
    page: Page, books: Engine, tmp_path: Path, artefacts: Path
) -> None:
    world = open_street(books, tmp_path)
    march(world)
    with counter(page, world, tmp_path) as till:
        sell(page, till, "家政保洁")
        next_one(page, till)
        sell(page, till, "便民测血压", "食盐")
        till.sync()
        cleaning = next(each for each in till.records() if isinstance(each, SaleCaptured))
        assert state(world, cleaning.sale_id) is OrderState.OPEN
        cancel_at_the_office(page, world, cleaning, artefacts)
    assert state(world, cleaning.sale_id) is OrderState.CANCELLED
    assert left(world) == 53
    made = statement(world, SHOP)
    assert (made.redeemed_points, made.returned_points, made.net_fen) == (65, 50, 0)
    assert world.fen(f"merchant:{CENTRE}") == 0  # never done, never paid
    assert_audit_is_clean(world)


def test_e4_rice_now_and_the_pipe_cannot_be_mended(
    page: Page, books: Engine, tmp_path: Path
) -> None:
    world = open_street(books, tmp_path)
    give(world, 40)
    with counter(page, world, tmp_path) as till:
        sell(page, till, "大米", "上门修水管")
        expect(page.locator(FIGURES)).to_have_text(["40", "40", "0", "0.00 元"])
        till.sync()
        sale_id = till.store.recent_sales(1)[0].row.sale_id
        assert state(world, sale_id, 2) is OrderState.OPEN
        next_one(page, till)
        tap(page, "#open-sales")
        tap(page, '#sales [data-do="refund"]')
        expect(page.locator("#refund-lines li")).to_have_count(2)
        rice = page.locator("#refund-lines li").first.locator("input")
        rice.fill("0")
        rice.press("Tab")
        expect(page.locator("#refund-text")).to_contain_text("20 积分")
        tap(page, "#refund-confirm")
        expect(page.locator(".notice:visible")).to_contain_text("20 积分")
        till.sync()
    assert left(world) == 20
    assert state(world, sale_id, 2) is OrderState.CANCELLED
    assert world.read(lambda tx: stock_units(tx, world.pool))["rice"] == 39
    made = statement(world, SHOP)
    assert (made.redeemed_points, made.returned_points) == (40, 20)
    assert (made.fee_fen, made.net_fen) == (0, 0)
    assert_audit_is_clean(world)
