"""After a recovery: the dead terminal is closed, and what differs is the office's to decide."""

import json

import msgspec
import pytest

from protocol.journal import GENESIS, Envelope, SignedRecord, seal
from protocol.messages import JournalAnswer, OutcomeKind, ProblemKind
from protocol.recovery import (
    RecoverAnswer,
    RecoveredKind,
    RecoverRequest,
    RecoveryEnd,
    RecoverySource,
)
from protocol.sales import TerminalStarted
from server.directory.card_pins import pin_of
from server.facts.refused import Refused
from server.redemption import BookDiffering, LeaveDiffering
from server.redemption.differences import differences
from server.redemption.gaps import recoveries
from server.redemption.queries import sale_of
from tests.unit.awards.running import run
from tests.unit.server.bookkeeping import books
from tests.unit.server.test_card_pins import CARD_ID, pinned, wrong
from tests.unit.server.test_epochs import boot, booted, go_on, problem, sound
from tests.unit.server.test_recovering import hand_over, heir, kinds
from tests.unit.server.world import Till, World, money_line, sold

__all__ = ["heir", "pinned"]

ENDED = RecoveryEnd(source=RecoverySource.NOTHING, records=0)


def finish(heir: Till, of: str = "t-1") -> RecoverAnswer:
    answer = heir.ask("recover", RecoverRequest(of=of, finished=ENDED), RecoverAnswer)
    assert isinstance(answer, RecoverAnswer), answer
    return answer


def test_a_dead_terminal_that_comes_alive_tells_nothing_until_the_office_lets_it(
    world: World, till: Till, heir: Till
) -> None:
    till.tell(TerminalStarted(version="1"), sold(world, money_line("米", 100)))
    finish(heir)
    finish(heir)
    before = books(world)
    late = sold(world, money_line("油", 300))
    record = till.record(late)
    assert problem(till.send_records(record)) is ProblemKind.EPOCH_CLOSED
    assert problem(boot(till)) is ProblemKind.FORK
    # Somebody who has its key goes on by himself in the epoch that nobody was given.
    forger = till.epoch, till.seq, till.head
    till.epoch, till.seq, till.head = 2, 0, "0" * 64
    forged = till.record(sold(world, money_line("油", 999)))
    assert problem(till.send_records(forged)) is ProblemKind.EPOCH_CLOSED
    assert problem(boot(till)) is ProblemKind.FORK
    till.epoch, till.seq, till.head = forger
    assert books(world) == before
    found = world.read(lambda tx: differences(tx, world.pool))
    assert "旧卡有人在用" in found[0].says
    # Its own records still come by another hand; and it was not dead after all.
    assert kinds(hand_over(heir, record)) == [RecoveredKind.BOOKED]
    assert run(world, "terminal", "reopen", "t-1", "--reason", "没坏").exit_code == 0
    answer = booted(till)
    assert (answer.epoch, answer.anew) == (3, True)
    go_on(till, answer)
    assert till.outcome(late).outcome is OutcomeKind.DUPLICATE
    assert till.outcome(sold(world, money_line("盐", 200))).outcome is OutcomeKind.POSTED
    sound(world)


def differing(world: World, till: Till, heir: Till) -> tuple[SignedRecord, SignedRecord]:
    """Two records of an old card's own way, handed over and found different."""
    start = till.record(TerminalStarted(version="1"))
    place = till.seq, till.head
    one = till.record(sold(world, money_line("米", 100)))
    till.seq, till.head = place
    other, behind = (till.record(sold(world, money_line("米", fen))) for fen in (900, 901))
    assert isinstance(till.send_records(start, one), JournalAnswer)
    assert kinds(hand_over(heir, other, behind)) == [RecoveredKind.DIFFERS] * 2
    return other, behind


def test_the_office_books_a_record_that_differs_once_or_leaves_it_with_a_reason(
    world: World, till: Till, heir: Till
) -> None:
    other, behind = differing(world, till, heir)
    listed = run(world, "terminal", "differs", "t-1")
    assert listed.exit_code == 1
    assert "待处理" in listed.stdout
    assert other.hash_hex[:12] in listed.stdout
    one = ("t-1", "1/2", other.hash_hex[:12], "--reason", "店家有小票")
    booked = run(world, "terminal", "book-differing", *one)
    assert (booked.exit_code, "posted" in booked.output) == (0, True), booked.output
    assert "已经处理过了" in run(world, "terminal", "book-differing", *one).output
    assert "已经处理过了" in run(world, "terminal", "leave-differing", *one).output
    left = ("t-1", "1/3", behind.hash_hex, "--reason", "店家说没有卖过")
    assert run(world, "terminal", "leave-differing", *left).exit_code == 0
    envelope = msgspec.json.decode(other.body)
    sale = world.read(lambda tx: sale_of(tx, world.pool, envelope["happening"]["sale_id"]))
    assert sale is not None
    assert sale.payment.cash_fen == 900
    shown = run(world, "terminal", "differs", "t-1", "--json")
    rows = [json.loads(line) for line in shown.stdout.splitlines()]
    assert {row["seq"]: row["decided"] for row in rows} == {2: "posted", 3: "left"}
    assert shown.exit_code == 0, "nothing waits any more"
    sound(world)


def test_what_cannot_be_decided_is_refused_and_changes_nothing(
    world: World, till: Till, heir: Till
) -> None:
    other, _ = differing(world, till, heir)
    before = books(world)
    for command in (BookDiffering, LeaveDiffering):
        for terminal, seq, hash_hex, reason in (
            ("t-1", 9, other.hash_hex, "x"),
            ("t-1", 2, "f" * 12, "x"),
            ("t-9", 2, other.hash_hex, "x"),
            ("t-1", 2, other.hash_hex, " "),
        ):
            wrong_one = command(
                terminal=terminal, epoch=1, seq=seq, hash_hex=hash_hex, reason=reason
            )
            assert isinstance(world.submit(wrong_one), Refused)
    assert books(world) == before
    # A terminal's own record, kept at its start, it tells again itself.
    till.seq, till.head = 1, msgspec.json.decode(other.body)["prev_hash"]
    own = till.record(sold(world, money_line("米", 7)))
    assert problem(boot(till, differing=own)) is ProblemKind.FORK
    refused = world.submit(
        BookDiffering(terminal="t-1", epoch=1, seq=2, hash_hex=own.hash_hex, reason="x")
    )
    assert isinstance(refused, Refused)
    assert "放行后它会自己重报" in refused.says


def test_what_was_handed_over_with_a_part_left_out_is_listed_though_nobody_finished(
    world: World, till: Till
) -> None:
    """A living terminal that hands over its own records cannot drop one without a trace."""
    records = [till.record(sold(world, money_line("米", 100 + n))) for n in range(4)]
    till.unsent.clear()
    own = till.ask(
        "recover", RecoverRequest(of="t-1", records=(records[0], *records[2:])), RecoverAnswer
    )
    assert isinstance(own, RecoverAnswer)
    (shown,) = world.read(lambda tx: recoveries(tx, world.pool))
    assert (shown.terminal, shown.source, shown.missing_records) == ("t-1", "unfinished", 1)
    assert run(world, "terminal", "recoveries").exit_code == 1
    assert kinds(hand_over(till, records[1])) == [RecoveredKind.BOOKED]
    assert world.read(lambda tx: recoveries(tx, world.pool)) == []


@pytest.mark.parametrize("old_first", [True, False])
def test_a_wrong_pin_that_moved_into_the_next_epoch_counts_once(
    pinned: World, *, old_first: bool
) -> None:
    till, heir = pinned.till(), pinned.till(terminal="t-9")
    till.tell(TerminalStarted(version="1"))
    told = till.epoch, till.seq, till.head
    on_card = till.record(wrong())
    if old_first:
        assert kinds(hand_over(heir, on_card)) == [RecoveredKind.BOOKED]
    else:
        till.epoch, till.seq, till.head = told
    go_on(till, booted(till))
    written = msgspec.json.decode(on_card.body, type=Envelope)
    moved = seal(msgspec.structs.replace(written, epoch=2, seq=1, prev_hash=GENESIS), till.key)
    answer = till.send_records(moved)
    assert isinstance(answer, JournalAnswer), answer
    if old_first:
        assert answer.outcomes[0].outcome is OutcomeKind.DUPLICATE
    else:
        assert kinds(hand_over(heir, on_card)) == [RecoveredKind.DUPLICATE]
    found = pinned.read(lambda tx: pin_of(tx, pinned.pool, CARD_ID, 1, pinned.clock()))
    assert found is not None
    assert found.wrong == 1
    sound(pinned)
