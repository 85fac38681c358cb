"""Reprints and refunds: what stands on the second paper, and what two hands at once may do."""

import threading
from collections.abc import Callable
from datetime import timedelta

import msgspec

from drivers.document import document_from_json, to_plain_text
from terminal.domain.notice import NoticeCode
from terminal.domain.print_job import JobEvent
from tests.support.shop import NOON, Shop, policy, slot_text


def sell(shop: Shop) -> str:
    for _ in range(5):
        shop.till.add_item("bun")
    shop.pool.approve(25, 100)
    shop.till.scan(slot_text())
    shop.till.complete(shop.till.snapshot()[0].sale_id)
    completed = shop.page.view().completed
    assert completed is not None
    return completed.receipt_no


def print_next(shop: Shop) -> str:
    job = shop.spool.next_job()
    assert job is not None
    shop.spool.move(job.job_no, JobEvent.SEND)
    shop.spool.move(job.job_no, JobEvent.PRINTED)
    return to_plain_text(document_from_json(job.document_json), 32)


def refund_no(shop: Shop) -> str:
    found = shop.store.captured(shop.store.recent_sales(1)[0].row.receipt_no or "")
    assert found is not None
    (refund,) = shop.store.refunds_of(found[1].sale_id)
    return refund.receipt_no


def test_a_reprinted_refund_tells_when_the_goods_came_back(shop: Shop) -> None:
    receipt_no = sell(shop)
    print_next(shop)
    shop.wall.at = NOON + timedelta(days=2, hours=3)
    shop.returns.refund(receipt_no, "不新鲜")
    original = print_next(shop)
    assert "2026-03-04 15:00" in original
    shop.after_sale.reprint(refund_no(shop))
    copy = print_next(shop)
    mark, _, rest = copy.partition("\n")
    assert mark.strip() == "补打 第1次"
    assert rest == original


def test_a_reprint_is_the_receipt_even_after_the_pool_changed_its_rate(shop: Shop) -> None:
    receipt_no = sell(shop)
    original = print_next(shop)
    assert "-2.50 元" in original
    shop.take(msgspec.structs.replace(policy(version=2), fen_per_point=5))
    shop.after_sale.reprint(receipt_no)
    assert print_next(shop).partition("\n")[2] == original


def at_once(*calls: Callable[[], object]) -> None:
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_two_presses_of_reprint_at_once_make_one_copy(shop: Shop) -> None:
    receipt_no = sell(shop)
    print_next(shop)
    said: list[NoticeCode] = []
    at_once(*[lambda: said.append(shop.after_sale.reprint(receipt_no))] * 8)
    assert said == [NoticeCode.REPRINT_QUEUED] * 8
    print_next(shop)
    assert shop.spool.next_job() is None


def test_two_presses_of_reprint_at_once_send_a_failed_job_again_once(shop: Shop) -> None:
    receipt_no = sell(shop)
    job = shop.spool.next_job()
    assert job is not None
    shop.spool.move(job.job_no, JobEvent.REFUSED, "offline")
    said: list[NoticeCode] = []
    at_once(*[lambda: said.append(shop.after_sale.reprint(receipt_no))] * 8)
    assert said == [NoticeCode.REPRINT_QUEUED] * 8


def test_a_forked_journal_takes_no_refund_either(shop: Shop) -> None:
    receipt_no = sell(shop)
    shop.till.stop_selling()
    assert shop.returns.refund(receipt_no, "不新鲜").code is NoticeCode.STOPPED
    assert shop.store.recent_sales(1)[0].refunded is False


def test_a_refunds_record_names_the_sale_and_gives_back_what_it_took(shop: Shop) -> None:
    receipt_no = sell(shop)
    shop.returns.refund(receipt_no, "不" * 500)
    found = shop.store.captured(receipt_no)
    assert found is not None
    (refund,) = shop.store.refunds_of(found[1].sale_id)
    assert refund.payment == found[1].payment
    assert len(refund.reason) == 80
