"""What a run made, read back."""

from datetime import date, timedelta

from sqlalchemy import Engine, Table, func, select

from server.db import reading
from server.directory.contract_terms import ContractTerms, ShareRule
from server.ledger import Asset, balance
from server.settlement import tables as t
from server.settlement.day_sums_tables import day_sum, placement, statement_line
from server.settlement.statements import shares_of, statements_of
from server.settlement.values import Share, Statement
from tests.unit.settlement.world import World

POOL = "guanghui"
D = [date(2026, 3, 1) + timedelta(days=number) for number in range(80)]
FIVE = ContractTerms(share=(ShareRule(tiers=((0, 500),)),))


def rows_of(engine: Engine, table: Table) -> list[tuple[object, ...]]:
    with reading(engine) as tx:
        return [tuple(row) for row in tx.execute(select(table).order_by(*table.primary_key))]


def statement_rows(engine: Engine) -> dict[str, list[tuple[object, ...]]]:
    """Everything that a run made, but for the numbers of the facts in which it did."""
    tables = (t.statement, t.statement_share, t.statement_minimum, t.statement_rent)
    found = {each.name: rows_of(engine, each) for each in (*tables, statement_line, placement)}
    at = [column.name for column in day_sum.columns].index("after_fact")
    found["day_sum"] = [(*row[:at], *row[at + 1 :]) for row in rows_of(engine, day_sum)]
    return found


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
