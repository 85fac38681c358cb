"""What one transaction has read of a pool and has still to write: the working set.

Whoever books reads rows through it, changes them in memory, and a few statements write them all
at the end. What makes that safe is not discipline but three rules, kept here:

* Any other statement on the same connection finds the database as if every change had been
  written at once: a listener on the engine (:func:`listen`) flushes before it.
* Any other statement that writes makes the set forget what it had read.
* While a fact is tried in memory alone (:attr:`WorkingSet.tried`), another statement raises
  :class:`NeedsSavepoint` instead; whoever tries it undoes it and begins again with a savepoint.
"""

import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from functools import wraps
from types import TracebackType
from typing import Any, ClassVar, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine, Select, Table, bindparam, event, select

from server.db.bulk import Row, among, ask_all, write_rows

T = TypeVar("T")
P = ParamSpec("P")

Key = tuple[Any, ...]
"""A row's primary key without the pool that leads it."""

_INFO = "huidian_working_set"
_ABSENT = object()
_STANDING_MAX = 50_000
_CHANGES_NOTHING = re.compile(r"\s*(?:SELECT|SAVEPOINT|RELEASE)\b", re.IGNORECASE)
_NAMES_A_TABLE = re.compile(r'\b(?:FROM|JOIN)\s+"?(\w+)', re.IGNORECASE)


class _Asking(Enum):
    """What the set itself asks the database just now."""

    ROWS = "rows"
    STANDING = "standing"


class NeedsSavepoint(Exception):  # noqa: N818 - named as what the one who tries it learns
    """A fact that was tried in memory alone asked the database something by itself."""


class WorkingSetFault(Exception):  # noqa: N818 - the house says fault, and refusal for values
    """A working set is used for another pool, or for what it cannot know; a mistake in the
    program.
    """


class Stored:
    """A table whose rows are written through working sets, and read by primary key.

    `changes`: the columns that an update may change. The pool leads the key and is not named.
    `by_keys` finds rows by lists of the key's parts; with several parts it may find more.
    """

    tables: ClassVar[set[str]] = set()

    def __init__(self, table: Table, *, changes: Iterable[str] = ()) -> None:
        self.tables.add(table.name)
        self.table = table
        self.changes = tuple(changes)
        pool, *rest = table.primary_key.columns
        assert pool.name == "pool", table.name
        self.key = tuple(column.name for column in rest)
        which = (among(column, f"keys_{number}") for number, column in enumerate(rest))
        self.by_keys: Select[Any] = select(table).where(pool == bindparam("pool"), *which)

    def key_of(self, row: Row) -> Key:
        return tuple(row[name] for name in self.key)


@dataclass(frozen=True, slots=True)
class Wish:
    """Something to be read, and who takes it in."""

    statement: Select[Any]
    given: Mapping[str, Any]
    take: Callable[[Sequence[Row]], None]


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment to which a working set can be taken back, as long as nothing was flushed."""

    changes: int
    flushes: int


class WorkingSet:
    """The rows of one pool that one transaction holds in memory.

    Attributes:
        tried: a fact is being tried in memory alone.
        standing: answers of :func:`standing` questions.
    """

    __slots__ = (
        "_appended",
        "_asks",
        "_changed",
        "_flushes",
        "_fresh",
        "_log",
        "_notes",
        "_rows",
        "pool",
        "standing",
        "tried",
        "tx",
    )

    def __init__(self, tx: Connection, pool: str) -> None:
        self.tx = tx
        self.pool = pool
        self.tried = False
        self.standing: dict[Hashable, Any] = {}
        self._rows: dict[Any, Any] = {}
        self._notes: dict[Any, Any] = {}
        self._fresh: dict[Any, Any] = {}
        self._changed: dict[Any, Any] = {}
        self._appended: dict[Any, Any] = {}
        self._log: list[tuple[dict[Any, Any], Hashable, Any]] = []
        self._flushes = 0
        self._asks: _Asking | None = None

    # What is read

    def row(self, stored: Stored, key: Key) -> Row | None:
        """The row as it will stand, or None; asks the database once."""
        found = self._rows.get((stored, key), _ABSENT)
        if found is _ABSENT:
            self.load(stored, [key])
            found = self._rows[stored, key]
        row: Row | None = found
        return row

    def wish(
        self, stored: Stored, keys: Iterable[Key], *, by_keys: Select[Any] | None = None
    ) -> Wish | None:
        """To read those of the rows that are not here yet; None where all of them are.

        `by_keys` is `stored.by_keys` where that is not enough: with a lock, or of some rows only.
        """
        wanted = sorted({key for key in keys if (stored, key) not in self._rows})
        if not wanted:
            return None
        given: dict[str, Any] = {"pool": self.pool}
        for number in range(len(stored.key)):
            given[f"keys_{number}"] = sorted({key[number] for key in wanted})

        def take(rows: Sequence[Row]) -> None:
            found = {stored.key_of(row): row for row in rows}
            for key in wanted:
                self._rows[stored, key] = found.get(key)

        return Wish(stored.by_keys if by_keys is None else by_keys, given, take)

    def fulfil(self, *wishes: Wish | None) -> None:
        """Reads what is wished for, all at once."""
        waiting = [each for each in wishes if each is not None]
        if not waiting:
            return
        with self._asking(_Asking.ROWS):
            answers = ask_all(self.tx, [(each.statement, each.given) for each in waiting])
        for each, rows in zip(waiting, answers, strict=True):
            each.take(rows)

    def load(
        self, stored: Stored, keys: Iterable[Key], *, by_keys: Select[Any] | None = None
    ) -> None:
        """Reads those rows that are not here yet, as `wish` describes them."""
        self.fulfil(self.wish(stored, keys, by_keys=by_keys))

    def holds(self, stored: Stored, key: Key) -> bool:
        """Whether the row, or that there is none, is known here already."""
        return (stored, key) in self._rows

    def keep(self, stored: Stored, row: Row) -> None:
        """Takes in a row that was read otherwise."""
        self._rows[stored, stored.key_of(row)] = row

    def ask(self, statement: Select[Any], given: Mapping[str, Any]) -> list[Row]:
        """A question of the set's own: about rows none of which it may have changed unnoticed."""
        with self._asking(_Asking.ROWS):
            return ask_all(self.tx, [(statement, given)])[0]

    def ask_standing(self, key: Hashable, read: Callable[[], T]) -> T:
        """The answer to a question about what only facts of other kinds change."""
        found = self.standing.get(key, _ABSENT)
        if found is _ABSENT:
            with self._asking(_Asking.STANDING):
                found = read()
            if len(self.standing) >= _STANDING_MAX:
                self.standing.clear()
            self.standing[key] = found
        answer: T = found
        return answer

    def noted(self, key: Hashable) -> Any:
        """What was noted under this key, or None."""
        return self._notes.get(key)

    # What is changed; all of it can be undone

    def note(self, key: Hashable, value: object) -> None:
        """Keeps something that was worked out from rows, until those are forgotten."""
        self._set(self._notes, key, value)

    def insert(self, stored: Stored, row: Row) -> None:
        """A new row, which is read and updated like one that was there."""
        name = (stored, stored.key_of(row))
        self._set(self._rows, name, row)
        self._set(self._fresh, name, row)

    def update(self, stored: Stored, key: Key, **changes: Any) -> None:
        """Changes a row that was read or inserted here.

        It may have been forgotten since, because somebody wrote past the set: then it is read again.
        """
        name = (stored, key)
        standing = self.row(stored, key)
        if standing is None:
            raise KeyError(name)
        row = {**standing, **changes}
        self._set(self._rows, name, row)
        self._set(self._fresh if name in self._fresh else self._changed, name, row)

    def replace(self, stored: Stored, row: Row) -> None:
        """Changes a row, as a whole, that stands in the database whether it was read or not."""
        name = (stored, stored.key_of(row))
        self._set(self._rows, name, row)
        self._set(self._changed, name, row)

    def append(self, stored: Stored, row: Row) -> None:
        """A new row that nobody will read here."""
        self._set(self._appended, (stored, len(self._log)), row)

    def pending(self, stored: Stored) -> list[Row]:
        """Rows of a table that were inserted or changed here and are not written yet."""
        return [
            row
            for rows in (self._fresh, self._changed)
            for (each, _), row in rows.items()
            if each is stored
        ]

    def mark(self) -> Mark:
        return Mark(len(self._log), self._flushes)

    def undo(self, mark: Mark) -> None:
        """Takes back every change since `mark`."""
        assert mark.flushes == self._flushes, "what was flushed is undone by a savepoint alone"
        while len(self._log) > mark.changes:
            changed, key, before = self._log.pop()
            if before is _ABSENT:
                del changed[key]
            else:
                changed[key] = before

    def flush(self) -> None:
        """Writes every change: for each table one statement for new rows and one for changed."""
        if not self._log:
            return
        self._log.clear()
        self._flushes += 1
        fresh: dict[Table, list[Row]] = {}
        for added in (self._appended, self._fresh):
            for (stored, _), row in added.items():
                fresh.setdefault(stored.table, []).append(row)
        changed: dict[Stored, list[Row]] = {}
        for (stored, _), row in self._changed.items():
            changed.setdefault(stored, []).append(row)
        self._appended, self._fresh, self._changed = {}, {}, {}
        if not (fresh or changed):
            return
        with self._asking(_Asking.ROWS):
            write_rows(
                self.tx, fresh, {each.table: (each.changes, rows) for each, rows in changed.items()}
            )

    def forget(self) -> None:
        """Drops everything: what was read, and what was not written."""
        for each in (self._rows, self._notes, self._fresh, self._changed, self._appended):
            each.clear()
        self._log.clear()
        self._flushes += 1
        self.standing = {}

    def refresh(self) -> None:
        """Writes everything and forgets what was read: others may have changed it since.

        Raises:
            NeedsSavepoint: a fact is being tried in memory alone.
        """
        if self.tried:
            raise NeedsSavepoint("a lock was missing")
        self.flush()
        self._rows.clear()
        self._notes.clear()

    def before_other(self, statement: str) -> None:
        """Called before every statement on the connection."""
        if self._asks is _Asking.ROWS:
            return
        if self._asks is _Asking.STANDING:
            moving = Stored.tables.intersection(_NAMES_A_TABLE.findall(statement))
            if moving:
                raise WorkingSetFault(f"{', '.join(sorted(moving))}: no standing data")
            return
        if self.tried:
            raise NeedsSavepoint(statement)
        self.flush()
        if _CHANGES_NOTHING.match(statement) is None:
            self.forget()

    @contextmanager
    def _asking(self, what: _Asking) -> Iterator[None]:
        before, self._asks = self._asks, what
        try:
            yield
        finally:
            self._asks = before

    def _set(self, changed: dict[Any, Any], key: Hashable, value: Any) -> None:
        self._log.append((changed, key, changed.get(key, _ABSENT)))
        changed[key] = value


class _Using:
    """What `working` answers: enters the transaction's set, or one that ends with it."""

    __slots__ = ("_info", "_made", "_pool", "_tx")

    def __init__(self, tx: Connection, pool: str) -> None:
        self._tx = tx
        self._pool = pool
        self._info = tx.info
        self._made: WorkingSet | None = None

    def __enter__(self) -> WorkingSet:
        there: WorkingSet | None = self._info.get(_INFO)
        if there is None:
            there = self._made = self._info[_INFO] = WorkingSet(self._tx, self._pool)
        elif there.pool != self._pool:
            raise WorkingSetFault(f"{self._pool}: the working set is {there.pool}'s")
        return there

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._made is None:
            return
        try:
            if kind is None:
                self._made.flush()
        finally:
            self._info.pop(_INFO, None)


def working(tx: Connection, pool: str) -> _Using:
    """The transaction's working set; where there is none, one that is flushed on leaving.

    Raises:
        WorkingSetFault: on entering, where the transaction's working set is another pool's.
    """
    return _Using(tx, pool)


def standing(
    read: Callable[Concatenate[Connection, str, P], T],
) -> Callable[Concatenate[Connection, str, P], T]:
    """Marks a question about standing data: of a pool, and of what only facts change that are
    never tried in memory alone. Inside a working set its answer is remembered.

    The answer must be a value that nobody changes, and the arguments hashable.
    """

    @wraps(read)
    def ask(tx: Connection, pool: str, /, *args: P.args, **named: P.kwargs) -> T:
        there: WorkingSet | None = tx.info.get(_INFO)
        if there is None or there.pool != pool:
            return read(tx, pool, *args, **named)
        given: tuple[Any, ...] = args
        if any(type(each) is list for each in args):
            given = tuple(tuple(each) if isinstance(each, list) else each for each in args)
        key = (read, given, tuple(named.items())) if named else (read, given)
        found = there.standing.get(key, _ABSENT)
        if found is not _ABSENT:
            known: T = found
            return known
        return there.ask_standing(key, lambda: read(tx, pool, *args, **named))

    answer: Callable[Concatenate[Connection, str, P], T] = ask
    return answer


def listen(engine: Engine) -> None:
    """Makes every statement on the engine's connections respect their working sets."""
    event.listen(engine, "before_cursor_execute", _before_statement)


def _before_statement(connection: Connection, _cursor: object, statement: str, *_: object) -> None:
    there: WorkingSet | None = connection.info.get(_INFO)
    if there is not None:
        there.before_other(statement)
