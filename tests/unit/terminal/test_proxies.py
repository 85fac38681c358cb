"""代兑换 at the till: with consent, to a door, within the worker's day, delivered once."""

import threading
from datetime import timedelta

import msgspec
import pytest

from protocol.counter import CounterAwards
from protocol.proxy import Consent, Proxy, ProxyDelivered, ProxyRules
from protocol.sales import AnsweredBy, SaleCaptured
from terminal.checkout.last_run import draft_of
from terminal.domain.notice import Notice, NoticeCode
from terminal.domain.presented import ManualCode
from terminal.domain.sale import SaleState
from tests.support.shop import NOON, WANG, ZHANG, Shop, card_text, slot_text
from tests.unit.terminal.test_awarding import HERE, PIN, WORKER_ACCOUNT, awards, told

DOOR = "3号楼2单元501"


def proxied_awards(residents: int = 2, points: int | None = 50, version: int = 1) -> CounterAwards:
    """``residents`` 0: the pool takes it back."""
    rules = ProxyRules(residents_a_day=residents, points_a_day=points, deliver_within_days=2)
    return msgspec.structs.replace(awards(version), proxy=rules if residents else None)


@pytest.fixture
def town(shop: Shop) -> Shop:
    """社区小周 is signed in and may redeem for others."""
    shop.take(proxied_awards())
    shop.staff.sign_in("worker:w-1", PIN)
    return shop


def begin(town: Shop, place: str = DOOR, beneficiary: str = "") -> NoticeCode:
    return town.proxies.begin(place, Consent.PHONE, beneficiary).code


def complete(town: Shop) -> SaleCaptured | Notice | None:
    sale = town.till.snapshot()[0]
    town.till.complete(sale.sale_id)
    after, notice = town.till.snapshot()
    return after.captured if after.captured is not None else notice


def redeemed(town: Shop, code: str, points: int = 15, account: str = WANG) -> SaleCaptured:
    """Rice for somebody at home, approved by the server."""
    assert begin(town) is NoticeCode.PROXY_BEGUN
    town.till.add_item("rice")
    town.pool.approve(points, 100, account)
    town.till.scan(code)
    done = complete(town)
    assert isinstance(done, SaleCaptured), done
    return done


def said(town: Shop) -> NoticeCode | None:
    notice = town.till.snapshot()[1]
    return notice.code if notice else None


def test_nobody_redeems_for_somebody_whom_the_owner_found_by_his_card(town: Shop) -> None:
    assert begin(town) is NoticeCode.PROXY_BEGUN
    town.till.add_item("rice")
    town.pool.approve(15, 100, WANG)
    found = ManualCode(card_id="c-1", seq=1, account=WANG, allowed_by="店主", reason="手机没电")
    town.till.show_code(found)
    assert said(town) is NoticeCode.PROXY_NEEDS_RESIDENT
    assert town.till.snapshot()[0].approval is None


def test_who_for_whom_on_whose_word_and_where_stand_in_the_record_and_on_paper(town: Shop) -> None:
    begin(town, f"  {DOOR} ", beneficiary=slot_text())
    view = town.page.view()
    assert view.acting is not None
    assert (view.acting.name, view.acting.place) == ("社区小周", DOOR)
    town.till.add_item("rice")
    town.pool.approve(15, 39, WANG)
    town.till.scan(card_text())
    sale = complete(town)
    assert isinstance(sale, SaleCaptured)
    assert isinstance(sale.proxy, Proxy)
    assert (sale.account, sale.beneficiary, sale.presented_by) == (WANG, ZHANG, "w-1")
    assert (sale.proxy.consent, sale.proxy.place) == (Consent.PHONE, DOOR)
    assert sale.proxy.deliver_by == sale.business_date + timedelta(days=2)
    with town.store.reading() as connection:
        (paper,) = connection.exec_driver_sql("select document from print_job").scalars()
    assert all(x.encode() in paper for x in ("社区小周", DOOR, "电话", "受益人", ZHANG[-4:]))
    # The next sale is an ordinary one.
    town.till.add_item("bun")
    ordinary = complete(town)
    assert isinstance(ordinary, SaleCaptured)
    assert (ordinary.proxy, ordinary.presented_by) == (msgspec.UNSET, None)
    assert len(town.proxies.deliveries()) == 1


def test_it_works_cut_off(town: Shop) -> None:
    begin(town)
    town.till.add_item("rice")
    town.till.scan(card_text())  # nobody answers
    sale = complete(town)
    assert isinstance(sale, SaleCaptured)
    assert (sale.answered_by, sale.presented_by) == (AnsweredBy.STAND_IN, "w-1")
    assert town.proxies.deliver(sale.receipt_no, "本人收到").code is NoticeCode.PROXY_DELIVERED
    (one,) = [x for x in told(town) if isinstance(x, ProxyDelivered)]
    assert (one.sale_id, one.worker, one.how) == (sale.sale_id, "w-1", "本人收到")


@pytest.mark.parametrize("place", ["", "   ", "长" * 41, "3号楼\n501;", "501<b>"])
def test_a_door_is_said_in_letters_and_numbers(town: Shop, place: str) -> None:
    found = begin(town, place)
    assert found == NoticeCode.PROXY_PLACE_NEEDED
    assert town.page.view().acting is None


def test_without_consent_nobody_redeems_for_others(town: Shop) -> None:
    assert town.proxies.begin(DOOR, None, "").code is NoticeCode.PROXY_CONSENT_NEEDED
    assert town.proxies.acting() is None


def test_only_where_the_pool_allows_it_and_a_worker_is_signed_in(shop: Shop) -> None:
    assert begin(shop) is NoticeCode.PROXY_NOT_OFFERED
    shop.take(awards())  # points may be registered, and nobody redeems for others
    shop.staff.sign_in("worker:w-1", PIN)
    assert begin(shop) is NoticeCode.PROXY_NOT_OFFERED
    shop.take(proxied_awards(version=2))
    shop.staff.sign_out()
    assert begin(shop) is NoticeCode.PROXY_WORKER_NEEDED
    elsewhere = msgspec.structs.replace(proxied_awards(version=3), shops=("s-9",))
    assert elsewhere.shops != HERE
    shop.take(elsewhere)
    assert begin(shop) is NoticeCode.PROXY_NOT_OFFERED


def test_nobody_is_his_own_proxy(town: Shop) -> None:
    own = slot_text(WORKER_ACCOUNT)
    found = town.proxies.begin(DOOR, Consent.NOTE, own)
    assert found.code in {NoticeCode.PROXY_OWN, NoticeCode.DECLINED}
    begin(town)
    town.till.add_item("rice")
    town.till.scan(own)
    assert said(town) is NoticeCode.PROXY_OWN
    assert town.pool.asked == [], "not even asked"
    assert town.till.snapshot()[0].state is SaleState.OPEN


def test_without_a_resident_it_is_not_completed(town: Shop) -> None:
    begin(town)
    town.till.add_item("bun")
    assert complete(town) == town.till.snapshot()[1]
    assert said(town) is NoticeCode.PROXY_NEEDS_RESIDENT
    assert town.proxies.stop().code is NoticeCode.PROXY_STOPPED
    assert isinstance(complete(town), SaleCaptured)


def test_so_many_residents_a_day_and_the_same_one_again_is_no_other(town: Shop) -> None:
    town.take(proxied_awards(residents=1, points=None, version=2))
    redeemed(town, card_text())
    begin(town)
    town.till.add_item("rice")
    town.till.scan(slot_text())
    assert said(town) is NoticeCode.PROXY_RESIDENTS_FULL
    assert len(town.pool.asked) == 1
    town.till.clear()
    redeemed(town, card_text())
    # The next day begins anew.
    town.wall.at = NOON + timedelta(days=1)
    day = town.proxies.day_of("w-1")
    assert (day.accounts, day.points) == (frozenset(), 0)


def test_so_many_points_a_day(town: Shop) -> None:
    town.take(proxied_awards(points=20, version=2))
    redeemed(town, card_text())
    begin(town)
    town.till.add_item("rice")
    town.pool.approve(15, 85, WANG)
    town.till.scan(card_text())
    assert isinstance(complete(town), Notice)
    notice = town.till.snapshot()[1]
    assert notice is not None
    assert (notice.code, notice.figures["left"]) == (NoticeCode.PROXY_POINTS_FULL, 5)
    town.till.go_back()
    assert town.page.view().acting is not None, "the basket goes on as it was"


def test_whoever_loses_the_right_between_code_and_button_does_not_complete(town: Shop) -> None:
    begin(town)
    town.till.add_item("rice")
    town.pool.approve(15, 39, WANG)
    town.till.scan(card_text())
    town.take(proxied_awards(residents=0, version=2))
    assert isinstance(complete(town), Notice)
    assert said(town) is NoticeCode.PROXY_REVOKED
    assert town.proxies.stop().code is NoticeCode.PROXY_HELD, "no way around it with held points"
    town.till.clear()
    assert town.till.snapshot()[0].state is SaleState.OPEN


def test_it_is_not_parked_and_a_waiting_basket_may_become_one(town: Shop) -> None:
    town.till.add_item("rice")
    town.till.parking.park()
    begin(town)
    town.till.parking.take_up(1)
    assert town.page.view().acting is not None
    town.till.parking.park()
    assert said(town) is NoticeCode.PROXY_NOT_PARKED
    assert town.page.view().acting is not None
    assert draft_of(town.till.snapshot()[0]).proxied, "or a power cut would make it an ordinary one"


def test_a_delivery_is_said_once_by_however_many_pages(town: Shop) -> None:
    sale = redeemed(town, card_text())
    (waiting,) = town.proxies.deliveries()
    assert waiting.waits
    assert not waiting.is_late(waiting.proxy.deliver_by)
    assert waiting.is_late(waiting.proxy.deliver_by + timedelta(days=1))
    codes: list[NoticeCode] = []
    gate = threading.Barrier(4)

    def say() -> None:
        gate.wait(10)
        codes.append(town.proxies.deliver(sale.receipt_no, "家属收到").code)

    threads = [threading.Thread(target=say) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(20)
    assert sorted(codes) == sorted([NoticeCode.PROXY_DELIVERED] + [NoticeCode.PROXY_KNOWN] * 3)
    assert len([x for x in told(town) if isinstance(x, ProxyDelivered)]) == 1
    assert town.proxies.deliver("T0001-000099", "本人").code is NoticeCode.RECEIPT_UNKNOWN
    assert town.proxies.deliver(sale.receipt_no, " ").code is NoticeCode.PROXY_HOW_NEEDED


def test_what_came_back_is_not_waited_for(town: Shop) -> None:
    sale = redeemed(town, card_text())
    town.returns.refund(sale.receipt_no, "拿错了")
    (one,) = town.proxies.deliveries()
    assert (one.came_back, one.waits) == (True, False)
    assert town.proxies.deliver(sale.receipt_no, "本人").code is NoticeCode.ALREADY_REFUNDED
