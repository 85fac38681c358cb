"""A merchant disputes, the pool answers; nothing that was issued changes."""

from pathlib import Path

import pytest
from msgspec import ValidationError
from sqlalchemy import Engine

from server.commands.audit_payments import check_payments
from server.db import create_all, metadata, open_engine, reading, run_writing
from server.facts import replay
from server.facts.refused import Refused
from server.ledger import check_ledger, entry_of, transfers_of_entry
from server.settlement import adjusting, disputes
from server.settlement.disputes_store import dispute_of
from server.settlement.states import StatementMove
from server.settlement.states_tables import adjustment_proposal, dispute_answer
from server.settlement.states_values import SettlingDone, SettlingProblem
from tests.unit.settlement.states_world import (
    ADJUSTED,
    BY_PHONE,
    DAY_1,
    DAY_2,
    DAY_3,
    DESK,
    DISPUTED,
    ISSUED,
    LI,
    M_BOSS,
    N_BOSS,
    PAY,
    REFUSED,
    SETTLED,
    WU,
    Peopled,
    agree,
    answer,
    carry,
    confirm,
    make_peopled_desk,
    raise_it,
)
from tests.unit.settlement.world import POOL


@pytest.fixture
def world(engine: Engine) -> Peopled:
    peopled = Peopled(engine)
    peopled.open("m", "n")
    peopled.people()
    return peopled


def test_a_disputed_line_is_adjusted_on_the_next_statement_and_nowhere_else(
    world: Peopled,
) -> None:
    first = world.issue(DAY_1, points_fen=5_000)
    before = world.standing(first)
    done = world.do(M_BOSS, raise_it("d-1", first, f"sale:sale-{DAY_1}"))
    assert done == SettlingDone("d-1", "disputed")
    (waits,) = world.waiting().to_answer
    assert (waits.dispute, waits.line, waits.raised_by) == ("d-1", f"sale:sale-{DAY_1}", M_BOSS)
    assert world.do(DESK, answer("d-1", ADJUSTED, 250)) == SettlingDone("d-1", "proposed")
    assert world.fen("merchant:m") == 5_000, "nothing is booked by one person"
    assert world.standing(first).state is DISPUTED
    (proposed,) = world.waiting().to_adjust
    assert proposed.proposal is not None
    assert (proposed.proposal.amount_fen, proposed.proposal.proposed_by) == (250, DESK)
    assert world.do(WU, agree("d-1", 250)).state == "issued"
    assert (world.waiting().to_answer, world.waiting().to_adjust) == ((), ())
    after = world.standing(first)
    assert (after.closing_fen, after.open_fen) == (before.closing_fen, 5_000)
    world.do(M_BOSS, confirm(first))
    second = world.confirmed(DAY_2, points_fen=1_000)
    assert world.standing(second).closing_fen == 5_000 + 250 + 1_000
    third = world.confirmed(DAY_3)
    assert world.standing(third).closing_fen == 6_250
    with reading(world.engine) as tx:
        found = dispute_of(tx, POOL, "d-1")
        assert found is not None
        assert found.answer is not None
        assert (found.statement, found.answer.amount_fen) == (first, 250)
        assert found.answer.key is not None
        entry = entry_of(tx, POOL, found.answer.key)
        assert entry is not None
        (leg,) = transfers_of_entry(tx, POOL, entry.entry_no)
    assert (found.answer.answered_by, found.answer.approved_by) == (DESK, WU)
    assert (leg.debit, leg.credit, leg.amount) == ("pool_fund", "merchant:m", 250)


BOOKED = (dispute_answer, adjustment_proposal)
OLD_FACT = (
    '{"kind":"answer_dispute","amount_fen":250,"dispute":"d-1","reason":"核对属实",'
    '"verdict":"adjusted"}'
).encode()
"""As one person told an adjustment before it took two."""


def test_an_adjustment_of_before_the_two_persons_replays_to_what_it_was(
    world: Peopled, tmp_path: Path
) -> None:
    first = world.issue(DAY_1, points_fen=5_000)
    world.do(M_BOSS, raise_it("d-1", first))
    told = run_writing(
        world.engine,
        lambda tx: world.desk.submit_bytes(
            tx, POOL, "answer_dispute", OLD_FACT, actor=DESK, recorded_at=world.now
        ),
    )
    assert told == SettlingDone("d-1", "issued"), "booked at once, as it was then"
    assert world.fen("merchant:m") == 5_250
    world.do(M_BOSS, confirm(first))
    second = world.confirmed(DAY_2)
    assert world.standing(second).closing_fen == 5_250
    target = open_engine(f"sqlite:///{tmp_path}/replayed.db")
    create_all(target, metadata)
    with reading(world.engine) as tx:
        assert list(check_ledger(tx, POOL)) == []
        assert list(check_payments(tx, POOL)) == []
        replay(tx, target, make_peopled_desk(), POOL)
        here = [sorted(map(repr, tx.execute(each.select()))) for each in BOOKED]
    with reading(target) as tx:
        there = [sorted(map(repr, tx.execute(each.select()))) for each in BOOKED]
    target.dispose()
    assert here == there
    assert [len(rows) for rows in here] == [1, 0], "answered, and never proposed"


def test_an_adjustment_may_be_against_the_merchant(world: Peopled) -> None:
    first = world.issue(DAY_1, points_fen=5_000)
    world.do(M_BOSS, raise_it("d-1", first))
    world.adjusted("d-1", -300)
    world.do(M_BOSS, confirm(first))
    world.do(LI, carry(first))
    second = world.confirmed(DAY_2)
    assert world.standing(second).payable_fen == 4_700
    world.paid("p-1", second, PAY, 4_700)
    assert world.standing(second).state is SETTLED
    assert world.fen("merchant:m") == 0


def test_a_refusal_books_nothing_and_gives_its_reason(world: Peopled) -> None:
    first = world.issue(DAY_1, points_fen=5_000)
    world.do(M_BOSS, raise_it("d-1", first))
    world.wait(days=3)
    world.do(DESK, answer("d-1", REFUSED, reason="小票与流水一致"))
    standing = world.standing(first)
    assert (standing.state, standing.since) == (ISSUED, world.now)
    assert standing.deadline is not None
    assert (standing.deadline - world.now).days == 7, "the merchant has his days again"
    (found,) = standing.disputes
    assert found.answer is not None
    assert (found.answer.reason, found.answer.key) == ("小票与流水一致", None)
    assert world.fen("merchant:m") == 5_000


def test_a_statement_is_issued_again_when_the_last_dispute_is_answered(world: Peopled) -> None:
    first = world.issue(DAY_1, cash_fen=1_000, points_fen=5_000)
    world.do(M_BOSS, raise_it("d-1", first, f"sale:sale-{DAY_1}"))
    world.do(M_BOSS, raise_it("d-2", first, f"share:{first}"))
    assert world.do(DESK, answer("d-1", REFUSED)).state == "disputed"
    assert world.standing(first).state is DISPUTED
    assert world.do(DESK, answer("d-2", REFUSED)).state == "issued"
    assert [each.move for each in world.standing(first).history] == [
        StatementMove.DISPUTE,
        StatementMove.DISPUTE,
        StatementMove.ANSWER,
    ]


def test_the_same_again_is_a_success_and_another_under_the_id_is_not(world: Peopled) -> None:
    first = world.issue(DAY_1, points_fen=5_000)
    command = raise_it("d-1", first)
    world.do(M_BOSS, command)
    assert world.do(M_BOSS, command) == SettlingDone("d-1", "disputed", again=True)
    other = raise_it("d-1", first, reason="别的")
    assert world.refused(M_BOSS, other) == SettlingProblem.CONFLICT
    conflict = world.by(M_BOSS, other)
    assert isinstance(conflict, Refused)
    says = conflict.says
    assert command.reason in says
    assert other.reason in says
    world.do(DESK, answer("d-1", ADJUSTED, 250))
    assert world.do(DESK, answer("d-1", ADJUSTED, 250)).again
    world.do(WU, agree("d-1", 250))
    assert world.do(WU, agree("d-1", 250)).again
    assert world.do(WU, answer("d-1", ADJUSTED, 250)).again
    assert world.refused(LI, agree("d-1", 250)) == SettlingProblem.CONFLICT
    assert world.do(M_BOSS, command).again
    assert world.refused(WU, answer("d-1", ADJUSTED, 251)) == SettlingProblem.CONFLICT
    assert world.fen("merchant:m") == 5_250


def test_a_line_is_disputed_once_and_must_stand_on_the_statement(world: Peopled) -> None:
    first = world.issue(DAY_1, points_fen=5_000)
    second = world.issue(DAY_2, points_fen=1_000)
    unknown = SettlingProblem.UNKNOWN_LINE
    assert world.refused(M_BOSS, raise_it("d-1", first, f"sale:sale-{DAY_2}")) == unknown
    assert world.refused(M_BOSS, raise_it("d-1", first, "sale:nothing")) == unknown
    with pytest.raises(ValidationError):
        world.by(M_BOSS, raise_it("d-1", first, "sale:\0"))
    world.do(M_BOSS, raise_it("d-1", second, f"sale:sale-{DAY_2}"))
    world.do(DESK, answer("d-1", REFUSED))
    again = raise_it("d-2", second, f"sale:sale-{DAY_2}")
    assert world.refused(M_BOSS, again) == SettlingProblem.CONFLICT
    world.do(M_BOSS, raise_it("d-2", second))


def test_what_was_confirmed_is_not_disputed(world: Peopled) -> None:
    first = world.confirmed(DAY_1, points_fen=5_000)
    assert world.refused(M_BOSS, raise_it("d-1", first)) == SettlingProblem.WRONG_STATE


def test_only_the_pools_people_answer_and_not_who_raised_it_for_the_merchant(
    world: Peopled,
) -> None:
    first = world.issue(DAY_1, points_fen=5_000)
    assert world.refused(LI, raise_it("d-1", first)) == SettlingProblem.NEEDS_WORD
    world.do(LI, raise_it("d-1", first, on_behalf=BY_PHONE))
    for merchant in (M_BOSS, N_BOSS):
        refused = world.refused(merchant, answer("d-1", ADJUSTED, 9))
        assert refused == SettlingProblem.NOT_ALLOWED
    for same in (LI, "operator:li"):
        assert world.refused(same, answer("d-1", ADJUSTED, 9)) == SettlingProblem.SAME_PERSON
    assert world.do(WU, answer("d-1", ADJUSTED, 9)).state == "proposed"
    assert world.do(LI, agree("d-1", 9)).state == "issued"
    assert world.refused(WU, answer("d-9", REFUSED)) == SettlingProblem.UNKNOWN_DISPUTE


def test_an_adjustment_is_approved_by_another_person_who_saw_that_amount(world: Peopled) -> None:
    first = world.issue(DAY_1, points_fen=5_000)
    world.do(M_BOSS, raise_it("d-1", first))
    assert world.refused(WU, agree("d-1", 250)) == SettlingProblem.WRONG_STATE
    world.do(LI, answer("d-1", ADJUSTED, 250))
    for same in (LI, "operator:li"):
        assert world.refused(same, agree("d-1", 250)) == SettlingProblem.SAME_PERSON
    assert world.refused(M_BOSS, agree("d-1", 250)) == SettlingProblem.NOT_ALLOWED
    assert world.refused(WU, agree("d-9", 250)) == SettlingProblem.UNKNOWN_DISPUTE
    world.do(LI, answer("d-1", ADJUSTED, 25_000))
    assert world.refused(WU, agree("d-1", 250)) == SettlingProblem.CONFLICT
    assert world.fen("merchant:m") == 5_000
    world.do(DESK, answer("d-1", REFUSED))
    assert world.refused(WU, agree("d-1", 25_000)) == SettlingProblem.CONFLICT
    assert world.fen("merchant:m") == 5_000


def test_proposals_for_a_dispute_have_a_limit(
    world: Peopled, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = world.issue(DAY_1, points_fen=5_000)
    world.do(M_BOSS, raise_it("d-1", first))
    monkeypatch.setattr(adjusting, "PROPOSALS_MAX", 1)
    world.do(LI, answer("d-1", ADJUSTED, 250))
    assert world.refused(LI, answer("d-1", ADJUSTED, 251)) == SettlingProblem.CONFLICT
    world.do(WU, agree("d-1", 250))


@pytest.mark.parametrize(("verdict", "amount_fen"), [(ADJUSTED, 0), (REFUSED, 1), (REFUSED, -1)])
def test_an_amount_fits_its_verdict(world: Peopled, verdict: str, amount_fen: int) -> None:
    first = world.issue(DAY_1, points_fen=5_000)
    world.do(M_BOSS, raise_it("d-1", first))
    command = answer("d-1", type(ADJUSTED)(verdict), amount_fen)
    assert world.refused(DESK, command) == SettlingProblem.BAD_AMOUNT


@pytest.mark.parametrize("reason", ["", "   ", "长" * 201, "不\0对"])
def test_a_dispute_says_why(world: Peopled, reason: str) -> None:
    first = world.issue(DAY_1, points_fen=5_000)
    with pytest.raises(ValidationError):
        world.by(M_BOSS, raise_it("d-1", first, reason=reason))
    assert world.standing(first).state is ISSUED


def test_disputes_of_a_statement_have_a_limit(
    world: Peopled, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = world.issue(DAY_1, points_fen=5_000)
    monkeypatch.setattr(disputes, "DISPUTES_MAX", 1)
    world.do(M_BOSS, raise_it("d-1", first))
    line = f"sale:sale-{DAY_1}"
    assert world.refused(M_BOSS, raise_it("d-2", first, line)) == SettlingProblem.CONFLICT
