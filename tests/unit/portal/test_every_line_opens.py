"""Every line of a statement, whatever its kind, opens to its sale, its record and its entry."""

from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, select

from protocol.money import format_yuan
from server.db import create_all, metadata, reading
from server.directory import SignInRole
from server.ledger.tables import transfer
from server.portal.sales import LineDetail, line_detail
from server.redemption.order_states import OrderMove
from server.redemption.tables import journal_record
from server.settlement.document_values import StatementDocument, StatementLine
from tests.unit.audit.pool_world import PoolWorld
from tests.unit.portal.portal_world import PortalWorld, text_of
from tests.unit.server.world import TODAY, World
from tests.unit.settlement import golden_world
from tests.unit.settlement.orders_world import (
    CENTRE,
    SHOP,
    cancel,
    done,
    fulfil,
    give,
    line,
    open_street,
    sell,
    statement,
)
from tests.unit.settlement.real_world import RealWorld

MERCHANT, STATEMENT = "dian", "dian-20260331"
OPENS_TO = {
    "sale": "商品 数量 金额",
    "refund": "退 2026-03-20 的销售：小票 t-dian-0005",
    "declared": "申报的和系统里逐笔加起来的不一样",
    "adjustment": "对账单 dian-20260308：多算了五元",
    "fulfilment": "理发券 编号 000008-1 1 办理 已兑现 售出 2026-03-26 小票 t-dian-0008"
    " 终端 t-dian，第 1 段第 9 条 街道登记 电话回访",
}
"""What its page says of a line of each kind."""


def opened(world: RealWorld, made: StatementDocument) -> dict[str, str]:
    """By the line's key: what a reader sees of its page."""
    portal = PortalWorld.of(world)
    PoolWorld.sign_in_for(world, MERCHANT, SignInRole.MERCHANT, MERCHANT)
    client = portal.signed_in(MERCHANT)
    pages = {}
    for each in made.lines:
        answer = client.get(f"/portal/statements/{made.statement}/lines/{each.key}")
        assert answer.status_code == 200, each.key
        pages[each.key] = text_of(answer.text)
    return pages


def record_of(world: RealWorld, each: StatementLine) -> str:
    with reading(world.engine) as tx:
        own = select(journal_record.c.hash).where(
            journal_record.c.terminal == each.terminal,
            journal_record.c.epoch == each.epoch,
            journal_record.c.seq == each.seq,
        )
        return f"终端 {each.terminal}，第 1 段第 {each.seq} 条 {tx.execute(own).scalar_one()}"


def amounts_of(world: RealWorld, each: StatementLine) -> list[str]:
    """The amounts of all transfers of the line's entry, as they stand on the page."""
    with reading(world.engine) as tx:
        own = select(transfer).where(transfer.c.entry_no == each.entry_no)
        rows = tx.execute(own.order_by(transfer.c.transfer_no)).all()
    assert {row.transfer_no for row in rows} >= set(each.transfer_nos)
    return [
        f"{format_yuan(row.amount)} 元" if row.asset == "fen" else f"{row.amount} 积分"
        for row in rows
    ]


def test_each_line_of_every_kind_opens_to_its_sale_its_record_and_its_entry(
    engine: Engine,
) -> None:
    world = RealWorld(engine, "guanghui", now=golden_world.at(2))
    golden_world.first_period(world)
    golden_world.second_period(world)
    made = world.document(STATEMENT)
    assert {each.kind for each in made.lines} == {*OPENS_TO}
    pages = opened(world, made)
    for each in made.lines:
        page = pages[each.key]
        assert OPENS_TO[each.kind] in page, each.kind
        assert "不在本系统" not in page
        records, _, entries = page.partition("账本凭证")
        if each.terminal:
            assert record_of(world, each) in records, each.kind
        else:
            assert "没有对应的终端流水" in records
        if not each.entry_no:
            assert "没有动积分和钱" in entries
            continue
        assert f"凭证 {each.entry_no}，" in entries
        at = 0
        for amount in amounts_of(world, each):
            at = entries.index(amount, at) + len(amount)


def test_the_list_of_lines_names_the_receipt_that_a_voucher_was_sold_with(engine: Engine) -> None:
    world = RealWorld(engine, "guanghui", now=golden_world.at(2))
    golden_world.first_period(world)
    golden_world.second_period(world)
    PoolWorld.sign_in_for(world, MERCHANT, SignInRole.MERCHANT, MERCHANT)
    page = PortalWorld.of(world).signed_in(MERCHANT).get(f"/portal/statements/{STATEMENT}").text
    listed = text_of(page).partition("每一笔")[2]
    assert "券和服务兑现 +15.00 元 理发券 售出小票 t-dian-0008 现金" in listed
    assert "小票 —" not in listed


@pytest.fixture
def street(engine: Engine, tmp_path: Path) -> World:
    create_all(engine, metadata)
    return open_street(engine, tmp_path)


def details(world: World, made: StatementDocument) -> list[LineDetail]:
    def opened_all(tx: Connection) -> list[LineDetail]:
        return [line_detail(tx, world.pool, each, TODAY) for each in made.lines]

    return world.read(opened_all)


def test_a_service_that_a_till_confirmed_opens_to_the_record_and_not_to_anothers_receipt(
    street: World,
) -> None:
    shop, centre = street.till(), street.till(CENTRE, "t-9")
    give(street, 120)
    cleaning = sell(street, shop, line(street, "house-cleaning"))
    centre.outcome(done(street, cleaning))
    other = sell(street, shop, line(street, "house-cleaning"))
    street.do(fulfil(other, confirmed_by="电话回访"))
    by_till, by_office = details(street, statement(street, CENTRE))
    assert by_till.record is not None
    assert (by_till.record.terminal, by_till.record.seq) == ("t-9", centre.seq)
    assert by_office.record is None
    for each, says in ((by_till, ""), (by_office, "电话回访")):
        assert each.order is not None
        assert (each.order.name, each.order.units_milli) == ("house-cleaning", 1_000)
        assert (each.order.move, each.order.says) == (OrderMove.FULFIL, says)
        assert (each.order.sold_on, each.order.sale) == (TODAY, None)
        assert [transfer.amount for transfer in each.transfers] == [8_000]


def test_an_order_that_was_cancelled_opens_to_the_sellers_own_sale(street: World) -> None:
    shop = street.till()
    give(street, 68)
    cleaning = sell(street, shop, line(street, "house-cleaning"))
    street.do(cancel(cleaning))
    sold, cancelled = details(street, statement(street, SHOP))
    assert sold.order is None
    assert cancelled.order is not None
    assert (cancelled.order.move, cancelled.order.says) == (OrderMove.CANCEL, "修不了")
    assert cancelled.order.sale is not None
    assert cancelled.order.sale.sale_id == cleaning.sale_id
    assert cancelled.order.sale_record == sold.record
