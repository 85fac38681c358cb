"""A phone at the till: shown codes, and the two scans by which it confirms a sale."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from protocol.codes import ShowCode, read_code, to_digits
from protocol.codes.challenge import Challenge
from protocol.codes.verifying import challenge_problem
from protocol.evidence import ConfirmEvidence, ProofGrade, ShowEvidence
from protocol.reasons import DeclineReason
from terminal.checkout.view import ConfirmingView
from terminal.domain.presented import PresentedCode
from terminal.domain.sale import SaleState
from tests.support.shop import (
    NOON,
    RESIDENTS,
    SLOT_ISSUER,
    TAG,
    ZHANG,
    Shop,
    directory,
    policy,
    slot_text,
)
from tests.support.shop_phone import ShopPhone, certify


@pytest.fixture
def phone(shop: Shop) -> ShopPhone:
    certify(shop)
    return ShopPhone()


def reason(shop: Shop) -> DeclineReason | None:
    _, notice = shop.till.snapshot()
    return notice.decline.reason if notice and notice.decline else None


def state(shop: Shop) -> SaleState:
    return shop.till.snapshot()[0].state


def asked(shop: Shop) -> ConfirmingView:
    view = shop.page.view().confirming
    assert view is not None
    return view


def complete(shop: Shop) -> None:
    shop.till.complete(shop.till.snapshot()[0].sale_id)
    assert state(shop) is SaleState.CAPTURED


def next_basket(shop: Shop, yuan: str = "3.00") -> None:
    shop.till.clear()
    shop.till.add_amount(yuan, "其他商品")


def forget_the_time(shop: Shop) -> None:
    shop.clock.not_before(NOON + timedelta(days=2))


def test_a_shown_code_is_taken_and_its_bytes_are_kept(shop: Shop, phone: ShopPhone) -> None:
    shop.till.add_amount("7.10", "其他商品")
    shop.pool.approve(71, 100)
    text = phone.show()
    shop.till.scan(text)
    complete(shop)
    captured = shop.till.snapshot()[0].captured
    code = read_code(text)
    assert captured is not None
    assert captured.proof_grade is ProofGrade.SHOW
    assert captured.evidence == ShowEvidence(payload_hex=code.payload.hex())  # type: ignore[union-attr] # it was read
    assert shop.pool.asked[0].evidence == captured.evidence


def test_a_shown_code_pays_while_the_server_is_away(shop: Shop, phone: ShopPhone) -> None:
    shop.till.add_amount("7.10", "其他商品")
    shop.till.scan(phone.show())
    assert state(shop) is SaleState.AUTHORISED
    complete(shop)


@pytest.mark.parametrize(("late_s", "taken"), [(-31, False), (-30, True), (90, True), (91, False)])
def test_the_window_is_ninety_seconds(
    shop: Shop, phone: ShopPhone, late_s: int, taken: bool
) -> None:
    shop.till.add_amount("7.10", "其他商品")
    shop.till.scan(phone.show(at=NOON - timedelta(seconds=late_s)))
    assert (state(shop) is SaleState.AUTHORISED) == taken


def test_a_code_that_a_sale_took_is_taken_no_more_not_even_after_a_power_cut(
    shop: Shop, phone: ShopPhone
) -> None:
    shop.till.add_amount("3.00", "其他商品")
    text = phone.show()
    shop.till.scan(text)
    complete(shop)
    next_basket(shop)
    shop.till.scan(text)
    assert reason(shop) is DeclineReason.CODE_USED
    shop.power_cut()
    next_basket(shop)
    shop.till.scan(text)
    assert reason(shop) is DeclineReason.CODE_USED
    shop.till.scan(phone.show(counter=phone.counter))
    assert reason(shop) is DeclineReason.CODE_USED
    shop.till.scan(phone.show())
    assert state(shop) is SaleState.AUTHORISED


def test_a_sale_that_came_to_nothing_uses_no_code_up(shop: Shop, phone: ShopPhone) -> None:
    shop.till.add_amount("3.00", "其他商品")
    text = phone.show()
    shop.till.scan(text)
    shop.till.go_back()
    shop.till.scan(text)
    assert state(shop) is SaleState.AUTHORISED


def test_a_phone_that_the_directory_knows_as_ended_is_refused_by_exact_number(
    shop: Shop, phone: ShopPhone
) -> None:
    residents = tuple(
        msgspec.structs.replace(each, phone_seq=2) if each.account == ZHANG else each
        for each in RESIDENTS
    )
    shop.take(directory(version=2, residents=residents))
    shop.till.add_amount("3.00", "其他商品")
    shop.till.scan(phone.show())
    assert reason(shop) is DeclineReason.PHONE_REVOKED
    shop.till.scan(ShopPhone(seq=2).show())
    assert state(shop) is SaleState.AUTHORISED
    shop.till.clear()
    shop.till.add_amount("3.00", "其他商品")
    # A phone that enrolled after the directory was made is none that it speaks against.
    shop.till.scan(ShopPhone(seq=3).show())
    assert state(shop) is SaleState.AUTHORISED


def test_the_slots_of_a_phone_end_with_it(shop: Shop) -> None:
    residents = tuple(
        msgspec.structs.replace(each, phone_seq=2) if each.account == ZHANG else each
        for each in RESIDENTS
    )
    shop.take(directory(version=2, residents=residents))
    shop.till.add_amount("3.00", "其他商品")
    shop.till.scan(slot_text(batch=1))
    assert reason(shop) is DeclineReason.PHONE_REVOKED
    for batch in (2, 0):
        shop.till.scan(slot_text(batch=batch))
        assert state(shop) is SaleState.AUTHORISED
        next_basket(shop)


def test_above_the_show_limit_the_phone_confirms_the_amount(shop: Shop, phone: ShopPhone) -> None:
    shop.till.add_amount("48.00", "其他商品")
    shop.till.scan(phone.show())
    assert state(shop) is SaleState.OPEN
    assert shop.pool.asked == []
    view = asked(shop)
    assert (view.points, view.skip_points) == (480, 400)
    challenge = read_code(view.digits)
    assert isinstance(challenge, Challenge)
    assert challenge.certificate.shop_name == "广惠小店一号"
    assert challenge_problem(challenge, {2: SLOT_ISSUER.public_key()}, TAG) is None
    shop.pool.approve(480, 1000)
    shop.till.scan(phone.confirm(view.digits))
    assert state(shop) is SaleState.AUTHORISED
    assert shop.page.view().confirming is None
    complete(shop)
    captured = shop.till.snapshot()[0].captured
    assert captured is not None
    assert captured.proof_grade is ProofGrade.CONFIRM
    assert isinstance(captured.evidence, ConfirmEvidence)
    assert captured.payment.points == 480
    assert phone.counter == shop.store.phone_counter(ZHANG, 1) == 2


def test_scans_that_come_twice_change_nothing(shop: Shop, phone: ShopPhone) -> None:
    shop.till.add_amount("48.00", "其他商品")
    shop.till.scan(phone.show())
    digits = asked(shop).digits
    shop.wall.at += timedelta(seconds=40)
    shop.till.scan(phone.show(at=shop.wall.at))
    assert asked(shop).digits == digits, "the phone may be looking at it"
    shop.pool.approve(480, 1000)
    answer = phone.confirm(digits)
    shop.till.scan(answer)
    shop.till.scan(answer)
    assert state(shop) is SaleState.AUTHORISED
    assert len(shop.pool.asked) == 1


def test_a_changed_basket_needs_another_yes(shop: Shop, phone: ShopPhone) -> None:
    shop.till.add_amount("48.00", "其他商品")
    shop.till.scan(phone.show())
    old = asked(shop).digits
    shop.till.add_amount("10.00", "其他商品")
    assert shop.page.view().confirming is None
    shop.till.scan(phone.confirm(old))
    assert reason(shop) is DeclineReason.CONFIRM_OTHER
    shop.till.scan(phone.show())
    assert asked(shop).points == 580
    shop.till.scan(phone.confirm(old))
    assert reason(shop) is DeclineReason.CONFIRM_OTHER
    assert shop.pool.asked == []


def test_another_phone_cannot_say_yes(shop: Shop, phone: ShopPhone) -> None:
    shop.till.add_amount("48.00", "其他商品")
    shop.till.scan(phone.show())
    digits = asked(shop).digits
    stranger = Ed25519PrivateKey.from_private_bytes(b"q" * 32)
    for other in (ShopPhone(key=stranger), ShopPhone(seq=2), ShopPhone("00000000000000a2")):
        shop.till.scan(other.confirm(digits))
        assert reason(shop) is DeclineReason.CONFIRM_OTHER
    assert asked(shop).digits == digits
    assert shop.pool.asked == []


def test_who_cannot_confirm_uses_what_showing_is_good_for(shop: Shop, phone: ShopPhone) -> None:
    shop.till.add_amount("48.00", "其他商品")
    shop.till.scan(phone.show())
    shop.pool.approve(400, 1000)
    shop.till.skip_confirming()
    assert shop.pool.asked[0].optional_points == 400
    assert state(shop) is SaleState.AUTHORISED


def test_a_fresh_code_of_the_phone_that_is_asked_is_good_for_skipping(
    shop: Shop, phone: ShopPhone
) -> None:
    shop.till.add_amount("48.00", "其他商品")
    first = phone.show()
    shop.till.scan(first)
    digits = asked(shop).digits
    shop.wall.at += timedelta(seconds=100)
    shop.till.skip_confirming()
    assert reason(shop) is DeclineReason.CODE_EXPIRED
    # Neither an older picture nor a forged code takes the place of what was shown.
    shop.till.scan(phone.show(at=NOON))
    stranger = ShopPhone(key=Ed25519PrivateKey.from_private_bytes(b"q" * 32), counter=40)
    forged = read_code(stranger.show(at=shop.wall.at))
    genuine = read_code(phone.show(at=shop.wall.at))
    assert isinstance(forged, ShowCode)
    assert isinstance(genuine, ShowCode)
    cut = len(genuine.certificate.signed)
    shop.till.scan(to_digits(genuine.payload[:cut] + forged.payload[cut:]))
    shop.pool.approve(400, 1000)
    shop.till.skip_confirming()
    assert shop.pool.asked == []
    shop.till.scan(to_digits(genuine.payload))
    assert asked(shop).digits == digits, "the phone may be looking at it"
    shop.till.skip_confirming()
    assert state(shop) is SaleState.AUTHORISED
    assert shop.pool.asked[0].evidence == ShowEvidence(payload_hex=genuine.payload.hex())


def test_a_yes_that_arrives_after_the_next_customer_is_not_his(
    shop: Shop, phone: ShopPhone, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.till.add_amount("48.00", "其他商品")
    shop.till.scan(phone.show())
    answer = phone.confirm(asked(shop).digits)
    shop.pool.approve(480, 1000)
    ask = shop.till.show_code

    def after_another_page_began(code: PresentedCode, *, may_confirm: bool = True) -> None:
        next_basket(shop, "30.00")
        ask(code, may_confirm=may_confirm)

    monkeypatch.setattr(shop.till, "show_code", after_another_page_began)
    shop.till.scan(answer)
    assert reason(shop) is DeclineReason.CONFIRM_OTHER
    assert state(shop) is SaleState.OPEN
    assert shop.pool.asked == []


def test_the_question_can_be_taken_off_the_page(shop: Shop, phone: ShopPhone) -> None:
    shop.till.add_amount("48.00", "其他商品")
    shop.till.scan(phone.show())
    shop.till.stop_confirming()
    assert shop.page.view().confirming is None
    complete(shop)
    assert shop.till.snapshot()[0].captured.payment.points == 0  # type: ignore[union-attr] # just completed


def test_without_a_certificate_a_shown_code_is_good_for_its_limit(shop: Shop) -> None:
    shop.till.add_amount("48.00", "其他商品")
    shop.pool.approve(400, 1000)
    shop.till.scan(ShopPhone().show())
    assert shop.pool.asked[0].optional_points == 400


def test_a_till_that_has_lost_the_time_takes_a_yes_and_nothing_less(
    shop: Shop, phone: ShopPhone
) -> None:
    forget_the_time(shop)
    shop.till.add_amount("3.00", "其他商品")
    shop.till.scan(phone.show(at=NOON - timedelta(hours=5)))
    view = asked(shop)
    assert (view.points, view.skip_points) == (30, 0)
    shop.till.skip_confirming()
    assert shop.pool.asked == []
    shop.pool.approve(30, 100)
    shop.till.scan(phone.confirm(view.digits))
    assert state(shop) is SaleState.AUTHORISED


def test_offline_a_yes_is_good_up_to_what_certificate_and_policy_give(
    shop: Shop, phone: ShopPhone
) -> None:
    terms = policy(version=2)
    stand_in = msgspec.structs.replace(terms.stand_in, per_sale_points=90)
    shop.take(msgspec.structs.replace(terms, slot_cap_points=20, stand_in=stand_in))
    shop.till.add_amount("8.00", "其他商品")
    shop.till.scan(phone.show())
    shop.till.scan(phone.confirm(asked(shop).digits))
    sale = shop.till.snapshot()[0]
    assert sale.approval is not None
    assert sale.approval.points == 80, "more than the 20 that showing is good for"


def test_offline_and_without_the_time_a_yes_is_good_for_half(shop: Shop, phone: ShopPhone) -> None:
    terms = policy(version=2)
    stand_in = msgspec.structs.replace(terms.stand_in, per_sale_points=90)
    shop.take(msgspec.structs.replace(terms, stand_in=stand_in))
    forget_the_time(shop)
    shop.till.add_amount("8.00", "其他商品")
    shop.till.scan(phone.show())
    shop.till.scan(phone.confirm(asked(shop).digits))
    sale = shop.till.snapshot()[0]
    assert sale.approval is not None
    assert sale.approval.points == 40, "half of 80: nobody knows how old the directory is"


def test_an_answer_that_nobody_asked_for_is_refused(shop: Shop, phone: ShopPhone) -> None:
    shop.till.add_amount("48.00", "其他商品")
    shop.till.scan(phone.show())
    answer = phone.confirm(asked(shop).digits)
    shop.till.clear()
    shop.till.add_amount("48.00", "其他商品")
    shop.till.scan(answer)
    assert reason(shop) is DeclineReason.CONFIRM_OTHER
    shop.till.scan(phone.show())
    shop.till.scan(answer)
    assert reason(shop) is DeclineReason.CONFIRM_OTHER, "it is of the sale before"


def test_the_certificate_outlives_a_power_cut_and_anothers_is_not_taken(
    shop: Shop, phone: ShopPhone, tmp_path: Path
) -> None:
    shop.certificate.keep([b"\x21" * 144])
    shop.certificate.keep([b""])
    shop.certificate.keep([])
    shop.power_cut()
    shop.till.add_amount("48.00", "其他商品")
    shop.till.scan(replace(phone).show())
    assert asked(shop).points == 480
