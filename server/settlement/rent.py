"""The rule of what a calendar month costs, prorated by the day: rent, and a share's minimum.

Of a month of n days the first d cost floor(amount x d / n). Days d..e cost the difference, so
that days, weeks and months add up to the same fen however a month is cut.
"""

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class MonthDays:
    """Days of one calendar month, both included."""

    first: date
    last: date

    @property
    def month(self) -> str:
        return month_of(self.first)

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1


@lru_cache(maxsize=1024)
def month_of(day: date) -> str:
    """`2026-03`."""
    return f"{day:%Y-%m}"


def month_end(day: date) -> date:
    """The last day of the day's month."""
    return day.replace(day=monthrange(day.year, day.month)[1])


def months_between(first: date, last: date) -> Iterator[MonthDays]:
    """The days from ``first`` to ``last`` (both included), cut by calendar months."""
    while first <= last:
        end = min(month_end(first), last)
        yield MonthDays(first, end)
        first = end + timedelta(days=1)


def cost_of_days(month_fen: int, days: MonthDays) -> int:
    """What these days cost, of a month that costs ``month_fen``; fen."""
    of_month = monthrange(days.first.year, days.first.month)[1]
    return month_fen * days.last.day // of_month - month_fen * (days.first.day - 1) // of_month
