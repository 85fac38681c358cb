"""面值积分卡: worth their points to whoever holds them, and never twice (scenario C1)."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from uuid import UUID

import click
import pytest
import zxingcpp
from click.testing import CliRunner, Result
from msgspec.structs import replace
from PIL import Image
from sqlalchemy import Engine

from config.server import ServerSettings
from protocol.codes import CardCode, parse_code, verify_code
from protocol.documents import DirectoryCard, DirectoryPage, open_document
from protocol.evidence import CardEvidence
from protocol.messages import Approved, DocumentsAnswer, DocumentsRequest, OutcomeKind
from protocol.money import Points
from protocol.reasons import Declined, DeclineReason
from protocol.redemption import FenRemainder
from protocol.sales import RefundLine, SaleCaptured, SaleLine
from server.awards import AwardPoints
from server.awards.bearer_cards import BearerCardsIssued, BearerProblem, IssueBearerCards
from server.bootstrap.desk import make_desk
from server.bootstrap.main import huidian_server
from server.commands.audit import run_audit
from server.commands.context import CommandContext, OpenedPool
from server.commands.report_figures import Figures, Period, by_place
from server.db import create_all, metadata, open_engine, reading
from server.directory import commands as c
from server.directory.bearer import Spend, bearer_cards
from server.facts.refused import Refused
from server.redemption.limits import over_limits
from tests.unit.server.world import (
    TODAY,
    ZHANG,
    Till,
    World,
    points_line,
    refunded,
    sold,
)

POSTED = OutcomeKind.POSTED
CARD = "00000000000000f1"
OTHER = "00000000000000f2"
RICE = points_line("rice", 15, 2_800)
SOY_SAUCE = points_line("soy-sauce", 3, 700)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    url = f"sqlite:///{tmp_path}/pool.sqlite3"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
    opened = open_engine(url)
    create_all(opened, metadata)
    yield opened
    opened.dispose()


def batch(
    *cards: str, spend: Spend = Spend.DOWN_TO_ZERO, name: str = "b-1", place: str = "yamen-1"
) -> IssueBearerCards:
    return IssueBearerCards(
        batch=name,
        card_ids=cards or (CARD, OTHER),
        value_points=15,
        expires_on=date(2027, 3, 2),
        spend=spend,
        place=place,
    )


def ask(till: Till, sale_id: UUID, points: int, card_id: str = CARD) -> Approved | Declined:
    evidence = till.world.card(card_id, sale_id, points, terminal=till.terminal)
    answer = till.authorise(sale_id, evidence, required=points)
    assert isinstance(answer, Approved | Declined), answer
    return answer


def by_card(till: Till, sale_id: UUID, *lines: SaleLine, card_id: str = CARD) -> SaleCaptured:
    points = sum(line.amount_points for line in lines)
    evidence = till.world.card(card_id, sale_id, points, terminal=till.terminal)
    return sold(
        till.world, *lines, points=points, sale_id=sale_id, account=card_id, evidence=evidence
    )


def buy(till: Till, *lines: SaleLine, card_id: str = CARD) -> SaleCaptured:
    """Ask and capture; what a till does with a card in front of it."""
    sale_id = till.world.sale_id()
    answer = ask(till, sale_id, sum(line.amount_points for line in lines), card_id)
    assert isinstance(answer, Approved), answer
    sale = by_card(till, sale_id, *lines, card_id=card_id)
    assert till.outcome(sale).outcome is OutcomeKind.POSTED
    return sale


def assert_clean(world: World) -> None:
    with reading(world.engine) as tx:
        found = {each.invariant: each.violations for each in run_audit(tx, world.pool, make_desk)}
    assert found == dict.fromkeys(found, ())


def test_what_a_card_bought_today_counts_against_no_days_limit(counter: World) -> None:
    """It is nobody's; one sale by it stays within the limit all the same."""
    counter.do(batch())
    counter.do(
        c.SetRedemptionTerms(
            valid_from=TODAY,
            fen_remainder=FenRemainder.CASH,
            per_day_points=5,
            per_household_day_points=5,
        )
    )
    till = counter.till()
    for _ in range(3):
        buy(till, SOY_SAUCE)
    over = ask(till, counter.sale_id(), 6, OTHER)
    assert over == Declined(DeclineReason.OVER_DAY_LIMIT, limit_points=Points(5))
    assert counter.read(lambda tx: over_limits(tx, counter.pool, TODAY, TODAY)) == []
    assert_clean(counter)


def test_one_15_point_card_buys_one_bag_of_rice_and_then_nothing(counter: World) -> None:
    """C1: card 15, used 15, left 0; a second scan says when and where it was used up."""
    counter.do(batch())
    till, elsewhere = counter.till(), counter.till(terminal="t-2")
    sale_id = counter.sale_id()
    answer = ask(till, sale_id, 15)
    assert isinstance(answer, Approved)
    assert (answer.account, answer.points, answer.balance_points) == (CARD, 15, 15)
    sale = by_card(till, sale_id, RICE)
    assert (sale.payment.points_for_goods, sale.payment.cash_fen) == (15, 0)
    used_at = counter.clock()
    assert till.outcome(sale).outcome is OutcomeKind.POSTED
    assert counter.points(f"card:{CARD}") == 0
    assert counter.points("redeemed:shop-a") == 15
    assert counter.fen("merchant:shop-a") == 2_800
    counter.clock.move(days=1)
    again = ask(elsewhere, counter.sale_id(), 3)
    assert again == Declined(DeclineReason.CARD_EMPTY, used_at=used_at, used_where="门店shop-a")
    assert counter.points(f"card:{OTHER}") == 15
    assert_clean(counter)


def test_a_card_is_spent_down_to_zero_sale_by_sale(counter: World) -> None:
    counter.do(batch())
    till = counter.till()
    buy(till, SOY_SAUCE)
    assert counter.points(f"card:{CARD}") == 12
    answer = ask(till, counter.sale_id(), 15)
    assert answer == Declined(DeclineReason.INSUFFICIENT_POINTS, missing_points=Points(3))
    buy(till, points_line("soy-sauce", 3, 700, quantity_milli=4_000))
    assert counter.points(f"card:{CARD}") == 0
    assert_clean(counter)


def test_what_a_card_in_one_go_does_not_spend_lapses_and_no_second_till_gets_it(
    counter: World,
) -> None:
    counter.do(batch(spend=Spend.IN_ONE_GO))
    till, elsewhere = counter.till(), counter.till(terminal="t-2")
    sale_id = counter.sale_id()
    assert isinstance(ask(till, sale_id, 3), Approved)
    held = ask(elsewhere, counter.sale_id(), 3)
    assert held == Declined(DeclineReason.INSUFFICIENT_POINTS, missing_points=Points(3))
    till.tell(by_card(till, sale_id, SOY_SAUCE))
    assert counter.points(f"card:{CARD}") == 0
    assert counter.points("lapsed_points") == 12
    assert counter.points("redeemed:shop-a") == 3
    empty = ask(elsewhere, counter.sale_id(), 3)
    assert isinstance(empty, Declined)
    assert empty.reason is DeclineReason.CARD_EMPTY
    assert_clean(counter)


def test_what_lapsed_with_a_sale_comes_back_with_all_of_it(counter: World) -> None:
    counter.do(batch(spend=Spend.IN_ONE_GO))
    till = counter.till()
    two = points_line("soy-sauce", 3, 700, quantity_milli=2_000)
    sale = buy(till, two)
    assert (counter.points(f"card:{CARD}"), counter.points("lapsed_points")) == (0, 9)
    one = RefundLine(line_no=1, quantity_milli=1_000, amount_fen=0, amount_points=3)
    assert till.outcome(refunded(counter, sale, one, points_for_goods=3)).outcome is POSTED
    assert (counter.points(f"card:{CARD}"), counter.points("lapsed_points")) == (3, 9)
    assert till.outcome(refunded(counter, sale, one, points_for_goods=3)).outcome is POSTED
    assert (counter.points(f"card:{CARD}"), counter.points("lapsed_points")) == (15, 0)
    assert_clean(counter)


def test_a_void_gives_back_what_lapsed_once_for_each_sale(counter: World) -> None:
    counter.do(batch(spend=Spend.IN_ONE_GO))
    till = counter.till()
    back = RefundLine(line_no=1, quantity_milli=1_000, amount_fen=0, amount_points=3)
    for _ in range(2):
        sale = buy(till, SOY_SAUCE)
        assert counter.points("lapsed_points") == 12
        void = replace(refunded(counter, sale, back, points_for_goods=3), void=True)
        assert till.outcome(void).outcome is POSTED
        assert (counter.points(f"card:{CARD}"), counter.points("lapsed_points")) == (15, 0)
    assert_clean(counter)


def test_a_card_used_twice_offline_is_an_overdraft_and_never_below_zero(counter: World) -> None:
    counter.do(batch())
    till, elsewhere = counter.till(), counter.till(terminal="t-2")
    assert till.outcome(by_card(till, counter.sale_id(), RICE)).outcome is OutcomeKind.POSTED
    twice = elsewhere.outcome(by_card(elsewhere, counter.sale_id(), RICE))
    assert (twice.outcome, twice.overdraft_points) == (OutcomeKind.OVERDRAFT, 15)
    assert counter.points(f"card:{CARD}") == 0
    assert counter.points(f"offline_overdraft:{CARD}") == 15
    assert counter.fen("merchant:shop-a") == 5_600, "the goods are gone, the shop is paid"
    assert_clean(counter)


def test_a_refund_puts_the_points_back_on_the_card(counter: World) -> None:
    counter.do(batch())
    till = counter.till()
    sale = buy(till, RICE)
    back = RefundLine(line_no=1, quantity_milli=1_000, amount_fen=0, amount_points=15)
    outcome = till.outcome(refunded(counter, sale, back, points_for_goods=15))
    assert outcome.outcome is OutcomeKind.POSTED, outcome.says
    assert counter.points(f"card:{CARD}") == 15
    buy(till, RICE)
    assert_clean(counter)


def test_a_card_without_its_secret_or_past_its_day_is_refused(counter: World) -> None:
    counter.do(batch())
    till = counter.till()
    sale_id = counter.sale_id()
    guessed = CardEvidence(card_id=CARD, seq=1, proof_hex="0" * 64)
    forged = till.authorise(sale_id, guessed, required=3)
    assert forged == Declined(DeclineReason.CODE_FORGED)
    other_sale = by_card(till, counter.sale_id(), RICE)
    stolen = sold(counter, RICE, points=15, account=CARD, evidence=counter.card(OTHER, sale_id, 15))
    assert till.outcome(stolen).outcome is OutcomeKind.PARKED
    assert till.outcome(other_sale).outcome is OutcomeKind.POSTED
    counter.clock.move(days=400)
    late = ask(till, counter.sale_id(), 3, OTHER)
    assert isinstance(late, Declined)
    assert late.reason is DeclineReason.CODE_EXPIRED


def test_a_batch_is_issued_once_and_its_ids_are_nobody_elses(counter: World) -> None:
    counter.do(batch())
    assert counter.do(batch()) == BearerCardsIssued("b-1", 2, again=True)
    assert counter.points("points_issued") == 30
    for other, reason in (
        (batch(CARD), BearerProblem.CONFLICT),
        (batch(CARD, name="b-2"), BearerProblem.CONFLICT),
        (batch(ZHANG, name="b-2"), BearerProblem.CONFLICT),
        (batch("a" * 16, "a" * 16, name="b-2"), BearerProblem.CONFLICT),
        (batch("a" * 16, name="b-2", place="nowhere"), BearerProblem.UNKNOWN_PLACE),
    ):
        outcome = counter.submit(other)
        assert isinstance(outcome, Refused), other
        assert outcome.reason == reason
    fewer = counter.submit(batch(CARD))
    assert isinstance(fewer, Refused)
    assert "（2 张, 15 积分, " in fewer.says
    assert "与这次（1 张, 15 积分, " in fewer.says
    counter.clock.move(days=400)
    stale = counter.submit(batch("a" * 16, name="b-2"))
    assert isinstance(stale, Refused)
    assert stale.reason == BearerProblem.EXPIRED
    award = AwardPoints(
        award_id="w-1", account=CARD, rule_id="early-fire", performed_on=TODAY, awarded_by="网格员"
    )
    assert isinstance(counter.submit(award), Refused), "nobody earns on a card"


def test_terminals_know_a_card_by_its_own_entry_and_reports_by_its_place(counter: World) -> None:
    counter.do(batch())
    till = counter.till()
    buy(till, SOY_SAUCE)
    answer = till.ask("documents", DocumentsRequest(), DocumentsAnswer)
    assert isinstance(answer, DocumentsAnswer)
    opened = [
        open_document(each, counter.keys.root_public, counter.keys.tag) for each in answer.documents
    ]
    (directory,) = [each for each in opened if isinstance(each, DirectoryPage)]
    entries = {each.account: each for each in directory.residents()}
    assert entries[CARD].cards == (DirectoryCard(card_id=CARD, seq=1),)
    assert (entries[CARD].allowance_points, entries[OTHER].allowance_points) == (10, 15)
    rows = counter.read(lambda tx: by_place(tx, counter.pool, Period()))
    figures = {row.place: row.own for row in rows}
    assert figures["yamen-1"] == Figures(awarded=30, redeemed=3)


def run(world: World, *arguments: str) -> Result:
    context = CommandContext(
        settings=ServerSettings(data_dir=world.folder),
        clock=world.clock,
        randomness=world.random.randbytes,
        make_desk=make_desk,
        open_pool=lambda: OpenedPool(world.pool, world.engine, world.keys),
        create_pool=_nobody,
        serve=_nobody_serves,
    )
    group: click.Group = huidian_server
    return CliRunner().invoke(group.commands["bearer-cards"], list(arguments), obj=context)


def _nobody(given: object) -> OpenedPool:
    raise AssertionError(given)


def _nobody_serves(opened: OpenedPool, _workers: int) -> None:
    raise AssertionError(opened)


def test_printed_cards_are_codes_of_the_pool_and_print_the_same_again(
    counter: World, tmp_path: Path
) -> None:
    first, again = tmp_path / "first", tmp_path / "again"
    worth = ("--count", "2", "--points", "15", "--place", "yamen-1")
    printed = run(counter, "--batch", "b-9", *worth, "--out", str(first))
    assert printed.output.endswith("批号 batch b-9  2 × 15\n")
    assert run(counter, "--batch", "b-9", "--out", str(again)).exit_code == 0
    names = {each.name for each in first.iterdir()}
    assert len(names) == 2
    assert {each.name: each.read_bytes() for each in first.iterdir()} == {
        each.name: each.read_bytes() for each in again.iterdir()
    }
    issued = counter.read(lambda tx: bearer_cards(tx, counter.pool, batch="b-9"))
    for card in issued:
        (read,) = zxingcpp.read_barcodes(Image.open(first / f"{card.card_id}.png"))
        code = parse_code(read.text)
        assert isinstance(code, CardCode)
        assert (code.card_id.hex(), code.cap, code.seq) == (card.card_id, 15, 1)
        keys = {counter.keys.card_kid: counter.keys.card_issuer.public_key()}
        assert verify_code(code, keys, counter.keys.tag, counter.clock()) is None
        assert card.expires_on == TODAY + timedelta(days=counter.preset.codes.card_valid_days)
    missing = run(counter, "--count", "2", "--out", str(tmp_path / "none"))
    assert (missing.exit_code, "--points" in missing.output) == (1, True)
