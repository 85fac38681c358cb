"""Many requests, one commit: whoever waits first leads, and the others ride along.

A commit costs a sync of the disk, and on a pool's books only one transaction at a time can write
anyway. So the web thread that finds nobody leading leads: it takes what is waiting, oldest
first, runs all of it in one transaction, commits once, and only then tells each of the others
its own answer. Meanwhile the next ones gather, and the oldest of them leads next. Those who were
just answered often come back at once with their next request: for them he waits a moment, or
the same threads would go in two half groups for ever.

There is no thread of its own that could die unnoticed: leading is handed on in a ``finally`` by
the web thread that led, to one that is waiting at that moment. Two server processes on one
database have a leader each, who meet at the database's own locks.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Generic, TypeVar

from sqlalchemy import Connection, Engine

from server.db import TryAgain, run_writing

Job = TypeVar("Job")
Answer = TypeVar("Answer")
Work = Callable[[Connection, Sequence[Job]], Sequence[Answer | Exception]]

MAX_WAITING = 512
"""Jobs in the queue; one more is told to try again."""

MAX_GROUP_JOBS = 64
MAX_GROUP_STEPS = 256
MAX_GROUP_BYTES = 4 * 1024 * 1024
"""What one transaction takes at most, so that nobody waits long behind it. A job that is above
this by itself goes alone."""


GATHER_SHARE = 0.25
GATHER_MOST_S = 0.02
"""How long a leader waits for those who were answered just now: a part of what their own group
took, since that is what the next one saves by being whole."""


@dataclass(frozen=True, slots=True)
class Weight:
    """How much of a transaction a job is: facts or the like, and bytes."""

    steps: int
    size_bytes: int


class _State(Enum):
    WAITING = auto()
    LEADS = auto()
    TAKEN = auto()
    DONE = auto()
    GONE = auto()
    """Its thread was told to try again; what becomes of it, if it was taken, nobody asks."""


@dataclass(slots=True, eq=False)
class _Ticket(Generic[Job, Answer]):
    """A job, and the thread that waits for its answer. Fields change under the queue's lock,
    except by the leader of the group that holds it.
    """

    job: Job
    weight: Weight
    deadline_s: float
    state: _State = _State.WAITING
    woken: threading.Event = field(default_factory=threading.Event)
    answers: list[Answer] = field(default_factory=list)
    fault: Exception | None = None


class GroupCommit(Generic[Job, Answer]):
    """One queue of jobs for one engine, for all threads of this process.

    `work` runs jobs in the given transaction and answers one answer for each, in their order; an
    answer that is an `Exception` is raised for that job alone. It may be called again with the
    same jobs, or with some of them, after a rollback. `carefully` does the same and takes longer:
    several jobs that faulted together go that way once before each goes by itself.
    """

    def __init__(
        self,
        engine: Engine,
        work: Work[Job, Answer],
        *,
        carefully: Work[Job, Answer] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._work = work
        self._carefully = carefully
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: deque[_Ticket[Job, Answer]] = deque()
        self._is_led = False
        # How many may be there for the next group, and since when; for whom the leader waits.
        self._expected = 1
        self._answered_at_s = 0.0
        self._gather_s = 0.0
        self._gathered = threading.Event()

    def ask(self, job: Job, weight: Weight, *, within_s: float) -> Answer:
        """Runs the job in a transaction, alone or with others; answers once it is committed.

        A fault of one job is raised for that job only: where it undoes the whole transaction,
        the others are run again, each by itself.

        Raises:
            TryAgain: the queue is full, the time is over, or the connection was lost while
                committing. A job that nobody had taken yet was not done; of another nobody
                knows. Asking again is safe for what has a natural key.
            Exception: what `work` raised or answered for this job.
        """
        ticket = _Ticket[Job, Answer](job, weight, self._clock() + within_s)
        if not self._queue_up(ticket):
            ticket.woken.wait(max(0.0, within_s))
        if self._may_lead(ticket):
            self._lead(ticket)
        if ticket.fault is not None:
            raise ticket.fault
        if not ticket.answers:
            raise TryAgain(f"no answer within {within_s} s")
        return ticket.answers[0]

    def _queue_up(self, ticket: _Ticket[Job, Answer]) -> bool:
        """Whether the ticket leads at once."""
        with self._lock:
            if len(self._waiting) >= MAX_WAITING:
                raise TryAgain(f"{MAX_WAITING} requests are waiting already")
            self._waiting.append(ticket)
            if self._is_led:
                if len(self._waiting) >= self._expected:
                    self._gathered.set()
                return False
            self._is_led = True
            ticket.state = _State.LEADS
            return True

    def _may_lead(self, ticket: _Ticket[Job, Answer]) -> bool:
        """What a thread finds when it wakes; one whose time is over leaves the queue."""
        with self._lock:
            if ticket.state is _State.WAITING:
                self._waiting.remove(ticket)
                ticket.state = _State.GONE
            elif ticket.state is _State.TAKEN:
                ticket.state = _State.GONE
            return ticket.state is _State.LEADS

    def _lead(self, own: _Ticket[Job, Answer]) -> None:
        group = [own]
        began_s = self._clock()
        try:
            self._gather()
            began_s = self._clock()
            group = self._take()
            self._run(group)
        finally:
            self._hand_on(group, took_s=self._clock() - began_s)

    def _gather(self) -> None:
        """Wait until as many are there as there were a moment ago, but not for long."""
        with self._lock:
            left_s = self._answered_at_s + self._gather_s - self._clock()
            if left_s <= 0 or len(self._waiting) >= self._expected:
                return
            self._gathered.clear()
        self._gathered.wait(left_s)

    def _take(self) -> list[_Ticket[Job, Answer]]:
        """The oldest tickets that fit into one transaction; the leader's own is the first."""
        group: list[_Ticket[Job, Answer]] = []
        steps = size_bytes = 0
        with self._lock:
            while self._waiting and len(group) < MAX_GROUP_JOBS:
                weight = self._waiting[0].weight
                steps += weight.steps
                size_bytes += weight.size_bytes
                if group and (steps > MAX_GROUP_STEPS or size_bytes > MAX_GROUP_BYTES):
                    break
                ticket = self._waiting.popleft()
                ticket.state = _State.TAKEN
                group.append(ticket)
        return group

    def _run(self, group: list[_Ticket[Job, Answer]], *, again: bool = False) -> None:
        """Give every ticket of the group its answer or its fault; none to whom was too late."""
        begun: list[_Ticket[Job, Answer]] = []
        careful = self._carefully if again else None
        try:
            answers = self._commit(group, begun, careful or self._work)
        except TryAgain as busy:
            for each in group:
                each.fault = TryAgain(str(busy))
        except Exception as fault:  # noqa: BLE001 - a worker's loop: the fault is handed to its owner
            # Nothing of the group is in the database. Who of several is to blame shows when each
            # goes by itself.
            owners = begun or group
            if len(owners) == 1:
                owners[0].fault = fault
            elif self._carefully is not None and not again:
                self._run(owners, again=True)
            else:
                for each in owners:
                    self._run([each], again=True)
        else:
            for each, answer in zip(begun, answers, strict=True):
                if isinstance(answer, Exception):
                    each.fault = answer
                else:
                    each.answers.append(answer)

    def _commit(
        self,
        group: list[_Ticket[Job, Answer]],
        begun: list[_Ticket[Job, Answer]],
        work: Work[Job, Answer],
    ) -> Sequence[Answer | Exception]:
        """Run those of the group who still have time, and commit. They are left in `begun`."""

        def work_begun(tx: Connection) -> Sequence[Answer | Exception]:
            now_s = self._clock()
            begun[:] = [
                each for each in group if each.state is not _State.GONE and now_s < each.deadline_s
            ]
            return work(tx, [each.job for each in begun]) if begun else ()

        # The youngest has the most time left. A leader may so outlast its own deadline by what
        # the youngest came later; its own job is not begun any more then.
        left_s = max(each.deadline_s for each in group) - self._clock()
        return run_writing(self._engine, work_begun, deadline_s=max(0.0, left_s))

    def _hand_on(self, group: list[_Ticket[Job, Answer]], *, took_s: float) -> None:
        """Wake the group, whatever became of it, and let the oldest that waits lead."""
        with self._lock:
            for each in group:
                if each.state is not _State.GONE:
                    each.state = _State.DONE
            self._expected = min(len(group) + len(self._waiting), MAX_GROUP_JOBS)
            self._answered_at_s = self._clock()
            self._gather_s = min(took_s * GATHER_SHARE, GATHER_MOST_S)
            following = self._waiting[0] if self._waiting else None
            if following is None:
                self._is_led = False
            else:
                following.state = _State.LEADS
        if following is not None:
            following.woken.set()
        for each in group:
            each.woken.set()
