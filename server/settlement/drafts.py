"""What a merchant's statements would say, computed from the books and written nowhere.

A run writes what this answers; a preview shows it. Every rule of money has a file of its own:
`share`, `rent`, `categories`, `periods`, put together in `charges`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from operator import attrgetter

from sqlalchemy import Connection, select

from protocol.business_day import business_date
from server.db.dialect import plan_by_index
from server.directory.contract_terms import Cycle
from server.directory.queries import contracts_by_merchant, merchants
from server.directory.values import Contract, Merchant
from server.ledger.tables import transfer
from server.settlement.charges import (
    Charges,
    Charging,
    Taken,
    charged_at_once,
    taken_of,
)
from server.settlement.day_sums_tables import SUMMED
from server.settlement.figures import SettlementFault, no_place
from server.settlement.months import months_so_far
from server.settlement.periods import Period, periods_ended
from server.settlement.rent import month_of, months_between
from server.settlement.statements import AT_ONCE, Run, newest_of
from server.settlement.unplaced import (
    REFUND_KIND,
    SALE_KIND,
    Bucket,
    LeavesOff,
    Unplaced,
    buckets,
)
from server.settlement.values import LeftOpen, Totals

_DAY = timedelta(days=1)
_SUMS_OF = attrgetter(*SUMMED)


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
    return _Standing.read(tx, pool, [merchant.merchant]).periods(run, merchant, hour)


def merchants_with_periods(tx: Connection, pool: str, run: Run, hour: int) -> list[Merchant]:
    """Whoever has a period that the run closes and no statement of it yet, in order; however
    many there are, by three questions.
    """
    standing = _Standing.read(tx, pool, None)
    return [
        each
        for each in sorted(merchants(tx, pool), key=lambda each: each.merchant)
        if standing.periods(run, each, hour)
    ]


@dataclass(frozen=True, slots=True)
class Drafted:
    """What the run is to make of one merchant: his statements, oldest first, none where he has
    no period; or the first day on which he traded without a contract.
    """

    merchant: Merchant
    found: list[Draft] | LeftOpen


def drafts(
    tx: Connection, pool: str, run: Run, merchant: Merchant, hour: int
) -> list[Draft] | LeftOpen:
    """As :func:`drafts_of`, of one merchant."""
    (drafted,) = drafts_of(tx, pool, run, [merchant], hour)
    return drafted.found


def drafts_of(
    tx: Connection, pool: str, run: Run, whose: Sequence[Merchant], hour: int
) -> list[Drafted]:
    """What the run is to make of each of these merchants, in their order; however many there are,
    by the same few questions, but for goods that are charged by category.

    Entries that are not summed yet (`day_sums`) are not in it: a run sums before it drafts.

    Raises:
        SettlementFault: the books hold something that no statement has a place for.
    """
    plan_by_index(tx)
    standing = _Standing.read(tx, pool, [each.merchant for each in whose])
    periods = {each.merchant: standing.periods(run, each, hour) for each in whose}
    contracts = {name: standing.contracts.get(name, []) for name, found in periods.items() if found}
    if not contracts:
        return [Drafted(each, []) for each in whose]
    through = max(found[-1].last for found in periods.values() if found)
    since = {name: standing.since[name] for name in contracts if name in standing.since}
    due = buckets(tx, Unplaced(pool, run.fact_no, contracts, since), through)
    for name in contracts:
        due[name] = [each for each in due[name] if each.business_date <= periods[name][-1].last]
        _refuse_oddities(tx, pool, due[name], name)
    months = {month_of(each.terms_day) for rows in due.values() for each in rows}
    first = min(found[0].first for found in periods.values() if found)
    months |= {each.month for each in months_between(first, through)}
    names = [each.contract for own in contracts.values() for each in own]
    so_far = months_so_far(tx, pool, names, sorted(months))
    made: list[Drafted] = []
    for each in whose:
        if not periods[each.merchant]:
            made.append(Drafted(each, []))
            continue
        own = contracts[each.merchant]
        charging = Charging({of.contract: of for of in own}, so_far, first_day_of(each, hour))
        opening_fen = standing.closing_fen.get(each.merchant, 0)
        drafting = _Drafting(pool, run, each.merchant, charging, opening_fen)
        made.append(Drafted(each, drafting.all(tx, periods[each.merchant], due[each.merchant])))
    return made


@dataclass(frozen=True, slots=True)
class _Standing:
    """Where merchants' statements leave off, and their contracts, oldest first; by merchant."""

    since: Mapping[str, LeavesOff]
    closing_fen: Mapping[str, int]
    contracts: Mapping[str, list[Contract]]

    @classmethod
    def read(cls, tx: Connection, pool: str, whose: Sequence[str] | None) -> "_Standing":
        """Of these merchants; None: of all."""
        rows = newest_of(tx, pool, whose)
        return cls(
            {row.merchant: LeavesOff(row.period_through, row.fact_no) for row in rows},
            {row.merchant: row.closing_fen for row in rows},
            contracts_by_merchant(tx, pool, whose),
        )

    def periods(self, run: Run, merchant: Merchant, hour: int) -> list[Period]:
        """The merchant's periods after his last statement (without any: from his first one on)."""
        since = self.since.get(merchant.merchant)
        first = since.through + _DAY if since else first_day_of(merchant, hour)
        if first > run.through:
            return []
        if run.manner == AT_ONCE:
            return [Period(first, run.through, Cycle.RUN)]
        contracts = self.contracts.get(merchant.merchant, [])
        return list(periods_ended(contracts, first, run.through))


@dataclass(frozen=True, slots=True)
class _Drafting:
    """One merchant's statements, of which the first opens with ``opening_fen``."""

    pool: str
    run: Run
    merchant: str
    charging: Charging
    opening_fen: int

    def all(
        self, tx: Connection, periods: Sequence[Period], due: Sequence[Bucket]
    ) -> list[Draft] | LeftOpen:
        lacking = [each.terms_day for each in due if each.is_trade and each.contract is None]
        if lacking:
            return LeftOpen(self.merchant, min(lacking))
        taken = taken_of(tx, self.pool, self.charging.contracts, due)
        made: list[Draft] = []
        opening_fen, after = self.opening_fen, date.min
        for period in periods:
            inside = [each for each in due if after < each.business_date <= period.last]
            now = [each for each in taken if after < each.business_date <= period.last]
            draft = self._draft(period, opening_fen, inside, now)
            opening_fen, after = draft.closing_fen, period.last
            made.append(draft)
        return made

    def _draft(
        self, period: Period, opening_fen: int, inside: Sequence[Bucket], taken: Sequence[Taken]
    ) -> Draft:
        if self.run.manner == AT_ONCE:
            charges = charged_at_once(self.charging.contracts, taken)
        else:
            charges = self.charging.charge(period, taken)
        return Draft(
            statement=statement_id(self.merchant, period.last),
            merchant=self.merchant,
            run=self.run.run,
            period_from=period.first,
            period_through=period.last,
            cycle=period.cycle,
            opening_fen=opening_fen,
            totals=_totals(inside, charges),
            charges=charges,
            run_fact_no=self.run.fact_no,
            inside=tuple(inside),
        )


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
    columns = zip(*map(_SUMS_OF, inside), strict=True) if inside else ((0,) for _ in SUMMED)
    sums = dict(zip(SUMMED, map(sum, columns), strict=True))
    sums["share_fen"] += sum(each.share_fen for each in charges.shares)
    sums["minimum_fen"] += sum(each.added_fen for each in charges.minimums)
    sums["rent_fen"] += sum(each.rent_fen for each in charges.rents)
    return Totals(
        sales_count=sum(each.entries for each in inside if each.kind == SALE_KIND),
        refunds_count=sum(each.entries for each in inside if each.kind == REFUND_KIND),
        **sums,
    )
