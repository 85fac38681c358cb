"""What a merchant owes the pool for one period: share, what makes up for its minimum, rent."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection

from server.directory.values import Contract
from server.settlement.categories import Part, divided
from server.settlement.figures import share_of
from server.settlement.months import Months, basis_fen, rule_for
from server.settlement.periods import Period
from server.settlement.rent import MonthDays, cost_of_days, month_end, month_of, months_between
from server.settlement.unplaced import Bucket, trades
from server.settlement.values import Share


@dataclass(frozen=True, slots=True)
class Minimum:
    """What makes up for a month's share below its minimum; see `MinimumRow`."""

    contract: str
    month: str
    days: int
    minimum_fen: int
    share_fen: int
    added_fen: int


@dataclass(frozen=True, slots=True)
class Rent:
    """Rent for days of one calendar month, both included."""

    contract: str
    from_day: date
    through_day: date
    days: int
    rent_fen: int


@dataclass(frozen=True, slots=True)
class Taken:
    """Takings of one business date under one contract, in one category."""

    business_date: date
    terms_day: date
    contract: str
    category: str
    part: Part


@dataclass(frozen=True, slots=True)
class Charges:
    """What is owed for a period."""

    shares: tuple[Share, ...]
    minimums: tuple[Minimum, ...]
    rents: tuple[Rent, ...]


@dataclass(frozen=True, slots=True)
class Charging:
    """Charges a merchant's periods one after the other; his months are carried on.

    ``first_day``: the first that he is settled for.
    """

    contracts: Mapping[str, Contract]
    months: Months
    first_day: date

    def charge(self, period: Period, taken: Sequence[Taken]) -> Charges:
        """What the period owes, its takings being ``taken``."""
        shares = self._shares(taken)
        return Charges(shares, self._minimums(period, shares), self._rents(period))

    def _shares(self, taken: Sequence[Taken]) -> tuple[Share, ...]:
        """By contract, month and rule, in this order."""
        sums: dict[tuple[str, str, str], int] = defaultdict(int)
        for each in taken:
            rule = rule_for(self.contracts[each.contract].terms, each.category)
            if rule is not None:
                place = (each.contract, month_of(each.terms_day), rule.category)
                sums[place] += basis_fen(rule, each.part)
        shares: list[Share] = []
        for contract, month, category in sorted(sums):
            rule = rule_for(self.contracts[contract].terms, category)
            assert rule is not None, f"{contract}: no rule for {category}"
            shares += self.months.pay(contract, month, rule, sums[contract, month, category])
        return tuple(shares)

    def _minimums(self, period: Period, shares: Sequence[Share]) -> tuple[Minimum, ...]:
        """For every month that the period closes, or whose share it changes afterwards."""
        changed = {(each.contract, each.month) for each in shares}
        found: list[Minimum] = []
        for contract in sorted(self.contracts):
            for days in self._months_in_force(self.contracts[contract], period.last):
                closes_now = period.first <= days.last
                if not closes_now and (contract, days.month) not in changed:
                    continue
                minimum = self._minimum(self.contracts[contract], days)
                if closes_now or minimum.added_fen:
                    found.append(minimum)
        return tuple(found)

    def _months_in_force(self, contract: Contract, through: date) -> Iterator[MonthDays]:
        """The contract's days by month, of months whose last day in force is ``through`` or
        earlier; none where it knows no minimum.
        """
        if not contract.terms.share_min_fen:
            return
        first = max(contract.valid_from, self.first_day)
        last = min(contract.valid_until or date.max, month_end(through))
        for days in months_between(first, last):
            if days.last <= through:
                yield days

    def _minimum(self, contract: Contract, days: MonthDays) -> Minimum:
        month = (contract.contract, days.month)
        due_fen = cost_of_days(contract.terms.share_min_fen, days)
        share_fen = self.months.share_fen[month]
        made_up_fen = max(0, due_fen - share_fen)
        added_fen = made_up_fen - self.months.added_fen[month]
        self.months.added_fen[month] = made_up_fen
        return Minimum(
            contract=contract.contract,
            month=days.month,
            days=days.days,
            minimum_fen=due_fen,
            share_fen=share_fen,
            added_fen=added_fen,
        )

    def _rents(self, period: Period) -> tuple[Rent, ...]:
        rents: list[Rent] = []
        for name in sorted(self.contracts):
            contract = self.contracts[name]
            if not contract.terms.rent_fen:
                continue
            first = max(period.first, contract.valid_from)
            last = min(period.last, contract.valid_until or date.max)
            rents += [
                Rent(
                    contract=name,
                    from_day=days.first,
                    through_day=days.last,
                    days=days.days,
                    rent_fen=cost_of_days(contract.terms.rent_fen, days),
                )
                for days in months_between(first, last)
            ]
        return tuple(rents)


def charged_at_once(contracts: Mapping[str, Contract], taken: Sequence[Taken]) -> Charges:
    """As runs that settled all at once charged: one rate of cash, each statement by itself."""
    cash_fen: dict[str, int] = defaultdict(int)
    for each in taken:
        cash_fen[each.contract] += each.part.cash_fen
    shares = [
        share_of(contract, contracts[contract].share_bp, cash_fen[contract])
        for contract in sorted(cash_fen)
    ]
    return Charges(tuple(shares), (), ())


def taken_of(
    tx: Connection, pool: str, contracts: Mapping[str, Contract], due: Sequence[Bucket]
) -> list[Taken]:
    """The takings of these buckets; goods are looked into only where a contract has a rule for
    a category.
    """
    by_category = [
        name for name, each in contracts.items() if any(rule.category for rule in each.terms.share)
    ]
    plain = [
        Taken(
            each.business_date,
            each.terms_day,
            each.contract,
            "",
            Part(each.cash_fen, each.money_points_fen),
        )
        for each in due
        if each.is_trade and each.contract is not None and each.contract not in by_category
    ]
    if not by_category:
        return plain
    sums: dict[tuple[date, date, str, str], Part] = defaultdict(Part)
    looked_into = [each for each in due if each.contract in by_category]
    for trade, parts in divided(tx, pool, trades(tx, pool, looked_into)):
        for category, part in parts.items():
            place = (trade.business_date, trade.terms_day, trade.contract, category)
            sums[place] = sums[place].less(Part(-part.cash_fen, -part.points_fen))
    return plain + [Taken(*place, part) for place, part in sorted(sums.items(), key=_by_place)]


def _by_place(each: tuple[tuple[date, date, str, str], Part]) -> tuple[date, date, str, str]:
    return each[0]
