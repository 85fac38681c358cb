"""I8: every transfer that concerns a merchant is in exactly one statement once its period is
closed, and a statement is the fold of its lines. Recomputed from the ledger, line by line.
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import pairwise

from sqlalchemy import Connection

from protocol.business_day import business_date
from server.db.violation import Violation
from server.directory.queries import contracts_of, cut_off_hour, merchants
from server.ledger import TransferRecord
from server.settlement.figures import share_of, totals_of
from server.settlement.statements import (
    Run,
    all_lines,
    runs,
    shares_of,
    statements_of,
    transfers_concerning,
)
from server.settlement.values import Statement

_Line = tuple[str, str, bool]


def check_statements(tx: Connection, pool: str) -> Iterator[Violation]:
    """I8, merchant by merchant; also that no run left a merchant out."""
    lines = {number: (name, contract, late) for number, name, contract, late in all_lines(tx, pool)}
    made = runs(tx, pool)
    hour = cut_off_hour(tx, pool)
    for merchant in merchants(tx, pool):
        found = statements_of(tx, pool, merchant=merchant.merchant)
        statements = sorted(found, key=lambda each: each.period_through)
        transfers = transfers_concerning(tx, pool, merchant.merchant, first=1)
        since = business_date(merchant.registered_at, hour)
        yield from _check_runs(pool, merchant.merchant, made, statements, since)
        yield from _check_periods(pool, statements)
        yield from _check_places(pool, made, statements, transfers, lines)
        yield from _check_figures(tx, pool, statements, transfers, lines)
        for transfer in transfers:
            lines.pop(transfer.transfer_no, None)
    for number, (name, _, _) in lines.items():
        yield _violation(pool, f"statement {name}", f"transfer {number} concerns no merchant")


def _violation(pool: str, where: str, says: str) -> Violation:
    return Violation("I8", f"pool {pool}, {where}", says)


def _check_runs(
    pool: str, merchant: str, made: list[Run], statements: list[Statement], since: date
) -> Iterator[Violation]:
    have = {each.run for each in statements}
    for run in made:
        if since <= run.through and run.run not in have:
            yield _violation(
                pool, f"merchant {merchant}", f"run {run.run} through {run.through} left him out"
            )


def _check_periods(pool: str, statements: list[Statement]) -> Iterator[Violation]:
    for before, after in pairwise(statements):
        expected = before.period_through + timedelta(days=1)
        if after.period_from != expected:
            yield _violation(
                pool,
                f"statement {after.statement}",
                f"starts on {after.period_from}, the one before leaves off at {expected}",
            )


def _check_places(
    pool: str,
    made: list[Run],
    statements: list[Statement],
    transfers: list[TransferRecord],
    lines: dict[int, _Line],
) -> Iterator[Violation]:
    """A transfer belongs to the first run that came after it and closed its day."""
    of_run = {each.run: each for each in statements}
    closings = [(run, of_run[run.run]) for run in made if run.run in of_run]
    for transfer in transfers:
        where = f"transfer {transfer.transfer_no} ({transfer.key}, {transfer.business_date})"
        due = next(
            (
                statement
                for run, statement in closings
                if run.fact_no >= transfer.fact_no and run.through >= transfer.business_date
            ),
            None,
        )
        line = lines.get(transfer.transfer_no)
        if due is None and line is not None:
            yield _violation(pool, where, f"is in {line[0]} before its period was closed")
        elif due is not None and line is None:
            yield _violation(pool, where, f"is in no statement; {due.statement} should have it")
        elif due is not None and line is not None:
            if line[0] != due.statement:
                yield _violation(pool, where, f"is in {line[0]} instead of {due.statement}")
            elif line[2] != (transfer.business_date < due.period_from):
                yield _violation(pool, where, f"late is {line[2]} in {line[0]}")


def _check_figures(
    tx: Connection,
    pool: str,
    statements: list[Statement],
    transfers: list[TransferRecord],
    lines: dict[int, _Line],
) -> Iterator[Violation]:
    by_statement: dict[str, list[TransferRecord]] = defaultdict(list)
    by_contract: dict[tuple[str, str], list[TransferRecord]] = defaultdict(list)
    for transfer in transfers:
        line = lines.get(transfer.transfer_no)
        if line is not None:
            by_statement[line[0]].append(transfer)
            by_contract[line[0], line[1]].append(transfer)
    for each in statements:
        where = f"statement {each.statement}"
        folded = totals_of(each.merchant, by_statement[each.statement])
        if folded != each.totals:
            yield _violation(pool, where, f"says {each.totals}, its lines say {folded}")
        rates = {
            contract.contract: contract.share_bp
            for contract in contracts_of(tx, pool, each.merchant)
        }
        shares = {share.contract: share for share in shares_of(tx, pool, each.statement)}
        named = {contract for name, contract in by_contract if name == each.statement}
        for contract in sorted(named | set(shares)):
            under = totals_of(each.merchant, by_contract[each.statement, contract])
            expected = share_of(contract, rates.get(contract, 0), under.cash_fen)
            if shares.get(contract) != expected:
                yield _violation(pool, where, f"says {shares.get(contract)}, not {expected}")
            if under.share_fen != expected.share_fen:
                yield _violation(
                    pool,
                    where,
                    f"{under.share_fen} fen were booked as share under {contract},"
                    f" not {expected.share_fen}",
                )
