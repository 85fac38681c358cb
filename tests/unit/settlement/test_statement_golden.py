"""A statement with everything on it, kept as a file that was worked out by hand."""

import json
from datetime import UTC, date, datetime
from pathlib import Path

import msgspec

from protocol.sales import Fulfilment, SaleLine, TakingsDeclared
from server.bootstrap.desk import make_desk
from server.commands.audit import run_audit
from server.db import create_all, metadata, open_engine, reading
from server.directory.commands import AddItem, AgreeTerms
from server.directory.contract_terms import Basis, ContractTerms, ShareRule
from server.facts import Refusal
from server.redemption import FulfilOrder
from server.redemption.orders import order_id_of
from server.settlement.disputes_store import disputes_of_statement
from server.settlement.disputes_values import (
    ApproveAdjustment,
    ProposeAdjustment,
    RaiseDispute,
)
from server.settlement.document_values import StatementDocument
from server.settlement.payments_values import (
    ApprovePayment,
    Direction,
    ProposePayment,
    RecordPaid,
)
from server.settlement.states_values import ConfirmStatement
from tests.support.golden import check
from tests.unit.audit.pool_world import RESIDENT
from tests.unit.settlement.real_world import RealWorld

LIU = "00000000000000b2"
LI, WU = "operator:li", "operator:wu"
OLD = ContractTerms(share=(ShareRule(tiers=((0, 300), (100_000, 500))),), rent_fen=120_000)
NEW = ContractTerms(
    share=(
        ShareRule(category="药品", basis=Basis.ALL, tiers=((0, 800),)),
        ShareRule(tiers=((0, 600),)),
    ),
    rent_fen=150_000,
    share_min_fen=20_000,
    fees={"category:券": 1_500},
)


VOUCHERS = SaleLine(
    line_no=1,
    item_id="haircut-voucher",
    barcode=None,
    name="理发券",
    category="券",
    quantity_milli=2_000,
    unit="张",
    unit_price_points=20,
    amount_points=40,
    fulfilment=Fulfilment.VOUCHER,
)


def at(day: int) -> datetime:
    return datetime(2026, 3, day, 7, tzinfo=UTC)


def told(world: RealWorld, actor: str, command: msgspec.Struct) -> None:
    outcome = world.by(actor, command)
    assert not isinstance(outcome, Refusal), outcome


def first_period(world: RealWorld) -> None:
    """2 to 8 March: sold for 900.00 in cash and 100 points; disputed, adjusted, partly paid."""
    world.open_merchant("dian", "广惠小店一号", contract=False)
    for name, terms, first, last in (("c-1", OLD, 2, 15), ("c-2", NEW, 16, None)):
        until = date(2026, 3, last) if last else None
        world.tell(
            AgreeTerms(
                contract=name,
                merchant="dian",
                valid_from=date(2026, 3, first),
                valid_until=until,
                terms=terms,
            )
        )
    world.register(LIU, "binhe")
    world.give(LIU, 1_000)
    world.now = at(4)
    world.stall_sale("dian", world.amount("菜", 90_000))
    world.stall_sale("dian", world.amount("菜", 1_000), account=LIU, points=100)
    world.now = at(9)
    world.run(date(2026, 3, 8))
    statement = "dian-20260308"
    told(
        world,
        LI,
        RaiseDispute(dispute="d-1", statement=statement, reason="有一笔记错", on_behalf="电话"),
    )
    told(world, WU, ProposeAdjustment(dispute="d-1", amount_fen=500, reason="多算了五元"))
    told(world, LI, ApproveAdjustment(dispute="d-1", amount_fen=500))
    told(world, LI, ConfirmStatement(statement=statement, on_behalf="电话确认"))
    pay = ProposePayment(
        payment="p-1", statement=statement, direction=Direction.RECEIVE, amount_fen=20_000
    )
    told(world, LI, pay)
    told(world, WU, ApprovePayment(payment="p-1"))
    told(world, LI, RecordPaid(payment="p-1", bank_ref="BANK-0001", paid_on=date(2026, 3, 9)))


def second_period(world: RealWorld) -> None:
    """9 to 31 March: over the tier, a late fact, another contract, a part refund, a Z report, two
    vouchers of which one is used, and a blood pressure that costs nothing.
    """
    world.now = at(12)
    world.stall_sale("dian", world.amount("菜", 30_000))
    world.now = at(5)
    world.stall_sale("dian", world.amount("迟到的菜", 5_000))
    world.now = at(20)
    bought = world.stall_sale(
        "dian", world.amount("膏药", 2_500, category="药品"), account=LIU, points=100
    )
    world.stall_sale("dian", world.amount("菜", 10_000))
    world.now = at(25)
    world.give_back("dian", bought, 250, 100)
    world.happened(
        "dian",
        TakingsDeclared(
            z_no=1, business_date=date(2026, 3, 25), takings_fen={"cash": 150_000}, counted_fen=0
        ),
    )
    world.now = at(26)
    world.give(RESIDENT, 40)
    world.tell(
        AddItem(
            item_id="haircut-voucher",
            name="理发券",
            name_en="Haircut voucher",
            category="券",
            unit="张",
            price_points=20,
            fulfilment=Fulfilment.VOUCHER,
        )
    )
    sold = world.asked_sale("dian", VOUCHERS, points=40)
    world.tell(
        FulfilOrder(
            fulfilment_id="f-1",
            order_id=order_id_of(sold.sale_id, 1),
            provider="dian",
            units_milli=1_000,
            business_date=date(2026, 3, 26),
            confirmed_by="电话回访",
        )
    )
    world.stall_sale("dian", world.amount("测血压", 0))
    world.now = datetime(2026, 4, 1, 7, tzinfo=UTC)
    world.run(date(2026, 3, 31))


def dispute_every_line(world: RealWorld, made: StatementDocument) -> None:
    """Each alone and with its own reason: whatever its kind, and whether it moved anything."""
    for line in made.lines:
        dispute = RaiseDispute(
            dispute=f"line-{line.line_no}",
            statement=made.statement,
            line=line.key,
            reason=f"第 {line.line_no} 笔不对",
            on_behalf="电话",
        )
        told(world, LI, dispute)
    with reading(world.engine) as tx:
        found = disputes_of_statement(tx, world.pool, made.statement)
    assert [(each.line, each.reason) for each in found] == [
        (line.key, f"第 {line.line_no} 笔不对") for line in made.lines
    ]
    assert {line.kind for line in made.lines} >= {"sale", "refund", "adjustment", "declared"}
    assert [line.entry_no for line in made.lines].count(0) == 1


def test_a_statement_with_everything_on_it(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/pool.db")
    create_all(engine, metadata)
    world = RealWorld(engine, "guanghui", now=at(2))
    first_period(world)
    second_period(world)
    made = world.document("dian-20260331")
    found = [
        (row.contract, row.category, row.from_fen, row.takings_fen, row.share_fen)
        for row in made.shares
    ]
    # 900.00 were in the month before: 100.00 more fill the first tier, 250.00 lie above it.
    # c-2: 25.00 of medicine, of which 12.50 came back; 100.00 of vegetables, and what the shop
    # declared beyond its records: 1,500.00 less 900.00, 300.00, 50.00, 15.00 - 2.50 and 100.00.
    counted_fen = 90_000 + 30_000 + 5_000 + 1_500 + 10_000 - 250
    assert found == [
        ("c-1", "", 0, 10_000, 300),
        ("c-1", "", 100_000, 25_000, 1_250),
        ("c-2", "", 0, 10_000 + 150_000 - counted_fen, 1_425),
        ("c-2", "药品", 0, 1_250, 100),
    ]
    assert [(row.days, row.rent_fen) for row in made.rents] == [(7, 27_097), (16, 77_420)]
    (minimum,) = made.minimum
    assert (minimum.days, minimum.minimum_fen, minimum.share_fen, minimum.added_fen) == (
        16,
        20_000 - 20_000 * 15 // 31,
        1_525,
        20_000 - 20_000 * 15 // 31 - 1_525,
    )
    assert [(row.amount_fen, row.of_statement) for row in made.adjustments] == [
        (500, "dian-20260308")
    ]
    assert [(row.direction, row.amount_fen, row.state) for row in made.payments] == [
        ("receive", 20_000, "paid")
    ]
    # Both vouchers' points; one was used, and paid for.
    (voucher,) = made.goods
    assert (voucher.kind, voucher.points, voucher.units_milli, voucher.fee_fen) == (
        "voucher",
        40,
        1_000,
        1_500,
    )
    assert made.net_fen < 0
    assert made.closing_fen == made.opening_fen + made.net_fen + made.received_fen
    assert sum(line.share_fen for line in made.lines) == made.share_fen == 3_075
    assert sum(line.takings_fen for line in made.lines) == made.takings_fen
    assert [line.late for line in made.lines if line.memo and line.business_date.day == 5] == [True]
    text = json.dumps(msgspec.to_builtins(made), ensure_ascii=False, indent=1)
    check("statement_with_everything.json", text + "\n")
    dispute_every_line(world, made)
    with reading(engine) as tx:
        assert made == world.read(tx, "dian-20260331")
        audited = run_audit(tx, world.pool, make_desk)
    assert {each.invariant: each.violations for each in audited if each.broken} == {}
