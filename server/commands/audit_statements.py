"""I8: every transfer that concerns a merchant is in exactly one statement once its period is
closed, and a statement is the fold of its lines. Recomputed from the ledger, line by line.
"""

import heapq
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, Row, and_, literal, not_, or_, select

from protocol.business_day import business_date
from server.commands.audit_day_sums import check_day_sums, check_summed
from server.commands.audit_statement_figures import check_figures, check_periods
from server.db.paging import Tick, key_pages, streamed, untold
from server.db.violation import Violation
from server.directory.queries import cut_off_hour, merchants
from server.directory.values import Merchant
from server.ledger import Asset, TransferRecord, transfers_of
from server.ledger.tables import transfer as transfer_table
from server.settlement.day_sums_tables import (
    day_sum,
    placed_line,
    placement,
    statement_line,
)
from server.settlement.drafts import periods_due
from server.settlement.figures import SHARE_KEY, accounts_of
from server.settlement.statements import (
    AT_ONCE,
    Run,
    is_closed,
    left_open_of,
    runs,
    statements_of,
)
from server.settlement.values import Statement

_PAGE_TRANSFERS = 1_000


def check_statements(tx: Connection, pool: str, tick: Tick = untold) -> Iterator[Violation]:
    """I8, merchant by merchant; also that no run left a merchant out, and that no statement has
    a line that does not concern its merchant.

    Memory holds one merchant's statements and the lines of one statement at a time.
    """
    made = runs(tx, pool)
    hour = cut_off_hour(tx, pool)
    for merchant in merchants(tx, pool):
        found = statements_of(tx, pool, merchant=merchant.merchant)
        statements = sorted(found, key=lambda each: each.period_through)
        since = business_date(merchant.registered_at, hour)
        yield from _check_runs(tx, pool, merchant, made, statements, since=since)
        yield from check_periods(tx, pool, merchant.merchant, made, statements, since=since)
        closings = _Closings.of(made, statements)
        yield from _check_places(tx, pool, merchant.merchant, closings, tick)
        yield from check_figures(tx, pool, merchant.merchant, made, statements, since=since)
        yield from check_day_sums(tx, pool, merchant.merchant)
    yield from _check_strangers(tx, pool)
    yield from check_summed(tx, pool)


def _violation(pool: str, where: str, says: str) -> Violation:
    return Violation("I8", f"pool {pool}, {where}", says)


def _check_runs(
    tx: Connection,
    pool: str,
    merchant: Merchant,
    made: list[Run],
    statements: list[Statement],
    *,
    since: date,
) -> Iterator[Violation]:
    """A run that settled all at once made everybody's statement; one by merchants, once closed,
    has left nobody with a period that has ended, but those whom it names.
    """
    have = {each.run for each in statements}
    hour = cut_off_hour(tx, pool)
    for run in made:
        if run.manner == AT_ONCE:
            left_out = since <= run.through and run.run not in have
        else:
            named = {each.merchant for each in left_open_of(tx, pool, run.run)}
            due = is_closed(tx, pool, run) and periods_due(tx, pool, run, merchant, hour)
            left_out = bool(due) and merchant.merchant not in named
        if left_out:
            says = f"run {run.run} through {run.through} left him out"
            yield _violation(pool, f"merchant {merchant.merchant}", says)


@dataclass(frozen=True, slots=True)
class _Closings:
    """A merchant's statements in the order of their runs, which close later and later days."""

    fact_nos: list[int]
    throughs: list[date]
    statements: list[Statement]

    @classmethod
    def of(cls, made: list[Run], statements: list[Statement]) -> "_Closings":
        opened = {run.run: run.fact_no for run in made}
        return cls(
            [opened[each.run] for each in statements],
            [each.period_through for each in statements],
            statements,
        )

    def due(self, transfer: TransferRecord) -> Statement | None:
        """Where a transfer belongs: what a statement charges into that statement, everything else
        into the first that was opened after it and closed its day.
        """
        if transfer.key.startswith(SHARE_KEY):
            name = transfer.key.removeprefix(SHARE_KEY)
            return next((each for each in self.statements if each.statement == name), None)
        first = max(
            bisect_right(self.fact_nos, transfer.fact_no),
            bisect_left(self.throughs, transfer.business_date),
        )
        return self.statements[first] if first < len(self.statements) else None


def _check_places(
    tx: Connection, pool: str, merchant: str, closings: _Closings, tick: Tick
) -> Iterator[Violation]:
    for transfers in _transfers(tx, pool, merchant):
        lines = _lines_of(tx, pool, [each.transfer_no for each in transfers])
        tick(len(lines))
        for transfer in transfers:
            where = f"transfer {transfer.transfer_no} ({transfer.key}, {transfer.business_date})"
            due, line = closings.due(transfer), lines.get(transfer.transfer_no)
            if due is None and line is not None:
                says = f"is in {line.statement} before its period was closed"
                yield _violation(pool, where, says)
            elif due is not None and line is None:
                says = f"is in no statement; {due.statement} should have it"
                yield _violation(pool, where, says)
            elif due is not None and line is not None:
                if line.statement != due.statement:
                    says = f"is in {line.statement} instead of {due.statement}"
                    yield _violation(pool, where, says)
                elif line.late != (transfer.business_date < due.period_from):
                    yield _violation(pool, where, f"late is {line.late} in {line.statement}")


def _transfers(tx: Connection, pool: str, merchant: str) -> Iterator[list[TransferRecord]]:
    """Every transfer on the merchant's accounts, once, lowest first, a page at a time."""
    merged = heapq.merge(
        *(_of_account(tx, pool, account, asset) for account, asset in accounts_of(merchant)),
        key=lambda each: each.transfer_no,
    )
    page: list[TransferRecord] = []
    for transfer in merged:
        if page and page[-1].transfer_no == transfer.transfer_no:
            continue
        if len(page) == _PAGE_TRANSFERS:
            yield page
            page = []
        page.append(transfer)
    if page:
        yield page


def _of_account(tx: Connection, pool: str, account: str, asset: Asset) -> Iterator[TransferRecord]:
    after = 0
    while page := transfers_of(tx, pool, account, asset, after=after, limit=_PAGE_TRANSFERS):
        yield from page
        after = page[-1].transfer_no


def _lines_of(tx: Connection, pool: str, numbers: list[int]) -> dict[int, Row[tuple[object, ...]]]:
    found = tx.execute(
        select(placed_line).where(
            placed_line.c.pool == pool, placed_line.c.transfer_no.in_(numbers)
        )
    )
    return {row.transfer_no: row for row in found}


def _check_strangers(tx: Connection, pool: str) -> Iterator[Violation]:
    """Lines that are no transfer of the merchant whose day sum they are in."""
    own = [
        literal(f"{prefix}:") + day_sum.c.merchant
        for prefix in (account.partition(":")[0] for account, _ in accounts_of(""))
    ]
    concerns = or_(
        transfer_table.c.debit_account.in_(own), transfer_table.c.credit_account.in_(own)
    )
    whole = statement_line.outerjoin(
        day_sum,
        and_(
            day_sum.c.pool == statement_line.c.pool, day_sum.c.day_sum == statement_line.c.day_sum
        ),
    )
    whole = whole.outerjoin(
        placement,
        and_(
            placement.c.pool == statement_line.c.pool,
            placement.c.day_sum == statement_line.c.day_sum,
        ),
    ).outerjoin(
        transfer_table,
        and_(
            transfer_table.c.pool == statement_line.c.pool,
            transfer_table.c.transfer_no == statement_line.c.transfer_no,
        ),
    )
    for page in key_pages(tx, statement_line.c.transfer_no, pool):
        astray = (
            select(statement_line.c.transfer_no, placement.c.statement, statement_line.c.day_sum)
            .select_from(whole)
            .where(
                statement_line.c.pool == pool,
                page.within(),
                or_(
                    day_sum.c.day_sum.is_(None),
                    transfer_table.c.transfer_no.is_(None),
                    not_(concerns),
                ),
            )
        )
        for row in streamed(tx, astray.order_by(statement_line.c.transfer_no)):
            says = f"transfer {row.transfer_no} does not concern its merchant"
            where = f"statement {row.statement}" if row.statement else f"day sum {row.day_sum}"
            yield _violation(pool, where, says)
