"""Reading statements: as they were frozen, and line by line from the ledger."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, Row, Select, select

from protocol.money import rate_of
from server.ledger import TransferRecord, transfers_of
from server.settlement.figures import SHARE_KEY, Tally, accounts_of
from server.settlement.tables import settlement_run, statement_line, statement_share
from server.settlement.tables import statement as statement_table
from server.settlement.values import Share, Statement, StatementLine, Totals

_PAGE_TRANSFERS = 1_000


@dataclass(frozen=True, slots=True)
class Run:
    """One closing of the books."""

    run: str
    through: date
    fact_no: int
    settled_by: str


@dataclass(frozen=True, slots=True)
class Member:
    """A transfer's place on a statement."""

    transfer: TransferRecord
    late: bool
    contract: str


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
    return [Run(row.run, row.through, row.fact_no, row.settled_by) for row in rows]


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
        select(statement_table)
        .where(*which)
        .order_by(statement_table.c.merchant, statement_table.c.period_through.desc())
        .limit(limit)
    )
    return [_statement(row) for row in rows]


def statement_of(tx: Connection, pool: str, statement: str, *, merchant: str) -> Statement | None:
    """This merchant's statement of this id. Another merchant's is None, like one that is not."""
    row = tx.execute(
        select(statement_table).where(
            statement_table.c.pool == pool,
            statement_table.c.statement == statement,
            statement_table.c.merchant == merchant,
        )
    ).one_or_none()
    return _statement(row) if row is not None else None


def shares_of(tx: Connection, pool: str, statement: str) -> list[Share]:
    """How the statement's share came about, contract by contract."""
    rows = tx.execute(
        select(statement_share)
        .where(statement_share.c.pool == pool, statement_share.c.statement == statement)
        .order_by(statement_share.c.contract)
    )
    return [Share(row.contract, row.share_bp, row.takings_fen, row.share_fen) for row in rows]


def members_of(tx: Connection, pool: str, statement: Statement) -> list[Member]:
    """The transfers that stand on the statement, in the order in which they were booked."""
    rows = tx.execute(
        select(statement_line).where(
            statement_line.c.pool == pool, statement_line.c.statement == statement.statement
        )
    )
    places = {row.transfer_no: row for row in rows}
    if not places:
        return []
    found = transfers_concerning(tx, pool, statement.merchant, first=min(places), last=max(places))
    return [
        Member(transfer, places[transfer.transfer_no].late, places[transfer.transfer_no].contract)
        for transfer in found
        if transfer.transfer_no in places
    ]


def lines_of(tx: Connection, pool: str, statement: Statement) -> list[StatementLine]:
    """The statement sale by sale and refund by refund, in the order in which they were booked.

    Each line bears the part of the share by which it moves the rounded total, so that the
    lines add up to the statement to the fen.
    """
    by_entry: dict[int, list[Member]] = defaultdict(list)
    for member in members_of(tx, pool, statement):
        if not member.transfer.key.startswith(SHARE_KEY):
            by_entry[member.transfer.entry_no].append(member)
    rates = {share.contract: share.share_bp for share in shares_of(tx, pool, statement.statement)}
    so_far_fen: dict[str, int] = defaultdict(int)
    lines = []
    for members in by_entry.values():
        first, contract = members[0].transfer, members[0].contract
        tally = Tally(statement.merchant)
        for member in members:
            tally.add(member.transfer)
        cash_fen = tally.takings_fen - tally.takings_returned_fen
        before_fen = so_far_fen[contract]
        so_far_fen[contract] = before_fen + cash_fen
        rate_bp = rates[contract]
        lines.append(
            StatementLine(
                entry_no=first.entry_no,
                key=first.key,
                kind=first.kind,
                occurred_at=first.occurred_at,
                business_date=first.business_date,
                late=members[0].late,
                memo=first.memo,
                contract=contract,
                takings_fen=cash_fen,
                points=tally.redeemed_points - tally.returned_points,
                reimbursement_fen=tally.reimbursement_fen - tally.reimbursement_returned_fen,
                share_fen=rate_of(so_far_fen[contract], rate_bp) - rate_of(before_fen, rate_bp),
            )
        )
    return lines


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


def placed_numbers(tx: Connection, pool: str, merchant: str, *, first: int) -> set[int]:
    """Numbers, from `first`, of the transfers that stand on some statement of the merchant."""
    return set(
        tx.execute(
            select(statement_line.c.transfer_no)
            .join(
                statement_table,
                (statement_table.c.pool == statement_line.c.pool)
                & (statement_table.c.statement == statement_line.c.statement),
            )
            .where(
                statement_line.c.pool == pool,
                statement_line.c.transfer_no >= first,
                statement_table.c.merchant == merchant,
            )
        ).scalars()
    )


def all_lines(tx: Connection, pool: str) -> Iterator[tuple[int, str, str, bool]]:
    """Every line of the pool: transfer number, statement, contract, late."""
    rows = tx.execute(
        select(statement_line)
        .where(statement_line.c.pool == pool)
        .order_by(statement_line.c.transfer_no)
    )
    for row in rows:
        yield row.transfer_no, row.statement, row.contract, row.late


def _run(tx: Connection, wanted: Select[Any], pool: str) -> Run | None:
    row = tx.execute(wanted.where(settlement_run.c.pool == pool)).one_or_none()
    return Run(row.run, row.through, row.fact_no, row.settled_by) if row is not None else None


def _statement(row: Row[Any]) -> Statement:
    totals = Totals(
        sales_count=row.sales_count,
        refunds_count=row.refunds_count,
        takings_fen=row.takings_fen,
        takings_returned_fen=row.takings_returned_fen,
        redeemed_points=row.redeemed_points,
        returned_points=row.returned_points,
        reimbursement_fen=row.reimbursement_fen,
        reimbursement_returned_fen=row.reimbursement_returned_fen,
        share_fen=row.share_fen,
    )
    return Statement(
        statement=row.statement,
        merchant=row.merchant,
        period_from=row.period_from,
        period_through=row.period_through,
        run=row.run,
        totals=totals,
        settled_below=row.settled_below,
    )
