"""The PIN of a card at the till: when it is asked for, wrong ones, the clock, power cuts."""

import threading
from datetime import timedelta
from hmac import digest

import pytest
from msgspec.structs import replace

from protocol.card_pins import TRIES_A_DAY, PinBusyError, PinMade, pin_proof, verifier_text
from protocol.card_tries import CardPinWrong
from protocol.documents import DirectoryCard, DirectoryPage, sign_document
from protocol.evidence import CardEvidence
from protocol.issuers import IssuerRole, KeyList, ListedKey, certify
from protocol.keys import public_key_text
from protocol.messages import Approved
from protocol.money import Points
from protocol.reasons import Declined, DeclineReason
from protocol.redemption import Limits
from protocol.sales import AnsweredBy, SaleCaptured
from terminal.checkout.card_pins import CardPins
from terminal.checkout.view import PinView
from terminal.domain.card_pin import CardTries, PinState, wait_after_s
from terminal.domain.notice import NoticeCode
from terminal.domain.ports import StoreFaultError
from tests.support.at_till import complete, happenings, notice
from tests.support.shop import (
    CARD_ISSUER,
    CHEAP_PINS,
    NOON,
    RESIDENTS,
    ROOT,
    SECRET,
    TAG,
    WANG,
    WANGS_CARD,
    Shop,
    card_text,
    directory,
    policy,
)

PIN, WRONG = "580231", "580232"
NO_PIN_POINTS = 10


def pin_made(pin: str = PIN) -> PinMade:
    return CHEAP_PINS.make(pin, SECRET, bytes.fromhex(WANGS_CARD))


def told(verifier: str | None, *, version: int = 2, seq: int = 1) -> DirectoryPage:
    """The directory in which Wang's card has this PIN."""
    card = DirectoryCard(card_id=WANGS_CARD, seq=seq, pin_verifier=verifier)
    return directory(
        version=version,
        residents=[
            replace(each, cards=(card,)) if each.account == WANG else each for each in RESIDENTS
        ],
    )


@pytest.fixture
def pinned(shop: Shop) -> Shop:
    """10 points a day go without Wang's PIN; nobody answers, so the till stands in."""
    limits = Limits(card_no_pin_day_points=NO_PIN_POINTS)
    shop.take(
        replace(policy(version=2), limits=limits), told(verifier_text(1, pin_made().verifier))
    )
    return shop


def ring_up(shop: Shop, points: int) -> None:
    shop.till.clear()
    shop.till.add_amount(f"{points / 10:.2f}", "其他商品")
    shop.till.scan(card_text())


def pad(shop: Shop) -> PinView | None:
    return shop.page.view().pin


def wait(shop: Shop, seconds: float = 61) -> None:
    shop.wall.monotonic_ms += int(seconds * 1000)
    shop.wall.at += timedelta(seconds=seconds)


def try_wrong(shop: Shop, times: int = 1) -> None:
    for _ in range(times):
        shop.till.type_pin(WRONG)
        wait(shop)


def wrong_told(shop: Shop) -> list[CardPinWrong]:
    return [each for each in happenings(shop) if isinstance(each, CardPinWrong)]


def test_a_small_purchase_needs_no_pin_and_a_larger_one_opens_the_pad(pinned: Shop) -> None:
    ring_up(pinned, 10)
    assert pad(pinned) is None
    assert complete(pinned).points == 10
    small = happenings(pinned)[-1]
    assert isinstance(small, SaleCaptured)
    assert small.proof_grade == "D"

    ring_up(pinned, 20)
    assert pad(pinned) == PinView(state="ready", most_points=20, skip_points=0, tries_left=3)
    pinned.till.type_pin(PIN)
    assert pad(pinned) is None
    assert complete(pinned).points == 20
    large = happenings(pinned)[-1]
    assert isinstance(large, SaleCaptured)
    assert (large.proof_grade, large.answered_by) == ("C", AnsweredBy.STAND_IN)
    assert isinstance(large.evidence, CardEvidence)
    assert large.evidence.pin
    expected = pin_proof(pin_made().proof_key, large.sale_id, 20, "T0001").hex()
    assert (large.evidence.pin.pin_round, large.evidence.pin.proof_hex) == (1, expected)


def test_whoever_types_no_pin_takes_what_goes_without_once_a_day(pinned: Shop) -> None:
    ring_up(pinned, 20)
    assert pad(pinned) == PinView(state="ready", most_points=20, skip_points=10, tries_left=3)
    pinned.till.skip_pin()
    done = complete(pinned)
    assert (done.points, done.cash_fen) == (10, 100)
    ring_up(pinned, 5)
    assert pad(pinned) == PinView(state="ready", most_points=5, skip_points=0, tries_left=3)
    pinned.till.skip_pin()  # nothing goes without any more
    assert pad(pinned) is not None
    pinned.till.stop_pin()
    assert pad(pinned) is None
    pinned.wall.at += timedelta(days=1)
    ring_up(pinned, 5)
    assert pad(pinned) is None
    assert complete(pinned).points == 5


def test_goods_that_need_more_points_than_go_without_are_not_sold_by_skipping(
    pinned: Shop,
) -> None:
    pinned.till.add_item("rice")
    pinned.till.scan(card_text())
    asked = pad(pinned)
    assert asked is not None
    assert (asked.most_points, asked.skip_points) == (15, 0)
    pinned.till.type_pin(PIN)
    assert complete(pinned).points == 15


def test_three_wrong_pins_a_day_are_told_and_shut_the_pad_until_tomorrow(pinned: Shop) -> None:
    ring_up(pinned, 20)
    try_wrong(pinned)
    assert notice(pinned) == NoticeCode.CARD_PIN_WRONG
    assert pad(pinned) == PinView(state="ready", most_points=20, skip_points=10, tries_left=2)
    try_wrong(pinned, TRIES_A_DAY - 1)
    assert pad(pinned) == PinView(state="tried_out", most_points=20, skip_points=10, tries_left=0)
    for pin in (PIN, WRONG) * 1000:
        pinned.till.type_pin(pin)
    assert notice(pinned) == NoticeCode.CARD_PIN_TRIED_OUT
    assert len(wrong_told(pinned)) == TRIES_A_DAY
    assert wrong_told(pinned)[0] == CardPinWrong(card_id=WANGS_CARD, seq=1, pin_round=1)
    pinned.till.skip_pin()  # a small purchase goes on
    assert complete(pinned).points == 10
    pinned.wall.at += timedelta(days=1)
    ring_up(pinned, 20)
    assert pad(pinned) == PinView(state="ready", most_points=20, skip_points=10, tries_left=3)
    pinned.till.type_pin(PIN)
    assert complete(pinned).points == 20


def test_a_right_pin_takes_no_wrong_one_back(pinned: Shop) -> None:
    ring_up(pinned, 20)
    try_wrong(pinned, 2)
    pinned.till.type_pin(PIN)
    complete(pinned)
    wait(pinned)
    ring_up(pinned, 20)
    asked = pad(pinned)
    assert asked is not None
    assert asked.tries_left == 1


def test_pulling_the_plug_gives_no_free_tries(pinned: Shop) -> None:
    for _ in range(TRIES_A_DAY):
        ring_up(pinned, 20)
        pinned.till.type_pin(WRONG)
        pinned.power_cut()
    ring_up(pinned, 20)
    asked = pad(pinned)
    assert asked is not None
    assert asked.state == PinState.TRIED_OUT


def test_a_try_is_on_the_disk_before_the_pin_is_looked_at(pinned: Shop) -> None:
    """The plug is pulled while Argon2 works: the try counts, right or wrong."""

    class Cut:
        def make(self, pin: str, secret: bytes, card_id: bytes) -> PinMade:
            raise KeyboardInterrupt

    pins = CardPins(pinned.store, pinned.clock, Cut(), lambda: None)
    ring_up(pinned, 20)
    card = pinned.till.snapshot()[0].pin_asking
    assert card is not None
    with pytest.raises(KeyboardInterrupt):
        pins.check(card.card, PIN, replace(policy(), limits=Limits(card_no_pin_day_points=1)))
    kept = pinned.store.card_tries(WANGS_CARD)
    assert kept == CardTries(WANGS_CARD, 1, 1, NOON.date(), 1)


def test_a_pin_that_found_no_place_is_no_wrong_one(pinned: Shop) -> None:
    class Busy:
        def make(self, pin: str, secret: bytes, card_id: bytes) -> PinMade:
            raise PinBusyError

    ring_up(pinned, 20)
    asking = pinned.till.snapshot()[0].pin_asking
    assert asking is not None
    pins = CardPins(pinned.store, pinned.clock, Busy(), lambda: None)
    said = pins.check(asking.card, PIN, replace(policy(), limits=Limits(card_no_pin_day_points=1)))
    assert getattr(said, "code", None) == NoticeCode.CARD_PIN_BUSY
    kept = pinned.store.card_tries(WANGS_CARD)
    assert kept is not None
    assert kept.wrong == 0


def test_the_pad_waits_longer_after_each_wrong_pin_whatever_the_card(pinned: Shop) -> None:
    assert [wait_after_s(count) for count in (0, 1, 2, 3, 6, 60)] == [0, 2, 4, 8, 60, 60]
    ring_up(pinned, 20)
    pinned.till.type_pin(WRONG)
    pinned.till.type_pin(PIN)
    assert notice(pinned) == NoticeCode.PIN_WAITS
    wait(pinned, 2)
    pinned.till.type_pin(PIN)
    assert complete(pinned).points == 20


@pytest.mark.parametrize(
    "typed", ["", "58023", "5802311", "５８０２３１", "58 231", "12345\n", "a" * 64]
)
def test_what_is_no_pin_is_no_try(pinned: Shop, typed: str) -> None:
    ring_up(pinned, 20)
    pinned.till.type_pin(typed)
    assert notice(pinned) == NoticeCode.CARD_PIN_SIX_DIGITS
    assert pinned.store.card_tries(WANGS_CARD) is None
    assert pad(pinned) is not None


def test_a_clock_that_is_set_back_or_unknown_gives_no_new_tries_and_no_small_purchases(
    pinned: Shop,
) -> None:
    ring_up(pinned, 20)
    try_wrong(pinned, TRIES_A_DAY)
    pinned.till.clear()
    pinned.wall.at -= timedelta(days=3)  # behind the journal: the time is unknown now
    ring_up(pinned, 10)
    asked = pad(pinned)
    assert asked is not None
    assert (asked.state, asked.skip_points) == (PinState.TRIED_OUT, 0)


def test_a_locked_pin_and_one_that_nobody_set_are_told_with_what_goes_without(
    pinned: Shop,
) -> None:
    pinned.take(told(verifier_text(1, None), version=3))
    ring_up(pinned, 20)
    assert pad(pinned) == PinView(state="locked", most_points=20, skip_points=10, tries_left=0)
    pinned.till.type_pin(PIN)
    assert notice(pinned) == NoticeCode.CARD_PIN_LOCKED
    pinned.take(told(None, version=4))
    ring_up(pinned, 20)
    assert pad(pinned) == PinView(state="unset", most_points=20, skip_points=10, tries_left=0)
    pinned.till.type_pin(PIN)
    assert notice(pinned) == NoticeCode.CARD_PIN_UNSET
    assert pinned.store.card_tries(WANGS_CARD) is None
    pinned.till.skip_pin()
    assert complete(pinned).points == 10


def test_an_unlocked_pin_and_a_new_card_begin_with_all_their_tries(pinned: Shop) -> None:
    ring_up(pinned, 20)
    try_wrong(pinned, TRIES_A_DAY)
    pinned.take(told(verifier_text(2, pin_made().verifier), version=3))
    ring_up(pinned, 20)
    asked = pad(pinned)
    assert asked is not None
    assert (asked.state, asked.tries_left) == (PinState.READY, TRIES_A_DAY)
    pinned.till.type_pin(PIN)
    complete(pinned)
    sale = happenings(pinned)[-1]
    assert isinstance(sale, SaleCaptured)
    assert isinstance(sale.evidence, CardEvidence)
    assert sale.evidence.pin
    assert sale.evidence.pin.pin_round == 2


def test_the_server_may_know_that_other_tills_gave_what_goes_without(pinned: Shop) -> None:
    needs = Declined(DeclineReason.PIN_NEEDED, limit_points=Points(4))
    pinned.pool.answers.append(needs)
    ring_up(pinned, 10)
    assert pad(pinned) == PinView(state="ready", most_points=10, skip_points=4, tries_left=3)
    pinned.pool.answers.append(
        Approved(account=WANG, points=Points(4), balance_points=Points(50), held_until=None)
    )
    pinned.till.skip_pin()
    assert pinned.pool.asked[-1].optional_points == 4
    assert complete(pinned).points == 4


def test_a_denominated_card_and_a_pool_without_the_limit_ask_for_no_pin(shop: Shop) -> None:
    ring_up(shop, 40)
    assert pad(shop) is None
    bearer = replace(RESIDENTS[1], account=WANGS_CARD)
    limits = Limits(card_no_pin_day_points=1)
    shop.take(
        replace(policy(version=2), limits=limits),
        directory(version=2, residents=(RESIDENTS[0], bearer)),
    )
    ring_up(shop, 40)
    assert pad(shop) is None


def test_the_pad_closes_when_the_basket_changes_and_the_card_scanned_again_changes_nothing(
    pinned: Shop,
) -> None:
    ring_up(pinned, 20)
    before = pinned.till.snapshot()[0].pin_asking
    pinned.till.scan(card_text())
    assert pinned.till.snapshot()[0].pin_asking is before
    pinned.till.add_item("bun")
    assert pad(pinned) is None
    pinned.till.type_pin(PIN)  # it belongs to no pad
    assert pinned.pool.asked == []


def test_two_pads_at_once_have_no_more_tries_than_one(pinned: Shop) -> None:
    ring_up(pinned, 20)
    threads = [threading.Thread(target=pinned.till.type_pin, args=(WRONG,)) for _ in range(20)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(wrong_told(pinned)) == 1  # all others had to wait


def test_neither_pin_nor_secret_nor_proof_key_is_on_the_disk_or_in_the_log(
    pinned: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    ring_up(pinned, 20)
    pinned.till.type_pin(WRONG)
    wait(pinned)
    pinned.till.type_pin(PIN)
    complete(pinned)
    made = pin_made()
    hidden = [PIN.encode(), WRONG.encode(), SECRET, made.proof_key]
    hidden += [each.hex().encode() for each in (SECRET, made.proof_key)]
    for file in (each for each in pinned.path.rglob("*") if each.is_file()):
        content = file.read_bytes()
        assert all(each not in content for each in hidden), file
    assert PIN not in caplog.text
    assert made.proof_key.hex() not in repr(pinned.till.snapshot())


def test_a_disk_that_fails_looks_at_no_pin(pinned: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    ring_up(pinned, 20)

    def fails() -> None:
        raise StoreFaultError

    with monkeypatch.context() as patch:
        patch.setattr(pinned.store, "working", fails)
        with pytest.raises(StoreFaultError):
            pinned.till.type_pin(PIN)
    assert pad(pinned) is not None
    pinned.till.type_pin(PIN)
    assert complete(pinned).points == 20


def test_a_stolen_till_has_nothing_to_try_a_pin_against() -> None:
    """All that its directory has is the verifier; without the card's secret no PIN gives it."""
    verifier = pin_made().verifier
    without = {
        CHEAP_PINS.make(PIN, guess, bytes.fromhex(WANGS_CARD)).verifier
        for guess in (b"", bytes(16), bytes.fromhex(WANGS_CARD) * 2, digest(SECRET, b"x", "md5"))
    }
    assert verifier not in without


def test_a_pin_is_taken_also_where_the_root_keys_list_names_the_issuers(pinned: Shop) -> None:
    key = CARD_ISSUER.public_key()
    listed = ListedKey(
        kid=1,
        role=IssuerRole.CARD,
        public_key=public_key_text(key),
        certificate=certify(ROOT, IssuerRole.CARD, 1, key),
        signs_from=NOON - timedelta(days=1),
    )
    keys = KeyList(version=1, made_at=NOON, pool="guanghui", keys=(listed,))
    pinned.store.save_document(sign_document(keys, ROOT, TAG), keys)
    ring_up(pinned, 20)
    pinned.till.type_pin(PIN)
    assert complete(pinned).points == 20
