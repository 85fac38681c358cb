"""Goods at "5 yuan and 20 points" at the till: what its papers and pages say of both parts."""

import msgspec
import pytest

from drivers.document import document_from_json, to_plain_text
from protocol.documents import Catalogue, Item
from terminal.domain.notice import NoticeCode
from terminal.domain.own_goods import may_be_repriced
from tests.support.shop import ITEMS, NOON, Shop, slot_text

FLASK = Item(
    item_id="flask", name="保温壶", name_en="Flask", category="礼品", unit="个", stock=3,
    price_fen=500, price_points=20, reimbursement_fen=1_200, both_due=True,
)  # fmt: skip
EITHER = Item(
    item_id="towel", name="毛巾", name_en="Towel", category="礼品", unit="条",
    price_fen=300, price_points=30, reimbursement_fen=250,
)  # fmt: skip


@pytest.fixture
def stocked(shop: Shop) -> Shop:
    shop.take(Catalogue(version=9, made_at=NOON, items=(*ITEMS, FLASK, EITHER)))
    return shop


def newest_paper(shop: Shop) -> list[str]:
    with shop.store.reading() as connection:
        found = connection.exec_driver_sql("select document from print_job order by job_no")
        paper = found.scalars().all()[-1]
    return [
        " ".join(line.split()) for line in to_plain_text(document_from_json(paper), 48).split("\n")
    ]


def sell_two(shop: Shop) -> str:
    shop.till.add_item("flask", 2_000)
    shop.pool.approve(40, 100)
    shop.till.scan(slot_text())
    shop.till.complete(shop.till.snapshot()[0].sale_id)
    completed = shop.page.view().completed
    assert completed is not None
    assert (completed.points, completed.cash_fen) == (40, 1_000)
    return completed.receipt_no


def test_the_receipt_multiplies_and_adds_up_in_both(stocked: Shop) -> None:
    receipt_no = sell_two(stocked)
    paper = newest_paper(stocked)
    assert "2个 × 5.00 + 20积分 10.00 + 40积分" in paper
    assert "合计 10.00 元" in paper
    assert "积分兑换 40积分" in paper
    assert any("10.00" in line and "还需付" in line for line in paper)
    asked = stocked.pool.asked[-1]
    assert asked.required_points == 40, "without these points there is no sale"
    assert asked.optional_points == 0, "and points pay nothing of its money"
    stocked.returns.refund(receipt_no, "坏了", {1: 1_000})
    paper = newest_paper(stocked)
    assert "保温壶 5.00 + 20积分" in paper
    assert "退回积分 20积分" in paper
    assert any("5.00" in line and "退" in line for line in paper)


def test_no_till_sells_more_of_it_than_there_is(stocked: Shop) -> None:
    stocked.till.add_item("flask", 4_000)
    assert stocked.page.view().lines == ()


def test_an_item_with_either_price_is_sold_for_money(stocked: Shop) -> None:
    stocked.till.add_item("towel")
    view = stocked.page.view()
    (line,) = view.lines
    assert view.points_possible == 30, "and points pay it at the pool's rate"
    assert (line.unit_price_fen, line.unit_price_points) == (300, None)


def test_the_pool_sets_both_parts(stocked: Shop) -> None:
    assert not may_be_repriced(FLASK)
    assert may_be_repriced(EITHER)


def test_a_parked_basket_says_that_its_points_were_changed(stocked: Shop) -> None:
    stocked.till.add_item("flask")
    stocked.till.parking.park()
    dearer = msgspec.structs.replace(FLASK, price_points=25)
    stocked.take(Catalogue(version=10, made_at=NOON, items=(*ITEMS, dearer)))
    stocked.till.parking.take_up(1)
    notice = stocked.page.view().notice
    assert notice is not None
    assert (notice.code, notice.figures["changes"]) == (
        NoticeCode.TAKEN_UP_CHANGED,
        "保温壶 5.00+20→5.00+25",
    )
