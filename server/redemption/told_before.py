"""What stands under an id that comes again with other content, and what came: both are named."""

from datetime import date

from protocol.sales import SaleCaptured, SaleRefunded
from server.facts.refused import stands_for_another
from server.redemption.booked import Parked
from server.redemption.queries import Refund, Sale

_HASH_SHOWN = 12


def told_otherwise(
    before: Sale | Refund, asked: SaleCaptured | SaleRefunded, content_hash: str, merchant: str
) -> Parked:
    """An id that is booked with other content. ``content_hash``: of what came now from a terminal
    of this ``merchant``.
    """
    receipt: tuple[str | None, date | None] = before.receipt_no, before.business_date
    if before.merchant != merchant:  # whose papers are no business of the one who asks
        receipt = None, None
    what, key = ("销售编号", "sale id"), before.sale_id
    if isinstance(before, Refund):
        what, key = ("退货编号", "refund id"), before.refund_id
    return Parked(
        stands_for_another(
            what,
            key,
            stands=(*receipt, short(before.content_hash)),
            asked=(asked.receipt_no, asked.business_date, short(content_hash)),
        )
    )


def short(content_hash: str | None) -> str:
    """As much of a content's hash as a person compares."""
    return (content_hash or "")[:_HASH_SHOWN]
