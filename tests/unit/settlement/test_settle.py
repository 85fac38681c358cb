import signal
import subprocess
import sys
import threading
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from server.db import create_all, metadata, open_engine, reading, writing
from server.facts import replay
from server.ledger import Asset, balance, fold
from server.settlement import drafts as settlement
from server.settlement.day_sums_tables import day_sum, statement_line
from server.settlement.figures import SettlementFault
from server.settlement.lines import lines_of
from server.settlement.statements import (
    members_of,
    shares_of,
    statement_of,
    statements_of,
)
from server.settlement.tables import settlement_run, statement, statement_share
from server.settlement.values import Settled, SettleProblem, SettleRefused, Statement, Totals
from tests.unit.settlement.run_reading import rows_of
from tests.unit.settlement.world import World, make_desk

POOL = "guanghui"
ROOT = Path(__file__).parents[3]
DAY_1, DAY_2, DAY_3 = date(2026, 3, 1), date(2026, 3, 2), date(2026, 3, 3)
NOTHING = Totals(0, 0, 0, 0, 0, 0, 0, 0, 0)


def statements(world: World, merchant: str | None = None) -> list[Statement]:
    with reading(world.engine) as tx:
        return statements_of(tx, POOL, merchant=merchant)


def newest(world: World, merchant: str) -> Statement:
    return statements(world, merchant)[0]


def net_fen(world: World, merchant: str) -> int:
    return newest(world, merchant).totals.net_fen


def test_a1_all_in_points_leaves_the_reimbursement_and_no_share(world: World) -> None:
    world.open("xiaodian", share_bp=1_000)
    world.sell("xiaodian", "a1", DAY_1, points=71, reimbursement_fen=710)
    world.settle(DAY_1)
    (made,) = statements(world)
    assert made.totals == Totals(1, 0, 0, 0, 71, 0, 710, 0, 0)
    assert made.totals.net_fen == 710


@pytest.mark.parametrize(
    ("share_bp", "share_fen", "net"), [(0, 0, 1_000), (1_000, 26, 974)], ids=["station", "shop"]
)
def test_a2_share_is_taken_of_cash_only(
    world: World, share_bp: int, share_fen: int, net: int
) -> None:
    world.open("zhan", share_bp=share_bp)
    world.sell("zhan", "a2", DAY_1, cash_fen=260, points=100, reimbursement_fen=1_000)
    world.settle(DAY_1)
    (made,) = statements(world)
    assert (made.totals.cash_fen, made.totals.share_fen, made.totals.net_fen) == (
        260,
        share_fen,
        net,
    )
    with reading(world.engine) as tx:
        assert balance(tx, POOL, "merchant:zhan", Asset.FEN) == net


def test_c2_goods_priced_in_points_bring_their_cost_and_nothing_else(world: World) -> None:
    world.open("chaoshi", share_bp=0)
    world.sell("chaoshi", "c2", DAY_1, points=24, reimbursement_fen=4_400)
    world.settle(DAY_1)
    assert newest(world, "chaoshi").totals == Totals(1, 0, 0, 0, 24, 0, 4_400, 0, 0)


def test_e1_donated_goods_leave_no_money_line(world: World) -> None:
    world.open("guitai", share_bp=0)
    world.sell("guitai", "e1", DAY_1, points=25)
    world.settle(DAY_1)
    made = newest(world, "guitai")
    assert (made.totals.redeemed_points, made.totals.net_fen) == (25, 0)
    with reading(world.engine) as tx:
        (member,) = members_of(tx, POOL, made)
    assert member.transfer.asset is Asset.POINTS


def test_d1_a_stall_gets_58_20_and_116_stalls_6751_20(world: World) -> None:
    stalls = [f"stall-{number:03d}" for number in range(1, 117)]
    world.open(*stalls, share_bp=300)
    for stall in (stalls[0], stalls[-1]):
        for number in range(10):
            world.sell(
                stall,
                f"{stall}-{number}",
                DAY_1,
                cash_fen=600,
                points=60,
                reimbursement_fen=600,
            )
    outcome = world.settle(DAY_1)
    assert len(outcome.statements) == 116
    assert newest(world, stalls[0]).totals == Totals(10, 0, 6_000, 0, 600, 0, 6_000, 0, 180)
    assert net_fen(world, stalls[0]) == net_fen(world, stalls[-1]) == 5_820
    assert newest(world, stalls[1]).totals == NOTHING
    assert 116 * net_fen(world, stalls[0]) == 675_120


def test_a_late_fact_goes_into_the_next_statement_with_its_own_date(world: World) -> None:
    world.open("m")
    world.sell("m", "on-time", DAY_1, cash_fen=1_000)
    world.settle(DAY_1)
    before = newest(world, "m")
    world.sell("m", "late", DAY_1, points=50, reimbursement_fen=500)
    world.sell("m", "today", DAY_2, cash_fen=2_000)
    world.settle(DAY_2)
    assert statements(world, "m")[1] == before
    after = newest(world, "m")
    assert (after.period_from, after.period_through) == (DAY_2, DAY_2)
    with reading(world.engine) as tx:
        lines = lines_of(tx, POOL, after)
    assert [(line.key, line.business_date, line.late) for line in lines] == [
        ("sale:late", DAY_1, True),
        ("sale:today", DAY_2, False),
    ]
    assert after.totals.net_fen == 500 - 200


def test_what_belongs_to_the_next_day_waits_for_its_own_statement(world: World) -> None:
    world.open("m")
    world.sell("m", "tomorrow", DAY_2, cash_fen=700)
    world.sell("m", "today", DAY_1, cash_fen=300)
    world.settle(DAY_1)
    assert newest(world, "m").totals.takings_fen == 300
    world.settle(DAY_2)
    assert newest(world, "m").totals.takings_fen == 700


def test_every_transfer_is_on_exactly_one_statement_after_many_days(world: World) -> None:
    world.open("m", "n")
    for number in range(12):
        day = DAY_1 + timedelta(days=number % 3)
        world.sell("m" if number % 2 else "n", f"s{number}", day, cash_fen=100 + number, points=3)
        if number % 4 == 3:
            world.settle(DAY_1 + timedelta(days=number // 4))
    placed: dict[str, list[int]] = {"m": [], "n": []}
    with reading(world.engine) as tx:
        for made in statements_of(tx, POOL):
            placed[made.merchant] += [
                member.transfer.transfer_no for member in members_of(tx, POOL, made)
            ]
        sums = {merchant: fold(tx, POOL, f"takings:{merchant}", Asset.FEN) for merchant in placed}
        nets = {
            merchant: balance(tx, POOL, f"merchant:{merchant}", Asset.FEN) for merchant in placed
        }
    for merchant, numbers in placed.items():
        assert len(numbers) == len(set(numbers)) > 0
        assert sums[merchant].credits == sum(
            each.totals.takings_fen for each in statements(world, merchant)
        )
        assert nets[merchant] == sum(each.totals.net_fen for each in statements(world, merchant))


def test_a_refund_takes_back_points_reimbursement_and_share(world: World) -> None:
    world.open("m", share_bp=1_000)
    world.sell("m", "s", DAY_1, cash_fen=1_000, points=40, reimbursement_fen=400)
    world.sell("m", "r", DAY_1, cash_fen=500, points=20, reimbursement_fen=200, of_sale="s")
    world.settle(DAY_1)
    totals = newest(world, "m").totals
    assert totals == Totals(1, 1, 1_000, 500, 40, 20, 400, 200, 50)
    assert totals.net_fen == 150


def test_a_refund_in_a_later_period_gives_the_share_back_at_the_rate_of_its_sale(
    world: World,
) -> None:
    world.open("m", contracts=False)
    world.agree("m", "old", 1_000, DAY_1, DAY_1)
    world.agree("m", "new", 300, DAY_2)
    world.sell("m", "s", DAY_1, cash_fen=1_000)
    world.settle(DAY_1)
    world.sell("m", "r", DAY_2, cash_fen=1_000, of_sale="s")
    world.sell("m", "t", DAY_2, cash_fen=2_000)
    world.settle(DAY_2)
    made = newest(world, "m")
    with reading(world.engine) as tx:
        shares = [
            (each.contract, each.takings_fen, each.share_fen)
            for each in shares_of(tx, POOL, made.statement)
        ]
    assert shares == [("new", 2_000, 60), ("old", -1_000, -100)]
    assert made.totals.share_fen == -40
    assert made.totals.net_fen == 40


def test_lines_add_up_to_the_share_to_the_fen(world: World) -> None:
    world.open("m", share_bp=333)
    for number in range(7):
        world.sell("m", f"s{number}", DAY_1, cash_fen=101)
    world.sell("m", "r", DAY_1, cash_fen=101, of_sale="s3")
    world.settle(DAY_1)
    made = newest(world, "m")
    with reading(world.engine) as tx:
        lines = lines_of(tx, POOL, made)
    assert made.totals.share_fen == 20
    assert sum(line.share_fen for line in lines) == 20
    assert [line.share_fen for line in lines] == [4, 4, 3, 3, 3, 3, 3, -3]


def test_settling_the_same_day_again_answers_the_same_and_writes_nothing(world: World) -> None:
    world.open("m")
    world.sell("m", "s", DAY_1, cash_fen=1_000)
    first = world.settle(DAY_1, "run-1")
    world.sell("m", "late", DAY_1, cash_fen=500)
    again = world.settle(DAY_1, "run-2")
    assert not first.again
    assert again == Settled("run-1", DAY_1, first.statements, again=True)
    assert newest(world, "m").totals.takings_fen == 1_000
    with reading(world.engine) as tx:
        assert tx.execute(select(func.count()).select_from(settlement_run)).scalar_one() == 1


@pytest.mark.parametrize(
    ("cut_off_hour", "closes"),
    [(0, datetime(2026, 3, 1, 16, tzinfo=UTC)), (3, datetime(2026, 3, 1, 19, tzinfo=UTC))],
)
def test_a_day_that_is_not_over_is_refused(
    world: World, cut_off_hour: int, closes: datetime
) -> None:
    world.open("m", cut_off_hour=cut_off_hour)
    refused = world.try_settle(DAY_1, at=closes - timedelta(seconds=1))
    assert isinstance(refused, SettleRefused)
    assert refused.reason is SettleProblem.PERIOD_OPEN
    assert statements(world) == []
    assert len(world.settle(DAY_1, at=closes).statements) == 1


def test_a_day_before_a_settled_one_is_refused(world: World) -> None:
    world.open("m")
    world.settle(DAY_2)
    refused = world.try_settle(DAY_1)
    assert isinstance(refused, SettleRefused)
    assert refused.reason is SettleProblem.SETTLED_FURTHER
    assert str(DAY_2) in refused.says


def test_trade_without_a_contract_is_refused_by_merchant_and_day(world: World) -> None:
    world.open("m", "n", contracts=False)
    world.agree("m", "c-m", 0, DAY_1)
    world.agree("n", "c-n", 0, DAY_1, DAY_1)
    world.sell("m", "s", DAY_2, cash_fen=100)
    world.sell("n", "t", DAY_2, cash_fen=100)
    refused = world.try_settle(DAY_2)
    assert isinstance(refused, SettleRefused)
    assert (refused.reason, refused.merchant, refused.day) == (
        SettleProblem.NO_CONTRACT,
        "n",
        DAY_2,
    )
    assert statements(world) == []
    world.agree("n", "c-n2", 0, DAY_2)
    assert len(world.settle(DAY_2).statements) == 2


def test_a_merchant_without_trade_gets_a_statement_of_nothing(world: World) -> None:
    world.open("m", contracts=False)
    world.settle(DAY_1)
    made = newest(world, "m")
    assert made.totals == NOTHING
    with reading(world.engine) as tx:
        assert lines_of(tx, POOL, made) == []


def test_one_merchants_statement_is_not_found_for_another(world: World) -> None:
    world.open("m", "n")
    made = world.settle(DAY_1).statements
    assert made == ("m-20260301", "n-20260301")
    with reading(world.engine) as tx:
        assert statement_of(tx, POOL, "m-20260301", merchant="n") is None
        found = statement_of(tx, POOL, "m-20260301", merchant="m")
    assert found is not None
    assert found.merchant == "m"


def test_two_who_settle_at_once_make_one_run(world: World) -> None:
    world.open("m")
    for number in range(5):
        world.sell("m", f"s{number}", DAY_1, cash_fen=1_000)
    world.now = datetime(2026, 3, 2, tzinfo=UTC)
    start = threading.Barrier(2)
    outcomes: list[Settled] = []

    def settle_now(run: str) -> None:
        start.wait()
        outcomes.append(world.settle(DAY_1, run))

    threads = [threading.Thread(target=settle_now, args=(run,)) for run in ("run-a", "run-b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(each.again for each in outcomes) == [False, True]
    assert len({each.run for each in outcomes}) == 1
    assert newest(world, "m").totals.takings_fen == 5_000
    with reading(world.engine) as tx:
        assert balance(tx, POOL, "merchant:m", Asset.FEN) == -500


def test_a_run_that_dies_halfway_leaves_nothing_behind(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.open("m", "n")
    world.sell("m", "s", DAY_1, cash_fen=1_000)
    world.sell("n", "t", DAY_1, cash_fen=1_000)
    from_m_to_n = settlement.statement_id

    def dies_at_n(merchant: str, through: date) -> str:
        if merchant == "n":
            raise KeyboardInterrupt
        return str(from_m_to_n(merchant, through))

    monkeypatch.setattr(settlement, "statement_id", dies_at_n)
    with pytest.raises(KeyboardInterrupt):
        world.settle(DAY_1)
    monkeypatch.undo()
    with reading(world.engine) as tx:
        for table in (settlement_run, statement, statement_line, day_sum, statement_share):
            assert tx.execute(select(func.count()).select_from(table)).scalar_one() == 0
        assert balance(tx, POOL, "merchant:m", Asset.FEN) == 0
    assert len(world.settle(DAY_1).statements) == 2


DIES_AT_N = """
import os, signal, sys
from datetime import date
from server.db import open_engine
from server.settlement import drafts as settlement
from tests.unit.settlement.world import World

name_of = settlement.statement_id

def dies_at_n(merchant, through):
    if merchant == "n":
        os.kill(os.getpid(), signal.SIGKILL)
    return name_of(merchant, through)

settlement.statement_id = dies_at_n
World(open_engine(sys.argv[1])).settle(date(2026, 3, 1))
"""


def test_a_server_killed_in_the_middle_of_a_run_settles_as_if_nothing_was(world: World) -> None:
    world.open("m", "n")
    world.sell("m", "s", DAY_1, cash_fen=1_000)
    url = world.engine.url.render_as_string(hide_password=False)
    killed = subprocess.run(
        [sys.executable, "-c", DIES_AT_N, url], cwd=ROOT, check=False, timeout=60
    )
    assert killed.returncode == -signal.SIGKILL
    assert statements(world) == []
    assert not world.settle(DAY_1).again
    assert net_fen(world, "m") == -100


def test_what_has_no_place_on_a_statement_stops_the_run(world: World) -> None:
    world.open("m")
    world.book_oddity("m", DAY_1)
    with pytest.raises(SettlementFault, match="rebate"):
        world.settle(DAY_1)


@pytest.mark.parametrize(
    "table",
    ["settlement_run", "statement", "statement_share", "statement_line", "day_sum", "placement"],
)
def test_what_is_settled_is_never_changed_or_deleted(world: World, table: str) -> None:
    world.open("m")
    world.sell("m", "s", DAY_1, cash_fen=1_000)
    world.settle(DAY_1)
    for attempt in (f"UPDATE {table} SET pool = pool", f"DELETE FROM {table}"):
        with (
            pytest.raises(DBAPIError, match=r"never (changed|deleted)|stays there"),
            writing(world.engine) as tx,
        ):
            tx.execute(text(attempt))


def test_the_database_refuses_a_statement_that_does_not_add_up(world: World) -> None:
    world.open("m")
    world.sell("m", "s", DAY_1, cash_fen=1_000)
    world.settle(DAY_1)
    values: dict[str, object] = {column.name: 0 for column in statement.columns}
    values |= {"pool": POOL, "statement": "x", "merchant": "m", "run": "run-2026-03-01"}
    values |= {"cycle": "run", "issued_at": world.now, "closing_fen": 1}
    values |= {"period_from": DAY_3, "period_through": DAY_3, "net_fen": 1}
    with pytest.raises(DBAPIError, match="a_statement_adds_up"), writing(world.engine) as tx:
        tx.execute(statement.insert().values(values))


def test_the_database_keeps_a_merchant_to_one_statement_a_period(world: World) -> None:
    world.open("m", "n")
    world.settle(DAY_1)
    with reading(world.engine) as tx:
        own = select(statement).where(statement.c.merchant == "m")
        made = tx.execute(own).mappings().one()
    twice = {**made, "statement": "x"}
    one_a_period = r"a_merchant_has_one_statement_a_period|statement\.period_through"
    with pytest.raises(IntegrityError, match=one_a_period), writing(world.engine) as tx:
        tx.execute(statement.insert().values(twice))
    with writing(world.engine) as tx:  # of another period it is only a row
        nested = tx.begin_nested()
        tx.execute(statement.insert().values({**twice, "period_through": DAY_2}))
        nested.rollback()


def test_a_replay_makes_the_same_statements(world: World, tmp_path: Path) -> None:
    world.open("m", "n")
    world.sell("m", "s", DAY_1, cash_fen=1_234, points=9, reimbursement_fen=90)
    world.settle(DAY_1)
    world.sell("n", "late", DAY_1, cash_fen=999)
    world.sell("m", "r", DAY_2, cash_fen=234, of_sale="s")
    world.settle(DAY_2)
    target = open_engine(f"sqlite:///{tmp_path}/replayed.db")
    create_all(target, metadata)
    with reading(world.engine) as tx:
        replay(tx, target, make_desk(), POOL)
    for table in (settlement_run, statement, statement_share, statement_line, day_sum):
        assert rows_of(target, table) == rows_of(world.engine, table) != []
    target.dispose()
