"""The whole loop in a browser: a cashier sells with real processes and devices, a merchant reads."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from demo.page import read_code
from demo.stage import Stage, free_ports, this_morning
from demo.world import WORLDS

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

PAPER_S = 20.0


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, cjk_font: Path) -> Iterator[Stage]:
    begin_at = this_morning() - timedelta(days=1)
    folder = tmp_path_factory.mktemp("loop") / "demo"
    world = WORLDS["guanghui"](begin_at.year)
    with Stage(world, folder, free_ports(), begin_at=begin_at) as made:
        made.set_up(lambda _says: None)
        yield made


def expect_done(page: Page, *figures: str) -> None:
    expect(page.locator("#done h1")).to_have_text("成交")
    expect(page.locator("#done-figures dd")).to_have_text(list(figures))


def test_a_cashier_sells_by_touch_and_the_receipt_comes_out(
    stage: Stage, page: Page, artefacts: Path
) -> None:
    shop = stage.shops[0]
    page.goto(shop.url)
    for _ in range(5):
        page.locator('[data-item-id="bun"]').tap()
    page.locator('[data-item-id="greens"]').tap()
    page.locator('#quantity-pad [data-key="1"]').tap()
    page.locator("#quantity-pad .key-submit").tap()
    expect(page.locator("#due")).to_have_text("7.10 元")
    shop.scanner.scan(stage.code_of(stage.world.resident("zhang")))
    expect(page.locator("#confirm-text")).to_have_text("用 71 积分，还需付 0.00 元")
    page.screenshot(path=artefacts / "loop-approved.png")
    page.locator("#confirm").tap()
    expect_done(page, "100", "71", "29", "0.00 元")
    expect(page.locator("#print-text")).to_contain_text("已打印", timeout=20_000)
    page.screenshot(path=artefacts / "loop-done.png")
    paper = shop.printer.wait_for_paper(PAPER_S)
    assert paper is not None
    assert [x for x in paper.lines if "使用后" in x or "还需付" in x] == [
        "  还需付 0.00 元",
        "使用后                    29积分",
    ]


def test_a_cashier_sells_with_the_keyboard_alone(stage: Stage, page: Page) -> None:
    shop = stage.shops[1]
    page.goto(shop.url)
    page.locator("#item-keys button").first.wait_for()
    keys = page.keyboard
    keys.press("F2")
    keys.type("12.60")
    keys.press("Enter")
    expect(page.locator("#due")).to_have_text("12.60 元")
    keys.type(stage.code_of(stage.world.resident("xiaozhang")))  # a scanner in keyboard mode
    keys.press("Enter")
    expect(page.locator("#confirm-text")).to_have_text("用 100 积分，还需付 2.60 元")
    page.wait_for_timeout(600)  # an Enter right after a scan is the scanner's own
    keys.press("Enter")
    expect_done(page, "100", "100", "0", "2.60 元")


def test_a_picture_of_a_printed_card_is_a_card(stage: Stage, page: Page, tmp_path: Path) -> None:
    """A card printed as PNG, read from the picture, refused because of the ban, with its end."""
    shop = stage.shops[0]
    picture = tmp_path / "card.png"
    banned = stage.world.resident("banned")
    stage.run_server("card", "--account", banned.account, "--out", str(picture))
    text = read_code(picture.read_bytes())
    assert text == stage.code_of(banned)
    shop.cashier.next_customer()
    page.goto(shop.url)
    page.locator('[data-item-id="bun"]').tap()
    expect(page.locator("#lines li")).to_have_count(1)
    shop.scanner.scan(text)
    expect(page.locator("#notice")).to_contain_text(f"暂停兑换至{banned.banned_until:%Y}年12月31日")
    shop.cashier.next_customer()


def test_the_server_stops_and_the_till_goes_on(stage: Stage, page: Page) -> None:
    shop = stage.shops[0]
    code = stage.code_of(stage.world.resident("li"))
    stage.server.stop()
    page.goto(shop.url)
    for _ in range(4):
        page.locator('[data-item-id="bun"]').tap()
    expect(page.locator("#due")).to_have_text("2.00 元")
    shop.scanner.scan(code)
    expect(page.locator("#confirm-text")).to_have_text("用 20 积分，还需付 0.00 元")
    page.locator("#confirm").tap()
    expect(page.locator("#done h1")).to_have_text("成交")
    expect(page.locator("#statuses")).to_contain_text("离线")
    expect(page.locator("#statuses")).to_contain_text("待上传 1")
    stage.server.start()
    expect(page.locator("#statuses")).not_to_contain_text("待上传", timeout=90_000)
    expect(page.locator("#statuses")).not_to_contain_text("离线", timeout=30_000)


def test_a_merchant_reads_the_statement_to_the_fen(
    stage: Stage, page: Page, artefacts: Path
) -> None:
    day = stage.today()
    for shop in stage.shops:
        shop.cashier.wait_for("全部上传", lambda s: s["untold"] == 0, 60.0)
    stage.advance_one_day()
    stage.run_server("settle", "--through", day.isoformat())
    merchant = stage.world.merchants[0]
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{stage.server_url}/portal/")
    page.fill("#user", merchant.sign_in)
    page.fill("#password", stage.passwords[merchant.sign_in])
    page.locator("button.go").tap()
    page.locator("a.row").first.tap()
    expect(page.locator(".owed")).to_contain_text("积分池应付给您")
    expect(page.locator(".owed strong")).to_have_text("9.10 元")  # 71 + 20 points
    expect(page.locator("ul.rows li")).to_have_count(2)
    page.screenshot(path=artefacts / "loop-statement.png", full_page=True)
    page.locator("ul.rows a.row").first.tap()
    expect(page.locator("body")).to_contain_text("t1-000001")
    page.screenshot(path=artefacts / "loop-line.png", full_page=True)
    statement = page.url.split("/lines/")[0]
    page.context.clear_cookies()
    page.goto(statement)
    expect(page.locator("#password")).to_be_visible()
