"""Each invariant: clean books pass, and books broken on purpose are named by their row."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Engine

from protocol.keys import public_key_text
from server.bootstrap.desk import make_desk
from server.commands.audit import INVARIANTS, run_audit
from server.commands.audit_replay import LEFT_OUT, compared_tables
from server.commands.audit_values import VIOLATIONS_KEPT, Finding, Progress, keep
from server.db import create_all, metadata, open_engine, reading
from server.db.violation import Violation
from tests.conftest import Cluster
from tests.unit.audit.breaking import break_books
from tests.unit.audit.pool_world import PoolWorld, small_history

OTHER_KEY = public_key_text(Ed25519PrivateKey.from_private_bytes(b"x" * 32).public_key())
ALL = [f"I{number}" for number in range(1, 13)]
_database_no = count(1)


@dataclass
class Books:
    """A pool's database, of which each test has a copy of its own."""

    engine: Engine

    def audit(self, *only: str) -> dict[str, Finding]:
        with reading(self.engine) as tx:
            found = run_audit(tx, "guanghui", make_desk, only=only or INVARIANTS)
        return {each.invariant: each for each in found}


@pytest.fixture(scope="module")
def told_in_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with a history; tests work on copies of it."""
    path = tmp_path_factory.mktemp("told") / "pool.db"
    tell(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="module")
def told_in_postgres(postgres_cluster: Cluster) -> Iterator[str]:
    """The same on PostgreSQL: a database that is copied as a template."""
    name = f"told_{next(_database_no)}"
    postgres_cluster.run(f"CREATE DATABASE {name}")
    tell(postgres_cluster.url(name))
    yield name
    postgres_cluster.run(f"DROP DATABASE {name} WITH (FORCE)")


def tell(url: str) -> None:
    engine = open_engine(url)
    create_all(engine, metadata)
    small_history(PoolWorld(engine))
    engine.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def books(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Books]:
    if request.param == "sqlite":
        told: Path = request.getfixturevalue("told_in_sqlite")
        (tmp_path / "copy.db").write_bytes(told.read_bytes())
        engine = open_engine(f"sqlite:///{tmp_path}/copy.db")
        yield Books(engine)
        engine.dispose()
        return
    cluster: Cluster = request.getfixturevalue("postgres_cluster")
    name = f"copy_{next(_database_no)}"
    template = request.getfixturevalue("told_in_postgres")
    cluster.run(f"CREATE DATABASE {name} TEMPLATE {template}")
    engine = open_engine(cluster.url(name))
    yield Books(engine)
    engine.dispose()
    cluster.run(f"DROP DATABASE {name} WITH (FORCE)")


def test_books_with_a_history_are_clean_and_everything_was_looked_at(books: Books) -> None:
    found = books.audit()
    assert list(found) == ALL
    assert {name: each.violations for name, each in found.items()} == dict.fromkeys(ALL, ())
    assert {name: each.stopped for name, each in found.items()} == dict.fromkeys(ALL)
    looked_at = {name: each.checked for name, each in found.items()}
    assert looked_at == {name: each.there for name, each in found.items()}
    assert all(rows > 0 for rows in looked_at.values())


def test_an_empty_pool_is_clean(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/new.db")
    create_all(engine, metadata)
    PoolWorld(engine)
    assert all(each.clean for each in Books(engine).audit().values())
    engine.dispose()


def test_only_what_is_asked_for_is_checked_and_progress_reaches_the_end(books: Books) -> None:
    told: list[Progress] = []
    with reading(books.engine) as tx:
        found = run_audit(tx, "guanghui", make_desk, only=["I8", "I4"], tell=told.append)
    assert [each.invariant for each in found] == ["I4", "I8"]
    for name, each in zip(("I4", "I8"), found, strict=True):
        steps = [step.checked for step in told if step.invariant == name]
        assert steps == sorted(steps)
        assert steps[-1] == each.checked == each.there > 0


def test_every_invariant_is_broken_by_some_test() -> None:
    assert {invariant for invariant, _, _ in BROKEN.values()} == set(ALL)


SALE = "(SELECT min(sale_id) FROM sale WHERE state = 'captured')"
BROKEN = {
    "I1 a side too much": (
        "I1",
        "UPDATE account SET credits = credits + 1 WHERE account LIKE 'resident:%'",
        "points",
    ),
    "I2 a sum that is not the fold": (
        "I2",
        "UPDATE account SET credits = credits + 1 WHERE account = 'redeemed:zhan'",
        "account redeemed:zhan",
    ),
    "I2 a transfer that is gone": (
        "I2",
        "DELETE FROM transfer WHERE transfer_no = (SELECT max(transfer_no) FROM transfer)",
        "table transfer",
    ),
    "I3 below zero once, long ago": (
        "I3",
        "UPDATE transfer SET amount = 1 WHERE code = 'award'",
        "account resident:00000000000000aa",
    ),
    "I4 a sale that is gone": ("I4", f"DELETE FROM sale WHERE sale_id = {SALE}", "sale:"),
    "I4 a sale that was made undone": (
        "I4",
        f"UPDATE sale SET state = 'reversed' WHERE sale_id = {SALE}",
        "was told by",
    ),
    "I4 a reversal that was made a sale": (
        "I4",
        "UPDATE sale SET state = 'authorised' WHERE state = 'reversed'",
        "which is authorised",
    ),
    "I4 a sale that is booked twice": (
        "I4",
        (
            "INSERT INTO entry SELECT pool, entry_no + 1000, 'sale:again', kind, input_hash,"
            " occurred_at, recorded_at, business_date, fact_no, memo FROM entry"
            " WHERE kind = 'sale' LIMIT 1"
        ),
        "sale:again",
    ),
    "I4 a sale that says another place": (
        "I4",
        f"UPDATE sale SET seq = seq + 100 WHERE sale_id = {SALE}",
        "was told by",
    ),
    "I5 a record that is gone": (
        "I5",
        "DELETE FROM journal_record WHERE terminal = 't-zhan' AND seq = 1",
        "record t-zhan 1/2",
    ),
    "I5 a hash that was changed": (
        "I5",
        "UPDATE journal_record SET hash = prev_hash WHERE terminal = 't-zhan' AND seq = 2",
        "record t-zhan 1/2",
    ),
    "I5 an epoch that nobody gave out": (
        "I5",
        "UPDATE terminal SET epoch = 0 WHERE terminal = 't-zhan'",
        "never given out",
    ),
    "I5 bytes that another key signed": (
        "I5",
        f"UPDATE terminal SET public_key = '{OTHER_KEY}' WHERE terminal = 't-zhan'",
        "bad_signature",
    ),
    "I6 captured more than held": (
        "I6",
        (
            "INSERT INTO hold SELECT pool, 'broken', account, asset, 5, 'captured', 6,"
            " '2026-03-01T00:00:00.000000Z', '2026-03-01T00:00:00.000000Z',"
            " '2026-03-01T00:00:00.000000Z' FROM account WHERE account LIKE 'resident:%'"
        ),
        "hold broken",
    ),
    "I7 a reimbursement one fen too high in the ledger": (
        "I7",
        "UPDATE transfer SET amount = amount + 1 WHERE code = 'reimbursement'",
        "reimbursement in fen",
    ),
    "I7 a reimbursement one fen too low in the sale": (
        "I7",
        f"UPDATE sale SET reimbursement_fen = reimbursement_fen - 1 WHERE sale_id = {SALE}",
        "notes a reimbursement",
    ),
    "I7 cash that was not taken": (
        "I7",
        f"UPDATE sale SET cash_fen = cash_fen + 1 WHERE sale_id = {SALE}",
        "cash in fen",
    ),
    "I7 a refund that gives back too little": (
        "I7",
        "UPDATE transfer SET amount = amount - 1 WHERE code = 'reimbursement_returned'",
        "refund:",
    ),
    "I8 a transfer on no statement": (
        "I8",
        (
            "DELETE FROM statement_line WHERE transfer_no ="
            " (SELECT min(transfer_no) FROM statement_line)"
        ),
        "is in no statement",
    ),
    "I8 a day sum that lost its place": (
        "I8",
        "DELETE FROM placement WHERE statement = 'zhan-20260302'",
        "zhan-20260302 should have it",
    ),
    "I8 a transfer on the wrong statement": (
        "I8",
        "UPDATE placement SET statement = 'zhan-20260303' WHERE statement = 'zhan-20260302'",
        "instead of zhan-20260302",
    ),
    "I8 a statement that adds up, but not to its lines": (
        "I8",
        (
            "UPDATE statement SET reimbursement_fen = reimbursement_fen + 1, net_fen = net_fen + 1"
            " WHERE statement = 'zhan-20260302'"
        ),
        "statement zhan-20260302",
    ),
    "I8 a day sum that says more than its transfers": (
        "I8",
        (
            "UPDATE day_sum SET takings_fen = takings_fen + 1 WHERE day_sum ="
            " (SELECT min(day_sum) FROM day_sum WHERE takings_fen > 0)"
        ),
        ": takings_fen is ",
    ),
    "I8 a day sum of another day": (
        "I8",
        (
            "UPDATE day_sum SET business_date = '2026-03-09' WHERE day_sum ="
            " (SELECT min(day_sum) FROM day_sum WHERE takings_fen > 0)"
        ),
        "sums entries that agree in nothing with it",
    ),
    "I8 a charge that its day sum does not say": (
        "I8",
        "UPDATE day_sum SET share_fen = share_fen - 1 WHERE kind = 'share' AND share_fen > 0",
        "its transfers say",
    ),
    "I8 a transfer that was never summed": (
        "I8",
        (
            "DELETE FROM statement_line WHERE transfer_no ="
            " (SELECT max(transfer_no) FROM statement_line)"
        ),
        "is in no day sum",
    ),
    "I8 a share at another rate": (
        "I8",
        "UPDATE statement_share SET share_bp = 1001 WHERE share_bp = 1000",
        "share_bp=1001",
    ),
    "I8 a day that is in no period": (
        "I8",
        (
            "UPDATE statement SET period_from = '2026-03-04', period_through = '2026-03-04'"
            " WHERE statement = 'zhan-20260303'"
        ),
        "statement zhan-20260303",
    ),
    "I8 a merchant who was left out": (
        "I8",
        "DELETE FROM statement WHERE statement = 'zhan-20260303'",
        "merchant zhan",
    ),
    "I4 a sale that is booked no more": (
        "I4",
        "DELETE FROM entry WHERE kind = 'sale'",
        "happened, and is not booked",
    ),
    "I4 a sale under an id that nobody told": (
        "I4",
        f"UPDATE sale SET sale_id = 'another' WHERE sale_id = {SALE}",
        "sale:another",
    ),
    "I5 a chain that lost its end": (
        "I5",
        (
            "DELETE FROM journal_record WHERE terminal = 't-zhan' AND seq ="
            " (SELECT max(seq) FROM journal_record WHERE terminal = 't-zhan')"
        ),
        "its record is in no chain",
    ),
    "I8 a line of somebody else": (
        "I8",
        (
            "INSERT INTO statement_line SELECT pool, 1, day_sum"
            " FROM statement_line WHERE transfer_no ="
            " (SELECT min(transfer_no) FROM statement_line)"
        ),
        "transfer 1 does not concern its merchant",
    ),
    "I9 takings that came from the fund": (
        "I9",
        "UPDATE transfer SET debit_account = 'pool_fund' WHERE debit_account = 'takings_contra'",
        "takings face takings",
    ),
    "I9 a statement that says more than its lines moved": (
        "I9",
        "UPDATE statement SET closing_fen = closing_fen + 1 WHERE statement = 'zhan-20260302'",
        "statement zhan-20260302",
    ),
    "I12 a sale that was given to another merchant": (
        "I12",
        f"UPDATE sale SET merchant = 'zhan' WHERE merchant = 'xiaodian' AND sale_id = {SALE}",
        "but terminal t-xiaodian is xiaodian's",
    ),
    "I12 points of a sale on another merchant's account": (
        "I12",
        (
            "UPDATE transfer SET credit_account = 'redeemed:zhan'"
            " WHERE credit_account = 'redeemed:xiaodian'"
        ),
        "redeemed:zhan",
    ),
    "I12 a refund that was given to another merchant": (
        "I12",
        "UPDATE refund SET merchant = 'zhan'",
        "but sale",
    ),
    "I12 lines of one merchant on the other's statement": (
        "I12",
        ("UPDATE placement SET statement = 'zhan-20260302' WHERE statement = 'xiaodian-20260302'"),
        "statement zhan-20260302",
    ),
    "I12 a contract that was given to another merchant": (
        "I12",
        "UPDATE contract SET merchant = 'zhan' WHERE merchant = 'xiaodian'",
        "contract c-xiaodian is zhan's",
    ),
    "I12 a sign-in for nobody": (
        "I12",
        "UPDATE sign_in SET merchant = 'nobody' WHERE user_name = 'zhan'",
        "sign-in zhan",
    ),
    "I12 a terminal in no shop": (
        "I12",
        "UPDATE terminal SET shop = 'nowhere' WHERE terminal = 't-zhan'",
        "terminal t-zhan",
    ),
    "I10 a balance that no fact explains": (
        "I10",
        (
            "UPDATE account SET debits = debits + 1, credits = credits + 1"
            " WHERE account = 'merchant:zhan'"
        ),
        "table account, row merchant:zhan",
    ),
    "I10 a statement that no fact explains": (
        "I10",
        "UPDATE statement SET sales_count = 9 WHERE statement = 'zhan-20260303'",
        "table statement, row zhan-20260303",
    ),
    "I10 a resident who was renamed": (
        "I10",
        "UPDATE resident SET name = '李阿姨'",
        "table resident, row 00000000000000aa",
    ),
    "I10 a row that no fact made": (
        "I10",
        (
            "INSERT INTO award SELECT pool, 'zzz', account, rule_id, category, performed_on, 1,"
            " awarded_by, memo, 1 FROM award LIMIT 1"
        ),
        "table award, row zzz",
    ),
    "I10 a fact that is gone": (
        "I10",
        "DELETE FROM fact WHERE fact_no = (SELECT max(fact_no) FROM fact)",
        "table fact",
    ),
    "I10 a fact that says something else": (
        "I10",
        "UPDATE fact SET body = {other_words:听篌街,丁香街} WHERE kind = 'register_merchant'",
        "table merchant, row zhan",
    ),
    "I10 a fact that would have been refused": (
        "I10",
        "UPDATE fact SET body = {other_words:river-patrol,no-such} WHERE kind = 'award_points'",
        "no-such",
    ),
    "I11 an award that was never issued": (
        "I11",
        "UPDATE award SET points = points + 1",
        "points_issued",
    ),
    "I11 points that came from nowhere": (
        "I11",
        "UPDATE account SET credits = credits + 1 WHERE account LIKE 'resident:%'",
        "points are nowhere",
    ),
}


OTHER_WORDS = {
    "sqlite": r"CAST(replace(CAST(body AS TEXT), '\1', '\2') AS BLOB)",
    "postgresql": r"convert_to(replace(convert_from(body, 'UTF8'), '\1', '\2'), 'UTF8')",
}


def spoken(statement: str, dialect: str) -> str:
    """The statement as this database says it."""
    return re.sub(r"\{other_words:(.+),(.+)\}", OTHER_WORDS[dialect], statement)


@pytest.mark.parametrize(("invariant", "statement", "named"), BROKEN.values(), ids=BROKEN.keys())
def test_books_broken_on_purpose_are_named(
    books: Books, invariant: str, statement: str, named: str
) -> None:
    break_books(books.engine, spoken(statement, books.engine.dialect.name))
    found = books.audit(invariant)[invariant]
    assert found.broken > 0, found.stopped
    assert all(each.invariant == invariant for each in found.violations)
    told = [f"{each.where}: {each.says}" for each in found.violations]
    assert any(named in each for each in told), told


def test_a_check_that_cannot_read_what_is_there_says_so_and_is_not_clean(books: Books) -> None:
    nonsense = (
        "UPDATE fact SET body = {other_words:terminal,nonsense} WHERE kind = 'journal_record'"
    )
    break_books(books.engine, spoken(nonsense, books.engine.dialect.name))
    found = books.audit("I5", "I6")
    assert found["I5"].stopped is not None
    assert not found["I5"].clean
    assert found["I6"].clean


def test_the_i10_comparison_covers_every_table_but_those_named_with_a_reason() -> None:
    assert {table.name for table in compared_tables()} | set(LEFT_OUT) == set(metadata.tables)
    assert all(LEFT_OUT.values())


def test_a_row_too_many_is_told_as_that_one_row(books: Books) -> None:
    break_books(
        books.engine,
        "INSERT INTO award SELECT pool, '0', account, rule_id, category, performed_on, 1,"
        " awarded_by, memo, 1 FROM award LIMIT 1",
    )
    (violation,) = books.audit("I10")["I10"].violations
    assert violation.where.endswith("table award, row 0")
    assert violation.says == "is not made by the replay"


def test_goods_priced_in_points_are_held_to_their_own_reimbursement(tmp_path: Path) -> None:
    path = tmp_path / "yamen.db"
    engine = open_engine(f"sqlite:///{path}")
    create_all(engine, metadata)
    world = PoolWorld(engine, "yamen")
    world.open_merchant("chaoshi", "网格积分超市", share_bp=0)
    world.award(3, rule="early-fire")
    goods = [each.id for each in world.preset.catalogue if each.price_points in {15, 3}]
    lines = [world.line(item, line_no=number) for number, item in enumerate(goods, start=1)]
    world.sell("chaoshi", *lines, points=18)
    with reading(engine) as tx:
        found = {each.invariant: each for each in run_audit(tx, "yamen", make_desk)}
    assert all(each.broken == 0 for each in found.values())
    engine.dispose()
    books = Books(open_engine(f"sqlite:///{path}"))
    break_books(books.engine, "UPDATE sale_line SET reimbursement_fen = 0 WHERE line_no = 1")
    with reading(books.engine) as tx:
        (found_money,) = run_audit(tx, "yamen", make_desk, only=["I7"])
    books.engine.dispose()
    assert "reimbursement in fen: 3500 were booked" in found_money.violations[0].says


def test_a_check_keeps_the_first_violations_and_counts_them_all() -> None:
    many = (Violation("I1", f"row {number}", "is wrong") for number in range(VIOLATIONS_KEPT + 5))
    broken, kept = keep(many)
    assert (broken, len(kept)) == (VIOLATIONS_KEPT + 5, VIOLATIONS_KEPT)
