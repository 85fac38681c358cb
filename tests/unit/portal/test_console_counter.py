"""The console's page of the counter: what terminals registered, and what came back twice."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import Page, ViewportSize, expect

from protocol.business_day import business_date
from protocol.counter import CounterAwarded
from protocol.messages import OutcomeKind
from protocol.proxy import Consent, Proxy
from protocol.sales import Payment, RefundLine
from server.awards import AwarderRole, RegisterAwarder
from server.awards.counter import AllowCounterAwards, SetAwarderPin, SetProxyRules
from server.db import reading
from server.portal import console_counter
from server.redemption import ConfirmDelivery
from server.redemption.proxies import ProxySale, proxy_sales
from server.settlement.document import document_of
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


def test_a_list_of_awards_that_is_cut_says_so_and_where_the_rest_is(
    counter: PortalWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = counter.officer(OPERATOR)
    assert "只列出前" not in text_of(client.get("/console/counter").text)
    monkeypatch.setattr(console_counter, "SHOWN_MAX", 1)
    text = text_of(client.get("/console/counter").text)
    assert "只列出前 1 条，还有更多。更多的在服务器上运行 huidian-server counter list 查。" in text
    assert "更早的在「终端」页的「不能入账」里" in text
    assert text.count("社区小周 · 人居环境整治") == 1
    english = text_of(client.get("/console/counter?lang=en").text)
    assert "The first 1 are listed; there are more." in english


@pytest.fixture
def redeemed(counter: PortalWorld) -> PortalWorld:
    """小周 redeemed buns for a resident at home, due there today."""
    pool = counter.pool
    pool.tell(SetProxyRules(residents_a_day=5, deliver_within_days=0))
    sale = pool.sell(MERCHANT, pool.line("bun", 2_000), points=5)
    door = Proxy(
        worker="w-1", consent=Consent.PHONE, place="3号楼2单元501", deliver_by=sale.business_date
    )
    changes = {"sale_id": pool.new_id(), "receipt_no": "t-xiaodian-0099", "proxy": door}
    told = msgspec.structs.replace(sale, presented_by="w-1", **changes)
    outcome = pool.record(MERCHANT, told)
    assert outcome.outcome is not OutcomeKind.PARKED, outcome
    return counter


def test_what_is_late_at_the_door_stands_out_until_somebody_knows(redeemed: PortalWorld) -> None:
    pool = redeemed.pool
    on_time = text_of(redeemed.officer(OPERATOR).get("/console/counter").text)
    assert "社区小周 → 3号楼2单元501" in on_time
    assert "同意：打过电话" in on_time
    assert "超期" not in on_time
    pool.now += timedelta(days=2)
    late = text_of(redeemed.officer(OPERATOR).get("/console/counter").text)
    assert "超期没有送达：1 单" in late
    english = text_of(redeemed.officer(OPERATOR).get("/console/counter?lang=en").text)
    assert "Late: 1 not delivered" in english
    with reading(pool.engine) as tx:
        (one,) = proxy_sales(tx, pool.preset.id, business_date(pool.now, 3))
    pool.tell(
        ConfirmDelivery(
            sale_id=one.sale_id,
            delivered_on=business_date(pool.now, 3),
            said_by="办公室",
            how="电话问过本人",
        )
    )
    known = text_of(redeemed.officer(OPERATOR).get("/console/counter").text)
    assert "超期" not in known
    assert "电话问过本人" in known


def test_a_merchant_does_not_see_it(portal: PortalWorld) -> None:
    assert portal.signed_in().get("/console/counter").status_code != 200


@pytest.fixture
def address(redeemed: PortalWorld) -> Iterator[str]:
    redeemed.pool.now += timedelta(days=2)
    with listening(redeemed.app) as url:
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


def test_the_line_of_a_statement_says_who_presented_it_and_to_which_door(
    redeemed: PortalWorld,
) -> None:
    pool = redeemed.pool
    day = business_date(pool.now, 3)
    pool.now += timedelta(days=2)
    pool.settle(day)
    with reading(pool.engine) as tx:
        (one,) = proxy_sales(tx, pool.preset.id, day)
    line = f"statements/{MERCHANT}-{day:%Y%m%d}/lines/sale:{one.sale_id}"
    by_merchant, by_office = redeemed.signed_in(), redeemed.officer(OPERATOR)
    for client, door in ((by_merchant, "portal"), (by_office, "console")):
        text = text_of(client.get(f"/{door}/{line}").text)
        assert "代办人 社区小周 居民同意 打过电话 送到 3号楼2单元501" in text
        assert f"送达 超期，应在 {day} 送到" in text
    english = text_of(by_merchant.get(f"/portal/{line}?lang=en").text)
    assert "Presented by 社区小周 The resident agreed by telephone To the door 3号楼" in english
    own = text_of(
        by_merchant.get(f"/portal/{line.replace(one.sale_id, _other(redeemed, one))}").text
    )
    assert "代办人" not in own


def _other(redeemed: PortalWorld, proxied: ProxySale) -> str:
    """A sale of the same statement that nobody redeemed for anybody."""
    with reading(redeemed.pool.engine) as tx:
        found = document_of(
            tx, redeemed.pool.preset.id, f"{MERCHANT}-{proxied.business_date:%Y%m%d}"
        )
    assert found is not None
    keys = [each.key.removeprefix("sale:") for each in found.lines if each.kind == "sale"]
    return next(each for each in keys if each != proxied.sale_id)
