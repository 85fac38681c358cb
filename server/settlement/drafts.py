"""What a merchant's statements would say, computed from the books and written nowhere.

A run writes what this answers; a preview shows it. Every rule of money has a file of its own:
`share`, `rent`, `categories`, `periods`, put together in `charges`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import Connection, func, select

from protocol.business_day import business_date
from server.directory.contract_terms import Cycle
from server.directory.queries import contracts_by_merchant, contracts_of, merchants
from server.directory.values import Contract, Merchant
from server.ledger.tables import transfer
from server.settlement.charges import (
    Charges,
    Charging,
    charged_at_once,
    taken_of,
)
from server.settlement.day_sums_tables import SUMMED
from server.settlement.figures import SettlementFault, no_place
from server.settlement.periods import Period, periods_ended
from server.settlement.rent import month_of, months_between
from server.settlement.statements import AT_ONCE, Run, statements_of
from server.settlement.tables import statement
from server.settlement.unplaced import REFUND_KIND, SALE_KIND, Bucket, Unplaced, buckets
from server.settlement.values import LeftOpen, Statement, Totals

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Draft:
    """A statement that nobody has made yet.

    ``inside`` are the day sums that it takes, of what facts before ``run_fact_no`` booked.
    """

    statement: str
    merchant: str
    run: str
    period_from: date
    period_through: date
    cycle: Cycle
    opening_fen: int
    totals: Totals
    charges: Charges
    run_fact_no: int
    inside: tuple[Bucket, ...]

    @property
    def closing_fen(self) -> int:
        """What the pool owes the merchant after all; below 0, the merchant the pool."""
        totals = self.totals
        return self.opening_fen + totals.net_fen - totals.paid_fen + totals.received_fen


def statement_id(merchant: str, through: date) -> str:
    """`shop-a-20260301`: the same for whoever asks again."""
    return f"{merchant}-{through:%Y%m%d}"


def first_day_of(merchant: Merchant, hour: int) -> date:
    """The business date on which the merchant's first period begins."""
    return business_date(merchant.registered_at, hour)


def periods_due(tx: Connection, pool: str, run: Run, merchant: Merchant, hour: int) -> list[Period]:
    """The merchant's periods that the run closes and that have no statement yet."""
    newest = _newest(tx, pool, merchant)
    contracts = contracts_of(tx, pool, merchant.merchant)
    return _periods(run, merchant, hour, contracts, newest.period_through if newest else None)


def merchants_with_periods(tx: Connection, pool: str, run: Run, hour: int) -> list[Merchant]:
    """Whoever has a period that the run closes and no statement of it yet, in order; however
    many there are, by three questions.
    """
    rows = tx.execute(
        select(statement.c.merchant, func.max(statement.c.period_through).label("through"))
        .where(statement.c.pool == pool)
        .group_by(statement.c.merchant)
    )
    closed: dict[str, date] = {row.merchant: row.through for row in rows}
    contracts = contracts_by_merchant(tx, pool)
    return [
        each
        for each in sorted(merchants(tx, pool), key=lambda each: each.merchant)
        if _periods(run, each, hour, contracts.get(each.merchant, []), closed.get(each.merchant))
    ]


def drafts(
    tx: Connection, pool: str, run: Run, merchant: Merchant, hour: int
) -> list[Draft] | LeftOpen:
    """The merchant's statements that the run is to make, oldest first; or the first day on which
    he traded without a contract.

    Entries that are not summed yet (`day_sums`) are not in it: a run sums before it drafts.

    Raises:
        SettlementFault: the books hold something that no statement has a place for.
    """
    newest = _newest(tx, pool, merchant)
    contracts = contracts_of(tx, pool, merchant.merchant)
    closed = newest.period_through if newest else None
    periods = _periods(run, merchant, hour, contracts, closed)
    if not periods:
        return []
    which = Unplaced(pool, merchant.merchant, run.fact_no, tuple(contracts))
    through = periods[-1].last
    due = buckets(tx, which, through)
    _refuse_oddities(tx, pool, due, merchant.merchant)
    lacking = [each.terms_day for each in due if each.is_trade and each.contract is None]
    if lacking:
        return LeftOpen(merchant.merchant, min(lacking))
    named = {each.contract: each for each in contracts}
    taken = taken_of(tx, pool, named, due)
    months = {month_of(each.terms_day) for each in due}
    months |= {each.month for each in months_between(periods[0].first, through)}
    charging = Charging.begin(tx, pool, contracts, months, first_day_of(merchant, hour))
    made: list[Draft] = []
    opening_fen = newest.closing_fen if newest else 0
    after = date.min
    for period in periods:
        inside = [each for each in due if after < each.business_date <= period.last]
        taken_now = [each for each in taken if after < each.business_date <= period.last]
        if run.manner == AT_ONCE:
            charges = charged_at_once(named, taken_now)
        else:
            charges = charging.charge(period, taken_now)
        draft = Draft(
            statement=statement_id(which.merchant, period.last),
            merchant=which.merchant,
            run=run.run,
            period_from=period.first,
            period_through=period.last,
            cycle=period.cycle,
            opening_fen=opening_fen,
            totals=_totals(inside, charges),
            charges=charges,
            run_fact_no=run.fact_no,
            inside=tuple(inside),
        )
        opening_fen, after = draft.closing_fen, period.last
        made.append(draft)
    return made


def _newest(tx: Connection, pool: str, merchant: Merchant) -> Statement | None:
    found = statements_of(tx, pool, merchant=merchant.merchant, limit=1)
    return found[0] if found else None


def _periods(
    run: Run,
    merchant: Merchant,
    hour: int,
    contracts: Sequence[Contract],
    closed: date | None,
) -> list[Period]:
    """The merchant's periods after the day that is closed (None: from his first one on)."""
    first = closed + _DAY if closed else first_day_of(merchant, hour)
    if first > run.through:
        return []
    if run.manner == AT_ONCE:
        return [Period(first, run.through, Cycle.RUN)]
    return list(periods_ended(contracts, first, run.through))


def _refuse_oddities(tx: Connection, pool: str, due: Sequence[Bucket], merchant: str) -> None:
    for each in due:
        if each.odd_no is not None:
            code = tx.execute(
                select(transfer.c.code).where(
                    transfer.c.pool == pool, transfer.c.transfer_no == each.odd_no
                )
            ).scalar_one()
            raise SettlementFault(no_place(each.odd_no, code, merchant))
        if each.lost:
            raise SettlementFault(
                f"{each.lost} entries of merchant {merchant} on {each.business_date}"
                f" ({each.kind}): their sale is not in the books"
            )


def _totals(inside: Sequence[Bucket], charges: Charges) -> Totals:
    sums = {name: sum(getattr(each, name) for each in inside) for name in SUMMED}
    sums["share_fen"] += sum(each.share_fen for each in charges.shares)
    sums["minimum_fen"] += sum(each.added_fen for each in charges.minimums)
    sums["rent_fen"] += sum(each.rent_fen for each in charges.rents)
    return Totals(
        sales_count=sum(each.entries for each in inside if each.kind == SALE_KIND),
        refunds_count=sum(each.entries for each in inside if each.kind == REFUND_KIND),
        **sums,
    )
