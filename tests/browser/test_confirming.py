"""The till's question for a phone, as a phone's camera sees it."""

from io import BytesIO
from pathlib import Path

import pytest
import zxingcpp
from PIL import Image
from playwright.sync_api import Browser

from protocol.codes import read_code
from protocol.codes.challenge import Challenge
from protocol.documents import Catalogue
from tests.support.shop import ITEMS, NOON, Shop, directory, policy
from tests.support.shop_phone import ShopPhone, certify
from tests.support.till_web import app_of, served


@pytest.mark.browser
@pytest.mark.parametrize(("width", "height"), [(800, 480), (390, 844)])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_question_is_read_from_the_screen_and_the_answer_goes_on(
    browser: Browser, tmp_path: Path, width: int, height: int, language: str
) -> None:
    shop, phone = Shop(tmp_path), ShopPhone()
    shop.take(policy(), Catalogue(version=1, made_at=NOON, items=ITEMS), directory())
    shop.till.start("test")
    certify(shop)
    with served(app_of(shop, language)) as address:
        page = browser.new_page(viewport={"width": width, "height": height})
        page.goto(address)
        shop.till.add_amount("48.00", "其他商品")
        shop.till.scan(phone.show())
        # The page's policy allows nobody to evaluate text in it, so it is asked from outside.
        while not page.evaluate("() => document.getElementById('challenge').naturalWidth > 0"):
            page.wait_for_timeout(50)
        shot = page.screenshot(path=tmp_path / f"confirming-{language}-{width}.png")
        found = zxingcpp.read_barcodes(Image.open(BytesIO(shot)))
        assert len(found) == 1
        assert isinstance(read_code(found[0].text), Challenge)
        page.keyboard.press("Enter")  # it must not complete the sale that it covers
        assert shop.page.view().confirming is not None
        shop.pool.approve(480, 1000)
        page.keyboard.type(phone.confirm(found[0].text))
        page.keyboard.press("Enter")
        page.wait_for_selector("#confirm:visible")
        assert page.locator("#confirming").is_hidden()
        page.close()
    shop.store.close()
