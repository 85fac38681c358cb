"""What happens to a sale after it was completed: its paper again; returns are in ``returns``."""

import threading
from collections.abc import Callable
from datetime import datetime

from msgspec.structs import replace

from protocol.documents import Policy
from terminal.checkout.current import proxy_name, receipt_facts
from terminal.domain.notice import NoticeCode
from terminal.domain.ports import (
    ReceiptFacts,
    Receipts,
    Store,
    TerminalIdentity,
)
from terminal.domain.print_job import SPOILT, JobKind, JobState


class AfterSale:
    """Reprints of this terminal's own papers.

    Every method answers with the notice to show. A store fault goes through to the caller, and
    then nothing was done.
    """

    def __init__(
        self,
        *,
        identity: TerminalIdentity,
        store: Store,
        receipts: Receipts,
        wake_workers: Callable[[], None],
    ) -> None:
        self._identity = identity
        self._store = store
        self._receipts = receipts
        self._wake_workers = wake_workers
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
        refund = self._store.refund_by_receipt(receipt_no)
        job = self._store.job_of(receipt_no)
        policy = self._store.documents().policy
        if (found is None and refund is None) or job is None or policy is None:
            return NoticeCode.RECEIPT_UNKNOWN
        if job.state in {JobState.QUEUED, JobState.SENDING}:
            return NoticeCode.REPRINT_QUEUED
        if job.state is JobState.FAILED and job.trouble != SPOILT:
            self._store.retry_job(job.job_no)
            self._wake_workers()
            return NoticeCode.REPRINT_QUEUED
        copy_no = job.copy_no + int(job.state is not JobState.FAILED)
        # Not as this program would write it: the first paper's code must come out the same.
        record = self._store.record_of(receipt_no)
        with self._store.working() as work:
            if refund is not None:
                facts = self._facts(policy, refund.at, None, copy_no, record)
                document = self._receipts.refund(refund.refund, refund.sale, facts)
                work.queue_print(JobKind.REFUND, receipt_no, document, copy_no)
            elif found is not None:
                summary, sale, sold_at = found
                balance = summary.row.balance_points
                facts = self._facts(policy, sold_at, balance, copy_no, record)
                named = proxy_name(sale, self._store.documents().awards)
                facts = replace(facts, proxy_name=named)
                document = self._receipts.sale(sale, facts)
                work.queue_print(JobKind.SALE, receipt_no, document, copy_no)
        self._wake_workers()
        return NoticeCode.REPRINT_QUEUED

    def _facts(
        self,
        policy: Policy,
        at: datetime,
        balance_points: int | None,
        copy_no: int,
        record: bytes,
    ) -> ReceiptFacts:
        return receipt_facts(
            self._identity,
            policy,
            occurred_at=at,
            balance_before_points=balance_points,
            copy_no=copy_no,
            record=record,
        )
