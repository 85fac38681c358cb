"""The rule of periods: which of a merchant's periods have ended by a day.

Periods follow each other without a gap. A period ends with its cycle (a day, a Sunday, the last
of a month, or whenever the operator settles) or on the last day before another cycle begins.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from server.directory.contract_terms import Cycle
from server.directory.values import Contract
from server.settlement.rent import month_end

_DAY = timedelta(days=1)
_SUNDAY = 6


@dataclass(frozen=True, slots=True)
class Period:
    """From ``first`` to ``last``, both included."""

    first: date
    last: date
    cycle: Cycle


def cycle_on(contracts: Sequence[Contract], day: date) -> Cycle:
    """The cycle of the merchant's contract in force, else of the first of his shops' contracts;
    without any, whenever the operator settles.
    """
    in_force = sorted(
        (each for each in contracts if each.in_force(day)),
        key=lambda each: (each.shop is not None, each.contract),
    )
    return in_force[0].terms.cycle if in_force else Cycle.RUN


def periods_ended(contracts: Sequence[Contract], first: date, through: date) -> Iterator[Period]:
    """Every period from ``first`` on that has ended by ``through``."""
    while first <= through:
        cycle = cycle_on(contracts, first)
        last = min(_cycle_end(cycle, first, through), _before_change(contracts, first, cycle))
        if last > through:
            return
        yield Period(first, last, cycle)
        first = last + _DAY


def _cycle_end(cycle: Cycle, first: date, through: date) -> date:
    if cycle is Cycle.DAY:
        return first
    if cycle is Cycle.WEEK:
        return first + timedelta(days=_SUNDAY - first.weekday())
    if cycle is Cycle.MONTH:
        return month_end(first)
    return through


def _before_change(contracts: Sequence[Contract], first: date, cycle: Cycle) -> date:
    """The last day before the cycle in force on ``first`` gives way to another one."""
    changes = {each.valid_from for each in contracts}
    changes |= {each.valid_until + _DAY for each in contracts if each.valid_until is not None}
    for day in sorted(day for day in changes if day > first):
        if cycle_on(contracts, day) is not cycle:
            return day - _DAY
    return date.max
