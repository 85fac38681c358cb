"""A denominated card is lost, torn or paid in; its points go on, once, and never twice (C1)."""

from datetime import date
from pathlib import Path
from uuid import UUID

import msgspec
import pytest
import zxingcpp
from PIL import Image

from protocol.documents import DirectoryPage, open_document
from protocol.evidence import CardEvidence
from protocol.messages import Approved, DocumentsAnswer, DocumentsRequest, OutcomeKind
from protocol.reasons import Declined, DeclineReason
from protocol.sales import RefundLine, SaleCaptured, SaleLine
from server.awards import ClawBackAward
from server.awards.bearer_cards import IssueBearerCards
from server.awards.bearer_moves import (
    BearerMoved,
    BlockBearerCard,
    PayInBearerCard,
    ReplaceBearerCard,
)
from server.directory.bearer import Spend, bearer_of, stop_of
from server.directory.commands import IssueCard, RegisterResident
from server.facts import Refusal
from tests.unit.awards.conftest import MakeWorld
from tests.unit.awards.deeds import Points, assert_audit_is_clean, award, points, reason
from tests.unit.awards.running import run
from tests.unit.awards.test_attacks import at_once
from tests.unit.server.bookkeeping import codes
from tests.unit.server.world import ZHANG, Till, World, points_line, refunded, sold

CARD, NEW = "00000000000000f1", "00000000000000f9"
MOVE = "01890000-0000-7000-8000-000000000001"
OTHER_MOVE = "01890000-0000-7000-8000-000000000002"
RICE = points_line("rice", 15, 2_800)
SOY_SAUCE = points_line("soy-sauce", 3, 700)
GOODS_BACK = RefundLine(line_no=1, quantity_milli=1_000, amount_fen=0, amount_points=3)
OIL = points_line("rapeseed-oil", 40, 9_500)


@pytest.fixture
def counter(make_world: MakeWorld) -> World:
    world = make_world("yamen")
    issue(world)
    return world


def issue(world: World, card_id: str = CARD, spend: Spend = Spend.DOWN_TO_ZERO) -> None:
    world.do(
        IssueBearerCards(
            batch=f"b-{card_id}",
            card_ids=(card_id,),
            value_points=15,
            expires_on=date(2027, 3, 2),
            spend=spend,
            place="yamen-1",
        )
    )


def shown(till: Till, sale_id: UUID, wanted: int, card_id: str) -> CardEvidence:
    return till.world.card(card_id, sale_id, wanted, terminal=till.terminal)


def ask(till: Till, wanted: int, card_id: str = CARD) -> Approved | Declined:
    sale_id = till.world.sale_id()
    answer = till.authorise(sale_id, shown(till, sale_id, wanted, card_id), required=wanted)
    assert isinstance(answer, Approved | Declined), answer
    return answer


def replace(move: str = MOVE, new: str = NEW, **other: object) -> ReplaceBearerCard:
    command = ReplaceBearerCard(
        move=move, card_id=CARD, new_card_id=new, expires_on=date(2027, 6, 1), reason="卡片破损"
    )
    return msgspec.structs.replace(command, **other)


def buy(till: Till, line: SaleLine, card_id: str = CARD) -> SaleCaptured:
    world, sale_id = till.world, till.world.sale_id()
    worth = line.amount_points
    evidence = shown(till, sale_id, worth, card_id)
    assert isinstance(till.authorise(sale_id, evidence, required=worth), Approved)
    sale = sold(world, line, points=worth, sale_id=sale_id, account=card_id, evidence=evidence)
    assert till.outcome(sale).outcome is OutcomeKind.POSTED
    return sale


def test_c1_fifteen_on_a_card_and_25_on_the_balance_buy_a_drum_of_oil(counter: World) -> None:
    counter.award(ZHANG, "early-fire", "early-fire", "haircut")
    assert points(counter).balance == 25
    till = counter.till()
    paid_in = PayInBearerCard(move=MOVE, card_id=CARD, account=ZHANG)
    assert counter.do(paid_in) == BearerMoved(CARD, 15)
    assert counter.do(paid_in) == BearerMoved(CARD, 15, again=True)
    assert codes(counter, f"card_move:{MOVE}") == [("card_paid_in", 15)]
    assert points(counter) == Points(balance=40, issued=40)
    sale_id, slot = counter.sale_id(), counter.slot()
    assert isinstance(till.authorise(sale_id, slot, required=40), Approved)
    sale = sold(counter, OIL, points=40, sale_id=sale_id, evidence=slot)
    assert till.outcome(sale).outcome is OutcomeKind.POSTED
    assert points(counter).balance == 0
    empty = ask(till, 3)
    assert empty == Declined(DeclineReason.CARD_EMPTY, used_at=counter.clock(), used_where="")
    assert_audit_is_clean(counter)


def test_c1_soy_sauce_leaves_twelve_or_all_goes_by_the_cards_policy(counter: World) -> None:
    issue(counter, NEW, Spend.IN_ONE_GO)
    till = counter.till()
    buy(till, SOY_SAUCE)
    buy(till, SOY_SAUCE, NEW)
    assert counter.points(f"card:{CARD}") == 12
    assert counter.points(f"card:{NEW}") == 0
    assert counter.points("lapsed_points") == 12
    paid_in = PayInBearerCard(move=MOVE, card_id=NEW, account=ZHANG)
    assert reason(counter.submit(paid_in)) == "empty"
    assert_audit_is_clean(counter)


def test_what_a_resident_owes_is_cleared_out_of_a_card_that_is_paid_in(counter: World) -> None:
    counter.do(award("a-1", "early-fire"))
    till, sale_id, slot = counter.till(), counter.sale_id(), counter.slot()
    till.authorise(sale_id, slot, required=6)
    detergent = points_line("detergent", 6, 900)
    till.tell(sold(counter, detergent, points=6, sale_id=sale_id, evidence=slot))
    counter.do(ClawBackAward(award_id="a-1", clawed_back_by="office", reason="虚报"))
    assert points(counter) == Points(balance=0, owed=6, issued=15)
    counter.do(PayInBearerCard(move=MOVE, card_id=CARD, account=ZHANG))
    assert points(counter) == Points(balance=9, owed=0, issued=15)
    assert_audit_is_clean(counter)


def test_a_blocked_card_is_taken_nowhere_and_its_points_wait(counter: World) -> None:
    till = counter.till()
    blocked = BlockBearerCard(card_id=CARD, reason="居民报失")
    assert counter.do(blocked) == BearerMoved(CARD, 0)
    assert counter.do(blocked) == BearerMoved(CARD, 0, again=True)
    stop = counter.read(lambda tx: stop_of(tx, counter.pool, CARD))
    assert stop is not None
    assert (stop.stopped_by, stop.reason) == ("test", "居民报失")
    answer = ask(till, 3)
    assert isinstance(answer, Declined)
    assert answer.reason is DeclineReason.CODE_REVOKED
    assert counter.points(f"card:{CARD}") == 15
    assert (
        reason(counter.submit(PayInBearerCard(move=MOVE, card_id=CARD, account=ZHANG))) == "blocked"
    )
    told = till.ask("documents", DocumentsRequest(), DocumentsAnswer)
    assert isinstance(told, DocumentsAnswer)
    opened = [
        open_document(each, counter.keys.root_public, counter.keys.tag) for each in told.documents
    ]
    (directory,) = [each for each in opened if isinstance(each, DirectoryPage)]
    assert CARD not in {each.account for each in directory.residents()}
    assert_audit_is_clean(counter)


def test_a_card_is_replaced_with_what_is_left_on_it(counter: World) -> None:
    till = counter.till()
    sale = buy(till, SOY_SAUCE)
    assert counter.do(replace()) == BearerMoved(CARD, 12)
    assert counter.do(replace()) == BearerMoved(CARD, 12, again=True)
    other = counter.submit(replace(new="00000000000000fa"))
    assert reason(other) == "conflict"
    assert NEW in str(other)
    assert "00000000000000fa" in str(other)
    assert (counter.points(f"card:{CARD}"), counter.points(f"card:{NEW}")) == (0, 12)
    made = counter.read(lambda tx: bearer_of(tx, counter.pool, NEW))
    assert made is not None
    assert (made.value_points, made.place, made.spend) == (12, "yamen-1", Spend.DOWN_TO_ZERO)
    assert counter.points("points_issued") == 15
    assert isinstance(ask(till, 3), Declined)
    buy(till, SOY_SAUCE, NEW)
    # Goods that come back bring points to the card that paid; from there they are moved again.
    back = refunded(counter, sale, GOODS_BACK, points_for_goods=3)
    assert till.outcome(back).outcome is OutcomeKind.POSTED
    assert counter.points(f"card:{CARD}") == 3
    assert isinstance(ask(till, 3), Declined)
    again = replace(OTHER_MOVE, "00000000000000fa")
    assert counter.do(again) == BearerMoved(CARD, 3)
    assert_audit_is_clean(counter)


def test_what_a_till_has_reserved_is_left_to_it(counter: World) -> None:
    till, sale_id = counter.till(), counter.sale_id()
    evidence = shown(till, sale_id, 15, CARD)
    assert isinstance(till.authorise(sale_id, evidence, required=15), Approved)
    assert reason(counter.submit(replace())) == "reserved"
    counter.do(BlockBearerCard(card_id=CARD, reason="报失"))
    sale = sold(counter, RICE, points=15, sale_id=sale_id, account=CARD, evidence=evidence)
    assert till.outcome(sale).outcome is OutcomeKind.POSTED
    assert counter.points(f"card:{CARD}") == 0
    assert reason(counter.submit(replace())) == "empty"
    assert_audit_is_clean(counter)


def test_what_cannot_be_moved_is_refused(counter: World) -> None:
    assert reason(counter.submit(replace(reason=" "))) == "no_reason"
    assert reason(counter.submit(replace(new=CARD))) == "conflict"
    assert reason(counter.submit(replace(new=ZHANG))) == "conflict"
    assert reason(counter.submit(replace(expires_on=date(2026, 1, 1)))) == "expired"
    nobody = BlockBearerCard(card_id="f" * 16, reason="x")
    assert reason(counter.submit(nobody)) == "unknown_card"
    stranger = PayInBearerCard(move=MOVE, card_id=CARD, account="f" * 16)
    assert reason(counter.submit(stranger)) == "unknown_resident"
    counter.clock.move(days=400)
    assert reason(counter.submit(replace(expires_on=date(2028, 1, 1)))) == "expired"
    assert (
        reason(counter.submit(PayInBearerCard(move=MOVE, card_id=CARD, account=ZHANG))) == "expired"
    )


def test_a_card_that_is_paid_in_and_spent_at_once_is_worth_it_once(counter: World) -> None:
    till = counter.till()
    sale_id = counter.sale_id()
    evidence = shown(till, sale_id, 15, CARD)
    answers = at_once(
        lambda: till.authorise(sale_id, evidence, required=15),
        lambda: counter.submit(PayInBearerCard(move=MOVE, card_id=CARD, account=ZHANG)),
    )
    paid_in = isinstance(answers[1], BearerMoved)
    assert paid_in != isinstance(answers[0], Approved)
    assert points(counter).balance == (15 if paid_in else 0)
    assert_audit_is_clean(counter)


def test_the_command_blocks_replaces_and_pays_in(counter: World, tmp_path: Path) -> None:
    out = tmp_path / "cards"
    made = run(
        counter, "bearer-card", "replace", CARD, "--reason", "破损", "--id", MOVE, "--out", str(out)
    )
    assert made.exit_code == 0, made.output
    (picture,) = out.iterdir()
    same = run(
        counter, "bearer-card", "replace", CARD, "--reason", "破损", "--id", MOVE, "--out", str(out)
    )
    assert same.exit_code == 0, same.output
    assert list(out.iterdir()) == [picture]
    (read,) = zxingcpp.read_barcodes(Image.open(picture))
    done = run(counter, "bearer-card", "pay-in", read.text, "--account", ZHANG)
    assert (done.exit_code, "+15" in done.output) == (0, True), done.output
    assert points(counter).balance == 15
    bad = run(counter, "bearer-card", "pay-in", "12345", "--account", ZHANG)
    assert (bad.exit_code, "请重扫" in bad.output) == (1, True)
    stopped = run(counter, "bearer-card", "block", picture.stem, "--reason", "报失")
    assert (stopped.exit_code, "已停用" in stopped.output) == (0, True)
    assert_audit_is_clean(counter)


def test_no_resident_and_no_residents_card_gets_a_bearers_id(counter: World) -> None:
    """Or a sale by the card would be taken from whoever was registered under its id."""
    resident = RegisterResident(
        account=CARD, name="冒名", household="1-1", place=counter.preset.places[0].id
    )
    refused = counter.submit(resident)
    assert isinstance(refused, Refusal)
    assert "面值积分卡" in str(refused)
    assert "换一个编号" in str(refused)
    card = IssueCard(
        card_id=CARD, account=ZHANG, seq=1, expires_on=date(2027, 3, 2), cap_points=200
    )
    assert isinstance(counter.submit(card), Refusal)
    buy(counter.till(), RICE)
    assert counter.points(f"card:{CARD}") == 0
