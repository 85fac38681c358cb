"""Two people at once, on real databases: one wins, and no fen moves twice.

Both stop between reading and writing until the other got there, or half a second has passed.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import ModuleType
from typing import Any

import msgspec
import pytest
from sqlalchemy import Engine

from server.db import create_all, metadata, open_engine, writing
from server.facts import FactStamp
from server.facts.refused import Refused
from server.settlement import adjusting, disputes, payments, states_commands
from server.settlement.payments import propose_payment
from server.settlement.states_values import SettlingDone, SettlingProblem
from tests.unit.settlement.states_world import (
    ADJUSTED,
    CONFIRMED,
    DAY_1,
    DESK,
    DISPUTED,
    LI,
    M_BOSS,
    PAY,
    SETTLED,
    SUN,
    WU,
    Peopled,
    agree,
    answer,
    approve,
    bounce,
    carry,
    confirm,
    propose,
    raise_it,
    record,
    withdraw,
)
from tests.unit.settlement.world import POOL

TRY_S = 0.5


@pytest.fixture
def world(engine: Engine) -> Peopled:
    peopled = Peopled(engine)
    peopled.open("m", "n")
    peopled.people()
    return peopled


@pytest.fixture
def open_world(postgres_url: str) -> Iterator[Peopled]:
    opened = open_engine(postgres_url)
    create_all(opened, metadata)
    peopled = Peopled(opened)
    peopled.open("m", "n")
    peopled.people()
    yield peopled
    opened.dispose()


@pytest.fixture
def meet(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes the two threads meet before they do what they decided to do."""

    def before(*places: tuple[ModuleType, str], wait_s: float = TRY_S) -> None:
        barrier = threading.Barrier(2)
        for module, name in places:
            monkeypatch.setattr(module, name, _meeting(getattr(module, name), barrier, wait_s))

    return before


def _meeting(
    act: Callable[..., Any], barrier: threading.Barrier, wait_s: float
) -> Callable[..., Any]:
    def meet_and_act(*args: Any, **options: Any) -> Any:
        if threading.current_thread() is not threading.main_thread():
            with suppress(threading.BrokenBarrierError):
                barrier.wait(wait_s)
        return act(*args, **options)

    return meet_and_act


def at_once(*works: Callable[[], object]) -> list[object]:
    answers: list[object] = [None] * len(works)
    start = threading.Barrier(len(works))

    def run(number: int, work: Callable[[], object]) -> None:
        start.wait()
        try:
            answers[number] = work()
        except Exception as fault:  # noqa: BLE001 - the test looks at what came
            answers[number] = fault

    threads = [threading.Thread(target=run, args=each) for each in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def both(
    world: Peopled, one: tuple[str, msgspec.Struct], other: tuple[str, msgspec.Struct]
) -> list[object]:
    return at_once(lambda: world.by(*one), lambda: world.by(*other))


def told(answers: list[object]) -> Counter[str]:
    """How often each answer came: a refusal by its reason, a success as itself or as again."""
    return Counter(
        str(each.reason)
        if isinstance(each, Refused)
        else ("again" if each.again else "done")
        if isinstance(each, SettlingDone)
        else repr(each)
        for each in answers
    )


@pytest.mark.postgres
def test_without_the_desks_turn_two_part_payments_claim_more_than_is_open(
    open_world: Peopled, meet: Callable[..., None]
) -> None:
    """The race itself: the handlers, each in a transaction of its own, past the desk."""
    world = open_world
    statement = world.confirmed(DAY_1, points_fen=5_000)
    meet((payments, "payable_fen"), wait_s=20)

    def past_the_desk(number: int) -> object:
        stamp = FactStamp(POOL, number, world.now, LI)
        with writing(world.engine) as tx:
            return propose_payment(tx, stamp, propose(f"p-{number}", statement, PAY, 3_000))

    answers = at_once(lambda: past_the_desk(1), lambda: past_the_desk(2))
    assert told(answers) == {"done": 2}
    (first, second) = world.standing(statement).payments
    assert first.amount_fen + second.amount_fen == 6_000, "more than the 50.00 that are open"


def test_of_two_part_payments_at_once_one_is_above_what_is_open(
    world: Peopled, meet: Callable[..., None]
) -> None:
    statement = world.confirmed(DAY_1, points_fen=5_000)
    meet((payments, "payable_fen"))
    answers = both(
        world,
        (LI, propose("p-1", statement, PAY, 3_000)),
        (WU, propose("p-2", statement, PAY, 3_000)),
    )
    assert told(answers) == {"done": 1, SettlingProblem.ABOVE_OPEN: 1}
    assert world.standing(statement).payable_fen == 2_000


def test_of_two_approvals_at_once_one_approves(world: Peopled, meet: Callable[..., None]) -> None:
    statement = world.confirmed(DAY_1, points_fen=5_000)
    world.do(LI, propose("p-1", statement, PAY, 3_000))
    meet((payments, "overclaimed_fen"))
    answers = both(world, (WU, approve("p-1")), (SUN, approve("p-1")))
    assert told(answers) == {"done": 1, "again": 1}
    (payment,) = world.standing(statement).payments
    assert len(payment.steps) == 1


def test_a_proposer_who_approves_with_another_at_once_is_refused(world: Peopled) -> None:
    statement = world.confirmed(DAY_1, points_fen=5_000)
    world.do(LI, propose("p-1", statement, PAY, 3_000))
    answers = both(world, (LI, approve("p-1")), (WU, approve("p-1")))
    assert told(answers) == {SettlingProblem.SAME_PERSON: 1, "done": 1}
    (payment,) = world.standing(statement).payments
    assert payment.approved_by == WU


def test_a_payment_that_two_record_at_once_moves_the_books_once(
    world: Peopled, meet: Callable[..., None]
) -> None:
    statement = world.confirmed(DAY_1, points_fen=5_000)
    world.do(LI, propose("p-1", statement, PAY, 3_000))
    world.do(WU, approve("p-1"))
    meet((payments, "payment_with_bank_ref"))
    answers = both(
        world,
        (LI, record("p-1", world, "ICBC-1")),
        (WU, record("p-1", world, "ICBC-2")),
    )
    assert told(answers) == {"done": 1, SettlingProblem.CONFLICT: 1}
    assert (world.fen("bank"), world.fen("merchant:m")) == (-3_000, 2_000)


def test_one_bank_reference_at_once_for_two_payments_is_one_of_them(
    world: Peopled, meet: Callable[..., None]
) -> None:
    statement = world.confirmed(DAY_1, points_fen=5_000)
    for name in ("p-1", "p-2"):
        world.do(LI, propose(name, statement, PAY, 2_000))
        world.do(WU, approve(name))
    meet((payments, "payment_with_bank_ref"))
    answers = both(
        world,
        (LI, record("p-1", world, "ICBC-1")),
        (WU, record("p-2", world, "ICBC-1")),
    )
    assert told(answers) == {"done": 1, SettlingProblem.CONFLICT: 1}
    assert world.fen("bank") == -2_000


def test_a_payment_is_recorded_or_withdrawn_never_both(
    world: Peopled, meet: Callable[..., None]
) -> None:
    statement = world.confirmed(DAY_1, points_fen=5_000)
    world.do(LI, propose("p-1", statement, PAY, 5_000))
    world.do(WU, approve("p-1"))
    meet((payments, "move_payment"))
    answers = both(world, (LI, record("p-1", world)), (SUN, withdraw("p-1")))
    assert told(answers) == {"done": 1, SettlingProblem.WRONG_STATE: 1}
    (payment,) = world.standing(statement).payments
    paid = payment.state.value == "paid"
    assert world.fen("merchant:m") == (0 if paid else 5_000)
    assert world.standing(statement).state is (SETTLED if paid else CONFIRMED)


def test_a_bounce_that_two_tell_at_once_is_mirrored_once(
    world: Peopled, meet: Callable[..., None]
) -> None:
    statement = world.confirmed(DAY_1, points_fen=5_000)
    world.paid("p-1", statement, PAY, 5_000)
    meet((payments, "move_payment"))
    assert told(both(world, (LI, bounce("p-1")), (WU, bounce("p-1")))) == {"done": 1, "again": 1}
    assert (world.fen("bank"), world.fen("merchant:m")) == (0, 5_000)


def test_a_statement_is_confirmed_or_disputed_never_both(
    world: Peopled, meet: Callable[..., None]
) -> None:
    statement = world.issue(DAY_1, points_fen=5_000)
    meet((states_commands, "move"), (disputes, "move"))
    answers = both(world, (M_BOSS, confirm(statement)), (M_BOSS, raise_it("d-1", statement)))
    assert told(answers) == {"done": 1, SettlingProblem.WRONG_STATE: 1}
    standing = world.standing(statement)
    if isinstance(answers[0], SettlingDone):
        assert (standing.state, standing.disputes) == (CONFIRMED, ())
    else:
        assert (standing.state, len(standing.disputes)) == (DISPUTED, 1)


def test_a_dispute_that_two_answer_at_once_is_adjusted_once(
    world: Peopled, meet: Callable[..., None]
) -> None:
    statement = world.issue(DAY_1, points_fen=5_000)
    world.do(M_BOSS, raise_it("d-1", statement))
    meet((adjusting, "move"))
    world.do(LI, answer("d-1", ADJUSTED, 100))
    answers = both(world, (DESK, agree("d-1", 100)), (WU, agree("d-1", 100)))
    assert told(answers) == {"done": 1, SettlingProblem.CONFLICT: 1}
    assert world.fen("merchant:m") == 5_100


def test_what_is_open_is_carried_or_claimed_never_both(
    world: Peopled, meet: Callable[..., None]
) -> None:
    statement = world.confirmed(DAY_1, points_fen=5_000)
    meet((payments, "payable_fen"), (states_commands, "move"))
    answers = both(world, (LI, carry(statement)), (WU, propose("p-1", statement, PAY, 5_000)))
    counted = told(answers)
    assert counted["done"] == 1
    carried = isinstance(answers[0], SettlingDone)
    assert counted[SettlingProblem.WRONG_STATE if carried else SettlingProblem.PAYMENT_PENDING] == 1
    assert len(world.standing(statement).payments) == (0 if carried else 1)
