"""A merchant's two periods with everything on them: what the golden statement is made of."""

from datetime import UTC, date, datetime

import msgspec

from protocol.sales import Fulfilment, SaleLine, TakingsDeclared
from server.directory.commands import AddItem, AgreeTerms
from server.directory.contract_terms import Basis, ContractTerms, ShareRule
from server.facts import Refusal
from server.redemption import FulfilOrder
from server.redemption.orders import order_id_of
from server.settlement.disputes_values import (
    ApproveAdjustment,
    ProposeAdjustment,
    RaiseDispute,
)
from server.settlement.payments_values import (
    ApprovePayment,
    Direction,
    ProposePayment,
    RecordPaid,
)
from server.settlement.states_values import ConfirmStatement
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
