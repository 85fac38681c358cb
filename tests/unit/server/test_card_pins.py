"""A card's PIN at the server: what it proves, wrong ones over all tills, locks, small purchases."""

from datetime import date
from uuid import UUID

import pytest
from msgspec.structs import replace

from protocol.card_pin_hash import ArgonPinMaker
from protocol.card_pins import (
    MOST_TRIES,
    TRIES_DAYS,
    PinMade,
    PinRule,
    is_pin,
    is_too_easy,
    pin_proof,
    read_verifier,
    verifier_text,
)
from protocol.card_tries import CardPinWrong
from protocol.evidence import CardEvidence, PinEvidence
from protocol.messages import Approved, OutcomeKind
from protocol.reasons import Declined, DeclineReason
from protocol.redemption import FenRemainder
from protocol.sales import AnsweredBy, SaleCaptured
from server.bootstrap.desk import make_desk
from server.commands.audit_replay import check_replay
from server.directory import commands as c
from server.directory.card_pin_making import set_pin_command
from server.directory.card_pins import CardPin, locked_pins, pin_of
from server.directory.documents import build_directory
from server.directory.queries import card_of
from server.facts.refused import Refused
from server.redemption.queries import sale_of
from tests.unit.server.world import ZHANG, Till, World, money_line, sold

PIN = "580231"
NO_PIN_POINTS = 50
CARD_ID = "00000000000000c1"
CHEAP = ArgonPinMaker(memory_kib=8, passes=1)


@pytest.fixture
def pinned(world: World) -> World:
    """Zhang has 200 points and a card with a PIN; 50 a day go without it."""
    world.award(ZHANG, "river-patrol", "river-patrol")
    world.do(
        c.SetRedemptionTerms(
            valid_from=date(2026, 3, 2),
            fen_remainder=FenRemainder.CASH,
            card_no_pin_day_points=NO_PIN_POINTS,
        )
    )
    world.issue_card(ZHANG)
    set_pin(world, PIN)
    world.clock.move(days=4)  # since then every till has heard of it
    return world


def set_pin(world: World, pin: str, *, seq: int = 1) -> None:
    card = world.read(lambda tx: card_of(tx, world.pool, CARD_ID))
    assert card is not None
    assert card.seq == seq
    pin_id = world.random.randbytes(16).hex()
    world.do(set_pin_command(world.keys, CHEAP, card, pin=pin, pin_id=pin_id, reason="本人设置"))


def made(world: World, pin: str = PIN, *, seq: int = 1) -> PinMade:
    return CHEAP.make(pin, world.keys.card_secret(CARD_ID, seq), bytes.fromhex(CARD_ID))


def shown(
    world: World,
    sale_id: UUID,
    points: int,
    *,
    pin: str | None = None,
    pin_round: int = 1,
    terminal: str = "t-1",
    seq: int = 1,
) -> CardEvidence:
    """The card at a till, with what the till makes of a PIN typed there."""
    evidence = world.card(CARD_ID, sale_id, points, terminal=terminal, seq=seq)
    if pin is None:
        return evidence
    proof = pin_proof(made(world, pin, seq=seq).proof_key, sale_id, points, terminal)
    return replace(evidence, pin=PinEvidence(pin_round=pin_round, proof_hex=proof.hex()))


def ask(world: World, till: Till, points: int, **how: object) -> Approved | Declined:
    sale_id = world.sale_id()
    evidence = shown(world, sale_id, points, terminal=till.terminal, **how)  # type: ignore[arg-type]  # the helper's own keywords
    answer = till.authorise(sale_id, evidence, optional=points)
    assert isinstance(answer, Approved | Declined)
    return answer


def card_sale(
    world: World, points: int, *, terminal: str = "t-1", stands_in: bool = True, **how: object
) -> SaleCaptured:
    sale_id = world.sale_id()
    evidence = shown(world, sale_id, points, terminal=terminal, **how)  # type: ignore[arg-type]  # the helper's own keywords
    sale = sold(
        world,
        money_line("米", points * 10),
        points=points,
        sale_id=sale_id,
        evidence=evidence,
        day=world.clock().date(),
    )
    return replace(sale, answered_by=AnsweredBy.STAND_IN) if stands_in else sale


def grade_of(world: World, sale: SaleCaptured) -> str | None:
    found = world.read(lambda tx: sale_of(tx, world.pool, sale.sale_id))
    return found.proof_grade if found is not None else None


def pin_now(world: World, *, seq: int = 1) -> CardPin | None:
    return world.read(lambda tx: pin_of(tx, world.pool, CARD_ID, seq, world.clock()))


def wrong(pin_round: int = 1, seq: int = 1) -> CardPinWrong:
    return CardPinWrong(card_id=CARD_ID, seq=seq, pin_round=pin_round)


def test_a_purchase_above_the_limit_needs_the_pin_and_a_small_one_does_not(
    pinned: World,
) -> None:
    till = pinned.till()
    needs = ask(pinned, till, 51)
    assert needs == Declined(DeclineReason.PIN_NEEDED, limit_points=50)  # type: ignore[arg-type]  # a number of points
    small = ask(pinned, till, 50)
    assert isinstance(small, Approved)
    with_pin = ask(pinned, till, 100, pin=PIN)
    assert isinstance(with_pin, Approved)
    assert with_pin.points == 100


def test_what_goes_without_a_pin_is_counted_over_all_tills(pinned: World) -> None:
    first, second = pinned.till(), pinned.till(terminal="t-2")
    assert isinstance(ask(pinned, first, 30), Approved)  # held, not yet taken
    needs = ask(pinned, second, 30)
    assert needs == Declined(DeclineReason.PIN_NEEDED, limit_points=20)  # type: ignore[arg-type]  # a number of points
    assert isinstance(ask(pinned, second, 20), Approved)
    pinned.clock.move(seconds=3600)  # what was held and not taken is free again
    taken = card_sale(pinned, 30)
    assert first.outcome(taken).outcome is OutcomeKind.POSTED
    needs = ask(pinned, second, 21)
    assert needs == Declined(DeclineReason.PIN_NEEDED, limit_points=20)  # type: ignore[arg-type]  # a number of points
    pinned.clock.move(days=1)
    assert isinstance(ask(pinned, second, 50), Approved)


def test_a_wrong_pin_another_rounds_pin_and_a_made_up_proof_are_declined(pinned: World) -> None:
    till = pinned.till()
    declined = Declined(DeclineReason.PIN_WRONG)
    assert ask(pinned, till, 60, pin="580232") == declined
    assert ask(pinned, till, 60, pin=PIN, pin_round=2) == declined
    sale_id = pinned.sale_id()
    bare = pinned.card(CARD_ID, sale_id, 60)
    for proof_hex in ("", "00" * 32, "é" * 64, made(pinned).verifier.hex()):
        evidence = replace(bare, pin=PinEvidence(pin_round=1, proof_hex=proof_hex))
        assert till.authorise(sale_id, evidence, optional=60) == declined
        sale_id = pinned.sale_id()
        bare = pinned.card(CARD_ID, sale_id, 60)


def test_whoever_knows_the_verifier_alone_cannot_claim_a_pin(pinned: World) -> None:
    """That is what every terminal knows: with it as the key a terminal would grade itself."""
    till = pinned.till()
    sale_id = pinned.sale_id()
    proof = pin_proof(made(pinned).verifier, sale_id, 40, "t-1")
    evidence = replace(
        pinned.card(CARD_ID, sale_id, 40), pin=PinEvidence(pin_round=1, proof_hex=proof.hex())
    )
    sale = replace(
        sold(
            pinned,
            money_line("米", 400),
            points=40,
            sale_id=sale_id,
            evidence=evidence,
            day=pinned.clock().date(),
        ),
        answered_by=AnsweredBy.STAND_IN,
    )
    assert till.outcome(sale).outcome is OutcomeKind.POSTED  # small enough without a PIN
    assert grade_of(pinned, sale) == "D"


def test_the_grade_of_a_sale_is_what_the_server_finds_proven(pinned: World) -> None:
    till = pinned.till()
    with_pin, without = card_sale(pinned, 60, pin=PIN), card_sale(pinned, 10)
    assert [each.outcome for each in till.tell(with_pin, without)] == [OutcomeKind.POSTED] * 2
    assert (grade_of(pinned, with_pin), grade_of(pinned, without)) == ("C", "D")


def test_a_till_that_gave_more_by_itself_than_goes_without_a_pin_waits_for_a_person(
    pinned: World,
) -> None:
    till, other = pinned.till(), pinned.till(terminal="t-2")
    assert till.outcome(card_sale(pinned, 30)).outcome is OutcomeKind.POSTED
    parked = till.outcome(card_sale(pinned, 21))
    assert parked.outcome is OutcomeKind.PARKED
    assert "一天最多 50 积分，这一天共 51" in parked.says
    assert till.outcome(card_sale(pinned, 20)).outcome is OutcomeKind.POSTED
    # Another till that was cut off could not know of it; the goods are gone.
    assert other.outcome(card_sale(pinned, 50, terminal="t-2")).outcome is OutcomeKind.POSTED


def test_a_pin_that_is_not_proven_does_not_lift_the_limit(pinned: World) -> None:
    sale = card_sale(pinned, 60, pin="111222")
    assert pinned.till().outcome(sale).outcome is OutcomeKind.PARKED


def test_ten_wrong_pins_at_all_tills_together_lock_it_and_the_office_unlocks_it(
    pinned: World,
) -> None:
    tills = [pinned.till(terminal=f"t-{number}") for number in (1, 2, 3)]
    for number in range(MOST_TRIES - 1):
        assert tills[number % 3].outcome(wrong()).outcome is OutcomeKind.POSTED
    assert isinstance(ask(pinned, tills[0], 60, pin=PIN), Approved)
    tills[0].tell(wrong())
    locked = pin_now(pinned)
    assert locked is not None
    assert (locked.is_locked, locked.wrong) == (True, MOST_TRIES)
    assert ask(pinned, tills[1], 60, pin=PIN) == Declined(DeclineReason.PIN_LOCKED)
    assert isinstance(ask(pinned, tills[1], 20), Approved)  # small purchases go on
    assert [
        each.card_id
        for each in pinned.read(lambda tx: locked_pins(tx, pinned.pool, pinned.clock()))
    ] == [CARD_ID]
    assert told_of(pinned) == PinRule(1, None)

    unlock = c.UnlockCardPin(pin_id="ab" * 16, card_id=CARD_ID, reason="本人带证件到场")
    pinned.do(unlock)
    pinned.do(unlock)  # the same form sent twice
    now = pin_now(pinned)
    assert now is not None
    assert (now.pin_round, now.is_locked, now.wrong) == (2, False, 0)
    assert isinstance(ask(pinned, tills[1], 60, pin=PIN, pin_round=2), Approved)
    # Wrong ones that a till told late are of the round before, and count no more.
    tills[2].tell(*[wrong()] * MOST_TRIES)
    late = pin_now(pinned)
    assert late is not None
    assert not late.is_locked


def told_of(world: World, *, seq: int = 1) -> PinRule | None:
    """What a terminal is told of the card's PIN."""
    directory = world.read(lambda tx: build_directory(tx, world.pool, {}))
    card = next(card for entry in directory for card in entry.cards)
    assert (card.card_id, card.seq) == (CARD_ID, seq)
    return read_verifier(card.pin_verifier) if card.pin_verifier is not None else None


def test_a_wrong_pin_counts_once_however_often_its_record_comes_and_for_thirty_days(
    pinned: World,
) -> None:
    till = pinned.till()
    for _ in range(MOST_TRIES - 1):
        till.record(wrong())
    for _ in range(5):
        till.send_records(*till.unsent)
    found = pin_now(pinned)
    assert found is not None
    assert found.wrong == MOST_TRIES - 1
    till.unsent.clear()
    pinned.clock.move(days=TRIES_DAYS, seconds=1)
    till.tell(wrong())
    found = pin_now(pinned)
    assert found is not None
    assert (found.wrong, found.is_locked) == (1, False)


def test_thousands_of_wrong_pins_are_one_lock(pinned: World) -> None:
    till = pinned.till()
    for _ in range(20):
        till.tell(*[wrong()] * 100)
    found = pin_now(pinned)
    assert found is not None
    assert (found.wrong, found.is_locked) == (2_000, True)
    assert len(pinned.read(lambda tx: locked_pins(tx, pinned.pool, pinned.clock()))) == 1


@pytest.mark.parametrize(
    "tried",
    [
        CardPinWrong(card_id="f" * 16, seq=1, pin_round=1),
        CardPinWrong(card_id=CARD_ID, seq=2, pin_round=1),
        CardPinWrong(card_id=CARD_ID, seq=1, pin_round=10**15),
        CardPinWrong(card_id="积分" * 500, seq=-1, pin_round=0),
    ],
)
def test_a_wrong_pin_of_no_known_card_counts_against_nobody(
    pinned: World, tried: CardPinWrong
) -> None:
    assert pinned.till().outcome(tried).outcome is OutcomeKind.POSTED
    found = pin_now(pinned)
    assert found is not None
    assert found.wrong == 0


def test_a_reissued_card_keeps_the_points_and_loses_pin_tries_and_the_old_code(
    pinned: World,
) -> None:
    till = pinned.till()
    till.tell(*[wrong()] * MOST_TRIES)
    before = pinned.points(f"resident:{ZHANG}")
    pinned.do(c.RevokeCard(card_id=CARD_ID, reason="遗失"))
    pinned.issue_card(ZHANG, seq=2)
    assert pinned.points(f"resident:{ZHANG}") == before
    assert pin_now(pinned, seq=2) is None
    assert told_of(pinned, seq=2) is None
    assert ask(pinned, till, 20) == Declined(DeclineReason.CODE_REVOKED)
    assert ask(pinned, till, 60, pin=PIN, seq=2) == Declined(DeclineReason.PIN_WRONG)
    assert isinstance(ask(pinned, till, 20, seq=2), Approved)
    set_pin(pinned, "917360", seq=2)
    found = pin_now(pinned, seq=2)
    assert found is not None
    assert (found.pin_round, found.wrong, found.is_locked) == (1, 0, False)
    assert isinstance(ask(pinned, till, 60, pin="917360", seq=2), Approved)


def test_a_sale_with_the_pin_of_before_made_offline_is_booked_with_its_grade(
    pinned: World,
) -> None:
    """The till could not know that it was changed meanwhile; it kept the rules."""
    till = pinned.till()
    sale = card_sale(pinned, 60, pin=PIN)
    set_pin(pinned, "917360")
    pinned.clock.move(hours=2)
    assert till.outcome(sale).outcome is OutcomeKind.POSTED
    assert grade_of(pinned, sale) == "C"
    # Asked now, the old one is none.
    assert ask(pinned, till, 60, pin=PIN) == Declined(DeclineReason.PIN_WRONG)


def test_a_pool_without_the_limit_never_asks_for_a_pin(world: World) -> None:
    world.award(ZHANG, "river-patrol")
    world.issue_card(ZHANG)
    assert isinstance(ask(world, world.till(), 100), Approved)


def test_a_pin_is_refused_where_it_has_no_live_card(pinned: World) -> None:
    card = pinned.read(lambda tx: card_of(tx, pinned.pool, CARD_ID))
    assert card is not None
    late = set_pin_command(pinned.keys, CHEAP, card, pin=PIN, pin_id="cd" * 16, reason="x")
    pinned.issue_card(ZHANG, seq=2)
    assert isinstance(pinned.submit(late), Refused)
    pinned.do(c.RevokeCard(card_id=CARD_ID, reason="遗失"))
    unlock = c.UnlockCardPin(pin_id="ef" * 16, card_id=CARD_ID, reason="x")
    assert isinstance(pinned.submit(unlock), Refused)
    assert isinstance(pinned.submit(replace(unlock, card_id="f" * 16)), Refused)


def test_the_log_replays_to_the_same_books_and_holds_no_pin(pinned: World) -> None:
    till = pinned.till()
    till.tell(card_sale(pinned, 60, pin=PIN), *[wrong()] * MOST_TRIES)
    with pinned.engine.connect() as tx:
        assert list(check_replay(tx, pinned.pool, make_desk)) == []
        facts = tx.exec_driver_sql("SELECT body FROM fact").scalars().all()
    assert all(PIN.encode() not in bytes(each) for each in facts)
    secret = pinned.keys.card_secret(CARD_ID, 1)
    assert all(secret.hex().encode() not in bytes(each) for each in facts)


def test_a_verifier_says_nothing_that_is_not_a_verifier() -> None:
    verifier = bytes(range(16))
    assert read_verifier(verifier_text(7, verifier)) == PinRule(7, verifier)
    assert read_verifier(verifier_text(7, None)) == PinRule(7, None)
    for text in (
        "",
        "1.0.locked",
        "2.1.locked",
        "1.1.",
        "1.1.x",
        "1.９.locked",
        "$argon2id$v=19",
        "1.1." + "A" * 23,
    ):
        assert read_verifier(text) is None


def test_only_six_plain_digits_are_a_pin_and_the_easy_ones_are_known() -> None:
    assert is_pin(PIN)
    for text in ("", "12345", "1234567", "１２３４５６", "12345a", "123 56", "-12345", "0x1234"):
        assert not is_pin(text)
    for pin in ("000000", "888888", "123456", "654321", "890123", "121212", "123123", "520520"):
        assert is_too_easy(pin)
    assert not is_too_easy(PIN)


def test_card_and_pin_together_make_the_verifier_and_one_without_the_other_does_not() -> None:
    """What is behind the promise that neither a stolen till nor a photographed card is enough."""
    secret, card_id = bytes(16), bytes.fromhex(CARD_ID)
    own = CHEAP.make(PIN, secret, card_id)
    assert CHEAP.make(PIN, secret, card_id) == own
    others = [
        CHEAP.make("580232", secret, card_id),
        CHEAP.make(PIN, bytes(15) + b"\1", card_id),
        CHEAP.make(PIN, secret, bytes(8)),
    ]
    assert all(each.verifier != own.verifier and each.proof_key != own.proof_key for each in others)
    assert own.verifier != own.proof_key
    assert own.verifier.hex() not in repr(own)


def test_a_wrong_pin_with_numbers_that_no_card_has_stops_nothing(world: World) -> None:
    till = world.till()
    for seq, pin_round in ((2**70, 1), (0, 2**70), (-1, 1), (0, 0)):
        tried = CardPinWrong(card_id="00000000000000c1", seq=seq, pin_round=pin_round)
        assert till.outcome(tried).outcome is OutcomeKind.POSTED
