"""What the resident's page says aloud, and its countdown, by a clock that the test moves."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect

from protocol.business_day import business_date
from protocol.codes import ShowCode, read_code, to_digits
from server.directory.phones import EndPhone
from tests.browser.test_phone_page import DIGITS, enrolled, film, read_from, seeing
from tests.support.decoders import by_zbar
from tests.support.phones import challenge_of
from tests.unit.server.world import ZHANG, World, asked_and_sold, money_line

pytestmark = pytest.mark.browser
# Chromium without a desktop has no voice; what would be spoken is written down instead.
VOICE = """
window.spoken = [];
window.SpeechSynthesisUtterance = class { constructor(text) { this.text = text; } };
Object.defineProperty(window, "speechSynthesis", {
  value: { cancel() {}, speak(said) { window.spoken.push([said.lang, said.text]); } },
});
"""
SCREENS: list[ViewportSize] = [{"width": 390, "height": 844}, {"width": 800, "height": 480}]


def spoken(page: Page) -> list[list[str]]:
    told: list[list[str]] = page.evaluate("() => window.spoken")
    return told


def test_shop_and_points_are_said_aloud_before_the_resident_agrees(
    browser: Browser, chromium_path: Path, world: World, address: str, tmp_path: Path
) -> None:
    challenge = challenge_of(world.till(), world.sale_id(), 800)
    film(tmp_path / "till.y4m", to_digits(challenge))
    with seeing(browser, chromium_path, tmp_path / "till.y4m") as context:
        context.add_init_script(VOICE)
        page = enrolled(context, world, address)
        page.click("#speak")
        assert spoken(page) == [["zh-CN", "请对准扫码枪。您有 1000 积分。"]]
        page.click("#tab-confirm")
        expect(page.locator("#ask")).to_be_visible(timeout=20_000)
        asked = "门店shop-a，最多使用 800 积分。同意请按确认使用。"
        assert spoken(page)[-1] == ["zh-CN", asked]
        page.click("#language")
        page.click("#speak")
        assert spoken(page)[-1] == [
            "en",
            "门店shop-a. At most 800 points. Press confirm if you agree.",
        ]
        page.click("#yes")
        expect(page.locator("#answer-code")).to_have_attribute("data-digits", DIGITS)
        assert spoken(page)[-1] == ["en", "Let the cashier scan this"]


def test_a_code_counts_down_and_is_another_after_thirty_seconds(
    context: BrowserContext, world: World, address: str
) -> None:
    context.clock.install(time=datetime.now(UTC))
    page = enrolled(context, world, address)
    context.clock.pause_at(datetime.now(UTC) + timedelta(seconds=90))
    expect(page.locator("#renews")).to_contain_text(re.compile("^(2[89]|30) 秒后换新码$"))
    first = page.locator("#code").get_attribute("data-digits")
    context.clock.run_for(10_000)
    expect(page.locator("#renews")).to_contain_text(re.compile("^(1[89]|20) 秒后换新码$"))
    assert page.locator("#code").get_attribute("data-digits") == first
    context.clock.run_for(21_000)
    expect(page.locator("#code")).not_to_have_attribute("data-digits", first or "")
    before, after = (
        read_code(each or "")
        for each in (first, page.locator("#code").get_attribute("data-digits"))
    )
    assert isinstance(before, ShowCode)
    assert isinstance(after, ShowCode)
    assert after.counter > before.counter
    assert after.shown_at - before.shown_at >= timedelta(seconds=30)


def looked_at(page: Page, folder: Path, zbarimg: Path, name: str, code: str = "") -> None:
    """Takes its picture in both languages and both ways round; nothing is cut, and ``code``, where
    there is one, is whole on the screen and read by two decoders.
    """
    for screen in SCREENS:
        page.set_viewport_size(screen)
        for _ in range(2):
            language = page.locator("html").get_attribute("lang")
            shot = folder / f"phone-{name}-{language}-{screen['width']}.png"
            page.evaluate("scrollTo(0, 0)")
            wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
            assert not page.evaluate(wide), shot
            if page.locator("#tabs").is_visible():
                expect(page.locator("#tabs")).to_be_in_viewport(ratio=1)
            before = page.locator(code).get_attribute("data-digits") if code else ""
            page.screenshot(path=shot)
            if code:
                digits = {before, page.locator(code).get_attribute("data-digits")}
                assert read_from(shot.read_bytes()) in digits, shot
                assert by_zbar(zbarimg, shot)[0] in digits, shot
            page.click("#language")
    page.set_viewport_size(SCREENS[0])


def test_every_state_fits_both_ways_round_in_both_languages(
    browser: Browser,
    chromium_path: Path,
    world: World,
    address: str,
    tmp_path: Path,
    zbarimg: Path,
) -> None:
    till = world.till()
    film(tmp_path / "till.y4m", to_digits(challenge_of(till, world.sale_id(), 800)))
    sale = asked_and_sold(world, till, money_line("馒头", 1_000), points=30)
    today = business_date(world.clock(), world.preset.cut_off_hour)
    till.tell(msgspec.structs.replace(sale, business_date=today))
    with seeing(browser, chromium_path, tmp_path / "till.y4m") as context:
        page = context.new_page()
        page.goto(address)
        looked_at(page, tmp_path, zbarimg, "enrol")
        page = enrolled(context, world, address)
        looked_at(page, tmp_path, zbarimg, "show", "#code")
        page.click("#tab-record")
        expect(page.locator("#lines li").first).to_contain_text("兑换")
        page.click("#language")
        expect(page.locator("#lines li").first).to_contain_text("redeemed")
        page.click("#language")
        # A record of some weeks is longer than any screen; the tabs stay in sight below it.
        page.evaluate(
            "const all = document.querySelector('#lines');"
            "for (let n = 0; n < 30; n++) all.append(all.children[0].cloneNode(true));"
        )
        looked_at(page, tmp_path, zbarimg, "record")
        page.click("#tab-confirm")
        expect(page.locator("#ask")).to_be_visible(timeout=20_000)
        looked_at(page, tmp_path, zbarimg, "ask")
        page.click("#yes")
        looked_at(page, tmp_path, zbarimg, "answer", "#answer-code")
        context.set_offline(True)
        page.click("#tab-record")
        expect(page.locator("#old-lines")).to_contain_text("没有网络")
        looked_at(page, tmp_path, zbarimg, "record-offline")
        page.evaluate("indexedDB.deleteDatabase('huidian-phone')")
        page.reload()
        expect(page.locator("#slot-text")).to_be_visible()
        looked_at(page, tmp_path, zbarimg, "slot", "#code")
        page.evaluate("localStorage.setItem('huidian-slots', '[]')")
        page.reload()
        expect(page.locator("#notice")).to_contain_text("没有可用的码")
        looked_at(page, tmp_path, zbarimg, "no-slot")
        context.set_offline(False)
        again = enrolled(context, world, address)
        world.do(EndPhone(account=ZHANG, reason="遗失"))
        again.reload()
        expect(again.locator("#notice")).to_have_text("这部手机的码已停用，请到社区登记")
        again.click("#language")
        expect(again.locator("#notice")).to_have_text(
            "the code of this phone is stopped; see the community office"
        )
        looked_at(again, tmp_path, zbarimg, "ended")
