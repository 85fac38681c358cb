"""The PIN pad, turned to the holder: touched and typed, both sizes, both languages."""

from pathlib import Path

import pytest
from msgspec.structs import replace
from playwright.sync_api import Page, expect

from protocol.card_pins import verifier_text
from protocol.codes import CardCode
from protocol.documents import DirectoryCard
from protocol.redemption import Limits
from tests.support.shop import (
    CHEAP_PINS,
    RESIDENTS,
    SECRET,
    WANG,
    WANGS_CARD,
    Shop,
    card_text,
    directory,
    policy,
)

pytestmark = pytest.mark.browser

SIZES = {"till": {"width": 800, "height": 480}, "phone": {"width": 390, "height": 844}}
PIN = "580231"


def give_pin(shop: Shop, *, locked: bool = False) -> None:
    verifier = CHEAP_PINS.make(PIN, SECRET, bytes.fromhex(WANGS_CARD)).verifier
    text = verifier_text(1, None if locked else verifier)
    card = DirectoryCard(card_id=WANGS_CARD, seq=1, pin_verifier=text)
    residents = [
        replace(each, cards=(card,)) if each.account == WANG else each for each in RESIDENTS
    ]
    limits = Limits(card_no_pin_day_points=10)
    shop.take(
        replace(policy(version=2), limits=limits),
        directory(version=3 if locked else 2, residents=residents),
    )


def everything_fits(page: Page) -> bool:
    """Nothing on the pad is cut off, and nothing lies on anything else."""
    return bool(
        page.evaluate(
            """() => {
              const pad = document.getElementById("pin-pad");
              const shown = [...pad.querySelectorAll("h1, p, button, .notice")]
                .filter((one) => one.offsetParent !== null && !one.closest(".notice p"));
              const boxes = shown.map((one) => one.getBoundingClientRect());
              const inside = boxes.every((box) =>
                box.left >= 0 && box.top >= 0 && box.right <= innerWidth && box.bottom <= innerHeight);
              const apart = boxes.every((one, i) => boxes.every((other, j) => i === j
                || shown[i].contains(shown[j]) || shown[j].contains(shown[i])
                || one.right <= other.left + 1 || other.right <= one.left + 1
                || one.bottom <= other.top + 1 || other.bottom <= one.top + 1));
              const whole = shown.every((one) => one.scrollWidth <= one.clientWidth + 1);
              return inside && apart && whole;
            }"""
        )
    )


@pytest.mark.parametrize("size", list(SIZES))
@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_holder_types_the_pin_by_touch(
    page: Page, shop: Shop, till_url: str, size: str, language: str, artefacts: Path
) -> None:
    page.set_viewport_size(SIZES[size])  # type: ignore[arg-type] # width and height
    give_pin(shop)
    zh = language == "zh"
    page.goto(f"{till_url}/?lang={language}")
    page.locator("#item-keys button").first.wait_for()

    def shot(name: str) -> None:
        page.screenshot(path=artefacts / f"pin-{size}-{language}-{name}.png")
        assert everything_fits(page), name

    pad = page.locator("#pin-pad")
    expect(pad).to_be_hidden()
    shop.till.add_amount("2", "其他商品")
    shop.till.scan(card_text())
    expect(pad).to_be_visible()
    title = "请把屏幕转向居民" if zh else "Turn the screen to the resident"
    expect(page.locator("#pin-title")).to_have_text(title)
    expect(page.locator("#pin-text")).to_contain_text("20")
    expect(page.locator("#pin-skip")).to_contain_text("10")
    expect(page.locator("#pin-ok")).to_be_disabled()
    for digit in "580":
        page.locator(f"#pin-keys [data-digit='{digit}']").click()
    expect(page.locator("#pin-dots .typed")).to_have_count(3)
    assert "580" not in page.locator("#pin-pad .pin-words").inner_text()
    shot("three")
    for digit in "232":
        page.locator(f"#pin-keys [data-digit='{digit}']").click()
    page.locator("#pin-ok").click()
    wrong = "今天在这里还能输 2 次" if zh else "2 more tries here today"
    expect(page.locator("#pin-notice")).to_contain_text(wrong)
    expect(page.locator("#pin-dots .typed")).to_have_count(0)
    shot("wrong")
    shop.wall.monotonic_ms += 5000
    for digit in "580239":
        page.locator(f"#pin-keys [data-digit='{digit}']").click()
    page.locator("#pin-back").click()
    page.locator("#pin-keys [data-digit='1']").click()
    page.locator("#pin-ok").click()
    expect(page.locator("#confirm-text")).to_contain_text("20")
    expect(pad).to_be_hidden()
    shop.till.clear()

    give_pin(shop, locked=True)
    shop.till.add_amount("2", "其他商品")
    shop.till.scan(card_text())
    expect(page.locator("#pin-text")).to_contain_text("已锁定" if zh else "locked")
    expect(page.locator("#pin-keys")).to_be_hidden()
    shot("locked")
    page.locator("#pin-skip").click()
    expect(page.locator("#confirm-text")).to_contain_text("10")


def test_the_holder_types_the_pin_on_a_keyboard_and_a_scanner_is_no_holder(
    page: Page, shop: Shop, till_url: str
) -> None:
    give_pin(shop)
    page.goto(till_url)
    page.locator("#item-keys button").first.wait_for()
    shop.till.add_amount("2", "其他商品")
    shop.till.scan(card_text())
    pad = page.locator("#pin-pad")
    expect(pad).to_be_visible()
    page.keyboard.type(card_text()[:40], delay=0)  # the scanner once more, as a keyboard
    page.keyboard.press("Enter")
    expect(page.locator("#pin-dots .typed")).to_have_count(0)
    assert shop.store.card_tries(WANGS_CARD) is None
    page.keyboard.press("Escape")
    expect(pad).to_be_hidden()
    expect(page.locator("#cash")).to_be_visible()
    shop.till.scan(card_text())
    expect(pad).to_be_visible()
    page.keyboard.type("580239")
    page.keyboard.press("Backspace")
    page.keyboard.type("1")
    page.keyboard.press("Enter")
    expect(page.locator("#confirm-text")).to_contain_text("20")
    sale = shop.till.snapshot()[0]
    assert not isinstance(sale.code, CardCode)
