"""Goods come back by line and quantity: never more than was sold, points first, then money."""

import threading
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, structs

from drivers.document import document_from_json, to_plain_text
from protocol.documents import Catalogue
from protocol.messages import NoSale, OrderUnits, SaleBack, SaleFound, SaleNotFound
from protocol.money import QUANTITY_ONE_MILLI, Points, price_of
from protocol.redemption import FenRemainder, RedemptionTerms, Tender, due_of, tender
from protocol.refunds import (
    NOTHING_RETURNED,
    Returned,
    is_all_back,
    left_of,
    payment_worth_fen,
    refund_for,
    with_refund,
)
from protocol.sales import Payment, RefundLine, SaleLine, SaleRefunded
from terminal.checkout.returns import Returnable
from terminal.domain.notice import Notice, NoticeCode
from terminal.domain.print_job import JobEvent
from terminal.shifts.shifts import Counted
from tests.support.shop import ITEMS, NOON, ZHANG, Shop, directory, policy, slot_text


def sell(shop: Shop, *items: str, points: int = 0) -> str:
    for item in items:
        shop.till.add_item(item)
    if points:
        shop.pool.approve(points, 100)
        shop.till.scan(slot_text())
    shop.till.complete(shop.till.snapshot()[0].sale_id)
    completed = shop.page.view().completed
    assert completed is not None
    return completed.receipt_no


def found(shop: Shop, receipt_no: str) -> Returnable:
    looked = shop.returns.look(receipt_no)
    assert isinstance(looked, Returnable), looked
    return looked


def at_server(shop: Shop, receipt_no: str, *backs: SaleBack) -> SaleFound:
    """What the server answers about a sale of this journal."""
    captured = shop.store.captured(receipt_no)
    assert captured is not None
    sale = captured[1]
    return SaleFound(
        sale_id=sale.sale_id,
        receipt_no=receipt_no,
        business_date=sale.business_date,
        occurred_at=NOON,
        lines=sale.lines,
        payment=sale.payment,
        account=sale.account,
        backs=backs,
    )


def test_a_return_after_the_shift_closed_is_no_void_though_it_began_before(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The owner's PIN takes its time, and meanwhile somebody closes the shift."""
    receipt_no = sell(shop, "bun")
    assert found(shop, receipt_no).in_open_shift
    looked_at = shop.store.refunds_of

    def slowly(sale_id: UUID) -> Sequence[SaleRefunded]:
        if shop.store.last_z() is None:
            shop.shifts.close(1, Counted(None, {}))
        return looked_at(sale_id)

    looked = found(shop, receipt_no)
    monkeypatch.setattr(shop.returns, "look", lambda *_asked: looked)
    monkeypatch.setattr(shop.store, "refunds_of", slowly)
    notice = shop.returns.refund(receipt_no, "按错")
    assert notice.code is NoticeCode.REFUNDED
    assert shop.store.last_z() is not None
    (given,) = looked_at(looked.sale.sale_id)
    assert given.void is UNSET


def test_of_a_voucher_only_what_the_server_says_is_left_comes_back(shop: Shop) -> None:
    """Two of three were used elsewhere or expired; what is untold of this till counts as well."""
    receipt_no = sell(shop, "rice", "oil", "oil", "oil", points=135)
    told = at_server(shop, receipt_no)
    assert [line.quantity_milli for line in told.lines] == [1_000, 3_000]

    def left_at_server(milli: int, *backs: SaleBack) -> None:
        units = OrderUnits(
            line_no=2, open_milli=milli, done_milli=2_000, gone_milli=0, returnable_milli=milli
        )
        shop.pool.sales[receipt_no] = structs.replace(told, backs=backs, orders=(units,))

    left_at_server(1_000)
    assert found(shop, receipt_no).left == {1: 1_000, 2: 1_000}
    said = shop.returns.refund(receipt_no, "", {2: 2_000})
    assert said.code is NoticeCode.ORDER_NOT_BACK
    # All that is left is not the whole sale: it is a refund, and no void.
    notice = shop.returns.refund(receipt_no, "", {2: 1_000})
    assert notice.code is NoticeCode.REFUNDED
    assert found(shop, receipt_no).left == {1: 1_000}, "the server has not heard of it yet"
    (given,) = shop.store.refunds_of(told.sale_id)
    back = SaleBack(refund_id=given.refund_id, lines=given.lines, payment=given.payment)
    left_at_server(0, back)
    assert found(shop, receipt_no).left == {1: 1_000}
    assert shop.returns.refund(receipt_no, "").code is NoticeCode.REFUNDED
    assert shop.returns.refund(receipt_no, "").code is NoticeCode.ORDER_NOT_BACK
    shop.pool.sales.clear()
    assert found(shop, receipt_no).left == {2: 2_000}, "offline the till cannot know"


def test_what_is_left_of_a_sale_with_a_used_voucher_is_no_void(shop: Shop) -> None:
    receipt_no = sell(shop, "rice", "oil", points=55)
    units = OrderUnits(line_no=2, open_milli=0, done_milli=1_000, gone_milli=0, returnable_milli=0)
    shop.pool.sales[receipt_no] = structs.replace(at_server(shop, receipt_no), orders=(units,))
    assert shop.returns.refund(receipt_no, "").code is NoticeCode.REFUNDED
    assert shop.store.recent_sales(1)[0].partly_back


def test_one_line_comes_back_and_the_rest_stays(shop: Shop) -> None:
    """E4: the second line cannot be had after all; the rice stays."""
    receipt_no = sell(shop, "rice", "oil", points=55)
    notice = shop.returns.refund(receipt_no, "修不了", {2: 1_000})
    assert notice.code is NoticeCode.REFUNDED
    assert (notice.figures["points"], notice.figures["cash_fen"]) == (40, 0)
    assert found(shop, receipt_no).left == {1: 1_000}
    (refund,) = shop.store.refunds_of(found(shop, receipt_no).sale.sale_id)
    assert (refund.account, refund.payment.points_for_goods) == (ZHANG, 40)
    assert not shop.store.recent_sales(1)[0].refunded
    assert shop.store.recent_sales(1)[0].partly_back


def test_half_a_kilogram_comes_back_of_greens_that_weighed_two_even(shop: Shop) -> None:
    shop.till.add_item("greens", 2_000)
    shop.till.complete(shop.till.snapshot()[0].sale_id)
    receipt_no = shop.store.recent_sales(1)[0].row.receipt_no
    assert receipt_no is not None
    notice = shop.returns.refund(receipt_no, "有虫", {1: 500})
    assert (notice.code, notice.figures["cash_fen"]) == (NoticeCode.REFUNDED, 230)
    assert found(shop, receipt_no).left == {1: 1_500}
    # A bag is a bag, however heavy it is.
    bag = sell(shop, "rice", "rice", points=30)
    assert shop.returns.refund(bag, "", {1: 500}).code is NoticeCode.QUANTITY_WRONG


def test_points_come_back_before_money(shop: Shop) -> None:
    receipt_no = sell(shop, *["bun"] * 5, points=10)
    first = shop.returns.refund(receipt_no, "", {1: 1_000})
    second = shop.returns.refund(receipt_no, "", {1: 3_000})
    third = shop.returns.refund(receipt_no, "", {1: 1_000})
    given_back = [(x.figures["points"], x.figures["cash_fen"]) for x in (first, second, third)]
    assert given_back == [(5, 0), (5, 100), (0, 50)]
    assert shop.returns.refund(receipt_no, "", {1: 1_000}).code is NoticeCode.ALREADY_REFUNDED
    assert shop.store.recent_sales(1)[0].refunded


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({1: 0}, NoticeCode.REFUND_OF_NOTHING),
        ({}, NoticeCode.REFUND_OF_NOTHING),
        ({9: 1_000}, NoticeCode.REFUND_OF_NOTHING),
        ({1: 6_000}, NoticeCode.MORE_THAN_SOLD),
        ({1: 500}, NoticeCode.QUANTITY_WRONG),
    ],
)
def test_what_cannot_come_back_is_refused_and_nothing_is_written(
    shop: Shop, wanted: dict[int, int], code: NoticeCode
) -> None:
    receipt_no = sell(shop, *["bun"] * 5)
    untold = shop.store.untold()
    assert shop.returns.refund(receipt_no, "", wanted).code is code
    assert shop.store.untold() == untold


@pytest.mark.parametrize("terminal", ["T0001", "store-1"])
def test_a_receipts_number_is_found_in_whatever_case_it_is_typed(
    tmp_path: Path, terminal: str
) -> None:
    """The pool gives terminals names in small letters; a phone's keyboard likes capitals."""
    shop = Shop(tmp_path)
    shop.identity = structs.replace(shop.identity, terminal=terminal)
    shop.store.close()
    shop.open()
    shop.take(policy(), Catalogue(version=1, made_at=NOON, items=ITEMS), directory())
    shop.till.start("test")
    receipt_no = sell(shop, "bun")
    for typed in (receipt_no, receipt_no.lower(), receipt_no.upper(), f" {receipt_no} "):
        assert found(shop, typed).sale.receipt_no == receipt_no


def test_a_refund_is_not_refunded(shop: Shop) -> None:
    receipt_no = sell(shop, "bun")
    notice = shop.returns.refund(receipt_no, "")
    refused = shop.returns.refund(str(notice.figures["receipt_no"]), "")
    assert refused.code is NoticeCode.REFUND_OF_REFUND


def test_the_whole_of_todays_sale_is_a_void_and_the_paper_says_so(shop: Shop) -> None:
    receipt_no = sell(shop, "bun")
    part = sell(shop, "bun", "bun")
    assert shop.returns.refund(receipt_no, "按错").code is NoticeCode.VOIDED
    assert shop.returns.refund(part, "按错", {1: 1_000}).code is NoticeCode.REFUNDED
    papers = []
    while (job := shop.spool.next_job()) is not None:
        papers.append(to_plain_text(document_from_json(job.document_json), 32))
        shop.spool.move(job.job_no, JobEvent.SEND)
        shop.spool.move(job.job_no, JobEvent.PRINTED)
    assert [("撤销单" in text, "退货单" in text) for text in papers[-2:]] == [
        (True, False),
        (False, True),
    ]


def test_a_sale_of_another_terminal_comes_back_while_the_server_answers(shop: Shop) -> None:
    other = at_server(shop, sell(shop, "bun", "bun"))
    foreign = SaleFound(
        sale_id=shop.ids.new(NOON),
        receipt_no="t0002-000007",
        business_date=other.business_date,
        occurred_at=NOON,
        lines=other.lines,
        payment=other.payment,
        account=None,
        backs=(),
    )
    assert shop.returns.look("t0002-000007 ").code is NoticeCode.REFUND_NEEDS_NETWORK  # type: ignore[union-attr] # a notice, or the test fails here
    shop.pool.sales["t0002-000007"] = foreign
    notice = shop.returns.refund("t0002-000007", "坏了", {1: 1_000})
    assert (notice.code, notice.figures["cash_fen"]) == (NoticeCode.REFUNDED, 50)
    # The server has not been told yet; this terminal knows by itself.
    assert found(shop, "t0002-000007").left == {1: 1_000}
    again = shop.returns.refund("t0002-000007", "坏了", {1: 2_000})
    assert again.code is NoticeCode.MORE_THAN_SOLD
    shop.after_sale.reprint(str(notice.figures["receipt_no"]))
    shop.power_cut()
    assert found(shop, "t0002-000007").left == {1: 1_000}


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        (NoSale.OTHER_MERCHANT, NoticeCode.OTHER_MERCHANTS_SALE),
        (NoSale.IS_REFUND, NoticeCode.REFUND_OF_REFUND),
        (NoSale.UNKNOWN, NoticeCode.RECEIPT_UNKNOWN),
    ],
)
def test_what_the_server_does_not_give_out_does_not_come_back(
    shop: Shop, reason: NoSale, code: NoticeCode
) -> None:
    shop.pool.sales["t0009-000001"] = SaleNotFound(reason=reason)
    assert shop.returns.refund("t0009-000001", "").code is code


def test_what_came_back_at_another_terminal_does_not_come_back_here(shop: Shop) -> None:
    receipt_no = sell(shop, "bun", "bun")
    one = RefundLine(line_no=1, quantity_milli=1_000, amount_fen=50, amount_points=0)
    back = SaleBack(refund_id=shop.ids.new(NOON), lines=(one,), payment=Payment(cash_fen=50))
    shop.pool.sales[receipt_no] = at_server(shop, receipt_no, back)
    assert found(shop, receipt_no).left == {1: 1_000}
    assert shop.returns.refund(receipt_no, "", {1: 2_000}).code is NoticeCode.MORE_THAN_SOLD
    assert shop.returns.refund(receipt_no, "").figures["cash_fen"] == 50


def test_hands_at_once_give_back_no_more_than_was_sold(shop: Shop) -> None:
    receipt_no = sell(shop, *["bun"] * 5)
    said: list[Notice] = []
    together = threading.Barrier(8)

    def refund() -> None:
        together.wait()
        said.append(shop.returns.refund(receipt_no, "", {1: 1_000}))

    threads = [threading.Thread(target=refund) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    good = [x for x in said if x.code is NoticeCode.REFUNDED]
    assert len(good) == 5
    assert sum(int(x.figures["cash_fen"]) for x in good) == 250


def test_a_refund_survives_a_power_cut_and_is_not_given_again(shop: Shop) -> None:
    receipt_no = sell(shop, "bun", "bun")
    shop.returns.refund(receipt_no, "", {1: 1_000})
    shop.power_cut()
    shop.wall.at += timedelta(days=1)
    assert found(shop, receipt_no).left == {1: 1_000}
    assert shop.returns.refund(receipt_no, "", {1: 2_000}).code is NoticeCode.MORE_THAN_SOLD


WEIGHTS = st.integers(1, 4_000)
LINES = st.lists(
    st.tuples(st.integers(1, 999), st.one_of(WEIGHTS, st.integers(1, 6).map(lambda n: n * 1_000))),
    min_size=1,
    max_size=4,
)


@given(
    lines=LINES,
    share=st.integers(0, 100),
    remainder=st.sampled_from(FenRemainder),
    parts=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4_000)), max_size=8),
)
def test_any_refunds_of_any_sale_give_back_each_part_once(
    lines: list[tuple[int, int]],
    share: int,
    remainder: FenRemainder,
    parts: list[tuple[int, int]],
) -> None:
    """Points and money of each line never below zero, never above the original, all in the end."""
    sold = tuple(
        SaleLine(
            line_no=n, item_id=None, barcode=None, name="菜", category="", unit="kg",
            quantity_milli=milli, unit_price_fen=price, amount_fen=price_of(price, milli),
        )
        for n, (price, milli) in enumerate(lines, 1)
    )  # fmt: skip
    terms = RedemptionTerms(10, remainder)
    due = due_of(sold)
    paid = tender(due, terms, Points((due.money_fen // 10) * share // 100))
    assert isinstance(paid, Tender)
    payment = Payment(
        points_for_money=paid.points_for_money,
        cash_fen=paid.cash_fen,
        waived_fen=paid.waived_fen,
        rounded_up_fen=paid.rounded_up_fen,
    )
    back = NOTHING_RETURNED
    for line_no, milli in [*parts, *left_of(sold, back).items()]:
        left = left_of(sold, back)
        line = next((x for x in sold if x.line_no == line_no + 1), None)
        whole = line is not None and line.quantity_milli % QUANTITY_ONE_MILLI == 0
        wanted = {line_no + 1: milli - milli % QUANTITY_ONE_MILLI if whole else milli}
        offered = refund_for(sold, payment, back, wanted)
        if not isinstance(offered, tuple):
            assert wanted[line_no + 1] == 0 or left.get(line_no + 1, 0) < wanted[line_no + 1]
            continue
        back = checked(sold, payment, back, offered)
    if left_of(sold, back):
        rest = refund_for(sold, payment, back, left_of(sold, back))
        assert isinstance(rest, tuple)
        back = checked(sold, payment, back, rest)
    assert is_all_back(sold, back)
    assert back.payment == payment


def checked(
    sold: tuple[SaleLine, ...],
    paid: Payment,
    back: Returned,
    offered: tuple[tuple[RefundLine, ...], Payment],
) -> Returned:
    """The next state, after looking at what every refund promises."""
    lines, given_back = offered
    parts = [getattr(given_back, name) for name in Payment.__struct_fields__]
    assert min(parts) >= 0
    after = with_refund(back, lines, given_back)
    altogether = [getattr(after.payment, name) for name in Payment.__struct_fields__]
    assert all(
        x <= getattr(paid, n) for n, x in zip(Payment.__struct_fields__, altogether, strict=True)
    )
    for line in sold:
        assert 0 <= after.amount_fen.get(line.line_no, 0) <= line.amount_fen
    waiting_fen = after.goods_fen - payment_worth_fen(after.payment, 10)
    assert 0 <= waiting_fen < 10
    return after
