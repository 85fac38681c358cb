"""The console's page of the counter: what terminals registered, and what came back twice."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import Page, ViewportSize, expect

from protocol.business_day import business_date
from protocol.counter import CounterAwarded
from protocol.sales import Payment, RefundLine
from server.awards import AwarderRole, RegisterAwarder
from server.awards.counter import AllowCounterAwards, SetAwarderPin
from tests.support.serving import listening
from tests.unit.audit.pool_world import PASSWORD, RESIDENT
from tests.unit.portal.portal_world import MERCHANT, OPERATOR, PortalWorld, text_of

PIN_HASH = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2g"


@pytest.fixture
def counter(portal: PortalWorld) -> PortalWorld:
    """A worker registered one deed, told it twice under another id, and a shop gave buns back twice."""
    portal.people()
    pool = portal.pool
    pool.tell(RegisterAwarder(awarder="w-1", name="社区小周", role=AwarderRole.COMMUNITY))
    pool.tell(SetAwarderPin(awarder="w-1", pin_hash=PIN_HASH))
    pool.tell(AllowCounterAwards(shop=MERCHANT, allowed=True))
    today = business_date(pool.now, 3)
    told = CounterAwarded(
        award_id=pool.new_id(),
        slip_no="t-xiaodian-J000001",
        business_date=today,
        rule_id="tidying",
        points=60,
        account=RESIDENT,
        evidence=pool.slot(pool.now),
        worker="w-1",
        event=f"{today}:大扫除",
    )
    pool.record(MERCHANT, told)
    pool.record(MERCHANT, msgspec.structs.replace(told, award_id=pool.new_id()))
    line = pool.line("bun", 2_000)
    sale = pool.sell(MERCHANT, line, points=5)
    one = RefundLine(line_no=1, quantity_milli=1_000, amount_fen=50, amount_points=0)
    for _ in range(2):
        pool.refund(MERCHANT, sale, one, payment=Payment(points_for_money=5))
    return portal


def test_it_shows_awards_and_what_came_back_twice_with_its_sale(counter: PortalWorld) -> None:
    client = counter.officer(OPERATOR)
    page = client.get("/console/counter")
    assert page.status_code == 200
    text = text_of(page.text)
    assert "没有登记，待处理 (0)" in text
    assert "社区小周 · 人居环境整治" in text
    assert "60 积分" in text
    assert "同一事实已登记过" in text
    assert "退得比卖得多" in text
    assert "5 积分" in text
    assert "-0.50" in text or "−0.50" in text
    english = text_of(client.get("/console/counter?lang=en").text)
    assert "More came back than was sold" in english


def test_a_merchant_does_not_see_it(portal: PortalWorld) -> None:
    assert portal.signed_in().get("/console/counter").status_code != 200


@pytest.fixture
def address(counter: PortalWorld) -> Iterator[str]:
    with listening(counter.app) as url:
        yield url


PHONE: ViewportSize = {"width": 390, "height": 844}
TILL: ViewportSize = {"width": 800, "height": 480}


@pytest.mark.browser
@pytest.mark.parametrize("page", [PHONE, TILL], indirect=True, ids=["phone", "till"])
def test_nothing_sticks_out_at_either_size(page: Page, address: str, artefacts: Path) -> None:
    page.goto(f"{address}/console")
    page.get_by_label("用户名").fill(OPERATOR)
    page.get_by_label("密码").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_role("link", name="柜台").click()
    expect(page.get_by_role("heading", name="柜台")).to_be_visible()
    size = page.viewport_size
    assert size is not None
    page.screenshot(path=artefacts / f"console-counter-{size['width']}.png", full_page=True)
    wide: int = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= size["width"]
