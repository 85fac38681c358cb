"""Awards at the counter: events with their attendance, as the terminal keeps them."""

from datetime import datetime
from typing import Protocol

from msgspec import Struct

from protocol.counter import CounterWorker
from protocol.messages import OutcomeKind

REFUSED_OUTCOMES = (OutcomeKind.PARKED.value, OutcomeKind.DUPLICATE.value)
"""What the server makes of an award that gives the resident nothing."""


class CounterEvent(Struct, frozen=True):
    """An event at which many residents are registered one after another.

    ``event`` is its name with its day in front, so that next month's is another one.
    ``with_exit``: residents sign in when they come, and are awarded when they sign out.
    """

    event: str
    rule_id: str
    with_exit: bool
    opened_at: datetime
    opened_by: str
    closed_at: datetime | None = None

    @property
    def title(self) -> str:
        return self.event.partition(":")[2] or self.event


class Attendance(Struct, frozen=True):
    """One resident at an event. ``award_id`` once he was awarded.

    ``outcome`` and ``says``: what the server made of it, empty as long as it was not told.
    """

    event: str
    account: str
    in_at: datetime
    out_at: datetime | None = None
    award_id: str | None = None
    points: int = 0
    outcome: str = ""
    says: str = ""


class EventFigures(Struct, frozen=True):
    """How many came to an event and were awarded, their points, and how many awards the server
    did not book; of everybody, however long the list is.
    """

    people: int
    awarded: int
    points: int
    refused: int


class WorkerAtTill(Protocol):
    """Who of the pool's people is signed in at this terminal."""

    def worker(self) -> CounterWorker | None:
        """The worker who is signed in and was busy here a moment ago; None for nobody."""

    def busy(self) -> None:
        """The worker did something: he is there."""
