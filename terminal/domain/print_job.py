"""A print job's states and moves: one enum, one table, one :func:`advance_job`.

A job is durable before its first byte. What may already be on paper is never sent again
in silence: an unknown job stays unknown, and a reprint is a new job marked 补打.
"""

from dataclasses import dataclass
from enum import StrEnum


class JobState(StrEnum):
    """What is known of a job's paper."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    """Delivered to a printer that cannot confirm."""
    CONFIRMED = "confirmed"
    UNKNOWN = "unknown"
    FAILED = "failed"
    """Not one byte went out: sending it again is safe."""


class JobEvent(StrEnum):
    """What moves a job."""

    SEND = "send"
    DELIVERED = "delivered"
    PRINTED = "printed"
    LOST = "lost"
    REFUSED = "refused"
    RETRY = "retry"


SPOILT = "spoilt"
"""The trouble of a job that cannot be printed as it is stored; its receipt can be made again."""

JOB_MOVES: dict[tuple[JobState, JobEvent], JobState] = {
    (JobState.QUEUED, JobEvent.SEND): JobState.SENDING,
    (JobState.QUEUED, JobEvent.REFUSED): JobState.FAILED,
    (JobState.SENDING, JobEvent.DELIVERED): JobState.SENT,
    (JobState.SENDING, JobEvent.PRINTED): JobState.CONFIRMED,
    (JobState.SENDING, JobEvent.LOST): JobState.UNKNOWN,
    # The connection broke between "sending" on the disk and the first byte.
    (JobState.SENDING, JobEvent.REFUSED): JobState.FAILED,
    (JobState.FAILED, JobEvent.RETRY): JobState.QUEUED,
}


def advance_job(state: JobState, event: JobEvent) -> JobState:
    """The state after an event.

    Raises:
        ValueError: where the table has no such move.
    """
    try:
        return JOB_MOVES[state, event]
    except KeyError:
        raise ValueError(f"a print job that is {state} cannot {event}") from None


class JobKind(StrEnum):
    """What is on the paper."""

    SALE = "sale"
    REFUND = "refund"


@dataclass(frozen=True, slots=True)
class PrintJob:
    """A job as it stands in the spool. ``copy_no`` is 0 for the original, 1 for the first 补打.

    ``trouble`` is why the printer did not print, in the words of the printer port; empty
    where there is none.
    """

    job_no: int
    kind: JobKind
    receipt_no: str
    copy_no: int
    state: JobState
    document_json: bytes
    trouble: str = ""
