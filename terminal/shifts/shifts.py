"""The use cases of a shift. What is open is read from the journal, so a crash loses nothing of it."""

import threading
from collections.abc import Callable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from protocol.business_day import business_date
from protocol.documents import Policy
from protocol.money import MAX_AMOUNT_FEN
from protocol.sales import TakingsDeclared
from protocol.shifts import ShiftClosed, ShiftOpened
from terminal.domain.notice import Notice, NoticeCode, NoticeLevel
from terminal.domain.papers import ShiftReport, TenderTotal
from terminal.domain.ports import (
    Clock,
    Moment,
    Papers,
    ReceiptFacts,
    Store,
    TerminalIdentity,
    Work,
    ZMark,
)
from terminal.domain.print_job import SPOILT, JobKind, JobState
from terminal.shifts.figures import ShiftNow, shift_of

CASH = "cash"
TENDERS = ("wechat", "alipay", "other")


class Counted(Struct, frozen=True):
    """What a person says at the close. Fen.

    ``cash_fen`` is what is in the drawer, None where nobody counted. ``others_fen`` is what of the
    money came in otherwise, by tender. ``elsewhere`` says that the shop's own till is another: then
    the takings are what was counted, whatever this terminal sold.
    """

    cash_fen: int | None
    others_fen: Mapping[str, int]
    elsewhere: bool = False


class Shifts:
    """Every method answers with the notice to show; a store fault goes through to the caller."""

    def __init__(
        self,
        *,
        identity: TerminalIdentity,
        store: Store,
        papers: Papers,
        clock: Clock,
        wake_workers: Callable[[], None],
        is_stopped: Callable[[], bool],
        at_till: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._identity = identity
        self._store = store
        self._papers = papers
        self._clock = clock
        self._wake_workers = wake_workers
        self._is_stopped = is_stopped
        self._at_till = at_till
        self._one_at_a_time = threading.Lock()

    def now(self) -> ShiftNow:
        """The open shift as the journal has it."""
        return shift_of(self._store.since_last_z())

    def next_z_no(self) -> int:
        return self._store.highest_z() + 1

    def is_forgotten(self) -> bool:
        """Whether the open shift is of an earlier business date: somebody forgot to close it."""
        policy, day = self._store.documents().policy, self.now().day
        if policy is None or day is None:
            return False
        return day < business_date(self._clock.moment().at, policy.cut_off_hour)

    def open(self, float_fen: int) -> Notice:
        """Begin a shift with money in the drawer; once, and before its first sale or after it."""
        with self._one_at_a_time:
            policy = self._store.documents().policy
            if policy is None:
                return Notice(NoticeCode.NOT_READY, NoticeLevel.ALARM)
            if not 0 <= float_fen <= MAX_AMOUNT_FEN:
                return _refused(NoticeCode.AMOUNT_TOO_LARGE)
            if self.now().opened is not None:
                return _refused(NoticeCode.SHIFT_OPEN_ALREADY)
            moment = self._clock.moment()
            day = business_date(moment.at, policy.cut_off_hour)
            with self._store.working() as work:
                work.journal(
                    ShiftOpened(business_date=day, float_fen=float_fen, cashier=self._at_till()),
                    moment,
                )
        self._wake_workers()
        return Notice(NoticeCode.SHIFT_OPENED, NoticeLevel.GOOD, {"cash_fen": float_fen})

    def print_x(self) -> Notice:
        """Print how the shift stands; it goes on."""
        shift, policy = self.now(), self._store.documents().policy
        if policy is None or shift.is_empty:
            return _refused(NoticeCode.SHIFT_EMPTY)
        moment = self._clock.moment()
        report = self._report(shift, None, moment, _expected(shift, {}), self._at_till())
        with self._store.working() as work:
            document = self._papers.paper(report, self._facts(policy, moment))
            work.queue_print(JobKind.SHIFT, f"{self._identity.terminal}-X", document, 0)
        self._wake_workers()
        return Notice(NoticeCode.X_PRINTED, NoticeLevel.GOOD)

    def close(self, z_no: int, counted: Counted) -> Notice:
        """Close the shift with Z report ``z_no``, the one that the page showed.

        A second press finds the shift closed and does nothing.
        """
        with self._one_at_a_time:
            policy = self._store.documents().policy
            if self._is_stopped():
                return Notice(NoticeCode.STOPPED, NoticeLevel.ALARM)
            if policy is None:
                return Notice(NoticeCode.NOT_READY, NoticeLevel.ALARM)
            if z_no != self.next_z_no():
                return _refused(NoticeCode.SHIFT_CLOSED_ALREADY)
            amounts = [counted.cash_fen or 0, *counted.others_fen.values()]
            if not all(0 <= each <= MAX_AMOUNT_FEN for each in amounts):
                return _refused(NoticeCode.AMOUNT_TOO_LARGE)
            if counted.elsewhere and counted.cash_fen is None:
                return _refused(NoticeCode.COUNT_NEEDED)
            with self._store.working() as work:
                # Read inside the step: no sale comes between what is added up and the Z report.
                shift = self.now()
                if shift.is_empty:
                    return _refused(NoticeCode.SHIFT_EMPTY)
                notice = self._close(work, z_no, shift, counted, policy)
        self._wake_workers()
        return notice

    def _close(
        self, work: Work, z_no: int, shift: ShiftNow, counted: Counted, policy: Policy
    ) -> Notice:
        moment, cashier = self._clock.moment(), self._at_till()
        day = shift.day or business_date(moment.at, policy.cut_off_hour)
        others = {name: fen for name, fen in counted.others_fen.items() if fen}
        expected_fen = _expected(shift, {} if counted.elsewhere else others)
        last = self._store.last_z()
        closed = ShiftClosed(
            z_no=z_no,
            business_date=day,
            opened_at=shift.opened_at or moment.at,
            float_fen=shift.float_fen,
            figures=shift.figures,
            tenders_fen=_tenders(shift, counted, others),
            expected_cash_fen=expected_fen,
            counted_cash_fen=counted.cash_fen,
            previous_hash=last.hash_hex if last is not None else "",
            first_receipt=shift.first_receipt,
            last_receipt=shift.last_receipt,
            cashier=cashier,
        )
        hash_hex = work.journal(closed, moment)
        work.save_z(ZMark(z_no, hash_hex, moment.at))
        work.journal(
            TakingsDeclared(
                z_no=z_no,
                business_date=day,
                takings_fen=closed.tenders_fen,
                counted_fen=shift.figures.money_fen,
                cashier=cashier,
                against_counted=True,
            ),
            moment,
        )
        report = self.report_of(closed, hash_hex)
        document = self._papers.paper(report, self._facts(policy, moment))
        work.queue_print(JobKind.SHIFT, self.paper_no(z_no), document, 0)
        difference_fen = report.difference_fen or 0
        figures: dict[str, str | int] = {"z_no": z_no, "cash_fen": abs(difference_fen)}
        if difference_fen:
            short = difference_fen < 0 and not counted.elsewhere
            code = NoticeCode.SHIFT_CLOSED_SHORT if short else NoticeCode.SHIFT_CLOSED_OVER
            level = NoticeLevel.ASK
            if counted.elsewhere:
                code, level = NoticeCode.SHIFT_CLOSED, NoticeLevel.GOOD
            return Notice(code, level, figures)
        return Notice(NoticeCode.SHIFT_CLOSED, NoticeLevel.GOOD, figures)

    def paper_no(self, z_no: int) -> str:
        """Under which number a Z report's paper is queued."""
        return f"{self._identity.terminal}-Z{z_no:05d}"

    def reprint(self, z_no: int) -> Notice:
        """Print a Z report again; marked 补打 where a first paper may exist."""
        found = self._store.z_report(z_no)
        job = self._store.job_of(self.paper_no(z_no))
        policy = self._store.documents().policy
        if found is None or policy is None:
            return _refused(NoticeCode.RECEIPT_UNKNOWN)
        if job is not None and job.state in {JobState.QUEUED, JobState.SENDING}:
            return Notice(NoticeCode.REPRINT_QUEUED, NoticeLevel.GOOD)
        if job is not None and job.state is JobState.FAILED and job.trouble != SPOILT:
            self._store.retry_job(job.job_no)
        else:
            closed, mark = found
            copy_no = job.copy_no + 1 if job is not None else 0
            facts = self._facts_at(policy, mark, copy_no)
            with self._store.working() as work:
                document = self._papers.paper(self.report_of(closed, mark.hash_hex), facts)
                work.queue_print(JobKind.SHIFT, self.paper_no(z_no), document, copy_no)
        self._wake_workers()
        return Notice(NoticeCode.REPRINT_QUEUED, NoticeLevel.GOOD)

    def report_of(self, closed: ShiftClosed, hash_hex: str) -> ShiftReport:
        """A Z report as its paper says it."""
        figures = closed.figures
        parked, parked_points, parked_fen = self._store.parked_value()
        return ShiftReport(
            z_no=closed.z_no,
            opened_at=closed.opened_at,
            cashier=closed.cashier or "",
            sales=figures.sales,
            refunds=figures.refunds,
            voids=figures.voids,
            sold_fen=figures.sold_fen,
            refunded_fen=figures.refunded_fen,
            tenders=tuple(
                TenderTotal(tender, None, fen) for tender, fen in closed.tenders_fen.items()
            ),
            points_used=figures.points_used,
            points_returned=figures.points_returned,
            waived_fen=figures.waived_fen,
            discount_fen=figures.discount_fen,
            rounded_up_fen=figures.rounded_up_fen,
            float_fen=closed.float_fen,
            expected_cash_fen=closed.expected_cash_fen,
            counted_fen=closed.counted_cash_fen,
            drawer_openings=figures.drawer_openings,
            untold=self._store.untold(),
            parked=parked,
            parked_points=parked_points,
            parked_fen=parked_fen,
            first_receipt=closed.first_receipt,
            last_receipt=closed.last_receipt,
            record_hash=hash_hex,
        )

    def _report(
        self,
        shift: ShiftNow,
        counted_fen: int | None,
        moment: Moment,
        expected_fen: int,
        cashier: str | None,
    ) -> ShiftReport:
        """An X report: the shift as if it were closed now, without a number."""
        as_if = ShiftClosed(
            z_no=0,
            business_date=shift.day or moment.at.date(),
            opened_at=shift.opened_at or moment.at,
            float_fen=shift.float_fen,
            figures=shift.figures,
            tenders_fen={CASH: shift.figures.money_fen},
            expected_cash_fen=expected_fen,
            counted_cash_fen=counted_fen,
            previous_hash="",
            first_receipt=shift.first_receipt,
            last_receipt=shift.last_receipt,
            cashier=cashier,
        )
        report = self.report_of(as_if, "")
        return replace(report, z_no=None)

    def _facts(self, policy: Policy, moment: Moment) -> ReceiptFacts:
        return self._facts_at(policy, ZMark(0, "", moment.at), 0)

    def _facts_at(self, policy: Policy, mark: ZMark, copy_no: int) -> ReceiptFacts:
        return ReceiptFacts(
            occurred_at=mark.closed_at,
            shop_name=self._identity.shop_name,
            merchant_name=self._identity.merchant_name,
            pool_name=policy.pool_name,
            unit_name=policy.unit_name,
            unit_name_en=policy.unit_name_en,
            balance_before_points=None,
            copy_no=copy_no,
        )


def _expected(shift: ShiftNow, others: Mapping[str, int]) -> int:
    """Fen that should lie in the drawer."""
    return shift.float_fen + shift.figures.money_fen - sum(others.values())


def _tenders(shift: ShiftNow, counted: Counted, others: Mapping[str, int]) -> dict[str, int]:
    """Money by tender. A drawer's surplus is no takings, unless the shop's till is another."""
    if counted.elsewhere:
        return {CASH: (counted.cash_fen or 0) - shift.float_fen, **others}
    return {CASH: shift.figures.money_fen - sum(others.values()), **others}


def _refused(code: NoticeCode) -> Notice:
    return Notice(code, NoticeLevel.REFUSED)
