"""文化街, where services and vouchers are sold for points: what tests of orders share."""

from datetime import date
from pathlib import Path
from uuid import UUID

import msgspec
from sqlalchemy import Engine

from protocol.messages import OutcomeKind
from protocol.sales import Fulfilment, OrderFulfilled, SaleCaptured, SaleLine
from server.awards import OpenBalance
from server.bootstrap.desk import make_desk
from server.commands.audit import run_audit
from server.directory.commands import AddItem, AgreeTerms, OpenShop, RegisterMerchant
from server.directory.contract_terms import ContractTerms
from server.redemption import CancelOrder, FulfilOrder
from server.redemption.order_states import OrderState
from server.redemption.orders import order_id_of, order_of
from server.settlement import runs
from server.settlement.document import StatementDocument, document_of
from server.settlement.values import DOCUMENT_VERSION, CloseRun, OpenRun, RunClosed
from tests.unit.server.world import (
    TODAY,
    ZHANG,
    Till,
    World,
    asked_and_sold,
    points_line,
)

CENTRE, SHOP = "bangban", "shop-a"
CLEANING_FEN, VISIT_FEN = 8_000, 3_000
PARKED, POSTED = OutcomeKind.PARKED, OutcomeKind.POSTED


def open_street(engine: Engine, folder: Path) -> World:
    """文化街: a shop that sells, and a service centre with a fee of 80.00 for a cleaning."""
    world = World(engine, folder, "wenhuajie")
    world.furnish()
    world.do(RegisterMerchant(merchant=CENTRE, name="饮马帮办中心"))
    world.do(
        OpenShop(
            shop=CENTRE,
            merchant=CENTRE,
            shop_kind=world.preset.shop_kinds[0].id,
            name="饮马帮办中心",
            place=world.preset.places[0].id,
        )
    )
    agree(world, "c-centre", CENTRE, {"house-cleaning": CLEANING_FEN, "category:上门": VISIT_FEN})
    return world


def agree(world: World, contract: str, merchant: str, fees: dict[str, int]) -> None:
    terms = ContractTerms(fees=fees)
    world.do(
        AgreeTerms(contract=contract, merchant=merchant, valid_from=date(2026, 1, 1), terms=terms)
    )


def give(world: World, points: int) -> None:
    world.do(
        OpenBalance(opening_id="o-1", account=ZHANG, points=points, as_of=TODAY, opened_by="办公室")
    )


def line(world: World, item: str, *, units: int = 1, line_no: int = 1) -> SaleLine:
    """A line of the preset's catalogue, as a till sells it."""
    found = next(each for each in world.preset.catalogue if each.id == item)
    assert found.price_points is not None
    made = points_line(
        item, found.price_points, found.reimbursement_fen or 0, units * 1_000, line_no
    )
    changes = {"category": found.category, "fulfilment": Fulfilment(found.fulfilment)}
    return msgspec.structs.replace(made, **changes)


def visits(world: World, units: int, *, limit: int | None = None) -> SaleLine:
    """A service that costs 10 points, for which the catalogue names no cost."""
    world.do(
        AddItem(
            item_id="visit",
            name="上门探访",
            name_en="A visit at home",
            category="上门",
            unit="次",
            price_points=10,
            fulfilment=Fulfilment.WORK_ORDER,
            limit_per_resident=limit,
        )
    )
    made = points_line("visit", 10, 0, units * 1_000)
    work_order = Fulfilment.WORK_ORDER
    return msgspec.structs.replace(made, category="上门", fulfilment=work_order)


def sell(world: World, till: Till, *lines: SaleLine) -> SaleCaptured:
    points = sum(each.amount_points for each in lines)
    sale = asked_and_sold(world, till, *lines, points=points)
    assert till.outcome(sale).outcome is POSTED
    return sale


def left(world: World) -> int:
    return world.points(f"resident:{ZHANG}")


def done(
    world: World, sale: SaleCaptured, *, line_no: int = 1, units: int = 1, day: date = TODAY
) -> OrderFulfilled:
    """The resident shows the code when it is done, each time another one."""
    fulfilment_id = world.sale_id()
    return OrderFulfilled(
        fulfilment_id=fulfilment_id,
        order_id=order_id_of(sale.sale_id, line_no),
        business_date=day,
        units_milli=units * 1_000,
        confirmation=world.slot(starts_in_s=-1 - fulfilment_id.int % 900),
    )


def fulfil(sale: SaleCaptured, name: str = "f-1", **changes: object) -> FulfilOrder:
    command = FulfilOrder(
        fulfilment_id=name,
        order_id=order_id_of(sale.sale_id, 1),
        provider=CENTRE,
        business_date=TODAY,
        confirmed_by="电话回访",
    )
    return msgspec.structs.replace(command, **changes)


def cancel(sale: SaleCaptured, name: str = "x-1", **changes: object) -> CancelOrder:
    command = CancelOrder(
        cancel_id=name,
        order_id=order_id_of(sale.sale_id, 1),
        business_date=TODAY,
        reason="修不了",
    )
    return msgspec.structs.replace(command, **changes)


def state(world: World, sale_id: UUID, line_no: int = 1) -> OrderState:
    found = world.read(lambda tx: order_of(tx, world.pool, order_id_of(sale_id, line_no)))
    assert found is not None
    return found.state


def statement(world: World, merchant: str, *, days: float = 1) -> StatementDocument:
    """Settles through today, and reads the merchant's statement."""
    through = world.clock().date()
    world.clock.move(days=days)
    world.do(
        OpenRun(
            run=f"run-{through}",
            through=through,
            opened_by="财务",
            document_version=DOCUMENT_VERSION,
        )
    )
    due = world.read(lambda tx: runs.merchants_due(tx, world.pool, f"run-{through}"))
    for _ in runs.drive(world.do, f"run-{through}", due):
        pass
    closed = world.do(CloseRun(run=f"run-{through}", closed_by="财务"))
    assert isinstance(closed, RunClosed)
    assert closed.left_open == ()
    name = f"{merchant}-{through:%Y%m%d}"
    found = world.read(lambda tx: document_of(tx, world.pool, name))
    assert found is not None, name
    return found


def assert_clean(world: World) -> None:
    found = world.read(lambda tx: run_audit(tx, world.pool, make_desk))
    broken = {each.invariant: (each.violations, each.stopped) for each in found if not each.clean}
    assert broken == {}
