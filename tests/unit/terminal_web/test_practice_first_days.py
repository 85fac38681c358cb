"""What a cashier meets in her first days can be practised: card and PIN, vouchers, registering, a
day's limits; and nothing of it is real.
"""

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from protocol.counter import CounterAwards, CounterRule, CounterWorker
from protocol.documents import Catalogue, Item
from protocol.proxy import ProxyRules
from protocol.redemption import Limits
from protocol.sales import Fulfilment
from terminal.domain.practising import PRACTICE_CARD, PRACTICE_CARD_PIN, PRACTICE_PIN
from terminal.store.people import ArgonPins
from tests.support.running_till import IDENTITY, RunningTill, open_store
from tests.support.shop import ITEMS, NOON, policy, take_documents
from tests.unit.terminal_web.test_practice import Page, sell, shops_tables

VOUCHER = Item(
    item_id="haircut", name="理发券", name_en="Haircut", category="服务", unit="张",
    price_points=20, reimbursement_fen=1_000, fulfilment=Fulfilment.VOUCHER,
)  # fmt: skip
EGGS = Item(
    item_id="eggs", name="鸡蛋", name_en="Eggs", category="食品", unit="份",
    price_points=0, limit_per_resident=1,
)  # fmt: skip
REAL_WORKER, REAL_PIN = "w-1", "7391"


def awards() -> CounterAwards:
    return CounterAwards(
        version=1,
        made_at=NOON,
        shops=(IDENTITY.shop,),
        rules=(
            CounterRule(rule_id="tidying", name="整理楼道", points=5, first_day=NOON.date()),
            CounterRule(
                rule_id="office", name="审核", points=50, first_day=NOON.date(), roles=("street",)
            ),
        ),
        workers=(
            CounterWorker(
                worker=REAL_WORKER,
                name="小周",
                role="grid",
                pin_hash=ArgonPins(memory_kib=8, passes=1).hash(REAL_PIN),
            ),
        ),
        proxy=ProxyRules(residents_a_day=1, points_a_day=None, deliver_within_days=3),
    )


@pytest.fixture(scope="module")
def till(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTill]:
    made = RunningTill(tmp_path_factory.mktemp("first-days"))
    made.enrol()
    store = open_store(made.data_dir)
    limits = Limits(per_day_points=60, card_no_pin_day_points=10)
    items = (*ITEMS, VOUCHER, EGGS)
    documents = (
        replace(policy(version=2), limits=limits),
        Catalogue(version=2, made_at=datetime.now(UTC), items=items),
        awards(),
    )
    take_documents(store, documents)
    store.close()
    made.start()
    yield made
    made.end()


@pytest.fixture
def page(till: RunningTill) -> Iterator[Page]:
    """A practice that begins anew, and a shop's till that knows nothing of it."""
    opened = Page(till)
    before = shops_tables(till)
    opened.enter()
    yield opened
    opened.leave()
    assert shops_tables(till) == before


def fill(page: Page, item_id: str, quantity: str = "1") -> None:
    page.press("/api/item", item_id=item_id, quantity=quantity)


def show(page: Page, resident: str) -> Any:
    page.press("/practice/show", resident=resident)
    return page.view()


def complete(page: Page) -> Any:
    screen = page.view()
    paid = screen["payment"]
    return page.press(
        "/api/complete", sale_id=screen["sale_id"], points=paid["points"], cash_fen=paid["cash_fen"]
    )


def test_a_card_asks_for_its_pin_and_a_wrong_one_is_told(page: Page) -> None:
    fill(page, "bun", "2")
    assert show(page, "card")["state"] == "authorised", "small purchases go without"
    page.press("/api/back")
    page.press("/api/clear")
    fill(page, "oil")
    asked = show(page, "card")
    assert asked["pin"] is not None
    assert PRACTICE_CARD_PIN in page.read()
    wrong = page.press("/api/pin", pin="135790")
    assert wrong["notice"]["code"] == "card_pin_wrong"
    assert wrong["state"] == "open"
    right = page.press("/api/pin", pin=PRACTICE_CARD_PIN)
    while right["notice"] and right["notice"]["code"] == "pin_waits":  # as at the shop's till
        time.sleep(0.2)
        right = page.press("/api/pin", pin=PRACTICE_CARD_PIN)
    assert right["state"] == "authorised", right["notice_text"]
    done = complete(page)
    assert done["completed"]["points"] == 40
    page.press("/api/clear")


def test_the_days_limit_is_kept_as_in_the_shop(page: Page) -> None:
    fill(page, "oil")
    show(page, "enough")
    complete(page)
    fill(page, "oil")
    refused = show(page, "enough")
    assert refused["notice"]["decline"]["reason"] == "over_day_limit"
    assert "20" in refused["notice_text"]
    page.press("/api/clear")
    fill(page, "eggs")
    assert show(page, "card")["state"] == "authorised"
    complete(page)
    fill(page, "eggs")
    assert show(page, "card")["notice"]["decline"]["reason"] == "over_item_limit"
    page.press("/api/clear")


def orders_shown(page: Page, resident: str) -> str:
    page.read("/more/orders")  # while it is open, codes are its
    page.press("/practice/show", resident=resident)
    return page.read("/more/orders")


def test_a_voucher_is_used_once_and_a_used_one_says_where(page: Page) -> None:
    fill(page, "haircut")
    assert show(page, "enough")["state"] == "authorised"
    complete(page)
    assert 'name="resident"' in page.read("/more/orders")
    shown = orders_shown(page, "enough")
    assert "练习券" in shown
    assert "别家" in shown
    bought = re.findall(r'name="order_id" value="([0-9a-f-]{38})"', shown)
    assert len(bought) == 1
    for order_id in ("practice-1", bought[0]):
        orders_shown(page, "enough")
        done = page.press("/more/orders/done", order_id=order_id, units="1")
        assert done["level"] == "good", done
        orders_shown(page, "enough")
        again = page.press("/more/orders/done", order_id=order_id, units="1")
        assert again["level"] == "refused"
        assert IDENTITY.shop_name in again["text"] + again["next"]
    orders_shown(page, "enough")
    used = page.press("/more/orders/done", order_id="practice-2", units="1")
    assert (used["level"], "别家" in used["text"] + used["next"]) == ("refused", True)


def sign_in(page: Page) -> None:
    said = page.press("/more/staff/in", name="worker:practice-1", pin=PRACTICE_PIN)
    assert said["level"] == "good", said


def test_registering_points_is_practised_by_a_practice_worker_alone(page: Page) -> None:
    assert 'href="/more/awards"' in page.read("/more")
    refused = page.press("/more/staff/in", name=f"worker:{REAL_WORKER}", pin=REAL_PIN)
    assert refused["level"] == "refused", "nobody of the pool is known there"
    assert "小周" not in page.read("/more/awards")
    sign_in(page)
    assert "审核" not in page.read("/more/awards"), "a rule of other workers"
    assert page.press("/more/awards/choose", rule_id="tidying")["level"] == "ask"
    page.read("/more/awards")
    page.press("/practice/show", resident="few")
    assert "8 积分" in page.read(), "3 and 5 registered"
    assert "整理楼道" in page.read(), "the slip"


def test_redeeming_for_somebody_at_home_is_practised_to_the_door(page: Page) -> None:
    sign_in(page)
    begun = page.press("/more/proxies/begin", place="3号楼2单元501", consent="phone")
    assert begun["level"] == "good", begun
    fill(page, "rice")
    assert show(page, "enough")["state"] == "authorised"
    receipt_no = complete(page)["completed"]["receipt_no"]
    page.press("/more/proxies/begin", place="3号楼2单元502", consent="phone")
    fill(page, "rice")
    full = show(page, "card")
    assert full["notice"]["code"] == "proxy_residents_full", "one resident a day"
    page.press("/more/proxies/stop")
    page.press("/api/clear")
    at_door = page.press("/more/proxies/deliver", receipt_no=receipt_no, how="本人收")
    assert at_door["level"] == "good", at_door


def test_what_is_real_is_not_tried_out_there_and_says_so(till: RunningTill, page: Page) -> None:
    assert till.ask("GET", "/health")["practising"] is True
    told = page.read("/devices")
    assert "练习里不能试" in told
    assert "结束练习" in told
    assert "手机确认这里练不了" in page.read()
    found = page.press(
        "/more/look-up/look", number=PRACTICE_CARD[-4:], reason="扫不出", pin=PRACTICE_PIN
    )
    assert (found["level"], PRACTICE_CARD[-4:].upper() in found["text"]) == ("good", True), found
    page.leave()
    assert till.ask("GET", "/health")["practising"] is False
    assert "练习里不能试" not in page.read("/devices")
    page.enter()


def test_both_residents_sell_on_after_all_that(page: Page) -> None:
    assert sell(page, "enough")["completed"]["points"] == 10
