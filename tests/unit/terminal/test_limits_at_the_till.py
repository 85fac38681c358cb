"""The pool's limits at the till: what is asked, what the cashier reads, what is refused."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from protocol.documents import Catalogue, Item, Policy
from protocol.messages import Approved, ItemUnits
from protocol.money import Points
from protocol.reasons import DeclineReason
from protocol.redemption import FenRemainder, LimitKind, LimitPeriod, Limits
from protocol.sales import AnsweredBy, SaleCaptured
from terminal.domain.notice import NoticeCode
from tests.support.at_till import complete, decline, happenings, notice
from tests.support.shop import ITEMS, NOON, WANG, ZHANG, Shop, policy, slot_text

MORE_ITEMS = (
    Item(
        item_id="cigarettes", name="香烟", name_en="Cigarettes", category="烟", unit="盒",
        price_fen=2500,
    ),
    Item(
        item_id="eggs", name="免费鸡蛋", name_en="Free eggs", category="食品", unit="份",
        price_fen=0, limit_per_resident=2, limit_period=LimitPeriod.MONTH,
    ),
)  # fmt: skip


def with_limits(limits: Limits, remainder: FenRemainder = FenRemainder.WAIVE) -> Policy:
    return replace(policy(remainder, version=2), limits=limits)


@pytest.fixture
def limited(shop: Shop) -> Shop:
    shop.take(
        with_limits(Limits(excluded_categories=("烟", "酒"))),
        Catalogue(version=2, made_at=NOON, items=(*ITEMS, *MORE_ITEMS)),
    )
    return shop


def sold_for_money(shop: Shop, yuan: str) -> None:
    shop.till.add_amount(yuan, "其他商品")


def test_a_mixed_basket_pays_its_tobacco_in_money_and_its_receipt_says_so(limited: Shop) -> None:
    limited.till.add_item("cigarettes")
    limited.till.add_item("fresh", 1300)
    view = limited.page.view()
    assert (view.due_fen, view.points_possible, view.money_only_fen) == (2968, 46, 2500)
    assert (view.rule, [line.money_only for line in view.lines]) == ("excluded", [True, False])
    limited.pool.approve(46, 100)
    limited.till.scan(slot_text())
    assert limited.pool.asked[-1].optional_points == 46
    done = complete(limited)
    # 0.08 of the greens go with the money that is paid in any case.
    assert (done.points, done.cash_fen, done.waived_fen) == (46, 2508, 0)
    captured = happenings(limited)[-1]
    assert isinstance(captured, SaleCaptured)
    assert [line.money_only is True for line in captured.lines] == [True, False]
    job = limited.store.job_of(done.receipt_no)
    assert job is not None
    printed = job.document_json.decode()
    assert "*香烟" in printed
    assert "*只收现金" in printed
    assert "25.00" in printed
    assert "*时令青菜" not in printed


def test_a_basket_of_tobacco_alone_is_told_at_once_and_nobody_is_asked(limited: Shop) -> None:
    limited.till.add_item("cigarettes")
    limited.till.scan(slot_text())
    assert decline(limited).reason is DeclineReason.NOTHING_TO_REDEEM
    assert limited.pool.asked == []
    assert complete(limited).cash_fen == 2500


@pytest.mark.parametrize(
    ("limits", "asked", "rule"),
    [
        (Limits(bill_share_bp=5000), 50, "bill_share"),
        (Limits(per_sale_points=30), 30, "per_sale"),
        (Limits(per_day_points=30), 30, "per_day"),
        (Limits(per_household_day_points=40), 40, "per_household_day"),
        (Limits(minimum_points=30), 100, ""),
    ],
)
def test_the_question_stays_within_what_the_terminal_knows(
    shop: Shop, limits: Limits, asked: int, rule: str
) -> None:
    shop.take(with_limits(limits))
    sold_for_money(shop, "10")
    view = shop.page.view()
    assert (view.points_possible, view.rule) == (asked, rule)
    shop.pool.approve(asked, 200)
    shop.till.scan(slot_text())
    assert shop.pool.asked[-1].optional_points == asked
    assert complete(shop).cash_fen == 1000 - 10 * asked


def test_goods_beyond_a_sales_limit_are_refused_before_anybody_is_asked(shop: Shop) -> None:
    shop.take(with_limits(Limits(per_sale_points=20)))
    shop.till.add_item("oil")
    assert shop.page.view().rule == "per_sale"
    shop.till.scan(slot_text())
    assert (decline(shop).reason, decline(shop).limit_points) == (
        DeclineReason.OVER_SALE_LIMIT,
        20,
    )
    assert shop.pool.asked == []


def test_a_basket_below_the_minimum_is_paid_in_money(shop: Shop) -> None:
    shop.take(with_limits(Limits(minimum_points=50)))
    sold_for_money(shop, "4")
    shop.till.scan(slot_text())
    assert (decline(shop).reason, decline(shop).limit_points) == (
        DeclineReason.BELOW_MINIMUM,
        50,
    )
    assert complete(shop).cash_fen == 400


def test_fewer_points_than_the_minimum_cannot_be_chosen_but_none_can(shop: Shop) -> None:
    shop.take(with_limits(Limits(minimum_points=50)))
    sold_for_money(shop, "10")
    shop.pool.approve(100, 100)
    shop.till.scan(slot_text())
    shop.till.choose_points(49)
    assert notice(shop) == NoticeCode.POINTS_TOO_FEW
    shop.till.choose_points(50)
    assert shop.page.view().payment is not None
    shop.till.choose_points(0)
    assert complete(shop).cash_fen == 1000


def test_the_servers_cap_is_shown_with_its_rule(shop: Shop) -> None:
    shop.take(with_limits(Limits(per_day_points=80)))
    sold_for_money(shop, "10")
    shop.pool.answers.append(
        Approved(
            account=ZHANG,
            points=Points(25),
            balance_points=Points(200),
            held_until=NOON + timedelta(minutes=5),
            limited_by=LimitKind.PER_DAY,
        )
    )
    shop.till.scan(slot_text())
    view = shop.page.view()
    assert (view.rule, view.rule_points) == ("per_day", 25)
    assert view.payment is not None
    assert (view.payment.points_max, view.payment.cash_fen) == (25, 750)


def test_alone_the_terminal_counts_what_it_sold_this_resident_today(shop: Shop) -> None:
    shop.take(with_limits(Limits(per_day_points=70)))
    for yuan, points in (("5", 50), ("5", 20)):
        sold_for_money(shop, yuan)
        shop.till.scan(slot_text())
        assert complete(shop).points == points
        shop.till.clear()
    sold_for_money(shop, "5")
    shop.till.scan(slot_text())
    assert (decline(shop).reason, decline(shop).limit_points) == (
        DeclineReason.OVER_DAY_LIMIT,
        0,
    )
    # Another resident is not meant, and goods that came back do not count.
    shop.till.scan(slot_text(WANG))
    assert complete(shop).points == 50
    shop.till.clear()
    assert shop.returns.refund("T0001-000002", "拿错了").code is NoticeCode.VOIDED
    sold_for_money(shop, "1")
    shop.till.scan(slot_text())
    assert complete(shop).points == 10


def test_a_business_day_begins_at_the_pools_hour(shop: Shop) -> None:
    shop.take(with_limits(Limits(per_day_points=20)))
    sold_for_money(shop, "2")
    shop.till.scan(slot_text())
    complete(shop)
    shop.till.clear()
    # 02:00 in Shanghai still belongs to the evening before, 03:00 does not.
    for hours, may in ((14, False), (15, True)):
        shop.wall.at = NOON + timedelta(hours=hours)
        sold_for_money(shop, "2")
        shop.till.scan(slot_text(starts_at=shop.wall.at))
        assert (shop.page.view().state == "authorised") is may
        if not may:
            assert decline(shop).reason is DeclineReason.OVER_DAY_LIMIT
            shop.till.clear()


def test_free_goods_with_a_limit_need_a_code_and_stop_at_the_limit(limited: Shop) -> None:
    limited.till.add_item("eggs", 2000)
    view = limited.page.view()
    assert (view.needs_code, view.payment) == (True, None)
    limited.till.complete(limited.till.snapshot()[0].sale_id)
    assert notice(limited) == NoticeCode.LIMITED_NEEDS_CODE
    limited.pool.approve(0, 100)
    limited.till.scan(slot_text())
    asked = limited.pool.asked[-1]
    assert asked.limited_items == (ItemUnits(item_id="eggs", units=2),)
    assert (asked.required_points, asked.optional_points) == (0, 0)
    done = complete(limited)
    assert (done.points, done.cash_fen) == (0, 0)
    captured = happenings(limited)[-1]
    assert isinstance(captured, SaleCaptured)
    assert (captured.account, captured.answered_by) == (ZHANG, AnsweredBy.SERVER)
    # Offline the terminal remembers what it gave this resident this month.
    limited.till.clear()
    limited.till.add_item("eggs")
    limited.till.scan(slot_text())
    assert decline(limited).reason is DeclineReason.OVER_ITEM_LIMIT
    assert (decline(limited).item, decline(limited).left_units) == ("eggs", 0)
    limited.till.scan(slot_text(WANG))
    assert complete(limited).points == 0


def test_free_goods_without_a_limit_still_need_no_code(limited: Shop) -> None:
    limited.till.add_item("pressure")
    assert limited.page.view().needs_code is False
    assert complete(limited).cash_fen == 0


def test_limited_goods_beside_goods_for_money_go_to_somebody_without_points(
    limited: Shop,
) -> None:
    limited.till.add_item("eggs")
    limited.till.add_item("bun")
    limited.pool.approve(0, 0)
    limited.till.scan(slot_text())
    view = limited.page.view()
    assert view.payment is not None
    assert (view.payment.points, view.payment.cash_fen) == (0, 50)
    assert complete(limited).cash_fen == 50
