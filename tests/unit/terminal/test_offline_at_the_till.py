"""The till on its own: what it may give while the server is out of reach."""

from datetime import timedelta

import pytest

from protocol.messages import OutcomeKind, RecordOutcome
from protocol.reasons import DeclineReason
from protocol.sales import (
    AnsweredBy,
    SaleCaptured,
    SaleReversed,
    TerminalStarted,
)
from terminal.domain.ports import Unreachable, UnreachableReason
from terminal.domain.stand_in import Exposure
from tests.support.at_till import buns_and_greens, complete, decline, happenings
from tests.support.shop import (
    BANNED,
    BLOCKED,
    NOON,
    ZHANG,
    Shop,
    card_text,
    directory,
    slot_text,
)


def exposure(shop: Shop) -> Exposure:
    directory_in_use = shop.store.documents().directory
    assert directory_in_use is not None
    return shop.store.exposure(ZHANG, directory_in_use.made_at)


def offline(shop: Shop, text: str) -> None:
    shop.pool.answers.append(Unreachable(UnreachableReason.TIMED_OUT))
    shop.till.scan(text)


def test_offline_a_sale_within_the_floor_limit_completes_and_is_marked(shop: Shop) -> None:
    buns_and_greens(shop)
    offline(shop, slot_text())
    done = complete(shop)
    assert (done.points, done.offline, done.balance_before_points) == (71, True, None)
    captured = happenings(shop)[-1]
    assert isinstance(captured, SaleCaptured)
    assert captured.answered_by is AnsweredBy.STAND_IN


def test_offline_the_floor_limit_a_sale_leaves_the_rest_to_money(shop: Shop) -> None:
    shop.till.add_amount("38.00", "推拿按摩")
    offline(shop, slot_text())
    done = complete(shop)
    assert (done.points, done.cash_fen) == (100, 2800)


def test_offline_untold_points_count_against_the_allowance(shop: Shop) -> None:
    buns_and_greens(shop)
    offline(shop, slot_text())
    complete(shop)
    shop.till.clear()
    buns_and_greens(shop)
    offline(shop, slot_text())
    assert complete(shop).points == 29
    shop.till.clear()
    shop.till.add_item("bun")
    offline(shop, slot_text())
    assert decline(shop).reason is DeclineReason.OVER_FLOOR_LIMIT


def test_told_points_still_count_until_the_directory_is_newer(shop: Shop) -> None:
    buns_and_greens(shop)
    offline(shop, slot_text())
    complete(shop)
    batch = shop.outbox.next_batch()
    posted = [RecordOutcome(epoch=x.epoch, seq=x.seq, outcome=OutcomeKind.POSTED) for x in batch]
    shop.outbox.mark_told(posted, NOON)
    assert shop.store.untold() == 0
    assert exposure(shop).resident_points == 71
    assert exposure(shop).terminal_points == 0
    shop.take(directory(version=2, made_at=NOON + timedelta(minutes=1)))
    assert exposure(shop).resident_points == 0


def tell_all(shop: Shop) -> None:
    batch = shop.outbox.next_batch()
    posted = [RecordOutcome(epoch=x.epoch, seq=x.seq, outcome=OutcomeKind.POSTED) for x in batch]
    shop.outbox.mark_told(posted, shop.wall.at)


def test_points_held_before_the_directory_was_made_are_not_counted_twice(shop: Shop) -> None:
    """Hold, then directory, then completion: the allowance is lower by the hold already."""
    buns_and_greens(shop)
    shop.pool.approve(71, 100)
    shop.till.scan(slot_text())
    shop.wall.at = NOON + timedelta(seconds=30)
    shop.take(directory(version=2, made_at=NOON + timedelta(seconds=10)))
    complete(shop)
    made_at = NOON + timedelta(seconds=10)
    assert shop.store.exposure(ZHANG, made_at).resident_points == 71, "untold: the hold may expire"
    tell_all(shop)
    assert shop.store.exposure(ZHANG, made_at).resident_points == 0


def test_a_directory_made_before_an_offline_sale_was_told_does_not_know_it(shop: Shop) -> None:
    buns_and_greens(shop)
    offline(shop, slot_text())
    complete(shop)
    made_at = NOON + timedelta(seconds=10)
    shop.wall.at = NOON + timedelta(seconds=20)
    tell_all(shop)
    assert shop.store.exposure(ZHANG, made_at).resident_points == 71
    assert shop.store.exposure(ZHANG, NOON + timedelta(seconds=30)).resident_points == 0


@pytest.mark.parametrize(
    ("account", "reason"),
    [
        (BANNED, DeclineReason.REDEMPTION_BANNED),
        (BLOCKED, DeclineReason.RESIDENT_BLOCKED),
        ("00000000000000ff", DeclineReason.RESIDENT_UNKNOWN),
    ],
)
def test_offline_the_directory_says_who_may_not(
    shop: Shop, account: str, reason: DeclineReason
) -> None:
    shop.till.add_item("bun")
    offline(shop, slot_text(account))
    assert decline(shop).reason is reason


@pytest.mark.parametrize("text", [card_text(card_id="00000000000000c9"), card_text(seq=2)])
def test_offline_a_card_that_is_not_in_the_directory_is_refused(shop: Shop, text: str) -> None:
    shop.till.add_item("bun")
    offline(shop, text)
    assert decline(shop).reason is DeclineReason.CODE_REVOKED


def test_offline_an_old_directory_stops_redemption_not_trade(shop: Shop) -> None:
    shop.wall.at = NOON + timedelta(hours=80)
    shop.till.add_item("bun")
    offline(shop, slot_text(starts_at=shop.wall.at))
    assert decline(shop).reason is DeclineReason.OFFLINE_STOPPED
    assert complete(shop).cash_fen == 50


def test_a_stand_in_that_declines_still_lets_go_of_what_the_server_may_hold(shop: Shop) -> None:
    shop.till.add_item("oil")
    offline(shop, slot_text(BLOCKED))
    assert [type(x) for x in happenings(shop)] == [TerminalStarted, SaleReversed]
