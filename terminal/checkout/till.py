"""The till: one sale at a time, asked for once, told once.

Every method may be called from any thread. What the cashier does wrong becomes a notice;
what the disk does wrong becomes a notice too, and then nothing is acknowledged. The
answer of the pool is waited for without the lock, so the page stays alive and the sale
can be cancelled meanwhile.
"""

import threading
from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

from protocol.codes import ConfirmCode, ResidentCode, ShowCode
from protocol.documents import Item, Policy
from protocol.messages import Approved, AuthoriseRequest
from protocol.money import QUANTITY_ONE_MILLI, AmountProblem, parse_yuan
from protocol.reasons import Declined
from protocol.redemption import PointsWanted, Tender, points_wanted
from protocol.sales import (
    AnsweredBy,
    ReversalReason,
    SaleReversed,
)
from terminal.checkout.allowed import (
    AMOUNT_NOTICES,
    asking_notice,
    choosing_notice,
    completed_notice,
    completing_notice,
    declined_notice,
    fault_code,
    scan_notice,
    selling_notice,
)
from terminal.checkout.asking import Asking, is_answer_to, terms_of
from terminal.checkout.barcodes import Weighed, read_goods
from terminal.checkout.completing import Completing
from terminal.checkout.current import (
    CurrentSale,
    is_too_old,
    sale_row,
    tender_of,
)
from terminal.checkout.drawer import NO_DRAWER, CashDrawer
from terminal.checkout.starting import settle_last_run
from terminal.domain.basket import Basket, fits, sold_at_till
from terminal.domain.changes import Changes
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

TYPED_AMOUNT_CATEGORY = "amount"


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
    ) -> None:
        self._refuses_uncopied = refuses_uncopied
        self._identity = identity
        self._store = store
        trusted = trust or ImageTrust(confirmed=True)
        self._asking = Asking(identity, store, clock, trusted, challenger)
        self._completing = Completing(
            identity, store, receipts, self._asking, drawer=drawer, at_till=at_till
        )
        self._pool = pool
        self._clock = clock
        self._ids = ids
        self._changes = changes
        self._wake_workers = wake_workers
        self._lock = threading.RLock()
        # Another page may be waiting for a code.
        self.code_taker: Callable[[ResidentCode | ShowCode], bool] = lambda _code: False
        self._notice: Notice | None = None
        self._stopped = False
        self._sale = self._new_sale(Basket())

    def snapshot(self) -> tuple[CurrentSale, Notice | None]:
        """The sale on the page and what there is to say, read together."""
        with self._lock:
            return self._sale, self._notice

    def start(self, version: str) -> None:
        """Bring the disk in order after a stop, and tell the cashier how it ended.

        Raises:
            StoreFaultError: the disk is not fit to sell with.
        """
        with self._lock:
            ended = settle_last_run(self._store, self._clock, version)
            if ended is not None:
                self._notice = ended
                self._changes.note()
            self._wake_workers()

    def stop_selling(self) -> None:
        """The journal is forked: no further sale until a person has looked."""
        with self._lock:
            self._stopped = True
            self._say(NoticeCode.STOPPED, NoticeLevel.ALARM)

    def is_stopped(self) -> bool:
        """Whether :meth:`stop_selling` was called: nothing may move until a person has looked."""
        with self._lock:
            return self._stopped

    def add_item(self, item_id: str, quantity_milli: int = QUANTITY_ONE_MILLI) -> None:
        """Put a catalogue item into the basket."""
        with self._lock:
            catalogue = self._store.documents().catalogue
            items = catalogue.items if catalogue else ()
            item = next((x for x in items if x.item_id == item_id), None)
            self._add(item, item_id, quantity_milli)

    def add_amount(self, text: str, name: str) -> None:
        """Put an amount in yuan, as typed, into the basket; ``name`` is what the receipt says."""
        with self._lock:
            amount = parse_yuan(text)
            if isinstance(amount, AmountProblem):
                self._say(AMOUNT_NOTICES[amount], NoticeLevel.REFUSED)
            elif self._may_edit():
                basket = self._sale.basket.with_amount(amount, name, TYPED_AMOUNT_CATEGORY)
                self._put(basket)

    def set_quantity(self, line_no: int, quantity_milli: int) -> None:
        """Change a line's quantity in thousandths; 0 takes the line out."""
        with self._lock:
            if not self._may_edit():
                return
            line = self._sale.basket.line(line_no)
            if line is None or (quantity_milli != 0 and not fits(line.item, quantity_milli)):
                self._say(NoticeCode.QUANTITY_WRONG, NoticeLevel.REFUSED)
                return
            self._put(self._sale.basket.with_quantity(line_no, quantity_milli))

    def clear(self) -> None:
        """Empty the basket and begin with the next customer; gives held points back first."""
        with self._lock:
            if self._sale.state in {SaleState.AUTHORISING, SaleState.AUTHORISED}:
                if not self._reverse():
                    return
                self._sale = self._new_sale(Basket())
                self._say(NoticeCode.CANCELLED, NoticeLevel.GOOD)
                return
            self._sale = self._new_sale(Basket())
            self._notice = None
            self._changes.note()

    def scan(self, text: str) -> None:
        """Take what the scanner read: an item, a resident's code, or something to explain."""
        scan = classify(text)
        match scan:
            case BarcodeScan(barcode):
                self._scan_barcode(barcode)
            case ResidentScan(code):
                if not self.code_taker(code):
                    self.show_code(code)
            case ConfirmScan(answer):
                self.confirm(answer)
            case _:
                with self._lock:
                    self._notice = scan_notice(scan)
                    self._changes.note()

    def show_code(self, code: PresentedCode, *, may_confirm: bool = True) -> None:
        """A resident shows a code: ask whether points may be taken, and wait for the answer.

        Where a phone's code is not enough by itself, what it must say yes to stands on the page
        instead; not so without ``may_confirm``.
        """
        with self._lock:
            request = self._ask(code, may_confirm=may_confirm)
        if request is None:
            return
        answer = self._pool.authorise(request)
        with self._lock:
            self._take_answer(request, answer)

    def confirm(self, answer: ConfirmCode) -> None:
        """A phone answers: take its yes to the question that stands on the page."""
        with self._lock:
            if self._sale.code is not None and self._sale.code.payload == answer.payload:
                return  # the scanner read it twice
            code = self._asking.confirmed(self._sale.confirming, answer)
            if isinstance(code, Declined):
                self._say_declined(code)
                return
        self.show_code(code)

    def skip_confirming(self) -> None:
        """The phone cannot confirm: take what showing its code is good for."""
        with self._lock:
            confirming = self._sale.confirming
            if confirming is None or not confirming.skip_points:
                return
        self.show_code(confirming.show, may_confirm=False)

    def stop_confirming(self) -> None:
        """Take the question for a phone off the page."""
        with self._lock:
            self._show(replace(self._sale, confirming=None))

    def _ask(self, code: PresentedCode, *, may_confirm: bool) -> AuthoriseRequest | None:
        """First durable commit: the sale's id is on disk before anything is sent."""
        policy = self._store.documents().policy
        if self._sale.code is not None and self._sale.code.payload == code.payload:
            return None  # the scanner read it twice: the answer is on the page, or on its way
        kept = self._asking.kept(self._sale.sale_id, self._sale.confirming, code, policy)
        if may_confirm and kept is not None:
            if kept is not self._sale.confirming:
                self._show(replace(self._sale, confirming=kept))
            return None  # the phone may be answering the question that stands there
        wanted = self._wanted(policy)
        if policy is None or wanted is None or not self._unless(asking_notice(self._sale, wanted)):
            return None
        items = self._sale.basket.limited_items()
        try:
            request = self._asking.question(
                self._sale.sale_id, code, wanted, policy, items, may_confirm=may_confirm
            )
            if isinstance(request, Confirming):
                self._show(replace(self._sale, confirming=request))
                return None
            if isinstance(request, Declined):
                self._say_declined(request)
                return None
            state = advance(self._sale.state, SaleEvent.ASK)
            with self._store.working() as work:
                work.save_sale(sale_row(self._sale, state))
        except StoreFaultError:
            self._say(NoticeCode.STORE_FAULT, NoticeLevel.ALARM)
            return None
        self._sale = replace(self._sale, state=state, code=code, confirming=None)
        self._say(NoticeCode.ASKING, NoticeLevel.ASK)
        return request

    def _take_answer(
        self, request: AuthoriseRequest, answer: Approved | Declined | Unreachable
    ) -> None:
        sale = self._sale
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
        self._sale = replace(
            sale,
            state=advance(sale.state, SaleEvent.APPROVED),
            approval=answer,
            approved_at=self._clock.moment().at,
            answered_by=answered_by,
            points_chosen=answer.points,
        )
        self._notice = None
        self._changes.note()

    def _take_decline(self, declined: Declined, answered_by: AnsweredBy) -> None:
        state = advance(self._sale.state, SaleEvent.DECLINED)
        row = replace(sale_row(self._sale, state), decline_reason=declined.reason.value)
        try:
            with self._store.working() as work:
                if answered_by is AnsweredBy.STAND_IN:
                    # The server may hold points all the same: only its answer was lost.
                    work.journal(self._reversal(), self._clock.moment())
                work.save_sale(row)
        except StoreFaultError:
            self._give_up_asking()
            return
        self._sale = self._new_sale(self._sale.basket)
        self._say_declined(declined)

    def _give_up_asking(self) -> None:
        """The disk failed. Still AUTHORISING there: the next start reverses it."""
        self._sale = self._new_sale(self._sale.basket)
        self._say(NoticeCode.STORE_FAULT, NoticeLevel.ALARM)

    def choose_points(self, points: int) -> None:
        """Take fewer points than were approved; the rest is paid in money."""
        with self._lock:
            policy = self._store.documents().policy
            if self._show_refusal(choosing_notice(self._sale, points, policy)):
                self._show(replace(self._sale, points_chosen=points))

    def complete(
        self, sale_id: UUID, points_shown: int | None = None, cash_shown_fen: int | None = None
    ) -> None:
        """Second durable commit: the sale is done. A second press of the button changes nothing.

        ``points_shown`` and ``cash_shown_fen`` are what the page said would be taken; where a
        code or an item was scanned between looking and pressing, nothing happens and the
        cashier looks again.
        """
        with self._lock:
            sale = self._sale
            if sale.sale_id != sale_id:
                self._say(NoticeCode.OTHER_SALE, NoticeLevel.REFUSED)
                return
            if sale.state is SaleState.CAPTURED:
                return
            if not self._unless(completing_notice(self._sale)):
                return
            policy = self._store.documents().policy
            payment = tender_of(sale, policy) if policy else None
            if policy is None or payment is None:
                self._say(NoticeCode.CODE_NEEDED, NoticeLevel.REFUSED)
            elif is_too_old(sale, policy, self._clock.moment().at):
                if self._reverse():
                    self._sale = self._new_sale(sale.basket)
                    self._say(NoticeCode.APPROVAL_TOO_OLD, NoticeLevel.ASK)
            elif points_shown not in {None, payment.points} or (
                cash_shown_fen not in {None, payment.cash_fen}
            ):
                self._say(NoticeCode.OTHER_SALE, NoticeLevel.REFUSED)
            else:
                self._capture(policy, payment)

    def _capture(self, policy: Policy, payment: Tender) -> None:
        sale, moment = self._sale, self._clock.moment()
        state = advance(sale.state, SaleEvent.COMPLETE)
        try:
            captured = self._completing.complete(sale, state, policy, payment, moment)
        except RecordTooLargeError:
            self._say(NoticeCode.BASKET_TOO_LARGE, NoticeLevel.REFUSED)
            return
        except StoreFaultError as fault:
            self._say(fault_code(fault), NoticeLevel.ALARM)
            return
        self._sale = replace(sale, state=state, captured=captured, code=None, confirming=None)
        self._notice = completed_notice(self._store.second_copy())
        self._changes.note()
        self._wake_workers()

    def go_back(self) -> None:
        """Let the held points go and keep the basket, to change it."""
        with self._lock:
            if self._sale.state not in {SaleState.AUTHORISING, SaleState.AUTHORISED}:
                return
            if self._reverse():
                self._sale = self._new_sale(self._sale.basket)
                self._say(NoticeCode.CANCELLED, NoticeLevel.GOOD)

    def _reverse(self) -> bool:
        moment = self._clock.moment()
        state = advance(self._sale.state, SaleEvent.CANCEL)
        try:
            with self._store.working() as work:
                work.journal(self._reversal(), moment)
                work.save_sale(sale_row(self._sale, state))
        except StoreFaultError:
            self._say(NoticeCode.STORE_FAULT, NoticeLevel.ALARM)
            return False
        self._wake_workers()
        return True

    def say(
        self,
        code: NoticeCode,
        level: NoticeLevel,
        figures: dict[str, str | int] | None = None,
    ) -> None:
        """Show a notice on the page."""
        with self._lock:
            self._notice = Notice(code, level, figures or {})
            self._changes.note()

    _say = say

    def _may_sell(self) -> bool:
        copy = self._store.second_copy()
        refused = selling_notice(copy, stopped=self._stopped, needs_copy=self._refuses_uncopied)
        return self._show_refusal(refused)

    def _show(self, sale: CurrentSale) -> None:
        self._sale = sale
        self._notice = None
        self._changes.note()

    def _say_declined(self, declined: Declined) -> None:
        self._notice = declined_notice(self._sale.basket, declined)
        self._changes.note()

    def _new_sale(self, basket: Basket) -> CurrentSale:
        moment = self._clock.moment()
        return CurrentSale(self._ids.new(moment.at), moment.at, basket=basket)

    def _reversal(self) -> SaleReversed:
        return SaleReversed(sale_id=self._sale.sale_id, reason=ReversalReason.CANCELLED)

    def _scan_barcode(self, barcode: str) -> None:
        with self._lock:
            catalogue = self._store.documents().catalogue
            goods = read_goods(barcode, catalogue.items if catalogue else ())
            if isinstance(goods, Weighed):
                self._add(goods.item, barcode, goods.quantity_milli)
            elif isinstance(goods, NoticeCode):
                self._say(goods, NoticeLevel.REFUSED, {"item": barcode[:32]})
            elif self._may_edit():
                item = goods.item
                self._put(self._sale.basket.with_amount(goods.amount_fen, item.name, item.category))

    def _add(self, item: Item | None, shown_as: str, quantity_milli: int) -> None:
        if item is None:
            self._say(NoticeCode.ITEM_UNKNOWN, NoticeLevel.REFUSED, {"item": shown_as[:32]})
        elif not sold_at_till(item):
            self._say(NoticeCode.ITEM_ELSEWHERE, NoticeLevel.REFUSED)
        elif not fits(item, quantity_milli):
            self._say(NoticeCode.QUANTITY_WRONG, NoticeLevel.REFUSED)
        elif self._may_edit():
            self._put(self._sale.basket.with_item(item, quantity_milli))

    def _put(self, basket: Basket) -> None:
        if not basket.within_limits():
            self._say(NoticeCode.BASKET_TOO_LARGE, NoticeLevel.REFUSED)
            return
        if (short := basket.out_of_stock()) is not None:
            figures: dict[str, str | int] = {"item": short.name, "stock": short.stock or 0}
            self._say(NoticeCode.OUT_OF_STOCK, NoticeLevel.REFUSED, figures)
            return
        self._show(replace(self._sale, basket=basket, confirming=None))

    def _may_edit(self) -> bool:
        """Whether the basket may change; after a completed sale a new one begins."""
        if not self._may_sell():
            return False
        if self._store.documents().policy is None:
            self._say(NoticeCode.NOT_READY, NoticeLevel.ALARM)
            return False
        if self._sale.state is SaleState.CAPTURED:
            self._sale = self._new_sale(Basket())
        if self._sale.state is not SaleState.OPEN:
            self._say(NoticeCode.BASKET_LOCKED, NoticeLevel.REFUSED)
            return False
        return True

    def _wanted(self, policy: Policy | None) -> PointsWanted | None:
        if policy is None:
            self._say(NoticeCode.NOT_READY, NoticeLevel.ALARM)
            return None
        return points_wanted(self._sale.basket.due(policy.limits), terms_of(policy))

    def _unless(self, notice: Notice | None) -> bool:
        return self._may_sell() and self._show_refusal(notice)

    def _show_refusal(self, notice: Notice | None) -> bool:
        if notice is not None:
            self._notice = notice
            self._changes.note()
        return notice is None
