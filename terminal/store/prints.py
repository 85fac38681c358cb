"""Which receipts may be on paper more than once, or not at all."""

from collections.abc import Iterator

from sqlalchemy import Connection, Row, case, func, select
from sqlalchemy.sql.functions import Function

from terminal.domain.print_job import JobKind, JobState, PaperCount
from terminal.store.tables import print_job, sale

_ON_PAPER = JobState.CONFIRMED.value
_PERHAPS = (JobState.CONFIRMED.value, JobState.SENT.value, JobState.UNKNOWN.value)
_WAITING = (JobState.QUEUED.value, JobState.SENDING.value)


def _count(*states: str) -> Function[int]:
    return func.sum(case((print_job.c.state.in_(states), 1), else_=0))


_COUNTS = (
    select(
        print_job.c.receipt_no,
        func.min(print_job.c.kind).label("kind"),
        _count(_ON_PAPER).label("surely"),
        _count(*_PERHAPS).label("at_most"),
        _count(*_WAITING).label("waiting"),
        func.max(print_job.c.copy_no).label("copies"),
    )
    .where(print_job.c.kind != JobKind.DRAWER.value)
    .group_by(print_job.c.receipt_no)
    .order_by(func.min(print_job.c.job_no))
)
_WITHOUT_A_JOB = (
    select(sale.c.receipt_no)
    .outerjoin(print_job, print_job.c.receipt_no == sale.c.receipt_no)
    .where(sale.c.receipt_no.is_not(None), print_job.c.job_no.is_(None))
    .order_by(sale.c.receipt_no)
)


def paper_counts(connection: Connection) -> Iterator[PaperCount]:
    """Every receipt with a print job, oldest first, then every sale that never had one."""
    for row in connection.execute(_COUNTS):
        yield _paper_count(row)
    for receipt_no in connection.execute(_WITHOUT_A_JOB).scalars():
        yield PaperCount(receipt_no, "sale", surely=0, at_most=0, waiting=0, copies=0)


def _paper_count(row: Row[tuple[str, str, int, int, int, int]]) -> PaperCount:
    return PaperCount(
        receipt_no=row.receipt_no,
        kind=row.kind,
        surely=row.surely,
        at_most=row.at_most,
        waiting=row.waiting,
        copies=row.copies,
    )
