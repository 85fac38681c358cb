"""What lies on the desk: the sale on the page and what there is to say about it.

Everything that changes a sale shares one of these. Whoever reads or changes ``sale`` holds
``lock``; a change is shown on every page.
"""

import threading
from collections.abc import Callable

from msgspec.structs import replace

from protocol.reasons import Declined
from protocol.sales import ReversalReason, SaleReversed
from terminal.checkout.allowed import declined_notice, selling_notice
from terminal.checkout.current import CurrentSale, sale_row
from terminal.domain.basket import Basket
from terminal.domain.changes import Changes
from terminal.domain.discounts import DiscountRules, rounding
from terminal.domain.notice import Notice, NoticeCode, NoticeLevel
from terminal.domain.ports import Clock, Ids, Store, StoreFaultError, Work
from terminal.domain.sale import SaleEvent, SaleState, advance


class SaleDesk:
    """One terminal's desk."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        ids: Ids,
        changes: Changes,
        wake_workers: Callable[[], None],
        refuses_uncopied: bool,
        rules: DiscountRules,
    ) -> None:
        self._rules = rules
        self._store = store
        self._clock = clock
        self._ids = ids
        self._changes = changes
        self._wake_workers = wake_workers
        self._refuses_uncopied = refuses_uncopied
        self.lock = threading.RLock()
        self.stopped = False
        self.notice: Notice | None = None
        self.sale = self.new_sale(Basket())

    def snapshot(self) -> tuple[CurrentSale, Notice | None]:
        """The sale on the page and what there is to say, read together."""
        with self.lock:
            return self.sale, self.notice

    def show(self, sale: CurrentSale) -> None:
        """Put a sale on the page, with nothing to say about it."""
        self.sale = sale
        self.say_notice(None)

    def say(
        self,
        code: NoticeCode,
        level: NoticeLevel,
        figures: dict[str, str | int] | None = None,
    ) -> None:
        """Show a notice on the page."""
        with self.lock:
            self.say_notice(Notice(code, level, figures or {}))

    def say_notice(self, notice: Notice | None) -> None:
        self.notice = notice
        self._changes.note()

    def say_done(self, notice: Notice) -> None:
        """Show what was done beside the sale on the page, or why it was not.

        Once it is done, a completed sale leaves the page: its figures, and the receipt that a
        reprint would print, would be taken for those of what was done last.
        """
        with self.lock:
            if notice.level is NoticeLevel.GOOD and self.sale.state is SaleState.CAPTURED:
                self.sale = self.new_sale(Basket())
            self.say_notice(notice)

    def say_declined(self, declined: Declined) -> None:
        self.say_notice(declined_notice(self.sale.basket, declined))

    def allows(self, notice: Notice | None) -> bool:
        """Whether nothing is in the way: neither ``notice``, nor a till that sells nothing now."""
        if not self.may_sell():
            return False
        if self._rules.needs_owner(self.sale.basket):
            notice = Notice(NoticeCode.DISCOUNT_NEEDS_OWNER, NoticeLevel.REFUSED)
        return self.show_refusal(notice)

    def show_refusal(self, notice: Notice | None) -> bool:
        """Say why not; True where there is nothing to say."""
        if notice is not None:
            self.say_notice(notice)
        return notice is None

    def may_edit(self) -> bool:
        """Whether the basket may change; after a completed sale a new one begins."""
        if not self.may_sell():
            return False
        if self._store.documents().policy is None:
            self.say(NoticeCode.NOT_READY, NoticeLevel.ALARM)
            return False
        if self.sale.state is SaleState.CAPTURED:
            self.sale = self.new_sale(Basket())
        if self.sale.state is not SaleState.OPEN:
            self.say(NoticeCode.BASKET_LOCKED, NoticeLevel.REFUSED)
            return False
        return True

    def put(self, basket: Basket) -> bool:
        """Change the basket, unless it is none that a shop could mean or goods are lacking."""
        if not basket.within_limits():
            self.say(NoticeCode.BASKET_TOO_LARGE, NoticeLevel.REFUSED)
            return False
        if (short := basket.out_of_stock()) is not None:
            figures: dict[str, str | int] = {"item": short.name, "stock": short.stock or 0}
            self.say(NoticeCode.OUT_OF_STOCK, NoticeLevel.REFUSED, figures)
            return False
        self.show(replace(self.sale, basket=basket, confirming=None, pin_asking=None))
        return True

    def start_anew(self) -> None:
        """The same basket as a sale that has not asked yet."""
        sale = self.new_sale(self.sale.basket)
        self.sale = replace(sale, taken_up=self.sale.taken_up, acting=self.sale.acting)

    def new_sale(self, basket: Basket) -> CurrentSale:
        moment, step = self._clock.moment(), self._rules.rounding_step_fen
        if step is not None and self._rules.rounds_always and not basket.lines:
            basket = basket.with_discount(rounding(step))
        return CurrentSale(self._ids.new(moment.at), moment.at, basket=basket)

    def reversal(self) -> SaleReversed:
        return SaleReversed(sale_id=self.sale.sale_id, reason=ReversalReason.CANCELLED)

    def reverse(self, beside: Callable[[Work], None] = lambda _work: None) -> bool:
        """Have it on the disk that the sale which asked did not happen; False if that failed.

        ``beside``: what is written in the same step.
        """
        moment = self._clock.moment()
        state = advance(self.sale.state, SaleEvent.CANCEL)
        try:
            with self._store.working() as work:
                work.journal(self.reversal(), moment)
                work.save_sale(sale_row(self.sale, state))
                beside(work)
        except StoreFaultError:
            self.say(NoticeCode.STORE_FAULT, NoticeLevel.ALARM)
            return False
        self._wake_workers()
        return True

    def may_sell(self) -> bool:
        """Whether this till sells at all now; if not, the page says why."""
        copy = self._store.second_copy()
        refused = selling_notice(copy, stopped=self.stopped, needs_copy=self._refuses_uncopied)
        return self.show_refusal(refused)
