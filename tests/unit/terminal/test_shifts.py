"""A shift: opened, counted, closed once; what its Z report says is the journal and nothing else."""

import tempfile
import threading
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from drivers.document import document_from_json, to_plain_text
from protocol.documents import Catalogue
from protocol.journal import Envelope, decode_happening
from protocol.sales import Happening, SaleCaptured, SaleRefunded, TakingsDeclared
from protocol.shifts import ShiftClosed, ShiftFigures
from terminal.checkout.returns import Returnable
from terminal.domain.notice import Notice, NoticeCode
from terminal.domain.print_job import JobEvent
from terminal.shifts.shifts import Counted
from tests.support.shop import ITEMS, NOON, Shop, directory, policy, slot_text
from tests.support.till_web import app_of

NOT_COUNTED = Counted(None, {})


def sell(shop: Shop, *items: str, points: int = 0) -> str:
    shop.till.clear()
    for item in items:
        shop.till.add_item(item)
    if points:
        shop.pool.approve(points, 1_000)
        shop.till.scan(slot_text(starts_at=shop.wall.at))
    shop.till.complete(shop.till.snapshot()[0].sale_id)
    completed = shop.page.view().completed
    assert completed is not None, shop.page.view().notice
    return completed.receipt_no


def close(shop: Shop, counted: Counted = NOT_COUNTED) -> Notice:
    return shop.shifts.close(shop.shifts.next_z_no(), counted)


def journal(shop: Shop) -> list[Happening]:
    with shop.store.reading() as connection:
        bodies = connection.exec_driver_sql("select body from journal order by epoch, seq")
        envelopes = [msgspec.json.decode(row[0], type=Envelope) for row in bodies]
    found = [decode_happening(each.happening) for each in envelopes]
    return [each for each in found if each is not None]


def closings(shop: Shop) -> list[ShiftClosed]:
    return [each for each in journal(shop) if isinstance(each, ShiftClosed)]


def test_a_day_from_float_to_z(shop: Shop) -> None:
    assert shop.shifts.open(10_000).code is NoticeCode.SHIFT_OPENED
    sell(shop, "bun", "bun")
    second = sell(shop, *["bun"] * 4, points=10)
    voided = sell(shop, "bun")
    shop.returns.refund(second, "", {1: 3_000})
    shop.returns.refund(voided, "按错")
    now = shop.shifts.now()
    assert now.figures == ShiftFigures(
        sales=3, refunds=1, voids=1, sold_fen=350, refunded_fen=200, money_fen=150,
        points_used=10, points_returned=10,
    )  # fmt: skip
    said = close(shop, Counted(10_100, {"wechat": 60}))
    assert (said.code, said.figures["cash_fen"]) == (NoticeCode.SHIFT_CLOSED_OVER, 10)
    z, declared = journal(shop)[-2:]
    assert isinstance(z, ShiftClosed)
    assert isinstance(declared, TakingsDeclared)
    assert (z.z_no, z.figures, z.float_fen) == (1, now.figures, 10_000)
    assert (z.expected_cash_fen, z.counted_cash_fen) == (10_090, 10_100)
    assert z.tenders_fen == declared.takings_fen == {"cash": 90, "wechat": 60}
    assert declared.counted_fen == 150
    paper = papers(shop)[-1]
    for words in ("Z 报表", "100.90 元", "101.00 元", "+0.10 元"):
        assert words in paper, paper
    assert "现金 0 笔" not in paper, "how often money came by which tender nobody counts"


def papers(shop: Shop) -> list[str]:
    found = []
    while (job := shop.spool.next_job()) is not None:
        found.append(to_plain_text(document_from_json(job.document_json), 32))
        shop.spool.move(job.job_no, JobEvent.SEND)
        shop.spool.move(job.job_no, JobEvent.PRINTED)
    return found


def test_z_numbers_are_gapless_and_each_names_the_hash_of_the_one_before(shop: Shop) -> None:
    hashes = [""]
    for number in range(1, 4):
        sell(shop, "bun")
        close(shop)
        mark = shop.store.last_z()
        assert mark is not None
        assert mark.z_no == number
        hashes.append(mark.hash_hex)
        shop.power_cut()
    assert [z.z_no for z in closings(shop)] == [1, 2, 3]
    assert [z.previous_hash for z in closings(shop)] == hashes[:-1]


def test_a_sale_while_the_shift_closes_is_in_this_shift_or_in_the_next(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sale comes where the close has folded the journal and not yet written its Z report."""
    sell(shop, "bun")
    selling = threading.Thread(target=sell, args=(shop, "bun", "bun"))
    fold = shop.store.since_last_z

    def folded_then_a_sale() -> Sequence[tuple[Happening, datetime]]:
        found = fold()
        if selling.ident is None:
            selling.start()
            selling.join(timeout=1)  # not held up, it is in the journal by then
        return found

    number = shop.shifts.next_z_no()
    monkeypatch.setattr(shop.store, "since_last_z", folded_then_a_sale)
    first = shop.shifts.close(number, NOT_COUNTED)
    assert first.code is NoticeCode.SHIFT_CLOSED
    monkeypatch.undo()
    selling.join()
    close(shop)
    one, two = closings(shop)
    assert one.figures.money_fen + two.figures.money_fen == 150
    assert one.figures.sales + two.figures.sales == 2
    sold = [x for x in journal(shop) if isinstance(x, SaleCaptured | ShiftClosed)]
    kinds = [type(each) for each in sold]
    assert kinds.index(ShiftClosed) == one.figures.sales, "what it says is what stands before it"


def test_a_shift_is_closed_once_however_often_the_button_is_pressed(shop: Shop) -> None:
    sell(shop, "bun")
    said: list[NoticeCode] = []
    together = threading.Barrier(6)

    def press() -> None:
        together.wait()
        said.append(shop.shifts.close(1, NOT_COUNTED).code)

    threads = [threading.Thread(target=press) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(said) == [NoticeCode.SHIFT_CLOSED] + [NoticeCode.SHIFT_CLOSED_ALREADY] * 5
    assert len(closings(shop)) == 1
    assert close(shop).code is NoticeCode.SHIFT_EMPTY


def test_a_shift_survives_a_power_cut(shop: Shop) -> None:
    shop.shifts.open(5_000)
    sell(shop, "bun")
    before = shop.shifts.now()
    shop.power_cut()
    assert shop.shifts.now() == before
    assert shop.shifts.open(5_000).code is NoticeCode.SHIFT_OPEN_ALREADY


def test_yesterdays_forgotten_shift_is_told_and_closed_under_its_own_day(shop: Shop) -> None:
    sell(shop, "bun")
    assert not shop.page.view().shift_forgotten
    shop.wall.at = NOON + timedelta(hours=20)
    shop.power_cut()
    assert shop.shifts.is_forgotten()
    assert shop.page.view().shift_forgotten
    close(shop)
    (z,) = closings(shop)
    assert z.business_date == NOON.date()
    sell(shop, "bun", "bun")
    assert not shop.page.view().shift_forgotten
    close(shop)
    assert closings(shop)[-1].business_date == NOON.date() + timedelta(days=1)
    assert [z.figures.money_fen for z in closings(shop)] == [50, 100]


def test_a_clock_set_back_in_mid_shift_loses_and_doubles_nothing(shop: Shop) -> None:
    sell(shop, "bun")
    close(shop)
    sell(shop, "bun", "bun")
    shop.wall.at = NOON - timedelta(hours=5)
    shop.power_cut()
    sell(shop, "bun")
    close(shop)
    assert [z.figures.money_fen for z in closings(shop)] == [50, 150]
    assert [z.z_no for z in closings(shop)] == [1, 2]


def test_a_sale_of_a_closed_shift_is_refunded_and_no_longer_voided(shop: Shop) -> None:
    receipt_no = sell(shop, "bun")
    close(shop)
    assert shop.returns.refund(receipt_no, "").code is NoticeCode.REFUNDED
    close(shop)
    assert closings(shop)[-1].figures.money_fen == -50


def test_a_shop_with_another_till_declares_all_that_it_took(shop: Shop) -> None:
    sell(shop, "bun")
    need = shop.shifts.close(1, Counted(None, {"wechat": 5}, elsewhere=True))
    assert need.code is NoticeCode.COUNT_NEEDED
    close(shop, Counted(30_000, {"wechat": 12_000}, elsewhere=True))
    declared = journal(shop)[-1]
    assert isinstance(declared, TakingsDeclared)
    assert (declared.takings_fen, declared.counted_fen) == ({"cash": 30_000, "wechat": 12_000}, 50)


def test_a_z_report_is_printed_again_with_its_mark(shop: Shop) -> None:
    sell(shop, "bun")
    close(shop)
    papers(shop)
    assert shop.shifts.reprint(1).code is NoticeCode.REPRINT_QUEUED
    (copy,) = papers(shop)
    assert "补打" in copy.splitlines()[0]
    assert shop.shifts.reprint(2).code is NoticeCode.RECEIPT_UNKNOWN


def test_a_z_report_whose_records_are_gone_after_ninety_days_breaks_nothing(shop: Shop) -> None:
    receipt_no = sell(shop, "bun")
    close(shop)
    refund_no = str(shop.returns.refund(receipt_no, "").figures["receipt_no"])
    with shop.store.writing() as connection:
        connection.exec_driver_sql("delete from outbox")
        connection.exec_driver_sql(
            "delete from journal where kind in ('sale_captured', 'shift_closed')"
        )
        connection.exec_driver_sql("delete from sale")
    assert shop.store.z_report(1) is None
    assert shop.store.refund_by_receipt(refund_no) is None
    assert shop.shifts.reprint(1).code is NoticeCode.RECEIPT_UNKNOWN
    assert app_of(shop).test_client().get("/more/shift").status_code == 200


class AnyDay(RuleBasedStateMachine):
    """Any sequence of sales, voids, refunds, power cuts and closings."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.shop = Shop(Path(self.folder.name))
        catalogue = Catalogue(version=1, made_at=NOON, items=ITEMS)
        self.shop.take(policy(), catalogue, directory())
        self.shop.till.start("test")
        self.receipts: list[str] = []

    def teardown(self) -> None:
        self.shop.store.close()
        self.folder.cleanup()

    @rule(
        items=st.lists(st.sampled_from(["bun", "rice", "oil", "pressure"]), min_size=1, max_size=4),
        more=st.integers(0, 20),
    )
    def sell(self, items: list[str], more: int) -> None:
        goods = 15 * items.count("rice") + 40 * items.count("oil")
        points = goods + min(more, 5 * items.count("bun"))
        self.receipts.append(sell(self.shop, *items, points=points))

    @precondition(lambda self: self.receipts)
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        receipt_no = data.draw(st.sampled_from(self.receipts))
        line_no = data.draw(st.integers(1, 4))
        units = data.draw(st.one_of(st.none(), st.integers(0, 4)))
        wanted = None if units is None else {line_no: units * 1_000}
        self.shop.returns.refund(receipt_no, "", wanted)

    @rule()
    def power_cut(self) -> None:
        self.shop.power_cut()

    @rule(cash=st.one_of(st.none(), st.integers(0, 9_999)))
    def close(self, cash: int | None) -> None:
        close(self.shop, Counted(cash, {}))

    @invariant()
    def nothing_comes_back_that_was_not_sold(self) -> None:
        for receipt_no in self.receipts:
            found = self.shop.returns.look(receipt_no)
            assert isinstance(found, Returnable)
            paid, back = found.sale.payment, found.back.payment
            for name in paid.__struct_fields__:
                assert 0 <= getattr(back, name) <= getattr(paid, name)
            for line in found.sale.lines:
                assert 0 <= found.back.amount_fen.get(line.line_no, 0) <= line.amount_fen
                assert 0 <= found.back.amount_points.get(line.line_no, 0) <= line.amount_points

    @invariant()
    def z_reports_and_the_open_shift_are_the_journal(self) -> None:
        happened = journal(self.shop)
        sales = [x for x in happened if isinstance(x, SaleCaptured)]
        backs = [x for x in happened if isinstance(x, SaleRefunded)]
        shifts = [z.figures for z in closings(self.shop)] + [self.shop.shifts.now().figures]
        cash = sum(x.payment.cash_fen for x in sales) - sum(x.payment.cash_fen for x in backs)
        assert sum(x.money_fen for x in shifts) == cash
        assert sum(x.points_used for x in shifts) == sum(x.payment.points for x in sales)
        assert sum(x.points_returned for x in shifts) == sum(x.payment.points for x in backs)
        assert sum(x.sales for x in shifts) == len(sales)
        assert sum(x.refunds + x.voids for x in shifts) == len(backs)


TestAnyDay = AnyDay.TestCase
TestAnyDay.settings = settings(max_examples=12, stateful_step_count=14, deadline=None)
