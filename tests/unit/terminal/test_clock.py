"""The shop's clock: when it is believed, and that a wrong one is never for ever."""

from datetime import timedelta

from protocol.journal import ClockState
from terminal.domain.clock import AGREES_WITHIN, GOOD_FOR_MS, ShopClock
from tests.support.shop import NOON, Wall


def clock_of(wall: Wall) -> ShopClock:
    return ShopClock(lambda: wall.at, lambda: wall.monotonic_ms)


def test_without_a_word_from_the_server_the_machines_time_is_held() -> None:
    assert clock_of(Wall()).moment().clock_state is ClockState.HELD


def test_the_servers_agreement_makes_it_good_for_a_day() -> None:
    wall = Wall()
    clock = clock_of(wall)
    clock.note_server_time(NOON + AGREES_WITHIN)
    assert clock.moment().clock_state is ClockState.GOOD
    wall.monotonic_ms += GOOD_FOR_MS
    assert clock.moment().clock_state is ClockState.HELD
    clock.note_server_time(NOON + AGREES_WITHIN + timedelta(seconds=1))
    assert clock.moment().clock_state is ClockState.UNKNOWN


def test_a_clock_as_slow_as_the_server_allows_is_believed_beside_a_document_just_made() -> None:
    wall = Wall()
    clock = clock_of(wall)
    server_time = NOON + timedelta(seconds=90)
    clock.not_before(server_time)
    clock.note_server_time(server_time)
    moment = clock.moment()
    assert moment.clock_state is ClockState.GOOD
    assert moment.at == server_time, "still, nothing happens before what has happened"


def test_a_clock_that_fell_far_behind_the_journal_is_not_believed() -> None:
    wall = Wall()
    clock = clock_of(wall)
    clock.not_before(NOON + timedelta(days=1))
    moment = clock.moment()
    assert (moment.clock_state, moment.at) == (ClockState.UNKNOWN, NOON + timedelta(days=1))


def test_time_never_goes_back_while_the_program_runs() -> None:
    wall = Wall()
    clock = clock_of(wall)
    for seconds in (0, 5, -3600, -3599, 4, 6):
        before = clock.moment().at
        wall.at = NOON + timedelta(seconds=seconds)
        clock.not_before(clock.moment().at)
        assert clock.moment().at >= before


def test_a_document_from_the_future_is_outvoted_by_the_server_and_the_machine() -> None:
    """A server whose clock was a year ahead for an hour must not stop its terminals for a year."""
    wall = Wall()
    clock = clock_of(wall)
    clock.not_before(NOON + timedelta(days=365))
    assert clock.moment().clock_state is ClockState.UNKNOWN
    assert clock.request_time() == NOON, "else the server would never believe a request again"
    clock.note_server_time(NOON)
    moment = clock.moment()
    assert (moment.clock_state, moment.at) == (ClockState.GOOD, NOON)


def test_a_machine_without_a_clock_signs_with_the_servers_time_once_it_was_told() -> None:
    wall = Wall(at=NOON.replace(year=1970))
    clock = clock_of(wall)
    clock.not_before(NOON - timedelta(days=2))
    clock.note_server_time(NOON)
    wall.at += timedelta(seconds=30)
    wall.monotonic_ms += 30_000
    assert clock.request_time() == NOON + timedelta(seconds=30)
    assert clock.moment().clock_state is ClockState.UNKNOWN
