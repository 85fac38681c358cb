"""Reports: every node is its own and its children, and the root is the ledger."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from random import Random

import click
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Connection, Engine

from config.server import ServerSettings
from protocol.sales import RefundLine
from server.awards import (
    AmendAwardRule,
    AwarderRole,
    AwardPoints,
    RegisterAwarder,
    RetireAwarder,
)
from server.bootstrap.desk import make_desk
from server.bootstrap.main import huidian_server
from server.commands.context import CommandContext, OpenedPool
from server.commands.csv_text import BYTE_ORDER_MARK, csv_text
from server.commands.report import report
from server.commands.report_figures import (
    NOTHING,
    Figures,
    Period,
    by_place,
    by_role,
    by_rule,
    by_shop,
)
from server.db import create_all, metadata, open_engine, writing
from server.directory import commands as c
from server.ledger import Asset, EntryDraft, Leg, Posted, balances, post
from tests.unit.server.world import LIU, TODAY, ZHANG, World, money_line, refunded, sold

WANG = "00000000000000d4"
EVER = Period()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    url = f"sqlite:///{tmp_path}/pool.sqlite3"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
    opened = open_engine(url)
    create_all(opened, metadata)
    yield opened
    opened.dispose()


@pytest.fixture
def street(world: World) -> World:
    """张阿姨 and 刘大爷 of the street itself, 王师傅 of a micro-grid; two shops; a day's trade."""
    world.do(
        c.RegisterPlace(
            place="binhe-1-3", place_kind="micro_grid", name="=第三微网格", parent="binhe-1"
        )
    )
    world.do(c.RegisterResident(account=WANG, name="王师傅", household="3-301", place="binhe-1-3"))
    world.add_merchant("shop-b")
    world.award(ZHANG, "river-patrol", "tidying")
    world.award(WANG, "river-patrol")
    first, second = world.till(), world.till("shop-b", "t-2")
    dinner = sold(world, money_line("套餐", 500), points=50)
    back = RefundLine(line_no=1, quantity_milli=200, amount_fen=100, amount_points=0)
    first.tell(dinner, refunded(world, dinner, back, points_for_money=10))
    # More than he has: the overdraft is redeemed as well.
    for points in (80, 40):
        second.tell(sold(world, money_line("面粉", points * 10), points=points, account=WANG))
    world.award(LIU, "tidying")
    return world


def ledger_figures(tx: Connection, pool: str) -> Figures:
    """What the accounts themselves say."""
    sums: dict[str, int] = {}
    for each in balances(tx, pool, asset=Asset.POINTS):
        sums[each.kind] = sums.get(each.kind, 0) + each.balance
    return Figures(
        awarded=sums["points_issued"],
        opening=sums["opening_points"],
        redeemed=sums["redeemed"],
        returned=sums["returned"],
    )


def test_every_node_is_its_own_and_its_children_and_the_root_is_the_ledger(street: World) -> None:
    rows = street.read(lambda tx: by_place(tx, street.pool, EVER))
    assert rows[0].total == street.read(lambda tx: ledger_figures(tx, street.pool))
    for row in rows:
        below = [each.total for each in rows if each.parent == row.place]
        assert row.total == sum(below, row.own), row.place
    figures = {row.place: row.total for row in rows}
    assert figures["binhe-1-3"] == Figures(awarded=100, redeemed=120)
    assert figures["binhe-1-3"] == figures["binhe-1"] == figures["binhe"]
    assert figures["tinghoujie"] == NOTHING
    assert rows[0].own == Figures(awarded=220, redeemed=50, returned=10)
    assert [row.depth for row in rows if row.place.startswith("binhe")] == [1, 2, 3]


def test_rules_and_shops_add_up_to_the_ledger(street: World) -> None:
    ledger = street.read(lambda tx: ledger_figures(tx, street.pool))
    rules = street.read(lambda tx: by_rule(tx, street.pool, EVER))
    assert {row.rule_id: row.figures.awarded for row in rules} == {
        "river-patrol": 200,
        "tidying": 120,
    }
    assert sum((row.figures for row in rules), NOTHING).awarded == ledger.awarded
    shops = street.read(lambda tx: by_shop(tx, street.pool, EVER))
    assert {row.shop: row.figures for row in shops} == {
        "shop-a": Figures(redeemed=50, returned=10),
        "shop-b": Figures(redeemed=120),
    }
    total = sum((row.figures for row in shops), NOTHING)
    assert (total.redeemed, total.returned) == (ledger.redeemed, ledger.returned)


def test_days_split_the_whole_without_a_rest(street: World) -> None:
    street.clock.move(days=1)
    street.do(
        AwardPoints(
            award_id="later",
            account=WANG,
            rule_id="tidying",
            performed_on=TODAY + timedelta(days=1),
            awarded_by="网格员",
        )
    )
    before, after = Period(last=TODAY), Period(first=TODAY + timedelta(days=1))
    for figures in (by_place, by_rule, by_shop):
        whole = _total(street, figures, EVER)
        assert whole == _total(street, figures, before) + _total(street, figures, after)
    assert _total(street, by_rule, after) == Figures(awarded=60)
    assert _total(street, by_place, Period(date(2020, 1, 1), date(2020, 1, 1))) == NOTHING


def _total(world: World, figures: object, period: Period) -> Figures:
    assert callable(figures)
    rows = world.read(lambda tx: figures(tx, world.pool, period))
    if figures is by_place:
        total = rows[0].total
        assert isinstance(total, Figures)
        return total
    return sum((row.figures for row in rows), NOTHING)


def run(world: World, *arguments: str) -> Result:
    context = CommandContext(
        settings=ServerSettings(data_dir=world.folder),
        clock=world.clock,
        randomness=bytes,
        make_desk=make_desk,
        open_pool=lambda: OpenedPool(world.pool, world.engine, world.keys),
        create_pool=_nobody,
        serve=_nobody_serves,
    )
    command: click.Command = report
    return CliRunner().invoke(command, list(arguments), obj=context)


def _nobody(given: object) -> OpenedPool:
    raise AssertionError(given)


def _nobody_serves(opened: OpenedPool, _workers: int) -> None:
    raise AssertionError(opened)


def test_what_is_taken_back_or_brought_in_stays_in_the_sums(street: World) -> None:
    """Entries as a claw-back and an opening balance book them, whoever makes them."""
    street.do(
        AwardPoints(
            award_id="in-error",
            account=WANG,
            rule_id="tidying",
            performed_on=TODAY,
            awarded_by="网格员",
        )
    )
    for key, debit, credit, points in (
        ("taken-back:in-error", f"resident:{WANG}", "points_issued", 40),
        ("taken-back:unheard-of", f"resident:{ZHANG}", "points_issued", 3),
        ("opening:1", "opening_points", f"resident:{LIU}", 7),
    ):
        draft = EntryDraft(
            key=key,
            kind="test",
            occurred_at=street.clock(),
            business_date=TODAY,
            legs=(Leg(Asset.POINTS, "test", debit, credit, points),),
        )
        with writing(street.engine) as tx:
            posted = post(tx, street.pool, draft, recorded_at=street.clock(), fact_no=1)
        assert isinstance(posted, Posted)
    rules = {
        row.rule_id: row.figures for row in street.read(lambda tx: by_rule(tx, street.pool, EVER))
    }
    assert rules[""] == Figures(awarded=-3, opening=7)
    assert rules["tidying"] == Figures(awarded=120 + 60 - 40)
    whole = _total(street, by_place, EVER)
    assert whole == street.read(lambda tx: ledger_figures(tx, street.pool))
    assert (sum(rules.values(), NOTHING).awarded, whole.opening) == (whole.awarded, 7)


def test_the_command_prints_a_tree_json_and_csv(street: World) -> None:
    tree = run(street, "--by", "place")
    assert tree.exit_code == 0, tree.output
    assert "      =第三微网格（binhe-1-3）  登记 awarded 100  抵扣 redeemed 120" in tree.stdout
    assert (
        "合计 total（积分）  登记 awarded 320  抵扣 redeemed 170  退还 returned 10" in tree.stdout
    )
    told = json.loads(run(street, "--by", "shop", "--json", "--to", "2026-03-02").stdout)
    assert told["total"] == {"awarded": 0, "opening": 0, "redeemed": 170, "returned": 10}
    assert told["to"] == "2026-03-02"
    text = run(street, "--by", "place", "--csv").stdout
    assert text.startswith(BYTE_ORDER_MARK)
    rows = list(csv.DictReader(io.StringIO(text.removeprefix(BYTE_ORDER_MARK))))
    (guarded,) = [row for row in rows if row["place"] == "binhe-1-3"]
    assert guarded["name"] == "'=第三微网格"
    assert guarded["total_redeemed_points"] == "120"
    rules = run(street, "--by", "rule", "--csv").stdout.splitlines()
    assert rules[1] == "river-patrol,河道巡查,200,0,0,0"


def test_what_contradicts_itself_is_refused_with_what_to_do(street: World) -> None:
    backwards = run(street, "--by", "rule", "--from", "2026-03-02", "--to", "2026-03-01")
    assert (backwards.exit_code, "请改日期" in backwards.output) == (1, True)
    both = run(street, "--by", "rule", "--json", "--csv")
    assert (both.exit_code, "只能写一个" in both.output) == (1, True)


@pytest.mark.parametrize("start", ["=cmd", "+1", "-1", "@x", "\tx", "\rx", " =cmd", "＝cmd"])
def test_no_cell_of_a_csv_is_a_formula(start: str) -> None:
    text = csv_text(["name", "points"], [[start, -5]])
    (row,) = list(csv.reader(io.StringIO(text.removeprefix(BYTE_ORDER_MARK), newline="")))[1:]
    assert row == [f"'{start}", "-5"]


def test_the_server_has_the_command() -> None:
    group: click.Group = huidian_server
    assert group.commands["report"] is report


def test_roles_add_up_to_the_ledger_and_everybody_is_in_one(street: World) -> None:
    for awarder_id, account in (("wang", WANG), ("wang-2", WANG), ("nobody", None)):
        street.do(
            RegisterAwarder(
                awarder=awarder_id,
                name="王师傅",
                role=AwarderRole.GRID_WORKER if awarder_id == "wang" else AwarderRole.OFFICE,
                account=account,
            )
        )
    rows = street.read(lambda tx: by_role(tx, street.pool, EVER))
    assert {row.role: (row.holders, row.figures) for row in rows} == {
        "grid_worker": (1, Figures(awarded=100, redeemed=120)),
        "resident": (2, Figures(awarded=220, redeemed=50, returned=10)),
    }
    whole = street.read(lambda tx: ledger_figures(tx, street.pool))
    assert sum((row.figures for row in rows), NOTHING) == whole
    street.do(RetireAwarder(awarder="wang", reason="调离"))
    rows = street.read(lambda tx: by_role(tx, street.pool, EVER))
    assert {row.role for row in rows} == {"office", "resident"}
    told = json.loads(run(street, "--by", "role", "--json").stdout)
    assert told["total"]["awarded"] == whole.awarded
    assert "网格员" not in run(street, "--by", "role").stdout
    header, *lines = run(street, "--by", "role", "--csv").stdout.splitlines()
    assert header.endswith("returned_points")
    assert lines[0] == "office,街道工作人员,1,100,0,120,0"


def test_a_rule_that_was_added_later_is_shown_by_what_its_awards_are_called(street: World) -> None:
    for day, category in ((0, "反诈宣传"), (1, "反诈宣讲")):
        street.clock.move(days=day)
        street.do(
            AmendAwardRule(
                rule_id="fraud-talk",
                valid_from=TODAY + timedelta(days=day),
                category=category,
                points=4,
            )
        )
        street.do(
            AwardPoints(
                award_id=f"f-{day}",
                account=LIU,
                rule_id="fraud-talk",
                performed_on=TODAY + timedelta(days=day),
                awarded_by="网格员",
            )
        )
    rows = {row.rule_id: row for row in street.read(lambda tx: by_rule(tx, street.pool, EVER))}
    assert (rows["fraud-talk"].category, rows["fraud-talk"].figures.awarded) == ("反诈宣讲", 8)
    assert "反诈宣讲（fraud-talk）" in run(street, "--by", "rule").stdout


@pytest.mark.parametrize("seed", range(3))
def test_in_any_tree_each_node_is_its_own_and_its_children(street: World, seed: int) -> None:
    random = Random(seed)
    places = [each.id for each in street.preset.places]
    for number in range(25):
        street.do(
            c.RegisterPlace(
                place=f"p-{number}",
                place_kind="micro_grid",
                name=f"第 {number} 处",
                parent=random.choice(places),
            )
        )
        places.append(f"p-{number}")
    expected: dict[str, int] = dict.fromkeys(places, 0)
    for number in range(20):
        account, place = f"{number:016x}", random.choice(places)
        street.do(
            c.RegisterResident(account=account, name="居民", household=f"{number}", place=place)
        )
        for rule, worth in random.sample([("tidying", 60), ("river-patrol", 100)], 1):
            street.award(account, rule)
            expected[place] += worth
    rows = street.read(lambda tx: by_place(tx, street.pool, EVER))
    for row in rows:
        below = [each.total for each in rows if each.parent == row.place]
        assert row.total == sum(below, row.own), row.place
    own = {row.place: row.own.awarded for row in rows}
    assert {place: own[place] for place in places if place.startswith("p-")} == {
        place: points for place, points in expected.items() if place.startswith("p-")
    }
    assert rows[0].total == street.read(lambda tx: ledger_figures(tx, street.pool))
    for figures in (by_rule, by_role):
        whole = _total(street, figures, EVER)
        assert whole.awarded == rows[0].total.awarded
