"""What becomes of sales, reversals and refunds, in every order of arrival."""

import re
from datetime import date, timedelta

import msgspec
import pytest
from msgspec.structs import replace

from protocol.discounts import Discount, DiscountKind
from protocol.evidence import SlotEvidence
from protocol.journal import ClockState
from protocol.messages import Approved, OutcomeKind, Problem, ProblemKind
from protocol.prices import PriceChanged, PricesImported
from protocol.reasons import Declined
from protocol.sales import (
    Payment,
    RefundLine,
    ReversalReason,
    SaleCaptured,
    SaleReversed,
    TerminalStarted,
)
from server.awards import Awarded, AwardPoints
from server.ledger import entry_of
from server.redemption import SaleState, sale_of
from tests.unit.server.bookkeeping import Books, books
from tests.unit.server.world import (
    HOLD_S,
    LIU,
    TODAY,
    ZHANG,
    Till,
    World,
    money_line,
    points_line,
    refunded,
    sold,
)

BUNS = money_line("馒头", 50, 5_000, line_no=1)
GREENS = money_line("普通青菜", 460, 1_000, line_no=2)
POSTED = OutcomeKind.POSTED


def test_a1_buns_and_greens_for_71_points_leave_29(world: World, till: Till) -> None:
    world.award(ZHANG, "tidying", "community-patrol")
    sale_id, slot = world.sale_id(), world.slot()
    answer = till.authorise(sale_id, slot, optional=71)
    assert isinstance(answer, Approved)
    assert (answer.points, answer.balance_points) == (71, 100)
    sale = sold(world, BUNS, GREENS, points=71, sale_id=sale_id, evidence=slot)
    assert till.outcome(sale).outcome is POSTED
    assert books(world) == Books(29, 0, 71, 710, 0)
    assert world.free(ZHANG) == 29


def test_a1b_71_points_pay_7_18_and_the_shop_waives_8_fen(world: World, till: Till) -> None:
    world.award(ZHANG, "river-patrol")
    vegetables = money_line("时令青菜", 360, 1_300, line_no=2)
    sale = sold(world, BUNS, vegetables, points=71)
    assert (sale.payment.waived_fen, sale.payment.cash_fen) == (8, 0)
    assert till.outcome(sale).outcome is POSTED
    assert books(world) == Books(29, 0, 71, 710, 0)


def test_a2_100_points_and_2_60_in_cash_pay_12_60(world: World, till: Till) -> None:
    world.award(ZHANG, "river-patrol")
    sale = sold(world, money_line("套餐", 1_260), points=100)
    assert till.outcome(sale).outcome is POSTED
    assert books(world) == Books(0, 0, 100, 1_000, 260)


def test_a_sale_without_a_resident_is_takings_only(world: World, till: Till) -> None:
    assert till.outcome(sold(world, BUNS)).outcome is POSTED
    assert books(world) == Books(0, 0, 0, 0, 250)


def test_a_free_basket_moves_nothing_and_is_on_record(world: World, till: Till) -> None:
    sale = sold(world, money_line("血压测量", 0))
    assert till.outcome(sale).outcome is POSTED
    kept = world.read(lambda tx: sale_of(tx, world.pool, sale.sale_id))
    assert kept is not None
    assert kept.state is SaleState.CAPTURED
    assert [line.name for line in kept.lines] == ["血压测量"]
    assert world.read(lambda tx: entry_of(tx, world.pool, f"sale:{sale.sale_id}")) is None


def test_c2_goods_priced_in_points_cost_the_pool_their_own_cost(counter: World) -> None:
    till = counter.till()
    counter.award(ZHANG, "early-fire", "guest-house", "haircut", "clean-up", "recommending")
    sale_id = counter.sale_id()
    assert isinstance(till.authorise(sale_id, required=24), Approved)
    sale = sold(
        counter,
        points_line("rice", 15, 2_800, line_no=1),
        points_line("detergent", 6, 900, line_no=2),
        points_line("soy-sauce", 3, 700, line_no=3),
        points=24,
        sale_id=sale_id,
    )
    assert till.outcome(sale).outcome is POSTED
    assert books(counter) == Books(0, 0, 24, 4_400, 0)


def test_a_contract_that_reimburses_less_is_rounded_to_the_fen(world: World) -> None:
    world.add_merchant("shop-b", reimbursement_bp=9_550)
    world.award(ZHANG, "river-patrol")
    sale = sold(world, money_line("套餐", 1_010), points=101 - 2)
    till = world.till("shop-b", "t-2")
    assert till.outcome(sale).outcome is POSTED
    assert world.fen("merchant:shop-b") == 945  # 9.90 yuan at 95.5 %: 9.4545


def test_capture_consumes_its_own_hold_even_when_it_has_expired(world: World, till: Till) -> None:
    world.award(ZHANG, "river-patrol")
    first, second, slot = world.sale_id(), world.sale_id(), world.slot()
    till.authorise(first, slot, optional=100)
    world.clock.move(seconds=HOLD_S + 1)
    assert isinstance(till.authorise(second, slot, optional=50), Approved)
    sale = sold(world, money_line("套餐", 1_000), points=100, sale_id=first, evidence=slot)
    assert till.outcome(sale).outcome is POSTED
    assert books(world) == Books(0, 0, 100, 1_000, 0)


def test_taking_fewer_points_than_held_frees_the_rest(world: World, till: Till) -> None:
    world.award(ZHANG, "river-patrol")
    sale_id, slot = world.sale_id(), world.slot()
    till.authorise(sale_id, slot, optional=71)
    sale = sold(world, BUNS, GREENS, points=20, sale_id=sale_id, evidence=slot)
    assert till.outcome(sale).outcome is POSTED
    assert world.free(ZHANG) == 80
    assert books(world) == Books(80, 0, 20, 200, 510)


def test_a_stand_in_beyond_the_balance_is_an_overdraft_and_the_merchant_is_paid(
    world: World, till: Till
) -> None:
    world.award(ZHANG, "tidying")
    outcome = till.outcome(sold(world, money_line("套餐", 800), points=80))
    assert (outcome.outcome, outcome.overdraft_points) == (OutcomeKind.OVERDRAFT, 20)
    assert books(world) == Books(0, 20, 80, 800, 0)


def test_a_stand_in_does_not_touch_points_held_for_another_sale(world: World, till: Till) -> None:
    world.award(ZHANG, "river-patrol")
    held, slot = world.sale_id(), world.slot()
    till.authorise(held, slot, optional=70)
    outcome = till.outcome(sold(world, money_line("套餐", 800), points=80))
    assert (outcome.outcome, outcome.overdraft_points) == (OutcomeKind.OVERDRAFT, 50)
    sale = sold(world, money_line("套餐", 700), points=70, sale_id=held, evidence=slot)
    assert till.outcome(sale).outcome is POSTED
    assert books(world) == Books(0, 50, 150, 1_500, 0)


def test_the_next_award_clears_the_overdraft_first(world: World, till: Till) -> None:
    world.award(ZHANG, "river-patrol")
    two = (sold(world, money_line("套餐", 800), points=80) for _ in range(2))
    assert [each.outcome for each in till.tell(*two)] == [POSTED, OutcomeKind.OVERDRAFT]
    assert books(world).overdraft == 60
    outcome = world.do(
        AwardPoints(
            award_id="next",
            account=ZHANG,
            rule_id="river-patrol",
            performed_on=TODAY,
            awarded_by="网格员",
        )
    )
    assert outcome == Awarded("next", 100, 60, again=False)
    assert (books(world).resident, books(world).overdraft) == (40, 0)


def test_declined_answer_lost_and_stand_in_capture_posts_as_overdraft(
    world: World, till: Till
) -> None:
    sale_id, slot = world.sale_id(), world.slot()
    assert isinstance(till.authorise(sale_id, slot, optional=71), Declined)
    sale = sold(world, BUNS, GREENS, points=71, sale_id=sale_id, evidence=slot)
    outcome = till.outcome(sale)
    assert (outcome.outcome, outcome.overdraft_points) == (OutcomeKind.OVERDRAFT, 71)
    assert books(world) == Books(0, 71, 71, 710, 0)


def test_a_question_that_comes_after_its_capture_holds_nothing(world: World, till: Till) -> None:
    world.award(ZHANG, "river-patrol")
    sale = sold(world, BUNS, points=25)
    assert till.outcome(sale).outcome is POSTED
    answer = till.authorise(sale.sale_id, sale.evidence, optional=25)
    assert isinstance(answer, Problem)
    assert answer.problem is ProblemKind.CONFLICT
    assert world.free(ZHANG) == 75


def test_reversal_lets_the_hold_go_once(world: World, till: Till) -> None:
    world.award(ZHANG, "river-patrol")
    sale_id = world.sale_id()
    till.authorise(sale_id, optional=71)
    reversal = SaleReversed(sale_id=sale_id, reason=ReversalReason.INTERRUPTED)
    outcomes = till.tell(reversal, reversal)
    assert [each.outcome for each in outcomes] == [POSTED, OutcomeKind.DUPLICATE]
    assert world.free(ZHANG) == 100


def test_a_capture_after_its_reversal_is_parked(world: World, till: Till) -> None:
    world.award(ZHANG, "river-patrol")
    sale = sold(world, BUNS, points=25)
    till.tell(SaleReversed(sale_id=sale.sale_id, reason=ReversalReason.CANCELLED))
    outcome = till.outcome(sale)
    assert outcome.outcome is OutcomeKind.PARKED
    assert "已撤销" in outcome.says
    assert books(world) == Books(100, 0, 0, 0, 0)


def test_a_reversal_after_its_capture_is_parked_and_the_sale_stands(
    world: World, till: Till
) -> None:
    world.award(ZHANG, "river-patrol")
    sale = sold(world, BUNS, points=25)
    till.tell(sale)
    outcome = till.outcome(SaleReversed(sale_id=sale.sale_id, reason=ReversalReason.CANCELLED))
    assert outcome.outcome is OutcomeKind.PARKED
    assert books(world) == Books(75, 0, 25, 250, 0)


def test_a_sale_told_twice_is_booked_once(world: World, till: Till) -> None:
    world.award(ZHANG, "river-patrol")
    sale = sold(world, BUNS, points=25)
    outcomes = till.tell(sale, sale)
    assert [each.outcome for each in outcomes] == [POSTED, OutcomeKind.DUPLICATE]
    assert books(world) == Books(75, 0, 25, 250, 0)


def test_the_same_sale_id_with_other_content_is_parked(world: World, till: Till) -> None:
    sale = sold(world, BUNS)
    other = sold(world, GREENS, sale_id=sale.sale_id)
    outcomes = till.tell(sale, other)
    assert [each.outcome for each in outcomes] == [POSTED, OutcomeKind.PARKED]
    assert books(world).takings_fen == 250
    for told in (sale, other):
        assert told.receipt_no in outcomes[1].says
    assert len(set(re.findall(r", ([0-9a-f]{12})[）)]", outcomes[1].says))) == 2


def test_a_conflict_shows_no_shop_the_receipt_of_another(world: World, till: Till) -> None:
    sale = sold(world, BUNS)
    other = msgspec.structs.replace(sold(world, GREENS, sale_id=sale.sale_id), receipt_no="B-9")
    assert till.outcome(sale).outcome is POSTED
    world.add_merchant("shop-b", share_bp=1_000)
    told = world.till("shop-b", "t-2").outcome(other)
    assert told.outcome is OutcomeKind.PARKED
    assert "B-9" in told.says
    assert sale.receipt_no not in told.says


def test_a_sale_id_of_another_terminal_is_parked(world: World, till: Till) -> None:
    world.award(ZHANG, "river-patrol")
    sale_id, slot = world.sale_id(), world.slot()
    till.authorise(sale_id, slot, optional=25)
    sale = sold(world, BUNS, points=25, sale_id=sale_id, evidence=slot)
    other = world.till(terminal="t-2")
    assert other.outcome(sale).outcome is OutcomeKind.PARKED
    reversal = SaleReversed(sale_id=sale_id, reason=ReversalReason.CANCELLED)
    assert other.outcome(reversal).outcome is OutcomeKind.PARKED
    assert world.free(ZHANG) == 75


def with_payment(sale: SaleCaptured, **parts: int) -> SaleCaptured:
    return msgspec.structs.replace(sale, payment=msgspec.structs.replace(sale.payment, **parts))


def with_line(sale: SaleCaptured, **parts: object) -> SaleCaptured:
    line = msgspec.structs.replace(sale.lines[0], **parts)
    return msgspec.structs.replace(sale, lines=(line, *sale.lines[1:]))


def unbookable(world: World) -> dict[str, SaleCaptured]:
    """One sale for each thing that can be wrong with it; 100 points are there to pay."""
    sale = sold(world, BUNS, GREENS, points=71)
    replace = msgspec.structs.replace
    old_slot = world.slot(minutes=1, starts_in_s=-3_600)
    return {
        "made in practice": replace(sale, practice=True),
        "one fen too little": with_payment(sale, cash_fen=-1),
        "one fen too much": with_payment(sale, cash_fen=1),
        "more points than due": with_payment(sale, points_for_money=72),
        "waived though it could be paid": with_payment(sale, points_for_money=70, waived_fen=10),
        "line that does not multiply": with_line(sale, amount_fen=251),
        "line with a negative price": with_line(sale, unit_price_fen=-50, amount_fen=-250),
        "line without a price": with_line(sale, unit_price_fen=None),
        "line with two prices": with_line(sale, unit_price_points=0),
        "line of nothing": with_line(sale, quantity_milli=0, amount_fen=0),
        "line beyond all measure": with_line(sale, quantity_milli=10**19),
        "line number twice": with_line(sale, line_no=2),
        "no line": replace(sale, lines=(), payment=Payment()),
        "points without a resident": replace(sale, account=None),
        "unknown resident": replace(sale, account="ffffffffffffffff"),
        "points without evidence": replace(sale, evidence=None),
        "another resident's code": replace(sale, evidence=world.slot(LIU)),
        "forged code": replace(sale, evidence=SlotEvidence(payload_hex="31" * 85)),
        "code of an hour ago": replace(sale, evidence=old_slot),
        "card that was never issued": replace(
            sale, evidence=world.card("00000000000000cf", sale.sale_id, 71)
        ),
        "business date of next week": replace(sale, business_date=TODAY + timedelta(days=7)),
        "business date without a contract": replace(sale, business_date=date(2025, 12, 31)),
        "text that no database keeps": with_line(sale, name="馒\0头"),
    }


def test_what_cannot_be_booked_is_parked_with_a_reason_and_blocks_nothing(
    world: World, till: Till
) -> None:
    world.award(ZHANG, "river-patrol")
    parked = unbookable(world)
    good = sold(world, BUNS)
    outcomes = till.tell(*parked.values(), good)
    by_name = dict(zip(parked, outcomes, strict=False))
    wrong = {name: each for name, each in by_name.items() if each.outcome is not OutcomeKind.PARKED}
    assert wrong == {}
    silent = [name for name, each in by_name.items() if " / " not in each.says]
    assert silent == []
    assert outcomes[-1].outcome is POSTED
    assert books(world) == Books(100, 0, 0, 0, 250)


def test_goods_priced_in_points_must_stand_in_the_pools_catalogue(counter: World) -> None:
    till = counter.till()
    counter.award(ZHANG, "early-fire", "haircut")
    unknown = points_line("gold-bar", 1, 5_000_000)
    cheaper = points_line("rice", 1, 2_800)
    dearer_cost = points_line("rice", 15, 9_999)
    nameless = msgspec.structs.replace(points_line("rice", 15, 2_800), item_id=None)
    sales = [
        sold(counter, line, points=line.amount_points)
        for line in (unknown, cheaper, dearer_cost, nameless)
    ]
    outcomes = till.tell(*sales)
    assert {each.outcome for each in outcomes} == {OutcomeKind.PARKED}
    assert books(counter).owed_fen == 0


def test_a_happening_of_an_unknown_kind_is_parked(world: World, till: Till) -> None:
    outcome = till.outcome(msgspec.Raw(b'{"type":"scale_moved","why":"cleaning"}'))
    assert outcome.outcome is OutcomeKind.PARKED
    assert till.outcome(TerminalStarted(version="0.1.0")).outcome is POSTED


def test_what_became_of_a_shops_prices_is_kept_and_moves_nothing(till: Till) -> None:
    before = books(till.world)
    changed = PriceChanged(code="1001", name="酱油", before_fen=750, after_fen=790, reason="涨价")
    imported = PricesImported(
        file_sha256="0" * 64, list_sha256="1" * 64, items=50_000, added=50_000, changed=0,
        repriced=0, removed=0, refused_rows=0, reason="开店", approved_by="店主",
    )  # fmt: skip
    assert [till.outcome(x).outcome for x in (changed, imported)] == [POSTED, POSTED]
    assert books(till.world) == before


def test_a_card_sale_needs_the_cards_own_proof_over_the_points_taken(
    world: World, till: Till
) -> None:
    world.award(ZHANG, "river-patrol")
    card_id = world.issue_card(ZHANG)
    sale_id = world.sale_id()
    proof = world.card(card_id, sale_id, 25)
    good = sold(world, BUNS, points=25, sale_id=sale_id, evidence=proof)
    assert till.outcome(good).outcome is POSTED
    sale_id = world.sale_id()
    stolen = sold(world, BUNS, points=25, sale_id=sale_id, evidence=proof)
    assert till.outcome(stolen).outcome is OutcomeKind.PARKED
    assert books(world) == Books(75, 0, 25, 250, 0)


def test_a_slot_taken_offline_by_a_terminal_without_the_time_is_parked(
    world: World, till: Till
) -> None:
    world.award(ZHANG, "river-patrol")
    till.record(sold(world, BUNS, points=25), clock_state=ClockState.UNKNOWN)
    assert till.tell()[0].outcome is OutcomeKind.PARKED


def test_a_late_record_posts_with_its_own_date(world: World, till: Till) -> None:
    world.award(ZHANG, "river-patrol")
    sale = sold(world, BUNS, points=25)
    till.record(sale)
    world.clock.move(days=9)
    assert till.tell()[0].outcome is POSTED
    entry = world.read(lambda tx: entry_of(tx, world.pool, f"sale:{sale.sale_id}"))
    assert entry is not None
    assert entry.business_date == TODAY
    assert entry.recorded_at - entry.occurred_at == timedelta(days=9)


def discounted(sale: SaleCaptured, *discounts: Discount, off_fen: tuple[int, ...]) -> SaleCaptured:
    """A sale of nobody's with discounts as a till writes them, all paid in money."""
    lines = tuple(
        replace(line, amount_fen=line.amount_fen - off, discount_fen=off)
        for line, off in zip(sale.lines, off_fen, strict=True)
    )
    paid = Payment(cash_fen=sum(line.amount_fen for line in lines))
    return replace(sale, lines=lines, payment=paid, discounts=discounts)


TENTH = Discount(kind=DiscountKind.BASKET, amount_fen=71, rate_bp=1000, reason="老顾客")


def test_takings_are_what_was_paid_after_discounts(world: World, till: Till) -> None:
    sale = discounted(sold(world, BUNS, GREENS), TENTH, off_fen=(25, 46))
    assert till.outcome(sale).outcome is POSTED
    assert world.fen("takings:shop-a") == 639
    stored = world.read(lambda tx: sale_of(tx, world.pool, sale.sale_id))
    assert stored is not None
    assert [line.amount_fen for line in stored.lines] == [225, 414]


@pytest.mark.parametrize(
    ("given", "off_fen"),
    [
        ((TENTH,), (46, 25)),  # not divided by the rule
        ((TENTH,), (25, 45)),
        ((replace(TENTH, amount_fen=72),), (26, 46)),
        ((), (25, 46)),  # less to pay, and no discount says why
        ((Discount(kind=DiscountKind.LINE, line_no=1, amount_fen=251),), (251, 0)),
        ((Discount(kind=DiscountKind.BASKET, amount_fen=-71),), (-25, -46)),
    ],
)
def test_discounts_that_do_not_add_up_are_parked(
    world: World, till: Till, given: tuple[Discount, ...], off_fen: tuple[int, ...]
) -> None:
    sale = discounted(sold(world, BUNS, GREENS), *given, off_fen=off_fen)
    assert till.outcome(sale).outcome is OutcomeKind.PARKED
    assert world.fen("takings:shop-a") == 0


def test_nobody_takes_anything_off_what_the_pool_priced_in_points(
    counter: World,
) -> None:
    till = counter.till()
    sale = sold(counter, points_line("rice", 15, 2_800), points=15)
    line = replace(sale.lines[0], amount_points=14, discount_fen=1)
    paid = replace(sale.payment, points_for_goods=14)
    off = (Discount(kind=DiscountKind.LINE, line_no=1, amount_fen=1),)
    forged = replace(sale, lines=(line,), payment=paid, discounts=off)
    assert till.outcome(forged).outcome is OutcomeKind.PARKED


def test_a_discounted_line_comes_back_at_its_net_price_and_no_more(
    world: World, till: Till
) -> None:
    sale = discounted(sold(world, BUNS, GREENS), TENTH, off_fen=(25, 46))
    assert till.outcome(sale).outcome is POSTED
    one = RefundLine(line_no=1, quantity_milli=1000, amount_fen=50, amount_points=0)
    assert till.outcome(refunded(world, sale, one, cash_fen=50)).outcome is OutcomeKind.PARKED
    one = replace(one, amount_fen=45)
    assert till.outcome(refunded(world, sale, one, cash_fen=45)).outcome is POSTED
    assert world.fen("takings:shop-a") == 594
