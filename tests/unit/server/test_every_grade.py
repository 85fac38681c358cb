"""One redemption of every proof grade, from the till's page to ledger, receipt and statement.

The real till speaks to the real server over HTTP; phones and cards are the pool's own.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import select

from protocol.acts import Act, PersonActed
from protocol.codes import to_digits
from protocol.evidence import ManualEvidence, ProofGrade
from protocol.messages import Approved, OrdersRequest, OutcomeKind
from protocol.money import Points
from protocol.reasons import Declined, DeclineReason
from protocol.redemption import FenRemainder
from protocol.sales import AnsweredBy, SaleCaptured
from server.db import create_all, metadata, open_engine
from server.directory import commands as c
from server.directory.card_pin_making import set_pin_command
from server.directory.queries import cards_of_account
from server.redemption.manual_list import manual_sales
from server.redemption.queries import sale_of
from terminal.checkout.card_look_up import CardLookUp
from terminal.domain.notice import Notice, NoticeCode
from terminal.domain.presented import ManualCode
from terminal.domain.print_job import JobKind
from terminal.domain.staff import Role
from terminal.store.tables import print_job
from tests.support.phones import phone_in_hand
from tests.support.pool_till import PoolTill, till_of
from tests.support.shop import CHEAP_PINS
from tests.unit.awards.deeds import assert_audit_is_clean
from tests.unit.awards.running import run
from tests.unit.server.world import TODAY, ZHANG, Till, World, money_line, sold
from tests.unit.settlement.orders_world import statement

OWNER, CARD_PIN = "4719", "580231"
BY_HAND_A_DAY = 30
WHY = "手机没电，见过身份证"


@pytest.fixture
def world(world: World) -> World:
    world.award(ZHANG, *["river-patrol"] * 4)
    world.do(
        c.SetRedemptionTerms(
            valid_from=TODAY,
            fen_remainder=FenRemainder.CASH,
            card_no_pin_day_points=20,
            manual_day_points=BY_HAND_A_DAY,
        )
    )
    return world


@pytest.fixture
def card(world: World) -> str:
    """The digits of Zhang's card, whose PIN is set."""
    digits = run(world, "card", "--account", ZHANG).stdout.strip()
    (held,) = world.read(lambda tx: cards_of_account(tx, world.pool, ZHANG))
    made = set_pin_command(
        world.keys, CHEAP_PINS, held, pin=CARD_PIN, pin_id="ab" * 16, reason="本人"
    )
    world.do(made)
    return digits


@pytest.fixture
def till(world: World, card: str, tmp_path: Path) -> Iterator[PoolTill]:
    world.clock.move(seconds=5)
    with till_of(world, tmp_path) as opened:
        opened.staff.add("店主", Role.OWNER, OWNER, None)
        yield opened


def basket(till: PoolTill, yuan: str) -> None:
    till.till.clear()
    till.till.add_amount(yuan, "其他商品")


def confirms(till: PoolTill, _card: str) -> None:
    phone = phone_in_hand(till.world)
    basket(till, "70.00")
    till.till.scan(to_digits(phone.payload()))
    asked = till.till.snapshot()[0].confirming
    assert asked is not None, "more than showing is good for"
    answer = phone.confirm(asked.challenge.payload).answer_hex
    till.till.scan(to_digits(bytes.fromhex(answer)))


def shows(till: PoolTill, _card: str) -> None:
    phone = phone_in_hand(till.world)
    basket(till, "2.00")
    till.till.scan(to_digits(phone.payload()))


def types_pin(till: PoolTill, card: str) -> None:
    basket(till, "4.00")
    till.till.scan(card)
    till.till.type_pin(CARD_PIN)


def shows_card(till: PoolTill, card: str) -> None:
    basket(till, "2.00")
    till.till.scan(card)


def look_up(till: PoolTill) -> CardLookUp:
    return CardLookUp(till.store, till.clock, till.staff)


def card_end(world: World) -> str:
    (held,) = world.read(lambda tx: cards_of_account(tx, world.pool, ZHANG))
    return held.card_id[-6:]


def by_hand(till: PoolTill, yuan: str = "2.00") -> None:
    basket(till, yuan)
    found = look_up(till).redeem(card_end(till.world), WHY, OWNER)
    assert isinstance(found, ManualCode), found
    till.till.show_code(found)


def completed(till: PoolTill) -> SaleCaptured:
    till.till.complete(till.till.snapshot()[0].sale_id)
    sale = till.records()[-1]
    assert isinstance(sale, SaleCaptured), till.page.view().notice
    return sale


def receipt_of(till: PoolTill, sale: SaleCaptured) -> str:
    with till.store.reading() as connection:
        jobs = connection.execute(
            select(print_job.c.document).where(
                print_job.c.kind == JobKind.SALE.value,
                print_job.c.receipt_no == sale.receipt_no,
            )
        )
        return bytes(jobs.scalar_one()).decode()


CASES: list[tuple[ProofGrade, Callable[[PoolTill, str], None], int]] = [
    (ProofGrade.CONFIRM, confirms, 700),
    (ProofGrade.SHOW, shows, 20),
    (ProofGrade.CARD_PIN, types_pin, 40),
    (ProofGrade.CARD, shows_card, 20),
    (ProofGrade.MANUAL, lambda till, _card: by_hand(till), 20),
]


@pytest.mark.parametrize(("grade", "present", "points"), CASES, ids=[x[0].name for x in CASES])
def test_a_grade_goes_from_the_till_to_ledger_receipt_and_statement(
    world: World,
    till: PoolTill,
    card: str,
    grade: ProofGrade,
    present: Callable[[PoolTill, str], None],
    points: int,
) -> None:
    world.award(ZHANG, *["river-patrol"] * 4)
    before = world.points(f"resident:{ZHANG}")
    present(till, card)
    sale = completed(till)
    assert (sale.proof_grade, sale.payment.points) == (grade, points)
    assert sale.answered_by is AnsweredBy.SERVER
    paper = receipt_of(till, sale)
    assert f'"{grade.value}"' in paper
    assert ("人工核对" in paper) == (grade is ProofGrade.MANUAL)

    till.sync()
    assert world.points(f"resident:{ZHANG}") == before - points
    booked = world.read(lambda tx: sale_of(tx, world.pool, sale.sale_id))
    assert booked is not None
    assert (booked.proof_grade, booked.payment.points) == (grade.value, points)
    document = statement(world, "shop-a")
    (line,) = [each for each in document.lines if each.kind == "sale"]
    assert (line.proof, line.points) == (grade.value, points)
    assert_audit_is_clean(world)


def decline(till: PoolTill) -> DeclineReason | None:
    notice = till.till.snapshot()[1]
    return notice.decline.reason if notice is not None and notice.decline is not None else None


def acts(till: PoolTill) -> list[PersonActed]:
    found = [x for x in till.records() if isinstance(x, PersonActed)]
    return [x for x in found if x.act is Act.MANUAL_REDEMPTION]


def test_the_owner_types_the_pin_for_each_one_and_says_why(world: World, till: PoolTill) -> None:
    cards, number = look_up(till), card_end(world)
    till.staff.sign_in("店主", OWNER)  # being signed in is not enough

    def code(reason: str, pin: str) -> NoticeCode:
        found = cards.redeem(number, reason, pin)
        assert isinstance(found, Notice)
        return found.code

    assert code(WHY, "") is NoticeCode.OWNER_NEEDED
    assert code(WHY, "0000") is NoticeCode.PIN_WRONG
    assert code("  ", OWNER) is NoticeCode.REASON_NEEDED
    assert acts(till) == []
    by_hand(till)
    sale = completed(till)
    (act,) = acts(till)
    assert (act.about, act.approved_by, act.reason) == (number.upper(), "店主", WHY)
    assert isinstance(sale.evidence, ManualEvidence)
    assert (sale.evidence.allowed_by, sale.evidence.reason) == ("店主", WHY)
    till.sync()
    (listed,) = world.read(lambda tx: manual_sales(tx, world.pool, TODAY, TODAY))
    assert (listed.receipt_no, listed.points) == (sale.receipt_no, 20)
    assert (listed.allowed_by, listed.reason, listed.account) == ("店主", WHY, ZHANG)
    told = run(world, "manual", "list").stdout
    assert sale.receipt_no in told
    assert WHY in told


def test_by_hand_goes_no_further_than_its_own_limit_a_day_over_all_terminals(
    world: World, till: PoolTill, tmp_path: Path
) -> None:
    by_hand(till, "5.00")
    payment = till.page.view().payment
    assert payment is not None
    assert payment.points_max == BY_HAND_A_DAY
    with till_of(world, tmp_path, terminal="t-2") as other:
        other.staff.add("店主", Role.OWNER, OWNER, None)
        by_hand(other)  # what the first till holds counts already
        assert decline(other) is DeclineReason.MANUAL_LIMIT
        completed(till)
        till.sync()
        by_hand(other)
        assert decline(other) is DeclineReason.MANUAL_LIMIT
        shows(other, "")
        assert completed(other).payment.points == 20, (
            "a code of the resident's own is not held to it"
        )


def test_by_hand_nothing_is_given_offline(till: PoolTill) -> None:
    till.line.reachable = False
    by_hand(till)
    assert decline(till) is DeclineReason.MANUAL_OFFLINE
    till.till.complete(till.till.snapshot()[0].sale_id)
    assert all(x.payment.points == 0 for x in till.records() if isinstance(x, SaleCaptured))


def test_where_the_pool_has_not_allowed_it_nobody_is_served_by_hand(
    world: World, till: PoolTill
) -> None:
    world.do(c.SetRedemptionTerms(valid_from=TODAY, fen_remainder=FenRemainder.CASH, reason="停办"))
    by_hand(till)  # the till has not heard yet; the server knows
    assert decline(till) is DeclineReason.MANUAL_OFF
    world.clock.move(seconds=5)
    till.sync()
    found = look_up(till).redeem(card_end(world), WHY, OWNER)
    assert isinstance(found, Notice)
    assert found.decline == Declined(DeclineReason.MANUAL_OFF)
    assert len(acts(till)) == 1, "what is refused at once needs no PIN and leaves no record"


def ban(world: World) -> None:
    world.do(c.BanRedemption(account=ZHANG, until=TODAY + timedelta(days=30), reason="虚报"))


def block(world: World) -> None:
    world.do(c.BlockResident(account=ZHANG, reason="核查"))


def lose(world: World) -> None:
    (held,) = world.read(lambda tx: cards_of_account(tx, world.pool, ZHANG))
    world.do(c.RevokeCard(card_id=held.card_id, reason="遗失"))


@pytest.mark.parametrize(
    ("forbid", "reason"),
    [
        (ban, DeclineReason.REDEMPTION_BANNED),
        (block, DeclineReason.RESIDENT_BLOCKED),
        (lose, DeclineReason.CODE_REVOKED),
    ],
    ids=["banned", "blocked", "lost card"],
)
def test_by_hand_is_no_way_round_a_ban_a_block_or_a_lost_card(
    world: World, till: PoolTill, forbid: Callable[[World], None], reason: DeclineReason
) -> None:
    number = card_end(world)
    forbid(world)
    basket(till, "2.00")
    found = look_up(till).redeem(number, WHY, OWNER)
    assert isinstance(found, ManualCode), "the till has not heard"
    till.till.show_code(found)
    assert decline(till) is reason


# What a terminal could try that does not keep the rules: it says what it likes, and signs it.


def hand(world: World, **other: str) -> ManualEvidence:
    (held,) = world.read(lambda tx: cards_of_account(tx, world.pool, ZHANG))
    made = ManualEvidence(card_id=held.card_id, seq=held.seq, allowed_by="店主", reason=WHY)
    return replace(made, **other) if other else made


@pytest.fixture
def forger(world: World, card: str) -> Till:
    """``card``: only who has one is found by its number."""
    return world.till(terminal="t-9")


def by_its_word(
    world: World, *, points: int = 20, by: AnsweredBy = AnsweredBy.SERVER, **given: Any
) -> SaleCaptured:
    told = sold(world, money_line("米", points * 10), points=points, account=ZHANG, **given)
    return replace(told, answered_by=by)


@pytest.mark.parametrize("by", [AnsweredBy.SERVER, AnsweredBy.STAND_IN])
def test_a_terminals_word_alone_books_nothing(world: World, forger: Till, by: AnsweredBy) -> None:
    told = by_its_word(world, evidence=hand(world), by=by)
    assert forger.outcome(told).outcome is OutcomeKind.PARKED
    assert world.points(f"resident:{ZHANG}") == 400


def test_an_approval_by_hand_is_for_that_sale_by_hand_alone(world: World, forger: Till) -> None:
    sale_id, shown = world.sale_id(), hand(world)
    assert isinstance(forger.authorise(sale_id, shown, optional=20), Approved)
    # As if it had been a code, so that it does not stand as M: the slot ran out long ago.
    slot = world.slot(starts_in_s=-7_200)
    as_code = by_its_word(world, sale_id=sale_id, evidence=slot)
    assert forger.outcome(as_code).outcome is OutcomeKind.PARKED
    other = world.sale_id()
    assert isinstance(forger.authorise(other, world.slot(), optional=20), Approved)
    as_hand = by_its_word(world, sale_id=other, evidence=shown)
    assert forger.outcome(as_hand).outcome is OutcomeKind.PARKED
    assert world.points(f"resident:{ZHANG}") == 400


@pytest.mark.parametrize("missing", ["allowed_by", "reason"])
def test_nobody_who_allowed_it_or_no_reason_books_nothing(
    world: World, forger: Till, missing: str
) -> None:
    sale_id, shown = world.sale_id(), hand(world)
    assert isinstance(forger.authorise(sale_id, shown, optional=20), Approved)
    told = by_its_word(
        world,
        sale_id=sale_id,
        evidence=hand(world, **{missing: " "}),
    )
    assert forger.outcome(told).outcome is OutcomeKind.PARKED


def test_more_than_was_approved_by_hand_is_not_booked(world: World, forger: Till) -> None:
    sale_id, shown = world.sale_id(), hand(world)
    answer = forger.authorise(sale_id, shown, optional=100)
    assert isinstance(answer, Approved)
    assert answer.points == BY_HAND_A_DAY
    more = by_its_word(world, points=31, sale_id=sale_id, evidence=shown)
    assert forger.outcome(more).outcome is OutcomeKind.PARKED


def test_goods_that_need_more_than_is_left_by_hand_are_told_as_that(
    world: World, forger: Till
) -> None:
    answer = forger.authorise(world.sale_id(), hand(world), required=BY_HAND_A_DAY + 1)
    assert answer == Declined(DeclineReason.MANUAL_LIMIT, limit_points=Points(BY_HAND_A_DAY))


@pytest.mark.postgres
def test_by_hand_is_booked_once_and_held_to_its_limit_on_postgresql(
    postgres_url: str, tmp_path: Path
) -> None:
    engine = open_engine(postgres_url)
    create_all(engine, metadata)
    town = World(engine, tmp_path, "guanghui")
    town.furnish()
    town.award(ZHANG, *["river-patrol"] * 4)
    town.do(
        c.SetRedemptionTerms(
            valid_from=TODAY, fen_remainder=FenRemainder.CASH, manual_day_points=BY_HAND_A_DAY
        )
    )
    run(town, "card", "--account", ZHANG)
    till, sale_id = town.till(), town.sale_id()
    assert isinstance(till.authorise(sale_id, hand(town), optional=20), Approved)
    told = by_its_word(town, sale_id=sale_id, evidence=hand(town))
    assert till.outcome(told).outcome is OutcomeKind.POSTED
    left = till.authorise(town.sale_id(), hand(town), optional=20)
    assert isinstance(left, Approved)
    assert left.points == BY_HAND_A_DAY - 20
    (listed,) = town.read(lambda tx: manual_sales(tx, town.pool, TODAY, TODAY))
    assert (listed.receipt_no, listed.points) == (told.receipt_no, 20)
    assert_audit_is_clean(town)
    engine.dispose()


def test_by_hand_nobodys_orders_are_looked_at(world: World, forger: Till) -> None:
    asked = OrdersRequest(
        lookup_id=world.sale_id(), evidence=hand(world), occurred_at=world.clock()
    )
    answer = forger.ask("orders", asked, Declined)
    assert answer == Declined(DeclineReason.MANUAL_OFF)
