"""Print jobs as the printer's worker takes them: durable before their first byte."""

from sqlalchemy import select

from terminal.domain.print_job import JobEvent, JobKind, JobState, PrintJob
from terminal.store.sqlite import SqliteStore, move_job, print_job_of
from terminal.store.tables import print_job


class Spool:
    """The printer worker's side of the store."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    def next_job(self) -> PrintJob | None:
        """The oldest queued job."""
        with self._store.reading() as connection:
            row = connection.execute(
                select(print_job)
                .where(print_job.c.state == JobState.QUEUED.value)
                .order_by(print_job.c.job_no)
                .limit(1)
            ).first()
        return print_job_of(row) if row else None

    def move(self, job_no: int, event: JobEvent, trouble: str = "") -> None:
        """Move a job, durably."""
        with self._store.writing() as connection:
            move_job(connection, job_no, event, trouble)

    def lose_interrupted(self) -> int:
        """After a stop: a job that was being sent may be on paper or not. Returns how many.

        A drawer that was not opened in time is not opened now: nobody stands before it.
        """
        with self._store.writing() as connection:
            late = connection.execute(
                select(print_job.c.job_no).where(
                    print_job.c.state == JobState.QUEUED.value,
                    print_job.c.kind == JobKind.DRAWER.value,
                )
            ).scalars()
            for job_no in late.all():
                move_job(connection, job_no, JobEvent.REFUSED, "late")
            numbers = (
                connection.execute(
                    select(print_job.c.job_no).where(print_job.c.state == JobState.SENDING.value)
                )
                .scalars()
                .all()
            )
            for job_no in numbers:
                move_job(connection, job_no, JobEvent.LOST, "interrupted")
        return len(numbers)
