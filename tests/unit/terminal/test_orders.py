"""Vouchers and work orders at the till: sold for points, done once with the resident's own code."""

from datetime import date, timedelta

import msgspec
import pytest

from drivers.document import Qr, document_from_json, to_plain_text
from protocol.business_day import business_date
from protocol.documents import Catalogue, Item
from protocol.evidence import SlotEvidence
from protocol.journal import Envelope, decode_happening
from protocol.messages import OrdersFound, OrderShown
from protocol.reasons import Declined, DeclineReason
from protocol.sales import Fulfilment, OrderFulfilled, SaleCaptured
from terminal.domain.notice import NoticeCode, NoticeLevel
from terminal.domain.print_job import JobEvent
from tests.support.shop import ITEMS, NOON, ZHANG, Shop, slot_text

CLEANING = Item(
    item_id="cleaning", name="家政保洁", name_en="Cleaning", category="服务", unit="次",
    price_points=50, reimbursement_fen=8_000, fulfilment=Fulfilment.WORK_ORDER,
)  # fmt: skip
HAIRCUT = Item(
    item_id="haircut", name="理发券", name_en="Haircut", category="服务", unit="张",
    price_points=20, reimbursement_fen=1_000, fulfilment=Fulfilment.VOUCHER,
)  # fmt: skip


@pytest.fixture
def serving(shop: Shop) -> Shop:
    shop.take(Catalogue(version=9, made_at=NOON, items=(*ITEMS, CLEANING, HAIRCUT)))
    return shop


def order(order_id: str, open_milli: int, name: str = "理发券") -> OrderShown:
    return OrderShown(
        order_id=order_id,
        kind=Fulfilment.VOUCHER,
        name=name,
        receipt_no="T0002-000003",
        sold_on=date(2026, 3, 1),
        units_milli=2_000,
        open_milli=open_milli,
        state="open" if open_milli else "fulfilled",
        last_on=None if open_milli else date(2026, 3, 2),
        last_where="" if open_milli else "二号店",
    )


def fulfilled(shop: Shop) -> list[OrderFulfilled]:
    with shop.store.reading() as connection:
        bodies = connection.exec_driver_sql("select body from journal order by epoch, seq")
        envelopes = [msgspec.json.decode(row[0], type=Envelope) for row in bodies]
    found = [decode_happening(each.happening) for each in envelopes]
    return [each for each in found if isinstance(each, OrderFulfilled)]


def test_a_work_order_is_sold_for_points_and_prints_its_own_paper(serving: Shop) -> None:
    """E4: rice now, the service later; both with one scan."""
    serving.till.add_item("rice")
    serving.till.add_item("cleaning")
    serving.pool.approve(65, 65)
    serving.till.scan(slot_text())
    serving.till.complete(serving.till.snapshot()[0].sale_id)
    completed = serving.page.view().completed
    assert completed is not None
    assert (completed.points, completed.cash_fen, completed.balance_after_points) == (65, 0, 0)
    found = serving.store.captured(completed.receipt_no)
    assert found is not None
    sale: SaleCaptured = found[1]
    kinds = [line.fulfilment for line in sale.lines]
    assert kinds == [Fulfilment.AT_ONCE, Fulfilment.WORK_ORDER]
    papers = []
    while (job := serving.spool.next_job()) is not None:
        papers.append(to_plain_text(document_from_json(job.document_json), 32))
        serving.spool.move(job.job_no, JobEvent.SEND)
        serving.spool.move(job.job_no, JobEvent.PRINTED)
    assert len(papers) == 2
    assert "家政保洁" in papers[1]
    assert f"{completed.receipt_no}-2" in papers[1]
    # The plumber cannot mend it: that line comes back, the rice stays.
    notice = serving.returns.refund(completed.receipt_no, "修不了", {2: 1_000})
    assert (notice.code, notice.figures["points"]) == (NoticeCode.REFUNDED, 50)


def test_a_voucher_cannot_be_had_without_a_code(serving: Shop) -> None:
    serving.till.add_item("haircut")
    serving.till.complete(serving.till.snapshot()[0].sale_id)
    assert serving.page.view().completed is None


def test_a_picture_of_the_vouchers_paper_shows_nobodys_vouchers(serving: Shop) -> None:
    serving.till.add_item("haircut")
    serving.pool.approve(20, 100)
    serving.till.scan(slot_text())
    serving.till.complete(serving.till.snapshot()[0].sale_id)
    with serving.store.reading() as connection:
        papers = connection.exec_driver_sql("select document from print_job").scalars().all()
    codes = [
        each.data
        for paper in papers
        for each in document_from_json(paper).elements
        if isinstance(each, Qr)
    ]
    assert codes
    serving.pool.orders = OrdersFound(account=ZHANG, orders=(order("ab-1", 1_000),))
    for photographed in codes:
        said = serving.orders.show_text(photographed)
        assert said is not None
        assert said.level is NoticeLevel.REFUSED
    assert serving.pool.orders_asked == []
    assert serving.orders.fulfil("ab-1", 1).code is NoticeCode.ORDER_CODE_AGAIN
    assert fulfilled(serving) == []


def test_an_order_is_done_once_for_each_time_the_code_is_shown(serving: Shop) -> None:
    serving.pool.orders = OrdersFound(account=ZHANG, orders=(order("ab-1", 2_000),))
    assert serving.orders.show_text(slot_text()) is None
    asked = serving.pool.orders_asked[-1]
    assert isinstance(asked.evidence, SlotEvidence)
    assert serving.orders.fulfil("ab-1", 1).code is NoticeCode.ORDER_DONE
    assert serving.orders.fulfil("ab-1", 1).code is NoticeCode.ORDER_CODE_AGAIN
    (done,) = fulfilled(serving)
    assert (done.order_id, done.units_milli) == ("ab-1", 1_000)
    assert serving.store.newest_told("order_fulfilled", 5)[0].outcome == ""


def test_a_slot_that_did_one_thing_here_shows_no_second_before_the_work(serving: Shop) -> None:
    """The server may not have been told yet; what is done then would only be parked."""
    serving.pool.orders = OrdersFound(account=ZHANG, orders=(order("ab-1", 2_000),))
    serving.orders.show_text(slot_text())
    assert serving.orders.fulfil("ab-1", 1).code is NoticeCode.ORDER_DONE
    asked = len(serving.pool.orders_asked)
    said = serving.orders.show_text(slot_text())
    assert said is not None
    assert said.decline is not None
    assert said.decline.reason is DeclineReason.CODE_USED
    assert said.decline.expired_at == NOON + timedelta(minutes=30)
    assert serving.orders.on_page() is None
    assert len(serving.pool.orders_asked) == asked
    next_slot = slot_text(starts_at=NOON + timedelta(minutes=30))
    assert serving.orders.show_text(next_slot) is None


@pytest.mark.parametrize("units", [0, 3, -1])
def test_no_more_is_done_than_is_open(serving: Shop, units: int) -> None:
    serving.pool.orders = OrdersFound(account=ZHANG, orders=(order("ab-1", 2_000),))
    serving.orders.show_text(slot_text())
    assert serving.orders.fulfil("ab-1", units).code is NoticeCode.QUANTITY_WRONG
    assert fulfilled(serving) == []


def test_a_voucher_that_was_used_elsewhere_is_refused_with_place_and_date(serving: Shop) -> None:
    serving.pool.orders = OrdersFound(account=ZHANG, orders=(order("ab-1", 0),))
    serving.orders.show_text(slot_text())
    said = serving.orders.fulfil("ab-1", 1)
    assert said.code is NoticeCode.ORDER_USED
    assert (said.figures["used_on"], said.figures["used_where"]) == ("2026-03-02", "二号店")
    assert fulfilled(serving) == []


def test_a_voucher_is_good_on_its_last_day_and_refused_on_the_next(serving: Shop) -> None:
    """The server sweeps what expired later in the day; the till does not wait for it."""
    today = business_date(NOON, 0)
    for days, code in ((0, NoticeCode.ORDER_DONE), (-1, NoticeCode.ORDER_EXPIRED)):
        shown = msgspec.structs.replace(
            order("ab-1", 2_000), valid_until=today + timedelta(days=days)
        )
        serving.pool.orders = OrdersFound(account=ZHANG, orders=(shown,))
        serving.orders.show_text(slot_text(starts_at=NOON + timedelta(seconds=days)))
        said = serving.orders.fulfil("ab-1", 1)
        assert said.code is code
    assert said.figures == {"item": "理发券", "valid_until": str(today - timedelta(days=1))}
    assert len(fulfilled(serving)) == 1


def test_a_voucher_that_was_swept_is_not_said_to_be_used(serving: Shop) -> None:
    shown = msgspec.structs.replace(
        order("ab-1", 0), state="expired", valid_until=date(2026, 3, 1), last_on=None
    )
    serving.pool.orders = OrdersFound(account=ZHANG, orders=(shown,))
    serving.orders.show_text(slot_text())
    assert serving.orders.fulfil("ab-1", 1).code is NoticeCode.ORDER_EXPIRED


def test_nothing_is_done_offline_with_a_refused_code_or_an_old_one(serving: Shop) -> None:
    said = serving.orders.show_text(slot_text())
    assert said is not None
    assert said.code is NoticeCode.ORDERS_NEED_NETWORK
    found = OrdersFound(account=ZHANG, orders=(order("ab-1", 1_000),))
    serving.pool.orders = found
    serving.orders.show_text(slot_text())
    serving.pool.orders = Declined(DeclineReason.CODE_REVOKED)
    refused = serving.orders.show_text(slot_text())
    assert refused is not None
    assert refused.decline == Declined(DeclineReason.CODE_REVOKED)
    assert serving.orders.fulfil("ab-1", 1).code is NoticeCode.ORDER_CODE_AGAIN
    serving.pool.orders = found
    serving.orders.show_text(slot_text())
    serving.wall.monotonic_ms += int(timedelta(minutes=3).total_seconds() * 1000)
    assert serving.orders.fulfil("ab-1", 1).code is NoticeCode.ORDER_CODE_AGAIN


def test_the_scanners_code_goes_to_the_open_page_and_else_to_the_till(serving: Shop) -> None:
    serving.pool.orders = OrdersFound(account=ZHANG, orders=(order("ab-1", 1_000),))
    serving.orders.wait()
    serving.till.scan(slot_text())
    assert serving.orders.on_page() is not None
    serving.wall.monotonic_ms += 5_000  # the page is closed
    serving.till.add_item("bun")
    serving.pool.approve(5, 100)
    serving.till.scan(slot_text())
    assert serving.page.view().state == "authorised"
