"""Discounts at the till: lines of the basket that points, limits, receipts and refunds follow."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from drivers.document import Columns, document_from_json
from protocol.discounts import Discount, DiscountKind
from protocol.documents import Catalogue, Item
from protocol.redemption import Limits
from protocol.sales import SaleCaptured, SaleRefunded
from terminal.domain.basket import Basket
from terminal.domain.discounts import DiscountRules, rate_of_folds
from terminal.domain.notice import NoticeCode
from terminal.domain.staff import Role
from terminal.shifts.figures import shift_of
from tests.support.at_till import complete, happenings, notice, sale_id
from tests.support.other_hand import OtherHand
from tests.support.shop import ITEMS, NOON, Shop, directory, policy, slot_text

TOBACCO = Item(
    item_id="cigarettes",
    name="香烟",
    name_en="Cigarettes",
    category="烟",
    unit="盒",
    price_fen=2500,
)
OWNER_PIN = "7391"


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path, rules=DiscountRules(rounding_step_fen=10))
    made.take(policy(), Catalogue(version=1, made_at=NOON, items=(*ITEMS, TOBACCO)), directory())
    made.till.start("test")
    made.staff.add("老板", Role.OWNER, OWNER_PIN, None)
    yield made
    made.store.close()


def basket(shop: Shop) -> Basket:
    return shop.till.snapshot()[0].basket


def last_sale(shop: Shop) -> SaleCaptured:
    return [x for x in happenings(shop) if isinstance(x, SaleCaptured)][-1]


def paper(shop: Shop, receipt_no: str) -> list[tuple[str, str]]:
    job = shop.store.job_of(receipt_no)
    assert job is not None
    document = document_from_json(job.document_json)
    return [(x.left, x.right) for x in document.elements if isinstance(x, Columns)]


def test_a_discount_is_a_line_that_points_follow(shop: Shop) -> None:
    shop.till.add_amount("10.00", "其他商品")
    shop.till.add_item("bun", 3000)
    shop.discounts.folds(None, "9", "老顾客", None)
    view = shop.page.view()
    assert (view.due_fen, view.points_possible) == (1035, 103)
    assert [(x.kind, x.amount_fen, x.reason) for x in view.discounts] == [("basket", 115, "老顾客")]
    shop.pool.approve(103, 200)
    shop.till.scan(slot_text())
    assert shop.pool.asked[0].optional_points == 103
    done = complete(shop)
    sale = last_sale(shop)
    assert [x.amount_fen for x in sale.lines] == [900, 135]
    assert [x.discount_fen for x in sale.lines] == [100, 15]
    assert sale.discounts == (
        Discount(kind=DiscountKind.BASKET, amount_fen=115, rate_bp=1000, reason="老顾客"),
    )
    assert (done.points, done.waived_fen, done.cash_fen) == (103, 5, 0)
    rows = paper(shop, done.receipt_no)
    assert ("商品金额", "11.50") in rows
    assert ("整单折扣 老顾客", "-1.15") in rows
    assert ("合计", "10.35 元") in rows


def test_a_line_has_its_own_discount_and_the_paper_still_adds_up(shop: Shop) -> None:
    shop.till.add_item("bun", 3000)
    shop.till.add_item("greens", 1000)
    shop.discounts.amount_off(1, "0.10", "快到期", None)
    shop.discounts.round_off(on=True)
    assert shop.page.view().due_fen == 600
    shop.till.set_quantity(2, 1300)  # 1.40 + 5.98 = 7.38, and 抹零 follows
    assert shop.page.view().due_fen == 730
    done = complete(shop)
    rows = paper(shop, done.receipt_no)
    assert ("  3个 × 0.50", "1.50") in rows
    assert ("  折扣 快到期", "-0.10") in rows
    assert ("抹零", "-0.08") in rows
    assert ("合计", "7.30 元") in rows


def test_an_excluded_category_and_the_share_of_the_bill_go_by_net_prices(shop: Shop) -> None:
    limits = Limits(excluded_categories=("烟",), bill_share_bp=5000)
    shop.take(replace(policy(version=2), limits=limits))
    shop.till.add_item("cigarettes")
    shop.till.add_amount("30.00", "其他商品")
    shop.discounts.amount_off(1, "5.00", "", None)
    view = shop.page.view()
    assert (view.due_fen, view.money_only_fen, view.points_possible) == (5000, 2000, 250)


def test_goods_priced_in_points_are_the_pools_and_have_no_discount(shop: Shop) -> None:
    shop.till.add_item("rice")
    shop.discounts.folds(1, "5", "", None)
    assert notice(shop) == NoticeCode.DISCOUNT_TOO_LARGE
    shop.discounts.folds(None, "5", "", None)
    assert notice(shop) == NoticeCode.DISCOUNT_TOO_LARGE
    shop.till.add_item("bun")
    shop.discounts.folds(None, "9", "", None)
    assert (shop.page.view().due_fen, shop.page.view().goods_points) == (45, 15)


def test_above_the_limit_the_owner_allows_it_and_the_record_says_who(shop: Shop) -> None:
    shop.till.add_amount("100.00", "其他商品")
    shop.discounts.amount_off(None, "10.01", "", None)
    assert notice(shop) == NoticeCode.OWNER_NEEDED
    shop.discounts.amount_off(None, "10.01", "", "0007")
    assert notice(shop) == NoticeCode.PIN_WRONG
    assert shop.page.view().due_fen == 10_000
    shop.discounts.amount_off(None, "10.01", "老顾客", OWNER_PIN)
    assert shop.page.view().due_fen == 8_999
    complete(shop)
    discounts = last_sale(shop).discounts
    assert isinstance(discounts, tuple)
    assert discounts[0].approved_by == "老板"
    assert OWNER_PIN not in str(happenings(shop))


def test_a_basket_that_grows_under_a_cashiers_rate_asks_for_the_owner_at_the_end(
    shop: Shop,
) -> None:
    shop.till.add_item("bun", 10_000)
    shop.discounts.folds(None, "8", "", None)
    assert shop.page.view().due_fen == 400
    shop.till.add_amount("200.00", "其他商品")
    shop.till.complete(sale_id(shop))
    assert notice(shop) == NoticeCode.DISCOUNT_NEEDS_OWNER
    shop.till.scan(slot_text())
    assert notice(shop) == NoticeCode.DISCOUNT_NEEDS_OWNER
    assert shop.pool.asked == []
    shop.discounts.folds(None, "8", "", OWNER_PIN)
    assert complete(shop).cash_fen == 16_400


def test_the_owners_leave_is_for_what_the_discount_came_to_then(shop: Shop) -> None:
    shop.till.add_amount("30.00", "其他商品")
    shop.discounts.folds(None, "5", "", OWNER_PIN)
    shop.till.add_amount("0.10", "其他商品")
    shop.till.add_amount("500.00", "其他商品")
    shop.till.complete(sale_id(shop))
    assert notice(shop) == NoticeCode.DISCOUNT_NEEDS_OWNER
    shop.till.set_quantity(3, 0)
    assert complete(shop).cash_fen == 1_505


def test_a_discount_never_lands_on_the_next_customers_basket(shop: Shop) -> None:
    """Another page goes on to the next customer at each moment at which the desk is free."""

    def next_customer() -> None:
        shop.till.clear()
        shop.till.add_amount("6.00", "其他商品")

    shop.till.add_amount("10.00", "其他商品")
    shop.till.desk.lock = OtherHand(shop.till.desk.lock, next_customer)  # type: ignore[assignment]  # stands for two threads
    shop.discounts.amount_off(None, "0.50", "", None)
    assert (notice(shop), shop.page.view().due_fen) == (NoticeCode.OTHER_SALE, 600)


def test_the_next_customer_has_no_discount_of_the_one_who_put_everything_back(shop: Shop) -> None:
    shop.till.add_amount("30.00", "其他商品")
    shop.discounts.round_off(on=True)
    shop.discounts.folds(None, "5", "", OWNER_PIN)
    shop.till.set_quantity(1, 0)
    shop.till.add_amount("40.05", "其他商品")
    assert shop.page.view().due_fen == 4_000


def test_a_discount_goes_with_its_line_and_comes_off_again(shop: Shop) -> None:
    shop.till.add_item("bun")
    shop.till.add_amount("2.00", "其他商品")
    shop.discounts.amount_off(1, "0.10", "", None)
    shop.discounts.folds(None, "9", "", None)
    shop.till.set_quantity(1, 0)
    assert [x.kind for x in shop.page.view().discounts] == ["basket"]
    assert shop.page.view().due_fen == 180
    shop.discounts.remove(None)
    assert (shop.page.view().due_fen, shop.page.view().discounts) == (200, ())


def test_no_discount_after_a_code_was_asked_about(shop: Shop) -> None:
    shop.till.add_amount("10.00", "其他商品")
    shop.pool.approve(100, 100)
    shop.till.scan(slot_text())
    shop.discounts.folds(None, "9", "", None)
    assert notice(shop) == NoticeCode.BASKET_LOCKED
    assert shop.page.view().due_fen == 1000


def test_what_comes_back_is_the_net_price_and_all_parts_are_the_whole(shop: Shop) -> None:
    shop.till.add_item("bun", 3000)
    shop.till.add_amount("10.00", "其他商品")
    shop.discounts.folds(None, "9", "", None)
    receipt = complete(shop).receipt_no
    backs = []
    for wanted in ({1: 1000}, {1: 1000}, {2: 1000}, {1: 1000}):
        shop.returns.refund(receipt, "坏了", wanted)
        refund = happenings(shop)[-1]
        assert isinstance(refund, SaleRefunded)
        backs.append(refund.payment.cash_fen)
    assert backs == [45, 45, 900, 45]
    figures = shift_of(shop.store.since_last_z()).figures
    assert (figures.sold_fen, figures.discount_fen) == (1035, 115)
    assert (figures.refunded_fen, figures.money_fen) == (1035, 0)


def test_a_whole_basket_may_be_given_away_and_then_nothing_is_to_pay(shop: Shop) -> None:
    shop.till.add_item("bun")
    shop.discounts.amount_off(1, "0.50", "有破损", OWNER_PIN)
    done = complete(shop)
    assert (done.total_fen, done.cash_fen, done.points) == (0, 0, 0)
    assert ("  折扣 有破损", "-0.50") in paper(shop, done.receipt_no)


def test_every_sale_begins_with_rounding_where_the_shop_says_so(tmp_path: Path) -> None:
    shop = Shop(tmp_path, rules=DiscountRules(rounding_step_fen=100, rounds_always=True))
    shop.take(policy(), Catalogue(version=1, made_at=NOON, items=ITEMS), directory())
    shop.till.start("test")
    for _ in range(2):
        shop.till.add_amount("7.18", "其他商品")
        assert (shop.page.view().due_fen, shop.page.view().points_possible) == (700, 70)
        shop.discounts.round_off(on=False)
        assert shop.page.view().due_fen == 718
        shop.discounts.round_off(on=True)
        assert complete(shop).cash_fen == 700
    shop.store.close()


@pytest.mark.parametrize(
    ("text", "rate_bp"),
    [("9", 1000), ("8.5", 1500), ("９", 1000), ("9折", 1000), ("0.1", 9900), ("10", None),
     ("0", None), ("", None), ("-9", None), ("95", None), ("8.55", None), (".5", None), ("x", None)],
)  # fmt: skip
def test_tenths_are_read_as_a_shop_says_them(text: str, rate_bp: int | None) -> None:
    assert rate_of_folds(text) == rate_bp
