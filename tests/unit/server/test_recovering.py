"""A dead terminal's records come by another hand: each once, in its place, and what is lost stays open."""

import msgspec
import pytest

from protocol.journal import SignedRecord
from protocol.messages import JournalAnswer, OutcomeKind, Problem, ProblemKind
from protocol.recovery import (
    OpenAsk,
    RecoverAnswer,
    RecoveredKind,
    RecoverRequest,
    RecoveryEnd,
    RecoverySource,
    SeqRange,
)
from protocol.sales import RefundLine, TakingsDeclared, TerminalStarted
from server.commands.audit_records import check_chains
from server.redemption.gaps import recoveries
from server.redemption.parked import parked_records
from tests.unit.awards.running import run
from tests.unit.server.bookkeeping import books
from tests.unit.server.test_epochs import booted, go_on, sound
from tests.unit.server.world import (
    TODAY,
    ZHANG,
    Till,
    World,
    asked_and_sold,
    money_line,
    refunded,
    sold,
)


@pytest.fixture
def heir(world: World, till: Till) -> Till:
    """A terminal of the same merchant that takes the dead one's place."""
    del till
    return world.till(terminal="t-9")


def ask(heir: Till, of: str = "t-1", **about: object) -> RecoverAnswer | Problem:
    return heir.ask("recover", RecoverRequest(of=of, **about), RecoverAnswer)  # type: ignore[arg-type]  # as given


def hand_over(heir: Till, *records: SignedRecord) -> RecoverAnswer:
    answer = ask(heir, records=records)
    assert isinstance(answer, RecoverAnswer), answer
    return answer


def kinds(answer: RecoverAnswer) -> list[RecoveredKind]:
    return [each.kind for each in answer.outcomes]


def day(world: World, till: Till) -> list[SignedRecord]:
    """A start, a sale for money, one for points, a refund, and a declaration."""
    first = sold(world, money_line("米", 100))
    records = [
        till.record(each)
        for each in (
            TerminalStarted(version="1"),
            first,
            asked_and_sold(world, till, money_line("油", 500), points=10),
            refunded(
                world,
                first,
                RefundLine(line_no=1, quantity_milli=1000, amount_fen=100, amount_points=0),
                cash_fen=100,
            ),
            TakingsDeclared(z_no=1, business_date=TODAY, takings_fen={"cash": 9}, counted_fen=9),
        )
    ]
    till.unsent.clear()
    return records


def test_what_was_never_told_is_booked_under_the_dead_terminals_name(
    world: World, till: Till, heir: Till
) -> None:
    world.award(ZHANG, "keeping-order")
    records = day(world, till)
    told = till.send_records(*records[:2])
    assert isinstance(told, JournalAnswer)
    before = ask(heir)
    assert isinstance(before, RecoverAnswer)
    assert (before.records, before.epochs[0].head_seq, before.shop_name != "") == (2, 2, True)
    assert before.public_key == till.key_text
    assert [each.points for each in before.open_asks] == [10]
    answer = hand_over(heir, *records)
    assert kinds(answer) == [RecoveredKind.KNOWN] * 2 + [RecoveredKind.BOOKED] * 3
    assert answer.records == 5
    assert answer.missing == ()
    assert answer.open_asks == ()
    after = books(world)
    assert kinds(hand_over(heir, *records)) == [RecoveredKind.KNOWN] * 5
    assert books(world) == after
    # The dead one comes alive for a moment: everything is there already.
    again = till.send_records(*records)
    assert isinstance(again, JournalAnswer)
    assert again.head_seq == 5
    assert books(world) == after
    sound(world)


def test_records_of_a_closed_epoch_come_in_and_a_sale_that_moved_counts_once(
    world: World, till: Till, heir: Till
) -> None:
    till.tell(TerminalStarted(version="1"))
    old = (till.epoch, till.seq, till.head)
    moved, only_on_stick = sold(world, money_line("米", 100)), sold(world, money_line("油", 700))
    answer = booted(till)
    till.epoch, till.seq, till.head = old
    lost = [till.record(moved), till.record(only_on_stick)]
    till.unsent.clear()
    go_on(till, answer)
    assert till.outcome(moved).outcome is OutcomeKind.POSTED
    got = hand_over(heir, *lost)
    assert kinds(got) == [RecoveredKind.DUPLICATE, RecoveredKind.BOOKED]
    assert [(x.epoch, x.head_seq) for x in got.epochs] == [(1, 3), (2, 1)]
    sound(world)


def test_behind_what_is_lost_the_rest_counts_and_the_gap_stays_until_it_is_found(
    world: World, till: Till, heir: Till
) -> None:
    records = [till.record(sold(world, money_line("米", 100 + n))) for n in range(9)]
    till.unsent.clear()
    told = till.send_records(*records[:2])
    assert isinstance(told, JournalAnswer)
    answer = hand_over(heir, *records[5:8])
    assert kinds(answer) == [RecoveredKind.BOOKED] * 3
    assert answer.missing == (SeqRange(epoch=1, first=3, last=5),)
    ended = RecoveryEnd(
        source=RecoverySource.STICK, records=3, ends=(SeqRange(epoch=1, first=9, last=9),)
    )
    closed = ask(heir, finished=ended)
    assert isinstance(closed, RecoverAnswer)
    assert closed.missing == (
        SeqRange(epoch=1, first=3, last=5),
        SeqRange(epoch=1, first=9, last=9),
    )
    assert closed.missing_records == 4
    (shown,) = world.read(lambda tx: recoveries(tx, world.pool))
    assert (shown.terminal, shown.by_terminal, shown.missing_records) == ("t-1", "t-9", 4)
    sound(world)
    # A part of it turns up on another medium; the terminal itself is closed, so the rest comes so too.
    assert kinds(hand_over(heir, records[3])) == [RecoveredKind.BOOKED]
    after = ask(heir)
    assert isinstance(after, RecoverAnswer)
    assert [(x.first, x.last) for x in after.missing] == [(3, 3), (5, 5), (9, 9)]
    closed_to = till.send_records(*records)
    assert isinstance(closed_to, Problem), closed_to
    assert closed_to.problem is ProblemKind.EPOCH_CLOSED
    hand_over(heir, *records)
    last = ask(heir)
    assert isinstance(last, RecoverAnswer)
    assert (last.missing, last.missing_records, last.records) == ((), 0, 9)
    sound(world)


def test_another_record_in_a_taken_place_is_kept_for_a_person_and_not_booked(
    world: World, till: Till, heir: Till
) -> None:
    start = till.record(TerminalStarted(version="1"))
    place = (till.seq, till.head)
    one = till.record(sold(world, money_line("米", 100)))
    till.seq, till.head = place
    other = till.record(sold(world, money_line("米", 900)))
    behind = till.record(sold(world, money_line("米", 901)))
    assert isinstance(till.send_records(start, one), JournalAnswer)
    answer = hand_over(heir, other, behind)
    assert kinds(answer) == [RecoveredKind.DIFFERS] * 2
    assert kinds(hand_over(heir, other)) == [RecoveredKind.DIFFERS], "kept once, said each time"
    shown = run(world, "terminal", "differs", "t-1", "--json")
    rows = [msgspec.json.decode(line) for line in shown.stdout.splitlines()]
    assert {(row["seq"], row["there_hash"]) for row in rows} == {
        (2, other.hash_hex),
        (3, behind.hash_hex),
    }
    sound(world)


def test_who_may_hand_over_and_what_is_no_record(world: World, till: Till, heir: Till) -> None:
    record = till.record(TerminalStarted(version="1"))
    altered = msgspec.structs.replace(record, body=record.body.replace(b'"seq":1', b'"seq":2'))
    assert kinds(hand_over(heir, altered)) == [RecoveredKind.REFUSED]
    foreign = heir.record(TerminalStarted(version="1"))
    assert kinds(hand_over(heir, foreign)) == [RecoveredKind.REFUSED]
    nobody = ask(heir, of="t-77", records=(record,))
    assert isinstance(nobody, Problem)
    assert nobody.problem is ProblemKind.NOT_FOUND
    assert "没有终端 t-77" in nobody.says
    world.add_merchant("shop-b")
    stranger = world.till(shop="shop-b", terminal="t-b")
    for records in ((), (record,)):
        refused = ask(stranger, records=records)
        assert isinstance(refused, Problem)
        assert "不是本商户的" in refused.says
    fine = ask(heir)
    assert isinstance(fine, RecoverAnswer)
    assert fine.records == 0
    sound(world)


def test_from_nothing_the_server_says_what_it_knows(world: World, till: Till, heir: Till) -> None:
    world.award(ZHANG, "keeping-order")
    sale = sold(world, money_line("米", 100))
    till.tell(TerminalStarted(version="1"), sale)
    asked = asked_and_sold(world, till, money_line("油", 500), points=10)
    ended = RecoveryEnd(source=RecoverySource.NOTHING, records=0)
    answer = ask(heir, finished=ended)
    assert isinstance(answer, RecoverAnswer)
    assert answer.open_asks == (
        OpenAsk(sale_id=asked.sale_id, points=10, account=asked.account or ""),
    )
    assert (answer.records, answer.missing_records) == (2, 0)
    assert answer.heard_at == world.clock()
    (shown,) = world.read(lambda tx: recoveries(tx, world.pool))
    assert (shown.source, shown.open_asks) == ("nothing", 1)
    listed = run(world, "terminal", "recoveries")
    assert "t-1" in listed.stdout
    assert listed.exit_code == 1, "a sale is open"
    sound(world)


def test_what_cannot_be_booked_is_parked_as_when_it_is_told(
    world: World, till: Till, heir: Till
) -> None:
    record = till.record(msgspec.Raw(b'{"type":"of_tomorrow"}'))
    answer = hand_over(heir, record)
    assert kinds(answer) == [RecoveredKind.PARKED]
    assert answer.outcomes[0].says
    (waiting,) = world.read(lambda tx: parked_records(tx, world.pool))
    assert (waiting.terminal, waiting.seq) == ("t-1", 1)


def test_the_answer_to_a_start_tells_the_highest_numbers(world: World, till: Till) -> None:
    declared = TakingsDeclared(z_no=7, business_date=TODAY, takings_fen={}, counted_fen=0)
    high = msgspec.structs.replace(sold(world, money_line("米", 100)), receipt_no="t-1-000041")
    low = msgspec.structs.replace(sold(world, money_line("米", 100)), receipt_no="t-1-000002")
    till.tell(TerminalStarted(version="1"), high, declared, low)
    answer = booted(till)
    assert (answer.last_receipt, answer.last_z) == (41, 7)


def test_a_branch_of_another_history_is_not_grafted_behind_what_is_missing(
    world: World, till: Till, heir: Till
) -> None:
    """A copied card sold on by itself; the living terminal's own next record still fits."""
    sales = [sold(world, money_line("米", 100)) for _ in range(7)]
    till.tell(*sales[:2])
    fork = till.epoch, till.seq, till.head
    copied = [till.record(each) for each in sales[2:5]]
    till.unsent.clear()
    till.epoch, till.seq, till.head = fork
    till.tell(sales[5])
    answer = hand_over(heir, *copied)
    assert kinds(answer) == [RecoveredKind.DIFFERS] * 3
    assert answer.missing == ()
    assert till.tell(sales[6]) is not None
    assert world.read(lambda tx: list(check_chains(tx, world.pool))) == []


@pytest.mark.parametrize("records", [-1, 2**63, 10**30])
def test_a_count_that_no_database_holds_is_no_fault(till: Till, heir: Till, records: int) -> None:
    told = till.send_records(till.record(TerminalStarted(version="1")))
    assert isinstance(told, JournalAnswer)
    ended = RecoveryEnd(source=RecoverySource.STICK, records=records)
    assert isinstance(ask(heir, finished=ended), RecoverAnswer)
