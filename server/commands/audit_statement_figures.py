"""I8, the figures: every statement computed again from its lines, from the merchant's first day on.

The run summed transfers in the database; here each line is read by itself, and months, tiers,
minimums and rents are carried from statement to statement anew.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import Connection, select

from server.db.violation import Violation
from server.directory.contract_terms import Cycle
from server.directory.queries import contracts_of
from server.directory.values import Contract
from server.settlement.categories import Part
from server.settlement.charges import Charges, Charging, Minimum, Rent, Taken, charged_at_once
from server.settlement.figures import SHARE_KEY, totals_of
from server.settlement.issue import due_of
from server.settlement.lines import Entry, entries_of, parts_of
from server.settlement.months import Months
from server.settlement.periods import Period, periods_ended
from server.settlement.statements import AT_ONCE, Member, Run, members_of, shares_of
from server.settlement.tables import statement_minimum, statement_rent
from server.settlement.values import Statement


def check_periods(
    tx: Connection,
    pool: str,
    merchant: str,
    made: Sequence[Run],
    statements: Sequence[Statement],
    *,
    since: date,
) -> Iterator[Violation]:
    """Periods follow each other without a gap from the merchant's first day on, and each is one
    that his contracts' cycles make.
    """
    contracts = contracts_of(tx, pool, merchant)
    runs = {run.run: run for run in made}
    expected = since
    for each in statements:
        where = f"statement {each.statement}"
        if each.period_from != expected:
            says = f"starts on {each.period_from}, the one before leaves off at {expected}"
            yield _violation(pool, where, says)
        expected = each.period_through + timedelta(days=1)
        run = runs[each.run]
        whole = Period(each.period_from, run.through, Cycle.RUN)
        period = (
            whole
            if run.manner == AT_ONCE
            else next(periods_ended(contracts, each.period_from, run.through), None)
        )
        found = (each.period_through, each.cycle)
        if period is None or found != (period.last, period.cycle.value):
            says = f"ends on {each.period_through} by {each.cycle}; its cycle says {period}"
            yield _violation(pool, where, says)


@dataclass(slots=True)
class _Again:
    """A merchant's statements computed again, one after the other."""

    pool: str
    merchant: str
    contracts: dict[str, Contract]
    charging: Charging
    closing_fen: int = 0


def check_figures(
    tx: Connection,
    pool: str,
    merchant: str,
    made: Sequence[Run],
    statements: Sequence[Statement],
    *,
    since: date,
) -> Iterator[Violation]:
    """Totals are the fold of the lines, what is charged is what the rules say, what was booked is
    what is charged, and every statement opens with what the one before closed with.
    """
    contracts = {each.contract: each for each in contracts_of(tx, pool, merchant)}
    again = _Again(pool, merchant, contracts, Charging(contracts, Months(), since))
    at_once = {run.run for run in made if run.manner == AT_ONCE}
    for each in statements:
        try:
            found = list(_check_statement(tx, again, each, at_once=each.run in at_once))
        except KeyError as fault:
            found = [f"a line names what is not in the books: {fault}"]
        for says in found:
            yield _violation(pool, f"statement {each.statement}", says)
        again.closing_fen = each.closing_fen


def _check_statement(
    tx: Connection, again: _Again, statement: Statement, *, at_once: bool
) -> Iterator[str]:
    members = members_of(tx, again.pool, statement)
    folded = totals_of(statement.merchant, (member.transfer for member in members))
    if folded != statement.totals:
        yield f"says {statement.totals}, its lines say {folded}"
    if statement.opening_fen != again.closing_fen:
        yield f"opens with {statement.opening_fen} fen, the one before closed with {again.closing_fen}"
    period = Period(statement.period_from, statement.period_through, Cycle(statement.cycle))
    entries = entries_of(tx, again.pool, statement)
    taken = _taken(entries, parts_of(tx, again.pool, entries))
    expected = (
        charged_at_once(again.contracts, taken) if at_once else again.charging.charge(period, taken)
    )
    said = _charges(tx, again.pool, statement)
    for name in ("shares", "minimums", "rents"):
        if set(getattr(said, name)) != set(getattr(expected, name)):
            yield f"{name}: says {getattr(said, name)}, the rules say {getattr(expected, name)}"
    booked = _booked(members)
    due = {(contract, code): amount for contract, code, amount in due_of(expected)}
    if booked != due:
        yield f"{booked} were booked as charges, the rules say {due}"


def _taken(entries: Sequence[Entry], parts: Mapping[int, Mapping[str, Part]]) -> list[Taken]:
    return [
        Taken(trade.business_date, trade.terms_day, trade.contract, category, part)
        for trade in (each.trade for each in entries if each.trade is not None)
        for category, part in parts[trade.entry_no].items()
    ]


def _booked(members: Sequence[Member]) -> dict[tuple[str, str], int]:
    """What the statement's own entry moved, by contract and code; above 0 to the pool."""
    sums: dict[tuple[str, str], int] = defaultdict(int)
    for member in members:
        transfer = member.transfer
        if transfer.key.startswith(SHARE_KEY):
            sign = 1 if transfer.debit.startswith("merchant:") else -1
            sums[member.contract, transfer.code] += sign * transfer.amount
    return dict(sums)


def _charges(tx: Connection, pool: str, statement: Statement) -> Charges:
    name = statement.statement
    minimums = tx.execute(
        select(statement_minimum).where(
            statement_minimum.c.pool == pool, statement_minimum.c.statement == name
        )
    )
    rents = tx.execute(
        select(statement_rent).where(
            statement_rent.c.pool == pool, statement_rent.c.statement == name
        )
    )
    return Charges(
        tuple(shares_of(tx, pool, name)),
        tuple(
            Minimum(
                contract=row.contract,
                month=row.month,
                days=row.days,
                minimum_fen=row.minimum_fen,
                share_fen=row.share_fen,
                added_fen=row.added_fen,
            )
            for row in minimums
        ),
        tuple(
            Rent(
                contract=row.contract,
                from_day=row.from_day,
                through_day=row.through_day,
                days=row.days,
                rent_fen=row.rent_fen,
            )
            for row in rents
        ),
    )


def _violation(pool: str, where: str, says: str) -> Violation:
    return Violation("I8", f"pool {pool}, {where}", says)
