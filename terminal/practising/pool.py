"""Answers for the practice residents, where a real till asks the pool's server."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from uuid import UUID

from msgspec import Struct

from protocol.codes import SlotCode, read_payload
from protocol.evidence import SlotEvidence
from protocol.messages import (
    Approved,
    AuthoriseRequest,
    NoSale,
    OrdersFound,
    OrdersRequest,
    SaleNotFound,
)
from protocol.money import Points
from protocol.reasons import Declined, DeclineReason
from terminal.domain.ports import Store

LONG_AGO = timedelta(days=400)


class Balance(Struct, frozen=True):
    """What a practice resident begins with. ``banned_until`` is the last day without points."""

    points: int
    banned_until: date | None = None


class PracticePool:
    """See :class:`terminal.domain.ports.Pool`; it can always be asked, also without a network."""

    def __init__(self, store: Store, residents: Mapping[str, Balance], hold_s: int) -> None:
        self._store = store
        self._residents = residents
        self._hold = timedelta(seconds=hold_s)

    def left(self, account: str, now: datetime) -> int:
        """Points of this account after what was bought and brought back here."""
        sold = self._store.sales_since(account, now - LONG_AGO)
        back = sum(
            refund.payment.points
            for sale in sold
            for refund in self._store.refunds_of(sale.sale_id)
        )
        return self._residents[account].points - sum(x.payment.points for x in sold) + back

    def authorise(self, request: AuthoriseRequest) -> Approved | Declined:
        """Say yes as the server does: to all that is needed, and to what there is beside it."""
        account = _account(request)
        known = self._residents.get(account)
        if known is None:
            return Declined(DeclineReason.RESIDENT_UNKNOWN)
        if known.banned_until is not None:
            return Declined(DeclineReason.REDEMPTION_BANNED, until=known.banned_until)
        left = self.left(account, request.occurred_at)
        needed = request.required_points
        points = needed + min(request.optional_points, max(0, left - needed))
        if needed > left or (not points and not request.limited_items):
            missing = max(1, needed - left)
            return Declined(DeclineReason.INSUFFICIENT_POINTS, missing_points=Points(missing))
        return Approved(
            account=account,
            points=Points(points),
            balance_points=Points(left),
            held_until=request.occurred_at + self._hold,
        )

    def look_up_sale(self, receipt_no: str, sale_id: UUID | None = None) -> SaleNotFound:
        """What was sold in practice is in the practice till itself; there is nothing else."""
        del receipt_no, sale_id
        return SaleNotFound(reason=NoSale.UNKNOWN)

    def look_up_orders(self, request: OrdersRequest) -> OrdersFound | Declined:
        """Nobody has a voucher to use in practice."""
        account = _account(request)
        if account not in self._residents:
            return Declined(DeclineReason.RESIDENT_UNKNOWN)
        return OrdersFound(account=account, orders=())


def _account(request: AuthoriseRequest | OrdersRequest) -> str:
    """Whose slot code this is; empty for any other evidence, which the practice pool never gave."""
    if not isinstance(request.evidence, SlotEvidence):
        return ""
    code = read_payload(bytes.fromhex(request.evidence.payload_hex))
    return code.account.hex() if isinstance(code, SlotCode) else ""
