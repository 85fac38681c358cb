"""Reading runs and statements as they were frozen, and the transfers that stand on them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import date
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, bindparam, func, select

from server.db.bulk import among
from server.directory.tables import merchant as merchant_table
from server.ledger import Asset, TransferRecord, transfers_of
from server.ledger.tables import entry, transfer
from server.settlement.day_sums_tables import placed_line
from server.settlement.figures import accounts_of
from server.settlement.tables import (
    left_open,
    settlement_close,
    settlement_run,
    statement_share,
)
from server.settlement.tables import statement as statement_table
from server.settlement.values import LeftOpen, Share, Statement, Totals

_PAGE_TRANSFERS = 1_000
_TOTALS = tuple(each.name for each in fields(Totals))
_OF_ENTRY = ("key", "kind", "occurred_at", "recorded_at", "business_date", "fact_no", "memo")
BY_MERCHANT = "by_merchant"
AT_ONCE = "at_once"
_STATEMENTS = select(
    statement_table, settlement_run.c.manner, settlement_run.c.document_version
).join(
    settlement_run,
    and_(
        settlement_run.c.pool == statement_table.c.pool,
        settlement_run.c.run == statement_table.c.run,
    ),
)

# By merchants and not by statements, and not as a join, which both databases turn around: so it
# is a look-up or two a merchant, however many statements there are.
_OF_MERCHANT = (
    select(statement_table)
    .where(
        statement_table.c.pool == merchant_table.c.pool,
        statement_table.c.merchant == merchant_table.c.merchant,
    )
    .order_by(statement_table.c.period_through.desc())
    .limit(1)
)
_RUN_OF_STATEMENT = (
    settlement_run.c.pool == statement_table.c.pool,
    settlement_run.c.run == statement_table.c.run,
)
_NEWEST: Select[Any] = select(
    merchant_table.c.merchant,
    *(
        _OF_MERCHANT.with_only_columns(column).scalar_subquery().label(column.name)
        for column in (
            statement_table.c.period_through,
            statement_table.c.closing_fen,
            select(settlement_run.c.fact_no).where(*_RUN_OF_STATEMENT).label("fact_no"),
        )
    ),
).where(merchant_table.c.pool == bindparam("pool"))
_NEWEST_OF = _NEWEST.where(among(merchant_table.c.merchant, "whose"))


@dataclass(frozen=True, slots=True)
class Run:
    """One closing of the books; `manner` is ``at_once`` or ``by_merchant``."""

    run: str
    through: date
    fact_no: int
    settled_by: str
    manner: str = AT_ONCE
    document_version: int = 1


@dataclass(frozen=True, slots=True)
class Member:
    """A transfer's place on a statement; payments and adjustments have no contract ("")."""

    transfer: TransferRecord
    late: bool
    contract: str


def run_named(tx: Connection, pool: str, run: str) -> Run | None:
    """The run of this id, or None."""
    return _run(tx, select(settlement_run).where(settlement_run.c.run == run), pool)


def run_through(tx: Connection, pool: str, through: date) -> Run | None:
    """The run that settled through this day, or None."""
    return _run(tx, select(settlement_run).where(settlement_run.c.through == through), pool)


def last_run(tx: Connection, pool: str) -> Run | None:
    """The run that settled furthest, or None where nothing is settled yet."""
    latest = select(settlement_run).order_by(settlement_run.c.through.desc()).limit(1)
    return _run(tx, latest, pool)


def runs(tx: Connection, pool: str) -> list[Run]:
    """Every run, in the order in which they were made."""
    rows = tx.execute(
        select(settlement_run)
        .where(settlement_run.c.pool == pool)
        .order_by(settlement_run.c.fact_no)
    )
    return [_as_run(row) for row in rows]


def is_closed(tx: Connection, pool: str, run: Run) -> bool:
    """Whether nothing is left to do for the run, but for merchants that were left open."""
    if run.manner == AT_ONCE:
        return True
    which = (settlement_close.c.pool == pool, settlement_close.c.run == run.run)
    return tx.execute(select(settlement_close.c.run).where(*which)).first() is not None


def left_open_of(tx: Connection, pool: str, run: str) -> tuple[LeftOpen, ...]:
    """Whom the run left out when it was closed, in the order of merchants."""
    rows = tx.execute(select(left_open).where(left_open.c.pool == pool, left_open.c.run == run))
    found = [LeftOpen(row.merchant, row.day) for row in rows]
    return tuple(sorted(found, key=lambda each: each.merchant))


def statements_of(
    tx: Connection,
    pool: str,
    *,
    merchant: str | None = None,
    run: str | None = None,
    limit: int | None = None,
) -> list[Statement]:
    """Statements (of one merchant, of one run), merchant by merchant, the newest first;
    at most `limit` where one is given.
    """
    which = [statement_table.c.pool == pool]
    if merchant is not None:
        which.append(statement_table.c.merchant == merchant)
    if run is not None:
        which.append(statement_table.c.run == run)
    rows = tx.execute(
        _STATEMENTS.where(*which)
        .order_by(statement_table.c.merchant, statement_table.c.period_through.desc())
        .limit(limit)
    )
    return [_statement(row) for row in rows]


def statement_of(tx: Connection, pool: str, statement: str, *, merchant: str) -> Statement | None:
    """This merchant's statement of this id. Another merchant's is None, like one that is not."""
    found = statement_named(tx, pool, statement)
    return found if found is not None and found.merchant == merchant else None


def statement_named(tx: Connection, pool: str, statement: str) -> Statement | None:
    """The statement of this id, whosever it is: for who may see all of them."""
    row = tx.execute(
        _STATEMENTS.where(statement_table.c.pool == pool, statement_table.c.statement == statement)
    ).one_or_none()
    return _statement(row) if row is not None else None


def closed_through(tx: Connection, pool: str, merchant: str) -> date | None:
    """The last day of the merchant's newest statement, or None where he has none."""
    newest = statements_of(tx, pool, merchant=merchant, limit=1)
    return newest[0].period_through if newest else None


def newest_of(
    tx: Connection, pool: str, whose: Sequence[str] | None
) -> Sequence[Row[Any, Any, Any]]:
    """Of these merchants (None: of all) the newest statement's `merchant`, `period_through`,
    `closing_fen` and its run's `fact_no`; merchants without one are left out.
    """
    if whose is None:
        rows = tx.execute(_NEWEST, {"pool": pool})
    else:
        rows = tx.execute(_NEWEST_OF, {"pool": pool, "whose": list(whose)})
    return [row for row in rows if row.period_through is not None]


def shares_of(tx: Connection, pool: str, statement: str) -> list[Share]:
    """How the statement's share came about: by contract, month, rule and tier."""
    rows = tx.execute(
        select(statement_share).where(
            statement_share.c.pool == pool, statement_share.c.statement == statement
        )
    )
    found = [
        Share(
            contract=row.contract,
            share_bp=row.share_bp,
            takings_fen=row.takings_fen,
            share_fen=row.share_fen,
            month=row.month,
            category=row.category,
            basis=row.basis,
            from_fen=row.from_fen,
        )
        for row in rows
    ]
    return sorted(found, key=lambda each: (each.contract, each.month, each.category, each.from_fen))


def members_of(tx: Connection, pool: str, statement: Statement) -> list[Member]:
    """The transfers that stand on the statement, in the order in which they were booked."""
    rows = tx.execute(
        select(
            placed_line.c.late,
            placed_line.c.contract,
            transfer,
            *(entry.c[name] for name in _OF_ENTRY),
        )
        .join(
            transfer,
            and_(
                transfer.c.pool == placed_line.c.pool,
                transfer.c.transfer_no == placed_line.c.transfer_no,
            ),
        )
        .join(entry, and_(entry.c.pool == transfer.c.pool, entry.c.entry_no == transfer.c.entry_no))
        .where(placed_line.c.pool == pool, placed_line.c.statement == statement.statement)
        .order_by(placed_line.c.transfer_no)
    )
    return [Member(_transfer(row), row.late, row.contract or "") for row in rows]


def late_count(tx: Connection, pool: str, statement: str) -> int:
    """How many entries on the statement belong to days before its period."""
    counted = (
        select(func.count(transfer.c.entry_no.distinct()))
        .join(
            placed_line,
            and_(
                placed_line.c.pool == transfer.c.pool,
                placed_line.c.transfer_no == transfer.c.transfer_no,
            ),
        )
        .where(
            placed_line.c.pool == pool,
            placed_line.c.statement == statement,
            placed_line.c.late,
        )
    )
    return int(tx.execute(counted).scalar_one())


def transfers_concerning(
    tx: Connection, pool: str, merchant: str, *, first: int, last: int | None = None
) -> list[TransferRecord]:
    """Every transfer on the merchant's accounts numbered from `first` (through `last`)."""
    found: dict[int, TransferRecord] = {}
    for account, asset in accounts_of(merchant):
        after = first - 1
        while page := transfers_of(tx, pool, account, asset, after=after, limit=_PAGE_TRANSFERS):
            found |= {
                each.transfer_no: each for each in page if last is None or each.transfer_no <= last
            }
            after = page[-1].transfer_no
            if len(page) < _PAGE_TRANSFERS or (last is not None and after >= last):
                break
    return [found[number] for number in sorted(found)]


def all_lines(tx: Connection, pool: str) -> Iterator[tuple[int, str, str, bool]]:
    """Every line of the pool: transfer number, statement, contract, late."""
    rows = tx.execute(
        select(placed_line).where(placed_line.c.pool == pool).order_by(placed_line.c.transfer_no)
    )
    for row in rows:
        yield row.transfer_no, row.statement, row.contract or "", row.late


def _transfer(row: Row[Any]) -> TransferRecord:
    return TransferRecord(
        transfer_no=row.transfer_no,
        entry_no=row.entry_no,
        key=row.key,
        kind=row.kind,
        asset=Asset(row.asset),
        code=row.code,
        debit=row.debit_account,
        credit=row.credit_account,
        amount=row.amount,
        occurred_at=row.occurred_at,
        recorded_at=row.recorded_at,
        business_date=row.business_date,
        fact_no=row.fact_no,
        memo=row.memo,
    )


def _run(tx: Connection, wanted: Select[Any], pool: str) -> Run | None:
    row = tx.execute(wanted.where(settlement_run.c.pool == pool)).one_or_none()
    return _as_run(row) if row is not None else None


def _as_run(row: Row[Any]) -> Run:
    return Run(row.run, row.through, row.fact_no, row.settled_by, row.manner, row.document_version)


def _statement(row: Row[Any]) -> Statement:
    return Statement(
        statement=row.statement,
        merchant=row.merchant,
        period_from=row.period_from,
        period_through=row.period_through,
        run=row.run,
        totals=Totals(**{name: getattr(row, name) for name in _TOTALS}),
        cycle=row.cycle,
        issued_at=row.issued_at,
        opening_fen=row.opening_fen,
        closing_fen=row.closing_fen,
        is_by_months=row.manner == BY_MERCHANT,
        document_version=row.document_version,
    )
