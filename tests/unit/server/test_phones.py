"""A phone's codes at the server: let in, judged again, used once, noticed where they are copied."""

from datetime import timedelta
from pathlib import Path
from uuid import UUID

import msgspec
import pytest
from sqlalchemy import Engine

from protocol.codes import SlotCode, read_code
from protocol.codes.key import public_half
from protocol.codes.phone import read_certificate
from protocol.evidence import Evidence, ProofGrade, SlotEvidence, proof_grade
from protocol.journal import ClockState
from protocol.messages import Approved, OutcomeKind, Problem, ProblemKind
from protocol.reasons import Declined, DeclineReason
from protocol.sales import AnsweredBy, ReversalReason, SaleCaptured, SaleReversed
from server.api.phone_messages import PhoneAnswer, PhoneEnded
from server.api.wrong_tries import ALL_TRIES, PEER_TRIES
from server.bootstrap.desk import make_desk
from server.commands.audit_replay import check_replay
from server.db import create_all, metadata, open_engine, reading
from server.directory.documents import build_directory
from server.directory.phones import EndPhone, PhoneState, phone_of, uses_of
from server.redemption import SaleState, sale_of
from tests.support.phones import PhoneInHand, challenge_of, invite_phone, phone_in_hand
from tests.unit.server.world import (
    HOST,
    LIU,
    ZHANG,
    Till,
    World,
    money_line,
    sold,
)

SHOW_LIMIT = 500


def reason_of(answer: Approved | Declined | Problem) -> DeclineReason | None:
    assert not isinstance(answer, Problem), answer
    return answer.reason if isinstance(answer, Declined) else None


def bought(
    world: World,
    evidence: Evidence,
    points: int,
    sale_id: UUID | None = None,
    by: AnsweredBy = AnsweredBy.SERVER,
) -> SaleCaptured:
    sale = sold(
        world, money_line("套餐", points * 10), points=points, evidence=evidence, sale_id=sale_id
    )
    grade = proof_grade(evidence)
    return msgspec.structs.replace(sale, proof_grade=grade, answered_by=by)


def state_of(world: World, account: str = ZHANG, seq: int = 1) -> PhoneState:
    phone = world.read(lambda tx: phone_of(tx, world.pool, account, seq))
    assert phone is not None
    return phone.state


def phone_seq(world: World, account: str = ZHANG) -> int:
    entries = world.read(lambda tx: build_directory(tx, world.pool, {}))
    return next(each.phone_seq for each in entries if each.account == account)


@pytest.fixture
def rich(world: World) -> World:
    """Zhang has 1,000 points."""
    for _ in range(10):
        world.award(ZHANG, "river-patrol")
    return world


def test_a_phone_enrols_with_its_code_and_is_told_all_it_needs(rich: World) -> None:
    phone = phone_in_hand(rich)
    told = phone.known
    assert (told.account, told.seq, told.name) == (ZHANG, 1, "张**")
    assert (told.balance_points, told.show_points) == (1_000, SHOW_LIMIT)
    assert told.tag == rich.keys.tag.hex()
    assert [line.points for line in told.history] == [100] * 10
    assert len(told.slots) == 48
    certificate = read_certificate(bytes.fromhex(told.certificate))
    assert certificate is not None
    assert (certificate.account.hex(), certificate.seq) == (ZHANG, 1)
    assert certificate.expires_at - rich.clock() > timedelta(days=80)


def test_a_code_is_good_once_and_again_only_for_the_same_key(world: World) -> None:
    code = invite_phone(world)
    first, second = PhoneInHand(world), PhoneInHand(world)
    answer = first.enrol(code)
    assert isinstance(answer, PhoneAnswer)
    assert first.enrol(code) == answer
    refused = second.enrol(code)
    assert isinstance(refused, Problem)
    assert refused.problem is ProblemKind.WRONG_CODE


def test_guesses_use_a_code_up_and_an_old_one_is_dead(world: World) -> None:
    code = invite_phone(world, tries=2)
    wrong = code[:6] + ("XXXXXX" if code[6:] != "XXXXXX" else "ZZZZZZ")
    phone = PhoneInHand(world)
    for _ in range(2):
        assert isinstance(phone.enrol(wrong), Problem)
    assert isinstance(phone.enrol(code), Problem)
    code = invite_phone(world)
    world.clock.move(hours=24)
    assert isinstance(phone.enrol(code), Problem)


def test_a_stranger_without_a_code_leaves_no_fact(world: World) -> None:
    before = world.read(lambda tx: tx.exec_driver_sql("select count(*) from fact").scalar())
    assert isinstance(PhoneInHand(world).enrol("BCDFGH-JKLMNP"), Problem)
    body: dict[str, object] = {"code": "x" * 33, "public_key": "00"}
    assert isinstance(PhoneInHand(world).post("/v1/phones/enrol", body), Problem)
    after = world.read(lambda tx: tx.exec_driver_sql("select count(*) from fact").scalar())
    assert before == after


def facts_of(world: World) -> int:
    found = world.read(lambda tx: tx.exec_driver_sql("select count(*) from fact").scalar())
    assert isinstance(found, int)
    return found


def test_a_code_that_is_used_up_leaves_no_more_facts(world: World) -> None:
    code, phone = invite_phone(world), PhoneInHand(world)
    first = phone.enrol(code)
    before = facts_of(world)
    for _ in range(3):
        assert phone.enrol(code) == first, "its answer may have been lost"
        assert isinstance(PhoneInHand(world).enrol(code), Problem)
        assert isinstance(phone.enrol(code[:6] + "XXXXXX"), Problem)
    assert facts_of(world) == before


def knock(world: World, peer: str, code: str) -> ProblemKind | None:
    """Somebody at this address brings a code; why it was not taken, or None."""
    body = {"code": code, "public_key": public_half(PhoneInHand(world).key).raw.hex()}
    answer = world.client.post(
        "/v1/phones/enrol",
        base_url=HOST,
        data=msgspec.json.encode(body),
        environ_overrides={"REMOTE_ADDR": peer},
    )
    told = msgspec.json.decode(answer.data)
    return ProblemKind(told["problem"]) if "problem" in told else None


def test_who_guesses_waits_and_others_do_not(world: World) -> None:
    code, wrong, busy = invite_phone(world), ProblemKind.WRONG_CODE, ProblemKind.TRY_AGAIN
    guesses = [knock(world, "203.0.113.7", "BCDFGH-JKLMNP") for _ in range(PEER_TRIES + 2)]
    assert guesses == [wrong] * PEER_TRIES + [busy] * 2
    # Waiting costs no invitation a try, whatever is brought.
    before = facts_of(world)
    assert knock(world, "203.0.113.7", code[:6] + "XXXXXX") is busy
    assert facts_of(world) == before
    world.clock.move(seconds=10)
    assert knock(world, "203.0.113.7", "BCDFGH-JKLMNP") is wrong
    assert knock(world, "203.0.113.7", code) is busy
    assert knock(world, "203.0.113.8", code) is None


def test_many_addresses_have_no_more_tries_than_all_may_have(world: World) -> None:
    wrong, busy = ProblemKind.WRONG_CODE, ProblemKind.TRY_AGAIN
    guesses = [knock(world, f"198.51.100.{n}", "BCDFGH-JKLMNP") for n in range(ALL_TRIES + 1)]
    assert guesses == [wrong] * ALL_TRIES + [busy]
    # A front end on the same machine is no stranger, and nobody is shut out for long.
    assert knock(world, "127.0.0.1", invite_phone(world)) is busy
    world.clock.move(seconds=1)
    assert knock(world, "127.0.0.1", invite_phone(world)) is None


def test_only_the_phone_itself_reads_what_is_the_residents(world: World) -> None:
    phone = phone_in_hand(world)
    assert isinstance(phone.refresh(), PhoneAnswer)
    too_old = phone.refresh(at=world.clock() - timedelta(seconds=301))
    assert isinstance(too_old, Problem)
    assert too_old.problem is ProblemKind.CLOCK_SKEW
    thief = PhoneInHand(world, answer=phone.answer)
    refused = thief.refresh()
    assert isinstance(refused, Problem)
    assert refused.problem is ProblemKind.BAD_SIGNATURE


@pytest.mark.parametrize("es256", [False, True])
def test_a_shown_code_pays_up_to_the_show_limit(rich: World, till: Till, es256: bool) -> None:
    phone = phone_in_hand(rich, es256=es256)
    sale_id, shown = rich.sale_id(), phone.show()
    answer = till.authorise(sale_id, shown, optional=700)
    assert isinstance(answer, Approved)
    assert (answer.account, answer.points) == (ZHANG, SHOW_LIMIT)
    outcome = till.outcome(bought(rich, shown, 500, sale_id))
    assert outcome.outcome is OutcomeKind.POSTED
    assert rich.points(f"resident:{ZHANG}") == 500
    sale = rich.read(lambda tx: sale_of(tx, rich.pool, sale_id))
    assert sale is not None
    assert sale.state is SaleState.CAPTURED


def test_a_screenshot_is_worthless_after_the_window(rich: World, till: Till) -> None:
    shown = phone_in_hand(rich).show()
    rich.clock.move(seconds=91)
    answer = till.authorise(rich.sale_id(), shown, optional=10)
    assert reason_of(answer) is DeclineReason.CODE_EXPIRED


def test_a_code_serves_one_sale_wherever_it_is_shown(rich: World, till: Till) -> None:
    elsewhere = rich.till(terminal="t-2")
    shown = phone_in_hand(rich).show()
    first = rich.sale_id()
    assert isinstance(till.authorise(first, shown, optional=10), Approved)
    used = elsewhere.authorise(rich.sale_id(), shown, optional=10)
    assert reason_of(used) is DeclineReason.CODE_USED
    # The same till may ask anew: the customer forgot something.
    till.tell(SaleReversed(sale_id=first, reason=ReversalReason.CANCELLED))
    again = rich.sale_id()
    assert isinstance(till.authorise(again, shown, optional=20), Approved)
    till.tell(bought(rich, shown, 20, again))
    used = till.authorise(rich.sale_id(), shown, optional=10)
    assert reason_of(used) is DeclineReason.CODE_USED
    assert state_of(rich) is PhoneState.LIVE


def test_a_copied_key_is_noticed_and_both_sides_are_told(rich: World, till: Till) -> None:
    phone = phone_in_hand(rich)
    copy = PhoneInHand(rich, answer=phone.answer)
    copy.key = phone.key
    sale_id, shown = rich.sale_id(), phone.show(counter=7)
    assert isinstance(till.authorise(sale_id, shown, optional=10), Approved)
    rich.clock.move(seconds=5)
    noticed = till.authorise(rich.sale_id(), copy.show(counter=7), optional=10)
    assert reason_of(noticed) is DeclineReason.CODE_COPIED
    assert state_of(rich) is PhoneState.COPIED
    assert phone_seq(rich) == 2, "terminals are told that certificate 1 is dead"
    for each in (phone, copy):
        told = each.refresh()
        assert isinstance(told, PhoneEnded)
        assert told.state == "copied"
        declined = till.authorise(rich.sale_id(), each.show(), optional=10)
        assert reason_of(declined) is DeclineReason.CODE_COPIED
    # What was shown before anybody knew is paid.
    assert till.outcome(bought(rich, shown, 10, sale_id)).outcome is OutcomeKind.POSTED


def test_a_copy_is_noticed_among_sales_of_tills_that_were_cut_off(rich: World, till: Till) -> None:
    phone, elsewhere = phone_in_hand(rich), rich.till(terminal="t-2")
    first = bought(rich, phone.show(counter=9), 10, by=AnsweredBy.STAND_IN)
    rich.clock.move(seconds=30)
    second = bought(rich, phone.show(counter=9), 10, by=AnsweredBy.STAND_IN)
    assert till.outcome(first).outcome is OutcomeKind.POSTED
    assert state_of(rich) is PhoneState.LIVE
    assert elsewhere.outcome(second).outcome is OutcomeKind.POSTED, "the goods are gone"
    assert state_of(rich) is PhoneState.COPIED


def test_one_picture_at_two_cut_off_tills_pays_both_and_blames_nobody(
    rich: World, till: Till
) -> None:
    phone, elsewhere = phone_in_hand(rich), rich.till(terminal="t-2")
    shown = phone.show()
    for each in (till, elsewhere):
        sale = bought(rich, shown, 10, by=AnsweredBy.STAND_IN)
        assert each.outcome(sale).outcome is OutcomeKind.POSTED
    uses = rich.read(lambda tx: uses_of(tx, rich.pool, ZHANG, 1, phone.counter))
    assert {use.terminal for use in uses} == {"t-1", "t-2"}
    assert state_of(rich) is PhoneState.LIVE


def test_a_shown_code_taken_offline_by_a_till_without_the_time_waits_for_a_person(
    rich: World, till: Till
) -> None:
    """Whoever has lost the time cannot tell a fresh code from an old picture of one."""
    shown = phone_in_hand(rich).show()
    till.record(bought(rich, shown, 10, by=AnsweredBy.STAND_IN), clock_state=ClockState.UNKNOWN)
    assert till.tell()[0].outcome is OutcomeKind.PARKED


def test_a_till_that_takes_a_code_twice_waits_for_a_person(rich: World, till: Till) -> None:
    shown = phone_in_hand(rich).show()
    outcomes = till.tell(
        bought(rich, shown, 10, by=AnsweredBy.STAND_IN),
        bought(rich, shown, 10, by=AnsweredBy.STAND_IN),
    )
    assert [each.outcome for each in outcomes] == [OutcomeKind.POSTED, OutcomeKind.PARKED]


@pytest.mark.parametrize("es256", [False, True])
def test_a_confirmed_sale_may_take_more_than_a_shown_one(
    rich: World, till: Till, es256: bool
) -> None:
    phone, sale_id = phone_in_hand(rich, es256=es256), rich.sale_id()
    yes = phone.confirm(challenge_of(till, sale_id, 800))
    rich.clock.move(hours=3)  # nobody's clock matters
    answer = till.authorise(sale_id, yes, optional=800)
    assert isinstance(answer, Approved)
    assert answer.points == 800
    outcome = till.outcome(bought(rich, yes, 800, sale_id))
    assert outcome.outcome is OutcomeKind.POSTED
    assert proof_grade(yes) is ProofGrade.CONFIRM
    assert rich.points(f"resident:{ZHANG}") == 200


def test_a_confirmation_is_for_one_sale_one_till_and_no_more_points(
    rich: World, till: Till
) -> None:
    phone, sale_id, elsewhere = phone_in_hand(rich), rich.sale_id(), rich.till(terminal="t-2")
    yes = phone.confirm(challenge_of(till, sale_id, 800))
    other = DeclineReason.CONFIRM_OTHER
    assert reason_of(till.authorise(rich.sale_id(), yes, optional=800)) is other
    assert reason_of(elsewhere.authorise(rich.sale_id(), yes, optional=800)) is other
    assert reason_of(till.authorise(sale_id, yes, optional=801)) is other
    sale_id = rich.sale_id()
    stranger = phone_in_hand(rich, LIU).confirm(challenge_of(till, sale_id, 10))
    posed = msgspec.structs.replace(stranger, certificate_hex=phone.known.certificate)
    assert reason_of(till.authorise(sale_id, posed, optional=10)) is other


def test_a_shop_that_inflates_what_was_confirmed_is_not_paid(rich: World, till: Till) -> None:
    phone, sale_id = phone_in_hand(rich), rich.sale_id()
    yes = phone.confirm(challenge_of(till, sale_id, 50))
    inflated = bought(rich, yes, 60, sale_id, by=AnsweredBy.STAND_IN)
    assert till.outcome(inflated).outcome is OutcomeKind.PARKED
    for_another = bought(rich, yes, 50, by=AnsweredBy.STAND_IN)
    assert till.outcome(for_another).outcome is OutcomeKind.PARKED


def test_a_lost_phone_is_ended_and_a_new_one_replaces_the_old(rich: World, till: Till) -> None:
    old = phone_in_hand(rich)
    new = phone_in_hand(rich)
    assert (old.known.seq, new.known.seq, phone_seq(rich)) == (1, 2, 2)
    gone = till.authorise(rich.sale_id(), old.show(), optional=10)
    assert reason_of(gone) is DeclineReason.PHONE_REVOKED
    assert isinstance(till.authorise(rich.sale_id(), new.show(), optional=10), Approved)
    rich.do(EndPhone(account=ZHANG, reason="遗失"))
    gone = till.authorise(rich.sale_id(), new.show(), optional=10)
    assert reason_of(gone) is DeclineReason.PHONE_REVOKED
    assert phone_seq(rich) == 3
    told = new.refresh()
    assert isinstance(told, PhoneEnded)
    assert told.state == "revoked"


def slot_of(phone: PhoneInHand, index: int = 0) -> SlotEvidence:
    """What the phone shows should its key be lost."""
    code = read_code(phone.known.slots[index].digits)
    assert isinstance(code, SlotCode)
    return SlotEvidence(payload_hex=code.payload.hex())


def test_a_phones_slots_end_with_it(rich: World, till: Till) -> None:
    old = phone_in_hand(rich)
    assert isinstance(till.authorise(rich.sale_id(), slot_of(old), optional=10), Approved)
    new = phone_in_hand(rich)
    revoked = DeclineReason.PHONE_REVOKED
    assert reason_of(till.authorise(rich.sale_id(), slot_of(old), optional=10)) is revoked
    assert isinstance(till.authorise(rich.sale_id(), slot_of(new), optional=10), Approved)
    later = slot_of(new, 40)
    rich.do(EndPhone(account=ZHANG, reason="遗失"))
    assert reason_of(till.authorise(rich.sale_id(), slot_of(new), optional=10)) is revoked
    rich.clock.move(hours=20)
    assert reason_of(till.authorise(rich.sale_id(), later, optional=10)) is revoked
    # What the pool makes by itself is no phone's.
    assert isinstance(till.authorise(rich.sale_id(), rich.slot(), optional=10), Approved)


def test_slots_of_a_key_that_can_be_read_are_good_for_half(rich: World, till: Till) -> None:
    phone = PhoneInHand(rich)
    phone.enrol(invite_phone(rich), extractable=True)
    assert phone.known.show_points == SHOW_LIMIT // 2
    answer = till.authorise(rich.sale_id(), slot_of(phone), optional=700)
    assert isinstance(answer, Approved)
    assert answer.points == SHOW_LIMIT // 2


def test_a_sale_of_a_phone_that_was_ended_since_is_paid(rich: World, till: Till) -> None:
    shown = phone_in_hand(rich).show()
    sale = bought(rich, shown, 10, by=AnsweredBy.STAND_IN)
    rich.do(EndPhone(account=ZHANG, reason="遗失"))
    assert till.outcome(sale).outcome is OutcomeKind.POSTED


@pytest.mark.parametrize(
    "broken",
    [
        {"payload_hex": "zz"},
        {"payload_hex": ""},
        {"payload_hex": "11" * 185},
        {"payload_hex": "41" * 95},
    ],
)
def test_evidence_that_is_none_is_declined(rich: World, till: Till, broken: dict[str, str]) -> None:
    shown = msgspec.structs.replace(phone_in_hand(rich).show(), **broken)
    answer = till.authorise(rich.sale_id(), shown, optional=10)
    assert reason_of(answer) in {DeclineReason.CODE_UNREADABLE, DeclineReason.CODE_FOREIGN}
    sale = bought(rich, shown, 10, by=AnsweredBy.STAND_IN)
    assert till.outcome(sale).outcome is OutcomeKind.PARKED


def test_a_phones_day_replays_to_the_same_books(rich: World, till: Till, tmp_path: Path) -> None:
    phone, sale_id = phone_in_hand(rich), rich.sale_id()
    shown = phone.show()
    till.authorise(sale_id, shown, optional=10)
    till.tell(bought(rich, shown, 10, sale_id))
    till.authorise(rich.sale_id(), phone.show(counter=1), optional=10)
    PhoneInHand(rich).enrol(invite_phone(rich, LIU)[:6] + "XXXXXX")
    rich.do(EndPhone(account=ZHANG, reason="遗失"))
    with reading(rich.engine) as tx:
        assert list(check_replay(tx, rich.pool, make_desk)) == []


def test_the_books_grade_a_proof_by_what_it_is(rich: World, till: Till) -> None:
    boasted = msgspec.structs.replace(
        bought(rich, rich.slot(), 50, by=AnsweredBy.STAND_IN), proof_grade=ProofGrade.CONFIRM
    )
    assert till.outcome(boasted).outcome is OutcomeKind.POSTED
    sale = rich.read(lambda tx: sale_of(tx, rich.pool, boasted.sale_id))
    assert sale is not None
    assert sale.proof_grade == ProofGrade.SHOW.value
    with reading(rich.engine) as tx:
        assert list(check_replay(tx, rich.pool, make_desk)) == []


@pytest.mark.postgres
def test_a_phone_is_used_on_postgresql(postgres_url: str, tmp_path: Path) -> None:
    engine: Engine = open_engine(postgres_url)
    create_all(engine, metadata)
    world = World(engine, tmp_path, "guanghui")
    world.furnish()
    till = world.till()
    test_a_copied_key_is_noticed_and_both_sides_are_told(_enriched(world), till)
    engine.dispose()


def _enriched(world: World) -> World:
    for _ in range(10):
        world.award(ZHANG, "river-patrol")
    return world
