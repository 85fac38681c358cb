"""Vouchers and work orders at the till: what a resident still has, and doing it, once.

The server is asked, because a voucher may have been used anywhere; without it nothing is done. The
resident's own code shows both which orders there are and that this one was done.
"""

import threading
from collections.abc import Callable, Sequence
from datetime import date, timedelta

from msgspec import Struct

from protocol.business_day import business_date
from protocol.codes import ResidentCode, ShowCode, SlotCode
from protocol.evidence import Evidence, SlotEvidence
from protocol.messages import OrdersFound, OrderShown, OrdersRequest
from protocol.money import QUANTITY_ONE_MILLI
from protocol.reasons import Declined, DeclineReason
from protocol.sales import Happening, OrderFulfilled, SaleCaptured
from terminal.checkout.asking import Asking
from terminal.domain.notice import Notice, NoticeCode, NoticeLevel
from terminal.domain.ports import Clock, Ids, OrderDesk, Store, ToldRecord, Unreachable
from terminal.domain.scan import ResidentScan, classify

SHOWN_FOR = timedelta(minutes=2)
"""How long a code that was shown stands for its resident."""
WAITS_FOR = timedelta(seconds=4)
"""The open page asks every second; when it is closed, codes are the till's again."""
RECENT = 10


class _Shown(Struct, frozen=True):
    code: ResidentCode | ShowCode
    orders: tuple[OrderShown, ...]
    at_ms: int


class Orders:
    """One resident's orders at a time. Every method answers with the notice to show."""

    def __init__(
        self,
        *,
        desk: OrderDesk,
        store: Store,
        asking: Asking,
        clock: Clock,
        ids: Ids,
        wake_workers: Callable[[], None],
        is_stopped: Callable[[], bool],
        at_till: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._desk = desk
        self._store = store
        self._asking = asking
        self._clock = clock
        self._ids = ids
        self._wake_workers = wake_workers
        self._is_stopped = is_stopped
        self._at_till = at_till
        self._lock = threading.Lock()
        self._shown: _Shown | None = None
        self._waits_until_ms = 0
        self._turn = 0

    def wait(self) -> None:
        """The page is open: the next code of the scanner is meant for it."""
        with self._lock:
            now_ms = self._clock.moment().monotonic_ms
            self._waits_until_ms = now_ms + int(WAITS_FOR.total_seconds() * 1000)

    @property
    def turn(self) -> int:
        """Grows with every change of what there is to see."""
        with self._lock:
            return self._turn

    def takes(self, code: ResidentCode | ShowCode) -> bool:
        """A code from the scanner: whether this page took it."""
        with self._lock:
            waits = self._clock.moment().monotonic_ms < self._waits_until_ms
        if waits:
            self.show_code(code)
        return waits

    def show_text(self, text: str) -> Notice | None:
        """A code as a scanner typed it; None where its orders are on the page now."""
        scan = classify(text)
        if not isinstance(scan, ResidentScan):
            return _refused(NoticeCode.UNKNOWN_SCAN)
        return self.show_code(scan.code)

    def show_code(self, code: ResidentCode | ShowCode) -> Notice | None:
        """Ask which orders the resident has; None where they are on the page now."""
        moment = self._clock.moment()
        spent = self._spent_here(code)
        if spent is not None:
            with self._lock:
                self._shown = None
                self._turn += 1
            return Notice(NoticeCode.DECLINED, NoticeLevel.REFUSED, {}, spent)
        lookup_id = self._ids.new(moment.at)
        answer = self._desk.look_up_orders(
            OrdersRequest(
                lookup_id=lookup_id,
                evidence=self._asking.evidence(lookup_id, code, 0),
                occurred_at=moment.at,
            )
        )
        shown = None
        if isinstance(answer, OrdersFound):
            shown = _Shown(code, answer.orders, moment.monotonic_ms)
        with self._lock:
            self._shown = shown
            self._turn += 1
        if isinstance(answer, Unreachable):
            return _refused(NoticeCode.ORDERS_NEED_NETWORK)
        if isinstance(answer, Declined):
            return Notice(NoticeCode.DECLINED, NoticeLevel.REFUSED, {}, answer)
        return None if answer.orders else _refused(NoticeCode.NO_ORDERS)

    def _spent_here(self, code: ResidentCode | ShowCode) -> Declined | None:
        """A slot that this till's newest records stand on. The server says the same once it was
        told of them; until then the next voucher would be done, and its record only parked.
        """
        if not isinstance(code, SlotCode):
            return None
        for kind in ("order_fulfilled", "sale_captured"):
            for told in self._store.newest_told(kind, RECENT):
                used = _evidence_of(told.happening)
                if isinstance(used, SlotEvidence) and used.payload_hex == code.payload.hex():
                    return Declined(
                        DeclineReason.CODE_USED, used_at=told.at, expired_at=code.ends_at
                    )
        return None

    def on_page(self) -> Sequence[OrderShown] | None:
        """The orders of whoever showed a code a moment ago."""
        with self._lock:
            shown = self._fresh()
            return shown.orders if shown is not None else None

    def recent(self) -> Sequence[ToldRecord]:
        """What was done here last, and what the server made of it."""
        return self._store.newest_told("order_fulfilled", RECENT)

    def fulfil(self, order_id: str, units: int) -> Notice:
        """So many units of an order were done, or of a voucher used, in front of the resident.

        The code is gone with it: a second press of the button does nothing more.
        """
        policy = self._store.documents().policy
        if self._is_stopped():
            return Notice(NoticeCode.STOPPED, NoticeLevel.ALARM)
        if policy is None:
            return Notice(NoticeCode.NOT_READY, NoticeLevel.ALARM)
        with self._lock:
            shown = self._fresh()
            order = (
                next((x for x in shown.orders if x.order_id == order_id), None) if shown else None
            )
            if shown is None or order is None:
                return _refused(NoticeCode.ORDER_CODE_AGAIN)
            milli = units * QUANTITY_ONE_MILLI
            moment = self._clock.moment()
            day = business_date(moment.at, policy.cut_off_hour)
            if _is_expired(order, day):
                figures: dict[str, str | int] = {
                    "item": order.name,
                    "valid_until": str(order.valid_until),
                }
                return Notice(NoticeCode.ORDER_EXPIRED, NoticeLevel.REFUSED, figures)
            if order.open_milli == 0:
                return Notice(NoticeCode.ORDER_USED, NoticeLevel.REFUSED, _used(order))
            if not 0 < milli <= order.open_milli:
                return _refused(NoticeCode.QUANTITY_WRONG)
            fulfilment_id = self._ids.new(moment.at)
            with self._store.working() as work:
                work.journal(
                    OrderFulfilled(
                        fulfilment_id=fulfilment_id,
                        order_id=order_id,
                        business_date=day,
                        units_milli=milli,
                        confirmation=self._asking.evidence(fulfilment_id, shown.code, 0),
                        cashier=self._at_till(),
                    ),
                    moment,
                )
            self._shown = None
            self._turn += 1
        self._wake_workers()
        return Notice(NoticeCode.ORDER_DONE, NoticeLevel.GOOD, {"item": order.name})

    def _fresh(self) -> _Shown | None:
        """With the lock held: what is on the page, while its code may stand for the resident."""
        limit_ms = int(SHOWN_FOR.total_seconds() * 1000)
        if self._shown is None or self._clock.moment().monotonic_ms - self._shown.at_ms > limit_ms:
            self._shown = None
        return self._shown


def _evidence_of(happening: Happening) -> Evidence | None:
    if isinstance(happening, OrderFulfilled):
        return happening.confirmation
    return happening.evidence if isinstance(happening, SaleCaptured) else None


def _is_expired(order: OrderShown, day: date) -> bool:
    """What is left of it was not used by its last day, whether the server swept it yet or not."""
    if order.valid_until is None or order.state == "fulfilled":
        return False
    return order.state == "expired" or (order.open_milli > 0 and order.valid_until < day)


def _used(order: OrderShown) -> dict[str, str | int]:
    return {
        "item": order.name,
        "used_on": order.last_on.isoformat() if order.last_on is not None else "—",
        "used_where": order.last_where or "—",
    }


def _refused(code: NoticeCode) -> Notice:
    return Notice(code, NoticeLevel.REFUSED)
