"""Cards between the office and tills that hear of it late: the real till, the real server."""

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest

from protocol.card_pin_hash import ArgonPinMaker
from protocol.card_pins import MOST_TRIES, TRIES_A_DAY
from protocol.messages import OutcomeKind
from protocol.reasons import DeclineReason
from protocol.redemption import FenRemainder
from server.awards.temporary_cards import HandOverTemporaryCard, Household, IssueTemporaryCard
from server.directory import commands as c
from server.directory.card_pin_making import set_pin_command
from server.directory.card_pins import pin_of
from server.directory.queries import cards_of_account
from terminal.domain.card_pin import PinState
from tests.support.key_office import DistantTill, distant_tills
from tests.unit.awards.running import run
from tests.unit.server.world import ZHANG, World

PIN, WRONG = "580231", "580232"
OLD, NEW = "00000000000000d1", "00000000000000d2"


@pytest.fixture
def new_till(world: World, tmp_path: Path) -> Iterator[Callable[[str], DistantTill]]:
    with distant_tills(world, tmp_path) as make:
        yield make


def hear(till: DistantTill) -> None:
    """Some seconds on, for questions within one second see the same documents."""
    till.world.clock.move(seconds=5)
    till.hear()


def printed(world: World, account: str) -> str:
    """The digits of this resident's card, as the office prints it."""
    return run(world, "card", "--account", account).stdout.strip()


def household(world: World, account: str, card_id: str) -> Household:
    return Household(
        account=account,
        card_id=card_id,
        name="临时积分卡",
        household="3幢2单元501",
        place=world.preset.places[0].id,
        expires_on=date(2027, 3, 2),
        cap_points=100,
    )


def test_a_temporary_card_is_handed_on_while_a_till_has_the_old_directory(
    world: World, new_till: Callable[[str], DistantTill]
) -> None:
    world.do(IssueTemporaryCard(to=household(world, OLD, "00000000000000e1")))
    world.award(OLD, "river-patrol", "river-patrol")
    near, away = new_till("t-1"), new_till("t-2")
    for till in (near, away):
        hear(till)
    before = printed(world, OLD)
    moved_in = household(world, NEW, "00000000000000e2")
    world.do(
        HandOverTemporaryCard(
            move="01890000-0000-7000-8000-000000000011",
            account=OLD,
            to=moved_in,
            reason="租户搬走",
        )
    )
    after = printed(world, NEW)
    hear(near)
    assert near.scan(before) is DeclineReason.CODE_REVOKED
    assert near.scan(after) is None

    # The till that has not heard cannot know: the old card pays there and the new one does not yet.
    assert away.scan(after) is DeclineReason.CODE_REVOKED
    away.sell(before)
    assert away.outcomes()[-1] is OutcomeKind.OVERDRAFT
    assert world.points(f"resident:{OLD}") == 0
    assert world.points(f"offline_overdraft:{OLD}") == 50
    assert world.points(f"resident:{NEW}") == 200, "the next household pays nothing of it"
    assert world.fen("merchant:shop-a") == 500, "the shop kept the rules and is paid"
    hear(away)
    assert away.scan(before) is DeclineReason.CODE_REVOKED
    away.sell(after)
    assert away.outcomes()[-1] is OutcomeKind.POSTED
    assert world.points(f"resident:{NEW}") == 150


def try_wrong(till: DistantTill, card: str, times: int) -> None:
    for _ in range(times):
        till.scan(card)
        till.shop.till.type_pin(WRONG)
        till.shop.wall.monotonic_ms += 61_000


def pad(till: DistantTill, card: str) -> str:
    """What the PIN pad says of this card."""
    till.scan(card)
    view = till.shop.page.view().pin
    assert view is not None
    return view.state


def test_wrong_pins_at_several_tills_lock_the_card_at_one_that_saw_none(
    world: World, new_till: Callable[[str], DistantTill]
) -> None:
    world.award(ZHANG, "river-patrol", "river-patrol")
    terms = c.SetRedemptionTerms(
        valid_from=date(2026, 3, 2), fen_remainder=FenRemainder.CASH, card_no_pin_day_points=20
    )
    world.do(terms)
    card = printed(world, ZHANG)
    (held,) = world.read(lambda tx: cards_of_account(tx, world.pool, ZHANG))
    maker = ArgonPinMaker(memory_kib=8, passes=1)
    world.do(set_pin_command(world.keys, maker, held, pin=PIN, pin_id="ab" * 16, reason="本人"))
    tills = [new_till(f"t-{number}") for number in range(1, 6)]
    for till in tills:
        hear(till)
    *tried, elsewhere = tills
    for till in tried:
        try_wrong(till, card, TRIES_A_DAY)
        assert pad(till, card) == PinState.TRIED_OUT
    assert len(tried) * TRIES_A_DAY >= MOST_TRIES
    assert pad(elsewhere, card) == PinState.READY, "nobody was told yet"
    for till in tried:
        hear(till)
    assert pad(elsewhere, card) == PinState.READY, "it has not heard"
    hear(elsewhere)
    assert pad(elsewhere, card) == PinState.LOCKED
    elsewhere.shop.till.type_pin(PIN)
    assert elsewhere.shop.page.view().pin is not None, "the right one opens nothing now"

    world.do(c.UnlockCardPin(pin_id="cd" * 16, card_id=held.card_id, reason="本人带证件到场"))
    now = world.read(lambda tx: pin_of(tx, world.pool, held.card_id, held.seq, world.clock()))
    assert now is not None
    assert not now.is_locked
    for till in (elsewhere, tried[0]):
        hear(till)
        assert pad(till, card) == PinState.READY
        till.shop.till.type_pin(PIN)
        assert till.shop.page.view().pin is None
        till.shop.till.clear()
