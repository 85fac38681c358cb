"""A Z report is held against the books: equal, or told how they differ."""

import msgspec

from protocol.messages import OutcomeKind
from protocol.sales import Happening, RefundLine, TakingsDeclared
from protocol.shifts import ShiftClosed, ShiftOpened
from terminal.shifts.figures import shift_of
from tests.unit.server.bookkeeping import books
from tests.unit.server.world import START, TODAY, ZHANG, Till, World, money_line, refunded, sold

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
