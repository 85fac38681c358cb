"""What a shift comes to: a fold of the journal since the last Z report, and of nothing else."""

from collections.abc import Iterable
from datetime import date, datetime

from msgspec import Struct

from protocol.acts import Act, PersonActed
from protocol.drawer import DrawerOpened
from protocol.sales import Happening, SaleCaptured, SaleRefunded
from protocol.shifts import ShiftFigures, ShiftOpened


class ShiftNow(Struct, frozen=True):
    """The open shift. ``opened_at`` is None where nothing happened in it yet.

    ``day`` is the business date of its newest sale or refund, None before the first.
    """

    opened_at: datetime | None
    opened: ShiftOpened | None
    day: date | None
    figures: ShiftFigures
    first_receipt: str
    last_receipt: str

    @property
    def float_fen(self) -> int:
        return self.opened.float_fen if self.opened is not None else 0

    @property
    def is_empty(self) -> bool:
        """Neither opened nor anything sold or given back."""
        return self.opened_at is None


def shift_of(records: Iterable[tuple[Happening, datetime]]) -> ShiftNow:
    """Fold the records since the last Z report, oldest first."""
    sums = dict.fromkeys(ShiftFigures.__struct_fields__, 0)
    opened: ShiftOpened | None = None
    opened_at: datetime | None = None
    day: date | None = None
    receipts: list[str] = []
    for happening, at in records:
        if isinstance(happening, ShiftOpened):
            opened = happening
        elif isinstance(happening, SaleCaptured):
            _add_sale(sums, happening)
        elif isinstance(happening, SaleRefunded):
            _add_refund(sums, happening)
        elif isinstance(happening, DrawerOpened) or _is_drawer_test(happening):
            sums["drawer_openings"] += 1
            continue  # it opens for a sale or a refund, which has its own record, or for a test
        else:
            continue
        opened_at = opened_at or at
        if isinstance(happening, SaleCaptured | SaleRefunded):
            day = happening.business_date if day is None else max(day, happening.business_date)
            receipts = [*receipts[:1], happening.receipt_no]
    return ShiftNow(
        opened_at=opened_at,
        opened=opened,
        day=day,
        figures=ShiftFigures(**sums),
        first_receipt=receipts[0] if receipts else "",
        last_receipt=receipts[-1] if receipts else "",
    )


def _is_drawer_test(happening: Happening) -> bool:
    return isinstance(happening, PersonActed) and happening.act is Act.DRAWER_TESTED


def _add_sale(sums: dict[str, int], sale: SaleCaptured) -> None:
    sums["sales"] += 1
    sums["sold_fen"] += sum(line.amount_fen for line in sale.lines)
    sums["sold_points"] += sum(line.amount_points for line in sale.lines)
    sums["money_fen"] += sale.payment.cash_fen
    sums["discount_fen"] += sum(each.amount_fen for each in sale.discounts or ())
    sums["points_used"] += sale.payment.points
    sums["waived_fen"] += sale.payment.waived_fen
    sums["rounded_up_fen"] += sale.payment.rounded_up_fen


def _add_refund(sums: dict[str, int], refund: SaleRefunded) -> None:
    sums["voids" if refund.void is True else "refunds"] += 1
    sums["refunded_fen"] += sum(line.amount_fen for line in refund.lines)
    sums["money_fen"] -= refund.payment.cash_fen
    sums["points_returned"] += refund.payment.points
