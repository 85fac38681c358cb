"""The till's use cases on a real SQLite file."""

import hashlib
import hmac
import threading
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from protocol.documents import Catalogue
from protocol.evidence import CardEvidence, ProofGrade
from protocol.journal import Envelope, decode_happening
from protocol.messages import NoSale, SaleNotFound
from protocol.money import Points
from protocol.reasons import Declined, DeclineReason
from protocol.redemption import FenRemainder
from protocol.sales import (
    AnsweredBy,
    Fulfilment,
    SaleCaptured,
    SaleRefunded,
    SaleReversed,
    TerminalStarted,
)
from terminal.domain.notice import NoticeCode
from terminal.domain.print_job import JobEvent, JobState
from tests.support.at_till import buns_and_greens, complete, decline, happenings, notice, sale_id
from tests.support.shop import (
    ITEMS,
    NOON,
    SECRET,
    TERMINAL_KEY,
    WANG,
    WANGS_CARD,
    ZHANG,
    Shop,
    card_text,
    policy,
    slot_text,
)


def test_scenario_a1_buns_and_vegetables_and_nothing_to_pay(shop: Shop) -> None:
    buns_and_greens(shop)
    view = shop.page.view()
    assert (view.due_fen, view.points_possible) == (710, 71)
    shop.pool.approve(71, 100)
    shop.till.scan(slot_text())
    shown = shop.page.view().payment
    assert shown is not None
    assert (shown.balance_before_points, shown.points, shown.balance_after_points) == (100, 71, 29)
    done = complete(shop)
    assert (done.points, done.cash_fen, done.balance_after_points) == (71, 0, 29)
    assert done.receipt_no == "T0001-000001"
    _, captured = happenings(shop)
    assert isinstance(captured, SaleCaptured)
    assert captured.answered_by is AnsweredBy.SERVER
    assert captured.proof_grade is ProofGrade.SHOW
    assert [(x.name, x.quantity_milli, x.amount_fen) for x in captured.lines] == [
        ("馒头", 5000, 250),
        ("青菜", 1000, 460),
    ]


@pytest.mark.parametrize(
    ("remainder", "points", "cash_fen", "waived_fen", "rounded_up_fen"),
    [
        (FenRemainder.CASH, 71, 8, 0, 0),
        (FenRemainder.WAIVE, 71, 0, 8, 0),
        (FenRemainder.ROUND_UP, 72, 0, 0, 2),
    ],
)
def test_scenario_a1b_the_pools_policy_decides_on_fen(
    shop: Shop,
    remainder: FenRemainder,
    points: int,
    cash_fen: int,
    waived_fen: int,
    rounded_up_fen: int,
) -> None:
    shop.take(policy(remainder, version=2))
    for _ in range(5):
        shop.till.add_item("bun")
    shop.till.add_item("fresh", 1300)
    assert shop.page.view().due_fen == 718
    shop.pool.approve(points, 100)
    shop.till.scan(slot_text())
    done = complete(shop)
    assert (done.points, done.cash_fen, done.waived_fen, done.rounded_up_fen) == (
        points,
        cash_fen,
        waived_fen,
        rounded_up_fen,
    )


def test_a_sale_needs_no_resident(shop: Shop) -> None:
    shop.till.add_amount("12.60", "其他")
    done = complete(shop)
    assert (done.points, done.cash_fen) == (0, 1260)
    captured = happenings(shop)[-1]
    assert isinstance(captured, SaleCaptured)
    assert captured.account is None
    assert captured.answered_by is AnsweredBy.NOBODY
    assert shop.pool.asked == []


def test_a_free_line_needs_no_code_and_no_money(shop: Shop) -> None:
    shop.till.add_item("pressure")
    shop.till.scan(slot_text())
    assert notice(shop) == NoticeCode.CODE_NOT_NEEDED
    done = complete(shop)
    assert (done.points, done.cash_fen, done.total_fen) == (0, 0, 0)


def test_goods_priced_in_points_cannot_be_completed_without_a_code(shop: Shop) -> None:
    shop.till.add_item("rice")
    shop.till.complete(sale_id(shop))
    assert notice(shop) == NoticeCode.CODE_NEEDED
    assert shop.page.view().completed is None


def test_a_decline_holds_nothing_and_keeps_the_basket(shop: Shop) -> None:
    shop.till.add_item("oil")
    before = sale_id(shop)
    declined = Declined(DeclineReason.INSUFFICIENT_POINTS, missing_points=Points(16))
    shop.pool.answers.append(declined)
    shop.till.scan(slot_text())
    assert decline(shop).missing_points == 16
    view = shop.page.view()
    assert (view.state, len(view.lines)) == ("open", 1)
    assert sale_id(shop) != before, "a declined sale's id is used up"
    assert [type(x) for x in happenings(shop)] == [TerminalStarted]


def test_the_questions_id_is_on_disk_before_anything_is_sent(shop: Shop) -> None:
    buns_and_greens(shop)
    seen: list[str] = []
    shop.pool.while_asking = lambda: seen.extend(
        str(row.sale_id) for row in shop.store.unfinished()
    )
    shop.pool.approve(71, 100)
    shop.till.scan(slot_text())
    assert seen == [str(shop.pool.asked[0].sale_id)]


def test_a_cards_secret_is_never_stored(shop: Shop) -> None:
    shop.till.add_item("bun")
    shop.pool.approve(5, 50, WANG)
    shop.till.scan(card_text())
    complete(shop)
    asked = shop.pool.asked[0]
    captured = happenings(shop)[-1]
    assert isinstance(captured, SaleCaptured)
    for evidence in (asked.evidence, captured.evidence):
        assert isinstance(evidence, CardEvidence)
        assert evidence.card_id == WANGS_CARD
        message = (
            b"HUIDIAN1/card-proof\0" + captured.sale_id.bytes + (5).to_bytes(4, "big") + b"T0001"
        )
        assert evidence.proof_hex == hmac.new(SECRET, message, hashlib.sha256).hexdigest()
    shop.store.close()
    for file in shop.path.iterdir():
        content = file.read_bytes()
        assert SECRET not in content, file
        assert SECRET.hex().encode() not in content, file
        assert card_text().encode() not in content, file


def test_fewer_points_may_be_taken_than_were_approved(shop: Shop) -> None:
    buns_and_greens(shop)
    shop.pool.approve(71, 100)
    shop.till.scan(slot_text())
    for wrong in (-1, 72, 10_000):
        shop.till.choose_points(wrong)
        assert notice(shop) == NoticeCode.POINTS_OUT_OF_RANGE
    shop.till.choose_points(50)
    done = complete(shop)
    assert (done.points, done.cash_fen, done.balance_after_points) == (50, 210, 50)


@pytest.mark.parametrize("online", [True, False])
def test_an_approval_lasts_as_long_as_the_pool_holds_points(shop: Shop, online: bool) -> None:
    """Past it the pool does not believe a code of a few minutes, and the shop is not paid."""
    for waited_s, says in ((300, NoticeCode.COMPLETED), (301, NoticeCode.APPROVAL_TOO_OLD)):
        buns_and_greens(shop)
        if online:
            shop.pool.approve(71, 100)
        shop.till.scan(slot_text(starts_at=shop.wall.at))
        asked = sale_id(shop)
        shop.wall.at += timedelta(seconds=waited_s)
        shop.till.complete(asked)
        assert notice(shop) == says
    view = shop.page.view()
    assert (view.state, view.due_fen, view.payment and view.payment.points) == ("open", 710, 0)
    reversed_sale = happenings(shop)[-1]
    assert isinstance(reversed_sale, SaleReversed)
    assert reversed_sale.sale_id == asked


def test_a_double_press_completes_once(shop: Shop) -> None:
    shop.till.add_item("bun")
    pressed = sale_id(shop)
    presses = [threading.Thread(target=shop.till.complete, args=(pressed,)) for _ in range(8)]
    for press in presses:
        press.start()
    for press in presses:
        press.join()
    assert [type(x) for x in happenings(shop)] == [TerminalStarted, SaleCaptured]
    assert len(shop.store.recent_sales(10)) == 1


def test_a_button_of_an_older_page_does_nothing(shop: Shop) -> None:
    shop.till.add_item("bun")
    old = sale_id(shop)
    shop.till.clear()
    shop.till.add_item("greens")
    shop.till.complete(old)
    assert notice(shop) == NoticeCode.OTHER_SALE
    assert shop.store.recent_sales(10) == []


def test_going_back_gives_the_points_back_and_keeps_the_basket(shop: Shop) -> None:
    buns_and_greens(shop)
    shop.pool.approve(71, 100)
    shop.till.scan(slot_text())
    asked = shop.pool.asked[0].sale_id
    shop.till.set_quantity(1, 2000)
    assert notice(shop) == NoticeCode.BASKET_LOCKED
    shop.till.go_back()
    shop.till.set_quantity(1, 2000)
    assert shop.page.view().due_fen == 560
    reversed_ = happenings(shop)[-1]
    assert isinstance(reversed_, SaleReversed)
    assert reversed_.sale_id == asked


def test_a_sale_cancelled_while_asking_ignores_the_late_answer(shop: Shop) -> None:
    buns_and_greens(shop)
    shop.pool.while_asking = shop.till.go_back
    shop.pool.approve(71, 100)
    shop.till.scan(slot_text())
    view = shop.page.view()
    assert (view.state, view.payment.points if view.payment else None) == ("open", 0)
    assert [type(x) for x in happenings(shop)] == [TerminalStarted, SaleReversed]


def test_an_approval_of_more_than_was_asked_is_nonsense_and_the_terminal_stands_in(
    shop: Shop,
) -> None:
    buns_and_greens(shop)
    shop.pool.approve(5000, 9000)
    shop.till.scan(slot_text())
    shown = shop.page.view().payment
    assert shown is not None
    assert (shown.points, shown.offline) == (71, True)


def test_a_power_cut_while_asking_reverses_the_sale_and_says_so(shop: Shop) -> None:
    buns_and_greens(shop)
    shop.pool.approve(71, 100)
    shop.till.scan(slot_text())
    asked = shop.pool.asked[0].sale_id
    shop.power_cut()
    assert notice(shop) == NoticeCode.INTERRUPTED
    reversed_ = happenings(shop)[-1]
    assert isinstance(reversed_, SaleReversed)
    assert reversed_.sale_id == asked
    shop.power_cut()
    assert notice(shop) is None, "nothing was sold, nothing is left to explain"
    assert sum(isinstance(x, SaleReversed) for x in happenings(shop)) == 1


def test_a_power_cut_after_completing_loses_nothing(shop: Shop) -> None:
    shop.till.add_item("bun")
    done = complete(shop)
    shop.power_cut()
    assert [x.row.receipt_no for x in shop.store.recent_sales(5)] == [done.receipt_no]
    job = shop.store.job_of(done.receipt_no)
    assert job is not None
    assert job.state is JobState.QUEUED
    assert notice(shop) == NoticeCode.LAST_COMPLETED
    shop.wall.at = NOON + timedelta(hours=13)
    shop.power_cut()
    assert notice(shop) is None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("134567890123456789", NoticeCode.PAYMENT_CODE),
        ("2812345678901234", NoticeCode.PAYMENT_CODE),
        ("6212345678901234567", NoticeCode.PAYMENT_CODE),
        ("6900000000021", NoticeCode.ITEM_UNKNOWN),
        ("hello", NoticeCode.UNKNOWN_SCAN),
        ("你好", NoticeCode.UNKNOWN_SCAN),
        ("9" * 200, NoticeCode.DAMAGED_CODE),
        ("9" * 4000, NoticeCode.UNKNOWN_SCAN),
    ],
)
def test_what_is_no_resident_code_is_explained_and_not_kept(
    shop: Shop, text: str, code: NoticeCode
) -> None:
    shop.till.add_item("bun")
    shop.till.scan(text)
    assert notice(shop) == code
    assert shop.pool.asked == []
    complete(shop)
    shop.store.close()
    if code is NoticeCode.PAYMENT_CODE:
        for file in shop.path.iterdir():
            assert text.encode() not in file.read_bytes()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (slot_text(starts_at=NOON - timedelta(hours=2)), DeclineReason.CODE_EXPIRED),
        (slot_text(starts_at=NOON + timedelta(hours=2)), DeclineReason.CODE_NOT_YET_VALID),
        (slot_text(cap=10), DeclineReason.CODE_CAP_EXCEEDED),
        (slot_text(issuer=TERMINAL_KEY), DeclineReason.CODE_FORGED),
        (slot_text(issuer=TERMINAL_KEY, kid=77), DeclineReason.CODE_FOREIGN),
    ],
)
def test_a_code_that_cannot_pay_is_declined_without_asking(
    shop: Shop, text: str, reason: DeclineReason
) -> None:
    shop.till.add_item("rice")
    shop.till.scan(text)
    assert decline(shop).reason is reason
    assert shop.pool.asked == []


def test_a_code_without_a_basket_asks_for_goods_first(shop: Shop) -> None:
    shop.till.scan(slot_text())
    assert notice(shop) == NoticeCode.BASKET_EMPTY


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("0", NoticeCode.AMOUNT_ZERO),
        ("-5", NoticeCode.AMOUNT_NEGATIVE),
        ("1.234", NoticeCode.AMOUNT_TOO_MANY_DECIMALS),
        ("99999999", NoticeCode.AMOUNT_TOO_LARGE),
        ("七块", NoticeCode.AMOUNT_NOT_A_NUMBER),
    ],
)
def test_a_wrong_amount_is_refused_and_the_basket_stays(
    shop: Shop, text: str, code: NoticeCode
) -> None:
    shop.till.add_item("bun")
    shop.till.add_amount(text, "其他")
    assert notice(shop) == code
    assert len(shop.page.view().lines) == 1


def test_a_code_read_twice_changes_nothing(shop: Shop) -> None:
    buns_and_greens(shop)
    shop.pool.approve(71, 100)
    shop.till.scan(slot_text())
    shop.till.scan(slot_text())
    assert (notice(shop), shop.page.view().state) == (None, "authorised")
    complete(shop)
    shop.till.scan(slot_text())
    assert shop.page.view().completed is not None, "the sale just made stays in sight"
    assert len(shop.pool.asked) == 1


def test_what_is_not_weighed_comes_in_whole_pieces(shop: Shop) -> None:
    shop.till.add_item("bun", 1500)
    assert notice(shop) == NoticeCode.QUANTITY_WRONG
    shop.till.add_item("bun")
    shop.till.set_quantity(1, 500)
    assert notice(shop) == NoticeCode.QUANTITY_WRONG
    shop.till.add_item("greens", 333)
    assert shop.page.view().due_fen == 50 + 153


def test_an_empty_basket_cannot_be_completed(shop: Shop) -> None:
    shop.till.complete(sale_id(shop))
    assert notice(shop) == NoticeCode.BASKET_EMPTY


def test_a_basket_has_limits(shop: Shop) -> None:
    shop.till.add_item("bun")
    shop.till.set_quantity(1, 1_000_000)
    assert notice(shop) == NoticeCode.BASKET_TOO_LARGE
    shop.till.set_quantity(1, -1000)
    assert notice(shop) == NoticeCode.QUANTITY_WRONG
    assert shop.page.view().due_fen == 50


def test_a_clock_behind_the_journal_is_not_believed(shop: Shop) -> None:
    shop.clock.not_before(NOON)
    shop.wall.at = NOON - timedelta(days=300)
    shop.till.add_item("bun")
    shop.till.scan(slot_text())
    assert decline(shop).reason is DeclineReason.CLOCK_UNKNOWN
    shop.pool.approve(5, 50, WANG)
    shop.till.scan(card_text())
    complete(shop)
    captured = happenings(shop)[-1]
    assert isinstance(captured, SaleCaptured)
    assert captured.business_date == NOON.date()


def test_a_refund_gives_back_what_was_paid_once(shop: Shop) -> None:
    buns_and_greens(shop)
    shop.pool.approve(71, 100)
    shop.till.scan(slot_text())
    shop.till.choose_points(60)
    done = complete(shop)
    assert shop.returns.refund(done.receipt_no, "坏了").code is NoticeCode.VOIDED
    refund = happenings(shop)[-1]
    assert isinstance(refund, SaleRefunded)
    assert (refund.payment.points, refund.payment.cash_fen, refund.account) == (60, 110, ZHANG)
    assert shop.returns.refund(done.receipt_no, "").code is NoticeCode.ALREADY_REFUNDED
    shop.pool.sales["t0001-000999"] = SaleNotFound(reason=NoSale.UNKNOWN)
    assert shop.returns.refund("T0001-000999", "").code is NoticeCode.RECEIPT_UNKNOWN
    assert shop.store.recent_sales(1)[0].refunded


def test_a_reprint_is_marked_unless_nothing_went_out(shop: Shop) -> None:
    shop.till.add_item("bun")
    receipt_no = complete(shop).receipt_no
    first = shop.spool.next_job()
    assert first is not None
    shop.spool.move(first.job_no, JobEvent.REFUSED, "paper_out")
    shop.after_sale.reprint(receipt_no)
    again = shop.spool.next_job()
    assert again is not None
    assert (again.job_no, again.copy_no) == (first.job_no, 0)
    shop.spool.move(again.job_no, JobEvent.SEND)
    shop.spool.move(again.job_no, JobEvent.LOST, "link_lost")
    assert shop.spool.next_job() is None, "what may be on paper is never sent again by itself"
    shop.after_sale.reprint(receipt_no)
    copy = shop.spool.next_job()
    assert copy is not None
    assert copy.copy_no == 1
    assert "补打 第1次".encode() in copy.document_json


def test_a_job_cut_off_in_sending_is_unknown_after_the_start(shop: Shop) -> None:
    shop.till.add_item("bun")
    receipt_no = complete(shop).receipt_no
    job = shop.spool.next_job()
    assert job is not None
    shop.spool.move(job.job_no, JobEvent.SEND)
    shop.power_cut()
    assert shop.spool.lose_interrupted() == 1
    found = shop.store.job_of(receipt_no)
    assert found is not None
    assert found.state is JobState.UNKNOWN


def test_without_a_policy_nothing_is_sold(tmp_path: Path) -> None:
    bare = Shop(tmp_path)
    bare.till.start("test")
    bare.till.add_amount("5", "其他")
    assert notice(bare) == NoticeCode.NOT_READY
    assert bare.page.view().lines == ()
    bare.store.close()


def test_a_work_order_with_a_price_in_money_is_not_sold_at_the_till(shop: Shop) -> None:
    cleaning = msgspec.structs.replace(
        ITEMS[0], item_id="cleaning", barcode=None, fulfilment=Fulfilment.WORK_ORDER
    )
    shop.take(Catalogue(version=9, made_at=NOON, items=(*ITEMS, cleaning)))
    shop.till.add_item("cleaning")
    assert notice(shop) == NoticeCode.ITEM_ELSEWHERE
    assert shop.page.view().lines == ()


def with_stock(stock: int, version: int) -> Catalogue:
    items = (msgspec.structs.replace(each, stock=stock) for each in ITEMS)
    return Catalogue(version=version, made_at=NOON, items=tuple(items))


def test_goods_for_points_are_refused_beyond_the_stock_that_the_pool_last_knew(shop: Shop) -> None:
    shop.take(with_stock(2, version=9))
    shop.till.add_item("rice")
    shop.till.add_item("rice")
    shop.till.add_item("rice")
    assert notice(shop) == NoticeCode.OUT_OF_STOCK
    assert [line.quantity_milli for line in shop.page.view().lines] == [2_000]
    shop.till.set_quantity(1, 3_000)
    assert notice(shop) == NoticeCode.OUT_OF_STOCK
    shop.take(with_stock(3, version=10))
    shop.till.add_item("rice")
    assert [line.quantity_milli for line in shop.page.view().lines] == [3_000]


def test_what_is_sold_for_money_is_never_out_of_stock_at_the_till(shop: Shop) -> None:
    shop.take(with_stock(0, version=9))
    shop.till.add_item("bun")
    assert [line.name for line in shop.page.view().lines] == ["馒头"]
    shop.till.add_item("oil")
    assert notice(shop) == NoticeCode.OUT_OF_STOCK


def test_an_older_document_does_not_replace_a_newer_one(shop: Shop) -> None:
    shop.take(policy(FenRemainder.CASH, version=3))
    shop.take(policy(FenRemainder.ROUND_UP, version=2))
    used = shop.store.documents().policy
    assert used is not None
    assert (used.version, used.fen_remainder) == (3, FenRemainder.CASH)


def test_receipt_numbers_have_no_gaps(shop: Shop) -> None:
    numbers = []
    for _ in range(5):
        shop.till.add_item("bun")
        numbers.append(complete(shop).receipt_no)
        shop.power_cut()
    assert numbers == [f"T0001-{n:06d}" for n in range(1, 6)]


def test_the_record_keeps_what_rules_it_was_made_under(shop: Shop) -> None:
    shop.take(Catalogue(version=4, made_at=NOON, items=ITEMS))
    shop.till.add_item("rice")
    shop.pool.approve(15, 24, WANG)
    shop.till.scan(slot_text(WANG))
    complete(shop)
    untold = shop.outbox.next_batch()[-1]
    envelope = msgspec.json.decode(untold.record.body, type=Envelope)
    assert (envelope.policy_version, envelope.directory_version) == (1, 1)
    captured = decode_happening(envelope.happening)
    assert isinstance(captured, SaleCaptured)
    assert (captured.lines[0].catalogue_version, captured.lines[0].reimbursement_fen) == (4, 2800)
