"""The power goes at any moment of a sale: the page says whether it was completed, with what."""

import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.support.running_till import RunningTill
from tests.support.shop import slot_text

pytestmark = pytest.mark.browser

TILL = {"width": 800, "height": 480}
PHONE = {"width": 390, "height": 844}
WITHIN_S = 20.0
NOT_DONE, DONE = "停机时的这一单没有成交", "停机前的最后一单已经成交"


@pytest.fixture
def silent_server() -> Iterator[str]:
    """Takes the connection and never answers: the till waits for the pool."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def till(tmp_path: Path, silent_server: str) -> Iterator[RunningTill]:
    made = RunningTill(tmp_path, server_url=silent_server, ask_timeout_s=2)
    made.enrol()
    yield made
    made.end()


def put_goods(till: RunningTill) -> None:
    till.ask("POST", "/api/item", item_id="bun")
    till.ask("POST", "/api/item", item_id="bun")
    till.ask("POST", "/api/amount", text="3.50")
    draft, deadline_s = till.data_dir / "basket.json", time.monotonic() + WITHIN_S
    while not draft.exists() or "350" not in draft.read_text():
        assert time.monotonic() < deadline_s, "the basket is never kept"
        time.sleep(0.01)


def complete(till: RunningTill) -> str:
    sale_id = till.ask("GET", "/api/view")["sale_id"]
    return str(till.ask("POST", "/api/complete", sale_id=sale_id)["completed"]["receipt_no"])


def ask_for_points(till: RunningTill, *, cut: bool) -> None:
    """Show a resident's code; ``cut``: the power goes while the pool is asked."""
    text = slot_text(starts_at=datetime.now(UTC))
    if not cut:
        assert till.ask("POST", "/api/scan", text=text)["state"] == "authorised"
        return
    body = f'{{"text":"{text}"}}'.encode()
    with socket.create_connection(("127.0.0.1", till.port)) as wire:
        head = (
            "POST /api/scan HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Huidian: 1\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        wire.sendall(head.encode() + body)
        deadline_s = time.monotonic() + WITHIN_S
        while till.ask("GET", "/api/view")["state"] != "authorising":
            assert time.monotonic() < deadline_s
            time.sleep(0.01)
        till.kill()


def look(page: Page, till: RunningTill, name: str) -> None:
    """Open the page; pictures of it at both sizes go beside the test's files."""
    page.set_viewport_size(TILL)  # type: ignore[arg-type]  # as playwright has it
    page.goto(f"http://127.0.0.1:{till.port}/")
    page.locator("#item-keys button").first.wait_for()
    pictures = till.data_dir.parent
    if page.locator("#last-run-dialog").is_visible():
        for size, where in ((PHONE, "phone"), (TILL, "till")):
            page.set_viewport_size(size)  # type: ignore[arg-type]  # as playwright has it
            box = page.locator("#last-run-dialog").bounding_box()
            assert box is not None
            assert box["x"] >= 0
            assert box["y"] >= 0
            assert box["x"] + box["width"] <= size["width"]
            assert box["y"] + box["height"] <= size["height"]
            page.screenshot(path=pictures / f"{name}-{where}.png")


@pytest.mark.parametrize("state", ["open", "asking", "approved"])
def test_a_sale_that_was_not_completed_is_shown_with_its_basket(
    page: Page, till: RunningTill, state: str
) -> None:
    till.start()
    till.ask("POST", "/api/item", item_id="greens", quantity="1.3")
    first = complete(till)
    put_goods(till)
    if state != "open":
        ask_for_points(till, cut=state == "asking")
    till.kill()
    till.start()
    look(page, till, state)
    expect(page.locator("#last-run-title")).to_have_text(NOT_DONE)
    expect(page.locator("#last-run-lines li")).to_have_count(2)
    expect(page.locator("#last-run-lines")).to_contain_text("馒头")
    expect(page.locator("#last-run-total")).to_have_text("共 4.50 元")
    expect(page.locator("#last-run-text")).to_contain_text(f"小票 {first}")
    expect(page.locator("#last-run-reprint")).to_be_hidden()
    page.locator("#last-run-put-back").click()
    expect(page.locator("#lines li")).to_have_count(2)
    page.reload()
    page.locator("#item-keys button").first.wait_for()
    expect(page.locator("#lines li")).to_have_count(2)
    expect(page.locator("#last-run-dialog")).to_be_hidden()
    assert complete(till) != first
    assert len(till.ask("GET", "/api/sales")["sales"]) == 2


def test_a_discount_is_told_and_has_to_be_given_again(page: Page, till: RunningTill) -> None:
    till.start()
    put_goods(till)
    till.ask("POST", "/api/discount", how="amount", text="0.50", line_no=2, reason="老顾客")
    till.ask("POST", "/api/amount", text="1.23")
    draft, deadline_s = till.data_dir / "basket.json", time.monotonic() + WITHIN_S
    while "123" not in draft.read_text():
        assert time.monotonic() < deadline_s, "the basket is never kept"
        time.sleep(0.01)
    till.kill()
    till.start()
    look(page, till, "discounted")
    expect(page.locator("#last-run-total")).to_have_text("共 5.23 元")
    expect(page.locator("#last-run-text")).to_contain_text("折扣要重新填")
    page.locator("#last-run-put-back").click()
    expect(page.locator("#lines > li")).to_have_count(3)
    expect(page.locator("#lines")).to_contain_text("3.50 元")


def test_a_sale_that_was_completed_is_shown_with_its_receipt(page: Page, till: RunningTill) -> None:
    till.start()
    put_goods(till)
    receipt_no = complete(till)
    till.kill()
    till.start()
    look(page, till, "completed")
    expect(page.locator("#last-run-title")).to_have_text(DONE)
    expect(page.locator("#last-run-text")).to_contain_text(receipt_no)
    expect(page.locator("#last-run-text")).to_contain_text("现金 4.50 元")
    expect(page.locator("#last-run-lines li")).to_have_count(2)
    expect(page.locator("#last-run-put-back")).to_be_hidden()
    page.locator("#last-run-seen").click()
    expect(page.locator("#last-run-dialog")).to_be_hidden()
    page.reload()
    page.locator("#item-keys button").first.wait_for()
    expect(page.locator("#last-run-dialog")).to_be_hidden()
    assert len(till.ask("GET", "/api/sales")["sales"]) == 1


def test_without_what_was_kept_the_journal_alone_speaks(page: Page, till: RunningTill) -> None:
    """The power went before the basket was on the disk, or the file was torn."""
    till.start()
    put_goods(till)
    ask_for_points(till, cut=True)
    (till.data_dir / "basket.json").write_bytes(b'{"sale_id": "torn')
    till.start()
    look(page, till, "torn")
    expect(page.locator("#last-run-title")).to_have_text(NOT_DONE)
    expect(page.locator("#last-run-text")).to_contain_text("商品没有存下来")
    expect(page.locator("#last-run-put-back")).to_be_hidden()


def test_a_basket_that_is_older_than_the_newest_sale_is_not_believed(
    page: Page, till: RunningTill
) -> None:
    till.start()
    put_goods(till)
    stale = (till.data_dir / "basket.json").read_bytes()
    till.ask("POST", "/api/clear")
    till.ask("POST", "/api/item", item_id="bun")
    receipt_no = complete(till)
    till.kill()
    (till.data_dir / "basket.json").write_bytes(stale)
    till.start()
    look(page, till, "stale")
    expect(page.locator("#last-run-title")).to_have_text(DONE)
    expect(page.locator("#last-run-text")).to_contain_text(receipt_no)


def test_a_stop_in_good_order_leaves_nothing_to_ask(page: Page, till: RunningTill) -> None:
    till.start()
    put_goods(till)
    complete(till)
    assert till.stop() == 0
    till.start()
    look(page, till, "good order")
    expect(page.locator("#last-run-dialog")).to_be_hidden()
