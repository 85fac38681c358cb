"""Goods that come back: whole or by line and quantity, points first and then money.

Sales of this terminal's own journal come back offline too; those of the merchant's other terminals
only while the server answers. Where it answers, it is always asked first: goods that came back
elsewhere do not come back here again.
"""

import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from uuid import UUID

from msgspec import UNSET, Struct, field
from msgspec.structs import replace

from protocol.business_day import business_date
from protocol.documents import Policy
from protocol.messages import (
    NoSale,
    SaleAnswer,
    SaleChoice,
    SaleFound,
    SaleNotFound,
    SalesFound,
)
from protocol.refunds import (
    NOTHING_RETURNED,
    RefundProblem,
    Returned,
    is_all_back,
    left_of,
    payments_added,
    refund_for,
    with_refund,
)
from protocol.sales import Payment, RefundLine, SaleCaptured, SaleRefunded
from terminal.checkout.current import receipt_facts
from terminal.checkout.drawer import NO_DRAWER, CashDrawer
from terminal.domain.notice import Notice, NoticeCode, NoticeLevel
from terminal.domain.ports import (
    Clock,
    Ids,
    Pool,
    Receipts,
    SaleSummary,
    Store,
    TerminalIdentity,
    Unreachable,
)
from terminal.domain.print_job import JobKind
from terminal.domain.staff import NOBODY_ASKS, Approvals

MAX_REASON_CHARS = 80
MAX_RECEIPT_NO_CHARS = 64
CHOICE_GOODS = 3

_NOT_FOUND = {
    NoSale.UNKNOWN: NoticeCode.RECEIPT_UNKNOWN,
    NoSale.OTHER_MERCHANT: NoticeCode.OTHER_MERCHANTS_SALE,
    NoSale.IS_REFUND: NoticeCode.REFUND_OF_REFUND,
}
_PROBLEMS = {
    RefundProblem.NOTHING: NoticeCode.REFUND_OF_NOTHING,
    RefundProblem.NO_SUCH_LINE: NoticeCode.REFUND_OF_NOTHING,
    RefundProblem.NOT_WHOLE: NoticeCode.QUANTITY_WRONG,
    RefundProblem.MORE_THAN_SOLD: NoticeCode.MORE_THAN_SOLD,
}


class Returnable(Struct, frozen=True):
    """A sale that may come back, and what did already.

    ``elsewhere`` of it at other terminals, as far as the server knows. What is taken back whole in
    the terminal's own open shift is voided: its paper says 撤销. ``at_most`` of a line, in
    thousandths, comes back altogether: what of a voucher was not used, cancelled or expired, where
    the server said.
    """

    sale: SaleCaptured | SaleFound
    back: Returned
    elsewhere: Returned
    in_open_shift: bool
    at_most: Mapping[int, int] = field(default_factory=dict)

    @property
    def left(self) -> dict[int, int]:
        """By line number, in thousandths."""
        left = {
            line_no: min(milli, self.at_most[line_no] - self.back.quantity_milli.get(line_no, 0))
            if line_no in self.at_most
            else milli
            for line_no, milli in self._unreturned.items()
        }
        return {line_no: milli for line_no, milli in left.items() if milli > 0}

    @property
    def _unreturned(self) -> dict[int, int]:
        return left_of(self.sale.lines, self.back)

    def is_void(self, wanted: Mapping[int, int]) -> bool:
        return self.in_open_shift and not self.back.quantity_milli and wanted == self._unreturned

    def altogether(self, payment: Payment) -> Payment:
        """What came back of the sale once ``payment`` did: an owner's limit is for all of it."""
        return payments_added(self.back.payment, payment)

    def offer(
        self, wanted: Mapping[int, int] | None
    ) -> tuple[tuple[RefundLine, ...], Payment] | Notice:
        """What would come back of ``wanted``, of all that is left where that is None."""
        left, unreturned = self.left, self._unreturned
        if not unreturned:
            return _refused(NoticeCode.ALREADY_REFUNDED)
        wanted = left if wanted is None else wanted
        beyond = (left.get(x, 0) < wanted[x] <= unreturned.get(x, 0) for x in wanted)
        if not left or any(beyond):
            return _refused(NoticeCode.ORDER_NOT_BACK)
        found = refund_for(self.sale.lines, self.sale.payment, self.back, wanted)
        return _refused(_PROBLEMS[found]) if isinstance(found, RefundProblem) else found


class Several(Struct, frozen=True):
    """Sales with the same receipt number, oldest first: whoever holds the paper says which."""

    sales: tuple[SaleChoice, ...]


_Own = tuple[SaleSummary, SaleCaptured, datetime]


def _choices(own: _Own | None, told: SaleAnswer | Unreachable) -> tuple[SaleChoice, ...]:
    """The sales that a number may mean; none where it means one or is not known."""
    choices: dict[UUID, SaleChoice] = {}
    if isinstance(told, SalesFound):
        choices = {each.sale_id: each for each in told.sales}
    elif isinstance(told, SaleFound):
        choices = {told.sale_id: _choice(told, told.occurred_at)}
    if own is not None:
        choices.setdefault(own[1].sale_id, _choice(own[1], own[2]))
    return tuple(sorted(choices.values(), key=lambda each: (each.occurred_at, each.sale_id)))


def _choice(sale: SaleCaptured | SaleFound, at: datetime) -> SaleChoice:
    return SaleChoice(
        sale_id=sale.sale_id,
        occurred_at=at,
        goods=tuple(line.name for line in sale.lines[:CHOICE_GOODS]),
        payment=sale.payment,
    )


class Returns:
    """Voids and refunds; every method answers with the notice to show.

    A store fault goes through to the caller, and then nothing was done.
    """

    def __init__(
        self,
        *,
        identity: TerminalIdentity,
        store: Store,
        pool: Pool,
        receipts: Receipts,
        clock: Clock,
        ids: Ids,
        wake_workers: Callable[[], None],
        is_stopped: Callable[[], bool],
        drawer: CashDrawer = NO_DRAWER,
        approvals: Approvals = NOBODY_ASKS,
    ) -> None:
        self._drawer = drawer
        self._identity = identity
        self._store = store
        self._pool = pool
        self._receipts = receipts
        self._clock = clock
        self._ids = ids
        self._wake_workers = wake_workers
        self._is_stopped = is_stopped
        self._approvals = approvals
        self._one_at_a_time = threading.Lock()

    def look(self, receipt_no: str, sale_id: UUID | None = None) -> Returnable | Several | Notice:
        """The sale of a receipt and what can still come back of it, or why it cannot.

        Where an old card gave the number twice, which sales there are; ``sale_id`` says which.
        """
        receipt_no = self._spelled(receipt_no.strip()[:MAX_RECEIPT_NO_CHARS])
        if sale_id is None and self._store.refund_by_receipt(receipt_no) is not None:
            return _refused(NoticeCode.REFUND_OF_REFUND)
        own = self._store.captured(receipt_no)
        if own is not None and sale_id not in {None, own[1].sale_id}:
            own = None
        told = self._pool.look_up_sale(receipt_no, sale_id)
        choices = _choices(own, told)
        return Several(choices) if len(choices) > 1 else self._merged(own, told)

    def _spelled(self, typed: str) -> str:
        """A receipt's number as it stands on the paper, whatever case it was typed in.

        A terminal's name is in it, and the pool gives names in small letters only.
        """
        spellings = (typed, typed.lower(), typed.upper())
        known = (
            each
            for each in spellings
            if self._store.captured(each) is not None
            or self._store.refund_by_receipt(each) is not None
        )
        return next(known, typed.lower())

    def refund(
        self,
        receipt_no: str,
        reason: str,
        wanted: Mapping[int, int] | None = None,
        *,
        pin: str | None = None,
        sale_id: UUID | None = None,
    ) -> Notice:
        """Take goods back: ``wanted`` by line number in thousandths, None for all that is left.

        ``sale_id`` says of which sale, where several have the number. ``pin`` is an owner's: a refund above the shop's limit needs his leave. The resident need not
        be present. A second press of the button gives nothing back twice.
        """
        looked = self.look(receipt_no, sale_id)
        if isinstance(looked, Notice):
            return looked
        if isinstance(looked, Several):
            return _refused(NoticeCode.RECEIPT_TWICE)
        with self._one_at_a_time:
            # Read again: another hand may have been quicker.
            found = self._with_own(looked)
            offered = found.offer(wanted)
            policy = self._store.documents().policy
            if self._is_stopped():
                return Notice(NoticeCode.STOPPED, NoticeLevel.ALARM)
            if policy is None:
                return Notice(NoticeCode.NOT_READY, NoticeLevel.ALARM)
            if isinstance(offered, Notice):
                return offered
            approved_by = self._approvals.for_refund(found.altogether(offered[1]), pin)
            if isinstance(approved_by, Notice):
                return approved_by
            said = (reason, self._approvals.at_till(), approved_by)
            return self._give(found, offered, policy, said)

    def _give(
        self,
        found: Returnable,
        offered: tuple[tuple[RefundLine, ...], Payment],
        policy: Policy,
        said: tuple[str, str | None, str | None],
    ) -> Notice:
        (lines, payment), (reason, cashier, approved_by) = offered, said
        whole = is_all_back(found.sale.lines, with_refund(found.back, lines, payment))
        moment = self._clock.moment()
        with self._store.working() as work:
            # Asked again inside the step: while a PIN was checked the shift may have closed, and
            # what its Z report counted can no more be voided.
            is_open = found.in_open_shift and self._store.sold_in_open_shift(found.sale.sale_id)
            is_void = replace(found, in_open_shift=is_open).is_void(
                {line.line_no: line.quantity_milli for line in lines}
            )
            refund = SaleRefunded(
                refund_id=self._ids.new(moment.at),
                sale_id=found.sale.sale_id,
                receipt_no=work.next_receipt_no(),
                business_date=business_date(moment.at, policy.cut_off_hour),
                lines=lines,
                payment=payment,
                account=found.sale.account,
                reason=reason[:MAX_REASON_CHARS],
                cashier=cashier,
                void=True if is_void else UNSET,
                approved_by=approved_by or UNSET,
            )
            work.journal(refund, moment)
            work.save_refund(refund, found.sale, whole=whole)
            self._drawer.open_for(work, moment, refund)
            facts = receipt_facts(
                self._identity, policy, occurred_at=moment.at, balance_before_points=None
            )
            document = self._receipts.refund(refund, found.sale, facts)
            work.queue_print(JobKind.REFUND, refund.receipt_no, document, 0)
        self._wake_workers()
        figures: dict[str, str | int] = {
            "points": payment.points,
            "cash_fen": payment.cash_fen,
            "receipt_no": refund.receipt_no,
        }
        code = NoticeCode.VOIDED if is_void else NoticeCode.REFUNDED
        return Notice(code, NoticeLevel.GOOD, figures)

    def _merged(self, own: _Own | None, told: SaleAnswer | Unreachable) -> Returnable | Notice:
        if own is None and isinstance(told, SaleNotFound):
            return _refused(_NOT_FOUND[told.reason])
        if own is None and not isinstance(told, SaleFound):
            return _refused(NoticeCode.REFUND_NEEDS_NETWORK)
        back, sale = NOTHING_RETURNED, own[1] if own is not None else told
        assert isinstance(sale, SaleCaptured | SaleFound)
        known = {each.refund_id for each in self._store.refunds_of(sale.sale_id)}
        for each in told.backs if isinstance(told, SaleFound) else ():
            if each.refund_id not in known:
                back = with_refund(back, each.lines, each.payment)
        in_open_shift = own is not None and self._store.sold_in_open_shift(sale.sale_id)
        return self._with_own(Returnable(sale, back, back, in_open_shift, _at_most(told)))

    def _with_own(self, found: Returnable) -> Returnable:
        """With what came back at this terminal by now."""
        back = found.elsewhere
        for each in self._store.refunds_of(found.sale.sale_id):
            back = with_refund(back, each.lines, each.payment)
        return replace(found, back=back)


def _at_most(told: SaleAnswer | Unreachable) -> dict[int, int]:
    """How much of each voucher's or work order's line comes back altogether, as the server has it."""
    if not isinstance(told, SaleFound):
        return {}
    at_most = {each.line_no: each.returnable_milli for each in told.orders}
    for back in told.backs:
        for line in back.lines:
            if line.line_no in at_most:  # taken back before, and so no more returnable
                at_most[line.line_no] += line.quantity_milli
    return at_most


def _refused(code: NoticeCode) -> Notice:
    return Notice(code, NoticeLevel.REFUSED)
