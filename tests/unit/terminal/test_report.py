"""The owner's evening: the day's figures add up, by hour and by category, and come from the journal."""

import csv
import io
import re
from datetime import timedelta

from flask.testing import FlaskClient
from sqlalchemy import select

from drivers.document import Columns, document_from_json
from protocol.messages import OutcomeKind, RecordOutcome
from protocol.money import Points, format_yuan
from terminal.shifts.report import DayReport, report_of
from terminal.shifts.shifts import Counted
from terminal.store.tables import print_job
from tests.support.shop import NOON, Shop, slot_text
from tests.support.till_web import app_of


def sell(shop: Shop, *items: str, points: int = 0) -> str:
    shop.till.clear()
    for item in items:
        shop.till.add_item(item)
    if points:
        shop.pool.approve(Points(points), 100)
        shop.till.scan(slot_text(starts_at=shop.wall.at))
    shop.till.complete(shop.till.snapshot()[0].sale_id)
    completed = shop.page.view().completed
    assert completed is not None, shop.page.view().notice
    return completed.receipt_no


def a_day(shop: Shop) -> None:
    trade(shop)
    shop.wall.at = NOON + timedelta(days=1)
    sell(shop, "bun")


def trade(shop: Shop) -> None:
    sell(shop, "bun", "bun", "fresh", points=20)
    shop.wall.at = NOON + timedelta(hours=2)
    shop.returns.refund(sell(shop, "bun"), "按错")
    sell(shop, "rice", "bun", points=15)


def report(shop: Shop) -> DayReport:
    return report_of(
        NOON.date(),
        shop.store.sold_between(NOON - timedelta(days=2), NOON + timedelta(days=3)),
        closed=shop.store.closed_since(NOON - timedelta(days=2)),
        since_last_z=shop.store.since_last_z(),
    )


def test_hours_and_categories_add_up_to_the_day(shop: Shop) -> None:
    a_day(shop)
    told = report(shop)
    figures = told.figures
    assert (figures.sales, figures.voids, figures.points_used) == (3, 1, 35)
    hours = list(told.by_hour.values())
    assert list(told.by_hour) == [12, 14]
    assert sum(x.cash_fen for x in hours) == figures.money_fen
    assert sum(x.points for x in hours) == figures.points_used - figures.points_returned
    assert sum(x.goods_fen for x in hours) == figures.sold_fen - figures.refunded_fen
    assert set(told.by_category) == {"食品", "蔬菜", "礼品"}
    assert sum(x.points for x in told.by_category.values()) == figures.points_used
    assert sum(x.goods_fen for x in told.by_category.values()) == figures.sold_fen
    assert told.by_category["礼品"].points == 15


def test_the_days_money_by_tender_is_what_its_z_reports_declared_and_what_is_open(
    shop: Shop,
) -> None:
    for _ in range(3):
        sell(shop, "bun")
    assert (report(shop).by_tender, report(shop).open_fen) == ({}, 150)
    shop.shifts.close(1, Counted(cash_fen=100, others_fen={"wechat": 50}))
    shop.wall.at = NOON + timedelta(hours=2)
    sell(shop, "bun", "bun")
    shop.shifts.close(2, Counted(cash_fen=70, others_fen={"wechat": 10, "alipay": 20}))
    sell(shop, "bun", "bun", "bun", "bun", points=10)
    told = report(shop)
    assert told.by_tender == {"cash": 100 + 70, "wechat": 50 + 10, "alipay": 20}
    assert told.open_fen == 100
    assert sum(told.by_tender.values()) + told.open_fen == told.figures.money_fen == 350
    # Closed the next morning, it belongs to its own day, whatever was sold since.
    shop.wall.at = NOON + timedelta(hours=20)
    shop.shifts.close(3, Counted(cash_fen=100, others_fen={}))
    sell(shop, "bun")
    told = report(shop)
    assert (told.by_tender["cash"], told.open_fen) == (270, 0)


def test_the_page_shows_the_day_and_gives_it_as_a_file(shop: Shop) -> None:
    trade(shop)
    shop.shifts.close(1, Counted(cash_fen=500, others_fen={"wechat": 200}))
    shop.wall.at = NOON + timedelta(days=1)
    sell(shop, "bun")
    client: FlaskClient = app_of(shop).test_client()
    told = report(shop)
    words = text_of(client.get(f"/more/report?day={NOON.date()}").text)
    cash = format_yuan(told.by_tender["cash"])
    for part in (
        "销售 3 笔",
        "退货和撤销 1 笔",
        f"收款（减退款） {format_yuan(told.figures.money_fen)} 元",
        f"现金 {cash} 元 微信 2.00 元 积分 35 积分",
        "待上传的销售 4 笔 · 35 积分",
        "14:00 2 0.50",
        "礼品 1 0.00 0.00 15",
    ):
        assert part in words, words
    answer = client.get(f"/more/report.csv?day={NOON.date()}")
    assert answer.headers["Content-Disposition"].endswith('-2026-03-02.csv"')
    rows = list(csv.reader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert ["销售", "3 笔"] in rows
    assert ["待处理的销售", "0 笔 · 0 积分 · 0.00 元"] in rows
    assert ["现金", cash] in rows
    assert ["微信", "2.00"] in rows
    assert ["积分", "35"] in rows
    assert ["14:00", "2", "0.50", "0.50", "15"] in rows
    assert ["礼品", "1", "0.00", "0.00", "15"] in rows
    for nonsense in ("", "x", "0000-00-00", "9999-12-31", "1900-01-01"):
        assert client.get(f"/more/report?day={nonsense}").status_code == 200


def text_of(page: str) -> str:
    """What a reader sees of a page: no tags, no runs of space."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def test_what_is_unsent_and_what_is_parked_has_its_value(shop: Shop) -> None:
    sell(shop, "bun", "bun", points=5)
    sell(shop, "bun")
    assert shop.store.untold_value() == (2, 5, 100)
    batch = shop.outbox.next_batch()
    outcomes = [
        RecordOutcome(epoch=x.epoch, seq=x.seq, outcome=OutcomeKind.PARKED, says="为什么")
        for x in batch
    ]
    shop.outbox.mark_told(outcomes, NOON)
    assert shop.store.untold_value() == (0, 0, 0)
    assert shop.store.parked_value() == (2, 5, 100)


def test_what_the_server_parked_stands_on_the_z_paper_and_on_the_shifts_page(shop: Shop) -> None:
    sell(shop, "bun", "bun", points=5)
    client: FlaskClient = app_of(shop).test_client()
    assert "待处理的销售" not in client.get("/more/shift").text
    outcomes = [
        RecordOutcome(epoch=x.epoch, seq=x.seq, outcome=OutcomeKind.PARKED, says="为什么")
        for x in shop.outbox.next_batch()
    ]
    shop.outbox.mark_told(outcomes, NOON)
    page = client.get("/more/shift").text
    assert "待处理的销售" in page
    assert "1 笔 · 5 积分 · 0.50 元" in page
    shop.shifts.close(shop.shifts.next_z_no(), Counted(None, {}))
    with shop.store.reading() as connection:
        papers = connection.execute(select(print_job.c.document)).scalars().all()
    lines = document_from_json(papers[-1]).elements
    rows = [(x.left, x.right) for x in lines if isinstance(x, Columns)]
    assert ("待处理的销售", "1 笔") in rows
    after = rows[rows.index(("待处理的销售", "1 笔")) + 1]
    assert after == ("", "5积分 0.50 元")
