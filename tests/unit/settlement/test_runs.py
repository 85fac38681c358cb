"""Runs merchant by merchant: opened, settled, closed; interrupted anywhere; contracts and charges."""

import signal
import subprocess
import sys
import threading
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine, Table, func, select

from server.db import create_all, metadata, open_engine, reading
from server.directory.commands import EndContract
from server.directory.contract_terms import Basis, ContractTerms, Cycle, ShareRule, simple_terms
from server.directory.values import DirectoryProblem, Done
from server.facts import replay
from server.facts.refused import Refused
from server.ledger import Asset, balance, fold
from server.settlement import runs
from server.settlement import tables as t
from server.settlement.lines import lines_of
from server.settlement.statements import members_of, shares_of, statements_of
from server.settlement.values import (
    CloseRun,
    LeftOpen,
    MerchantSettled,
    OpenRun,
    RunClosed,
    RunOpened,
    SettleMerchant,
    SettleProblem,
    SettleRefused,
    Share,
    Statement,
    Totals,
)
from tests.unit.settlement.world import World, make_desk

POOL = "guanghui"
ROOT = Path(__file__).parents[3]
D = [date(2026, 3, 1) + timedelta(days=number) for number in range(80)]
FIVE = ContractTerms(share=(ShareRule(tiers=((0, 500),)),))
SETTLED_TABLES = (
    t.settlement_run,
    t.settlement_close,
    t.left_open,
    t.statement,
    t.statement_share,
    t.statement_minimum,
    t.statement_rent,
    t.statement_line,
)


def made(world: World, merchant: str) -> list[Statement]:
    """The merchant's statements, oldest first."""
    with reading(world.engine) as tx:
        return statements_of(tx, POOL, merchant=merchant)[::-1]


def shares(world: World, statement: str) -> list[Share]:
    with reading(world.engine) as tx:
        return shares_of(tx, POOL, statement)


def owed_fen(world: World, merchant: str) -> int:
    with reading(world.engine) as tx:
        return balance(tx, POOL, f"merchant:{merchant}", Asset.FEN)


def count(world: World, table: Table) -> int:
    with reading(world.engine) as tx:
        return int(tx.execute(select(func.count()).select_from(table)).scalar_one())


def test_a_run_settles_everybody_and_closes(world: World) -> None:
    world.open("m", "n", share_bp=1_000)
    world.sell("m", "s", D[0], cash_fen=1_000, points=10, reimbursement_fen=100)
    closed = world.run(D[0])
    assert closed == RunClosed(f"run-{D[0]}", (), again=False)
    (statement,) = made(world, "m")
    assert statement.totals == Totals(1, 0, 1_000, 0, 10, 0, 100, 0, 100)
    assert (statement.opening_fen, statement.closing_fen, statement.cycle) == (0, 0, "run")
    assert [each.statement for each in made(world, "n")] == ["n-20260301"]


def test_what_is_booked_after_the_opening_is_late_for_the_run(world: World) -> None:
    world.open("m")
    world.sell("m", "before", D[0], cash_fen=1_000)
    world.now = datetime(2026, 3, 2, tzinfo=UTC)
    world.tell(OpenRun(run="r", through=D[0], opened_by="财务"))
    world.sell("m", "after", D[0], cash_fen=500)
    world.tell(SettleMerchant(run="r", merchant="m"))
    world.tell(CloseRun(run="r", closed_by="财务"))
    world.run(D[1])
    first, second = made(world, "m")
    assert (first.totals.takings_fen, second.totals.takings_fen) == (1_000, 500)
    with reading(world.engine) as tx:
        assert [line.late for line in lines_of(tx, POOL, second)] == [True]


def test_opening_a_day_again_answers_the_run_that_is_there(world: World) -> None:
    world.open("m")
    world.now = datetime(2026, 3, 2, tzinfo=UTC)
    assert world.tell(OpenRun(run="a", through=D[0], opened_by="甲")) == RunOpened(
        "a", D[0], again=False, is_closed=False
    )
    assert world.tell(OpenRun(run="b", through=D[0], opened_by="乙")) == RunOpened(
        "a", D[0], again=True, is_closed=False
    )
    first = world.tell(SettleMerchant(run="a", merchant="m"))
    again = world.tell(SettleMerchant(run="a", merchant="m"))
    assert first == MerchantSettled("a", "m", ("m-20260301",), again=False)
    assert again == MerchantSettled("a", "m", ("m-20260301",), again=True)
    world.tell(CloseRun(run="a", closed_by="甲"))
    assert world.tell(CloseRun(run="a", closed_by="乙")) == RunClosed("a", (), again=True)


def reason(outcome: object) -> SettleProblem:
    assert isinstance(outcome, SettleRefused), outcome
    assert " / " in outcome.says
    return outcome.reason


def test_runs_that_cannot_be_are_refused_in_words(world: World) -> None:
    world.open("m", "n")
    world.now = datetime(2026, 3, 2, tzinfo=UTC)
    today = OpenRun(run="r", through=D[1], opened_by="财务")
    assert reason(world.tell(today)) is SettleProblem.PERIOD_OPEN
    future = OpenRun(run="r", through=date(9999, 12, 31), opened_by="财务")
    assert reason(world.tell(future)) is SettleProblem.PERIOD_OPEN
    assert reason(world.tell(SettleMerchant(run="r", merchant="m"))) is SettleProblem.UNKNOWN_RUN
    assert reason(world.tell(CloseRun(run="r", closed_by="x"))) is SettleProblem.UNKNOWN_RUN
    world.tell(OpenRun(run="r", through=D[0], opened_by="财务"))
    unknown = SettleMerchant(run="r", merchant="nobody")
    assert reason(world.tell(unknown)) is SettleProblem.UNKNOWN_MERCHANT
    lacking = world.tell(CloseRun(run="r", closed_by="x"))
    assert reason(lacking) is SettleProblem.MERCHANT_LACKS
    world.now += timedelta(days=1)
    assert reason(world.tell(today)) is SettleProblem.RUN_OPEN
    world.run(D[0])
    taken = OpenRun(run="r", through=D[1], opened_by="财务")
    assert reason(world.tell(taken)) is SettleProblem.RUN_TAKEN
    world.run(D[1])
    world.now += timedelta(days=1)
    back = OpenRun(run="q", through=D[0] - timedelta(days=1), opened_by="财务")
    assert reason(world.tell(back)) is SettleProblem.SETTLED_FURTHER


def test_a_clock_set_back_opens_no_day_that_was_over_before(world: World) -> None:
    world.open("m")
    world.run(D[0])
    world.now = datetime(2026, 3, 1, 2, tzinfo=UTC)
    world.sell("m", "s", D[1], cash_fen=100)
    # Facts never step back: the desk still knows that the second of March has begun.
    assert reason(world.tell(OpenRun(run="x", through=D[1], opened_by="财务"))) is (
        SettleProblem.PERIOD_OPEN
    )
    world.run(D[1], at=datetime(2026, 3, 3, tzinfo=UTC))
    assert made(world, "m")[1].totals.takings_fen == 100


def test_a_merchant_without_a_contract_is_left_open_alone_and_settled_when_asked_again(
    world: World,
) -> None:
    world.open("m", "n", contracts=False)
    world.agree("m", "c-m", 1_000, D[0])
    world.sell("m", "s", D[0], cash_fen=1_000)
    world.sell("n", "u", D[0], cash_fen=1_000)
    closed = world.run(D[0])
    assert closed.left_open == (LeftOpen("n", D[0]),)
    assert len(made(world, "m")) == 1
    assert made(world, "n") == []
    refused = world.tell(SettleMerchant(run=closed.run, merchant="n"))
    assert reason(refused) is SettleProblem.NO_CONTRACT
    world.agree("n", "c-n", 1_000, D[0])
    again = world.run(D[0])
    assert again.again
    (statement,) = made(world, "n")
    assert (statement.run, statement.totals.share_fen) == (closed.run, 100)
    world.run(D[1])
    assert [each.period_from for each in made(world, "n")] == [D[0], D[1]]


def test_two_who_settle_at_once_make_every_statement_once(world: World) -> None:
    merchants = [f"m{number}" for number in range(6)]
    world.open(*merchants, share_bp=1_000)
    for merchant in merchants:
        world.sell(merchant, f"s-{merchant}", D[0], cash_fen=1_000)
    world.now = datetime(2026, 3, 2, tzinfo=UTC)
    start = threading.Barrier(2)
    closings: list[RunClosed] = []

    def settle(name: str) -> None:
        start.wait()
        closings.append(world.run(D[0], name))

    threads = [threading.Thread(target=settle, args=(name,)) for name in ("run-a", "run-b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(closings) == 2
    assert len({each.run for each in closings}) == 1
    assert count(world, t.settlement_run) == 1
    assert count(world, t.statement) == 6
    assert [owed_fen(world, merchant) for merchant in merchants] == [-100] * 6


DIES_AT_N = """
import os, signal, sys
from datetime import date
from server.db import open_engine
from server.settlement import runs
from tests.unit.settlement.world import World

write = runs.issue

def dies_at_n(tx, stamp, draft):
    written = write(tx, stamp, draft)
    if draft.merchant == "n":
        os.kill(os.getpid(), signal.SIGKILL)
    return written

runs.issue = dies_at_n
World(open_engine(sys.argv[1])).run(date(2026, 3, 1))
"""


def test_a_run_killed_in_the_middle_goes_on_where_it_stopped(world: World) -> None:
    world.open("m", "n", "o", share_bp=1_000)
    for merchant in ("m", "n", "o"):
        world.sell(merchant, f"s-{merchant}", D[0], cash_fen=1_000)
    url = world.engine.url.render_as_string(hide_password=False)
    killed = subprocess.run(
        [sys.executable, "-c", DIES_AT_N, url], cwd=ROOT, check=False, timeout=60
    )
    assert killed.returncode == -signal.SIGKILL
    assert [len(made(world, merchant)) for merchant in ("m", "n", "o")] == [1, 0, 0]
    world.sell("o", "late", D[0], cash_fen=70)
    before = made(world, "m")
    closed = world.run(D[0])
    assert not closed.again
    assert made(world, "m") == before
    assert made(world, "o")[0].totals.takings_fen == 1_000
    assert [owed_fen(world, merchant) for merchant in ("m", "n", "o")] == [-100] * 3


def test_a_preview_says_what_the_run_then_makes_and_writes_nothing(world: World) -> None:
    world.open("m", contracts=False)
    rented = ContractTerms(share=FIVE.share, rent_fen=31_000, cycle=Cycle.DAY)
    world.contract("m", "c", rented)
    world.sell("m", "s", D[0], cash_fen=1_000)
    world.sell("m", "u", D[1], cash_fen=2_000)
    with reading(world.engine) as tx:
        (seen,) = list(runs.preview(tx, POOL, D[1]))
    assert [count(world, table) for table in SETTLED_TABLES] == [0] * len(SETTLED_TABLES)
    world.run(D[1])
    statements = made(world, "m")
    assert [each.statement for each in seen.drafts] == [each.statement for each in statements]
    assert [each.totals for each in seen.drafts] == [each.totals for each in statements]
    assert [each.closing_fen for each in seen.drafts] == [each.closing_fen for each in statements]
    assert [(each.totals.share_fen, each.totals.rent_fen) for each in statements] == [
        (50, 1_000),
        (100, 1_000),
    ]


def test_daily_and_monthly_cycles_pay_the_same_share_rent_and_minimum(world: World) -> None:
    tiers = ((0, 300), (10_000, 777))
    rules = (ShareRule(tiers=tiers),)
    world.open("daily", "monthly", contracts=False)
    for merchant, cycle in (("daily", Cycle.DAY), ("monthly", Cycle.MONTH)):
        terms = ContractTerms(share=rules, rent_fen=120_000, share_min_fen=1_500, cycle=cycle)
        world.contract(merchant, f"c-{merchant}", terms)
    for number in range(20):
        for merchant in ("daily", "monthly"):
            world.sell(merchant, f"{merchant}-{number}", D[number], cash_fen=1_013)
    for day in (D[4], D[17], D[30], D[61]):
        world.run(day)
    assert len(made(world, "daily")) == 62
    assert [each.period_through for each in made(world, "monthly")] == [D[30], date(2026, 4, 30)]

    def sums(merchant: str) -> tuple[int, ...]:
        totals = [each.totals for each in made(world, merchant)]
        return (
            sum(each.share_fen for each in totals[:31]),
            sum(each.minimum_fen for each in totals),
            sum(each.rent_fen for each in totals),
        )

    share_fen = (10_000 * 300 + 10_260 * 777 + 5_000) // 10_000
    monthly = made(world, "monthly")
    assert monthly[0].totals.share_fen == share_fen == 1_097
    assert monthly[0].totals.minimum_fen == 1_500 - 1_097
    assert monthly[1].totals.minimum_fen == 1_500
    assert sum(each.totals.share_fen for each in made(world, "daily")) == 1_097
    assert sums("daily")[1] == 403 + 1_500
    assert sums("daily")[2] == 120_000 + 120_000 + 120_000 // 31
    assert monthly[0].totals.rent_fen == monthly[1].totals.rent_fen == 120_000


def test_a_change_of_contract_in_mid_period_splits_share_and_rent(world: World) -> None:
    world.open("m", contracts=False)
    old = ContractTerms(share=(ShareRule(tiers=((0, 1_000),)),), rent_fen=31_000)
    new = ContractTerms(share=(ShareRule(tiers=((0, 300),)),), rent_fen=62_000)
    world.contract("m", "old", old, D[0], D[9])
    world.contract("m", "zneu", new, D[10])
    world.sell("m", "s", D[9], cash_fen=1_000)
    world.sell("m", "u", D[10], cash_fen=1_000)
    world.run(D[14])
    (statement,) = made(world, "m")
    found = [
        (each.contract, each.takings_fen, each.share_fen)
        for each in shares(world, statement.statement)
    ]
    assert found == [("old", 1_000, 100), ("zneu", 1_000, 30)]
    assert statement.totals.rent_fen == 10_000 + 10_000
    world.sell("m", "r", D[15], cash_fen=1_000, of_sale="s")
    world.run(D[15])
    late = made(world, "m")[1]
    assert [(each.contract, each.share_fen) for each in shares(world, late.statement)] == [
        ("old", -100)
    ]


def test_a_shops_own_contract_beats_the_merchants(world: World) -> None:
    world.open("m", contracts=False)
    world.open_shop("m", "m2")
    world.contract("m", "all", FIVE)
    world.contract("m", "own", ContractTerms(share=(ShareRule(tiers=((0, 2_000),)),)), shop="m2")
    world.sell("m", "s", D[0], cash_fen=1_000)
    world.sell("m", "u", D[0], cash_fen=1_000, shop="m2")
    world.run(D[0])
    (statement,) = made(world, "m")
    found = [(each.contract, each.share_fen) for each in shares(world, statement.statement)]
    assert found == [("all", 50), ("own", 200)]
    with reading(world.engine) as tx:
        assert [line.shop for line in lines_of(tx, POOL, statement)] == ["m", "m2"]


def test_a_rule_for_a_category_takes_its_part_of_each_sale(world: World) -> None:
    rules = (
        ShareRule(category="药品", basis=Basis.ALL, tiers=((0, 1_000),)),
        ShareRule(tiers=((0, 300),)),
    )
    world.open("m", contracts=False)
    world.contract("m", "c", ContractTerms(share=rules))
    goods = {"食品": 6_000, "药品": 4_000}
    world.sell("m", "s", D[0], cash_fen=5_000, points=500, reimbursement_fen=5_000, goods=goods)
    world.run(D[0])
    (statement,) = made(world, "m")
    found = [
        (each.category, each.basis, each.takings_fen, each.share_fen)
        for each in shares(world, statement.statement)
    ]
    assert found == [("", "cash", 3_000, 90), ("药品", "all", 4_000, 400)]
    with reading(world.engine) as tx:
        assert sum(line.share_fen for line in lines_of(tx, POOL, statement)) == 490
    back = {"药品": 4_000}
    world.sell("m", "r", D[1], points=400, reimbursement_fen=4_000, of_sale="s", goods=back)
    world.run(D[1])
    second = made(world, "m")[1]
    # What is left of the sale is food for 50.00 in cash and 10.00 in points.
    assert [(each.category, each.takings_fen) for each in shares(world, second.statement)] == [
        ("", 2_000),
        ("药品", -4_000),
    ]


def test_a_minimum_that_a_late_fact_makes_up_for_is_given_back(world: World) -> None:
    world.open("m", contracts=False)
    world.contract(
        "m", "c", ContractTerms(share=FIVE.share, share_min_fen=10_000, cycle=Cycle.MONTH)
    )
    world.sell("m", "s", D[3], cash_fen=100_000)
    world.run(D[30])
    world.sell("m", "late", D[5], cash_fen=40_000)
    world.sell("m", "later", D[6], cash_fen=200_000)
    world.run(date(2026, 4, 30))
    march, april = (each.totals for each in made(world, "m"))
    assert (march.share_fen, march.minimum_fen) == (5_000, 5_000)
    assert (april.share_fen, april.minimum_fen) == (12_000, 10_000 - 5_000)


def test_a_contract_that_ends_in_mid_month_pays_its_days(world: World) -> None:
    world.open("m", contracts=False)
    terms = ContractTerms(share=FIVE.share, rent_fen=31_000, share_min_fen=6_200)
    world.contract("m", "c", terms, D[0], D[9])
    world.sell("m", "s", D[2], cash_fen=1_000)
    world.run(D[30])
    (statement,) = made(world, "m")
    totals = statement.totals
    assert (totals.rent_fen, totals.share_fen, totals.minimum_fen) == (10_000, 50, 1_950)


def test_what_a_shop_declares_beyond_its_sales_is_shared_and_told(world: World) -> None:
    world.open("m", contracts=False)
    world.contract("m", "c", FIVE)
    world.sell("m", "s", D[0], cash_fen=10_000)
    world.declare("m", 1, D[0], 30_000, 10_000)
    world.declare("m", 2, D[1], 0, 2_000)
    world.run(D[1])
    (statement,) = made(world, "m")
    assert (statement.totals.declared_fen, statement.totals.cash_fen) == (18_000, 28_000)
    assert statement.totals.share_fen == 1_400
    with reading(world.engine) as tx:
        found = [
            (line.source, line.receipt_no, line.takings_fen)
            for line in lines_of(tx, POOL, statement)
        ]
    assert found == [
        ("basket", "R-s", 10_000),
        ("declared", "Z1", 20_000),
        ("declared", "Z2", -2_000),
    ]


def test_payments_stand_between_opening_and_closing(world: World) -> None:
    world.open("m", share_bp=0)
    world.sell("m", "s", D[0], points=100, reimbursement_fen=1_000)
    world.run(D[0])
    world.pay("m", "p1", D[1], 700)
    world.run(D[1])
    world.pay("m", "p2", D[2], -50)
    world.run(D[2])
    found = [
        (
            each.opening_fen,
            each.totals.net_fen,
            each.totals.paid_fen,
            each.totals.received_fen,
            each.closing_fen,
        )
        for each in made(world, "m")
    ]
    assert found == [(0, 1_000, 0, 0, 1_000), (1_000, 0, 700, 0, 300), (300, 0, 0, 50, 350)]
    assert owed_fen(world, "m") == 350
    with reading(world.engine) as tx:
        for statement in statements_of(tx, POOL):
            numbers = [each.transfer.transfer_no for each in members_of(tx, POOL, statement)]
            upto = max(numbers)
            assert (
                fold(tx, POOL, "merchant:m", Asset.FEN, upto=upto).credits
                - fold(tx, POOL, "merchant:m", Asset.FEN, upto=upto).debits
                == statement.closing_fen
            )


def refusal(outcome: object) -> DirectoryProblem:
    assert isinstance(outcome, Refused), outcome
    assert " / " in outcome.says
    return DirectoryProblem(outcome.reason)


def test_contracts_that_cannot_be_are_refused(world: World) -> None:
    world.open("m", "n", contracts=False)
    assert world.contract("m", "c1", FIVE, D[0], D[9]) == Done("c1")
    assert world.contract("m", "c1", FIVE, D[0], D[9]) == Done("c1", again=True)
    problems = [
        (world.contract("m", "c1", FIVE, D[0]), DirectoryProblem.CONFLICT),
        (world.contract("m", "c2", FIVE, D[9]), DirectoryProblem.OVERLAP),
        (world.contract("m", "c2", FIVE, D[11]), DirectoryProblem.GAP),
        (world.contract("m", "c2", FIVE, D[20], D[19]), DirectoryProblem.BAD_PERIOD),
        (world.contract("x", "c2", FIVE, D[10]), DirectoryProblem.UNKNOWN_MERCHANT),
        (world.contract("m", "c2", FIVE, D[10], shop="n"), DirectoryProblem.UNKNOWN_SHOP),
        (world.contract("m", "c2", simple_terms(10_001, 0), D[10]), DirectoryProblem.BAD_TERMS),
        (
            world.contract("m", "c2", ContractTerms(fees={"no": 5}), D[10]),
            DirectoryProblem.UNKNOWN_ITEM,
        ),
        (
            world.contract("m", "c2", ContractTerms(fees={"category:": 5}), D[10]),
            DirectoryProblem.BAD_TERMS,
        ),
    ]
    for outcome, problem in problems:
        assert refusal(outcome) is problem
    assert world.contract("m", "c2", FIVE, D[12], resumes=True) == Done("c2")
    assert world.contract("m", "s1", FIVE, D[3], shop="m") == Done("s1")


def test_nothing_changes_a_contract_into_days_that_are_settled(world: World) -> None:
    world.open("m", contracts=False)
    world.contract("m", "c1", FIVE, D[0])
    world.run(D[4])
    assert refusal(world.contract("m", "s1", FIVE, D[4], shop="m")) is DirectoryProblem.CLOSED
    too_early = EndContract(contract="c1", last_day=D[3], reason="停业")
    assert refusal(world.tell(too_early)) is DirectoryProblem.CLOSED
    ends = EndContract(contract="c1", last_day=D[4], reason="停业")
    assert world.tell(ends) == Done("c1")
    assert world.tell(ends) == Done("c1", again=True)
    later = EndContract(contract="c1", last_day=D[8], reason="停业")
    assert refusal(world.tell(later)) is DirectoryProblem.BAD_PERIOD
    before = EndContract(contract="c1", last_day=D[0] - timedelta(days=1), reason="停业")
    assert refusal(world.tell(before)) is DirectoryProblem.BAD_PERIOD
    nobody = EndContract(contract="c9", last_day=D[4], reason="停业")
    assert refusal(world.tell(nobody)) is DirectoryProblem.UNKNOWN_CONTRACT
    assert world.contract("m", "c2", FIVE, D[5]) == Done("c2")


def rows_of(engine: Engine, table: Table) -> list[tuple[object, ...]]:
    with reading(engine) as tx:
        return [tuple(row) for row in tx.execute(select(table).order_by(*table.primary_key))]


def test_a_replay_makes_the_same_runs_and_statements(world: World, tmp_path: Path) -> None:
    world.open("m", "n", contracts=False)
    terms = ContractTerms(
        share=(
            ShareRule(category="药品", tiers=((0, 900),)),
            ShareRule(tiers=((0, 300), (500, 400))),
        ),
        rent_fen=10_000,
        share_min_fen=2_000,
        cycle=Cycle.WEEK,
    )
    world.contract("m", "c1", terms, D[0], D[20])
    world.contract("m", "c2", FIVE, D[21])
    for number in range(30):
        goods = {"药品": 100 + number, "食品": 200}
        cash = 300 + number
        world.sell("m", f"s{number}", D[number], cash_fen=cash, goods=goods)
    world.sell("n", "x", D[0], cash_fen=5)
    world.run(D[10])
    world.sell("m", "late", D[2], cash_fen=99)
    world.sell("m", "r", D[12], cash_fen=301, of_sale="s1", goods={"药品": 101, "食品": 200})
    world.run(D[31])
    target = open_engine(f"sqlite:///{tmp_path}/replayed.db")
    create_all(target, metadata)
    with reading(world.engine) as tx:
        replay(tx, target, make_desk(), POOL)
    for table in SETTLED_TABLES:
        assert rows_of(target, table) == rows_of(world.engine, table) != []
    target.dispose()
