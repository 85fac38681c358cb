"""A cashier sells in Debian's Chromium: with a finger, and again with the keyboard alone."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from protocol.money import Points
from protocol.reasons import Declined, DeclineReason
from terminal.domain.print_job import JobEvent
from tests.support.shop import BANNED, Shop, slot_text
from tests.support.till_web import app_of, served

pytestmark = pytest.mark.browser

PHONE = {"width": 390, "height": 844}
TILL = {"width": 800, "height": 480}


def open_till(page: Page, url: str) -> None:
    page.goto(url)
    page.locator("#item-keys button").first.wait_for()


FIGURES = "#done-figures dd"
"""Of a completed sale. They come with its answer: expect them, do not read them at once."""


def tap(page: Page, selector: str) -> None:
    page.locator(selector).tap()


def receipts(shop: Shop) -> list[str | None]:
    return [sale.row.receipt_no for sale in shop.store.recent_sales(10)]


def test_selling_by_touch(page: Page, shop: Shop, till_url: str) -> None:
    open_till(page, till_url)
    for _ in range(5):
        tap(page, '[data-item-id="bun"]')
    tap(page, '[data-item-id="greens"]')
    tap(page, '#quantity-pad [data-key="1"]')
    tap(page, "#quantity-pad .key-submit")
    expect(page.locator("#due")).to_have_text("7.10 元")
    expect(page.locator("#hint-text")).to_have_text("请居民出示居民码")
    expect(page.locator("#cash-text")).to_have_text("不用积分，收现金 7.10 元")
    shop.pool.approve(71, 100)
    shop.till.scan(slot_text())  # the scanner's worker does this
    expect(page.locator("#confirm-text")).to_have_text("用 71 积分，还需付 0.00 元")
    tap(page, "#confirm")
    expect(page.locator("#done h1")).to_have_text("成交")
    expect(page.locator(FIGURES)).to_have_text(["100", "71", "29", "0.00 元"])
    expect(page.locator("#receipt-no")).to_have_text("小票号 T0001-000001")
    expect(page.locator("#print-text")).to_have_text("小票等着打印…")
    page.wait_for_timeout(700)  # the button waits so long before it dismisses a sale
    tap(page, "#next-customer")
    expect(page.locator("#done")).to_be_hidden()
    expect(page.locator("#lines li")).to_have_count(0)
    assert receipts(shop) == ["T0001-000001"]


def test_selling_with_the_keyboard_alone(page: Page, shop: Shop, till_url: str) -> None:
    open_till(page, till_url)
    keys = page.keyboard
    keys.type("6900000000014")
    expect(page.locator("#typed-text")).to_have_text("6900000000014")
    keys.press("Enter")
    expect(page.locator("#lines li")).to_have_count(1)
    for count in range(2, 6):
        keys.press("+")
        expect(page.locator(".line-price")).to_have_text(f"0.50 元 × {count} 个")
    keys.press("F2")
    keys.type("4.60")
    keys.press("Enter")
    expect(page.locator("#due")).to_have_text("7.10 元")
    shop.pool.approve(71, 100)
    keys.type(slot_text())
    keys.press("Enter")
    expect(page.locator("#confirm-text")).to_have_text("用 71 积分，还需付 0.00 元")
    keys.press("F6")
    keys.type("50")
    keys.press("Enter")
    expect(page.locator("#confirm-text")).to_have_text("用 50 积分，还需付 2.10 元")
    page.wait_for_timeout(600)  # an Enter right after a scan is the scanner's own
    keys.press("Enter")
    expect(page.locator("#done")).to_be_visible()
    expect(page.locator(FIGURES)).to_have_text(["100", "50", "50", "2.10 元"])
    keys.press("F9")
    expect(page.locator("#done-notice")).to_contain_text("小票已交给打印机。")
    page.wait_for_timeout(700)
    keys.press("Enter")
    expect(page.locator("#done")).to_be_hidden()
    keys.press("F4")
    keys.type("馒头")
    keys.press("Enter")
    expect(page.locator("#lines li")).to_have_count(1)
    keys.press("Delete")
    expect(page.locator("#lines li")).to_have_count(0)
    assert receipts(shop) == ["T0001-000001"]


def test_a_scanner_that_ends_with_two_enters_completes_nothing(
    page: Page, shop: Shop, till_url: str
) -> None:
    open_till(page, till_url)
    tap(page, '[data-item-id="bun"]')  # and keeps no focus that Enter could press again
    expect(page.locator("#lines li")).to_have_count(1)
    page.keyboard.type("6900000000014")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    expect(page.locator(".line-price")).to_have_text("0.50 元 × 2 个")
    page.wait_for_timeout(700)
    expect(page.locator("#done")).to_be_hidden()
    assert receipts(shop) == []


def test_an_input_method_that_is_on_changes_nothing_of_a_scan(page: Page, till_url: str) -> None:
    """It swallows the letters and digits; where the keys stand, the browser tells all the same."""
    open_till(page, till_url)
    page.evaluate(
        """() => { for (const digit of "6900000000014") document.body.dispatchEvent(
          new KeyboardEvent("keydown", { key: "Process", code: `Digit${digit}`, bubbles: true }));
        document.body.dispatchEvent(new KeyboardEvent("keydown",
          { key: "Enter", code: "Enter", bubbles: true })); }"""
    )
    expect(page.locator(".line-name")).to_have_text("馒头")


def test_a_scan_while_the_amount_is_open_is_still_a_scan(page: Page, till_url: str) -> None:
    open_till(page, till_url)
    page.keyboard.press("F2")
    page.keyboard.type("6900000000014")
    page.keyboard.press("Enter")
    expect(page.locator(".line-name")).to_have_text("馒头")


def test_quick_taps_on_plus_all_count(page: Page, till_url: str) -> None:
    open_till(page, till_url)
    tap(page, '[data-item-id="bun"]')
    expect(page.locator("#lines li")).to_have_count(1)
    page.evaluate("for (let i = 0; i < 7; i += 1) document.querySelector('[data-do=more]').click()")
    expect(page.locator(".line-price")).to_have_text("0.50 元 × 8 个")


def test_a_double_click_on_confirm_is_one_sale_and_stays_visible(
    page: Page, shop: Shop, till_url: str
) -> None:
    open_till(page, till_url)
    shop.till.add_amount("7.10", "其他商品")
    shop.pool.approve(71, 100)
    shop.till.scan(slot_text())
    page.locator("#confirm").dblclick(no_wait_after=True)
    expect(page.locator("#done")).to_be_visible()
    page.keyboard.press("Enter")  # a third press, out of habit
    page.wait_for_timeout(300)
    expect(page.locator("#done")).to_be_visible()
    assert receipts(shop) == ["T0001-000001"]


def test_a_double_click_on_cash_is_one_sale(page: Page, shop: Shop, till_url: str) -> None:
    open_till(page, till_url)
    shop.till.add_amount("7.10", "其他商品")
    page.locator("#cash").dblclick(no_wait_after=True)
    expect(page.locator("#done")).to_be_visible()
    expect(page.locator(FIGURES)).to_have_text(["7.10 元"])
    assert receipts(shop) == ["T0001-000001"]


def test_a_refusal_stays_until_something_else_happens(
    page: Page, shop: Shop, till_url: str
) -> None:
    open_till(page, till_url)
    shop.till.add_item("oil")
    reason = DeclineReason.INSUFFICIENT_POINTS
    shop.pool.answers.append(Declined(reason, missing_points=Points(16)))
    shop.till.scan(slot_text())
    banner = page.locator("#notice")
    expect(banner).to_contain_text("还差16积分")
    expect(banner).to_contain_text("可减少商品，或请居民换一张卡。")
    assert banner.get_attribute("role") == "alert"
    shop.surroundings.note(printer="paper_out")
    expect(page.locator("#statuses")).to_contain_text("打印机缺纸，请装纸")
    expect(banner).to_be_visible()
    tap(page, '[data-do="less"]')
    expect(banner).to_be_hidden()


def test_a_ban_is_shown_with_its_end(page: Page, shop: Shop, till_url: str) -> None:
    open_till(page, till_url)
    tap(page, '[data-item-id="bun"]')
    expect(page.locator("#lines li")).to_have_count(1)
    shop.till.scan(slot_text(BANNED))
    expect(page.locator("#notice")).to_contain_text("暂停兑换至2026年12月31日，积分照常累计")


def _wait(answer: threading.Event) -> None:
    answer.wait(10)


@contextmanager
def asking(shop: Shop) -> Iterator[threading.Event]:
    """A question that is under way until the event is set."""
    answer = threading.Event()
    shop.pool.while_asking = lambda: _wait(answer)
    scanning = threading.Thread(target=shop.till.scan, args=(slot_text(),))
    scanning.start()
    try:
        yield answer
    finally:
        answer.set()
        scanning.join(10)


def test_while_the_pool_is_asked_the_page_says_so_and_can_cancel(
    page: Page, shop: Shop, till_url: str
) -> None:
    open_till(page, till_url)
    tap(page, '[data-item-id="bun"]')
    expect(page.locator("#lines li")).to_have_count(1)
    shop.pool.approve(5, 100)
    with asking(shop):
        expect(page.locator("#pane-asking")).to_be_visible()
        expect(page.locator(".asking")).to_have_text("正在询问…")
        page.keyboard.press("Escape")
        expect(page.locator("#notice")).to_contain_text("已取消，没有用积分。")
    expect(page.locator("#pane-open")).to_be_visible()
    expect(page.locator("#lines li")).to_have_count(1)


def test_emptying_the_basket_is_asked_about_first(page: Page, till_url: str) -> None:
    open_till(page, till_url)
    tap(page, '[data-item-id="bun"]')
    expect(page.locator("#lines li")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(page.locator("#clear-dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#clear-dialog")).to_be_hidden()
    expect(page.locator("#lines li")).to_have_count(1)
    page.keyboard.press("F8")
    page.keyboard.press("Enter")
    expect(page.locator("#lines li")).to_have_count(0)


def test_goods_come_back_from_the_list_of_sales(page: Page, shop: Shop, till_url: str) -> None:
    open_till(page, till_url)
    shop.till.add_amount("7.20", "其他商品")
    tap(page, "#cash")
    expect(page.locator("#done")).to_be_visible()
    tap(page, "#open-sales")
    tap(page, '#sales [data-do="refund"]')
    expect(page.locator("#refund-kind")).to_have_text("撤销")
    expect(page.locator("#refund-confirm")).to_have_text("确认撤销")
    expect(page.locator("#refund-text")).to_have_text("退现金 7.20 元")
    page.get_by_text("拿错了").tap()
    tap(page, "#refund-confirm")
    expect(page.locator("#notice")).to_contain_text("这一单已撤销：退回 0 积分，退现金 7.20 元。")
    expect(page.locator("#done")).to_be_hidden()
    tap(page, "#open-sales")
    expect(page.locator(".sale-marks")).to_contain_text("已退货")
    expect(page.locator('#sales [data-do="refund"]')).to_be_disabled()


def test_two_of_five_come_back_by_touch(page: Page, shop: Shop, till_url: str) -> None:
    open_till(page, till_url)
    for _ in range(5):
        shop.till.add_item("bun")
    shop.till.add_item("rice")
    shop.pool.approve(40, 100)
    shop.till.scan(slot_text())
    tap(page, "#confirm")
    expect(page.locator("#done")).to_be_visible()
    tap(page, "#open-sales")
    tap(page, '#sales [data-do="refund"]')
    expect(page.locator("#refund-text")).to_have_text("退回 40 积分，退现金 0.00 元")
    for _ in range(3):
        tap(page, '#refund-lines li:nth-child(1) [data-do="less"]')
    tap(page, '#refund-lines li:nth-child(2) [data-do="less"]')
    expect(page.locator("#refund-kind")).to_have_text("退货")
    expect(page.locator("#refund-confirm")).to_have_text("确认退货")
    expect(page.locator("#refund-text")).to_have_text("退回 10 积分，退现金 0.00 元")
    rice = page.locator('#refund-lines li:nth-child(2) [data-do="all"]')
    rice.tap()
    expect(rice).to_have_text("这件不退")
    expect(page.locator("#refund-text")).to_have_text("退回 25 积分，退现金 0.00 元")
    rice.tap()
    expect(rice).to_have_text("全退")
    expect(page.locator("#refund-text")).to_have_text("退回 10 积分，退现金 0.00 元")
    page.locator("#refund-lines li:nth-child(1) input").fill("6")
    page.locator("#refund-lines li:nth-child(1) input").blur()
    expect(page.locator("#refund-text")).to_contain_text("退的比卖的多")
    expect(page.locator("#refund-confirm")).to_be_disabled()
    page.locator("#refund-lines li:nth-child(1) input").fill("2")
    page.locator("#refund-lines li:nth-child(1) input").blur()
    expect(page.locator("#refund-confirm")).to_be_enabled()
    tap(page, "#refund-confirm")
    expect(page.locator("#notice")).to_contain_text("退货已办好：退回 10 积分")
    tap(page, "#open-sales")
    expect(page.locator(".sale-marks")).to_contain_text("部分退货")


def test_after_a_refund_the_page_shows_no_other_sale_and_reprints_none(
    page: Page, shop: Shop, till_url: str, artefacts: Path
) -> None:
    """The newest sale's figures would be taken for what is to be given back."""
    for yuan in ("7.20", "38.80"):
        shop.till.add_amount(yuan, "其他商品")
        shop.till.complete(shop.till.snapshot()[0].sale_id)
    page.goto(till_url)
    expect(page.locator(FIGURES)).to_have_text(["38.80 元"])
    tap(page, "#open-sales")
    page.locator('#sales [data-do="refund"]').nth(1).tap()
    tap(page, "#refund-confirm")
    expect(page.locator("#notice")).to_contain_text("退现金 7.20 元")
    expect(page.locator("#done")).to_be_hidden()
    page.keyboard.press("F9")
    expect(page.locator("#notice")).to_contain_text("退现金 7.20 元")
    page.screenshot(path=artefacts / "cashier-till-refunded.png")
    tap(page, '[data-item-id="bun"]')
    expect(page.locator("#notice")).to_be_hidden()
    expect(page.locator("#lines li")).to_have_count(1)


def test_a_refund_leaves_the_basket_of_the_next_customer(
    page: Page, shop: Shop, till_url: str
) -> None:
    shop.till.add_amount("7.20", "其他商品")
    shop.till.complete(shop.till.snapshot()[0].sale_id)
    shop.till.clear()
    open_till(page, till_url)
    tap(page, '[data-item-id="bun"]')
    expect(page.locator("#lines li")).to_have_count(1)
    tap(page, "#open-sales")
    tap(page, '#sales [data-do="refund"]')
    tap(page, "#refund-confirm")
    expect(page.locator("#notice")).to_contain_text("退现金 7.20 元")
    expect(page.locator("#lines li")).to_have_count(1)


@pytest.mark.parametrize("page", [TILL, PHONE], indirect=True, ids=["till", "phone"])
def test_what_comes_back_can_be_read_whole(
    page: Page, shop: Shop, till_url: str, artefacts: Path
) -> None:
    """Three lines on the till's screen, and a weight with all its digits on either."""
    open_till(page, till_url)
    shop.till.add_item("bun", 5_000)
    shop.till.add_item("greens", 1_303)
    shop.till.add_amount("38.80", "其他商品")
    shop.till.complete(shop.till.snapshot()[0].sale_id)
    expect(page.locator("#done")).to_be_visible()
    tap(page, "#open-sales")
    tap(page, '#sales [data-do="refund"]')
    expect(page.locator("#refund-text")).to_have_text("退现金 47.29 元")
    size = "till" if page.viewport_size == TILL else "phone"
    page.screenshot(path=artefacts / f"refund-{size}-lines.png")
    weight = page.locator("#refund-lines li:nth-child(2) input")
    assert weight.evaluate("each => each.scrollWidth - each.clientWidth") <= 0
    lines = page.locator("#refund-lines")
    assert lines.evaluate("each => each.scrollHeight - each.clientHeight") <= 0
    check_layout(page)


def test_a_page_without_a_stream_asks_by_itself(page: Page, shop: Shop, till_url: str) -> None:
    page.route("**/api/events", lambda route: route.fulfill(status=503, body="{}"))
    open_till(page, till_url)
    shop.till.add_item("bun")
    expect(page.locator(".line-name")).to_have_text("馒头")


def test_a_program_that_does_not_answer_is_told_and_recovers(page: Page, till_url: str) -> None:
    page.route("**/api/events", lambda route: route.fulfill(status=503, body="{}"))
    open_till(page, till_url)
    page.route("**/api/view", lambda route: route.abort())
    expect(page.locator("#lost")).to_contain_text("收银程序没有应答。")
    page.unroute("**/api/view")
    expect(page.locator("#lost")).to_be_hidden()


def check_layout(page: Page) -> None:
    """Nothing stands outside the screen, is too small for a finger, or cuts its own words."""
    troubles = page.evaluate(
        """() => {
          const wide = document.documentElement.clientWidth;
          const troubles = [];
          for (const element of document.querySelectorAll("button, a, b, dd, dt, p, span, input")) {
            const box = element.getBoundingClientRect();
            if (box.width === 0) continue;
            const name = `${element.tagName} #${element.id} ${element.textContent.slice(0, 20)}`;
            if (box.left < -1 || box.right > wide + 1) troubles.push(`outside: ${name}`);
            if (element.matches("button, a") && (box.height < 48 || box.width < 48)) {
              troubles.push(`small: ${name} ${box.width}x${box.height}`);
            }
            if (element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 0) {
              troubles.push(`cut: ${name}`);
            }
            if (!element.matches("kbd, .sign") && parseFloat(getComputedStyle(element).fontSize) < 18) {
              troubles.push(`tiny: ${name}`);
            }
          }
          return troubles;
        }"""
    )
    assert troubles == []


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("page", [TILL, PHONE], indirect=True, ids=["till", "phone"])
def test_every_state_fits_the_screen(
    page: Page, shop: Shop, language: str, artefacts: Path
) -> None:
    size = "till" if page.viewport_size == TILL else "phone"

    def look(state: str) -> None:
        page.wait_for_timeout(150)
        page.screenshot(path=artefacts / f"cashier-{size}-{language}-{state}.png")
        check_layout(page)

    with served(app_of(shop, language)) as url:
        open_till(page, url)
        look("empty")
        shop.till.add_item("bun", 5000)
        tap(page, '[data-item-id="fresh"]')
        look("weight")
        page.keyboard.type("1.3")
        page.keyboard.press("Enter")
        expect(page.locator("#lines li")).to_have_count(2)
        look("basket")
        tap(page, "#tab-amount")
        look("amount")
        tap(page, "#tab-items")
        shop.till.scan("134567890123456789")
        expect(page.locator("#notice")).to_be_visible()
        look("payment-code")
        shop.pool.approve(71, 100)
        with asking(shop):
            expect(page.locator("#pane-asking")).to_be_visible()
            look("asking")
        expect(page.locator("#pane-approved")).to_be_visible()
        look("approved")
        tap(page, "#confirm")
        expect(page.locator("#done")).to_be_visible()
        look("done")
        job = shop.spool.next_job()
        assert job is not None
        shop.spool.move(job.job_no, JobEvent.REFUSED, "paper_out")
        shop.surroundings.note(printer="paper_out", server="offline", scanner="absent")
        expect(page.locator("#print")).to_have_attribute("data-level", "refused")
        look("no-paper")
        tap(page, "#open-sales")
        look("sales")
        tap(page, '#sales [data-do="refund"]')
        look("refund")
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")
        shop.till.add_item("oil")
        shop.till.scan(slot_text(BANNED))
        expect(page.locator("#notice")).to_be_visible()
        look("banned")
