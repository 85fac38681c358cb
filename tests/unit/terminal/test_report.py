"""The owner's evening: the day's figures add up, by hour and by category, and come from the journal."""

from datetime import timedelta

from flask.testing import FlaskClient
from sqlalchemy import select

from drivers.document import Columns, document_from_json
from protocol.messages import OutcomeKind, RecordOutcome
from protocol.money import Points
from terminal.shifts.report import report_of
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
    sell(shop, "bun", "bun", "fresh", points=20)
    shop.wall.at = NOON + timedelta(hours=2)
    shop.returns.refund(sell(shop, "bun"), "按错")
    sell(shop, "rice", "bun", points=15)
    shop.wall.at = NOON + timedelta(days=1)
    sell(shop, "bun")


def test_hours_and_categories_add_up_to_the_day(shop: Shop) -> None:
    a_day(shop)
    records = shop.store.sold_between(NOON - timedelta(days=2), NOON + timedelta(days=3))
    report = report_of(NOON.date(), records)
    figures = report.figures
    assert (figures.sales, figures.voids, figures.points_used) == (3, 1, 35)
    hours = list(report.by_hour.values())
    assert list(report.by_hour) == [12, 14]
    assert sum(x.cash_fen for x in hours) == figures.money_fen
    assert sum(x.points for x in hours) == figures.points_used - figures.points_returned
    assert sum(x.goods_fen for x in hours) == figures.sold_fen - figures.refunded_fen
    assert set(report.by_category) == {"食品", "蔬菜", "礼品"}
    assert sum(x.points for x in report.by_category.values()) == figures.points_used
    assert sum(x.goods_fen for x in report.by_category.values()) == figures.sold_fen
    assert report.by_category["礼品"].points == 15


def test_the_page_shows_the_day_and_gives_it_as_a_file(shop: Shop) -> None:
    a_day(shop)
    client: FlaskClient = app_of(shop).test_client()
    page = client.get(f"/more/report?day={NOON.date()}").text
    assert "3 笔" in page
    assert "14:00" in page
    assert "待上传的销售" in page
    answer = client.get(f"/more/report.csv?day={NOON.date()}")
    assert answer.headers["Content-Disposition"].endswith('-2026-03-02.csv"')
    assert "礼品,1,0.00,0.00,15" in answer.text
    for nonsense in ("", "x", "0000-00-00", "9999-12-31", "1900-01-01"):
        assert client.get(f"/more/report?day={nonsense}").status_code == 200


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
