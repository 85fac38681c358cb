"""代兑换: a worker of the pool redeems for a resident, and brings it to the door.

Nothing is asked of the server beside the sale itself: who presented the code, how the resident
agreed and to which door it goes stand in the sale's record, and the delivery is another. What
this terminal can know must hold before points are taken: the worker is still the pool's, never
for himself, within the limits of his day here. What he did elsewhere the server knows.
"""

import re
from collections.abc import Callable, Sequence
from datetime import date, timedelta

from msgspec import UNSET
from msgspec.structs import replace

from protocol.business_day import business_date
from protocol.counter import CounterWorker
from protocol.proxy import (
    MAX_HOW_CHARS,
    MAX_PLACE_CHARS,
    Consent,
    Proxy,
    ProxyDelivered,
    ProxyRules,
)
from protocol.reasons import Declined
from protocol.sales import SaleCaptured, SaleRefunded
from terminal.checkout.asking import Asking
from terminal.checkout.current import CurrentSale
from terminal.checkout.sale_desk import SaleDesk
from terminal.domain.counter import WorkerAtTill
from terminal.domain.notice import Notice, NoticeCode, NoticeLevel
from terminal.domain.ports import Clock, Ids, Store, StoreFaultError, TerminalIdentity
from terminal.domain.presented import ManualCode, PresentedCode
from terminal.domain.proxy import Acting, DayOfProxy, Delivery
from terminal.domain.sale import SaleState
from terminal.domain.scan import ResidentScan, classify

PLACE = re.compile(r"[0-9A-Za-z一-鿿 ._#/()（）-]{1,40}")
"""A door: 3号楼2单元501, or the pool's own room code."""
LOOKED_BACK = timedelta(days=61)
"""A day longer than a delivery may take."""
A_DAY = timedelta(hours=48)
"""No business date is longer, whatever the hour at which it ends."""
LISTED = 50


class Proxies:
    """One terminal's 代兑换. Every method that does something answers with the notice to show."""

    def __init__(
        self,
        *,
        desk: SaleDesk,
        identity: TerminalIdentity,
        store: Store,
        asking: Asking,
        clock: Clock,
        ids: Ids,
        at_till: WorkerAtTill,
        wake_workers: Callable[[], None],
    ) -> None:
        self._desk = desk
        self._identity = identity
        self._store = store
        self._asking = asking
        self._clock = clock
        self._ids = ids
        self._at_till = at_till
        self._wake_workers = wake_workers

    def rules(self) -> ProxyRules | None:
        """How far workers redeem for others here; None where they may not."""
        awards = self._store.documents().awards
        if awards is None or self._identity.shop not in awards.shops:
            return None
        return awards.proxy

    def worker(self) -> CounterWorker | None:
        """Who redeems for others now; None where nobody of the pool is signed in."""
        return self._at_till.worker() if self.rules() is not None else None

    def acting(self) -> Acting | None:
        """For whom the sale on the page is, if it is for somebody at home."""
        with self._desk.lock:
            sale = self._desk.sale
            return sale.acting if sale.state is not SaleState.CAPTURED else None

    def today(self) -> date | None:
        """The business date; None before the pool's rules came."""
        policy = self._store.documents().policy
        now = self._clock.moment().at
        return business_date(now, policy.cut_off_hour) if policy else None

    def day_of(self, worker: str) -> DayOfProxy:
        """What a worker redeemed for others today, at this terminal."""
        today = self.today()
        found = [
            sale
            for sale, proxy in self._sold(A_DAY)
            if proxy.worker == worker and sale.business_date == today
        ]
        accounts = frozenset(each.account for each in found if each.account is not None)
        return DayOfProxy(accounts, sum(each.payment.points for each in found))

    def begin(self, place: str, consent: Consent | None, beneficiary: str) -> Notice:
        """The sale on the page is for somebody at home. ``beneficiary``: another one's code, or
        nothing where the goods are the payer's own.
        """
        rules, worker, today = self.rules(), self.worker(), self.today()
        if rules is None or today is None:
            return _refused(NoticeCode.PROXY_NOT_OFFERED)
        if worker is None:
            return _refused(NoticeCode.PROXY_WORKER_NEEDED)
        place = " ".join(place.split())
        if len(place) > MAX_PLACE_CHARS or not PLACE.fullmatch(place):
            return _refused(NoticeCode.PROXY_PLACE_NEEDED)
        if consent is None:
            return _refused(NoticeCode.PROXY_CONSENT_NEEDED)
        account = self._beneficiary(beneficiary) if beneficiary.strip() else None
        if isinstance(account, Notice):
            return account
        if account is not None and account == worker.account:
            return _refused(NoticeCode.PROXY_OWN)
        proxy = Proxy(
            worker=worker.worker,
            consent=consent,
            place=place,
            deliver_by=today + timedelta(days=rules.deliver_within_days),
        )
        full = self._over_day(worker.worker, rules, None, 0)
        if full is not None:
            return full  # whoever comes: said before he has chosen goods
        with self._desk.lock:
            if not self._desk.may_edit():
                return self._desk.notice or _refused(NoticeCode.BASKET_LOCKED)
            acting = Acting(proxy, worker.name, account)
            self._desk.show(replace(self._desk.sale, acting=acting))
            self._at_till.busy()
        return Notice(NoticeCode.PROXY_BEGUN, NoticeLevel.GOOD, {"place": place})

    def stop(self) -> Notice:
        """The sale on the page is for whoever stands there, after all."""
        with self._desk.lock:
            if self._desk.sale.state in {SaleState.AUTHORISING, SaleState.AUTHORISED}:
                return _refused(NoticeCode.PROXY_HELD)
            if self._desk.sale.state is SaleState.OPEN:
                self._desk.show(replace(self._desk.sale, acting=None))
        return Notice(NoticeCode.PROXY_STOPPED, NoticeLevel.GOOD)

    def problem(
        self, sale: CurrentSale, code: PresentedCode | None, points: int = 0
    ) -> Notice | None:
        """Why a sale for somebody at home may not go on; None where it may, or is none.

        ``code`` is what is being shown, None where the sale is to be completed with ``points``.
        """
        acting = sale.acting
        if acting is None:
            return None
        rules, awards = self.rules(), self._store.documents().awards
        workers = awards.workers if awards is not None else ()
        worker = next((x for x in workers if x.worker == acting.proxy.worker), None)
        if rules is None or worker is None:
            return _refused(NoticeCode.PROXY_REVOKED)
        if code is not None:
            account, bearer = self._asking.holder(code)
        else:
            account, bearer = sale.approval.account if sale.approval else None, False
            if account is None:
                return _refused(NoticeCode.PROXY_NEEDS_RESIDENT)
        if bearer or isinstance(code, ManualCode):
            return _refused(NoticeCode.PROXY_NEEDS_RESIDENT)
        if account is not None and account == worker.account:
            return _refused(NoticeCode.PROXY_OWN)
        return self._over_day(worker.worker, rules, account, points)

    def deliveries(self) -> Sequence[Delivery]:
        """What waits for its delivery first, by its last day; then the newest."""
        since = self._clock.moment().at - LOOKED_BACK
        records = self._store.proxy_records(since)
        delivered = {x.sale_id: x for x, _ in records if isinstance(x, ProxyDelivered)}
        back = {x.sale_id for x, _ in records if isinstance(x, SaleRefunded)}
        found = [
            Delivery(x, x.proxy, at, delivered.get(x.sale_id), x.sale_id in back)
            for x, at in records
            if isinstance(x, SaleCaptured) and x.proxy is not UNSET
        ]
        waiting = sorted((x for x in found if x.waits), key=lambda x: x.proxy.deliver_by)
        return [*waiting, *[x for x in reversed(found) if not x.waits]][:LISTED]

    def deliver(self, receipt_no: str, how: str) -> Notice:
        """It came to the door; ``how`` says who took it. Said once."""
        policy, worker, today = self._store.documents().policy, self.worker(), self.today()
        if policy is None or today is None or worker is None:
            return _refused(NoticeCode.PROXY_WORKER_NEEDED)
        how = " ".join(how.split())[:MAX_HOW_CHARS]
        if not how:
            return _refused(NoticeCode.PROXY_HOW_NEEDED)
        with self._desk.lock:  # two pages that say it at once say it once
            found = next((x for x in self.deliveries() if x.sale.receipt_no == receipt_no), None)
            if found is None:
                return _refused(NoticeCode.RECEIPT_UNKNOWN)
            if found.delivered is not None:
                return _refused(NoticeCode.PROXY_KNOWN)
            if found.came_back:
                return _refused(NoticeCode.ALREADY_REFUNDED)
            happening = ProxyDelivered(
                sale_id=found.sale.sale_id, business_date=today, worker=worker.worker, how=how
            )
            try:
                with self._store.working() as work:
                    work.journal(happening, self._clock.moment())
            except StoreFaultError:
                return Notice(NoticeCode.STORE_FAULT, NoticeLevel.ALARM)
            self._at_till.busy()
        self._wake_workers()
        figures: dict[str, str | int] = {"place": found.proxy.place}
        return Notice(NoticeCode.PROXY_DELIVERED, NoticeLevel.GOOD, figures)

    def _beneficiary(self, text: str) -> str | Notice:
        scan = classify(text)
        if not isinstance(scan, ResidentScan):
            return _refused(NoticeCode.UNKNOWN_SCAN)
        _, bearer = self._asking.holder(scan.code)
        account = self._asking.whose(self._ids.new(self._clock.moment().at), scan.code)
        if isinstance(account, Declined):
            return Notice(NoticeCode.DECLINED, NoticeLevel.REFUSED, {}, account)
        return _refused(NoticeCode.PROXY_NEEDS_RESIDENT) if bearer else account

    def _over_day(
        self, worker: str, rules: ProxyRules, account: str | None, points: int
    ) -> Notice | None:
        """What a sale would put above the worker's day here, as far as it is known yet."""
        day = self.day_of(worker)
        others = day.accounts - {account}
        if account is not None and len(others) >= rules.residents_a_day:
            figures: dict[str, str | int] = {"most": rules.residents_a_day}
            return Notice(NoticeCode.PROXY_RESIDENTS_FULL, NoticeLevel.REFUSED, figures)
        most = rules.points_a_day
        if most is not None and (day.points >= most or day.points + points > most):
            figures = {"most": most, "left": max(0, most - day.points)}
            return Notice(NoticeCode.PROXY_POINTS_FULL, NoticeLevel.REFUSED, figures)
        return None

    def _sold(self, within: timedelta) -> Sequence[tuple[SaleCaptured, Proxy]]:
        records = self._store.proxy_records(self._clock.moment().at - within)
        return [
            (x, x.proxy) for x, _ in records if isinstance(x, SaleCaptured) and x.proxy is not UNSET
        ]


def _refused(code: NoticeCode) -> Notice:
    return Notice(code, NoticeLevel.REFUSED)
