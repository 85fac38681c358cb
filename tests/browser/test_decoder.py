"""A browser without a detector of its own: with a packed decoder, and with none at all."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from protocol.codes import to_digits
from protocol.messages import Approved
from server.phone import pages
from server.phone.packing import DECODER
from server.phone.pages import PACKED, STATIC, shell_files
from tests.browser.test_phone_page import agreed, enrolled, film, seeing
from tests.browser.test_receipt_page import bought, paper
from tests.support.phones import challenge_of
from tests.unit.server.world import World

pytestmark = pytest.mark.browser
NO_DETECTOR = "delete window.BarcodeDetector;"
# Stands where a packed decoder stands, at the same interface; what finds the code is zxing.
STAND_IN = """
let found = null, looking = false;
export default (data, width, height) => {
  if (!looking) {
    looking = true;
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [width, height];
    canvas.getContext("2d").putImageData(new ImageData(data, width, height), 0, 0);
    window.zxing(canvas.toDataURL()).then((texts) => { found = texts[0] ?? null; looking = false; });
  }
  return found === null ? null : { data: found };
};
"""
IS_PACKED = (PACKED / DECODER).exists()


def packed_is(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """The server finds in this folder what was packed, instead of what this build has."""
    monkeypatch.setattr(pages, "SHELL", shell_files(STATIC, folder))


def test_what_is_packed_is_kept_for_flight_mode_and_does_the_dance(
    browser: Browser,
    chromium_path: Path,
    world: World,
    address: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "packed").mkdir()
    (tmp_path / "packed" / DECODER).write_text(STAND_IN)
    packed_is(monkeypatch, tmp_path / "packed")
    challenge = challenge_of(world.till(), world.sale_id(), 800)
    film(tmp_path / "till.y4m", to_digits(challenge))
    with seeing(browser, chromium_path, tmp_path / "till.y4m") as context:
        context.add_init_script(NO_DETECTOR)
        page = enrolled(context, world, address)
        context.set_offline(True)
        page.reload()
        page.click("#tab-confirm")
        expect(page.locator("#ask-shop")).to_have_text("门店shop-a", timeout=20_000)
        expect(page.locator("#ask-points")).to_have_text("800 积分")


@pytest.mark.skipif(not IS_PACKED, reason="no decoder is packed here; get it: ./run build-phone")
def test_the_decoder_of_this_build_reads_the_till_in_flight_mode_and_the_paper(
    browser: Browser, chromium_path: Path, world: World, address: str, tmp_path: Path
) -> None:
    till = world.till()
    sale_id = world.sale_id()
    challenge = challenge_of(till, sale_id, 800)
    film(tmp_path / "till.y4m", to_digits(challenge))
    with seeing(browser, chromium_path, tmp_path / "till.y4m") as context:
        context.add_init_script(NO_DETECTOR)
        page = enrolled(context, world, address)
        context.set_offline(True)
        page.reload()
        page.click("#tab-confirm")
        expect(page.locator("#ask-shop")).to_have_text("门店shop-a", timeout=20_000)
        yes = agreed(page, challenge)
    # The yes is to what the decoder read, to the last byte: the server takes it for this sale.
    approved = till.authorise(sale_id, yes, optional=800)
    assert isinstance(approved, Approved)
    assert approved.points == 800
    sale = bought(world, till)
    till.tell(sale)
    film(tmp_path / "paper.y4m", paper(till, sale))
    with seeing(browser, chromium_path, tmp_path / "paper.y4m") as context:
        context.add_init_script(NO_DETECTOR)
        page = context.new_page()
        page.goto(address.removesuffix("/phone/") + "/r")
        page.click("#scan-paper")
        expect(page.locator("#state")).to_have_attribute("data-state", "whole", timeout=20_000)


def test_without_any_the_page_says_what_to_do(
    browser: Browser,
    chromium_path: Path,
    world: World,
    address: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    packed_is(monkeypatch, tmp_path / "nothing")
    film(tmp_path / "till.y4m", "1")
    with seeing(browser, chromium_path, tmp_path / "till.y4m") as context:
        context.add_init_script(NO_DETECTOR)
        page = enrolled(context, world, address)
        page.click("#tab-confirm")
        expect(page.locator("#notice")).to_contain_text("这个浏览器不能扫码")
        expect(page.locator("#notice")).to_contain_text("不确认")
        expect(page.locator("#scan")).to_be_hidden()
        page.screenshot(path=tmp_path / "no-decoder.png")
        page.goto(address.removesuffix("/phone/") + "/r")
        page.click("#scan-paper")
        expect(page.locator("#notice")).to_contain_text("输入小票上的单号和核对码")
        expect(page.locator("#typed")).to_be_visible()
