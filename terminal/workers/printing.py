"""Prints what the spool holds: one job at a time, durable before its first byte."""

import logging

from drivers.document import document_from_json
from drivers.ports import Printer, PrinterTrouble, PrintOutcome, PrintResult
from terminal.domain.changes import Changes, Surroundings
from terminal.domain.print_job import JobEvent, PrintJob
from terminal.store.spool import Spool

LOG = logging.getLogger(__name__)

IDLE_S = 5.0

_EVENTS = {
    PrintResult.CONFIRMED: JobEvent.PRINTED,
    PrintResult.SENT: JobEvent.DELIVERED,
    PrintResult.UNKNOWN: JobEvent.LOST,
}


class PrintRound:
    """One round of the printer's worker. Nothing is ever sent twice by itself."""

    def __init__(
        self, *, spool: Spool, printer: Printer, changes: Changes, surroundings: Surroundings
    ) -> None:
        self._spool = spool
        self._printer = printer
        self._changes = changes
        self._surroundings = surroundings

    def __call__(self) -> float:
        """Print the oldest job. Returns how long to rest, in seconds."""
        job = self._spool.next_job()
        if job is None:
            status = self._printer.status()
            self._surroundings.note(printer=status.trouble.value if status.trouble else "")
            return IDLE_S
        outcome = self._print(job)
        trouble = outcome.trouble.value if outcome.trouble else ""
        if outcome.result is PrintResult.FAILED:
            self._spool.move(job.job_no, JobEvent.REFUSED, trouble)
        else:
            self._spool.move(job.job_no, _EVENTS[outcome.result], trouble)
        self._surroundings.note(printer=trouble)
        self._changes.note()
        return 0.0

    def _print(self, job: PrintJob) -> PrintOutcome:
        def mark_sending() -> None:
            self._spool.move(job.job_no, JobEvent.SEND)
            self._changes.note()

        def show_waiting(trouble: PrinterTrouble) -> None:
            self._surroundings.note(printer=trouble.value)

        document = document_from_json(job.document_json)
        return self._printer.print_document(
            document, on_sending=mark_sending, on_waiting=show_waiting
        )
