"""Where a statement can go, who sends it there, and how long it may take."""

from datetime import timedelta
from itertools import product

import pytest
from msgspec import ValidationError
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from server.db import writing
from server.facts.actors import same_person
from server.settlement import states_commands, states_values
from server.settlement.states import (
    PaymentMove,
    PaymentState,
    StatementMove,
    StatementState,
    advance,
    advance_payment,
)
from server.settlement.states_rights import Party, Side, party_of, portal_actor
from server.settlement.states_values import (
    Lapsed,
    LapseStatements,
    SetConfirmDays,
    SettlingDone,
    SettlingProblem,
)
from tests.unit.settlement.states_world import (
    BY_PHONE,
    CONFIRMED,
    DAY_1,
    DAY_2,
    DESK,
    DISPUTED,
    FINANCE,
    ISSUED,
    LI,
    M_BOSS,
    N_BOSS,
    PAY,
    RECEIVE,
    SETTLED,
    WU,
    Peopled,
    carry,
    confirm,
    propose,
    raise_it,
)
from tests.unit.settlement.world import POOL

S, M = StatementState, StatementMove

STATEMENT_MOVES = {
    #             draft     issued       disputed     confirmed    settled
    M.ISSUE: (S.ISSUED, None, None, None, None),
    M.CONFIRM: (None, S.CONFIRMED, None, None, None),
    M.LAPSE: (None, S.CONFIRMED, None, None, None),
    M.DISPUTE: (None, S.DISPUTED, S.DISPUTED, None, None),
    M.ANSWER: (None, None, S.ISSUED, None, None),
    M.PAY_OFF: (None, None, None, S.SETTLED, None),
    M.CARRY_FORWARD: (None, None, None, S.SETTLED, None),
    M.REOPEN: (None, None, None, None, S.CONFIRMED),
}
STATES = (S.DRAFT, S.ISSUED, S.DISPUTED, S.CONFIRMED, S.SETTLED)

P, A, D, B, W = (
    PaymentState.PROPOSED,
    PaymentState.APPROVED,
    PaymentState.PAID,
    PaymentState.BOUNCED,
    PaymentState.WITHDRAWN,
)
PAYMENT_MOVES = {
    #                   P     A     D     B     W
    PaymentMove.APPROVE: (A, None, None, None, None),
    PaymentMove.RECORD: (None, D, None, None, None),
    PaymentMove.BOUNCE: (None, None, B, None, None),
    PaymentMove.WITHDRAW: (W, W, None, None, None),
}


@pytest.fixture
def world(engine: Engine) -> Peopled:
    peopled = Peopled(engine)
    peopled.open("m", "n")
    peopled.people()
    return peopled


def test_every_state_and_move_of_a_statement_is_in_the_table() -> None:
    assert set(STATEMENT_MOVES) == set(StatementMove)
    assert set(STATES) == set(StatementState)
    for (move, row), (column, state) in product(STATEMENT_MOVES.items(), enumerate(STATES)):
        assert advance(state, move) is row[column], (state, move)


def test_every_state_and_move_of_a_payment_is_in_the_table() -> None:
    assert set(PAYMENT_MOVES) == set(PaymentMove)
    for (move, row), (column, state) in product(PAYMENT_MOVES.items(), enumerate((P, A, D, B, W))):
        assert advance_payment(state, move) is row[column], (state, move)


def test_a_statement_is_issued_until_its_merchant_confirms_it(world: Peopled) -> None:
    statement = world.issue(DAY_1, points_fen=5_000)
    standing = world.standing(statement)
    assert (standing.state, standing.closing_fen, standing.open_fen) == (ISSUED, 5_000, 5_000)
    assert (standing.payable_fen, standing.history) == (0, ())
    assert standing.deadline == world.now + timedelta(days=7)
    world.wait(hours=1)
    assert world.do(M_BOSS, confirm(statement)) == SettlingDone(statement, "confirmed")
    assert world.do(M_BOSS, confirm(statement)) == SettlingDone(statement, "confirmed", again=True)
    standing = world.standing(statement)
    assert (standing.state, standing.since, standing.deadline) == (CONFIRMED, world.now, None)
    assert (standing.payable_fen, standing.receivable_fen) == (5_000, 0)
    (only,) = standing.history
    assert (only.move, only.moved_by) == (StatementMove.CONFIRM, M_BOSS)


def test_a_statement_of_nothing_is_settled_when_it_is_confirmed(world: Peopled) -> None:
    statement = world.issue(DAY_1)
    assert world.do(M_BOSS, confirm(statement)).state == "settled"
    assert [each.move for each in world.standing(statement).history] == [M.CONFIRM, M.PAY_OFF]


def test_another_merchants_statement_is_answered_like_one_that_is_not_there(
    world: Peopled,
) -> None:
    statement = world.issue(DAY_1, points_fen=5_000)
    refusals = [
        world.by(N_BOSS, command) for command in (confirm(statement), raise_it("d", statement))
    ]
    absent = [
        world.by(N_BOSS, command)
        for command in (confirm("x" * len(statement)), raise_it("d", "x" * len(statement)))
    ]
    assert [str(each).replace(statement, "") for each in refusals] == [
        str(each).replace("x" * len(statement), "") for each in absent
    ]
    assert world.standing(statement).state is ISSUED


def test_an_operator_confirms_only_when_he_says_how_the_merchant_told_him(
    world: Peopled,
) -> None:
    statement = world.issue(DAY_1, points_fen=5_000)
    assert world.refused(LI, confirm(statement)) == SettlingProblem.NEEDS_WORD
    assert world.refused(DESK, confirm(statement, " ")) == SettlingProblem.NEEDS_WORD
    assert world.do(DESK, confirm(statement, BY_PHONE)).state == "confirmed"
    assert world.standing(statement).history[0].says == BY_PHONE


@pytest.mark.parametrize("actor", ["test", "portal:nobody", "merchant:m", "portal:", ""])
def test_nobody_else_has_a_say(world: Peopled, actor: str) -> None:
    statement = world.issue(DAY_1, points_fen=5_000)
    for command in (
        confirm(statement, BY_PHONE),
        raise_it("d", statement, on_behalf=BY_PHONE),
        carry(statement),
        SetConfirmDays(confirm_days=3),
        propose("p", statement, PAY, 1),
    ):
        assert world.refused(actor, command) == SettlingProblem.NOT_ALLOWED


def test_a_merchant_does_nothing_that_is_the_pools(world: Peopled) -> None:
    statement = world.confirmed(DAY_1, points_fen=5_000)
    for command in (
        carry(statement),
        SetConfirmDays(confirm_days=3),
        propose("p", statement, PAY, 1),
    ):
        assert world.refused(M_BOSS, command) == SettlingProblem.NOT_ALLOWED


def test_the_desk_officer_moves_no_money_and_finance_does(world: Peopled) -> None:
    statement = world.confirmed(DAY_1, points_fen=5_000)
    assert world.refused(DESK, propose("p", statement, PAY, 1)) == SettlingProblem.NOT_ALLOWED
    assert world.refused(DESK, carry(statement)) == SettlingProblem.NOT_ALLOWED
    assert world.do(FINANCE, propose("p", statement, PAY, 1)).state == "proposed"


def test_a_name_is_one_person_whatever_door_he_comes_through() -> None:
    assert same_person("operator:li", portal_actor("li"))
    assert not same_person("operator:li", "operator:wu")


def test_rights_come_from_the_sign_in(world: Peopled) -> None:
    with writing(world.engine) as tx:
        assert party_of(tx, POOL, M_BOSS) == Party(Side.MERCHANT, "m")
        assert party_of(tx, POOL, DESK) == Party(Side.OPERATOR, None)
        assert party_of(tx, POOL, FINANCE) == Party(Side.FINANCE, None)
        assert party_of(tx, POOL, "portal:stranger") is None


def test_after_seven_days_silence_counts_as_confirmed(world: Peopled) -> None:
    statement = world.issue(DAY_1, points_fen=5_000)
    world.wait(days=7, seconds=-1)
    assert world.waiting().to_lapse == ()
    assert world.by(LI, LapseStatements()) == Lapsed((), more=False)
    world.wait(seconds=1)
    overdue = world.waiting().to_lapse
    assert [each.statement for each in overdue] == [statement, "n-20260301"]
    lapsed = world.by(LI, LapseStatements())
    assert lapsed == Lapsed((statement, "n-20260301"), more=False)
    assert world.by(LI, LapseStatements()) == Lapsed((), more=False)
    assert world.standing(statement).state is CONFIRMED
    assert world.standing("n-20260301").state is SETTLED
    assert world.standing(statement).history[0].move is StatementMove.LAPSE
    assert world.do(M_BOSS, confirm(statement)).again


def test_a_deadline_is_never_shortened_for_what_was_issued_before(world: Peopled) -> None:
    first = world.issue(DAY_1, points_fen=5_000)
    deadline = world.standing(first).deadline
    world.wait(hours=1)
    assert world.do(DESK, SetConfirmDays(confirm_days=2)).state == "2"
    assert world.do(DESK, SetConfirmDays(confirm_days=2)).again
    assert world.standing(first).deadline == deadline
    second = world.issue(DAY_2, points_fen=1_000)
    assert world.standing(second).deadline == world.now + timedelta(days=2)


def test_many_statements_lapse_in_several_facts_the_oldest_first(
    world: Peopled, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.issue(DAY_1, points_fen=1_000)
    world.issue(DAY_2, points_fen=1_000)
    world.wait(days=8)
    monkeypatch.setattr(states_commands, "LAPSED_AT_ONCE", 3)
    assert world.by(LI, LapseStatements()) == Lapsed(
        ("m-20260301", "n-20260301", "m-20260302"), more=True
    )
    assert world.by(LI, LapseStatements()) == Lapsed(("n-20260302",), more=False)


def test_a_disputed_statement_neither_lapses_nor_is_confirmed(world: Peopled) -> None:
    statement = world.issue(DAY_1, points_fen=5_000)
    world.do(M_BOSS, raise_it("d-1", statement))
    world.wait(days=30)
    world.by(LI, LapseStatements())
    assert world.standing(statement).state is DISPUTED
    assert world.refused(M_BOSS, confirm(statement)) == SettlingProblem.WRONG_STATE


def test_what_is_open_is_carried_into_the_next_opening(world: Peopled) -> None:
    first = world.confirmed(DAY_1, points_fen=3)
    second = world.confirmed(DAY_2, points_fen=5_000)
    problem = SettlingProblem.EARLIER_OPEN
    assert world.refused(LI, propose("p", second, PAY, 5_003)) == problem
    assert world.do(LI, carry(first)).state == "settled"
    assert world.do(WU, carry(first)).again
    standing = world.standing(first)
    assert (standing.open_fen, standing.history[-1].carried_fen) == (0, 3)
    assert world.standing(second).payable_fen == 5_003
    world.paid("p", second, PAY, 5_003)
    assert world.standing(second).state is SETTLED
    assert world.fen("merchant:m") == 0


def test_carrying_a_statement_carries_the_earlier_ones(world: Peopled) -> None:
    first = world.confirmed(DAY_1, points_fen=300)
    second = world.confirmed(DAY_2, cash_fen=9_000)
    world.do(LI, carry(second))
    assert [world.standing(each).history[-1].carried_fen for each in (first, second)] == [300, -600]
    assert [world.standing(each).state for each in (first, second)] == [SETTLED, SETTLED]


def test_only_what_is_confirmed_and_has_no_payment_waiting_is_carried(world: Peopled) -> None:
    first = world.issue(DAY_1, points_fen=300)
    assert world.refused(LI, carry(first)) == SettlingProblem.WRONG_STATE
    assert world.refused(LI, carry("nothing")) == SettlingProblem.UNKNOWN_STATEMENT
    world.do(M_BOSS, confirm(first))
    world.do(LI, propose("p", first, PAY, 100))
    assert world.refused(LI, carry(first)) == SettlingProblem.PAYMENT_PENDING


def test_a_negative_closing_is_for_the_merchant_to_pay(world: Peopled) -> None:
    statement = world.confirmed(DAY_1, cash_fen=180_000)
    standing = world.standing(statement)
    assert (standing.open_fen, standing.payable_fen, standing.receivable_fen) == (
        -18_000,
        0,
        18_000,
    )
    assert world.refused(LI, propose("p", statement, PAY, 1)) == SettlingProblem.ABOVE_OPEN
    world.paid("p", statement, RECEIVE, 18_000)
    assert world.standing(statement).state is SETTLED
    assert (world.fen("merchant:m"), world.fen("bank")) == (0, 18_000)


def test_moves_are_never_changed(world: Peopled) -> None:
    statement = world.confirmed(DAY_1, points_fen=5_000)
    world.paid("p", statement, PAY, 5_000)
    for change in (
        "UPDATE statement_move SET state = 'settled'",
        "DELETE FROM statement_move",
        "UPDATE payment SET amount_fen = 1",
        "DELETE FROM payment_move",
    ):
        with pytest.raises(DBAPIError, match="never changed"), writing(world.engine) as tx:
            tx.execute(text(change))


@pytest.mark.parametrize("days", [0, 61])
def test_a_merchant_has_between_one_day_and_sixty(world: Peopled, days: int) -> None:
    with pytest.raises(ValidationError):
        world.by(LI, SetConfirmDays(confirm_days=days))
    assert states_values.CONFIRM_DAYS == 7
