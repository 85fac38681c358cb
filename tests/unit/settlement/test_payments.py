"""Money both ways: four eyes, part payments, bounces, and never more than is open."""

import os
import signal
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import msgspec
import pytest
from msgspec import ValidationError
from sqlalchemy import Engine

from server.db import create_all, metadata, open_engine, reading
from server.facts import replay
from server.facts.refused import Refused
from server.ledger import check_ledger
from server.settlement.payments_store import payment_of
from server.settlement.payments_values import ProposePayment, RecordPaid
from server.settlement.states import PaymentState, StatementMove
from server.settlement.states_tables import (
    confirm_policy,
    dispute,
    dispute_answer,
    payment,
    payment_move,
    statement_move,
)
from server.settlement.states_values import SetConfirmDays, SettlingDone, SettlingProblem
from tests.unit.settlement.states_world import (
    CONFIRMED,
    DAY_1,
    DAY_2,
    DAY_3,
    DESK,
    LI,
    M_BOSS,
    PAY,
    RECEIVE,
    SETTLED,
    SUN,
    WU,
    Peopled,
    approve,
    bounce,
    carry,
    confirm,
    make_peopled_desk,
    propose,
    raise_it,
    record,
    withdraw,
)
from tests.unit.settlement.world import POOL

ROOT = Path(__file__).parents[3]


@pytest.fixture
def world(engine: Engine) -> Peopled:
    peopled = Peopled(engine)
    peopled.open("m", "n")
    peopled.people()
    return peopled


def state_of(world: Peopled, name: str) -> PaymentState:
    with reading(world.engine) as tx:
        found = payment_of(tx, POOL, name)
    assert found is not None
    return found.state


def test_one_proposes_another_approves_and_the_bank_settles_it(world: Peopled) -> None:
    statement = world.confirmed(DAY_1, points_fen=5_000)
    assert world.do(LI, propose("p-1", statement, PAY, 5_000)) == SettlingDone("p-1", "proposed")
    assert [each.payment for each in world.waiting().to_approve] == ["p-1"]
    assert world.fen("merchant:m") == 5_000
    assert world.do(WU, approve("p-1")) == SettlingDone("p-1", "approved")
    assert [each.payment for each in world.waiting().to_record] == ["p-1"]
    assert world.fen("merchant:m") == 5_000
    assert world.do(LI, record("p-1", world, "ICBC-77")) == SettlingDone("p-1", "paid")
    waiting = world.waiting()
    assert (waiting.to_approve, waiting.to_record, waiting.to_pay) == ((), (), ())
    assert (world.fen("merchant:m"), world.fen("bank")) == (0, -5_000)
    standing = world.standing(statement)
    assert (standing.state, standing.open_fen, standing.payable_fen) == (SETTLED, 0, 0)
    (told,) = standing.payments
    assert (told.proposed_by, told.approved_by, told.bank_ref, told.paid_on) == (
        LI,
        WU,
        "ICBC-77",
        world.now.date(),
    )


def test_the_one_who_proposed_never_approves_through_any_door(world: Peopled) -> None:
    statement = world.confirmed(DAY_1, points_fen=5_000)
    world.do("operator:finance", propose("p-1", statement, PAY, 5_000))
    for same in ("operator:finance", "portal:finance"):
        assert world.refused(same, approve("p-1")) == SettlingProblem.SAME_PERSON
    assert world.refused(LI, record("p-1", world)) == SettlingProblem.WRONG_STATE
    assert world.refused(DESK, approve("p-1")) == SettlingProblem.NOT_ALLOWED
    assert world.refused(M_BOSS, approve("p-1")) == SettlingProblem.NOT_ALLOWED
    assert world.do(LI, approve("p-1")).state == "approved"
    assert world.do(SUN, approve("p-1")).again


def test_part_payments_never_come_to_more_than_is_open(world: Peopled) -> None:
    statement = world.confirmed(DAY_1, points_fen=5_000)
    world.paid("p-1", statement, PAY, 2_000)
    assert world.standing(statement).state is CONFIRMED
    world.do(LI, propose("p-2", statement, PAY, 1_000))
    outcome = world.by(LI, propose("p-3", statement, PAY, 2_001))
    assert "20.00" in str(outcome), "the refusal says how much may still be moved"
    assert world.refused(LI, propose("p-3", statement, PAY, 2_001)) == SettlingProblem.ABOVE_OPEN
    assert world.refused(LI, propose("p-3", statement, RECEIVE, 1)) == SettlingProblem.ABOVE_OPEN
    world.do(LI, propose("p-3", statement, PAY, 2_000))
    for name in ("p-2", "p-3"):
        world.do(WU, approve(name))
        world.do(LI, record(name, world))
    assert world.standing(statement).state is SETTLED
    assert world.fen("merchant:m") == 0
    assert world.refused(LI, propose("p-4", statement, PAY, 1)) == SettlingProblem.WRONG_STATE


def test_each_step_again_is_a_success_that_moves_nothing(world: Peopled) -> None:
    statement = world.confirmed(DAY_1, points_fen=5_000)
    for actor, command in (
        (LI, propose("p-1", statement, PAY, 5_000)),
        (WU, approve("p-1")),
        (LI, record("p-1", world)),
        (LI, bounce("p-1")),
    ):
        first = world.do(actor, command)
        assert world.do(actor, command) == SettlingDone(first.what, first.state, again=True)
    assert world.fen("bank") == 0
    assert world.fen("merchant:m") == 5_000
    assert world.do(LI, propose("p-1", statement, PAY, 5_000)).state == "bounced"


def names_both(world: Peopled, command: msgspec.Struct, stands: str, asked: str) -> None:
    """The same key with other input is a conflict that says what stands and what was asked."""
    conflict = world.by(LI, command)
    assert isinstance(conflict, Refused)
    assert conflict.reason == SettlingProblem.CONFLICT
    assert stands in conflict.says
    assert asked in conflict.says


def test_an_id_and_a_bank_reference_stand_for_one_payment(world: Peopled) -> None:
    statement = world.confirmed(DAY_1, points_fen=5_000)
    world.do(LI, propose("p-1", statement, PAY, 1_000))
    names_both(world, propose("p-1", statement, PAY, 1_001), "1000", "1001")
    world.do(LI, propose("p-2", statement, PAY, 1_000))
    world.do(WU, approve("p-1"))
    world.do(WU, approve("p-2"))
    world.do(LI, record("p-1", world, "ICBC-77"))
    assert world.refused(LI, record("p-2", world, "ICBC-77")) == SettlingProblem.CONFLICT
    names_both(world, record("p-1", world, "ICBC-78"), "ICBC-77", "ICBC-78")
    assert world.fen("bank") == -1_000


def test_a_day_that_is_to_come_is_refused(world: Peopled) -> None:
    statement = world.confirmed(DAY_1, points_fen=5_000)
    world.do(LI, propose("p-1", statement, PAY, 1_000))
    world.do(WU, approve("p-1"))
    tomorrow = RecordPaid(
        payment="p-1", bank_ref="ICBC-1", paid_on=world.now.date() + timedelta(days=1)
    )
    assert world.refused(LI, tomorrow) == SettlingProblem.BAD_DAY
    assert state_of(world, "p-1") is PaymentState.APPROVED


def test_a_payment_that_bounced_opens_its_statement_again(world: Peopled) -> None:
    statement = world.confirmed(DAY_1, points_fen=5_000)
    world.paid("p-1", statement, PAY, 5_000)
    world.wait(days=1)
    assert world.do(LI, bounce("p-1")).state == "bounced"
    standing = world.standing(statement)
    assert (standing.state, standing.open_fen, standing.payable_fen) == (CONFIRMED, 5_000, 5_000)
    assert standing.history[-1].move is StatementMove.REOPEN
    assert (world.fen("merchant:m"), world.fen("bank")) == (5_000, 0)
    assert world.refused(LI, withdraw("p-1")) == SettlingProblem.WRONG_STATE
    world.paid("p-2", statement, PAY, 5_000)
    assert world.standing(statement).state is SETTLED
    assert (world.fen("merchant:m"), world.fen("bank")) == (0, -5_000)


def test_a_merchants_payment_that_bounced_is_his_to_pay_again(world: Peopled) -> None:
    statement = world.confirmed(DAY_1, cash_fen=180_000)
    world.paid("p-1", statement, RECEIVE, 18_000)
    assert (world.fen("merchant:m"), world.fen("bank")) == (0, 18_000)
    world.wait(days=1)
    assert world.do(LI, bounce("p-1", "余额不足")).state == "bounced"
    standing = world.standing(statement)
    assert (standing.state, standing.open_fen) == (CONFIRMED, -18_000)
    assert (standing.payable_fen, standing.receivable_fen) == (0, 18_000)
    assert (world.fen("merchant:m"), world.fen("bank")) == (-18_000, 0)
    world.paid("p-2", statement, RECEIVE, 18_000)
    assert world.standing(statement).state is SETTLED
    assert (world.fen("merchant:m"), world.fen("bank")) == (0, 18_000)


def test_a_bounce_that_comes_after_the_next_statement_is_paid_once(world: Peopled) -> None:
    """The first statement is paid in part and the rest carried; both are paid; then it bounces."""
    first = world.confirmed(DAY_1, points_fen=10_000)
    world.paid("p-1", first, PAY, 6_000)
    world.do(LI, carry(first))
    second = world.confirmed(DAY_2, points_fen=5_000)
    assert world.standing(second).closing_fen == 9_000
    world.paid("p-2", second, PAY, 9_000)
    assert world.fen("merchant:m") == 0
    world.do(LI, bounce("p-1"))
    assert [world.standing(each).open_fen for each in (first, second)] == [6_000, 6_000]
    assert [world.standing(each).state for each in (first, second)] == [CONFIRMED, CONFIRMED]
    earlier = SettlingProblem.EARLIER_OPEN
    assert world.refused(LI, propose("p-3", second, PAY, 6_000)) == earlier
    world.paid("p-3", first, PAY, 6_000)
    assert [world.standing(each).state for each in (first, second)] == [SETTLED, SETTLED]
    assert world.fen("merchant:m") == 0
    third = world.confirmed(DAY_3)
    assert (world.standing(third).closing_fen, world.standing(third).state) == (0, SETTLED)


def test_a_later_statement_that_both_agreed_to_binds_an_earlier_payment(world: Peopled) -> None:
    first = world.confirmed(DAY_1, points_fen=10_000)
    world.confirmed(DAY_2, cash_fen=120_000)
    assert world.standing(first).open_fen == 10_000
    assert world.standing(first).payable_fen == 0, "after the second he owes the pool 20.00"
    assert world.refused(LI, propose("p", first, PAY, 1)) == SettlingProblem.ABOVE_OPEN
    world.do(LI, carry(first))
    assert world.standing("m-20260302").receivable_fen == 2_000
    world.paid("p", "m-20260302", RECEIVE, 2_000)
    assert (world.fen("merchant:m"), world.fen("bank")) == (0, 2_000)


def test_what_became_less_since_it_was_proposed_is_not_approved(world: Peopled) -> None:
    first = world.confirmed(DAY_1, points_fen=10_000)
    world.do(LI, propose("p-1", first, PAY, 10_000))
    world.confirmed(DAY_2, cash_fen=30_000)
    outcome = world.by(WU, approve("p-1"))
    assert "70.00" in str(outcome)
    assert world.refused(WU, approve("p-1")) == SettlingProblem.ABOVE_OPEN
    world.do(LI, withdraw("p-1"))
    world.paid("p-2", first, PAY, 7_000)
    assert world.fen("merchant:m") == 0


def test_a_withdrawn_payment_lets_its_claim_go(world: Peopled) -> None:
    statement = world.confirmed(DAY_1, points_fen=5_000)
    world.do(LI, propose("p-1", statement, PAY, 5_000))
    world.do(WU, approve("p-1"))
    assert world.standing(statement).payable_fen == 0
    assert world.do(SUN, withdraw("p-1")).state == "withdrawn"
    assert world.do(SUN, withdraw("p-1")).again
    assert world.standing(statement).payable_fen == 5_000
    assert world.refused(LI, record("p-1", world)) == SettlingProblem.WRONG_STATE
    assert world.refused(WU, approve("p-1")) == SettlingProblem.WRONG_STATE
    assert world.refused(LI, bounce("p-1")) == SettlingProblem.WRONG_STATE


def test_only_confirmed_statements_are_paid(world: Peopled) -> None:
    statement = world.issue(DAY_1, points_fen=5_000)
    wrong = SettlingProblem.WRONG_STATE
    assert world.refused(LI, propose("p-1", statement, PAY, 1)) == wrong
    world.do(M_BOSS, raise_it("d-1", statement))
    assert world.refused(LI, propose("p-1", statement, PAY, 1)) == wrong
    unknown = SettlingProblem.UNKNOWN_STATEMENT
    assert world.refused(LI, propose("p-1", "m-20991231", PAY, 1)) == unknown
    assert world.refused(WU, approve("p-9")) == SettlingProblem.UNKNOWN_PAYMENT


@pytest.mark.parametrize("amount_fen", [0, -1, 10**12 + 1])
def test_an_amount_is_more_than_nothing(world: Peopled, amount_fen: int) -> None:
    statement = world.confirmed(DAY_1, points_fen=5_000)
    with pytest.raises(ValidationError):
        world.by(LI, propose("p-1", statement, PAY, amount_fen))


@pytest.mark.parametrize("bank_ref", ["", " ", " 77", "77\n", "7\0007", "x" * 65])
def test_a_bank_reference_is_something(world: Peopled, bank_ref: str) -> None:
    command = RecordPaid(payment="p-1", bank_ref=bank_ref, paid_on=date(2026, 3, 1))
    with pytest.raises(ValidationError):
        world.by(LI, command)


def busy_month(world: Peopled) -> None:
    """Every command there is, some refused in between."""
    world.do(DESK, SetConfirmDays(confirm_days=3))
    first = world.issue(DAY_1, cash_fen=1_000, points_fen=10_000)
    world.do(M_BOSS, raise_it("d-1", first, f"sale:sale-{DAY_1}"))
    world.adjusted("d-1", 250)
    world.do(M_BOSS, confirm(first))
    world.paid("p-1", first, PAY, 6_000)
    world.refused(LI, propose("p-x", first, PAY, 10**9))
    world.do(LI, propose("p-w", first, PAY, 10))
    world.do(LI, withdraw("p-w"))
    world.do(LI, carry(first))
    second = world.confirmed(DAY_2, cash_fen=500_000)
    world.do(LI, bounce("p-1"))
    world.do(LI, carry(first))
    world.do(LI, propose("p-2", second, RECEIVE, 30_000))
    world.do(WU, approve("p-2"))
    world.do(LI, record("p-2", world))


def test_a_replay_makes_the_same_states_disputes_and_payments(
    world: Peopled, tmp_path: Path
) -> None:
    busy_month(world)
    target = open_engine(f"sqlite:///{tmp_path}/replayed.db")
    create_all(target, metadata)
    tables = (confirm_policy, statement_move, dispute, dispute_answer, payment, payment_move)
    with reading(world.engine) as tx:
        assert list(check_ledger(tx, POOL)) == []
        replay(tx, target, make_peopled_desk(), POOL)
        here = [sorted(map(repr, tx.execute(each.select()))) for each in tables]
    with reading(target) as tx:
        there = [sorted(map(repr, tx.execute(each.select()))) for each in tables]
    target.dispose()
    assert here == there
    assert [len(rows) > 0 for rows in here] == [True] * len(tables)


STEPS = ("proposed", "approved", "paid", "bounced")


@pytest.mark.parametrize("steps", range(1, 5))
def test_a_server_killed_between_two_steps_leaves_a_payment_that_says_what_comes_next(
    tmp_path: Path, steps: int
) -> None:
    """Another process makes so many steps, and is killed in the middle of the next one, before
    its commit. What is there says what to do, and the same command again does it.
    """
    engine = open_engine(f"sqlite:///{tmp_path}/pool.db")
    create_all(engine, metadata)
    world = Peopled(engine)
    world.open("m", "n")
    world.people()
    statement = world.confirmed(DAY_1, points_fen=5_000)
    engine.dispose()
    ran = subprocess.run(
        [sys.executable, "-c", PAYS_AND_DIES, str(tmp_path / "pool.db"), str(steps)],
        cwd=ROOT,
        env=os.environ | {"NOW": world.now.isoformat(), "STATEMENT": statement},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == -signal.SIGKILL, ran.stderr
    world.engine = open_engine(f"sqlite:///{tmp_path}/pool.db")
    assert state_of(world, "p-1").value == STEPS[steps - 1]
    assert world.fen("merchant:m") == (0 if steps == 3 else 5_000)
    waiting = world.waiting()
    assert [len(waiting.to_approve), len(waiting.to_record)] == [steps == 1, steps == 2]
    todo = [
        (LI, propose("p-1", statement, PAY, 5_000)),
        (WU, approve("p-1")),
        (LI, record("p-1", world)),
        (LI, bounce("p-1")),
    ]
    for number, (actor, command) in enumerate(todo[: steps + 1], start=1):
        assert world.do(actor, command).again is (number <= steps)
    with reading(world.engine) as tx:
        assert list(check_ledger(tx, POOL)) == []
    world.engine.dispose()


PAYS_AND_DIES = """
import os, signal, sys
from datetime import datetime
from server.db import open_engine
from server.ledger import posting
from tests.unit.settlement.states_world import *

world = Peopled(open_engine(f"sqlite:///{sys.argv[1]}"))
world.now = datetime.fromisoformat(os.environ["NOW"])
statement, steps = os.environ["STATEMENT"], int(sys.argv[2])
todo = [
    (LI, propose("p-1", statement, PAY, 5_000)),
    (WU, approve("p-1")),
    (LI, record("p-1", world)),
    (LI, bounce("p-1")),
    (LI, propose("p-2", statement, PAY, 5_000)),
]
for actor, command in todo[:steps]:
    world.do(actor, command)
actor, command = todo[steps]
with world.engine.connect() as tx, tx.begin():
    world.desk.submit(tx, POOL, command, actor=actor, recorded_at=world.now)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_proposal_reads_as_it_was_made(world: Peopled) -> None:
    statement = world.confirmed(DAY_1, points_fen=5_000)
    command = ProposePayment(
        payment="p-1", statement=statement, direction=PAY, amount_fen=100, note="先付一部分"
    )
    world.do(LI, command)
    (told,) = world.standing(statement).payments
    assert (told.merchant, told.note, told.state, told.steps) == (
        "m",
        "先付一部分",
        PaymentState.PROPOSED,
        (),
    )
