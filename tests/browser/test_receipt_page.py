"""The page that checks receipts, in Chromium: opened by a code, by the camera, or typed into."""

from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect

from protocol.business_day import business_date
from protocol.codes.challenge import check_digits, record_digest
from protocol.journal import encode_happening
from protocol.sales import AnsweredBy, SaleCaptured
from tests.browser.test_phone_page import film, seeing
from tests.unit.server.test_receipts_checked import receipt_digits
from tests.unit.server.world import Till, World, money_line, sold

pytestmark = pytest.mark.browser
SCREENS: list[ViewportSize] = [{"width": 390, "height": 844}, {"width": 800, "height": 480}]


def bought(world: World, till: Till) -> SaleCaptured:
    lines = (money_line("馒头", 50, 5_000), money_line("青菜", 460, line_no=2))
    made = sold(world, *lines, day=business_date(world.clock(), world.preset.cut_off_hour))
    return msgspec.structs.replace(
        made, receipt_no=f"{till.terminal}-000001", answered_by=AnsweredBy.STAND_IN
    )


def paper(till: Till, sale: SaleCaptured, **figures: int) -> str:
    return receipt_digits(till, sale, **{"points": 0, "total_fen": 710, "cash_fen": 710} | figures)


@pytest.fixture
def page_address(address: str) -> str:
    return address.removesuffix("/phone/") + "/r"


def look(page: Page, tmp_path: Path, name: str, state: str) -> None:
    """Nothing is cut at any size, in either language."""
    expect(page.locator("#state")).to_have_attribute("data-state", state)
    for screen in SCREENS:
        page.set_viewport_size(screen)
        for language in ("zh", "en"):
            file = tmp_path / f"receipt-{name}-{language}-{screen['width']}.png"
            page.screenshot(path=file, full_page=True)
            wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
            assert not page.evaluate(wide), file
            page.click("#language")


def test_a_phones_own_camera_opens_the_verdict(
    context: BrowserContext, world: World, page_address: str, tmp_path: Path
) -> None:
    till = world.till()
    sale = bought(world, till)
    page = context.new_page()
    page.on("pageerror", lambda error: pytest.fail(f"the page has a fault: {error}"))
    page.goto(f"{page_address}#{paper(till, sale)}")
    look(page, tmp_path, "untold", "untold")
    expect(page.locator("#state")).to_have_text("小票属实，还没入账")
    till.tell(sale)
    page.reload()
    look(page, tmp_path, "whole", "whole")
    expect(page.locator("#figures")).to_contain_text("门店shop-a")
    expect(page.locator("#figures")).to_contain_text("7.10 元")
    expect(page.locator("#lines li")).to_have_count(2)
    expect(page.locator("#lines li").first).to_contain_text("馒头 × 5个")
    page.goto(f"{page_address}#{paper(till, sale, total_fen=71)}")
    look(page, tmp_path, "altered", "altered")
    expect(page.locator("#says")).to_contain_text("不符")
    page.goto(f"{page_address}#12345")
    look(page, tmp_path, "unknown", "unknown")
    expect(page.locator("#figures")).to_be_hidden()


def test_who_has_no_camera_types(
    context: BrowserContext, world: World, page_address: str, tmp_path: Path
) -> None:
    till = world.till()
    sale = bought(world, till)
    till.tell(sale)
    page = context.new_page()
    page.goto(page_address)
    page.screenshot(path=tmp_path / "receipt-ask.png", full_page=True)
    page.fill("#receipt-no", sale.receipt_no.upper())
    number = check_digits(record_digest(bytes(encode_happening(sale))))
    page.fill("#check", f"{number[:3]} {number[3:7]} {number[7:]}")
    page.click("#typed button")
    expect(page.locator("#state")).to_have_attribute("data-state", "whole")
    page.fill("#check", number[::-1])
    page.click("#typed button")
    expect(page.locator("#state")).to_have_attribute("data-state", "altered")
    expect(page.locator("#figures")).to_be_hidden()
    context.set_offline(True)
    page.click("#typed button")
    expect(page.locator("#notice")).to_contain_text("没有网络")


def test_the_page_reads_the_paper_with_its_own_camera(
    browser: Browser, chromium_path: Path, world: World, page_address: str, tmp_path: Path
) -> None:
    till = world.till()
    sale = bought(world, till)
    till.tell(sale)
    film(tmp_path / "paper.y4m", paper(till, sale))
    with seeing(browser, chromium_path, tmp_path / "paper.y4m") as context:
        page = context.new_page()
        page.goto(page_address)
        page.click("#scan-paper")
        expect(page.locator("#state")).to_have_attribute("data-state", "whole", timeout=20_000)
        expect(page.locator("#scanning")).to_be_hidden()
        page.click("#scan-paper")
        page.click("#stop")
        expect(page.locator("#asking")).to_be_visible()
