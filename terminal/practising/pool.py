"""Answers for the practice residents, where a real till asks the pool's server."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

from msgspec import UNSET

from protocol.business_day import business_date
from protocol.codes import SlotCode, read_payload
from protocol.counter import CounterAwarded
from protocol.documents import Item, Policy
from protocol.evidence import CardEvidence, ManualEvidence, SlotEvidence
from protocol.messages import (
    Approved,
    AuthoriseRequest,
    ItemUnits,
    NoSale,
    OrdersFound,
    OrdersRequest,
    SaleNotFound,
)
from protocol.money import Points
from protocol.reasons import Declined, DeclineReason
from protocol.redemption import PointsWanted, Used, granted, period_start, units_left
from protocol.sales import SaleCaptured
from terminal.domain.ports import Store
from terminal.domain.practising import PracticeResident
from terminal.practising.people import ACCOUNTS, CARD_ID, Balance
from terminal.practising.vouchers import orders_of

LONG_AGO = timedelta(days=400)
MOST_AWARDS = 500


class PracticePool:
    """See :class:`terminal.domain.ports.Pool`; it can always be asked, also without a network.

    It keeps the pool's limits as the server does: of a sale, a day and goods with one of their own.
    Practice residents live alone: a household's limit is their own.
    """

    def __init__(
        self, store: Store, residents: Mapping[str, Balance], policy: Policy, shop_name: str
    ) -> None:
        self._store = store
        self._residents = residents
        self._policy = policy
        self._shop_name = shop_name

    def left(self, account: str, now: datetime) -> int:
        """Points of this account after what was registered, bought and brought back here."""
        records = (x.happening for x in self._store.newest_told("counter_awarded", MOST_AWARDS))
        earned = sum(
            each.points
            for each in records
            if isinstance(each, CounterAwarded) and each.account == account
        )
        taken = sum(self._taken(each) for each in self._sold(account, now))
        return self._residents[account].points + earned - taken

    def authorise(self, request: AuthoriseRequest) -> Approved | Declined:
        """Say yes as the server does: by the rule that it runs, and within the pool's limits."""
        account = _account(request)
        known = self._residents.get(account)
        if known is None:
            return Declined(DeclineReason.RESIDENT_UNKNOWN)
        if known.banned_until is not None:
            return Declined(DeclineReason.REDEMPTION_BANNED, until=known.banned_until)
        now, policy = request.occurred_at, self._policy
        day = business_date(now, policy.cut_off_hour)
        sold = self._sold(account, now)
        declined = self._no_more_of(request.limited_items, sold, day)
        if declined is not None:
            return declined
        of_today = sum(self._taken(each) for each in sold if each.business_date == day)
        left = self.left(account, now)
        answer = granted(
            PointsWanted(Points(request.required_points), Points(request.optional_points)),
            policy.limits,
            Used(of_today, of_today),
            available=max(0, left),
            cap_points=_cap_points(request, policy),
            gives_limited=bool(request.limited_items),
        )
        if isinstance(answer, Declined):
            return answer
        return Approved(
            account=account,
            points=answer.points,
            balance_points=Points(left),
            held_until=now + timedelta(seconds=policy.hold_s),
            limited_by=answer.limited_by or UNSET,
        )

    def look_up_sale(self, receipt_no: str, sale_id: UUID | None = None) -> SaleNotFound:
        """What was sold in practice is in the practice till itself; there is nothing else."""
        del receipt_no, sale_id
        return SaleNotFound(reason=NoSale.UNKNOWN)

    def look_up_orders(self, request: OrdersRequest) -> OrdersFound | Declined:
        """The one with enough points has a voucher to use and a used one; all have what they
        bought in this practice.
        """
        account = _account(request)
        if account not in self._residents:
            return Declined(DeclineReason.RESIDENT_UNKNOWN)
        now = request.occurred_at
        found = orders_of(
            self._store,
            self._sold(account, now),
            business_date(now, self._policy.cut_off_hour),
            self._shop_name,
            has_some=account == ACCOUNTS[PracticeResident.ENOUGH],
        )
        return OrdersFound(account=account, orders=found)

    def _sold(self, account: str, now: datetime) -> Sequence[SaleCaptured]:
        return self._store.sales_since(account, now - LONG_AGO)

    def _taken(self, sale: SaleCaptured) -> int:
        """Points that a sale took, less what came back of it."""
        back = self._store.refunds_of(sale.sale_id)
        return sale.payment.points - sum(each.payment.points for each in back)

    def _no_more_of(
        self, items: Sequence[ItemUnits], sold: Sequence[SaleCaptured], day: date
    ) -> Declined | None:
        catalogue = self._store.documents().catalogue
        known = {each.item_id: each for each in catalogue.items} if catalogue else {}
        for asked in items:
            item = known.get(asked.item_id)
            left = None if item is None else self._left_of(item, sold, day)
            if left is not None and asked.units > left:
                return Declined(DeclineReason.OVER_ITEM_LIMIT, item=asked.item_id, left_units=left)
        return None

    def _left_of(self, item: Item, sold: Sequence[SaleCaptured], day: date) -> int | None:
        limits = [x for x in (item.limit_per_resident, item.limit_per_household) if x is not None]
        if not limits:
            return None
        first = period_start(day, item.limit_period)
        milli = 0
        for sale in sold:
            if not first <= sale.business_date <= day:
                continue
            lines = {x.line_no for x in sale.lines if x.item_id == item.item_id}
            milli += sum(x.quantity_milli for x in sale.lines if x.line_no in lines)
            milli -= sum(
                x.quantity_milli
                for refund in self._store.refunds_of(sale.sale_id)
                for x in refund.lines
                if x.line_no in lines
            )
        return units_left(min(limits), milli)


def _cap_points(request: AuthoriseRequest, policy: Policy) -> int:
    if isinstance(request.evidence, ManualEvidence):
        return min(policy.limits.manual_day_points, policy.card_cap_points)
    return policy.card_cap_points if _is_card(request) else policy.slot_cap_points


def _is_card(request: AuthoriseRequest | OrdersRequest) -> bool:
    return isinstance(request.evidence, CardEvidence)


def _account(request: AuthoriseRequest | OrdersRequest) -> str:
    """Whose code this is; empty for any other evidence, which the practice pool never gave."""
    shown = request.evidence
    if isinstance(shown, CardEvidence | ManualEvidence):
        return ACCOUNTS[PracticeResident.CARD] if shown.card_id == CARD_ID.hex() else ""
    if not isinstance(shown, SlotEvidence):
        return ""
    code = read_payload(bytes.fromhex(shown.payload_hex))
    return code.account.hex() if isinstance(code, SlotCode) else ""
