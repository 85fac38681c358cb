"""Pages that ask for somebody's leave, with a finger."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from drivers.simulated.printer import SimulatedPrinter
from terminal.app import create_app
from terminal.diagnostics.desk import PrinterDesk
from terminal.domain.staff import Role
from tests.browser.test_cashier import PHONE, TILL
from tests.browser.test_more_pages import look
from tests.support.shop import NOON, Shop
from tests.support.till_web import desk_of, served

pytestmark = pytest.mark.browser

SIZES = pytest.mark.parametrize("page", [TILL, PHONE], indirect=True, ids=["till", "phone"])
OWNER, TECHNICIAN = "4719", "936614"


@pytest.fixture
def url(shop: Shop, tmp_path: Path) -> Iterator[str]:
    shop.staff.add("店主", Role.OWNER, OWNER, None)
    shop.staff.add("老陈", Role.TECHNICIAN, TECHNICIAN, OWNER)
    with SimulatedPrinter(tmp_path / "paper") as printer:
        desk = PrinterDesk(
            f"escpos+tcp://127.0.0.1:{printer.port}", "none://", tmp_path / "t.toml", lambda: NOON
        )
        with served(create_app(desk_of(shop), desk)) as address:
            yield address


@SIZES
def test_the_devices_ask_for_a_technician_and_a_card_for_the_owner(
    page: Page, shop: Shop, url: str, artefacts: Path
) -> None:
    page.goto(f"{url}/devices")
    page.locator("#level").tap()
    expect(page.locator("#level-says")).to_contain_text("请输入技术员或店主的 PIN 码")
    page.locator("#pin").fill(TECHNICIAN)
    page.locator("#level").tap()
    expect(page.locator("#level-says")).to_contain_text("打完会回报", timeout=20_000)
    look(page, artefacts, "devices-with-pin")
    page.goto(f"{url}/more/look-up")
    page.locator('[name="number"]').fill("00C2")
    page.locator('[name="reason"]').fill("卡磨花了")
    page.locator('[name="pin"]').fill(OWNER)
    page.get_by_role("button", name="查卡").tap()
    expect(page.locator("#said-text")).to_have_text("卡 …00C2（第 1 张）有效。")
    look(page, artefacts, "look-up")
    # Who is at the till stands on its page, and one touch changes it.
    page.goto(url)
    expect(page.locator("#who")).to_be_hidden()
    shop.staff.sign_in("店主", OWNER)
    expect(page.locator("#who")).to_have_text("店主 · 换人")
    look(page, artefacts, "till-who")
    page.locator("#who").tap()
    expect(page.get_by_role("heading", name="换人")).to_be_visible()
    look(page, artefacts, "staff")
