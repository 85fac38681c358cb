"""A Z report is held against the books: equal, or told how they differ."""

import msgspec

from protocol.messages import OutcomeKind, RecordOutcome
from protocol.sales import Happening, RefundLine, TakingsDeclared
from protocol.shifts import ShiftClosed, ShiftOpened
from server.directory.commands import AddItem
from server.facts import Outcome
from server.redemption import BookParked
from server.redemption.parked import ParkedBooked
from terminal.shifts.figures import shift_of
from tests.unit.server.bookkeeping import books
from tests.unit.server.world import (
    START,
    TODAY,
    ZHANG,
    Till,
    World,
    money_line,
    points_line,
    refunded,
    sold,
)

BUNS = money_line("馒头", 50, 5_000, line_no=1)


def z_of(z_no: int, happenings: list[Happening]) -> tuple[ShiftClosed, TakingsDeclared]:
    """What a terminal closes these happenings with, by its own fold of them."""
    shift = shift_of((each, START) for each in happenings)
    closed = ShiftClosed(
        z_no=z_no,
        business_date=TODAY,
        opened_at=START,
        float_fen=shift.float_fen,
        figures=shift.figures,
        tenders_fen={"cash": shift.figures.money_fen},
        expected_cash_fen=shift.float_fen + shift.figures.money_fen,
        counted_cash_fen=None,
        previous_hash="",
    )
    declared = TakingsDeclared(
        z_no=z_no,
        business_date=TODAY,
        takings_fen=closed.tenders_fen,
        counted_fen=shift.figures.money_fen,
        against_counted=True,
    )
    return closed, declared


def test_z_totals_are_the_journal_and_the_ledger(world: World, till: Till) -> None:
    world.award(ZHANG, "river-patrol")
    one, two = sold(world, BUNS, points=15), sold(world, BUNS)
    back = RefundLine(line_no=1, quantity_milli=2_000, amount_fen=100, amount_points=0)
    first: list[Happening] = [
        ShiftOpened(business_date=TODAY, float_fen=10_000),
        one,
        two,
        refunded(world, one, back, points_for_money=10),
    ]
    second: list[Happening] = [sold(world, BUNS), refunded(world, two, back, cash_fen=100)]
    for z_no, shift in enumerate((first, second), 1):
        till.tell(*shift)
        outcomes = till.tell(*z_of(z_no, shift))
        assert [(x.outcome, x.says) for x in outcomes] == [(OutcomeKind.POSTED, "")] * 2
    figures = [z_of(1, first)[0].figures, z_of(2, second)[0].figures]
    assert sum(x.money_fen for x in figures) == books(world).takings_fen == 500
    used = sum(x.points_used for x in figures)
    returned = sum(x.points_returned for x in figures)
    assert used == world.points("redeemed:shop-a")
    assert returned == world.points("returned:shop-a")


def test_a_z_report_that_differs_from_the_books_is_told_so(world: World, till: Till) -> None:
    sale = sold(world, BUNS)
    till.tell(sale)
    closed, _ = z_of(1, [sale])
    wrong = msgspec.structs.replace(
        closed, figures=msgspec.structs.replace(closed.figures, sales=2, money_fen=300)
    )
    outcome = till.outcome(wrong)
    assert outcome.outcome is OutcomeKind.POSTED
    assert "销售笔数 报 2，账上 1" in outcome.says
    assert "收款 报 3.00 元，账上 2.50 元" in outcome.says


def test_a_z_report_that_comes_again_with_other_money_names_both(world: World, till: Till) -> None:
    sale = sold(world, BUNS)
    closed, declared = z_of(1, [sale])
    till.tell(sale, closed, declared)
    again, other = till.tell(
        declared, msgspec.structs.replace(declared, takings_fen={"cash": 999}, counted_fen=250)
    )
    assert again.outcome is OutcomeKind.DUPLICATE
    assert other.outcome is OutcomeKind.PARKED
    assert "Z 报表 1 已用于另一笔" in other.says
    assert "2.50 元" in other.says
    assert "9.99 元" in other.says
    assert world.fen("takings:shop-a") == 250


def add_vinegar(world: World) -> None:
    """What was in the way of a sale of vinegar for points is gone."""
    world.do(
        AddItem(
            item_id="vinegar",
            name="食醋",
            name_en="Vinegar",
            category="食品",
            unit="瓶",
            price_points=4,
            reimbursement_fen=800,
        )
    )


def book_parked(world: World, seq: int) -> Outcome:
    return world.submit(BookParked(terminal="t-1", epoch=1, seq=seq, reason="商品已补录"))


def kinds(outcomes: list[RecordOutcome]) -> list[OutcomeKind]:
    return [each.outcome for each in outcomes]


def test_a_parked_sales_money_is_not_taken_twice_when_it_is_booked_after_the_z_report(
    counter: World,
) -> None:
    till = counter.till()
    mixed = sold(
        counter, points_line("vinegar", 4, 800), money_line("米", 3_000, line_no=2), points=4
    )
    plain = sold(counter, money_line("面", 7_000))
    assert kinds(till.tell(mixed, plain)) == [OutcomeKind.PARKED, OutcomeKind.POSTED]
    closed, declared = till.tell(*z_of(1, [mixed, plain]))
    assert "收款 报 100.00 元，账上 70.00 元" in closed.says
    assert declared.outcome is OutcomeKind.POSTED
    assert counter.fen("takings:shop-a") == 7_000
    add_vinegar(counter)
    assert isinstance(book_parked(counter, 1), ParkedBooked)
    assert counter.fen("takings:shop-a") == 10_000


def test_a_shop_whose_till_is_elsewhere_is_booked_what_it_took_beyond_its_terminal(
    counter: World,
) -> None:
    till = counter.till()
    mixed = sold(
        counter, points_line("vinegar", 4, 800), money_line("米", 3_000, line_no=2), points=4
    )
    plain = sold(counter, money_line("面", 7_000))
    till.tell(mixed, plain)
    closed, declared = z_of(1, [mixed, plain])
    elsewhere = msgspec.structs.replace(declared, takings_fen={"cash": 20_000, "wechat": 5_000})
    till.tell(closed, elsewhere)
    assert counter.fen("takings:shop-a") == 7_000 + 15_000
    add_vinegar(counter)
    assert isinstance(book_parked(counter, 1), ParkedBooked)
    assert counter.fen("takings:shop-a") == 25_000


def test_a_declaration_from_before_is_booked_as_it_was_then(world: World, till: Till) -> None:
    sale = sold(world, BUNS)
    till.tell(sale)
    _, declared = z_of(1, [sale, sale])
    old = msgspec.structs.replace(declared, against_counted=msgspec.UNSET)
    assert b"against_counted" not in msgspec.json.encode(old)
    till.tell(old)
    assert world.fen("takings:shop-a") == 500


def test_a_void_whose_sale_was_parked_is_booked_after_the_z_report(counter: World) -> None:
    counter.award(ZHANG, "early-fire", "haircut")
    till = counter.till()
    before = counter.points(f"resident:{ZHANG}")
    sale = sold(counter, points_line("vinegar", 4, 800), points=4)
    back = RefundLine(line_no=1, quantity_milli=1_000, amount_fen=0, amount_points=4)
    void = msgspec.structs.replace(refunded(counter, sale, back, points_for_goods=4), void=True)
    outcomes = till.tell(sale, void, *z_of(1, [sale, void]))
    assert kinds(outcomes)[:2] == [OutcomeKind.PARKED] * 2
    add_vinegar(counter)
    for seq in (1, 2):
        assert isinstance(book_parked(counter, seq), ParkedBooked)
    assert counter.points(f"resident:{ZHANG}") == before
    assert counter.fen("merchant:shop-a") == 0


def test_a_void_after_the_z_report_is_still_parked_when_a_person_looks(
    world: World, till: Till
) -> None:
    sale = sold(world, BUNS)
    back = RefundLine(line_no=1, quantity_milli=5_000, amount_fen=250, amount_points=0)
    void = msgspec.structs.replace(refunded(world, sale, back, cash_fen=250), void=True)
    outcomes = till.tell(sale, *z_of(1, [sale]), void)
    assert kinds(outcomes)[-1] is OutcomeKind.PARKED
    assert not isinstance(book_parked(world, 4), ParkedBooked)
