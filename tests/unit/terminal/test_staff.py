"""PINs: kept as Argon2id hashes, throttled, with the owner's leave for what needs him."""

import threading
from contextlib import AbstractContextManager
from datetime import timedelta

import msgspec
import pytest

from protocol.acts import Act, PersonActed
from protocol.journal import Envelope, decode_happening
from protocol.sales import Payment, SaleCaptured, SaleRefunded
from terminal.checkout.returns import Returnable
from terminal.domain.notice import Notice, NoticeCode, NoticeLevel
from terminal.domain.staff import LONGEST_WAIT, Role, wait_after
from terminal.store.sqlite import SqliteWork
from tests.support.shop import NOON, Shop

OWNER, CASHIER = "4719", "2580"


@pytest.fixture
def staffed(shop: Shop) -> Shop:
    assert shop.staff.add("店主", Role.OWNER, OWNER, None).code is NoticeCode.PERSON_SAVED
    said = shop.staff.add("小王", Role.CASHIER, CASHIER, OWNER)
    assert said.code is NoticeCode.PERSON_SAVED
    return shop


def sell(shop: Shop, yuan: str) -> str:
    shop.till.clear()
    shop.till.add_amount(yuan, "其他商品")
    shop.till.complete(shop.till.snapshot()[0].sale_id)
    completed = shop.page.view().completed
    assert completed is not None
    return completed.receipt_no


def happenings(shop: Shop) -> list[object]:
    with shop.store.reading() as connection:
        bodies = connection.exec_driver_sql("select body from journal order by epoch, seq")
        envelopes = [msgspec.json.decode(row[0], type=Envelope) for row in bodies]
    return [decode_happening(each.happening) for each in envelopes]


def acts(shop: Shop) -> list[Act]:
    return [each.act for each in happenings(shop) if isinstance(each, PersonActed)]


def test_a_fresh_terminal_sells_without_any_pin(shop: Shop) -> None:
    assert sell(shop, "7.20")
    assert shop.staff.at_till() is None
    # A small refund too; a large one asks for the owner, and there is none yet.
    assert shop.returns.refund(sell(shop, "20"), "").code is NoticeCode.VOIDED
    large = sell(shop, "300")
    assert shop.returns.refund(large, "", pin=None).code is NoticeCode.OWNER_PIN_UNSET
    shop.staff.add("店主", Role.OWNER, OWNER, None)
    assert shop.returns.refund(large, "", pin=OWNER).code is NoticeCode.VOIDED


def test_a_large_refund_needs_the_owner_and_its_record_says_who(staffed: Shop) -> None:
    receipt_no = sell(staffed, "300")
    assert staffed.returns.refund(receipt_no, "").code is NoticeCode.OWNER_NEEDED
    assert staffed.returns.refund(receipt_no, "", pin=CASHIER).code is NoticeCode.PIN_WRONG
    staffed.staff.sign_in("小王", CASHIER)
    assert staffed.returns.refund(receipt_no, "坏了", pin=OWNER).code is NoticeCode.VOIDED
    refund = happenings(staffed)[-1]
    assert isinstance(refund, SaleRefunded)
    assert (refund.approved_by, refund.cashier, refund.reason) == ("店主", "小王", "坏了")


def test_a_large_refund_in_small_pieces_needs_the_owner_all_the_same(staffed: Shop) -> None:
    """Each half is below the shop's limit of 100 元, and both together are not."""
    staffed.till.clear()
    for _ in range(2):
        staffed.till.add_amount("60", "其他商品")
    staffed.till.complete(staffed.till.snapshot()[0].sale_id)
    completed = staffed.page.view().completed
    assert completed is not None
    receipt_no = completed.receipt_no
    assert staffed.returns.refund(receipt_no, "", {1: 1_000}).code is NoticeCode.REFUNDED
    half = staffed.returns.look(receipt_no)
    assert isinstance(half, Returnable)
    rest = half.offer(None)
    assert not isinstance(rest, Notice)
    assert rest[1] == Payment(cash_fen=6_000)
    assert staffed.staff.needs_owner(half.altogether(rest[1])), "the page asks for the PIN"
    assert staffed.returns.refund(receipt_no, "").code is NoticeCode.OWNER_NEEDED
    assert staffed.returns.refund(receipt_no, "", pin=OWNER).code is NoticeCode.REFUNDED
    refund = happenings(staffed)[-1]
    assert isinstance(refund, SaleRefunded)
    assert refund.approved_by == "店主"


def test_points_above_the_limit_need_the_owner_too(staffed: Shop) -> None:
    assert staffed.staff.needs_owner(Payment(points_for_goods=2_000))
    assert not staffed.staff.needs_owner(Payment(points_for_goods=100, cash_fen=500))


def test_the_sales_of_whoever_is_signed_in_carry_the_name(staffed: Shop) -> None:
    staffed.staff.sign_in("小王", CASHIER)
    sell(staffed, "1")
    sale = happenings(staffed)[-1]
    assert isinstance(sale, SaleCaptured)
    assert sale.cashier == "小王"
    staffed.staff.sign_out()
    sell(staffed, "1")
    sale = happenings(staffed)[-1]
    assert isinstance(sale, SaleCaptured)
    assert sale.cashier is None


def test_no_pin_stands_anywhere_on_the_disk(staffed: Shop) -> None:
    staffed.store.close()
    for file in staffed.path.iterdir():
        kept = file.read_bytes()
        assert b"$argon2id$" in kept or OWNER.encode() not in kept
        assert CASHIER.encode() + b'"' not in kept
    staffed.open()
    assert all(each.pin_hash.startswith("$argon2id$") for each in staffed.staff.people())


def test_a_pin_tried_a_thousand_times_gets_a_handful_of_tries(staffed: Shop) -> None:
    said = [staffed.staff.sign_in("小王", f"{n:04d}").code for n in range(1_000)]
    assert said.count(NoticeCode.PIN_WRONG) == 5
    assert said.count(NoticeCode.PIN_WAITS) == 995
    # Not even the right one, until the wait is over; and a restart does not end it.
    staffed.power_cut()
    assert staffed.staff.sign_in("小王", CASHIER).code is NoticeCode.PIN_WAITS
    staffed.wall.at += timedelta(seconds=31)
    assert staffed.staff.sign_in("小王", CASHIER).code is NoticeCode.SIGNED_IN
    assert acts(staffed).count(Act.PIN_LOCKED) == 1


def test_a_sale_and_a_pin_do_not_wait_for_each_other(
    staffed: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sale asks in its durable step who stands at the till; a wrong PIN is noted in another."""
    working, tried = staffed.store.working, threading.Event()

    def tell_and_work() -> AbstractContextManager[SqliteWork]:
        tried.set()
        return working()

    said: list[str | None] = []
    asking = threading.Thread(target=lambda: said.append(staffed.staff.at_till()), daemon=True)
    wrong = threading.Thread(target=staffed.staff.sign_in, args=("小王", "0007"), daemon=True)
    with working():
        monkeypatch.setattr(staffed.store, "working", tell_and_work)
        wrong.start()
        assert tried.wait(timeout=30)
        asking.start()
        asking.join(timeout=5)
        assert said == [None], "the sale waits for the PIN, and the PIN for the sale"
    wrong.join()


def test_tries_at_once_are_not_free(staffed: Shop) -> None:
    said: list[Notice] = []
    together = threading.Barrier(12)

    def knock(pin: str) -> None:
        together.wait()
        said.append(staffed.staff.sign_in("小王", pin))

    threads = [threading.Thread(target=knock, args=(f"{n:04d}",)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(each.code is NoticeCode.PIN_WRONG for each in said) == 5


def test_the_wait_doubles_up_to_an_hour_and_a_clock_set_back_locks_nobody_out_longer(
    staffed: Shop,
) -> None:
    assert [wait_after(n).total_seconds() for n in (4, 5, 6, 7)] == [0, 30, 60, 120]
    assert wait_after(1_000) == LONGEST_WAIT
    for _ in range(5):
        staffed.staff.sign_in("小王", "0000")
    staffed.wall.at = NOON - timedelta(days=30)
    staffed.power_cut()
    waits = staffed.staff.sign_in("小王", CASHIER)
    assert waits.code is NoticeCode.PIN_WAITS
    assert int(waits.figures["seconds"]) <= LONGEST_WAIT.total_seconds() + 1


@pytest.mark.parametrize("pin", ["", "123", "1234", "123456789", "12a4", "１２３５", "0000"])
def test_a_pin_that_anybody_would_guess_is_refused(shop: Shop, pin: str) -> None:
    assert shop.staff.add("店主", Role.OWNER, pin, None).code is NoticeCode.PIN_TOO_EASY
    assert shop.staff.people() == []


def test_the_first_is_an_owner_and_the_last_owner_stays(staffed: Shop) -> None:
    assert staffed.staff.remove("店主", OWNER).code is NoticeCode.LAST_OWNER
    assert staffed.staff.add("小李", Role.CASHIER, "3692", None).code is NoticeCode.OWNER_NEEDED
    assert staffed.staff.remove("小王", CASHIER).code is NoticeCode.PIN_WRONG
    assert staffed.staff.remove("小王", OWNER).code is NoticeCode.PERSON_REMOVED
    assert acts(staffed) == [Act.PERSON_ADDED, Act.PERSON_ADDED, Act.PERSON_REMOVED]


def test_the_last_owner_is_not_made_a_cashier_for_then_anybody_could_be_the_next_owner(
    staffed: Shop,
) -> None:
    said = staffed.staff.add("店主", Role.CASHIER, "8527", OWNER)
    assert said.code is NoticeCode.LAST_OWNER
    assert staffed.staff.add("小王", Role.OWNER, "9513", None).code is NoticeCode.OWNER_NEEDED
    assert staffed.staff.add("店主", Role.OWNER, "8527", OWNER).code is NoticeCode.PERSON_SAVED
    assert staffed.staff.add("小王", Role.OWNER, "9513", "8527").code is NoticeCode.PERSON_SAVED
    assert staffed.staff.add("店主", Role.CASHIER, "8527", "9513").code is NoticeCode.PERSON_SAVED


def test_before_there_is_an_owner_nobody_else_is_made(shop: Shop) -> None:
    said = shop.staff.add("小李", Role.CASHIER, "3692", None)
    assert said.code is NoticeCode.OWNER_PIN_UNSET


def test_a_test_of_the_drawer_needs_leave_and_is_a_record_that_the_shift_counts(
    staffed: Shop,
) -> None:
    staffed.staff.add("老张", Role.TECHNICIAN, "3690", OWNER)
    assert staffed.staff.drawer_test("9999", "试钱箱") == Notice(
        NoticeCode.PIN_WRONG, NoticeLevel.REFUSED
    )
    assert staffed.staff.drawer_test(CASHIER, "试钱箱") is not None  # whoever stands there may not
    assert Act.DRAWER_TESTED not in acts(staffed)
    assert staffed.staff.drawer_test("3690", "试钱箱") is None
    assert staffed.staff.drawer_test(OWNER, "试钱箱") is None
    tested = [x for x in happenings(staffed) if isinstance(x, PersonActed)][-2:]
    assert [(x.act, x.approved_by, x.reason) for x in tested] == [
        (Act.DRAWER_TESTED, "老张", "试钱箱"),
        (Act.DRAWER_TESTED, "店主", "试钱箱"),
    ]
    assert staffed.shifts.now().figures.drawer_openings == 2


def test_without_an_owner_nobody_tests_the_drawer(shop: Shop) -> None:
    refused = shop.staff.drawer_test("4719", "试钱箱")
    assert refused is not None
    assert refused.code is NoticeCode.OWNER_PIN_UNSET
