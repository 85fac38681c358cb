"""The programmes' figures on the server, through real records: A2, A3, A4, C2, D1, D2."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from protocol.sales import TakingsDeclared
from server.bootstrap.desk import make_desk
from server.commands.audit import run_audit
from server.commands.report_figures import Period, by_place
from server.db import create_all, metadata, open_engine, reading
from server.directory.commands import AgreeTerms
from server.directory.contract_terms import ContractTerms, Cycle, ShareRule
from server.ledger import Asset, balance
from server.redemption.stock import stock_lines
from server.reports.health import pool_health
from server.reports.health_values import Concern, Health, Warned
from tests.unit.settlement.real_world import RealWorld

AFTERNOON = datetime(2026, 3, 2, 7, tzinfo=UTC)
DAY = date(2026, 3, 2)
LIU = "00000000000000b2"


def world_of(folder: Path, preset: str, now: datetime = AFTERNOON) -> RealWorld:
    engine = open_engine(f"sqlite:///{folder}/pool.db")
    create_all(engine, metadata)
    return RealWorld(engine, preset, now=now)


def clean(world: RealWorld) -> None:
    with reading(world.engine) as tx:
        found = run_audit(tx, world.pool, make_desk)
    assert {each.invariant: each.violations for each in found if each.broken} == {}


def owed_fen(world: RealWorld, merchant: str) -> int:
    with reading(world.engine) as tx:
        return balance(tx, world.pool, f"merchant:{merchant}", Asset.FEN)


@pytest.mark.parametrize(
    ("share_bp", "share_fen", "net_fen"), [(0, 0, 1_000), (1_000, 26, 974)], ids=["站", "店"]
)
def test_a2_a_basket_of_12_60_with_100_points(
    tmp_path: Path, share_bp: int, share_fen: int, net_fen: int
) -> None:
    world = world_of(tmp_path, "guanghui")
    world.open_merchant("zhan", "惠积分兑换站", share_bp=share_bp)
    world.register(LIU, "binhe")
    world.give(LIU, 100)
    world.stall_sale("zhan", world.amount("杂货", 1_260), account=LIU, points=100)
    world.now += timedelta(days=1)
    world.run(DAY)
    made = world.document("zhan-20260302")
    assert (made.takings_fen, made.redeemed_points, made.reimbursement_fen) == (260, 100, 1_000)
    assert (made.share_fen, made.net_fen, made.closing_fen) == (share_fen, net_fen, net_fen)
    (row,) = made.takings
    assert (row.source, row.cash_fen, row.points_fen, row.sales_count) == ("basket", 260, 1_000, 1)
    (line,) = made.lines
    assert (line.terminal, line.epoch, line.seq) == ("t-zhan", 1, 1)
    clean(world)


def test_a3_a_free_service_is_counted_beside_one_for_points(tmp_path: Path) -> None:
    world = world_of(tmp_path, "guanghui")
    world.open_merchant("dian", "广惠小店")
    world.award(5)
    both = (world.line("massage"), world.line("blood-pressure", line_no=2))
    world.asked_sale("dian", *both, points=380)
    world.now += timedelta(days=1)
    world.run(DAY)
    made = world.document("dian-20260302")
    goods = {row.item_id: (row.units_milli, row.reimbursement_fen) for row in made.goods}
    assert goods == {"massage": (1_000, 0), "blood-pressure": (1_000, 0)}
    assert (made.redeemed_points, made.reimbursement_fen, made.sales_count) == (380, 3_800, 1)
    clean(world)


def health(world: RealWorld) -> Health:
    with reading(world.engine) as tx:
        return pool_health(tx, world.pool, date(2026, 3, 1), date(2026, 3, 31))


def march(world: RealWorld) -> tuple[int, int, int, int | None]:
    """Fen in and out, points redeemed, and the points that what came in pays for."""
    (month,) = health(world).months
    flow = month.flow
    return flow.inflow_fen, flow.outflow_fen, flow.redeemed_points, month.covered_points


def warned_of_march(world: RealWorld) -> list[Warned]:
    return [each for each in health(world).warnings if each.concern in OF_FLOWS]


def redeem_late(world: RealWorld, day: int, points: int) -> None:
    """Sales for points alone that thirty stations tell late: hour by hour at most 100 at each."""
    now, began = world.now, datetime(2026, 3, day, 1, tzinfo=UTC)
    with world.together():
        for number, start in enumerate(range(0, points, 100)):
            world.now = began + timedelta(hours=number // 30)
            some = min(100, points - start)
            line = world.amount("菜", some * 10)
            world.stall_sale(f"zhan-{number % 30 + 1:02d}", line, account=LIU, points=some)
    world.now = now


def health_turns_at_what_came_in(world: RealWorld) -> None:
    """A4's month is sound with 180,000 and with 216,000 redeemed, and warned of from there on."""
    assert march(world) == (2_160_000, 1_800_000, 180_000, 216_000)
    assert warned_of_march(world) == []
    # Terminals that were away bring the rest: up to what is covered, and one point beyond.
    redeem_late(world, 30, 36_000)
    assert march(world) == (2_160_000, 2_160_000, 216_000, 216_000)
    assert warned_of_march(world) == []
    redeem_late(world, 31, 1)
    assert march(world) == (2_160_000, 2_160_010, 216_001, 216_000)
    told, below_zero = warned_of_march(world)
    assert (told.concern, told.month) == (Concern.REDEEMED_ABOVE_INFLOW, "2026-03")
    assert below_zero.concern is Concern.FUND_BELOW_ZERO  # by the ten fen of that one point
    assert "216001" in told.says
    assert "216000" in told.says


OF_FLOWS = {Concern.REDEEMED_ABOVE_INFLOW, Concern.FUND_BELOW_ZERO}
KINDS = {"dian": (8, 90), "zhan": (30, 30), "guan": (12, 15)}
"""How many places of a kind there are, and how many times 100 points each of them takes."""


@pytest.mark.timeout(900)
def test_a4_a_month_of_the_closed_loop_to_the_fen(tmp_path: Path) -> None:
    world = world_of(tmp_path, "guanghui", datetime(2026, 3, 1, 1, tzinfo=UTC))
    store = ContractTerms(
        share=(ShareRule(tiers=((0, 500),)),), rent_fen=120_000, cycle=Cycle.MONTH
    )
    other = ContractTerms(cycle=Cycle.MONTH)
    with world.together():
        for kind, (places, _) in KINDS.items():
            for number in range(1, places + 1):
                name = f"{kind}-{number:02d}"
                world.open_place(name)
                world.tell(
                    AgreeTerms(
                        contract=f"c-{name}",
                        merchant=name,
                        valid_from=date(2026, 3, 1),
                        terms=store if kind == "dian" else other,
                    )
                )
        world.register(LIU, "binhe")
        world.give(LIU, 220_000)
    began = datetime(2026, 3, 20, 7, tzinfo=UTC)
    with world.together():
        for hour in range(max(times for _, times in KINDS.values())):
            # One code pays offline up to a limit, so every sale is shown a new one.
            world.now = began + timedelta(hours=hour)
            for kind, (places, times) in KINDS.items():
                for number in range(1, places + 1):
                    name = f"{kind}-{number:02d}"
                    if kind == "dian" and hour == 0:
                        world.stall_sale(name, world.amount("一个月的现金", 3_000_000))
                    if hour < times:
                        world.stall_sale(name, world.amount("菜", 1_000), account=LIU, points=100)
    world.now = datetime(2026, 4, 1, 1, tzinfo=UTC)
    world.run(date(2026, 3, 31))
    made = {
        kind: [world.document(f"{kind}-{number:02d}-20260331") for number in range(1, places + 1)]
        for kind, (places, _) in KINDS.items()
    }
    assert {
        kind: {each.redeemed_points for each in each_made} for kind, each_made in made.items()
    } == {
        "dian": {9_000},
        "zhan": {3_000},
        "guan": {1_500},
    }
    every = [each for kind in KINDS for each in made[kind]]
    assert len(every) == 50
    assert sum(each.rent_fen for each in every) == 960_000
    assert sum(each.share_fen for each in every) == 1_200_000
    assert sum(each.redeemed_points for each in every) == 180_000
    assert sum(each.reimbursement_fen for each in every) == 1_800_000
    assert {each.net_fen for each in made["dian"]} == {-180_000}
    assert {each.net_fen for each in made["zhan"]} == {30_000}
    assert {each.net_fen for each in made["guan"]} == {15_000}
    with reading(world.engine) as tx:
        fund = -balance(tx, world.pool, "pool_fund", Asset.FEN)
    # In 21,600.00, out 18,000.00: the pool is up by 3,600.00, and what came in covers 216,000.
    assert fund == 360_000
    health_turns_at_what_came_in(world)


def stock_of(world: RealWorld) -> dict[str, int]:
    """Thousandths of a unit of each item that is counted."""
    with reading(world.engine) as tx:
        return {each.item_id: each.level_milli for each in stock_lines(tx, world.pool)}


def test_c2_goods_priced_in_points_at_their_cost(tmp_path: Path) -> None:
    world = world_of(tmp_path, "yamen")
    world.open_merchant("chaoshi", "网格积分超市", share_bp=0)
    for rule in ("early-fire", "guest-house", "haircut", "clean-up", "recommending"):
        world.award(1, rule)
    bought = ("rice", "detergent", "soy-sauce")
    before = stock_of(world)
    lines = [world.line(item, line_no=number) for number, item in enumerate(bought, start=1)]
    world.asked_sale("chaoshi", *lines, points=24)
    one_less = {item: before[item] - 1_000 for item in bought}
    assert stock_of(world) == before | one_less
    assert set(before) > set(bought)
    world.now += timedelta(days=1)
    world.run(DAY)
    made = world.document("chaoshi-20260302")
    goods = {
        row.item_id: (row.units_milli, row.points, row.reimbursement_fen) for row in made.goods
    }
    assert goods == {
        "rice": (1_000, 15, 2_800),
        "detergent": (1_000, 6, 900),
        "soy-sauce": (1_000, 3, 700),
    }
    assert (made.redeemed_points, made.reimbursement_fen, made.net_fen) == (24, 4_400, 4_400)
    clean(world)


def test_c2_at_a_contracts_own_cost_of_an_item(tmp_path: Path) -> None:
    world = world_of(tmp_path, "yamen")
    world.open_merchant("chaoshi", "网格积分超市", contract=False)
    terms = ContractTerms(item_reimbursement_fen={"rice": 2_500})
    world.tell(
        AgreeTerms(contract="c", merchant="chaoshi", valid_from=date(2026, 1, 1), terms=terms)
    )
    for rule in ("early-fire", "haircut"):
        world.award(1, rule)
    world.sell("chaoshi", world.line("rice"), points=15)
    world.now += timedelta(days=1)
    world.run(DAY)
    made = world.document("chaoshi-20260302")
    assert [(row.item_id, row.reimbursement_fen) for row in made.goods] == [("rice", 2_500)]
    assert (made.reimbursement_fen, made.net_fen) == (2_500, 2_500)
    clean(world)


@pytest.mark.timeout(900)
def test_d1_116_stalls_of_which_30_tell_a_day_late(tmp_path: Path) -> None:
    world = world_of(tmp_path, "market")
    compounds = [f"compound-{number:02d}" for number in range(1, 25)]
    residents = [f"{number:016x}" for number in range(1, 25)]
    stalls = [f"stall-{number:03d}" for number in range(1, 117)]
    with world.together():
        for stall in stalls:
            world.open_place(stall, share_bp=300)
        for account, compound in zip(residents, compounds, strict=True):
            world.register(account, compound)
            world.give(account, 3_000)
    late: list[str] = stalls[::4] + stalls[1:2]
    assert len(late) == 30
    evening = world.now

    def sell_at(stall: str) -> None:
        number = stalls.index(stall)
        for sale in range(10):
            account = residents[(number * 10 + sale) % 24]
            world.stall_sale(stall, world.amount("烤面筋", 1_200), account=account, points=60)

    with world.together():
        for stall in stalls:
            if stall not in late:
                sell_at(stall)
    world.now = evening + timedelta(days=1)
    world.run(DAY)
    world.now = evening
    with world.together():
        for stall in late:
            sell_at(stall)
    world.now = evening + timedelta(days=2)
    world.run(DAY + timedelta(days=1))
    first = {stall: world.document(f"{stall}-20260302") for stall in stalls}
    second = {stall: world.document(f"{stall}-20260303") for stall in stalls}
    for stall in stalls:
        made = (second if stall in late else first)[stall]
        assert (made.sales_count, made.redeemed_points, made.reimbursement_fen) == (10, 600, 6_000)
        assert (made.takings_fen, made.share_fen, made.net_fen) == (6_000, 180, 5_820)
        assert {line.late for line in made.lines} == {stall in late}
        assert {line.business_date for line in made.lines} == {DAY}
        quiet = (first if stall in late else second)[stall]
        assert (quiet.sales_count, quiet.net_fen) == (0, 0)
    every = [*first.values(), *second.values()]
    assert sum(each.net_fen for each in every) == 675_120
    assert sum(each.share_fen for each in every) == 20_880
    assert sum(each.takings_fen for each in every) == 696_000
    assert sum(owed_fen(world, stall) for stall in stalls) == 675_120
    with reading(world.engine) as tx:
        rows = {row.place: row for row in by_place(tx, world.pool, Period(None, None))}
    redeemed = [rows[compound].total.redeemed for compound in compounds]
    assert (len(redeemed), sum(redeemed)) == (24, 69_600)


def test_d2_one_resident_at_two_stalls_that_are_offline(tmp_path: Path) -> None:
    world = world_of(tmp_path, "guanghui")
    world.open_merchant("stall-17", "十七号摊", share_bp=0)
    world.open_merchant("stall-92", "九十二号摊", share_bp=0)
    world.register(LIU, "binhe")
    world.give(LIU, 100)
    for stall in ("stall-17", "stall-92"):
        world.stall_sale(stall, world.amount("菜", 800), account=LIU, points=80)
    with reading(world.engine) as tx:
        assert balance(tx, world.pool, f"resident:{LIU}", Asset.POINTS) == 0
        assert balance(tx, world.pool, f"offline_overdraft:{LIU}", Asset.POINTS) == 60
    world.now += timedelta(days=1)
    world.run(DAY)
    for stall in ("stall-17", "stall-92"):
        made = world.document(f"{stall}-20260302")
        assert (made.redeemed_points, made.reimbursement_fen, made.net_fen) == (80, 800, 800)
    world.award(1, account=LIU)
    with reading(world.engine) as tx:
        assert balance(tx, world.pool, f"resident:{LIU}", Asset.POINTS) == 40
    clean(world)


def test_what_a_shop_declares_at_its_z_report_is_compared_with_its_records(
    tmp_path: Path,
) -> None:
    world = world_of(tmp_path, "guanghui")
    world.open_merchant("dian", "广惠小店")

    def declare(z_no: int, cash_fen: int, counted_fen: int) -> None:
        world.happened(
            "dian",
            TakingsDeclared(
                z_no=z_no,
                business_date=world.day,
                takings_fen={"cash": cash_fen, "wechat": 5_000},
                counted_fen=counted_fen,
            ),
        )

    world.stall_sale("dian", world.amount("菜", 2_000))
    sale = world.stall_sale("dian", world.amount("菜", 1_000))
    world.give_back("dian", sale, 500, 0)
    declare(1, 10_000, 2_500)
    declare(2, 0, 0)
    world.stall_sale("dian", world.amount("菜", 5_000))
    declare(3, 0, 5_000)
    world.now += timedelta(days=1)
    world.run(DAY)
    made = world.document("dian-20260302")
    assert [
        (row.shop, row.z_no, row.declared_fen, row.counted_fen, row.difference_fen)
        for row in made.declared
    ] == [
        ("dian", 1, 15_000, 2_500, 12_500),
        ("dian", 2, 5_000, 0, 5_000),
        ("dian", 3, 5_000, 5_000, 0),
    ]
    assert made.takings_fen == 2_000 + 1_000 - 500 + 12_500 + 5_000 + 5_000
    assert made.share_fen == made.takings_fen // 10
    assert {row.source: row.cash_fen for row in made.takings} == {
        "basket": 7_500,
        "declared": 17_500,
    }
    (covered,) = made.coverage
    assert (covered.terminal, covered.first_seq, covered.last_seq) == ("t-dian", 1, 7)
    assert (covered.missing, covered.parked_count) == ((), 0)
    clean(world)
