"""What moved neither points nor money is on a statement too: on one, as a line and as goods."""

from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest
from sqlalchemy import Engine

from protocol.sales import AnsweredBy, Payment, RefundLine, SaleCaptured, SaleLine, SaleRefunded
from server.bootstrap.desk import make_desk
from server.commands.audit import run_audit
from server.db import reading
from server.directory.commands import AddItem
from server.redemption.parked import BookParked, ParkedBooked
from server.settlement.document import StatementDocument
from tests.unit.settlement.real_world import RealWorld

MORNING = datetime(2026, 3, 2, 2, tzinfo=UTC)
FIRST = date(2026, 3, 2)
SHOP = "dian"


@pytest.fixture
def world(engine: Engine) -> RealWorld:
    made = RealWorld(engine, "guanghui", now=MORNING)
    made.open_merchant(SHOP, "广惠小店")
    made.award(5)
    return made


def free_sale(world: RealWorld, line: SaleLine, day: date | None = None) -> SaleCaptured:
    """A basket that asks nobody for anything."""
    till = world.tills[SHOP]
    till.receipts += 1
    sale = SaleCaptured(
        sale_id=world.new_id(),
        receipt_no=f"{till.terminal}-{till.receipts:04d}",
        business_date=day or world.day,
        lines=(line,),
        payment=Payment(),
        answered_by=AnsweredBy.NOBODY,
    )
    world.happened(SHOP, sale)
    return sale


def give_back(world: RealWorld, sale: SaleCaptured, line_no: int = 1) -> SaleRefunded:
    till = world.tills[SHOP]
    till.receipts += 1
    line = RefundLine(line_no=line_no, quantity_milli=1_000, amount_fen=0, amount_points=0)
    refund = SaleRefunded(
        refund_id=world.new_id(),
        sale_id=sale.sale_id,
        receipt_no=f"{till.terminal}-{till.receipts:04d}",
        business_date=world.day,
        lines=(line,),
        payment=Payment(),
        account=sale.account,
    )
    world.happened(SHOP, refund)
    return refund


def settled(world: RealWorld) -> StatementDocument:
    """The statement through today, made the day after."""
    day = world.day
    world.now += timedelta(days=1)
    world.run(day)
    with reading(world.engine) as tx:
        found = run_audit(tx, world.pool, make_desk)
    assert {each.invariant: each.violations for each in found if each.broken} == {}
    return world.document(f"{SHOP}-{day:%Y%m%d}")


def goods(made: StatementDocument) -> dict[str, int]:
    return {each.item_id: each.units_milli for each in made.goods}


def test_a_basket_of_free_goods_is_a_line_at_nothing_that_counts_its_goods(
    world: RealWorld,
) -> None:
    sale = free_sale(world, world.line("blood-pressure"))
    made = settled(world)
    (line,) = made.lines
    assert (line.key, line.kind, line.receipt_no) == (f"sale:{sale.sale_id}", "sale", "t-dian-0001")
    assert (line.terminal, line.epoch, line.seq, line.entry_no) == ("t-dian", 1, 1, 0)
    assert (line.points, line.takings_fen, line.reimbursement_fen, line.share_fen) == (0, 0, 0, 0)
    assert (made.free_count, made.sales_count, made.net_fen) == (1, 0, 0)
    assert goods(made) == {"blood-pressure": 1_000}


def test_it_stands_between_what_was_booked_before_and_after_it(world: RealWorld) -> None:
    paid = world.stall_sale(SHOP, world.amount("杂货", 500))
    free = free_sale(world, world.line("blood-pressure"))
    last = world.stall_sale(SHOP, world.amount("杂货", 700))
    made = settled(world)
    keys = [f"sale:{each.sale_id}" for each in (paid, free, last)]
    assert [(each.line_no, each.key) for each in made.lines] == list(enumerate(keys, start=1))
    assert (made.free_count, made.sales_count, made.takings_fen) == (1, 2, 1_200)


def test_one_told_late_and_one_given_back_are_on_the_next_statement(world: RealWorld) -> None:
    first = free_sale(world, world.line("blood-pressure"))
    before = settled(world)
    free_sale(world, world.line("blood-pressure"), day=FIRST)
    give_back(world, first)
    made = settled(world)
    assert [(each.kind, each.late) for each in made.lines] == [("sale", True), ("refund", False)]
    assert goods(made) == {"blood-pressure": 0}  # one went out, one came back
    assert world.document(before.statement) == before


def test_a_free_line_that_comes_back_from_a_paid_basket_is_a_refund_of_nothing(
    world: RealWorld,
) -> None:
    both = (world.line("massage"), world.line("blood-pressure", line_no=2))
    sale = world.asked_sale(SHOP, *both, points=380)
    refund = give_back(world, sale, line_no=2)
    made = settled(world)
    assert [each.key for each in made.lines] == [
        f"sale:{sale.sale_id}",
        f"refund:{refund.refund_id}",
    ]
    assert goods(made) == {"massage": 1_000, "blood-pressure": 0}
    assert (made.redeemed_points, made.returned_points, made.free_count) == (380, 0, 0)


def test_one_that_was_parked_is_on_the_statement_after_it_was_booked(world: RealWorld) -> None:
    line = msgspec.structs.replace(
        world.line("blood-pressure"),
        item_id="eye-test",
        name="测视力",
        unit_price_fen=None,
        unit_price_points=0,
    )
    sale = free_sale(world, line)  # the catalogue has no such item yet
    assert settled(world).lines == ()
    world.tell(
        AddItem(
            item_id="eye-test",
            name="测视力",
            name_en="Eye test",
            category=line.category,
            unit="次",
            price_points=0,
        )
    )
    booked = world.tell(BookParked(terminal="t-dian", epoch=1, seq=1, reason="目录已补"))
    assert isinstance(booked, ParkedBooked)
    made = settled(world)
    assert [(each.key, each.late) for each in made.lines] == [(f"sale:{sale.sale_id}", True)]
