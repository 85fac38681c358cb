"""The desk where facts are handed in: appended, numbered and applied in one transaction."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, func, insert, select, update

from server.db import dialect
from server.db.violation import Violation
from server.facts.tables import fact as fact_table
from server.facts.tables import fact_head

MAX_BODY_BYTES = 1 << 20
PAGE_MAX = 1_000

Outcome = object
"""What a handler answers: any frozen value. One that is a `Refusal` undoes its fact."""


class Refusal:
    """Marks an outcome by which nothing happened. A frozen dataclass or msgspec Struct
    that also inherits from this; it carries a reason and what to do next.
    """

    __slots__ = ()


class FactFault(Exception):  # noqa: N818 - the house says fault, and refusal for values
    """The desk was asked for something it cannot do; a mistake in the program, not a refusal."""


@dataclass(frozen=True, slots=True)
class FactStamp:
    """What the desk gives to a handler with the command; the handler's only clock."""

    pool: str
    fact_no: int
    recorded_at: datetime
    actor: str


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact as stored; `body` is the exact bytes that were handed in."""

    pool: str
    fact_no: int
    kind: str
    body: bytes
    actor: str
    recorded_at: datetime

    @property
    def stamp(self) -> FactStamp:
        return FactStamp(self.pool, self.fact_no, self.recorded_at, self.actor)


Command = TypeVar("Command", bound=msgspec.Struct)
Handler = Callable[[Connection, FactStamp, Command], Outcome]


@dataclass(frozen=True, slots=True)
class _Registered:
    kind: str
    command_type: type[msgspec.Struct]
    decode: Callable[[bytes], msgspec.Struct]
    # The handler takes the registered type; the table that holds it cannot say which.
    handler: Callable[[Connection, FactStamp, Any], Outcome]
    keeps_refusals: bool


class FactDesk:
    """Knows every kind of fact and who applies it. Filled once, at start; then only read,
    so one desk serves all threads.
    """

    def __init__(self) -> None:
        self._by_kind: dict[str, _Registered] = {}
        self._by_type: dict[type[msgspec.Struct], _Registered] = {}
        self._encoder = msgspec.json.Encoder(order="deterministic")

    def register(
        self,
        kind: str,
        command_type: type[Command],
        handler: Handler[Command],
        *,
        keeps_refusals: bool = False,
        decode: Callable[[bytes], Command] | None = None,
    ) -> None:
        """Makes `handler` the one that applies facts of this kind.

        `keeps_refusals`: a refused fact stays in the log with whatever its handler wrote (journal
        records, which are facts whatever we think of them). `decode` reads a body that is not
        the JSON of `command_type`; such facts come in through `submit_bytes`.

        Raises:
            FactFault: the kind or the type is registered already.
        """
        if kind in self._by_kind or command_type in self._by_type:
            raise FactFault(f"{kind} or {command_type.__name__} is registered already")
        registered = _Registered(
            kind=kind,
            command_type=command_type,
            decode=decode or msgspec.json.Decoder(command_type).decode,
            handler=handler,
            keeps_refusals=keeps_refusals,
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
        registered = self._by_type.get(type(command))
        if registered is None:
            raise FactFault(f"nobody applies {type(command).__name__}")
        body = self._encoder.encode(command)
        # The handler gets what a replay will read, not the caller's object: what JSON rounds or
        # drops (a subclass, an unset field) must not make the first run differ from the next.
        return self._submit(tx, pool, registered, body, actor=actor, recorded_at=recorded_at)

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
        registered = self._of_kind(kind)
        return self._submit(tx, pool, registered, body, actor=actor, recorded_at=recorded_at)

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
        registered = self._of_kind(fact.kind)

        def as_it_was(last_no: int, _last_at: datetime | None) -> Fact:
            if fact.fact_no != last_no + 1:
                raise FactFault(f"{fact.pool}: fact {fact.fact_no} cannot follow {last_no}")
            return fact

        return _append(tx, fact.pool, registered, as_it_was)

    def _submit(
        self,
        tx: Connection,
        pool: str,
        registered: _Registered,
        body: bytes,
        *,
        actor: str,
        recorded_at: datetime,
    ) -> Outcome:
        if len(body) > MAX_BODY_BYTES:
            raise FactFault(f"{registered.kind}: {len(body)} bytes, above {MAX_BODY_BYTES}")
        if recorded_at.utcoffset() is None:
            raise ValueError(f"a moment needs its time zone: {recorded_at!r}")
        at = recorded_at.astimezone(UTC)

        def next_one(last_no: int, last_at: datetime | None) -> Fact:
            return Fact(
                pool=pool,
                fact_no=last_no + 1,
                kind=registered.kind,
                body=body,
                actor=actor,
                recorded_at=max(at, last_at) if last_at else at,
            )

        return _append(tx, pool, registered, next_one)

    def _of_kind(self, kind: str) -> _Registered:
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


def _lock_head(tx: Connection, pool: str) -> tuple[int, datetime | None]:
    head = dialect.locked(
        select(fact_head.c.last_fact_no, fact_head.c.last_recorded_at).where(
            fact_head.c.pool == pool
        )
    )
    row = tx.execute(head).one_or_none()
    if row is None:
        dialect.insert_or_ignore(
            tx, fact_head, {"pool": pool, "last_fact_no": 0, "last_recorded_at": None}
        )
        row = tx.execute(head).one()
    return row.last_fact_no, row.last_recorded_at


def _append(
    tx: Connection,
    pool: str,
    registered: _Registered,
    follow: Callable[[int, datetime | None], Fact],
) -> Outcome:
    # The head is made and locked inside as well: a pool whose first fact is refused keeps nothing.
    savepoint = tx.begin_nested()
    with savepoint:
        fact = follow(*_lock_head(tx, pool))
        command = registered.decode(fact.body)
        tx.execute(
            insert(fact_table).values(
                pool=pool,
                fact_no=fact.fact_no,
                kind=fact.kind,
                body=fact.body,
                actor=fact.actor,
                recorded_at=fact.recorded_at,
            )
        )
        tx.execute(
            update(fact_head)
            .where(fact_head.c.pool == pool)
            .values(last_fact_no=fact.fact_no, last_recorded_at=fact.recorded_at)
        )
        outcome = registered.handler(tx, fact.stamp, command)
        if isinstance(outcome, Refusal) and not registered.keeps_refusals:
            savepoint.rollback()
    return outcome
