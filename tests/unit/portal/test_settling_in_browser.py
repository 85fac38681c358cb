"""A statement's whole life in real browsers: the merchant disputes a line, an operator answers,
the next run shows it, the merchant confirms, one of finance proposes, another approves and records.
"""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from server.db import reading
from server.settlement.document import StatementDocument, document_of
from tests.support.serving import listening
from tests.unit.audit.pool_world import PASSWORD
from tests.unit.portal.portal_world import FINANCE, MERCHANT, OPERATOR, SECOND, PortalWorld

PHONE: ViewportSize = {"width": 360, "height": 740}
TILL: ViewportSize = {"width": 800, "height": 480}
COMPUTER: ViewportSize = {"width": 1280, "height": 800}
NEXT = "xiaodian-20260304"

pytestmark = pytest.mark.browser


@pytest.fixture
def address(portal: PortalWorld) -> Iterator[str]:
    portal.people()
    with listening(portal.app) as url:
        yield url


class Walker:
    """Somebody at a browser, who looks at each page in his size and keeps a picture of it."""

    def __init__(self, page: Page, address: str, shots: Path) -> None:
        self.page, self.address, self.shots = page, address, shots
        self.seen = 0

    def come_in(self, door: str, user: str) -> None:
        self.page.goto(f"{self.address}/{door}/sign-in")
        self.look(f"{door}-sign-in")
        self.page.get_by_label("用户名").fill(user)
        self.page.get_by_label("密码").fill(PASSWORD)
        self.page.get_by_role("button", name="登录").click()
        expect(self.page.get_by_role("button", name="退出")).to_be_visible()

    def go(self, path: str, name: str) -> None:
        self.page.goto(f"{self.address}{path}")
        self.look(name)

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name).click()

    def look(self, name: str) -> None:
        """A picture; nothing sticks out, and no money is cut."""
        self.seen += 1
        size = self.page.viewport_size
        assert size is not None
        file = self.shots / f"settling-{size['width']}-{self.seen:02d}-{name}.png"
        self.page.screenshot(path=file, full_page=True)
        wide = self.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= self.page.evaluate("document.documentElement.clientWidth"), name
        cut = self.page.evaluate(
            "[...document.querySelectorAll('.number, button, .other, .mark')]"
            ".filter(each => each.getBoundingClientRect().right > innerWidth + 1)"
            ".map(each => each.textContent)"
        )
        assert cut == [], name


def document(portal: PortalWorld, statement: str) -> StatementDocument:
    with reading(portal.pool.engine) as tx:
        found = document_of(tx, portal.pool.pool, statement)
    assert found is not None
    return found


@pytest.mark.parametrize("size", [PHONE, TILL, COMPUTER], ids=["phone", "till", "computer"])
def test_from_a_disputed_line_to_a_recorded_payment(
    browser: Browser, portal: PortalWorld, address: str, artefacts: Path, size: ViewportSize
) -> None:
    def somebody(door: str, user: str) -> Walker:
        page = browser.new_context(viewport=size, locale="zh-CN").new_page()
        walker = Walker(page, address, artefacts / user)
        walker.come_in(door, user)
        return walker

    merchant = somebody("portal", MERCHANT)
    _dispute_a_line(merchant)
    operator = somebody("console", OPERATOR)
    _answer(operator)
    _agree(somebody("console", SECOND))
    _settle(operator, portal)
    _confirm(merchant, portal)
    _pay(somebody("console", FINANCE), somebody("console", SECOND))
    merchant.go(f"/portal/statements/{NEXT}", "paid")
    expect(merchant.page.get_by_text("已结清").first).to_be_visible()
    operator.go("/console/health?first=2026-03-01&last=2026-03-31", "health")
    shown, hidden = (".tall", ".wide") if size is PHONE else (".wide", ".tall")
    expect(operator.page.locator(f".loop {shown}")).to_be_visible()
    expect(operator.page.locator(f".loop {hidden}")).not_to_be_visible()


def _dispute_a_line(merchant: Walker) -> None:
    merchant.go("/portal/statements", "list")
    merchant.go("/portal/statements/xiaodian-20260302", "statement")
    merchant.page.locator(".rows a").last.click()
    merchant.look("line")
    merchant.page.get_by_role("link", name="这一笔不对，提出异议").click()
    merchant.look("dispute")
    merchant.page.get_by_label("哪里不对").fill("这一笔是 40.00 元，少记了 2.00 元")
    merchant.press("提交异议")
    expect(merchant.page.get_by_text("异议已提交")).to_be_visible()
    merchant.look("disputed")


def _answer(operator: Walker) -> None:
    operator.go("/console/waiting", "waiting")
    operator.page.get_by_role("link", name=re.compile("xiaodian-20260302")).first.click()
    operator.look("dispute")
    operator.page.get_by_label("同意，提出调整").check()
    operator.page.get_by_label("调整金额").fill("2.00")
    operator.page.get_by_label("原因，商户看得到").fill("看了小票，属实")
    operator.press("答复商户")
    expect(operator.page.get_by_text("要另一个人批准").first).to_be_visible()
    operator.look("proposed")


def _agree(second: Walker) -> None:
    second.go("/console/waiting", "to-adjust")
    second.page.get_by_role("link", name=re.compile("xiaodian-20260302")).first.click()
    second.look("adjustment")
    second.press("批准这笔调整")
    expect(second.page.get_by_text("同意，调整 +2.00 元")).to_be_visible()
    second.look("answered")


def _settle(operator: Walker, portal: PortalWorld) -> None:
    # What was sold that day has another net than the adjustment alone.
    portal.pool.sell(MERCHANT, portal.pool.line("massage"))
    portal.pool.award(1)
    portal.pool.now += timedelta(days=1)
    # By the next day everybody must sign in again.
    operator.come_in("console", OPERATOR)
    operator.go("/console/runs", "runs")
    operator.press("先看一看")
    operator.look("preview")
    operator.press("正式结算到 2026-03-04")
    expect(operator.page.get_by_text("这一次结算已做完。")).to_be_visible()
    operator.look("run")
    operator.go("/console/merchants", "merchants")
    operator.go(f"/console/merchants/{MERCHANT}", "merchant")


def _confirm(merchant: Walker, portal: PortalWorld) -> None:
    """Earlier ones first, as payments need; figures on the page, in the document, in the file."""
    merchant.come_in("portal", MERCHANT)
    for statement in ("xiaodian-20260302", "xiaodian-20260303", NEXT):
        merchant.go(f"/portal/statements/{statement}", "to-confirm")
        merchant.press("确认无误")
        expect(merchant.page.get_by_text("已确认。谢谢您核对。")).to_be_visible()
    expect(merchant.page.get_by_text("看了小票，属实").first).to_be_visible()
    made = document(portal, NEXT)
    assert [each.amount_fen for each in made.adjustments] == [200]
    sign = "−" if made.net_fen < 0 else "+"
    shown = f"{sign}{abs(made.net_fen) // 100}.{abs(made.net_fen) % 100:02d} 元"
    expect(merchant.page.locator("tr.sum .number").nth(1)).to_have_text(shown)
    with merchant.page.expect_download() as waited:
        merchant.page.get_by_role("link", name="JSON").click()
    told = json.loads(waited.value.path().read_text(encoding="utf-8"))["document"]
    assert (told["net_fen"], told["closing_fen"]) == (made.net_fen, made.closing_fen)
    assert waited.value.suggested_filename == f"{NEXT}.json"


def _pay(first: Walker, second: Walker) -> None:
    for statement in ("xiaodian-20260302", "xiaodian-20260303"):
        first.go(f"/console/statements/{statement}", "to-carry")
        first.page.get_by_label("原因").fill("并入下一期")
        first.press("结转")
        expect(first.page.get_by_text("已结转到下一期。")).to_be_visible()
    first.go(f"/console/statements/{NEXT}", "to-pay")
    first.page.get_by_role("button", name="提出").click()
    expect(first.page.get_by_text("您提出的付款要由另一位批准。")).to_be_visible()
    first.look("own-payment")
    path = first.page.url.removeprefix(first.address)
    second.go("/console/waiting", "waiting")
    second.go(path, "to-approve")
    second.page.get_by_role("button", name=re.compile("批准")).click()
    expect(second.page.get_by_text("已批准，请到银行办理，办好后记账。")).to_be_visible()
    second.look("to-record")
    second.page.get_by_label("银行流水号").fill("ICBC-20260305-001")
    second.press("记账")
    expect(second.page.get_by_text("已记账。")).to_be_visible()
    second.look("recorded")
