"""Runs merchant by merchant: opened, settled, closed; interrupted anywhere and resumed."""

import signal
import subprocess
import sys
import threading
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from server.db import create_all, metadata, open_engine, reading
from server.directory.contract_terms import ContractTerms, Cycle, ShareRule
from server.facts import replay
from server.settlement import runs
from server.settlement import tables as t
from server.settlement.day_sums import sum_up
from server.settlement.day_sums_tables import day_sum, placed_line, placement, statement_line
from server.settlement.figures import SettlementFault
from server.settlement.lines import lines_of
from server.settlement.values import (
    CloseRun,
    LeftOpen,
    MerchantSettled,
    MerchantsSettled,
    OpenRun,
    RunClosed,
    RunOpened,
    SettleMerchant,
    SettleMerchants,
    SettleProblem,
    SettleRefused,
    Totals,
)
from tests.unit.settlement.run_reading import (
    FIVE,
    POOL,
    D,
    count,
    made,
    owed_fen,
    rows_of,
    statement_rows,
)
from tests.unit.settlement.world import World, make_desk

ROOT = Path(__file__).parents[3]
SETTLED_TABLES = (
    t.settlement_run,
    t.settlement_close,
    t.left_open,
    t.statement,
    t.statement_share,
    t.statement_minimum,
    t.statement_rent,
    day_sum,
    statement_line,
    placement,
)


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
    refused = world.tell(taken)
    assert reason(refused) is SettleProblem.RUN_TAKEN
    assert (str(D[0]) in str(refused), str(D[1]) in str(refused)) == (True, True)
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


DIES_AT_O = """
import os, signal, sys
from datetime import date
from server.db import open_engine
from server.settlement import runs
from tests.unit.settlement.world import World

write = runs.issue
runs.MERCHANTS_AT_ONCE = 2

def dies_at_o(tx, stamp, drafts):
    written = write(tx, stamp, drafts)
    if any(each.merchant == "o" for each in drafts):
        os.kill(os.getpid(), signal.SIGKILL)
    return written

runs.issue = dies_at_o
World(open_engine(sys.argv[1])).run(date(2026, 3, 1))
"""


def test_a_run_killed_in_the_middle_goes_on_where_it_stopped(world: World) -> None:
    merchants = ("m", "n", "o", "p")
    world.open(*merchants, share_bp=1_000)
    for merchant in merchants:
        world.sell(merchant, f"s-{merchant}", D[0], cash_fen=1_000)
    url = world.engine.url.render_as_string(hide_password=False)
    killed = subprocess.run(
        [sys.executable, "-c", DIES_AT_O, url], cwd=ROOT, check=False, timeout=60
    )
    assert killed.returncode == -signal.SIGKILL
    assert [len(made(world, merchant)) for merchant in merchants] == [1, 1, 0, 0]
    world.sell("p", "late", D[0], cash_fen=70)
    before = made(world, "m")
    closed = world.run(D[0])
    assert not closed.again
    assert made(world, "m") == before
    assert made(world, "p")[0].totals.takings_fen == 1_000
    assert [owed_fen(world, merchant) for merchant in merchants] == [-100] * 4


def test_some_at_once_make_the_very_rows_that_each_alone_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, list[tuple[object, ...]]]] = []
    for at_once in (1, 3):
        monkeypatch.setattr(runs, "MERCHANTS_AT_ONCE", at_once)
        engine = open_engine(f"sqlite:///{tmp_path}/{at_once}.db")
        create_all(engine, metadata)
        world = World(engine)
        merchants = [f"m{number}" for number in range(7)]
        world.open(*merchants, contracts=False)
        for number, merchant in enumerate(merchants):
            terms = ContractTerms(
                share=(ShareRule(tiers=((0, 500 + number), (900, 300))),),
                share_min_fen=number * 40,
                rent_fen=3_100,
                cycle=(Cycle.DAY, Cycle.WEEK, Cycle.MONTH)[number % 3],
            )
            world.contract(merchant, f"a-{merchant}", terms, D[0], D[4])
            world.contract(merchant, f"b-{merchant}", FIVE, D[5])
            for day in range(9):
                world.sell(merchant, f"{merchant}-{day}", D[day], cash_fen=300 + day, points=day)
        world.run(D[3])
        world.sell("m2", "late", D[1], cash_fen=77)
        world.run(D[8])
        seen.append(statement_rows(engine))
        assert len(seen[-1]["statement"]) > 2 * len(merchants)
        engine.dispose()
    assert seen[0] == seen[1]


def test_of_some_at_once_one_without_a_contract_holds_up_nobody(world: World) -> None:
    world.open("m", "n", "o", contracts=False)
    for merchant in ("m", "o"):
        world.agree(merchant, f"c-{merchant}", 1_000, D[0])
    for merchant in ("m", "n", "o"):
        world.sell(merchant, f"s-{merchant}", D[0], cash_fen=1_000)
    world.now = datetime(2026, 3, 2, tzinfo=UTC)
    world.tell(OpenRun(run="r", through=D[0], opened_by="财务"))
    asked = SettleMerchants(run="r", merchants=("m", "n", "nobody", "o", "m"))
    answered = world.tell(asked)
    assert isinstance(answered, MerchantsSettled)
    m, n, nobody, o = answered.outcomes
    assert m == MerchantSettled("r", "m", ("m-20260301",), again=False)
    assert reason(n) is SettleProblem.NO_CONTRACT
    assert reason(nobody) is SettleProblem.UNKNOWN_MERCHANT
    assert o == MerchantSettled("r", "o", ("o-20260301",), again=False)
    again = world.tell(asked)
    assert isinstance(again, MerchantsSettled)
    assert again.outcomes[0] == MerchantSettled("r", "m", ("m-20260301",), again=True)
    assert [owed_fen(world, merchant) for merchant in ("m", "n", "o")] == [-100, 0, -100]
    many = SettleMerchants(run="r", merchants=tuple(map(str, range(runs.MERCHANTS_AT_MOST + 1))))
    assert reason(world.tell(many)) is SettleProblem.TOO_MANY
    no_run = SettleMerchants(run="x", merchants=("m",))
    assert reason(world.tell(no_run)) is SettleProblem.UNKNOWN_RUN


def test_a_merchant_whose_books_are_at_fault_takes_nobody_with_him(world: World) -> None:
    world.open("m", "n", "o", share_bp=1_000)
    for merchant in ("m", "n", "o"):
        world.sell(merchant, f"s-{merchant}", D[0], cash_fen=1_000)
    world.book_oddity("n", D[0])
    with pytest.raises(SettlementFault, match="concerns merchant n"):
        world.run(D[0])
    assert [len(made(world, merchant)) for merchant in ("m", "n", "o")] == [1, 0, 1]
    # He stays due: nothing is closed over his head.
    with pytest.raises(SettlementFault, match="concerns merchant n"):
        world.run(D[0])
    assert count(world, t.settlement_close) == 0


def test_a_preview_says_what_the_run_then_makes_and_writes_nothing(world: World) -> None:
    world.open("m", contracts=False)
    rented = ContractTerms(share=FIVE.share, rent_fen=31_000, cycle=Cycle.DAY)
    world.contract("m", "c", rented)
    world.sell("m", "s", D[0], cash_fen=1_000)
    world.sell("m", "u", D[1], cash_fen=2_000)
    sum_up(world.engine, POOL)
    with reading(world.engine) as tx:
        (seen,) = list(runs.preview(tx, POOL, D[1]))
    of_statements = [each for each in SETTLED_TABLES if each not in {day_sum, statement_line}]
    assert [count(world, table) for table in of_statements] == [0] * len(of_statements)
    with reading(world.engine) as tx:
        assert tx.execute(select(placed_line)).all() == []
    world.run(D[1])
    statements = made(world, "m")
    assert [each.statement for each in seen.drafts] == [each.statement for each in statements]
    assert [each.totals for each in seen.drafts] == [each.totals for each in statements]
    assert [each.closing_fen for each in seen.drafts] == [each.closing_fen for each in statements]
    assert [(each.totals.share_fen, each.totals.rent_fen) for each in statements] == [
        (50, 1_000),
        (100, 1_000),
    ]


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
