"""Each invariant: clean books pass, and books broken on purpose are named by their row."""

import sqlite3
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Engine

from protocol.keys import public_key_text
from server.api.tables import used_nonce
from server.bootstrap.desk import make_desk
from server.commands.audit import run_audit
from server.commands.audit_replay import COMPARED
from server.commands.audit_values import VIOLATIONS_KEPT, Finding, finding
from server.db import create_all, metadata, open_engine, reading
from server.db.violation import Violation
from tests.unit.audit.pool_world import PoolWorld, small_history

OTHER_KEY = public_key_text(Ed25519PrivateKey.from_private_bytes(b"x" * 32).public_key())
ALL = [*(f"I{number}" for number in range(1, 9)), "I10", "I11"]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with a history; tests work on copies of it."""
    path = tmp_path_factory.mktemp("told") / "pool.db"
    engine = open_engine(f"sqlite:///{path}")
    create_all(engine, metadata)
    small_history(PoolWorld(engine))
    engine.dispose()
    return path


@pytest.fixture
def copy(told: Path, tmp_path: Path) -> Path:
    path = tmp_path / "copy.db"
    with sqlite3.connect(told) as source, sqlite3.connect(path) as target:
        source.backup(target)
    source.close()
    target.close()
    return path


def audited(engine: Engine) -> dict[str, Finding]:
    with reading(engine) as tx:
        return {each.invariant: each for each in run_audit(tx, "guanghui", make_desk)}


def audit_file(path: Path) -> dict[str, Finding]:
    engine = open_engine(f"sqlite:///{path}")
    try:
        return audited(engine)
    finally:
        engine.dispose()


def break_books(path: Path, statement: str) -> None:
    """Changes rows behind the program's back: no triggers, no foreign keys, no checks."""
    connection = sqlite3.connect(path, isolation_level=None)
    triggers = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
    for (name,) in triggers.fetchall():
        connection.execute(f"DROP TRIGGER {name}")
    connection.execute("PRAGMA ignore_check_constraints = ON")
    changed = connection.execute(statement).rowcount
    connection.close()
    assert changed > 0, f"nothing was broken by {statement}"


def test_books_with_a_history_are_clean_and_everything_was_looked_at(copy: Path) -> None:
    found = audit_file(copy)
    assert list(found) == ALL
    assert {name: each.violations for name, each in found.items()} == dict.fromkeys(ALL, ())
    assert all(each.checked > 0 for name, each in found.items())


def test_an_empty_pool_is_clean(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/new.db")
    create_all(engine, metadata)
    PoolWorld(engine)
    assert all(each.broken == 0 for each in audited(engine).values())
    engine.dispose()


@pytest.mark.postgres
def test_books_on_postgresql_are_clean_and_replay_into_sqlite_alike(postgres_url: str) -> None:
    engine = open_engine(postgres_url)
    create_all(engine, metadata)
    small_history(PoolWorld(engine))
    found = audited(engine)
    assert {name: each.violations for name, each in found.items()} == dict.fromkeys(ALL, ())
    engine.dispose()


SALE = "(SELECT min(sale_id) FROM sale WHERE state = 'captured')"
BROKEN = {
    "I1 a side too much": (
        "I1",
        "UPDATE account SET credits = credits + 1 WHERE account = 'redeemed:zhan'",
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
    "I8 a transfer on the wrong statement": (
        "I8",
        "UPDATE statement_line SET statement = 'zhan-20260303' WHERE statement = 'zhan-20260302'",
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
    "I8 a late line without its mark": (
        "I8",
        "UPDATE statement_line SET late = 0 WHERE late = 1",
        "late is False",
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
        (
            "UPDATE fact SET body = CAST(replace(CAST(body AS TEXT), '听篌街', '丁香街') AS BLOB)"
            " WHERE kind = 'register_merchant'"
        ),
        "table merchant, row zhan",
    ),
    "I10 a fact that would have been refused": (
        "I10",
        (
            "UPDATE fact SET body = CAST(replace(CAST(body AS TEXT), 'river-patrol', 'no-such')"
            " AS BLOB) WHERE kind = 'award_points'"
        ),
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


@pytest.mark.parametrize(("invariant", "statement", "named"), BROKEN.values(), ids=BROKEN.keys())
def test_books_broken_on_purpose_are_named(
    copy: Path, invariant: str, statement: str, named: str
) -> None:
    break_books(copy, statement)
    found = audit_file(copy)[invariant]
    assert found.broken > 0
    assert all(each.invariant == invariant for each in found.violations)
    told = [f"{each.where}: {each.says}" for each in found.violations]
    assert any(named in each for each in told), told


def test_the_i10_comparison_covers_every_table_but_those_named_here() -> None:
    """A table that a later change adds is compared, or its absence is decided here."""
    left_out = {
        "fact",  # what is replayed
        "fact_head",  # checked with the facts
        "ledger_head",  # checked with I2
        "published_document",  # an announcement, made when terminals ask
        used_nonce.name,  # the memory of one server, a few minutes long
    }
    assert {table.name for table in COMPARED} | left_out == set(metadata.tables)


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
    break_books(path, "UPDATE sale_line SET reimbursement_fen = 0 WHERE line_no = 1")
    engine = open_engine(f"sqlite:///{path}")
    with reading(engine) as tx:
        found = {each.invariant: each for each in run_audit(tx, "yamen", make_desk)}
    engine.dispose()
    assert "reimbursement in fen: 3500 were booked" in found["I7"].violations[0].says


def test_a_check_keeps_the_first_violations_and_counts_them_all() -> None:
    many = (Violation("I1", f"row {number}", "is wrong") for number in range(VIOLATIONS_KEPT + 5))
    found = finding("I1", "", 1, many)
    assert (found.broken, len(found.violations)) == (VIOLATIONS_KEPT + 5, VIOLATIONS_KEPT)
