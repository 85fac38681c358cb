"""What happens to a sale after it was completed: reprints and goods that come back."""

import threading
from collections.abc import Callable

from protocol.business_day import business_date
from protocol.sales import RefundLine, SaleCaptured, SaleRefunded
from terminal.checkout.current import receipt_facts
from terminal.domain.notice import NoticeCode
from terminal.domain.ports import (
    Clock,
    Ids,
    Receipts,
    Store,
    TerminalIdentity,
)
from terminal.domain.print_job import SPOILT, JobKind, JobState

MAX_REASON_CHARS = 80


class AfterSale:
    """Reprints and refunds of this terminal's own sales.

    Every method returns the notice to show. A store fault goes through to the caller, and
    then nothing was done.
    """

    def __init__(
        self,
        *,
        identity: TerminalIdentity,
        store: Store,
        receipts: Receipts,
        clock: Clock,
        ids: Ids,
        wake_workers: Callable[[], None],
        is_stopped: Callable[[], bool],
    ) -> None:
        self._identity = identity
        self._store = store
        self._receipts = receipts
        self._clock = clock
        self._ids = ids
        self._wake_workers = wake_workers
        self._is_stopped = is_stopped
        self._one_at_a_time = threading.Lock()

    def reprint(self, receipt_no: str) -> NoticeCode:
        """Print a receipt again.

        Where not one byte of it ever went out, the original is sent again; otherwise the
        paper says 补打 and its count, because a first one may exist. A second press of the
        button while the paper is on its way makes no second copy.
        """
        with self._one_at_a_time:
            return self._reprint(receipt_no)

    def _reprint(self, receipt_no: str) -> NoticeCode:
        found = self._store.captured(receipt_no)
        job = self._store.job_of(receipt_no)
        policy = self._store.documents().policy
        if found is None or job is None or policy is None:
            return NoticeCode.RECEIPT_UNKNOWN
        if job.state in {JobState.QUEUED, JobState.SENDING}:
            return NoticeCode.REPRINT_QUEUED
        if job.state is JobState.FAILED and job.trouble != SPOILT:
            self._store.retry_job(job.job_no)
            self._wake_workers()
            return NoticeCode.REPRINT_QUEUED
        summary, sale, sold_at = found
        refund = self._store.refund_of(sale.sale_id)
        is_refund = refund is not None and refund[0].receipt_no == receipt_no
        facts = receipt_facts(
            self._identity,
            policy,
            occurred_at=refund[1] if refund is not None and is_refund else sold_at,
            balance_before_points=summary.row.balance_points,
            copy_no=job.copy_no + int(job.state is not JobState.FAILED),
        )
        with self._store.working() as work:
            if refund is not None and is_refund:
                document = self._receipts.refund(refund[0], sale, facts)
                work.queue_print(JobKind.REFUND, receipt_no, document, facts.copy_no)
            else:
                document = self._receipts.sale(sale, facts)
                work.queue_print(JobKind.SALE, receipt_no, document, facts.copy_no)
        self._wake_workers()
        return NoticeCode.REPRINT_QUEUED

    def refund(self, receipt_no: str, reason: str) -> NoticeCode:
        """Take a whole sale's goods back: points to the same resident, then money.

        The resident need not be present. Works offline: the sale is in this journal. A second
        press of the button gives nothing back twice.
        """
        with self._one_at_a_time:
            return self._refund(receipt_no, reason)

    def _refund(self, receipt_no: str, reason: str) -> NoticeCode:
        if self._is_stopped():
            return NoticeCode.STOPPED
        found = self._store.captured(receipt_no)
        policy = self._store.documents().policy
        if found is None or policy is None:
            return NoticeCode.RECEIPT_UNKNOWN
        summary, sale, _ = found
        if summary.refunded:
            return NoticeCode.ALREADY_REFUNDED
        moment = self._clock.moment()
        with self._store.working() as work:
            refund = SaleRefunded(
                refund_id=self._ids.new(moment.at),
                sale_id=sale.sale_id,
                receipt_no=work.next_receipt_no(),
                business_date=business_date(moment.at, policy.cut_off_hour),
                lines=_all_lines(sale),
                payment=sale.payment,
                account=sale.account,
                reason=reason[:MAX_REASON_CHARS],
            )
            work.journal(refund, moment)
            work.mark_refunded(sale.sale_id, refund.receipt_no)
            facts = receipt_facts(
                self._identity, policy, occurred_at=moment.at, balance_before_points=None
            )
            work.queue_print(
                JobKind.REFUND, refund.receipt_no, self._receipts.refund(refund, sale, facts), 0
            )
        self._wake_workers()
        return NoticeCode.REFUNDED


def _all_lines(sale: SaleCaptured) -> tuple[RefundLine, ...]:
    return tuple(
        RefundLine(
            line_no=line.line_no,
            quantity_milli=line.quantity_milli,
            amount_fen=line.amount_fen,
            amount_points=line.amount_points,
        )
        for line in sale.lines
    )
