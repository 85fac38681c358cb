"""The till: one sale at a time, asked for once, told once.

Every method may be called from any thread. What the cashier does wrong becomes a notice;
what the disk does wrong becomes a notice too, and then nothing is acknowledged. The
answer of the pool is waited for without the lock, so the page stays alive and the sale
can be cancelled meanwhile.
"""

from collections.abc import Callable
from uuid import UUID

from msgspec.structs import replace

from protocol.card_pins import PinMaker
from protocol.codes import CardCode, ConfirmCode, ResidentCode, ShowCode
from protocol.documents import Policy
from protocol.messages import Approved, AuthoriseRequest
from protocol.reasons import Declined, DeclineReason
from protocol.redemption import PointsWanted, Tender, points_wanted
from protocol.sales import AnsweredBy
from terminal.checkout.allowed import (
    asking_notice,
    choosing_notice,
    completed_notice,
    completing_notice,
    fault_code,
    scan_notice,
)
from terminal.checkout.asking import Asking, at_most, code_cap, is_answer_to, terms_of
from terminal.checkout.card_pins import CardPins
from terminal.checkout.completing import Completing
from terminal.checkout.current import CurrentSale, is_shown_again, is_too_old, sale_row, tender_of
from terminal.checkout.drawer import NO_DRAWER, CashDrawer
from terminal.checkout.editing import Editing
from terminal.checkout.parking import Parking
from terminal.checkout.sale_desk import SaleDesk
from terminal.checkout.starting import settle_last_run
from terminal.domain.basket import Basket
from terminal.domain.card_pin import PinAsking
from terminal.domain.changes import Changes
from terminal.domain.discounts import NO_ROUNDING, DiscountRules
from terminal.domain.notice import Notice, NoticeCode, NoticeLevel
from terminal.domain.ports import (
    Clock,
    Ids,
    Pool,
    Receipts,
    RecordTooLargeError,
    Store,
    StoreFaultError,
    TerminalIdentity,
    Unreachable,
)
from terminal.domain.presented import Challenger, Confirming, PresentedCode
from terminal.domain.sale import SaleEvent, SaleState, advance
from terminal.domain.scan import (
    BarcodeScan,
    ConfirmScan,
    ResidentScan,
    classify,
)
from terminal.domain.stand_in import ImageTrust

ProxyProblem = Callable[[CurrentSale, PresentedCode | None, int], Notice | None]


class Till:
    """One terminal's till."""

    def __init__(
        self,
        *,
        identity: TerminalIdentity,
        store: Store,
        pool: Pool,
        receipts: Receipts,
        clock: Clock,
        ids: Ids,
        changes: Changes,
        wake_workers: Callable[[], None],
        refuses_uncopied: bool = False,
        drawer: CashDrawer = NO_DRAWER,
        trust: ImageTrust | None = None,
        at_till: Callable[[], str | None] = lambda: None,
        challenger: Challenger | None = None,
        rules: DiscountRules = NO_ROUNDING,
        pin_maker: PinMaker | None = None,
        practice: bool = False,
    ) -> None:
        self._identity = identity
        self._store = store
        trusted = trust or ImageTrust(confirmed=True)
        self._pins = CardPins(store, clock, pin_maker, wake_workers) if pin_maker else None
        self._asking = Asking(identity, store, clock, trusted, challenger, pins=self._pins)
        self._completing = Completing(
            identity,
            store,
            receipts,
            self._asking,
            drawer=drawer,
            at_till=at_till,
            practice=practice,
        )
        self._pool = pool
        self._clock = clock
        self._wake_workers = wake_workers
        self.desk = SaleDesk(
            store=store,
            clock=clock,
            ids=ids,
            changes=changes,
            wake_workers=wake_workers,
            refuses_uncopied=refuses_uncopied,
            rules=rules,
        )
        self.editing = Editing(self.desk, store, self.clear)
        self.parking = Parking(self.desk, store, clock, at_till, wake_workers)
        # Another page may be waiting for a code.
        self.code_taker: Callable[[ResidentCode | ShowCode], bool] = lambda _code: False
        # Whoever redeems for somebody at home has limits of his own.
        self.proxy_problem: ProxyProblem = lambda _sale, _code, _points: None
        self.snapshot = self.desk.snapshot
        self.say = self.desk.say
        self.say_done = self.desk.say_done
        self.add_item = self.editing.add_item
        self.add_amount = self.editing.add_amount
        self.set_quantity = self.editing.set_quantity

    def start(self, version: str) -> None:
        """Bring the disk in order after a stop, and tell the cashier how it ended.

        Raises:
            StoreFaultError: the disk is not fit to sell with.
        """
        with self.desk.lock:
            ended = settle_last_run(self._store, self._clock, version)
            if ended is not None:
                self.desk.say_notice(ended)
            self._wake_workers()

    def stop_selling(self) -> None:
        """The journal is forked: no further sale until a person has looked."""
        with self.desk.lock:
            self.desk.stopped = True
            self.say(NoticeCode.STOPPED, NoticeLevel.ALARM)

    def is_stopped(self) -> bool:
        """Whether :meth:`stop_selling` was called: nothing may move until a person has looked."""
        with self.desk.lock:
            return self.desk.stopped

    def clear(self) -> None:
        """Empty the basket and begin with the next customer; gives held points back first.

        A basket that was taken up (取单) waits again.
        """
        with self.desk.lock:
            sale = self.desk.sale
            held = sale.state in {SaleState.AUTHORISING, SaleState.AUTHORISED}
            if held and not self.desk.reverse(self.parking.put_back):
                return
            if not held and not self.parking.cleared():
                return
            self.desk.sale = self.desk.new_sale(Basket())
            if sale.taken_up is not None and sale.state is not SaleState.CAPTURED:
                self.say(NoticeCode.PARK_AGAIN, NoticeLevel.GOOD, {"number": sale.taken_up})
            elif held:
                self.say(NoticeCode.CANCELLED, NoticeLevel.GOOD)
            else:
                self.desk.say_notice(None)

    def scan(self, text: str) -> None:
        """Take what the scanner read: an item, a resident's code, or something to explain."""
        scan = classify(text)
        match scan:
            case BarcodeScan(barcode):
                self.editing.add_barcode(barcode)
            case ResidentScan(code):
                if not self.code_taker(code):
                    self.show_code(code)
            case ConfirmScan(answer):
                self.confirm(answer)
            case _:
                with self.desk.lock:
                    self.desk.say_notice(scan_notice(scan))

    def show_code(
        self,
        code: PresentedCode,
        *,
        may_confirm: bool = True,
        without_pin: int | None = None,
    ) -> None:
        """A resident shows a code: ask whether points may be taken, and wait for the answer.

        Where a phone's code is not enough by itself, what it must say yes to stands on the page
        instead; not so without ``may_confirm``. So with a card's PIN, unless it is not typed and
        ``without_pin`` says how many points go without.
        """
        with self.desk.lock:
            request = self._ask(code, may_confirm=may_confirm, without_pin=without_pin)
        if request is None:
            return
        answer = self._pool.authorise(request)
        with self.desk.lock:
            self._take_answer(request, answer)

    def confirm(self, answer: ConfirmCode) -> None:
        """A phone answers: take its yes to the question that stands on the page."""
        with self.desk.lock:
            shown = self.desk.sale.code
            if shown is not None and shown.payload == answer.payload:
                return  # the scanner read it twice
            code = self._asking.confirmed(self.desk.sale.confirming, answer)
            if isinstance(code, Declined):
                self.desk.say_declined(code)
                return
        self.show_code(code)

    def skip_confirming(self) -> None:
        """The phone cannot confirm: take what showing its code is good for."""
        with self.desk.lock:
            confirming = self.desk.sale.confirming
            if confirming is None or not confirming.skip_points:
                return
        self.show_code(confirming.show, may_confirm=False)

    def stop_confirming(self) -> None:
        """Take the question for a phone off the page."""
        with self.desk.lock:
            self.desk.show(replace(self.desk.sale, confirming=None))

    def type_pin(self, pin: str) -> None:
        """The holder typed the card's PIN on the pad; a right one asks for the points.

        Raises:
            StoreFaultError: the try is not on the disk, so it was none.
        """
        with self.desk.lock:
            asking, policy = self.desk.sale.pin_asking, self._store.documents().policy
        if asking is None or policy is None or self._pins is None:
            return
        checked = self._pins.check(asking.card, pin, policy)
        with self.desk.lock:
            if self.desk.sale.pin_asking is not asking:
                return  # cancelled, or the basket changed, while it was worked out
            if isinstance(checked, Notice):
                again = self._pad(asking.card, policy, asking.skip_points)
                self.desk.show(replace(self.desk.sale, pin_asking=again or asking))
                self.desk.say_notice(checked)
                return
            self.desk.sale = replace(self.desk.sale, pin_asking=None)
        self.show_code(checked)

    def skip_pin(self) -> None:
        """The PIN is not typed: take what goes without."""
        with self.desk.lock:
            asking = self.desk.sale.pin_asking
            if asking is None or not asking.skip_points:
                return
            self.desk.sale = replace(self.desk.sale, pin_asking=None)
        self.show_code(asking.card, without_pin=asking.skip_points)

    def stop_pin(self) -> None:
        """Take the PIN pad off the page."""
        with self.desk.lock:
            self.desk.show(replace(self.desk.sale, pin_asking=None))

    def _pad(self, card: CardCode, policy: Policy, ceiling: int) -> PinAsking | None:
        wanted = points_wanted(self.desk.sale.basket.due(policy.limits), terms_of(policy))
        wanted = at_most(wanted, code_cap(card, policy))
        return self._pins.asking(card, wanted, policy, ceiling) if self._pins else None

    def _ask(
        self, code: PresentedCode, *, may_confirm: bool, without_pin: int | None
    ) -> AuthoriseRequest | None:
        """First durable commit: the sale's id is on disk before anything is sent."""
        policy, sale = self._store.documents().policy, self.desk.sale
        if is_shown_again(sale, code):
            return None  # the scanner read it twice: the answer is on the page, or on its way
        kept = self._asking.kept(sale.sale_id, sale.confirming, code, policy)
        if may_confirm and kept is not None:
            if kept is not sale.confirming:
                self.desk.show(replace(sale, confirming=kept))
            return None  # the phone may be answering the question that stands there
        wanted = self._wanted(policy)
        if (
            policy is None
            or wanted is None
            or not self.desk.allows(
                asking_notice(sale, wanted) or self.proxy_problem(sale, code, 0)
            )
        ):
            return None
        items = sale.basket.limited_items()
        try:
            request = self._asking.question(
                sale.sale_id,
                code,
                wanted,
                policy,
                items,
                may_confirm=may_confirm,
                without_pin=without_pin,
            )
            if isinstance(request, Confirming):
                self.desk.show(replace(sale, confirming=request, pin_asking=None))
                return None
            if isinstance(request, PinAsking):
                self.desk.show(replace(sale, confirming=None, pin_asking=request))
                return None
            if isinstance(request, Declined):
                self.desk.say_declined(request)
                return None
            state = advance(sale.state, SaleEvent.ASK)
            with self._store.working() as work:
                work.save_sale(sale_row(sale, state))
        except StoreFaultError:
            self.say(NoticeCode.STORE_FAULT, NoticeLevel.ALARM)
            return None
        self.desk.sale = replace(sale, state=state, code=code, confirming=None, pin_asking=None)
        self.say(NoticeCode.ASKING, NoticeLevel.ASK)
        return request

    def _take_answer(
        self, request: AuthoriseRequest, answer: Approved | Declined | Unreachable
    ) -> None:
        sale = self.desk.sale
        if (
            sale.sale_id != request.sale_id
            or sale.state is not SaleState.AUTHORISING
            or sale.code is None
        ):
            return  # cancelled while we waited; its reversal is in the outbox
        answered_by = AnsweredBy.SERVER
        if isinstance(answer, Unreachable) or not is_answer_to(request, answer):
            answered_by = AnsweredBy.STAND_IN
            try:
                answer = self._asking.own_answer(request, sale.code, self._store.documents())
            except StoreFaultError:
                self._give_up_asking()
                return
        if isinstance(answer, Declined):
            self._take_decline(answer, answered_by)
            return
        self.desk.sale = replace(
            sale,
            state=advance(sale.state, SaleEvent.APPROVED),
            approval=answer,
            approved_at=self._clock.moment().at,
            answered_by=answered_by,
            points_chosen=answer.points,
        )
        self.desk.say_notice(None)

    def _take_decline(self, declined: Declined, answered_by: AnsweredBy) -> None:
        state = advance(self.desk.sale.state, SaleEvent.DECLINED)
        row = replace(sale_row(self.desk.sale, state), decline_reason=declined.reason.value)
        try:
            with self._store.working() as work:
                if answered_by is AnsweredBy.STAND_IN:
                    # The server may hold points all the same: only its answer was lost.
                    work.journal(self.desk.reversal(), self._clock.moment())
                work.save_sale(row)
        except StoreFaultError:
            self._give_up_asking()
            return
        shown, policy = self.desk.sale.code, self._store.documents().policy
        self.desk.start_anew()
        if declined.reason is DeclineReason.PIN_NEEDED and isinstance(shown, CardCode) and policy:
            # Other tills have given what goes without a PIN today; only the server knows.
            asking = self._pad(shown, policy, declined.limit_points)
            self.desk.show(replace(self.desk.sale, pin_asking=asking))
            if asking is not None:
                return
        self.desk.say_declined(declined)

    def _give_up_asking(self) -> None:
        """The disk failed. Still AUTHORISING there: the next start reverses it."""
        self.desk.start_anew()
        self.say(NoticeCode.STORE_FAULT, NoticeLevel.ALARM)

    def choose_points(self, points: int) -> None:
        """Take fewer points than were approved; the rest is paid in money."""
        with self.desk.lock:
            policy = self._store.documents().policy
            if self.desk.show_refusal(choosing_notice(self.desk.sale, points, policy)):
                self.desk.show(replace(self.desk.sale, points_chosen=points))

    def complete(
        self, sale_id: UUID, points_shown: int | None = None, cash_shown_fen: int | None = None
    ) -> None:
        """Second durable commit: the sale is done. A second press of the button changes nothing.

        ``points_shown`` and ``cash_shown_fen`` are what the page said would be taken; where a
        code or an item was scanned between looking and pressing, nothing happens and the
        cashier looks again.
        """
        with self.desk.lock:
            sale = self.desk.sale
            if sale.sale_id != sale_id:
                self.say(NoticeCode.OTHER_SALE, NoticeLevel.REFUSED)
                return
            if sale.state is SaleState.CAPTURED:
                return
            if not self.desk.allows(completing_notice(sale)):
                return
            policy = self._store.documents().policy
            payment = tender_of(sale, policy) if policy else None
            if policy is None or payment is None:
                self.say(NoticeCode.CODE_NEEDED, NoticeLevel.REFUSED)
            elif is_too_old(sale, policy, self._clock.moment().at):
                if self.desk.reverse():
                    self.desk.start_anew()
                    self.say(NoticeCode.APPROVAL_TOO_OLD, NoticeLevel.ASK)
            elif points_shown not in {None, payment.points} or (
                cash_shown_fen not in {None, payment.cash_fen}
            ):
                self.say(NoticeCode.OTHER_SALE, NoticeLevel.REFUSED)
            elif self.desk.show_refusal(self.proxy_problem(sale, None, payment.points)):
                self._capture(policy, payment)

    def _capture(self, policy: Policy, payment: Tender) -> None:
        sale, moment = self.desk.sale, self._clock.moment()
        state = advance(sale.state, SaleEvent.COMPLETE)
        try:
            captured = self._completing.complete(sale, state, policy, payment, moment)
        except RecordTooLargeError:
            self.say(NoticeCode.BASKET_TOO_LARGE, NoticeLevel.REFUSED)
            return
        except StoreFaultError as fault:
            self.say(fault_code(fault), NoticeLevel.ALARM)
            return
        self.desk.sale = replace(
            sale, state=state, captured=captured, code=None, confirming=None, pin_asking=None
        )
        self.desk.say_notice(completed_notice(self._store.second_copy()))
        self._wake_workers()

    def go_back(self) -> None:
        """Let the held points go and keep the basket, to change it."""
        with self.desk.lock:
            if self.desk.sale.state not in {SaleState.AUTHORISING, SaleState.AUTHORISED}:
                return
            if self.desk.reverse():
                self.desk.start_anew()
                self.say(NoticeCode.CANCELLED, NoticeLevel.GOOD)

    def _wanted(self, policy: Policy | None) -> PointsWanted | None:
        if policy is None:
            self.say(NoticeCode.NOT_READY, NoticeLevel.ALARM)
            return None
        return points_wanted(self.desk.sale.basket.due(policy.limits), terms_of(policy))
