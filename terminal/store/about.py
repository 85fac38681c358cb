"""What a record is about: what the journal's column has, so that it is found again."""

from protocol.counter import CounterAwarded
from protocol.proxy import ProxyDelivered
from protocol.sales import Happening, SaleCaptured, SaleRefunded, SaleReversed


def about(happening: Happening | None) -> str | None:
    """The sale's id, or the award's; None for what is about neither."""
    if isinstance(happening, SaleCaptured | SaleReversed | SaleRefunded | ProxyDelivered):
        return str(happening.sale_id)
    if isinstance(happening, CounterAwarded):
        return str(happening.award_id)
    return None
