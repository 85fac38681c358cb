"""The desk where facts are handed in: appended, numbered and applied in one transaction."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

import msgspec
from sqlalchemy import Connection, func, select

from server.db.violation import Violation
from server.facts.applying import Beside, Handed, Standing, apply_all, nothing_beside
from server.facts.tables import fact as fact_table
from server.facts.tables import fact_head
from server.facts.values import (
    MAX_BODY_BYTES,
    Command,
    Expect,
    Fact,
    FactFault,
    Failed,
    Handler,
    Outcome,
    Refusal,
    Registered,
    Submission,
)

PAGE_MAX = 1_000
_CANNOT_BE_TAKEN = (FactFault, ValueError, TypeError, OverflowError, msgspec.MsgspecError)
"""What a command raises that is not even one: writing it down, or reading that again."""


class FactDesk:
    """Knows every kind of fact and who applies it. Filled once, at start; then only read,
    so one desk serves all threads. `beside`: what kinds that are tried in memory lock next after
    the pool's log, so that both are one statement.
    """

    def __init__(self, *, beside: Beside = nothing_beside) -> None:
        self._beside = beside
        self._by_kind: dict[str, Registered] = {}
        self._by_type: dict[type[msgspec.Struct], Registered] = {}
        self._standing = Standing()
        self._encoder = msgspec.json.Encoder(order="deterministic")

    def register(
        self,
        kind: str,
        command_type: type[Command],
        handler: Handler[Command],
        *,
        keeps_refusals: bool = False,
        decode: Callable[[bytes], Command] | None = None,
        expect: Expect[Command] | None = None,
    ) -> None:
        """Makes `handler` the one that applies facts of this kind.

        `keeps_refusals`: a refused fact stays in the log with whatever its handler wrote (journal
        records, which are facts whatever we think of them). `decode` reads a body that is not
        the JSON of `command_type`; such facts come in through `submit_bytes`.

        `expect` makes it a kind that is tried in memory alone; it reads ahead for several at
        once. Such a kind must never change standing data (see `server.db.working_set`).

        Raises:
            FactFault: the kind or the type is registered already.
        """
        if kind in self._by_kind or command_type in self._by_type:
            raise FactFault(f"{kind} or {command_type.__name__} is registered already")
        registered = Registered(
            kind=kind,
            command_type=command_type,
            decode=decode or msgspec.json.Decoder(command_type).decode,
            handler=handler,
            keeps_refusals=keeps_refusals,
            expect=expect,
        )
        self._by_kind[kind] = registered
        self._by_type[command_type] = registered

    def submit(
        self,
        tx: Connection,
        pool: str,
        command: msgspec.Struct,
        *,
        actor: str,
        recorded_at: datetime,
    ) -> Outcome:
        """Appends the command to the pool's log and applies it; answers the handler's outcome.

        Waits for the pool's other facts: a handler sees all of them that have a lower number.
        `recorded_at` becomes the last fact's, if the clock has stepped back. A refusal leaves
        neither the fact nor any effect, unless the kind keeps refusals. Nothing is committed.

        Raises:
            FactFault: nobody registered this type of command; the body is above 1 MiB.
            Exception: whatever the handler raises; the caller rolls back.
        """
        (outcome,) = self.submit_many(tx, pool, [Submission(command, actor, recorded_at)])
        return _or_raise(outcome)

    def submit_many(
        self,
        tx: Connection,
        pool: str,
        submissions: Sequence[Submission],
        *,
        as_a_whole: bool = False,
    ) -> list[Outcome | Failed]:
        """As `submit`, for one command after the other: the same numbers and the same books.

        One that faults is answered by what it raised; nothing of it is left and the others
        stand. When this returns everything is in the database, and nothing is committed.

        `as_a_whole` is quicker, and for a caller who rolls back at any fault and then hands each
        in by itself: what the database refuses is raised, where it would be one fact's alone.

        Raises:
            DBAPIError: the transaction is lost or must be tried again as a whole (a lock that
                was not had, a deadlock, a connection that is gone).
            Exception: with `as_a_whole`, whatever stood in the way.
        """
        handed: list[Handed | Failed] = []
        for each in submissions:
            try:
                handed.append(self._hand(each))
            except _CANNOT_BE_TAKEN as fault:
                handed.append(Failed(fault))
        good = [each for each in handed if isinstance(each, Handed)]
        beside = self._beside
        outcomes = iter(
            apply_all(tx, pool, good, self._standing, beside=beside, as_a_whole=as_a_whole)
            if good
            else ()
        )
        return [next(outcomes) if isinstance(each, Handed) else each for each in handed]

    def submit_bytes(
        self,
        tx: Connection,
        pool: str,
        kind: str,
        body: bytes,
        *,
        actor: str,
        recorded_at: datetime,
    ) -> Outcome:
        """As `submit`, for a body whose exact bytes matter (a signed journal record).

        Raises:
            FactFault: nobody registered this kind; the body is above 1 MiB.
            msgspec.DecodeError: the body is not what the kind reads; nothing is appended.
        """
        handed = _handed(self._of_kind(kind), body, actor=actor, recorded_at=recorded_at)
        (outcome,) = apply_all(tx, pool, [handed], self._standing)
        return _or_raise(outcome)

    def keeps_refusals(self, kind: str) -> bool:
        """Whether a refused fact of this kind stays in the log.

        Raises:
            FactFault: nobody registered this kind.
        """
        return self._of_kind(kind).keeps_refusals

    def apply(self, tx: Connection, fact: Fact) -> Outcome:
        """Appends a fact exactly as another database had it, and applies it: the step of a replay.

        Raises:
            FactFault: its number is not the next one here, or its kind is unknown.
        """
        (outcome,) = self.apply_many(tx, [fact])
        return outcome

    def apply_many(self, tx: Connection, facts: Sequence[Fact]) -> list[Outcome]:
        """As `apply`, for facts of one pool that follow one another. A refusal that leaves nothing
        is the last answer, since no fact can follow one that is not there.

        Raises:
            Exception: what the first handler that faulted has raised; the caller rolls back.
        """
        if not facts:
            return []
        handed = [
            Handed(registered, registered.decode(fact.body), fact.body, fact.actor, at, fact)
            for fact in facts
            for registered, at in ((self._of_kind(fact.kind), fact.recorded_at),)
        ]
        outcomes: list[Outcome] = []
        for each in apply_all(tx, facts[0].pool, handed, self._standing):
            outcomes.append(_or_raise(each))
            kind = facts[len(outcomes) - 1].kind
            if isinstance(outcomes[-1], Refusal) and not self.keeps_refusals(kind):
                break
        return outcomes

    def _hand(self, given: Submission) -> Handed:
        registered = self._by_type.get(type(given.command))
        if registered is None:
            raise FactFault(f"nobody applies {type(given.command).__name__}")
        body = self._encoder.encode(given.command)
        # The handler gets what a replay will read, not the caller's object: what JSON rounds or
        # drops (a subclass, an unset field) must not make the first run differ from the next.
        return _handed(registered, body, actor=given.actor, recorded_at=given.recorded_at)

    def _of_kind(self, kind: str) -> Registered:
        registered = self._by_kind.get(kind)
        if registered is None:
            raise FactFault(f"nobody applies facts of kind {kind}")
        return registered


def read(tx: Connection, pool: str, *, after: int = 0, limit: int = PAGE_MAX) -> list[Fact]:
    """The pool's facts with numbers above `after`, in order, at most `limit` (and 1 000)."""
    rows = tx.execute(
        select(fact_table)
        .where(fact_table.c.pool == pool, fact_table.c.fact_no > after)
        .order_by(fact_table.c.fact_no)
        .limit(min(limit, PAGE_MAX))
    )
    return [
        Fact(row.pool, row.fact_no, row.kind, bytes(row.body), row.actor, row.recorded_at)
        for row in rows
    ]


def moment_of_next(tx: Connection, pool: str, at: datetime) -> datetime:
    """When a fact that is handed in at `at` would be recorded: the log's time never steps back."""
    last: datetime | None = tx.execute(
        select(fact_head.c.last_recorded_at).where(fact_head.c.pool == pool)
    ).scalar_one_or_none()
    return at if last is None else max(at, last)


def check_facts(tx: Connection, pool: str) -> Iterator[Violation]:
    """I10, as far as the log itself goes: numbered without a gap, its time never stepping back."""
    last = tx.execute(
        select(fact_head.c.last_fact_no).where(fact_head.c.pool == pool)
    ).scalar_one_or_none()
    found = tx.execute(
        select(func.count().label("rows"), func.coalesce(func.max(fact_table.c.fact_no), 0))
        .select_from(fact_table)
        .where(fact_table.c.pool == pool)
    ).one()
    if tuple(found) != (last or 0, last or 0):
        yield Violation(
            "I10",
            f"pool {pool}, table fact",
            f"{last or 0} numbers were given out; {found[0]} rows up to {found[1]} are there",
        )
    before = func.lag(fact_table.c.recorded_at).over(order_by=fact_table.c.fact_no)
    steps = (
        select(fact_table.c.fact_no, fact_table.c.recorded_at, before.label("before"))
        .where(fact_table.c.pool == pool)
        .subquery()
    )
    back = select(steps.c.fact_no).where(steps.c.recorded_at < steps.c.before)
    for fact_no in tx.execute(back.order_by(steps.c.fact_no)).scalars():
        yield Violation(
            "I10", f"pool {pool}, fact {fact_no}", "recorded before the fact that it follows"
        )


def _handed(registered: Registered, body: bytes, *, actor: str, recorded_at: datetime) -> Handed:
    if len(body) > MAX_BODY_BYTES:
        raise FactFault(f"{registered.kind}: {len(body)} bytes, above {MAX_BODY_BYTES}")
    if recorded_at.utcoffset() is None:
        raise ValueError(f"a moment needs its time zone: {recorded_at!r}")
    at = recorded_at.astimezone(UTC)
    return Handed(registered, registered.decode(body), body, actor, at)


def _or_raise(outcome: Outcome | Failed) -> Outcome:
    if isinstance(outcome, Failed):
        raise outcome.fault
    return outcome
