"""Applying facts in their order: several in one go, each as if it were alone.

A kind that can, is tried in memory: its handler works on the working set, and what it did is
undone there if it is refused or faults. All other facts, and those that turn out to need the
database themselves, have a savepoint each. Should what was tried in memory not be taken by the
database, everything is undone and done again one by one, so that the fault is one fact's alone.
"""

from collections.abc import Callable, Hashable, MutableMapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import Any
from weakref import WeakKeyDictionary

import msgspec
from sqlalchemy import Connection, Engine, Select
from sqlalchemy.exc import DBAPIError

from server.db import dialect
from server.db.bulk import Row, Savepoint, kept_locked, planned_for_few_rows
from server.db.working_set import NeedsSavepoint, Stored, Wish, WorkingSet, working
from server.facts.tables import fact as fact_table
from server.facts.tables import fact_head
from server.facts.values import Expect, Fact, FactFault, Failed, Outcome, Refusal, Registered

_FACT = Stored(fact_table)
_HEAD = Stored(fact_head, changes=("last_fact_no", "last_recorded_at", "standing_no"))
_HEAD_FOR_FEW_ROWS = planned_for_few_rows(_HEAD.by_keys)
_UNSETTLED = "huidian_unsettled"

Beside = Callable[[WorkingSet], Wish | None]


def nothing_beside(_books: WorkingSet) -> None:
    """Nothing else is locked with a pool's log."""


@dataclass(frozen=True, slots=True)
class Handed:
    """A fact that is about to be; `given` is the one of another database, in a replay."""

    registered: Registered
    command: msgspec.Struct
    body: bytes
    actor: str
    at: datetime
    given: Fact | None = None

    @property
    def expect(self) -> Expect[Any] | None:
        return self.registered.expect

    def following(self, pool: str, head: Row) -> Fact:
        """The fact with its number and its moment, which never steps back."""
        last_no, last_at = head["last_fact_no"], head["last_recorded_at"]
        if self.given is not None:
            if self.given.fact_no != last_no + 1:
                raise FactFault(f"{pool}: fact {self.given.fact_no} cannot follow {last_no}")
            return self.given
        at = max(self.at, last_at) if last_at else self.at
        return Fact(pool, last_no + 1, self.registered.kind, self.body, self.actor, at)


class Standing:
    """What was read of pools' standing data, from one transaction to the next.

    It holds as long as no fact has changed any: the pool's head says which was the last that may
    have. A transaction that has applied such a fact itself neither reads nor fills it.
    """

    def __init__(self) -> None:
        self._known: MutableMapping[Engine, dict[str, tuple[int, dict[Hashable, Any]]]]
        self._known = WeakKeyDictionary()

    def answers(self, tx: Connection, pool: str, head: Row) -> dict[Hashable, Any]:
        """Answers that hold now; whoever finds out more adds to them."""
        if tx.info.get(_UNSETTLED) is tx.get_transaction():
            return {}
        pools = self._known.setdefault(tx.engine, {})
        standing_no, answers = pools.get(pool, (-1, {}))
        if standing_no != head["standing_no"]:
            answers = {}
            pools[pool] = head["standing_no"], answers
        return answers


class NotAsAWhole(Exception):  # noqa: N818 - named as what the caller learns
    """Facts that were to be applied as a whole are to be handed in one by one."""


def apply_all(
    tx: Connection,
    pool: str,
    handed: Sequence[Handed],
    known: Standing,
    *,
    beside: Beside = nothing_beside,
    as_a_whole: bool = False,
) -> list[Outcome | Failed]:
    """Appends and applies each in turn; one outcome for each, in their order.

    `beside`: what else is locked with the pool's log, and read in the same statement.
    `as_a_whole`: without a savepoint, which costs two statements; where anything stands in the
    way, the caller rolls back and hands each in by itself.

    Raises:
        DBAPIError: the transaction is lost, or must be tried again as a whole.
        Exception: with `as_a_whole`, whatever stood in the way.
    """
    if as_a_whole:
        return _Applying(tx, pool, known, beside=beside, in_memory=True).run_bare(handed)
    try:
        return _Applying(tx, pool, known, beside=beside, in_memory=True).run(handed)
    # Whatever it was: one of them is at fault, and alone each keeps its own.
    except Exception as fault:
        if is_lost(fault):
            raise
    return _Applying(tx, pool, known, in_memory=False).run(handed)


def is_lost(fault: Exception) -> bool:
    """Whether the whole transaction went with this fault, or must be tried again.

    On a full disk SQLite undoes everything by itself: going on with the next fact would commit
    each one as it comes, and leave half of what must be all or none.
    """
    return isinstance(fault, DBAPIError) and (
        dialect.may_pass_by_waiting(fault) or dialect.has_no_room(fault)
    )


class _Applying:
    """One run through handed facts."""

    def __init__(
        self,
        tx: Connection,
        pool: str,
        known: Standing,
        *,
        in_memory: bool,
        beside: Beside = nothing_beside,
    ) -> None:
        self._tx = tx
        self._pool = pool
        self._known = known
        self._in_memory = in_memory
        self._beside = beside
        self._head: Row = {}

    def run(self, handed: Sequence[Handed]) -> list[Outcome | Failed]:
        """Inside a savepoint of its own."""
        savepoint = Savepoint(self._tx, "facts")
        try:
            outcomes = self._run(handed)
        except Exception as fault:
            if not is_lost(fault):
                savepoint.take_back()
            raise
        if self._made_for_nothing:
            savepoint.take_back()
        else:
            savepoint.release()
        return outcomes

    def run_bare(self, handed: Sequence[Handed]) -> list[Outcome | Failed]:
        """Without a savepoint.

        Raises:
            NotAsAWhole: the pool has no facts yet, and these left none.
        """
        outcomes = self._run(handed)
        if self._made_for_nothing:
            raise NotAsAWhole(self._pool)
        return outcomes

    @property
    def _made_for_nothing(self) -> bool:
        """Whether the pool's head was made here, and no fact came after it."""
        return bool(self._head["last_fact_no"] == 0)

    def _run(self, handed: Sequence[Handed]) -> list[Outcome | Failed]:
        outcomes: list[Outcome | Failed] = []
        self._in_memory &= any(each.expect is not None for each in handed)
        with working(self._tx, self._pool) as books:
            self._head = self._locked_head(books)
            for expect, some in groupby(handed, attrgetter("expect")):
                outcomes += self._apply_run(books, expect, list(some))
        return outcomes

    def _locked_head(self, books: WorkingSet) -> Row:
        """The log's row, locked, and then what is locked beside it."""
        if not self._in_memory:
            return _locked_head(books, _HEAD.by_keys, None)
        few = _HEAD_FOR_FEW_ROWS if self._tx.dialect.name == "postgresql" else _HEAD.by_keys
        return _locked_head(books, few, self._beside(books))

    def _apply_run(
        self, books: WorkingSet, expect: Expect[Any] | None, handed: Sequence[Handed]
    ) -> list[Outcome | Failed]:
        if expect is None or not self._in_memory:
            return [self._apply_guarded(books, each) for each in handed]
        books.standing = self._known.answers(self._tx, self._pool, self._head)
        expect(self._tx, self._pool, [(each.command, each.at) for each in handed])
        return [self._try(books, each) for each in handed]

    def _try(self, books: WorkingSet, handed: Handed) -> Outcome | Failed:
        """In memory alone, where that goes."""
        mark, head = books.mark(), self._head
        books.tried = True
        try:
            outcome = self._apply(books, handed)
        except NeedsSavepoint:
            outcome = None
        except DBAPIError:
            raise
        # The fault is this fact's; the others are not to suffer from it.
        except Exception as fault:  # noqa: BLE001 - is answered
            outcome = Failed(fault)
        finally:
            books.tried = False
        if outcome is None or isinstance(outcome, Failed) or _is_undone(handed, outcome):
            books.undo(mark)
            self._head = head
        return self._apply_guarded(books, handed) if outcome is None else outcome

    def _apply_guarded(self, books: WorkingSet, handed: Handed) -> Outcome | Failed:
        """With a savepoint."""
        head = self._head
        books.standing = self._known.answers(self._tx, self._pool, head)
        savepoint = Savepoint(self._tx, "fact")
        try:
            outcome = self._apply(books, handed)
            books.flush()
        # The fault is this fact's; the others are not to suffer from it.
        except Exception as fault:
            if is_lost(fault):
                raise
            books.forget()
            self._head = head
            savepoint.take_back()
            return Failed(fault)
        if _is_undone(handed, outcome):
            books.forget()
            self._head = head
            savepoint.take_back()
            return outcome
        savepoint.release()
        if handed.expect is None:
            self._tx.info[_UNSETTLED] = self._tx.get_transaction()
        return outcome

    def _apply(self, books: WorkingSet, handed: Handed) -> Outcome:
        fact = handed.following(self._pool, self._head)
        changes_standing = handed.expect is None
        self._head = {
            "pool": self._pool,
            "last_fact_no": fact.fact_no,
            "last_recorded_at": fact.recorded_at,
            "standing_no": fact.fact_no if changes_standing else self._head["standing_no"],
        }
        books.replace(_HEAD, self._head)
        books.append(
            _FACT,
            {
                "pool": fact.pool,
                "fact_no": fact.fact_no,
                "kind": fact.kind,
                "body": fact.body,
                "actor": fact.actor,
                "recorded_at": fact.recorded_at,
            },
        )
        return handed.registered.handler(self._tx, fact.stamp, handed.command)


def _is_undone(handed: Handed, outcome: Outcome) -> bool:
    return isinstance(outcome, Refusal) and not handed.registered.keeps_refusals


def _locked_head(books: WorkingSet, locking: Select[Any], beside: Wish | None) -> Row:
    rows: list[Row] = []
    head = Wish(kept_locked(locking), {"pool": books.pool}, rows.extend)
    books.fulfil(head, beside)
    if not rows:
        new = {"pool": books.pool, "last_fact_no": 0, "last_recorded_at": None, "standing_no": 0}
        dialect.insert_or_ignore(books.tx, fact_head, new)
        books.fulfil(head)
    (row,) = rows
    return {name: row[name] for name in ("pool", *_HEAD.changes)}
