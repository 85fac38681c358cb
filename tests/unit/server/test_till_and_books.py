"""A real till and a real server: whatever is sold for money, for points or for both, discounted,
voided, refunded and cut off, the Z reports together, the journal and the books say the same.
"""

import random
from pathlib import Path

import pytest
from sqlalchemy import func, select

from protocol.money import price_of
from protocol.sales import Payment, SaleCaptured, SaleRefunded
from protocol.shifts import ShiftClosed
from server.bootstrap.desk import make_desk
from server.commands.audit import run_audit
from server.db import reading
from server.directory.commands import AddItem
from server.redemption import tables as t
from terminal.domain.discounts import DiscountRules
from terminal.shifts.shifts import Counted
from tests.support.pool_till import PoolTill, pass_time, till_of
from tests.unit.server.world import ZHANG, World

CHOICES = 70
SOAP = AddItem(
    item_id="soap",
    name="香皂",
    name_en="Soap",
    category="日用品",
    unit="块",
    price_points=7,
    reimbursement_fen=55,
)
DRUM = AddItem(
    item_id="oil-drum",
    name="桶装油",
    name_en="Drum of oil",
    category="食品",
    unit="桶",
    price_fen=1_250,
    price_points=20,
    reimbursement_fen=180,
    both_due=True,
)
"""Goods for points, and goods for money and points together."""


class Cashier:
    """Presses something, as chance has it."""

    def __init__(self, shop: PoolTill, chance: random.Random) -> None:
        self.shop = shop
        self.chance = chance

    def press(self) -> None:
        presses = (
            *[self.add] * 6,
            self.add_for_points,
            *[self.buy_for_points] * 3,
            self.change,
            *[self.take_off] * 2,
            *[self.show] * 3,
            *[self.complete] * 5,
            *[self.give_back] * 3,
            self.clear,
            self.cut_power,
            self.lose_network,
            self.close_shift,
        )
        self.chance.choice(presses)()
        pass_time(self.shop.world, self.shop, seconds=7)

    def add(self) -> None:
        self.shop.till.add_amount(self.yuan(30), "菜")

    def add_for_points(self) -> None:
        self.shop.till.add_item(self.chance.choice([SOAP, DRUM]).item_id)

    def buy_for_points(self) -> None:
        """A customer who comes for it: goods for points, often with some for money."""
        self.shop.till.clear()
        for _ in range(self.chance.randint(1, 3)):
            self.add_for_points()
        if self.chance.random() < 0.5:
            self.add()
        self.show()
        self.complete()

    def change(self) -> None:
        for line in self.shop.till.snapshot()[0].basket.lines[:1]:
            self.shop.till.set_quantity(line.line_no, self.chance.randint(0, 4) * 1000)

    def take_off(self) -> None:
        lines = self.shop.till.snapshot()[0].basket.lines
        of = self.chance.choice([None, *(x.line_no for x in lines)])
        how = self.chance.randint(0, 2)
        if how == 0:
            self.shop.discounts.amount_off(of, self.yuan(3), "老顾客", None)
        elif how == 1:
            self.shop.discounts.folds(of, self.chance.choice(["9", "8.5", "9.9", "8"]), "", None)
        else:
            self.shop.discounts.round_off(on=self.chance.random() < 0.7)

    def show(self) -> None:
        self.shop.show_slot()
        most = self.shop.till.snapshot()[0].points_chosen
        self.shop.till.choose_points(self.chance.randint(0, most))

    def complete(self) -> None:
        self.shop.till.complete(self.shop.till.snapshot()[0].sale_id)

    def give_back(self) -> None:
        sold = [x.row.receipt_no for x in self.shop.store.recent_sales(5)]
        receipt_no = self.chance.choice(sold) if sold else None
        if receipt_no is not None and self.chance.random() < 0.3:
            self.shop.returns.refund(receipt_no, "拿错了")
        elif receipt_no is not None:
            self.refund_a_part(receipt_no)

    def clear(self) -> None:
        self.shop.till.clear()

    def cut_power(self) -> None:
        self.shop.power_cut()

    def lose_network(self) -> None:
        self.shop.line.reachable = not self.shop.line.reachable

    def close_shift(self) -> None:
        """In the middle of the day, now and then: what comes back after it is in the next one."""
        if self.chance.random() < 0.5:
            self.shop.till.clear()
            self.shop.shifts.close(self.shop.shifts.next_z_no(), Counted(None, {}))

    def yuan(self, most: int) -> str:
        return f"{self.chance.randint(0, most)}.{self.chance.randint(1, 99):02d}"

    def refund_a_part(self, receipt_no: str) -> None:
        found = self.shop.store.captured(receipt_no)
        assert found is not None
        line = self.chance.choice(found[1].lines)
        milli = self.chance.randint(1, line.quantity_milli // 1000) * 1000
        self.shop.returns.refund(receipt_no, "坏了", {line.line_no: milli})


def sold_and_back(shop: PoolTill) -> tuple[list[SaleCaptured], list[SaleRefunded]]:
    records = shop.records()
    sales = [x for x in records if isinstance(x, SaleCaptured)]
    return sales, [x for x in records if isinstance(x, SaleRefunded)]


def no_line_is_below_zero_or_above_its_sale(shop: PoolTill) -> None:
    sales, refunds = sold_and_back(shop)
    for sale in sales:
        back = [x for x in refunds if x.sale_id == sale.sale_id]
        for line in sale.lines:
            for what in ("amount_fen", "amount_points", "quantity_milli"):
                of_line = [y for x in back for y in x.lines if y.line_no == line.line_no]
                returned = [getattr(each, what) for each in of_line]
                assert min([getattr(line, what), *returned]) >= 0
                assert sum(returned) <= getattr(line, what)
        for part in Payment.__struct_fields__:
            given = [getattr(x.payment, part) for x in back]
            assert min([0, *given]) >= 0
            assert sum(given) <= getattr(sale.payment, part)


def due_to_the_shop(sales: list[SaleCaptured], refunds: list[SaleRefunded]) -> int:
    """Fen that the pool owes, from the terminal's own words: 10 fen a point that paid money, and
    of goods for points what the catalogue says of them.
    """
    sold = {x.sale_id: x for x in sales}
    fen = 0
    for x in sales:
        for line in x.lines:
            if line.unit_price_points is not None:
                fen += price_of(line.reimbursement_fen, line.quantity_milli)
        fen += x.payment.points_for_money * 10
    for back in refunds:
        lines = {line.line_no: line for line in sold[back.sale_id].lines}
        for part in back.lines:
            line = lines[part.line_no]
            if line.unit_price_points is not None:
                fen -= price_of(line.reimbursement_fen, part.quantity_milli)
        fen -= back.payment.points_for_money * 10
    return fen


@pytest.mark.parametrize("seed", range(8))
def test_z_report_journal_and_books_say_the_same(world: World, tmp_path: Path, seed: int) -> None:
    world.award(ZHANG, *["river-patrol"] * 20)
    for each in (SOAP, DRUM):
        world.do(each)
    with till_of(world, tmp_path, rules=DiscountRules(rounding_step_fen=10)) as shop:
        whatever_is_pressed_all_say_the_same(world, shop, random.Random(seed))


def whatever_is_pressed_all_say_the_same(
    world: World, shop: PoolTill, chance: random.Random
) -> None:
    cashier = Cashier(shop, chance)
    for _ in range(CHOICES):
        cashier.press()
    shop.till.clear()
    shop.line.reachable = True
    shop.shifts.close(shop.shifts.next_z_no(), Counted(None, {}))
    shop.sync()
    assert shop.store.untold() == 0

    sales, refunds = sold_and_back(shop)
    assert [x for x in sales if x.payment.points_for_goods]
    assert [x for x in sales if not x.payment.points_for_goods]
    closed = [x for x in shop.records() if isinstance(x, ShiftClosed)]
    assert [z.z_no for z in closed] == list(range(1, len(closed) + 1))
    z = [x.figures for x in closed]
    cash = sum(x.payment.cash_fen for x in sales) - sum(x.payment.cash_fen for x in refunds)
    used = sum(x.payment.points for x in sales) - sum(x.payment.points for x in refunds)
    assert sum(x.sales for x in z) == len(sales)
    assert sum(x.refunds + x.voids for x in z) == len(refunds)
    assert sum(x.sold_fen for x in z) == sum(y.amount_fen for x in sales for y in x.lines)
    assert sum(x.sold_points for x in z) == sum(y.amount_points for x in sales for y in x.lines)
    assert sum(x.discount_fen or 0 for x in z) == sum(
        y.discount_fen or 0 for x in sales for y in x.lines
    )
    assert sum(x.money_fen for x in z) == cash
    assert sum(x.points_used - x.points_returned for x in z) == used
    outcomes = world.read(
        lambda tx: tx.execute(
            select(t.journal_record.c.outcome, func.count()).group_by(t.journal_record.c.outcome)
        ).all()
    )
    assert {x.outcome for x in outcomes} <= {"posted", "overdraft"}, outcomes
    assert world.fen("takings:shop-a") == cash
    assert world.points("redeemed:shop-a") - world.points("returned:shop-a") == used
    assert world.fen("merchant:shop-a") == due_to_the_shop(sales, refunds)
    no_line_is_below_zero_or_above_its_sale(shop)
    with reading(world.engine) as tx:
        found = run_audit(tx, world.pool, make_desk)
    assert {x.invariant: x.violations for x in found if x.violations} == {}
