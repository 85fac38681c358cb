"""The drawer opens for cash and for nothing else; each opening is in the journal."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from drivers.document import document_from_json, to_plain_text
from protocol.drawer import DrawerOpened, DrawerReason
from protocol.journal import Envelope, decode_happening
from protocol.sales import SaleCaptured
from terminal.checkout.drawer import CashDrawer
from terminal.domain.print_job import JobEvent, JobKind, JobState, PrintJob
from terminal.shifts.shifts import Counted
from terminal.store.prints import paper_counts
from terminal.store.sqlite import print_job_of
from terminal.store.tables import journal, print_job
from tests.support.shop import Shop, slot_text


@pytest.fixture
def shop(tmp_path: Path, shop: Shop) -> Iterator[Shop]:
    shop.till._completing._drawer = shop.returns._drawer = CashDrawer(fitted=True)
    yield shop
    del tmp_path


def openings(shop: Shop) -> list[DrawerOpened]:
    with shop.store.reading() as connection:
        bodies = connection.execute(journal.select().order_by(journal.c.seq)).all()
    found = [
        decode_happening(msgspec.json.decode(row.body, type=Envelope).happening) for row in bodies
    ]
    return [each for each in found if isinstance(each, DrawerOpened)]


def jobs(shop: Shop) -> list[PrintJob]:
    with shop.store.reading() as connection:
        rows = connection.execute(print_job.select().order_by(print_job.c.job_no)).all()
    return [print_job_of(row) for row in rows]


def sell(shop: Shop) -> SaleCaptured:
    shop.till.complete(shop.till.snapshot()[0].sale_id)
    captured = shop.till.snapshot()[0].captured
    assert captured is not None
    return captured


def test_a_cash_sale_opens_it_before_the_receipt_prints(shop: Shop) -> None:
    shop.till.add_item("bun", 5000)
    sale = sell(shop)
    assert openings(shop) == [
        DrawerOpened(reason=DrawerReason.SALE, sale_id=sale.sale_id, cash_fen=250)
    ]
    queued = jobs(shop)
    assert [job.kind for job in queued] == [JobKind.DRAWER, JobKind.SALE]
    texts = [to_plain_text(document_from_json(job.document_json), 32) for job in queued]
    assert texts[0] == "[开钱箱]\n"
    assert "[开钱箱]" not in texts[1]  # a reprint must not open it


def test_the_z_report_counts_the_openings_of_its_shift(shop: Shop) -> None:
    for z_no, sales in ((1, 2), (2, 1)):
        for _ in range(sales):
            shop.till.clear()
            shop.till.add_item("bun")
            sell(shop)
        assert shop.shifts.now().figures.drawer_openings == sales
        shop.shifts.close(z_no, Counted(cash_fen=None, others_fen={}))
        paper = to_plain_text(document_from_json(jobs(shop)[-1].document_json), 32)
        assert f"{sales} 次" in next(line for line in paper.splitlines() if "开钱箱" in line)


def test_points_alone_open_nothing(shop: Shop) -> None:
    shop.till.add_item("bun", 5000)
    shop.till.add_item("greens")
    shop.pool.approve(71, 100)
    shop.till.scan(slot_text())
    assert sell(shop).payment.cash_fen == 0
    assert openings(shop) == []
    assert [job.kind for job in jobs(shop)] == [JobKind.SALE]


def test_a_shop_without_a_drawer_journals_none(shop: Shop) -> None:
    shop.till._completing._drawer = CashDrawer(fitted=False)
    shop.till.add_item("bun")
    sell(shop)
    assert openings(shop) == []
    assert [job.kind for job in jobs(shop)] == [JobKind.SALE]


def test_a_reprint_opens_nothing(shop: Shop) -> None:
    shop.till.add_item("bun")
    sale = sell(shop)
    for job in jobs(shop):
        shop.spool.move(job.job_no, JobEvent.SEND)
        shop.spool.move(job.job_no, JobEvent.PRINTED)
    shop.after_sale.reprint(sale.receipt_no)
    assert len(openings(shop)) == 1
    assert [job.kind for job in jobs(shop)] == [JobKind.DRAWER, JobKind.SALE, JobKind.SALE]


def test_after_a_power_cut_it_does_not_open_by_itself(shop: Shop) -> None:
    shop.till.add_item("bun")
    sell(shop)
    shop.power_cut()
    shop.spool.lose_interrupted()
    drawer, receipt = jobs(shop)
    assert (drawer.state, drawer.trouble) == (JobState.FAILED, "late")
    assert receipt.state is JobState.QUEUED


def test_an_opening_is_no_paper_in_doubt(shop: Shop) -> None:
    shop.till.add_item("bun")
    sale = sell(shop)
    with shop.store.reading() as connection:
        (count,) = list(paper_counts(connection))
    assert (count.receipt_no, count.kind, count.waiting) == (sale.receipt_no, "sale", 1)


def test_money_given_back_opens_it_too(shop: Shop) -> None:
    shop.till.add_item("bun", 5000)
    sale = sell(shop)
    shop.returns.refund(sale.receipt_no, "不新鲜")
    assert [(each.reason, each.cash_fen) for each in openings(shop)] == [
        (DrawerReason.SALE, 250),
        (DrawerReason.REFUND, 250),
    ]
    assert [job.kind for job in jobs(shop)][2:] == [JobKind.DRAWER, JobKind.REFUND]
