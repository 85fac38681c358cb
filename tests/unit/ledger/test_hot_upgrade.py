"""Merchants' accounts become hot in a database that has booked on them before."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from server.db import metadata, open_engine, reading, writing
from server.db.migrate import MIGRATIONS, _config, upgrade
from server.ledger import (
    Asset,
    EntryDraft,
    Leg,
    Normal,
    balance,
    check_ledger,
    open_account,
    post,
    roll_up,
)

POOL = "guanghui"
NOON = datetime(2025, 3, 1, 4, 0, tzinfo=UTC)
BEFORE = "0003"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """A database of the version before, with a merchant that has sold for 7.00 yuan."""
    url = f"sqlite:///{tmp_path}/pool.sqlite3"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
    engine = open_engine(url)
    upgrade(engine, metadata)
    with writing(engine) as tx:
        for name, normal, kind, hot in (
            ("pool_fund", Normal.DEBIT, "pool_fund", True),
            ("merchant:a", Normal.CREDIT, "merchant", True),
            ("returned:a", Normal.DEBIT, "returned", False),
        ):
            open_account(tx, POOL, name, Asset.FEN, kind, normal=normal, hot=hot)
        for number, legs in enumerate(
            (
                (Leg(Asset.FEN, "pay", "pool_fund", "merchant:a", 900),),
                (Leg(Asset.FEN, "back", "merchant:a", "pool_fund", 200),),
            )
        ):
            draft = EntryDraft(f"sale:{number}", "sale", NOON, date(2025, 3, 1), legs)
            post(tx, POOL, draft, recorded_at=NOON, fact_no=1)
        tx.execute(text("INSERT INTO fact_head VALUES ('guanghui', 0, NULL, 0)"))
    to(engine, BEFORE)
    yield engine
    engine.dispose()


def to(engine: Engine, revision: str) -> None:
    with engine.begin() as tx:
        config = _config(tx, metadata, MIGRATIONS)
        move = command.downgrade if revision == BEFORE else command.upgrade
        move(config, revision)


def columns(engine: Engine) -> list[tuple[object, ...]]:
    query = text("SELECT account, hot, debits, credits FROM account ORDER BY account")
    with reading(engine) as tx:
        return [(row[0], bool(row[1]), *row[2:]) for row in tx.execute(query)]


def test_what_was_booked_before_is_still_the_balance(old: Engine) -> None:
    assert columns(old) == [
        ("merchant:a", False, 200, 900),
        ("pool_fund", True, 0, 0),
        ("returned:a", False, 0, 0),
    ]
    upgrade(old, metadata)
    assert columns(old) == [
        ("merchant:a", True, 0, 0),
        ("pool_fund", True, 0, 0),
        ("returned:a", False, 0, 0),
    ]
    with writing(old) as tx:
        assert balance(tx, POOL, "merchant:a", Asset.FEN) == 700
        assert roll_up(tx, POOL).accounts == 2
        assert balance(tx, POOL, "merchant:a", Asset.FEN) == 700
    with reading(old) as tx:
        assert list(check_ledger(tx, POOL)) == []


def test_the_guard_stands_again_after_it(old: Engine) -> None:
    upgrade(old, metadata)
    change = text("UPDATE account SET hot = FALSE WHERE account = 'merchant:a'")
    with pytest.raises(DBAPIError, match="stays what it was opened as"), writing(old) as tx:
        tx.execute(change)


def test_what_was_read_of_a_pool_before_counts_from_its_last_fact_on(old: Engine) -> None:
    with writing(old) as tx:
        tx.execute(text("UPDATE fact_head SET last_fact_no = 41"))
    upgrade(old, metadata)
    with reading(old) as tx:
        assert tx.execute(text("SELECT standing_no FROM fact_head")).scalar_one() == 41
