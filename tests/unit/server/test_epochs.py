"""Epochs come from the server alone; what differs is kept; a parked record is booked by a person."""

import json
from copy import copy

import msgspec
import pytest
from sqlalchemy import func, select

from protocol.journal import GENESIS
from protocol.messages import (
    BootAnswer,
    BootRequest,
    JournalAnswer,
    OutcomeKind,
    Problem,
    ProblemKind,
)
from protocol.sales import TerminalStarted
from server.bootstrap.desk import make_desk
from server.commands.audit import run_audit
from server.db import reading
from server.directory import commands as c
from server.facts.refused import Refused
from server.facts.tables import fact
from server.redemption import BookParked, ReopenTerminal
from server.redemption import differences as kept
from server.redemption.differences import differences
from server.redemption.parked import ParkedBooked, parked_count
from tests.unit.awards.running import run
from tests.unit.server.world import Till, World, money_line, points_line, sold


def boot(till: Till, boot_id: str = "boot-2", **changes: object) -> BootAnswer | Problem:
    request = BootRequest(boot_id=boot_id, epoch=till.epoch, head_seq=till.seq, head_hash=till.head)
    return till.ask("boot", msgspec.structs.replace(request, **changes), BootAnswer)


def booted(till: Till) -> BootAnswer:
    answer = boot(till)
    assert isinstance(answer, BootAnswer), answer
    return answer


def go_on(till: Till, answer: BootAnswer) -> None:
    till.epoch, till.seq, till.head = answer.epoch, 0, GENESIS
    till.unsent.clear()


def problem(answer: object) -> ProblemKind:
    assert isinstance(answer, Problem), answer
    return answer.problem


def sound(world: World) -> None:
    with reading(world.engine) as tx:
        found = run_audit(tx, world.pool, make_desk)
    assert {each.invariant: each.violations for each in found if each.violations} == {}


def test_a_start_closes_the_epoch_and_gets_the_next_one(world: World, till: Till) -> None:
    till.tell(TerminalStarted(version="1"))
    old = (till.epoch, till.seq, till.head)
    answer = booted(till)
    assert (answer.epoch, answer.closed_epoch, answer.closed_seq, answer.closed_hash) == (2, *old)
    go_on(till, answer)
    assert till.outcome(sold(world, money_line("米", 100))).outcome is OutcomeKind.POSTED
    sound(world)


def test_a_start_whose_answer_was_lost_gets_the_same_epoch_again(till: Till) -> None:
    till.tell(TerminalStarted(version="1"))
    assert booted(till) == booted(till)
    assert boot(till, boot_id="boot-3") == booted(till)


def test_an_epoch_without_records_is_not_closed(till: Till) -> None:
    assert booted(till).epoch == 1
    assert booted(till).epoch == 1


@pytest.mark.parametrize("number", [2**31, 2**63, -(2**63) - 1, 10**30])
@pytest.mark.parametrize("name", ["epoch", "head_seq"])
def test_a_start_at_a_place_that_no_database_holds_is_refused_and_no_fault(
    till: Till, name: str, number: int
) -> None:
    till.tell(TerminalStarted(version="1"))
    place: dict[str, object] = {name: number}
    assert problem(boot(till, "boot-2", **place)) is ProblemKind.BAD_REQUEST


def test_a_differing_record_at_a_place_that_no_database_holds_is_refused_and_no_fault(
    till: Till,
) -> None:
    till.tell(TerminalStarted(version="1"))
    till.seq = 2**63
    differing = till.record(TerminalStarted(version="2"))
    answer = boot(till, head_seq=1, differing=differing)
    assert problem(answer) is ProblemKind.BAD_REQUEST


def test_records_are_told_before_the_epoch_is_closed(till: Till) -> None:
    till.tell(TerminalStarted(version="1"))
    till.record(TerminalStarted(version="1"))
    answer = boot(till)
    assert problem(answer) is ProblemKind.GAP
    assert isinstance(answer, Problem)
    assert answer.expected_seq == 2


def test_a_packet_from_before_the_start_is_answered_as_then_and_no_new_one_comes_in(
    world: World, till: Till
) -> None:
    told = till.record(sold(world, money_line("米", 100)))
    till.tell()
    late = till.record(sold(world, money_line("米", 200)))
    till.seq, till.head = 1, told.hash_hex
    booted(till)
    again = till.send_records(told)
    assert isinstance(again, JournalAnswer)
    assert [x.outcome for x in again.outcomes] == [OutcomeKind.POSTED]
    assert problem(till.send_records(late)) is ProblemKind.EPOCH_CLOSED
    sound(world)


def test_a_rolled_back_storage_is_found_kept_and_let_go_on_by_a_person(
    world: World, till: Till
) -> None:
    first = till.record(TerminalStarted(version="1"))
    till.tell(sold(world, money_line("米", 100)))
    newest = till.head
    till.seq, till.head = 1, first.hash_hex  # the image of yesterday
    assert problem(boot(till)) is ProblemKind.FORK
    other = till.record(sold(world, money_line("米", 300)))
    assert problem(till.send_records(other)) is ProblemKind.FORK
    assert problem(boot(till, differing=other)) is ProblemKind.FORK
    assert problem(boot(till, differing=other)) is ProblemKind.FORK, "kept once"
    found = world.read(lambda tx: differences(tx, world.pool))
    assert [(x.seq, x.open) for x in found] == [(2, True), (1, True)]
    assert found[0].here_hash == newest
    assert found[0].there_body == other.body
    shown = run(world, "terminal", "differs", "--json")
    assert shown.exit_code == 1
    assert json.loads(shown.stdout.splitlines()[0])["there_hash"] == other.hash_hex

    assert run(world, "terminal", "reopen", "t-1", "--reason", "换卡").exit_code == 0
    assert isinstance(world.submit(ReopenTerminal(terminal="t-1", reason="x")), Refused)
    answer = booted(till)
    assert (answer.epoch, answer.anew) == (2, True)
    go_on(till, answer)
    lost = till.tell(sold(world, money_line("米", 300)))
    assert [x.outcome for x in lost] == [OutcomeKind.POSTED]
    assert run(world, "terminal", "differs").exit_code == 0
    sound(world)


def test_a_terminal_with_another_head_at_each_start_fills_neither_books_nor_list(
    world: World, till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A storage that falls back at every start; or somebody with its key, who makes heads up."""
    monkeypatch.setattr(kept, "KEPT_OF_STARTS_MAX", 5)
    first = till.record(TerminalStarted(version="1"))
    till.tell(sold(world, money_line("米", 100)))
    newest = till.seq, till.head
    till.seq, till.head = 1, first.hash_hex
    other = till.record(sold(world, money_line("米", 300)))
    assert problem(boot(till, differing=other)) is ProblemKind.FORK
    for number in range(20):
        head = f"{number:064x}"
        assert problem(boot(till, f"boot-{number}", head_hash=head)) is ProblemKind.FORK
        assert problem(boot(till, f"boot-{number}", head_hash=head)) is ProblemKind.FORK
    found = world.read(lambda tx: differences(tx, world.pool))
    assert len(found) == 5
    assert [x.there_body for x in found if x.there_body] == [other.body]
    facts = world.read(lambda tx: tx.execute(select(func.count()).select_from(fact)).scalar_one())
    assert problem(boot(till, head_hash="f" * 64)) is ProblemKind.FORK
    after = world.read(lambda tx: tx.execute(select(func.count()).select_from(fact)).scalar_one())
    assert after == facts
    sound(world)

    assert run(world, "terminal", "reopen", "t-1", "--reason", "换卡").exit_code == 0
    go_on(till, booted(till))
    till.tell(TerminalStarted(version="1"))
    till.epoch, (till.seq, till.head) = 1, newest
    assert problem(boot(till, head_hash="f" * 64)) is ProblemKind.FORK
    found = world.read(lambda tx: differences(tx, world.pool))
    assert (len(found), found[0].open) == (6, True), "what comes after is kept again"
    sound(world)


def test_a_copied_card_gets_no_epoch_beside_the_original(world: World, till: Till) -> None:
    till.tell(TerminalStarted(version="1"))
    copied = (till.epoch, till.seq, till.head)
    go_on(till, booted(till))
    till.tell(TerminalStarted(version="1"))
    till.epoch, till.seq, till.head = copied
    assert problem(boot(till, boot_id="of the copy")) is ProblemKind.FORK
    assert len(world.read(lambda tx: differences(tx, world.pool))) == 1


def test_the_same_sale_told_in_two_epochs_is_booked_once(world: World, till: Till) -> None:
    sale = sold(world, money_line("米", 100))
    assert till.outcome(sale).outcome is OutcomeKind.POSTED
    go_on(till, booted(till))
    assert till.outcome(sale).outcome is OutcomeKind.DUPLICATE
    sound(world)


def test_a_parked_record_is_booked_when_its_cause_is_gone(counter: World) -> None:
    till = counter.till()
    parked = till.outcome(sold(counter, points_line("vinegar", 4, 800), points=4))
    assert parked.outcome is OutcomeKind.PARKED
    listed = run(counter, "parked", "list")
    assert listed.exit_code == 1
    assert "不在积分池的商品目录中" in listed.stdout
    assert counter.read(lambda tx: parked_count(tx, counter.pool)) == 1
    refused = run(counter, "parked", "book", "t-1", f"1/{parked.seq}", "--reason", "没做什么")
    assert refused.exit_code == 1
    assert "仍不能入账" in refused.output
    counter.do(
        c.AddItem(
            item_id="vinegar",
            name="食醋",
            name_en="Vinegar",
            category="食品",
            unit="瓶",
            price_points=4,
            reimbursement_fen=800,
        )
    )
    booked = counter.submit(
        BookParked(terminal="t-1", epoch=1, seq=parked.seq, reason="补录了商品")
    )
    assert isinstance(booked, ParkedBooked), booked
    assert run(counter, "parked", "list").exit_code == 0
    again = counter.submit(BookParked(terminal="t-1", epoch=1, seq=parked.seq, reason="再来"))
    assert isinstance(again, Refused)
    assert again.reason == "booked"
    sound(counter)


def test_another_process_that_remembers_the_old_epoch_answers_at_once(
    world: World, till: Till
) -> None:
    till.tell(TerminalStarted(version="1"))
    other = copy(world)
    other.serve(world.engine)
    till.world = other
    till.tell(TerminalStarted(version="1"))  # now it remembers who asks, and in which epoch
    till.world = world
    answer = booted(till)
    go_on(till, answer)
    till.world = other
    outcome = till.outcome(sold(world, money_line("米", 100)))
    assert outcome.outcome is OutcomeKind.POSTED
    sound(world)


def test_a_terminal_that_goes_on_by_itself_is_not_let_go_on_by_a_person(
    world: World, till: Till
) -> None:
    till.record(TerminalStarted(version="1"))
    refused = run(world, "terminal", "reopen", "t-1", "--reason", "x")
    assert refused.exit_code == 1
    assert "没有停用" in refused.output
    till.tell(sold(world, money_line("米", 100)))
    sound(world)
