"""Baskets that wait (挂单) and are taken up again (取单): on the disk, at today's prices, bounded."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from protocol.acts import Act, PersonActed
from protocol.documents import Catalogue, Item
from protocol.money import Fen
from protocol.sales import SaleCaptured, SaleReversed
from terminal.checkout.last_run import LastRunDesk, draft_of
from terminal.checkout.view import ParkedView
from terminal.domain.discounts import DiscountRules
from terminal.domain.last_run import Draft
from terminal.domain.notice import NoticeCode
from terminal.domain.parked import MAX_PARKED
from terminal.domain.staff import Role
from terminal.shifts.shifts import Counted
from tests.support.at_till import complete, happenings, notice
from tests.support.other_hand import OtherHand
from tests.support.shop import ITEMS, NOON, ZHANG, Shop, directory, policy, slot_text

OWNER_PIN = "7391"


def catalogue(*items: Item, version: int = 2) -> Catalogue:
    return Catalogue(version=version, made_at=NOON, items=items)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path, rules=DiscountRules(rounding_step_fen=10))
    made.take(policy(), catalogue(*ITEMS, version=1), directory())
    made.till.start("test")
    yield made
    made.store.close()


def waiting(shop: Shop) -> tuple[ParkedView, ...]:
    return shop.page.view().parked


def lines(shop: Shop) -> list[tuple[str, int, int]]:
    return [(x.name, x.quantity_milli, x.amount_fen) for x in shop.page.view().lines]


def figures(shop: Shop) -> dict[str, str | int]:
    shown = shop.page.view().notice
    assert shown is not None
    return shown.figures


def repriced(item_id: str, price_fen: int) -> tuple[Item, ...]:
    return tuple(replace(x, price_fen=price_fen) if x.item_id == item_id else x for x in ITEMS)


def without(item_id: str) -> tuple[Item, ...]:
    return tuple(x for x in ITEMS if x.item_id != item_id)


def park_buns(shop: Shop, count: int = 2) -> None:
    shop.till.add_item("bun", count * 1000)
    shop.till.parking.park()


def test_several_baskets_wait_through_crash_and_shift_and_are_sold_once(shop: Shop) -> None:
    shop.till.add_item("bun", 3000)
    shop.till.add_item("greens", 1300)
    shop.till.add_amount("10.00", "其他商品")
    shop.discounts.folds(None, "9", "老顾客", None)
    due_fen = shop.page.view().due_fen
    shop.till.parking.park()
    assert notice(shop) == "parked"
    assert lines(shop) == []
    shop.till.add_item("rice")
    shop.till.parking.park()
    first, second = waiting(shop)
    assert (first.number, first.items, first.due_fen) == (1, 3, due_fen)
    assert (first.goods, first.is_today) == (("馒头", "青菜", "其他商品"), True)
    assert (second.number, second.items, second.goods_points) == (2, 1, 15)

    shop.power_cut()
    shop.shifts.open(0)
    assert shop.shifts.close(1, Counted(0, {})).code.value == "shift_closed"
    shop.power_cut()
    assert waiting(shop) == (first, second)

    shop.till.parking.take_up(1)
    assert notice(shop) == "taken_up"
    assert shop.page.view().due_fen == due_fen
    assert [x.number for x in waiting(shop)] == [2]
    receipt_no = complete(shop).receipt_no
    shop.power_cut()
    assert [x.number for x in waiting(shop)] == [2]
    sold = [x for x in happenings(shop) if isinstance(x, SaleCaptured)]
    assert [(x.receipt_no, x.account) for x in sold] == [(receipt_no, None)]
    assert sum(line.amount_fen for line in sold[0].lines) == due_fen
    assert sold[0].discounts[0].reason == "老顾客"  # type: ignore[index]  # it is there


def test_what_was_taken_up_waits_again_after_a_power_cut_and_after_clearing(shop: Shop) -> None:
    park_buns(shop)
    shop.till.parking.take_up(1)
    assert waiting(shop) == ()
    shop.power_cut()
    assert [x.number for x in waiting(shop)] == [1]
    shop.till.parking.take_up(1)
    shop.till.clear()
    assert notice(shop) == "park_again"
    assert [x.number for x in waiting(shop)] == [1]
    shop.till.parking.take_up(1)
    shop.till.add_item("bun")
    shop.till.parking.park()  # under its number, as it is now
    assert [(x.number, x.due_fen) for x in waiting(shop)] == [(1, 150)]


def test_no_hold_on_points_stays_open_and_the_resident_is_not_kept(shop: Shop) -> None:
    shop.till.add_item("bun", 4000)
    shop.pool.approve(20, 100)
    shop.till.scan(slot_text())
    shop.till.parking.park()
    reversed_ = [x for x in happenings(shop) if isinstance(x, SaleReversed)]
    assert [x.sale_id for x in reversed_] == [shop.pool.asked[0].sale_id]
    shop.till.parking.take_up(1)
    view = shop.page.view()
    assert (view.state, view.payment.points if view.payment else None) == ("open", 0)
    assert shop.page.view().sale_id != str(shop.pool.asked[0].sale_id)
    with sqlite3.connect(shop.path / "terminal.db") as database:
        row = str(database.execute("SELECT * FROM parked_basket").fetchall())
    assert "bun" in row
    assert ZHANG not in row
    assert slot_text() not in row


def test_points_that_are_declined_leave_it_a_basket_that_was_taken_up(shop: Shop) -> None:
    park_buns(shop, 4)
    shop.till.parking.take_up(1)
    shop.pool.approve(20, 100)
    shop.till.scan(slot_text())
    shop.till.go_back()
    shop.till.clear()
    assert [x.number for x in waiting(shop)] == [1]
    shop.till.parking.take_up(1)
    shop.pool.approve(20, 100)
    shop.till.scan(slot_text())
    shop.till.clear()  # gives back the points, and the basket
    assert notice(shop) == "park_again"
    assert [x.number for x in waiting(shop)] == [1]
    assert sum(isinstance(x, SaleReversed) for x in happenings(shop)) == 2


def test_changed_prices_and_goods_that_are_gone_are_told(shop: Shop) -> None:
    shop.till.add_item("bun", 2000)
    shop.till.add_item("rice")
    shop.till.parking.park()
    shop.take(catalogue(*repriced("bun", 60)))
    shop.till.parking.take_up(1)
    assert notice(shop) == "taken_up_changed"
    assert figures(shop) == {"number": 1, "changes": "馒头 0.50→0.60"}
    assert lines(shop)[0] == ("馒头", 2000, 120)
    shop.till.parking.park()
    shop.take(catalogue(*without("rice"), version=3))
    shop.till.parking.take_up(1)
    assert notice(shop) == "taken_up_both"
    assert figures(shop)["gone"] == "大米"
    assert [x[0] for x in lines(shop)] == ["馒头"]


def test_goods_that_ran_out_meanwhile_are_left_out(shop: Shop) -> None:
    shop.till.add_item("rice", 2000)
    shop.till.add_item("bun")
    shop.till.parking.park()
    few = tuple(replace(x, stock=1) if x.item_id == "rice" else x for x in ITEMS)
    shop.take(catalogue(*few))
    shop.till.parking.take_up(1)
    assert notice(shop) == "taken_up_less"
    assert [x[0] for x in lines(shop)] == ["馒头"]


def test_a_basket_is_taken_up_onto_an_empty_desk_only(shop: Shop) -> None:
    park_buns(shop)
    shop.till.add_item("rice")
    shop.till.parking.take_up(1)
    assert notice(shop) == "park_first"
    assert [x[0] for x in lines(shop)] == ["大米"]
    shop.till.parking.take_up(7)
    assert notice(shop) == "park_unknown"


def test_they_are_bounded_and_the_one_on_the_desk_has_its_place(shop: Shop) -> None:
    for _ in range(MAX_PARKED):
        park_buns(shop)
    shop.till.add_item("bun")
    shop.till.parking.park()
    assert notice(shop) == "park_full"
    assert len(lines(shop)) == 1
    shop.till.clear()
    shop.till.parking.take_up(5)
    shop.till.parking.park()
    assert sorted(x.number for x in waiting(shop)) == list(range(1, MAX_PARKED + 1))


def test_nothing_is_parked_of_an_empty_desk_or_a_finished_sale(shop: Shop) -> None:
    shop.till.parking.park()
    assert notice(shop) == "park_empty"
    shop.till.add_item("bun")
    complete(shop)
    shop.till.parking.park()
    assert (notice(shop), waiting(shop)) == ("park_empty", ())


def test_deleting_needs_a_reason_and_is_in_the_journal(shop: Shop) -> None:
    shop.staff.add("老板", Role.OWNER, OWNER_PIN, None)
    shop.staff.sign_in("老板", OWNER_PIN)
    park_buns(shop)
    assert waiting(shop)[0].parked_by == "老板"
    shop.till.parking.delete(1, "  ")
    assert notice(shop) == "park_reason"
    assert len(waiting(shop)) == 1
    shop.till.parking.delete(1, "居民不来了")
    assert (notice(shop), waiting(shop)) == ("park_deleted", ())
    acts = [x for x in happenings(shop) if isinstance(x, PersonActed)]
    assert acts[-1] == PersonActed(
        act=Act.BASKET_DELETED,
        about="1: 1 / 100 fen + 0",
        person="老板",
        reason="居民不来了",
    )
    shop.power_cut()
    assert waiting(shop) == ()


def test_a_till_that_is_stopped_puts_nothing_aside(shop: Shop) -> None:
    shop.till.add_item("bun")
    shop.till.stop_selling()
    shop.till.parking.park()
    assert (notice(shop), waiting(shop)) == ("stopped", ())


def test_a_basket_emptied_line_by_line_waits_again_whatever_is_sold_next(shop: Shop) -> None:
    park_buns(shop, 2)
    park_buns(shop, 3)
    shop.till.parking.take_up(1)
    shop.till.set_quantity(1, 0)
    assert notice(shop) == "park_again"
    assert [each.number for each in waiting(shop)] == [1, 2]
    shop.till.parking.take_up(2)
    assert lines(shop)[0][:2] == ("馒头", 3000)
    assert [each.number for each in waiting(shop)] == [1]
    shop.till.set_quantity(1, 0)
    shop.till.add_amount("1.00", "其他商品")
    assert complete(shop).cash_fen == 100
    assert [each.number for each in waiting(shop)] == [1, 2]


def test_after_a_power_cut_a_taken_up_basket_waits_and_is_not_offered_again(shop: Shop) -> None:
    park_buns(shop)
    shop.till.parking.take_up(1)
    kept = draft_of(shop.till.snapshot()[0])
    assert (kept.lines, kept.taken_up) == ((), 1)
    shop.till.clear()
    shop.till.add_item("bun")
    kept = draft_of(shop.till.snapshot()[0])
    assert (len(kept.lines), kept.taken_up) == (1, None)


def test_goods_with_a_price_label_keep_their_category_over_a_power_cut(shop: Shop) -> None:
    shop.till.editing.put_amount(Fen(1_234), "散装烟", "烟")
    (line,) = draft_of(shop.till.snapshot()[0]).lines
    assert (line.price_fen, line.category) == (1_234, "烟")


def test_what_comes_back_after_a_stop_comes_into_no_other_basket(shop: Shop) -> None:
    """Another page takes up a waiting basket at the first moment at which the desk is free."""
    shop.till.add_item("bun", 2_000)
    shop.till.parking.park()
    shop.till.add_item("greens", 1_000)

    class Kept:
        draft = draft_of(shop.till.snapshot()[0])

        def read(self) -> Draft:
            return self.draft

        def keep(self, _draft: Draft) -> None:
            pytest.fail("nothing is kept here")

    shop.power_cut()
    last_run = LastRunDesk(shop.store, shop.clock, Kept())
    last_run.look()
    other = OtherHand(shop.till.desk.lock, lambda: shop.till.parking.take_up(1))
    shop.till.desk.lock = other  # type: ignore[assignment]  # stands for two threads
    last_run.put_back(shop.till)
    lines = shop.till.snapshot()[0].basket.lines
    assert ([x.name for x in lines], notice(shop)) == (["青菜"], NoticeCode.PARK_FIRST)
