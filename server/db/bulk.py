"""Many rows in few statements, which SQLite and PostgreSQL say most differently of all.

On PostgreSQL several questions, or all new and changed rows of several tables, are one statement
each; rows travel as JSON, which is quickly made and read, and whose number changes no plan. On
SQLite a statement costs little, and each question and each table has its own.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import (
    ARRAY,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Date,
    Dialect,
    LargeBinary,
    MetaData,
    Select,
    Table,
    Text,
    Update,
    bindparam,
    insert,
    literal_column,
    update,
)
from sqlalchemy.dialects.postgresql import psycopg
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

from server.db import dialect, straight
from server.db.metadata import UtcDateTime

Row = Mapping[str, Any]
Question = tuple[Select[Any], Mapping[str, Any]]
"""A statement and what it is given, as the database's driver takes it."""

_POSTGRES: Dialect = psycopg.dialect()  # type: ignore[no-untyped-call]  # has no types
_PARAMETER = re.compile(r"%\((\w+)\)s")
_HEX = "\\x"


class _ListOf(TypeDecorator[Sequence[Any]]):
    """A list as one parameter: an array on PostgreSQL, JSON text on SQLite."""

    impl = Text
    cache_ok = True

    def __init__(self, of: TypeEngine[Any]) -> None:
        super().__init__()
        self.of = of

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        wanted = Text() if dialect.name == "sqlite" else ARRAY(self.of)
        return dialect.type_descriptor(wanted)

    def process_bind_param(self, value: Sequence[Any] | None, dialect: Dialect) -> Any:
        if dialect.name == "sqlite":
            return msgspec.json.encode(value).decode()
        return value


class _Among(FunctionElement[bool]):
    type = Boolean()
    inherit_cache = True
    name = "among"


@compiles(_Among, "postgresql")
def _among_in_postgres(element: _Among, compiler: SQLCompiler, **options: Any) -> str:
    column, keys = (compiler.process(each, **options) for each in element.clauses)
    return f"{column} = ANY ({keys})"


@compiles(_Among)  # whoever prints a statement sees it so
@compiles(_Among, "sqlite")
def _among_in_sqlite(element: _Among, compiler: SQLCompiler, **options: Any) -> str:
    column, keys = (compiler.process(each, **options) for each in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({keys}))"  # noqa: S608 - a parameter


def planned_for_few_rows(statement: Select[Any]) -> Select[Any]:
    """On PostgreSQL: a statement with which, where it finds a row, a transaction begins in which
    every statement touches few rows by their keys, and is planned once for all calls.

    Planning anew each time takes longer than the work; and a plan made while the tables were
    small, or not yet analysed, reads whole tables and is kept while they grow.
    """
    settings = {"plan_cache_mode": "force_generic_plan"} | dict.fromkeys(
        (f"enable_{way}" for way in ("seqscan", "bitmapscan", "hashjoin", "mergejoin")), "off"
    )
    return statement.add_columns(
        *(
            literal_column(f"set_config('{name}', '{value}', true)").label(name)
            for name, value in settings.items()
        )
    )


class Savepoint:
    """To which a transaction can be taken back; named, so that one can lie inside another."""

    __slots__ = ("_name", "_tx")

    def __init__(self, tx: Connection, name: str) -> None:
        self._tx = tx
        self._name = name
        self._do("SAVEPOINT")

    def release(self) -> None:
        """What was done since belongs to whatever is around it."""
        self._do("RELEASE SAVEPOINT")

    def take_back(self) -> None:
        """Nothing was done since."""
        self._do("ROLLBACK TO SAVEPOINT")
        self.release()

    def _do(self, what: str) -> None:
        if self._tx.dialect.name == "postgresql":
            straight.do(self._tx, f"{what} {self._name}")
        else:
            self._tx.exec_driver_sql(f"{what} {self._name}")


def among(column: Column[Any], parameter: str) -> ColumnElement[bool]:
    """Whether a column is one of a list of texts or whole numbers, given under this name."""
    return _Among(column, bindparam(parameter, type_=_ListOf(column.type)))


def ask_all(tx: Connection, questions: Sequence[Question]) -> list[list[Row]]:
    """The rows that answer each question, in the order of the questions.

    Their columns are the schema's: a moment, a date, bytes, text or a whole number.
    """
    if tx.dialect.name != "postgresql":
        return [
            [dict(row) for row in tx.execute(statement, given).mappings()]
            for statement, given in questions
        ]
    if len(questions) == 1:
        statement, given = questions[0]
        return [_ask_one(tx, statement, given)]
    asked = tuple(statement for statement, _ in questions)
    given = {
        f"q{number}_{name}": value
        for number, (_, each) in enumerate(questions)
        for name, value in each.items()
    }
    answers: list[list[Row]] = [[] for _ in questions]
    for number, row in straight.ask(tx, _all_in_one(asked), given):
        read = msgspec.json.decode(row)
        for name, parse in _parsers(asked[number]):
            if read[name] is not None:
                read[name] = parse(read[name])
        answers[number].append(read)
    return answers


def write_rows(
    tx: Connection,
    fresh: Mapping[Table, Sequence[Row]],
    changed: Mapping[Table, tuple[tuple[str, ...], Sequence[Row]]],
) -> None:
    """Inserts the `fresh` rows, a table after those that it refers to, and updates the
    `changed` ones, by primary key, in the columns that are named.

    A row is complete or lacks what is NULL. Its moments are aware.
    """
    order = _order(next(iter((*fresh, *changed))).metadata)
    new = sorted(fresh, key=order.__getitem__)
    old = sorted(changed, key=order.__getitem__)
    if tx.dialect.name == "postgresql":
        columns = tuple(changed[table][0] for table in old)
        rows = [*(fresh[table] for table in new), *(changed[table][1] for table in old)]
        given = {
            f"w{number}": msgspec.json.encode(each).decode() for number, each in enumerate(rows)
        }
        straight.do(tx, _write_all(tuple(new), tuple(old), columns), given)
        return
    for table in new:
        names = [column.name for column in table.columns]
        tx.execute(insert(table), [{name: row.get(name) for name in names} for row in fresh[table]])
    for table in old:
        changes, given_rows = changed[table]
        wanted = (*(column.name for column in table.primary_key), *changes)
        values = [{f"new_{name}": row.get(name) for name in wanted} for row in given_rows]
        tx.execute(_update_each(table, changes), values)


def insert_each(tx: Connection, table: Table, rows: Sequence[Row], *, listed: str) -> None:
    """Inserts a row for each whole number that stands in the column ``listed``, a text in which
    commas are between them; in their order, with the rest of that row.
    """
    if not rows:
        return
    if tx.dialect.name == "postgresql":
        straight.do(tx, _insert_each(table, listed), {"rows": msgspec.json.encode(rows).decode()})
        return
    single = ({**row, listed: int(each)} for row in rows for each in row[listed].split(","))
    tx.execute(insert(table), sorted(single, key=lambda row: row[listed]))


def add_new(tx: Connection, table: Table, rows: Sequence[Row]) -> set[tuple[Any, ...]]:
    """As :func:`server.db.dialect.insert_new`, and in one statement on PostgreSQL. A row has
    every column.
    """
    if tx.dialect.name != "postgresql":
        return dialect.insert_new(tx, table, rows)
    if not rows:
        return set()
    return set(straight.ask(tx, _insert_new(table), {"rows": msgspec.json.encode(rows).decode()}))


def kept_locked(statement: Select[Any]) -> Select[Any]:
    """As :func:`server.db.dialect.locked`, the same object each time, so that it is built once."""
    return _locked_by(dialect.locked, statement)


@lru_cache(maxsize=64)
def _locked_by(lock: Callable[[Select[Any]], Select[Any]], statement: Select[Any]) -> Select[Any]:
    return lock(statement)


@lru_cache(maxsize=8)
def _order(metadata: MetaData) -> dict[Table, int]:
    return {table: number for number, table in enumerate(metadata.sorted_tables)}


@lru_cache(maxsize=256)
def _update_each(table: Table, names: tuple[str, ...]) -> Update:
    own_row = [column == bindparam(f"new_{column.name}") for column in table.primary_key]
    values: dict[str, Any] = {name: bindparam(f"new_{name}") for name in names}
    return update(table).where(*own_row).values(values)


# From here on PostgreSQL alone. What stands in the statements are names of our own tables and
# parameters; whatever anybody has given is a parameter's value.


def _ask_one(tx: Connection, statement: Select[Any], given: Mapping[str, Any]) -> list[Row]:
    text, names, moments = _by_itself(statement)
    rows: list[Row] = []
    for row in straight.ask(tx, text, given):
        read = dict(zip(names, row, strict=True))
        for name in moments:
            if read[name] is not None:
                read[name] = read[name].astimezone(UTC)
        rows.append(read)
    return rows


@lru_cache(maxsize=256)
def _by_itself(statement: Select[Any]) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """The statement's text, its columns, and those of them that are moments."""
    columns = statement.selected_columns
    moments = (str(each.key) for each in columns if isinstance(each.type, UtcDateTime))
    return _text(statement), tuple(str(each.key) for each in columns), tuple(moments)


@lru_cache(maxsize=256)
def _text(statement: Select[Any]) -> str:
    compiled = statement.compile(dialect=_POSTGRES)
    assert not any(compiled.params.values()), "a value is built in: name it as a parameter"
    return str(compiled)


@lru_cache(maxsize=256)
def _all_in_one(asked: tuple[Select[Any], ...]) -> str:
    parts = []
    for number, statement in enumerate(asked):
        own = _PARAMETER.sub(rf"%(q{number}_\1)s", _text(statement))
        # Locked rows come in the order in which they are locked.
        parts.append(f"SELECT {number}, row_to_json(q)::text FROM ({own}) AS q")  # noqa: S608 - see above
    return " UNION ALL ".join(parts)


@lru_cache(maxsize=256)
def _parsers(statement: Select[Any]) -> tuple[tuple[str, Callable[[str], Any]], ...]:
    """How the columns are read that JSON has no type for."""
    found: list[tuple[str, Callable[[str], Any]]] = []
    for column in statement.selected_columns:
        if isinstance(column.type, UtcDateTime):
            found.append((str(column.key), datetime.fromisoformat))
        elif isinstance(column.type, Date):
            found.append((str(column.key), date.fromisoformat))
        elif isinstance(column.type, LargeBinary):
            found.append((str(column.key), _bytes_of))
    return tuple(found)


def _bytes_of(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix(_HEX))


@lru_cache(maxsize=256)
def _write_all(
    new: tuple[Table, ...], old: tuple[Table, ...], columns: tuple[tuple[str, ...], ...]
) -> str:
    """Every foreign key is checked at the end, so the order of the parts does not matter."""
    parts = [_insert(table) for table in new]
    parts += [_update(table, names) for table, names in zip(old, columns, strict=True)]
    parts = [part.replace("%(rows)s", f"%(w{number})s") for number, part in enumerate(parts)]
    *before, last = parts
    if not before:
        return last
    return f"WITH {', '.join(f'w{n} AS ({part})' for n, part in enumerate(before))} {last}"


def _insert(table: Table) -> str:
    names = [column.name for column in table.columns]
    columns = ", ".join(f'"{name}"' for name in names)
    return f'INSERT INTO "{table.name}" ({columns}) SELECT {_given(table, names)}'


@lru_cache(maxsize=8)
def _insert_each(table: Table, listed: str) -> str:
    names = [column.name for column in table.columns]
    columns = ", ".join(f'"{name}"' for name in names)
    shapes = [
        f'"{name}" {"text" if name == listed else table.c[name].type.compile(dialect=_POSTGRES)}'
        for name in names
    ]
    read = ", ".join("one::bigint" if name == listed else f'r."{name}"' for name in names)
    given = f"json_to_recordset(%(rows)s::json) AS r({', '.join(shapes)})"
    ones = f"unnest(string_to_array(r.\"{listed}\", ',')) AS one"
    return f'INSERT INTO "{table.name}" ({columns}) SELECT {read} FROM {given}, {ones} ORDER BY one::bigint'  # noqa: S608 - own names


@lru_cache(maxsize=64)
def _insert_new(table: Table) -> str:
    key = ", ".join(f'"{column.name}"' for column in table.primary_key)
    return f"{_insert(table)} ON CONFLICT DO NOTHING RETURNING {key}"


@lru_cache(maxsize=64)
def _update(table: Table, names: tuple[str, ...]) -> str:
    key = [column.name for column in table.primary_key]
    given = f"SELECT {_given(table, [*key, *names])}"
    values = ", ".join(f'"{name}" = given."{name}"' for name in names)
    own_row = " AND ".join(f'own."{name}" = given."{name}"' for name in key)
    return f'UPDATE "{table.name}" AS own SET {values} FROM ({given}) AS given WHERE {own_row}'  # noqa: S608 - own names


def _given(table: Table, names: Sequence[str]) -> str:
    """Rows from a JSON array; bytes are base64 in it."""
    read, shapes = [], []
    for name in names:
        kind = table.c[name].type
        is_bytes = isinstance(kind, LargeBinary)
        read.append(f'decode("{name}", \'base64\') AS "{name}"' if is_bytes else f'"{name}"')
        shape = "text" if is_bytes else kind.compile(dialect=_POSTGRES)
        shapes.append(f'"{name}" {shape}')
    return f"{', '.join(read)} FROM json_to_recordset(%(rows)s::json) AS r({', '.join(shapes)})"
