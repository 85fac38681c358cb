"""Every answer to the question whether points may pay."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from protocol.codes import make_slot
from protocol.evidence import CardEvidence, SlotEvidence
from protocol.messages import Approved, Problem, ProblemKind
from protocol.money import Points
from protocol.reasons import Declined, DeclineReason
from protocol.sales import ReversalReason, SaleReversed
from server.directory import commands as c
from server.redemption import SaleState, sale_of
from tests.unit.server.world import HOLD_S, LIU, START, TODAY, ZHANG, Till, World


def test_approves_as_many_optional_points_as_there_are_and_holds_them(
    world: World, till: Till
) -> None:
    world.award(ZHANG, "river-patrol")
    answer = till.authorise(world.sale_id(), optional=126)
    assert answer == Approved(
        account=ZHANG,
        points=Points(100),
        balance_points=Points(100),
        held_until=START + timedelta(seconds=HOLD_S),
    )
    assert world.free(ZHANG) == 0
    assert world.points(f"resident:{ZHANG}") == 100


def test_required_points_that_are_missing_decline_with_their_number_and_hold_nothing(
    counter: World,
) -> None:
    till = counter.till()
    counter.award(ZHANG, "early-fire", "guest-house", "haircut", "clean-up", "recommending")
    answer = till.authorise(counter.sale_id(), required=40)
    assert answer == Declined(DeclineReason.INSUFFICIENT_POINTS, missing_points=Points(16))
    assert counter.free(ZHANG) == 24


def test_a_resident_without_points_is_declined_with_one_missing(world: World, till: Till) -> None:
    answer = till.authorise(world.sale_id(), optional=10)
    assert answer == Declined(DeclineReason.INSUFFICIENT_POINTS, missing_points=Points(1))


def test_nothing_to_redeem_is_declined(world: World, till: Till) -> None:
    world.award(ZHANG, "river-patrol")
    answer = till.authorise(world.sale_id())
    assert answer == Declined(DeclineReason.NOTHING_TO_REDEEM)


def test_a_live_hold_of_another_sale_is_not_spendable_and_an_expired_one_is(
    world: World, till: Till
) -> None:
    world.award(ZHANG, "river-patrol")
    assert isinstance(till.authorise(world.sale_id(), optional=80), Approved)
    second = till.authorise(world.sale_id(), optional=80)
    assert isinstance(second, Approved)
    assert second.points == 20
    assert second.balance_points == 20
    world.clock.move(seconds=HOLD_S)
    third = till.authorise(world.sale_id(), optional=80)
    assert isinstance(third, Approved)
    assert third.points == 80


def test_the_same_question_again_has_the_same_answer_and_holds_once(
    world: World, till: Till
) -> None:
    world.award(ZHANG, "river-patrol")
    sale_id, slot = world.sale_id(), world.slot()
    first = till.authorise(sale_id, slot, optional=60)
    world.clock.move(seconds=30)
    assert till.authorise(sale_id, slot, optional=60) == first
    assert world.free(ZHANG) == 40


def test_a_declined_question_again_is_declined_again(world: World, till: Till) -> None:
    sale_id, slot = world.sale_id(), world.slot()
    first = till.authorise(sale_id, slot, optional=60)
    assert isinstance(first, Declined)
    world.award(ZHANG, "river-patrol")
    assert till.authorise(sale_id, slot, optional=60) == first
    assert world.free(ZHANG) == 100


def test_another_question_with_the_same_sale_id_is_a_conflict(world: World, till: Till) -> None:
    world.award(ZHANG, "river-patrol")
    sale_id, slot = world.sale_id(), world.slot()
    till.authorise(sale_id, slot, optional=60)
    answer = till.authorise(sale_id, slot, optional=61)
    assert isinstance(answer, Problem)
    assert answer.problem is ProblemKind.CONFLICT
    assert len(set(re.findall(r"\b[0-9a-f]{12}\b", answer.says))) == 2
    assert world.free(ZHANG) == 40


def test_another_terminal_cannot_ask_with_a_sale_id_that_is_taken(world: World, till: Till) -> None:
    world.award(ZHANG, "river-patrol")
    sale_id, slot = world.sale_id(), world.slot()
    till.authorise(sale_id, slot, optional=60)
    answer = world.till(terminal="t-2").authorise(sale_id, slot, optional=60)
    assert isinstance(answer, Problem)
    assert answer.problem is ProblemKind.CONFLICT


def test_a_question_after_its_reversal_is_declined_and_holds_nothing(
    world: World, till: Till
) -> None:
    world.award(ZHANG, "river-patrol")
    sale_id = world.sale_id()
    till.tell(SaleReversed(sale_id=sale_id, reason=ReversalReason.CANCELLED))
    answer = till.authorise(sale_id, optional=60)
    assert answer == Declined(DeclineReason.SALE_REVERSED)
    assert world.free(ZHANG) == 100


def test_a_slot_is_good_for_its_minutes_and_a_little_grace(world: World, till: Till) -> None:
    world.award(ZHANG, "river-patrol")
    slot = world.slot(minutes=1)
    world.clock.move(seconds=60 + 89)
    assert isinstance(till.authorise(world.sale_id(), slot, optional=1), Approved)
    world.clock.move(seconds=1)
    answer = till.authorise(world.sale_id(), slot, optional=1)
    ended = START + timedelta(minutes=1)
    assert answer == Declined(DeclineReason.CODE_EXPIRED, expired_at=ended)


def test_a_slot_of_later_is_not_yet_valid(world: World, till: Till) -> None:
    answer = till.authorise(world.sale_id(), world.slot(starts_in_s=120), optional=1)
    assert answer == Declined(DeclineReason.CODE_NOT_YET_VALID)


def test_a_slot_with_one_bit_changed_is_forged(world: World, till: Till) -> None:
    payload = bytearray.fromhex(world.slot().payload_hex)
    payload[9] ^= 1
    answer = till.authorise(world.sale_id(), SlotEvidence(payload_hex=payload.hex()), optional=1)
    assert answer == Declined(DeclineReason.CODE_FORGED)


def test_a_slot_by_an_unknown_issuer_is_foreign(world: World, till: Till) -> None:
    payload = make_slot(
        till.key,
        world.keys.tag,
        kid=(world.keys.slot_kid + 77) % 256,
        account=bytes.fromhex(ZHANG),
        starts_at=START,
        minutes=30,
        cap=Points(100),
        batch=0,
        index=0,
    )
    answer = till.authorise(world.sale_id(), SlotEvidence(payload_hex=payload.hex()), optional=1)
    assert answer == Declined(DeclineReason.CODE_FOREIGN)


@pytest.mark.parametrize("payload_hex", ["", "zz", "31", "41" * 85])
def test_what_is_no_slot_is_unreadable(world: World, till: Till, payload_hex: str) -> None:
    answer = till.authorise(world.sale_id(), SlotEvidence(payload_hex=payload_hex), optional=1)
    assert answer == Declined(DeclineReason.CODE_UNREADABLE)


def test_a_slot_for_nobody_in_the_pool_is_an_unknown_resident(world: World, till: Till) -> None:
    answer = till.authorise(world.sale_id(), world.slot("ffffffffffffffff"), optional=1)
    assert answer == Declined(DeclineReason.RESIDENT_UNKNOWN)


def test_a_card_with_its_proof_is_approved(world: World, till: Till) -> None:
    world.award(ZHANG, "river-patrol")
    card_id, sale_id = world.issue_card(ZHANG), world.sale_id()
    answer = till.authorise(sale_id, world.card(card_id, sale_id, 50), optional=50)
    assert isinstance(answer, Approved)
    assert (answer.account, answer.points) == (ZHANG, 50)


def test_a_cards_proof_is_for_one_sale_one_sum_and_one_terminal(world: World, till: Till) -> None:
    world.award(ZHANG, "river-patrol")
    card_id = world.issue_card(ZHANG)
    forged = Declined(DeclineReason.CODE_FORGED)
    first, second, third = world.sale_id(), world.sale_id(), world.sale_id()
    assert till.authorise(first, world.card(card_id, second, 50), optional=50) == forged
    assert till.authorise(second, world.card(card_id, second, 50), optional=51) == forged
    other = world.card(card_id, third, 50, terminal="t-2")
    assert till.authorise(third, other, optional=50) == forged


@pytest.mark.parametrize("proof_hex", ["", "00" * 32, "zz" * 32])
def test_a_card_without_a_real_proof_is_forged(world: World, till: Till, proof_hex: str) -> None:
    evidence = CardEvidence(card_id=world.issue_card(ZHANG), seq=1, proof_hex=proof_hex)
    answer = till.authorise(world.sale_id(), evidence, optional=1)
    assert answer == Declined(DeclineReason.CODE_FORGED)


def test_a_revoked_card_a_replaced_card_and_an_unknown_card_are_revoked(
    world: World, till: Till
) -> None:
    revoked = Declined(DeclineReason.CODE_REVOKED)
    card_id = world.issue_card(ZHANG)
    world.issue_card(ZHANG, card_id, seq=2)
    sale_id = world.sale_id()
    assert till.authorise(sale_id, world.card(card_id, sale_id, 1), optional=1) == revoked
    world.do(c.RevokeCard(card_id=card_id, reason="遗失"))
    sale_id = world.sale_id()
    answer = till.authorise(sale_id, world.card(card_id, sale_id, 1, seq=2), optional=1)
    assert answer == revoked
    sale_id = world.sale_id()
    unknown = world.card("00000000000000ff", sale_id, 1)
    assert till.authorise(sale_id, unknown, optional=1) == revoked


def test_a_card_is_good_through_its_last_day(world: World, till: Till) -> None:
    world.award(ZHANG, "river-patrol")
    card_id = world.issue_card(ZHANG)
    world.clock.now = datetime(2027, 3, 2, 15, tzinfo=UTC)
    sale_id = world.sale_id()
    answer = till.authorise(sale_id, world.card(card_id, sale_id, 1), optional=1)
    assert isinstance(answer, Approved)
    world.clock.now = datetime(2027, 3, 3, 15, tzinfo=UTC)
    sale_id = world.sale_id()
    answer = till.authorise(sale_id, world.card(card_id, sale_id, 1), optional=1)
    ended = datetime(2027, 3, 2, tzinfo=UTC)
    assert answer == Declined(DeclineReason.CODE_EXPIRED, expired_at=ended)


def test_a_blocked_resident_is_declined_until_unblocked(world: World, till: Till) -> None:
    world.award(ZHANG, "river-patrol")
    world.do(c.BlockResident(account=ZHANG, reason="核实中"))
    answer = till.authorise(world.sale_id(), optional=1)
    assert answer == Declined(DeclineReason.RESIDENT_BLOCKED)
    world.do(c.UnblockResident(account=ZHANG, reason="已核实"))
    assert isinstance(till.authorise(world.sale_id(), optional=1), Approved)


def test_a_banned_resident_earns_but_does_not_redeem_through_the_bans_last_day(
    world: World, till: Till
) -> None:
    world.do(c.BanRedemption(account=ZHANG, until=TODAY, reason="虚报"))
    world.award(ZHANG, "river-patrol")
    answer = till.authorise(world.sale_id(), optional=1)
    assert answer == Declined(DeclineReason.REDEMPTION_BANNED, until=TODAY)
    world.clock.now = datetime(2026, 3, 2, 16, 0, tzinfo=UTC)  # midnight in Shanghai
    assert isinstance(till.authorise(world.sale_id(), world.slot(), optional=1), Approved)


def test_the_cap_of_a_code_bounds_optional_points_and_refuses_required_ones(
    world: World, till: Till
) -> None:
    world.award(ZHANG, "river-patrol", "keeping-order")
    card_id, sale_id = world.issue_card(ZHANG), world.sale_id()
    answer = till.authorise(sale_id, world.card(card_id, sale_id, 150), optional=150)
    assert isinstance(answer, Approved)
    assert answer.points == 100
    sale_id = world.sale_id()
    answer = till.authorise(sale_id, world.card(card_id, sale_id, 101), required=101)
    assert answer == Declined(DeclineReason.CODE_CAP_EXCEEDED, limit_points=Points(100))
    answer = till.authorise(world.sale_id(), world.slot(cap=30), optional=50)
    assert isinstance(answer, Approved)
    assert answer.points == 30


def test_negative_points_are_not_a_question(world: World, till: Till) -> None:
    world.award(ZHANG, "river-patrol")
    answer = till.authorise(world.sale_id(), required=10, optional=-10)
    assert isinstance(answer, Problem)
    assert answer.problem is ProblemKind.BAD_REQUEST


def test_a_decline_stays_on_record(world: World, till: Till) -> None:
    sale_id = world.sale_id()
    till.authorise(sale_id, world.slot(LIU), optional=5)
    sale = world.read(lambda tx: sale_of(tx, world.pool, sale_id))
    assert sale is not None
    assert sale.state is SaleState.DECLINED
    assert sale.merchant == "shop-a"
