"""A temporary card and the next household: points go over once, the old code is dead, shops are
paid.
"""

from datetime import date
from uuid import UUID

import pytest
from msgspec.structs import replace

from protocol.evidence import CardEvidence
from protocol.messages import Approved, OutcomeKind
from protocol.reasons import Declined, DeclineReason
from protocol.sales import AnsweredBy, SaleCaptured
from server.awards.temporary_cards import (
    HandedOver,
    HandOverTemporaryCard,
    Household,
    IssueTemporaryCard,
    MoveTemporaryRest,
    TemporaryCardIssued,
)
from server.directory.commands import IssueCard, UnblockResident
from server.directory.documents import build_directory
from server.directory.phones import InvitePhone
from server.directory.temporary import temporary_card_of, temporary_cards
from server.facts import Refusal
from server.reports.record import record_lines
from tests.unit.awards.conftest import MakeWorld
from tests.unit.awards.deeds import assert_audit_is_clean, reason
from tests.unit.awards.running import run
from tests.unit.awards.test_attacks import at_once
from tests.unit.server.world import ZHANG, Till, World, money_line, sold

OLD, NEW, THIRD = "00000000000000d1", "00000000000000d2", "00000000000000d3"
CARDS = {OLD: "00000000000000e1", NEW: "00000000000000e2", THIRD: "00000000000000e3"}
MOVE = "01890000-0000-7000-8000-000000000011"
OTHER_MOVE = "01890000-0000-7000-8000-000000000012"
FLAT = "3幢2单元501"


def household(account: str, place: str) -> Household:
    return Household(
        account=account,
        card_id=CARDS[account],
        name="临时积分卡",
        household=FLAT,
        place=place,
        expires_on=date(2027, 3, 2),
        cap_points=100,
    )


@pytest.fixture
def block(make_world: MakeWorld) -> World:
    """广惠街街道 with a household that has 200 points on its temporary card."""
    world = make_world("guanghui")
    issued = world.do(IssueTemporaryCard(to=household(OLD, place(world))))
    assert issued == TemporaryCardIssued(OLD, CARDS[OLD])
    world.award(OLD, "river-patrol", "river-patrol")
    return world


def place(world: World) -> str:
    return world.preset.places[0].id


def hand_over(world: World, to: str = NEW, move: str = MOVE) -> HandOverTemporaryCard:
    return HandOverTemporaryCard(
        move=move, account=OLD, to=household(to, place(world)), reason="租户搬走"
    )


def points(world: World, account: str) -> int:
    return world.points(f"resident:{account}")


def overdraft(world: World, account: str) -> int:
    return world.points(f"offline_overdraft:{account}")


def shown(world: World, account: str, sale_id: UUID, worth: int) -> CardEvidence:
    return world.card(CARDS[account], sale_id, worth)


def ask(world: World, till: Till, account: str, worth: int) -> tuple[UUID, object]:
    sale_id = world.sale_id()
    return sale_id, till.authorise(sale_id, shown(world, account, sale_id, worth), optional=worth)


def card_sale(
    world: World, account: str, worth: int, sale_id: UUID | None = None, *, offline: bool = True
) -> SaleCaptured:
    sale_id = sale_id or world.sale_id()
    sale = sold(
        world,
        money_line("米", worth * 10),
        points=worth,
        sale_id=sale_id,
        account=account,
        evidence=shown(world, account, sale_id, worth),
    )
    return replace(sale, answered_by=AnsweredBy.STAND_IN) if offline else sale


def test_the_next_household_has_the_points_and_the_old_code_is_dead(block: World) -> None:
    till = block.till()
    done = block.do(hand_over(block))
    assert done == HandedOver(to_account=NEW, points=200)
    assert (points(block, OLD), points(block, NEW)) == (0, 200)
    assert ask(block, till, OLD, 10)[1] == Declined(DeclineReason.CODE_REVOKED)
    assert isinstance(ask(block, till, NEW, 100)[1], Approved)
    directory = block.read(lambda tx: build_directory(tx, block.pool, {}))
    cards = {each.account: [card.card_id for card in each.cards] for each in directory}
    assert (cards[OLD], cards[NEW]) == ([], [CARDS[NEW]])
    card = block.read(lambda tx: temporary_card_of(tx, block.pool, OLD))
    assert card is not None
    assert (card.household, card.to_account) == (FLAT, NEW)
    assert_audit_is_clean(block)


def test_the_records_of_both_households_say_so_and_name_neither_account_whole(
    block: World,
) -> None:
    block.do(hand_over(block))
    left = block.read(lambda tx: record_lines(tx, block.pool, OLD))[-1]
    came = block.read(lambda tx: record_lines(tx, block.pool, NEW))[-1]
    assert (left.what, left.what_en, left.points) == ("转户 …00d1", "handed on …00d1", -200)
    assert (came.what, came.points) == ("转户 …00d1", 200)


def test_the_same_act_again_moves_nothing_and_another_one_is_refused(block: World) -> None:
    first = block.do(hand_over(block))
    again = block.submit(hand_over(block))
    assert isinstance(first, HandedOver)
    assert isinstance(again, HandedOver)
    assert (again.again, again.points, points(block, NEW)) == (True, 200, 200)
    assert reason(block.submit(hand_over(block, THIRD, OTHER_MOVE))) == "handed_on"
    other = block.submit(hand_over(block, THIRD))
    assert reason(other) == "conflict"
    assert NEW in str(other)
    assert THIRD in str(other)
    assert points(block, NEW) == 200
    assert len(block.read(lambda tx: temporary_cards(tx, block.pool))) == 2


def test_an_account_that_is_somebodys_says_whose_and_for_whom_it_was_asked(block: World) -> None:
    mine = household(OLD, place(block))
    elsewhere = block.submit(IssueTemporaryCard(to=replace(mine, household="5幢101")))
    assert reason(elsewhere) == "conflict"
    assert (FLAT in str(elsewhere), "5幢101" in str(elsewhere)) == (True, True)
    residents = block.submit(IssueTemporaryCard(to=replace(mine, account=ZHANG)))
    assert reason(residents) == "conflict"
    assert ("张阿姨" in str(residents), "临时积分卡" in str(residents)) == (True, True)


def test_a_card_can_go_on_and_on(block: World) -> None:
    block.do(hand_over(block))
    onward = HandOverTemporaryCard(
        move=OTHER_MOVE, account=NEW, to=household(THIRD, place(block)), reason="又搬走"
    )
    assert block.do(onward) == HandedOver(to_account=THIRD, points=200)
    assert [points(block, each) for each in (OLD, NEW, THIRD)] == [0, 0, 200]
    assert_audit_is_clean(block)


def test_a_till_with_an_old_directory_is_paid_for_a_late_sale_on_the_dead_code(
    block: World,
) -> None:
    """The shop kept the rules: it could not know. The next household keeps its points."""
    till = block.till()
    late = card_sale(block, OLD, 60)
    block.do(hand_over(block))
    block.clock.move(hours=3)
    outcome = till.outcome(late)
    assert (outcome.outcome, outcome.overdraft_points) == (OutcomeKind.OVERDRAFT, 60)
    assert (points(block, NEW), overdraft(block, OLD)) == (200, 60)
    assert block.fen("merchant:shop-a") == 600
    assert_audit_is_clean(block)


def test_what_a_till_has_reserved_is_that_sales_and_the_rest_follows(block: World) -> None:
    till = block.till()
    sale_id, approved = ask(block, till, OLD, 70)
    assert isinstance(approved, Approved)
    done = block.do(hand_over(block))
    assert done == HandedOver(to_account=NEW, points=130, left_points=70)
    block.clock.move(minutes=2)
    outcome = till.outcome(card_sale(block, OLD, 40, sale_id, offline=False))
    assert (outcome.outcome, outcome.overdraft_points) == (OutcomeKind.POSTED, 0)
    assert (points(block, OLD), points(block, NEW)) == (30, 130)
    rest = MoveTemporaryRest(move=OTHER_MOVE, account=OLD)
    assert block.do(rest) == HandedOver(to_account=NEW, points=30)
    again = block.submit(rest)
    assert isinstance(again, HandedOver)
    assert (again.again, points(block, NEW)) == (True, 160)
    block.clock.move(hours=1)
    assert reason(block.submit(replace(rest, move=MOVE[:-1] + "5"))) == "nothing_left"
    assert_audit_is_clean(block)


def test_what_the_household_owes_is_paid_first_and_the_next_one_takes_over_no_debts(
    block: World,
) -> None:
    first, second = block.till(), block.till(terminal="t-2")
    _, approved = ask(block, first, OLD, 100)
    assert isinstance(approved, Approved)
    for _ in range(2):  # while 100 are reserved
        second.tell(_at(block, second, 80))
    assert (points(block, OLD), overdraft(block, OLD)) == (100, 60)
    block.clock.move(minutes=30)  # nobody takes what was reserved: it is free again
    done = block.do(hand_over(block))
    assert done == HandedOver(to_account=NEW, points=40, debts_points=60)
    assert [overdraft(block, OLD), overdraft(block, NEW), points(block, NEW)] == [0, 0, 40]
    assert_audit_is_clean(block)


def _at(world: World, till: Till, worth: int) -> SaleCaptured:
    sale_id = world.sale_id()
    evidence = world.card(CARDS[OLD], sale_id, worth, terminal=till.terminal)
    return replace(card_sale(world, OLD, worth, sale_id), evidence=evidence)


def test_an_overdraft_that_the_points_do_not_cover_stays_with_the_old_household(
    block: World,
) -> None:
    till = block.till()
    for _ in range(3):
        till.tell(card_sale(block, OLD, 90))
    assert (points(block, OLD), overdraft(block, OLD)) == (0, 70)
    done = block.do(hand_over(block))
    assert done == HandedOver(to_account=NEW, points=0, overdraft_points=70)
    assert overdraft(block, NEW) == 0
    assert_audit_is_clean(block)


def test_two_who_hand_it_on_at_once_move_it_once(block: World) -> None:
    answers = at_once(
        lambda: block.submit(hand_over(block)),
        lambda: block.submit(hand_over(block, THIRD, OTHER_MOVE)),
    )
    assert sum(isinstance(each, HandedOver) for each in answers) == 1
    (lost,) = [each for each in answers if isinstance(each, Refusal)]
    assert reason(lost) == "handed_on"
    (won,) = [each for each in answers if isinstance(each, HandedOver)]
    assert (won.points, points(block, won.to_account), points(block, OLD)) == (200, 200, 0)
    assert_audit_is_clean(block)


def test_a_household_that_moved_out_gets_no_new_card_and_no_phone(block: World) -> None:
    block.do(hand_over(block))
    card = IssueCard(
        card_id=CARDS[OLD], account=OLD, seq=2, expires_on=date(2027, 3, 2), cap_points=100
    )
    assert reason(block.submit(card)) == "handed_on"
    phone = InvitePhone(
        account=OLD, code_name="ABCD", code_hash="0" * 64, expires_at=block.clock(), tries=5
    )
    assert reason(block.submit(phone)) == "handed_on"
    block.do(UnblockResident(account=OLD, reason="误操作"))
    assert ask(block, block.till(), OLD, 1)[1] == Declined(DeclineReason.CODE_REVOKED)


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"account": ZHANG}, "conflict"),
        ({"card_id": CARDS[OLD]}, "conflict"),
        ({"card_id": NEW}, "conflict"),
        ({"place": "nowhere"}, "unknown_place"),
        ({"expires_on": date(2026, 3, 1)}, "expired"),
    ],
)
def test_a_card_that_cannot_be_issued_is_not_handed_on_to(
    block: World, other: dict[str, object], why: str
) -> None:
    to = replace(household(NEW, place(block)), **other)
    command = replace(hand_over(block), to=to)
    assert reason(block.submit(command)) == why
    card = block.read(lambda tx: temporary_card_of(tx, block.pool, OLD))
    assert card is not None
    assert (card.to_account, points(block, OLD)) == (None, 200)
    assert_audit_is_clean(block)


def test_only_temporary_cards_are_handed_on(block: World) -> None:
    command = hand_over(block)
    assert reason(block.submit(replace(command, account=ZHANG))) == "unknown_card"
    assert reason(block.submit(replace(command, account="f" * 16))) == "unknown_card"
    assert reason(block.submit(replace(command, reason="  "))) == "no_reason"
    rest = MoveTemporaryRest(move=OTHER_MOVE, account=OLD)
    assert reason(block.submit(rest)) == "not_handed_on"


def test_an_office_hands_a_card_on_by_command(block: World) -> None:
    said = run(block, "temporary-card", "hand-over", "--account", OLD, "--household", FLAT,
               "--reason", "租户搬走").output  # fmt: skip
    card = block.read(lambda tx: temporary_card_of(tx, block.pool, OLD))
    assert card is not None
    assert card.to_account is not None
    assert f"{card.to_account}：200" in said
    assert points(block, card.to_account) == 200
    listed = run(block, "temporary-card", "list").output
    assert "在用" in listed
    assert "已转给" in listed
    issued = run(block, "temporary-card", "issue", "--household", "5幢101", "--place", place(block))
    assert "5幢101" in issued.output
