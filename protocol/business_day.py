"""Which day of trade a moment belongs to: Asia/Shanghai, with the pool's cut-off hour."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

SHANGHAI = ZoneInfo("Asia/Shanghai")


def business_date(at: datetime, cut_off_hour: int) -> date:
    """The business date of an aware moment.

    With a cut-off hour of 3, trade until 02:59 still belongs to the evening before.
    """
    return (at.astimezone(SHANGHAI) - timedelta(hours=cut_off_hour)).date()


def closes_at(day: date, cut_off_hour: int) -> datetime:
    """The moment at which a business date is over."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=SHANGHAI)
    return midnight + timedelta(days=1, hours=cut_off_hour)
