"""What the API writes: many requests in one transaction, each with its nonce and its answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Connection, Engine

from protocol.messages import ProblemKind
from server.api.groups import GroupCommit, Weight
from server.api.known_terminals import standing_as
from server.api.replies import NotDealt
from server.api.signed import Signature, forget_nonces, free_nonces, use_nonces
from server.directory import Terminal
from server.facts import FactDesk, Failed, Outcome, Submission

Answer = msgspec.Struct | NotDealt

_FORGET_EVERY = timedelta(seconds=20)


@dataclass(frozen=True, slots=True)
class Job:
    """One request, read and found authentic; what is left of it needs the books.

    Attributes:
        signature: its nonce is used in the same commit, so that what was not done may come again.
        answer: makes the request's answer of its facts' outcomes, in the same transaction. It
            may be called again after a rollback.
        terminal: who asks, as he was when his signature was checked; None for somebody who is
            no terminal. One who stands otherwise by now gets nothing.
        submissions: what the desk is to apply before, in this order.
        size_bytes: of the request's body.
    """

    signature: Signature
    answer: Callable[[Connection, Sequence[Outcome]], Answer]
    terminal: Terminal | None = None
    submissions: tuple[Submission, ...] = ()
    size_bytes: int = 0


class PoolWriter:
    """The only way by which the API of one pool writes; for all threads of the process.

    In one group: who asks; then every nonce, in the order of their keys; then the facts, oldest
    request first. That is one order of locks for all processes.
    """

    def __init__(self, engine: Engine, pool: str, desk: FactDesk, *, request_age_s: int) -> None:
        self._pool = pool
        self._desk = desk
        self._request_age_s = request_age_s
        self._forgot_at: datetime | None = None
        self._groups = GroupCommit[Job, Answer](engine, self._write_whole, carefully=self._write)

    def ask(self, job: Job, *, within_s: float) -> Answer:
        """The job's answer, once it is committed; REPLAYED where its nonce was used before.

        Raises:
            TryAgain: see :meth:`GroupCommit.ask`.
            Exception: a fault of this job; nothing of it is left that was not a fact by itself.
        """
        weight = Weight(1 + len(job.submissions), job.size_bytes)
        return self._groups.ask(job, weight, within_s=within_s)

    def _write_whole(self, tx: Connection, jobs: Sequence[Job]) -> list[Answer | Exception]:
        """As `_write`, and quicker: what the database refuses is the whole group's."""
        return self._write(tx, jobs, as_a_whole=len(jobs) > 1)

    def _write(
        self, tx: Connection, jobs: Sequence[Job], *, as_a_whole: bool = False
    ) -> list[Answer | Exception]:
        self._forget(tx, jobs[-1].signature.seen_at)
        refused = self._refused(tx, jobs)
        answers: dict[int, Answer | Exception] = {}
        facts: list[int] = []
        for place, job in enumerate(jobs):
            if place in refused:
                answers[place] = refused[place]
            elif job.submissions:
                facts.append(place)
            else:
                answers |= self._apply(tx, jobs, facts, as_a_whole=as_a_whole)
                facts.clear()
                answers[place] = job.answer(tx, ())
        answers |= self._apply(tx, jobs, facts, as_a_whole=as_a_whole)
        failed = [place for place, answer in answers.items() if isinstance(answer, Exception)]
        free_nonces(tx, self._pool, [jobs[place].signature for place in failed])
        return [answers[place] for place in range(len(jobs))]

    def _refused(self, tx: Connection, jobs: Sequence[Job]) -> dict[int, NotDealt]:
        """Who may not ask any more, and what was asked before; of the others the nonce is used."""
        standing = standing_as(tx, self._pool, [each.terminal for each in jobs if each.terminal])
        may_ask = [
            place
            for place, job in enumerate(jobs)
            if job.terminal is None or job.terminal in standing
        ]
        refused = {
            place: NotDealt(ProblemKind.UNKNOWN_TERMINAL)
            for place in range(len(jobs))
            if place not in may_ask
        }
        fresh = use_nonces(tx, self._pool, [jobs[place].signature for place in may_ask])
        for place, is_fresh in zip(may_ask, fresh, strict=True):
            if not is_fresh:
                refused[place] = NotDealt(ProblemKind.REPLAYED)
        return refused

    def _apply(
        self, tx: Connection, jobs: Sequence[Job], places: Sequence[int], *, as_a_whole: bool
    ) -> dict[int, Answer | Exception]:
        """All facts of the jobs at these places in one batch, then each job's answer."""
        if not places:
            return {}
        flat = [each for place in places for each in jobs[place].submissions]
        outcomes = iter(self._desk.submit_many(tx, self._pool, flat, as_a_whole=as_a_whole))
        answers: dict[int, Answer | Exception] = {}
        for place in places:
            own = [next(outcomes) for _ in jobs[place].submissions]
            fault = next((each.fault for each in own if isinstance(each, Failed)), None)
            answers[place] = jobs[place].answer(tx, own) if fault is None else fault
        return answers

    def _forget(self, tx: Connection, now: datetime) -> None:
        """Forget old nonces, now and then; in a transaction that is rolled back, not even that."""
        if self._forgot_at is None or abs(now - self._forgot_at) >= _FORGET_EVERY:
            forget_nonces(tx, self._pool, now=now, request_age_s=self._request_age_s)
            self._forgot_at = now
