"""Prints what the spool holds: one job at a time, durable before its first byte."""

import logging

from drivers.document import document_from_json
from drivers.ports import Printer, PrinterTrouble, PrintOutcome, PrintResult
from terminal.domain.changes import Changes, Surroundings
from terminal.domain.ports import StoreFaultError
from terminal.domain.print_job import SPOILT, JobEvent, PrintJob
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
        self._left_in_hand = False

    def __call__(self) -> float:
        """Print the oldest job. Returns how long to rest, in seconds."""
        if self._left_in_hand:  # the disk failed in the round before
            self._spool.lose_interrupted()
            self._left_in_hand = False
            self._changes.note()
        job = self._spool.next_job()
        if job is None:
            status = self._printer.status()
            self._surroundings.note(printer=status.trouble.value if status.trouble else "")
            return IDLE_S
        self._left_in_hand = True
        self._handle(job)
        self._left_in_hand = False
        self._changes.note()
        return 0.0

    def _handle(self, job: PrintJob) -> None:
        try:
            outcome = self._print(job)
        except StoreFaultError:
            raise
        except Exception:  # one job that cannot be printed must not block the next
            LOG.exception("print job %s cannot be printed", job.job_no)
            if self._spool.lose_interrupted() == 0:
                self._spool.move(job.job_no, JobEvent.REFUSED, SPOILT)
            return
        trouble = outcome.trouble.value if outcome.trouble else ""
        if outcome.result is PrintResult.FAILED:
            self._spool.move(job.job_no, JobEvent.REFUSED, trouble)
        else:
            self._spool.move(job.job_no, _EVENTS[outcome.result], trouble)
        self._surroundings.note(printer=trouble)

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
