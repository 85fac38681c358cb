"""What a resident took at this terminal, as far as limits count it."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from protocol.business_day import closes_at
from protocol.documents import Catalogue
from protocol.messages import ItemUnits
from protocol.reasons import Declined, DeclineReason
from protocol.redemption import LimitPeriod, Used, period_start, units_left
from protocol.sales import SaleCaptured


def looked_back_to(day: date, cut_off_hour: int) -> datetime:
    """When the longest period began that a limit counts over."""
    first = period_start(day, LimitPeriod.MONTH)
    return closes_at(first - timedelta(days=1), cut_off_hour)


def used_on(day: date, sales: Sequence[SaleCaptured]) -> Used:
    """Points of one business date; what a household took elsewhere nobody here can know."""
    points = sum(sale.payment.points for sale in sales if sale.business_date == day)
    return Used(points, points)


def no_more_of(
    items: Sequence[ItemUnits],
    catalogue: Catalogue | None,
    sales: Sequence[SaleCaptured],
    day: date,
) -> Declined | None:
    """The first of the goods of which this resident may not have so many more."""
    limited = {each.item_id: each for each in catalogue.items} if catalogue else {}
    for asked in items:
        item = limited.get(asked.item_id)
        if item is None or not item.is_limited:
            continue
        first = period_start(day, item.limit_period)
        taken_milli = sum(
            line.quantity_milli
            for sale in sales
            if first <= sale.business_date <= day
            for line in sale.lines
            if line.item_id == item.item_id
        )
        for limit in (item.limit_per_resident, item.limit_per_household):
            left = units_left(limit, taken_milli)
            if left is not None and asked.units > left:
                return Declined(DeclineReason.OVER_ITEM_LIMIT, item=item.item_id, left_units=left)
    return None
