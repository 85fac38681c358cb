"""Prices from a day on, items added and retired, and stock that moves with the goods."""

import json
import sqlite3
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from msgspec import json as msgspec_json
from msgspec.structs import replace
from sqlalchemy import Engine

from config.server import ServerSettings
from protocol.documents import Catalogue, Item, open_document
from protocol.messages import DocumentsAnswer, DocumentsRequest, OutcomeKind
from protocol.sales import RefundLine
from server.bootstrap.desk import make_desk
from server.bootstrap.main import huidian_server
from server.commands.audit import run_audit
from server.commands.audit_stock import check_stock
from server.commands.context import CommandContext, OpenedPool
from server.commands.importing import ImportedCommand
from server.db import create_all, metadata, open_engine, reading
from server.directory import DirectoryProblem, Done, items_on_sale
from server.directory import commands as c
from server.directory.documents import build_catalogue
from server.facts import Outcome
from server.facts.refused import Refused
from server.redemption import CountStock, ReceiveStock
from server.redemption.stock import StockMoved, stock_units
from tests.unit.server.world import (
    TODAY,
    ZHANG,
    World,
    asked_and_sold,
    money_line,
    points_line,
    refunded,
    sold,
)

TOMORROW = TODAY + timedelta(days=1)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    url = f"sqlite:///{tmp_path}/pool.sqlite3"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
    opened = open_engine(url)
    create_all(opened, metadata)
    yield opened
    opened.dispose()


def on_sale(world: World, day: date = TODAY) -> dict[str, Item]:
    return {
        each.item_id: each for each in world.read(lambda tx: items_on_sale(tx, world.pool, day))
    }


def units(world: World) -> dict[str, int]:
    return world.read(lambda tx: stock_units(tx, world.pool))


def refused(world: World, command: c.AddItem | c.ChangePrice | c.RetireItem) -> str:
    outcome = world.submit(command)
    assert isinstance(outcome, Refused), outcome
    return outcome.reason


def dearer_rice(day: date = TOMORROW) -> c.ChangePrice:
    return c.ChangePrice(item_id="rice", valid_from=day, price_points=16, reimbursement_fen=3_000)


VINEGAR = c.AddItem(
    item_id="vinegar",
    name="食醋",
    name_en="Vinegar",
    category="食品",
    unit="瓶",
    price_points=4,
    reimbursement_fen=800,
    stock=24,
)


def test_a_price_holds_from_its_day_on_and_not_before(counter: World) -> None:
    assert counter.do(dearer_rice()) == Done("rice")
    assert on_sale(counter)["rice"].price_points == 15
    rice = on_sale(counter, TOMORROW)["rice"]
    assert (rice.price_points, rice.reimbursement_fen, rice.barcode) == (16, 3_000, "6999990000104")
    assert counter.do(dearer_rice()) == Done("rice", again=True)
    sooner = c.ChangePrice(
        item_id="rice", valid_from=TODAY, price_points=14, reimbursement_fen=2_800
    )
    counter.do(sooner)
    prices = [on_sale(counter, day)["rice"].price_points for day in (TODAY, TOMORROW)]
    assert prices == [14, 16]
    corrected = c.ChangePrice(item_id="rice", valid_from=TOMORROW, price_points=17)
    counter.do(corrected)
    assert on_sale(counter, TOMORROW)["rice"].price_points == 17


def test_a_record_made_at_the_old_price_still_posts_and_one_at_a_coming_price_does_not(
    counter: World,
) -> None:
    counter.award(ZHANG, *["early-fire"] * 6)
    counter.do(dearer_rice())
    till = counter.till()
    early = sold(counter, points_line("rice", 16, 3_000), points=16)
    assert till.outcome(early).outcome is OutcomeKind.PARKED
    till.record(sold(counter, points_line("rice", 15, 2_800), points=15))
    counter.clock.move(days=3)
    new = sold(counter, points_line("rice", 16, 3_000), points=16, day=TODAY + timedelta(days=3))
    assert [each.outcome for each in till.tell(new)] == [OutcomeKind.POSTED] * 2
    assert counter.fen("merchant:shop-a") == 2_800 + 3_000


def test_an_item_is_added_once_and_retired_from_a_day_on(counter: World) -> None:
    counter.do(VINEGAR)
    assert counter.do(VINEGAR) == Done("vinegar", again=True)
    assert on_sale(counter)["vinegar"].name == "食醋"
    assert list(on_sale(counter))[-1] == "vinegar"
    retire = c.RetireItem(item_id="vinegar", retired_from=TOMORROW, reason="不再采购")
    counter.do(retire)
    assert counter.do(retire) == Done("vinegar", again=True)
    assert "vinegar" in on_sale(counter)
    assert "vinegar" not in on_sale(counter, TOMORROW)
    counter.award(ZHANG, "early-fire")
    till = counter.till()
    counter.clock.move(days=2)
    late = sold(counter, points_line("vinegar", 4, 800), points=4)
    assert till.outcome(late).outcome is OutcomeKind.POSTED


def test_what_would_change_the_past_or_makes_no_sense_is_refused(counter: World) -> None:
    yesterday = TODAY - timedelta(days=1)
    other = c.AddItem(
        item_id="rice", name="米", name_en="Rice", category="食品", unit="袋", price_fen=1
    )
    assert refused(counter, other) == DirectoryProblem.CONFLICT
    assert refused(counter, dearer_rice(yesterday)) == DirectoryProblem.PAST_DAY
    unheard = c.ChangePrice(item_id="unheard-of", valid_from=TODAY, price_fen=1)
    assert refused(counter, unheard) == DirectoryProblem.UNKNOWN_ITEM
    free = c.ChangePrice(item_id="rice", valid_from=TODAY)
    assert refused(counter, free) == DirectoryProblem.BAD_PRICE
    paid_twice = c.ChangePrice(item_id="rice", valid_from=TODAY, price_fen=1, reimbursement_fen=1)
    assert refused(counter, paid_twice) == DirectoryProblem.BAD_PRICE
    gone = c.RetireItem(item_id="rice", retired_from=yesterday, reason="换品牌")
    assert refused(counter, gone) == DirectoryProblem.PAST_DAY
    counter.do(c.RetireItem(item_id="rice", retired_from=TODAY, reason="换品牌"))
    assert refused(counter, dearer_rice()) == DirectoryProblem.RETIRED
    elsewhen = c.RetireItem(item_id="rice", retired_from=TOMORROW, reason="换品牌")
    assert refused(counter, elsewhen) == DirectoryProblem.RETIRED


def test_sales_and_refunds_move_the_stock_and_a_record_told_twice_moves_it_once(
    counter: World,
) -> None:
    counter.award(ZHANG, *["early-fire"] * 6)
    till = counter.till()
    bought = asked_and_sold(
        counter,
        till,
        points_line("soy-sauce", 3, 700, quantity_milli=3_000),
        points_line("rice", 15, 2_800, line_no=2),
        points_line("rice", 15, 2_800, line_no=3),
        points=39,
    )
    till.tell(bought, bought)
    assert units(counter) == {"soy-sauce": 57, "detergent": 60, "rice": 38, "rapeseed-oil": 20}
    back = RefundLine(line_no=1, quantity_milli=1_000, amount_fen=0, amount_points=3)
    till.tell(refunded(counter, bought, back, points_for_goods=3))
    assert units(counter)["soy-sauce"] == 58


def names_both(outcome: Outcome, stands: str, asked: str) -> None:
    assert isinstance(outcome, Refused)
    assert outcome.says.index(stands) < outcome.says.index(asked)


def test_receipts_and_counts_are_written_once_with_their_difference(counter: World) -> None:
    receipt = ReceiveStock(receipt_id="d-1", item_id="rice", quantity_milli=10_000, note="送货单")
    assert counter.do(receipt) == StockMoved("rice", 10_000, 50_000)
    assert counter.do(receipt) == StockMoved("rice", 10_000, 50_000, again=True)
    more = ReceiveStock(receipt_id="d-1", item_id="rice", quantity_milli=11_000, note="送货单")
    names_both(counter.submit(more), "（10, 送货单）", "（11, 送货单）")
    count = CountStock(count_id="n-1", item_id="rice", counted_milli=47_000, reason="破损")
    assert counter.do(count) == StockMoved("rice", -3_000, 47_000)
    assert counter.do(count) == StockMoved("rice", -3_000, 47_000, again=True)
    other = CountStock(count_id="n-1", item_id="rice", counted_milli=46_000, reason="破损")
    names_both(counter.submit(other), "（47, 破损）", "（46, 破损）")
    unheard = ReceiveStock(receipt_id="d-2", item_id="unheard-of", quantity_milli=1_000)
    assert isinstance(counter.submit(unheard), Refused)
    assert units(counter)["rice"] == 47


def test_goods_are_counted_from_their_first_receipt_on(world: World) -> None:
    till, salt = world.till(), replace(money_line("食用盐", 250), item_id="salt")
    till.tell(sold(world, salt))
    assert units(world) == {}
    world.do(ReceiveStock(receipt_id="d-1", item_id="salt", quantity_milli=12_000))
    till.tell(sold(world, salt))
    assert units(world) == {"salt": 11}


def test_more_sold_than_counted_is_booked_and_asks_for_a_count(counter: World) -> None:
    counter.do(CountStock(count_id="n-1", item_id="rice", counted_milli=0, reason="盘点"))
    counter.award(ZHANG, *["early-fire"] * 2)
    outcome = counter.till().outcome(sold(counter, points_line("rice", 15, 2_800), points=15))
    assert outcome.outcome is OutcomeKind.POSTED
    assert units(counter)["rice"] == -1
    assert "大米（rice）  -1 袋  请盘点" in run(counter, "stock").stdout
    built = counter.read(lambda tx: build_catalogue(tx, counter.pool, TODAY, units(counter)))
    assert {each.item_id: each.stock for each in built.items}["rice"] == 0


@pytest.mark.parametrize(
    ("there", "published"), [(0, 0), (1, 1), (20, 20), (21, 40), (40, 40), (41, 60)]
)
def test_the_published_stock_is_exact_when_it_is_low_and_never_too_low(
    counter: World, there: int, published: int
) -> None:
    built = counter.read(lambda tx: build_catalogue(tx, counter.pool, TODAY, {"rice": there}))
    stock = {each.item_id: each.stock for each in built.items}
    assert (stock["rice"], stock["soy-sauce"]) == (published, None)


def test_terminals_get_the_price_of_the_day_and_the_stock(counter: World) -> None:
    counter.do(dearer_rice())
    counter.do(CountStock(count_id="n-1", item_id="rice", counted_milli=2_000, reason="盘点"))
    till = counter.till()

    def rice() -> tuple[int | None, int | None]:
        answer = till.ask("documents", DocumentsRequest(), DocumentsAnswer)
        assert isinstance(answer, DocumentsAnswer)
        opened = [
            open_document(each, counter.keys.root_public, counter.keys.tag)
            for each in answer.documents
        ]
        (catalogue,) = [each for each in opened if isinstance(each, Catalogue)]
        (found,) = [each for each in catalogue.items if each.item_id == "rice"]
        return found.price_points, found.stock

    assert rice() == (15, 2)
    counter.clock.move(days=1)
    assert rice() == (16, 2)


def test_the_audit_is_clean_over_all_of_it_and_names_a_broken_level(counter: World) -> None:
    counter.do(VINEGAR)
    counter.do(dearer_rice())
    counter.do(c.RetireItem(item_id="vinegar", retired_from=TOMORROW, reason="不再采购"))
    counter.do(ReceiveStock(receipt_id="d-1", item_id="rice", quantity_milli=10_000))
    counter.award(ZHANG, *["early-fire"] * 2)
    counter.till().tell(sold(counter, points_line("rice", 15, 2_800), points=15))
    with reading(counter.engine) as tx:
        found = {each.invariant: each.violations for each in run_audit(tx, counter.pool, make_desk)}
    assert found == dict.fromkeys(found, ())
    if counter.engine.dialect.name != "sqlite":
        return
    for statement, row in (
        ("UPDATE stock_level SET level_milli = 1", "stock of rice"),
        ("UPDATE stock_movement SET quantity_milli = -7 WHERE key LIKE 'sale:%'", "sale:"),
    ):
        connection = sqlite3.connect(str(counter.engine.url.database), isolation_level=None)
        connection.execute("DROP TRIGGER IF EXISTS stock_movement_is_never_updated")
        assert connection.execute(statement).rowcount == 1
        connection.close()
        violations = counter.read(lambda tx: list(check_stock(tx, counter.pool)))
        assert any(row in each.where for each in violations), violations


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
    name, *rest = arguments
    return CliRunner().invoke(group.commands[name], rest, obj=context)


def _nobody(given: object) -> OpenedPool:
    raise AssertionError(given)


def _nobody_serves(opened: OpenedPool, _workers: int) -> None:
    raise AssertionError(opened)


def test_an_operator_receives_counts_and_reads(counter: World) -> None:
    came = run(counter, "stock-in", "rice", "2.5", "--id", "d-1", "--note", "捐赠")
    assert came.stdout == "rice  +2.5  库存 stock 42.5\n"
    assert (
        "已记过" in run(counter, "stock-in", "rice", "2.5", "--id", "d-1", "--note", "捐赠").stdout
    )
    counted = run(counter, "stock-count", "rice", "40", "--reason", "破损")
    assert counted.stdout == "rice  -2.5  库存 stock 40\n"
    told = json.loads(run(counter, "stock", "--json").stdout)
    assert {each["item_id"]: each["level_milli"] for each in told}["rice"] == 40_000
    assert "rice,大米,袋,40" in run(counter, "stock", "--csv").stdout
    for nonsense in ("many", "0.0001", "NaN", "1e99", "0"):
        wrong = run(counter, "stock-in", "rice", nonsense)
        assert (wrong.exit_code, "数量" in wrong.output) == (1, True), nonsense


def test_an_import_file_may_say_all_of_it() -> None:
    line = {
        "kind": "count_stock",
        "count_id": "n",
        "item_id": "rice",
        "counted_milli": 1,
        "reason": "x",
    }
    decoded = msgspec_json.decode(json.dumps(line), type=ImportedCommand)
    assert decoded == CountStock(count_id="n", item_id="rice", counted_milli=1, reason="x")


def test_labels_and_poster_are_printed_for_a_day(counter: World, tmp_path: Path) -> None:
    counter.do(dearer_rice())
    out = tmp_path / "labels.pdf"
    tomorrow = ("--on", TOMORROW.isoformat())
    for arguments in (("--poster", *tomorrow), ("--category", "食品"), ()):
        told = run(counter, "price-labels", "--out", str(out), *arguments)
        assert told.exit_code == 0, told.output
        assert out.read_bytes().startswith(b"%PDF")
        out.unlink()
    nothing = run(counter, "price-labels", "--out", str(out), "--category", "没有")
    assert nothing.exit_code == 1
    assert "没有这样的商品" in nothing.output
    assert not out.exists()
    nowhere = run(counter, "price-labels", "--out", str(tmp_path / "no" / "x.pdf"))
    assert "写不进去" in nowhere.output
