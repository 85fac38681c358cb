"""What a run made, read back."""

from datetime import date, timedelta

from sqlalchemy import Table, func, select

from server.db import reading
from server.directory.contract_terms import ContractTerms, ShareRule
from server.ledger import Asset, balance
from server.settlement.statements import shares_of, statements_of
from server.settlement.values import Share, Statement
from tests.unit.settlement.world import World

POOL = "guanghui"
D = [date(2026, 3, 1) + timedelta(days=number) for number in range(80)]
FIVE = ContractTerms(share=(ShareRule(tiers=((0, 500),)),))


def made(world: World, merchant: str) -> list[Statement]:
    """The merchant's statements, oldest first."""
    with reading(world.engine) as tx:
        return statements_of(tx, POOL, merchant=merchant)[::-1]


def shares(world: World, statement: str) -> list[Share]:
    with reading(world.engine) as tx:
        return shares_of(tx, POOL, statement)


def owed_fen(world: World, merchant: str) -> int:
    with reading(world.engine) as tx:
        return balance(tx, POOL, f"merchant:{merchant}", Asset.FEN)


def count(world: World, table: Table) -> int:
    with reading(world.engine) as tx:
        return int(tx.execute(select(func.count()).select_from(table)).scalar_one())
