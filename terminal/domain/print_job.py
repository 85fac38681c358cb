"""A print job's states and moves: one enum, one table, one :func:`advance_job`.

A job is durable before its first byte. What may already be on paper is never sent again
in silence: an unknown job stays unknown, and a reprint is a new job marked 补打.
"""

from enum import StrEnum

from msgspec import Struct


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
    DRAWER = "drawer"
    """No paper: the drawer's pulse, sent once or never."""
    SHIFT = "shift"
    ORDER = "order"
    AWARD = "award"


class PrintJob(Struct, frozen=True):
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


class PaperDoubt(StrEnum):
    """What is wrong with a receipt's paper."""

    NONE = "none"
    """Exactly one paper, or one and its marked copies: nothing to do."""
    WAITING = "waiting"
    """Still in the queue or on its way."""
    MISSING = "missing"
    """Surely not on paper."""
    PERHAPS_MISSING = "perhaps_missing"
    """On paper or not: nobody saw it confirmed."""
    PERHAPS_SEVERAL = "perhaps_several"
    """More than one paper may exist, each further one marked 补打."""
    SEVERAL = "several"
    """More than one paper surely exists, each further one marked 补打."""


class PaperCount(Struct, frozen=True):
    """How often a receipt is on paper: ``surely`` (confirmed) to ``at_most`` (sent or unknown).

    ``waiting`` jobs are queued or being sent; ``copies`` is the highest 补打 number given out.
    """

    receipt_no: str
    kind: str
    surely: int
    at_most: int
    waiting: int
    copies: int

    @property
    def doubt(self) -> PaperDoubt:
        """The one thing that most needs saying."""
        if self.surely > 1:
            return PaperDoubt.SEVERAL
        if self.at_most > 1:
            return PaperDoubt.PERHAPS_SEVERAL
        if self.waiting:
            return PaperDoubt.WAITING
        if self.at_most == 0:
            return PaperDoubt.MISSING
        return PaperDoubt.NONE if self.surely else PaperDoubt.PERHAPS_MISSING
