from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest
from sqlalchemy import Connection, Engine, text

from server.db import create_all, metadata, open_engine, writing
from server.ledger import Asset, Normal, open_account

POOL = "guanghui"


class Cluster(Protocol):
    def url(self, database: str) -> str: ...
    def run(self, statement: str) -> None: ...


@pytest.fixture(scope="session")
def ledger_database(postgres_cluster: Cluster) -> str:
    """One database for all tests of this folder: making one takes longer than most of them."""
    postgres_cluster.run("CREATE DATABASE ledger_tests")
    return postgres_cluster.url("ledger_tests")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """A database with every table of the ledger and nothing in them."""
    if request.param == "sqlite":
        opened = open_engine(f"sqlite:///{tmp_path}/books.db")
    else:
        opened = open_engine(request.getfixturevalue("ledger_database"))
        with opened.begin() as tx:
            tx.execute(text("DROP SCHEMA public CASCADE"))
            tx.execute(text("CREATE SCHEMA public"))
    create_all(opened, metadata)
    yield opened
    opened.dispose()


@pytest.fixture
def books(engine: Engine) -> Engine:
    """A pool with two residents, two merchants and what a redemption needs; nothing booked."""
    with writing(engine) as tx:
        open_books(tx, POOL)
    return engine


def open_books(tx: Connection, pool: str) -> None:
    for name in ("a", "b"):
        open_account(
            tx,
            pool,
            f"resident:{name}",
            Asset.POINTS,
            "resident",
            normal=Normal.CREDIT,
            floor_at_zero=True,
        )
        open_account(tx, pool, f"overdraft:{name}", Asset.POINTS, "overdraft", normal=Normal.DEBIT)
    open_account(tx, pool, "issued", Asset.POINTS, "issued", normal=Normal.DEBIT, hot=True)
    open_account(tx, pool, "redeemed", Asset.POINTS, "redeemed", normal=Normal.CREDIT, hot=True)
    open_account(tx, pool, "fund", Asset.FEN, "fund", normal=Normal.CREDIT, hot=True)
    open_account(tx, pool, "bank", Asset.FEN, "bank", normal=Normal.DEBIT, hot=True)
    for name in ("m", "n"):
        open_account(tx, pool, f"merchant:{name}", Asset.FEN, "merchant", normal=Normal.CREDIT)
