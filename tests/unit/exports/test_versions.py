"""A statement verifies for good as it was issued: its text stays in the version of its run."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import msgspec
import pytest
from alembic import command
from sqlalchemy import Engine, select

from protocol.sales import Fulfilment, SaleCaptured
from server.bootstrap.desk import make_desk
from server.commands.audit import run_audit
from server.db import metadata, open_engine, reading
from server.db.migrate import MIGRATIONS, _config, upgrade
from server.directory.commands import AddItem
from server.exports.canonical import code_of, payload_of
from server.exports.json_file import read_document
from server.exports.seal import StatementFormat, Verdict, verify_file
from server.redemption import FulfilOrder
from server.redemption.orders import order_id_of
from server.settlement import runs
from server.settlement.document import StatementDocument, StatementLine
from server.settlement.tables import settlement_run
from server.settlement.values import DOCUMENT_VERSION, CloseRun, OpenRun
from tests.unit.audit.pool_world import RESIDENT
from tests.unit.exports.conftest import ROOT_KEY, exported
from tests.unit.exports.example import example
from tests.unit.exports.machine import Machine
from tests.unit.exports.read_back import csv_tables, pdf_text, xlsx_tables
from tests.unit.settlement.golden_world import VOUCHERS
from tests.unit.settlement.real_world import RealWorld

KINDS = list(StatementFormat)
# What the example's text came to while these versions were the newest.
FIRST_DIGEST = "988e10ab73b4b264811a4a08e7f1cce9c806ad9809dc6d4a5895f79cc4a565b3"
SECOND_DIGEST = "8f759dfe0da4941a53e1265d6c6b85184e5e10befc649b9a4b33a791bb59aa59"
THIRD_DIGEST = "1da37d0fa3453d73684d956cc72b3e9e1ce00ad25969654f8ef387d28a41bebc"
OF_SALE = ("of_business_date", "of_terminal", "of_receipt_no")
BEFORE_VERSIONS = "0023"


@pytest.fixture(scope="module", autouse=True)
def _pages_can_be_drawn(cjk_font: Path) -> None:
    """The PDF needs a font."""


def first_text(document: StatementDocument) -> bytes:
    """The text of the first version, put together as it was then and not by what is tested."""
    plain = msgspec.to_builtins(document)
    del plain["version"]
    for line in plain["lines"]:
        for name in ("proof", *OF_SALE):
            del line[name]
    whole = {"document": plain, "format": "huidian-statement", "version": 1}
    return json.dumps(whole, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def first_code(document: StatementDocument) -> str:
    digest = hashlib.sha256(first_text(document)).digest()
    return code_of(document.pool, document.statement, digest)


def test_the_first_versions_text_is_what_it_always_was() -> None:
    document = replace(example(), version=1)
    assert payload_of(document) == first_text(document)
    assert hashlib.sha256(payload_of(document)).hexdigest() == FIRST_DIGEST
    assert payload_of(example()) != payload_of(document)


def test_the_second_versions_text_and_tables_name_a_refunds_sale_nowhere_else() -> None:
    document = replace(example(), version=2)
    assert hashlib.sha256(payload_of(document)).hexdigest() == SECOND_DIGEST
    for version, has_it in ((document, False), (example(), True)):
        csv, xlsx = (exported(version, kind).content for kind in (KINDS[2], KINDS[1]))
        for name in OF_SALE:
            assert (name in csv_tables(csv)["lines"][0]) is has_it
            assert (name in xlsx_tables(xlsx)["lines"][0]) is has_it


def test_the_third_versions_text_is_what_it_was() -> None:
    document = replace(example(), version=3)
    assert hashlib.sha256(payload_of(document)).hexdigest() == THIRD_DIGEST


def test_files_of_the_first_version_are_whole_and_show_no_column_that_it_did_not_have() -> None:
    without = tuple(
        replace(line, proof="", of_business_date=None, of_terminal="", of_receipt_no="")
        for line in example().lines
    )
    document = replace(example(), version=1, lines=without)
    for kind in KINDS:
        made = exported(document, kind)
        assert verify_file(made.content, ROOT_KEY.public_key()).verdict is Verdict.WHOLE
        assert made.seal.digest == FIRST_DIGEST
    assert read_document(exported(document, StatementFormat.JSON).content) == document
    for version, has_proof in ((document, False), (example(), True)):
        csv, xlsx = (exported(version, kind).content for kind in (KINDS[2], KINDS[1]))
        assert ("proof" in csv_tables(csv)["lines"][0]) is has_proof
        assert ("proof" in xlsx_tables(xlsx)["lines"][0]) is has_proof
        assert ("核验" in pdf_text(exported(version, StatementFormat.PDF).content)) is has_proof


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    url = f"sqlite:///{tmp_path}/pool.db"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
    opened = open_engine(url)
    upgrade(opened, metadata)
    yield opened
    opened.dispose()


def settled_as_before(world: RealWorld, through: date, version: int | None = None) -> None:
    """A run of an earlier version; without one, by a command that knows no versions, as the log
    holds those of before.
    """
    run = f"r-{through}"
    log = msgspec.json.encode(OpenRun(run=run, through=through, opened_by="财务"))
    plain = msgspec.json.decode(log)
    del plain["document_version"]
    if version is not None:
        plain["document_version"] = version
    world.tell(msgspec.convert(plain, OpenRun))
    with reading(world.engine) as tx:
        due = runs.merchants_due(tx, world.pool, run)
    assert list(runs.drive(world.tell, run, due))
    world.tell(CloseRun(run=run, closed_by="财务"))


def test_a_statement_of_before_keeps_its_code_when_later_ones_say_more(
    engine: Engine, tmp_path: Path
) -> None:
    world = RealWorld(engine, "guanghui")
    world.open_merchant("dian", "广惠小店一号")
    world.give(RESIDENT, 500)
    world.stall_sale("dian", world.amount("菜", 5_000), account=RESIDENT, points=100)
    world.stall_sale("dian", world.amount("量血压", 0))
    first_day = world.day
    world.now += timedelta(days=1)
    settled_as_before(world, first_day)
    # As the server of before left its books: its runs had no version in the database.
    with engine.begin() as tx:
        command.downgrade(_config(tx, metadata, MIGRATIONS), BEFORE_VERSIONS)
    upgrade(engine, metadata)

    old = f"dian-{first_day:%Y%m%d}"
    code = first_code(world.document(old))
    machine = Machine(world, tmp_path)
    for kind in KINDS:
        written = machine.run("export", old, "--to", tmp_path / f"old.{kind}")
        assert code in written.stdout, written.output

    world.stall_sale("dian", world.amount("菜", 3_000), account=RESIDENT, points=50)
    world.stall_sale("dian", world.amount("量血压", 0))
    second_day = world.day
    world.now += timedelta(days=1)
    world.run(second_day)
    new = world.document(f"dian-{second_day:%Y%m%d}")
    assert [(line.proof, line.takings_fen) for line in new.lines] == [("B", 2_500), ("", 0)]
    assert new.version == DOCUMENT_VERSION
    assert first_code(world.document(old)) == code
    # No proof, and no line for what moved neither points nor money, as it was issued.
    assert [(line.proof, line.takings_fen) for line in world.document(old).lines] == [("", 4_000)]

    for kind in KINDS:
        found = machine.run("verify", tmp_path / f"old.{kind}")
        assert (found.exit_code, "与账上一致" in found.stdout) == (0, True), found.output
    looked_up = machine.run("lookup", code)
    assert (looked_up.exit_code, old in looked_up.stdout) == (0, True), looked_up.output
    with reading(engine) as tx:
        versions = select(settlement_run.c.document_version).order_by(settlement_run.c.through)
        assert tx.execute(versions).scalars().all() == [1, DOCUMENT_VERSION]
        audited = run_audit(tx, world.pool, make_desk)
    assert {each.invariant: each.violations for each in audited if each.broken} == {}


def test_a_refund_names_its_sale_as_the_receipt_does_and_in_earlier_versions_by_its_id(
    tmp_path: Path,
) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/pool.db")
    upgrade(engine, metadata)
    world = RealWorld(engine, "guanghui")
    world.open_merchant("dian", "广惠小店一号")
    sold_on = world.day
    sales = [world.stall_sale("dian", world.amount("菜", 5_000)) for _ in range(2)]
    world.now += timedelta(days=1)
    world.give_back("dian", sales[0], 1_000, 0)
    world.now += timedelta(days=1)
    settled_as_before(world, sold_on + timedelta(days=1), version=2)
    world.give_back("dian", sales[1], 2_000, 0)
    back_on = world.day
    world.now += timedelta(days=1)
    world.run(back_on)

    before, now = (
        world.document(f"dian-{day:%Y%m%d}") for day in (sold_on + timedelta(days=1), back_on)
    )
    old, new = before.lines[-1], now.lines[-1]
    assert (old.kind, old.memo, old.of_receipt_no) == ("refund", str(sales[0].sale_id), "")
    assert all(
        name not in json.loads(payload_of(before))["document"]["lines"][0] for name in OF_SALE
    )
    assert (new.kind, new.memo) == ("refund", "")
    named = (new.of_business_date, new.of_terminal, new.of_receipt_no)
    assert named == (sold_on, "t-dian", "t-dian-0002")
    on_paper = pdf_text(exported(now, StatementFormat.PDF).content)
    assert f"退{sold_on}的销售：小票t-dian-0002（终端t-dian）" in on_paper
    for kind in KINDS:
        made = exported(now, kind)
        assert verify_file(made.content, ROOT_KEY.public_key()).verdict is Verdict.WHOLE
    for text in (on_paper, exported(now, StatementFormat.CSV).content.decode()):
        assert str(sales[1].sale_id) not in text
    engine.dispose()


def settled_vouchers(world: RealWorld, version: int) -> tuple[date, list[SaleCaptured]]:
    """A day on which "dian" sells two vouchers of which he does one and "zhan" the other."""
    voucher = msgspec.structs.replace(VOUCHERS, reimbursement_fen=1_500)
    sold, day = [world.asked_sale("dian", voucher, points=40) for _ in range(2)], world.day
    for sale, provider in zip(sold, ("dian", "zhan"), strict=True):
        world.tell(
            FulfilOrder(
                fulfilment_id=f"f-{sale.receipt_no}",
                order_id=order_id_of(sale.sale_id, 1),
                provider=provider,
                business_date=day,
                confirmed_by="电话回访",
            )
        )
    world.now += timedelta(days=1)
    settled_as_before(world, day, version=version)
    return day, sold


@pytest.fixture
def vouchers_sold(tmp_path: Path) -> Iterator[RealWorld]:
    """Two merchants, a resident with points, and a voucher to be had for them."""
    engine = open_engine(f"sqlite:///{tmp_path}/pool.db")
    upgrade(engine, metadata)
    world = RealWorld(engine, "guanghui")
    for merchant in ("dian", "zhan"):
        world.open_merchant(merchant, merchant)
    world.give(RESIDENT, 500)
    world.tell(
        AddItem(
            item_id="haircut-voucher",
            name="理发券",
            name_en="Haircut voucher",
            category="券",
            unit="张",
            price_points=20,
            reimbursement_fen=1_500,
            fulfilment=Fulfilment.VOUCHER,
        )
    )
    yield world
    engine.dispose()


def sale_named(line: StatementLine) -> tuple[date | None, str, str]:
    assert (line.kind, line.memo, line.receipt_no) == ("fulfilment", "理发券", "")
    return line.of_business_date, line.of_terminal, line.of_receipt_no


def test_a_voucher_names_the_sale_it_was_sold_with_and_did_not_before_the_fourth_version(
    vouchers_sold: RealWorld,
) -> None:
    world = vouchers_sold
    before, _ = settled_vouchers(world, 3)
    day, sold = settled_vouchers(world, DOCUMENT_VERSION)
    for merchant in ("dian", "zhan"):
        old = world.document(f"{merchant}-{before:%Y%m%d}")
        assert (old.version, sale_named(old.lines[-1])) == (3, (None, "", ""))
        assert "售出：小票" not in pdf_text(exported(old, StatementFormat.PDF).content)

    own = world.document(f"dian-{day:%Y%m%d}")
    receipt = sold[0].receipt_no
    assert sale_named(own.lines[-1]) == (day, "t-dian", receipt)
    content = {kind: exported(own, kind).content for kind in KINDS}
    for rows in (
        csv_tables(content[StatementFormat.CSV])["lines"],
        xlsx_tables(content[StatementFormat.XLSX])["lines"],
    ):
        named = [str(rows[-1][name]) for name in OF_SALE]
        assert named == [str(day), "t-dian", receipt]
    assert read_document(content[StatementFormat.JSON]) == own
    on_paper = pdf_text(content[StatementFormat.PDF])
    assert f"{day}售出：小票{receipt}（终端t-dian）" in on_paper
    with reading(world.engine) as tx:
        audited = run_audit(tx, world.pool, make_desk)
    assert {each.invariant: each.violations for each in audited if each.broken} == {}


def test_a_voucher_that_another_merchant_sold_names_no_receipt_of_his(
    vouchers_sold: RealWorld,
) -> None:
    world = vouchers_sold
    day, sold = settled_vouchers(world, DOCUMENT_VERSION)
    others = world.document(f"zhan-{day:%Y%m%d}")
    assert sale_named(others.lines[-1]) == (None, "", "")
    for kind in KINDS:
        made = exported(others, kind)
        assert verify_file(made.content, ROOT_KEY.public_key()).verdict is Verdict.WHOLE
        assert sold[1].receipt_no.encode() not in made.content
    rows = xlsx_tables(exported(others, StatementFormat.XLSX).content)["lines"]
    assert [rows[-1][name] for name in OF_SALE[1:]] == ["", ""]
    assert sold[1].receipt_no not in pdf_text(exported(others, StatementFormat.PDF).content)


def test_a_version_that_nobody_knows_is_a_fault_and_opens_no_run(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/pool.db")
    upgrade(engine, metadata)
    world = RealWorld(engine, "guanghui")
    day = world.day
    world.now += timedelta(days=1)
    for version in (0, DOCUMENT_VERSION + 1):
        unknown = OpenRun(run="r", through=day, opened_by="财务", document_version=version)
        with pytest.raises(AssertionError, match="no version of statements"):
            world.tell(unknown)
    with reading(engine) as tx:
        assert tx.execute(select(settlement_run)).all() == []
    engine.dispose()
