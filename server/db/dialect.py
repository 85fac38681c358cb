"""Every statement that SQLite and PostgreSQL say differently, in one place."""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import msgspec
from sqlalchemy import (
    JSON,
    Connection,
    RowMapping,
    Select,
    Table,
    Text,
    bindparam,
    cast,
    column,
    event,
    func,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, OperationalError

S = TypeVar("S", bound=Select[Any])

# serialization_failure, deadlock_detected, lock_not_available, cannot_connect_now; no state at
# all is what psycopg reports when there is no server to answer.
_POSTGRES_PASSING = frozenset({"40001", "40P01", "55P03", "57P03", None})
_SQLITE_PASSING = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_PRIMARY_CODE = 0xFF
_POSTGRES_DISK_FULL = "53100"

_REFUSE_FUNCTION = """
CREATE OR REPLACE FUNCTION huidian_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING MESSAGE = TG_ARGV[0], ERRCODE = 'integrity_constraint_violation';
END $$
"""


def may_pass_by_waiting(fault: DBAPIError) -> bool:
    """Whether the same transaction, tried again, may succeed: a lock, a deadlock,
    a serialization failure, or a server that is away.
    """
    if fault.connection_invalidated:
        return True
    cause = fault.orig
    if isinstance(cause, sqlite3.Error):
        code = getattr(cause, "sqlite_errorcode", None)
        return code is not None and (code & _PRIMARY_CODE) in _SQLITE_PASSING
    return isinstance(fault, OperationalError) and (
        getattr(cause, "sqlstate", None) in _POSTGRES_PASSING
    )


def has_no_room(fault: DBAPIError) -> bool:
    """Whether the database could not grow: its disk is full, or what it may take of it.

    SQLite then undoes the whole transaction by itself, so that going back to a savepoint fails
    as well: the fault that began it stands behind the one that is seen.
    """
    each: BaseException | None = fault
    while each is not None:
        if isinstance(each, DBAPIError) and _is_full(each.orig):
            return True
        each = each.__cause__ or each.__context__
    return False


def _is_full(cause: BaseException | None) -> bool:
    if isinstance(cause, sqlite3.Error):
        code = getattr(cause, "sqlite_errorcode", None)
        return code is not None and (code & _PRIMARY_CODE) == sqlite3.SQLITE_FULL
    return getattr(cause, "sqlstate", None) == _POSTGRES_DISK_FULL


def is_damaged(fault: DBAPIError) -> bool:
    """Whether a SQLite file is no database, or no whole one."""
    return _sqlite_code(fault) in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def may_not_be_used(fault: DBAPIError) -> bool:
    """Whether a SQLite file is not this user's to open or to write."""
    kinds = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM}
    return _sqlite_code(fault) in kinds


def _sqlite_code(fault: DBAPIError) -> int | None:
    code = getattr(fault.orig, "sqlite_errorcode", None)
    return code & _PRIMARY_CODE if isinstance(code, int) else None


def locked(statement: S) -> S:
    """The same rows, locked until the transaction ends, in the order of the statement's ORDER BY.
    SQLite has no row locks and needs none: its writer is alone since BEGIN IMMEDIATE.
    """
    return statement.with_for_update()


def insert_or_ignore(tx: Connection, table: Table, values: Mapping[str, Any]) -> bool:
    """Inserts one row unless a key of it is taken; says whether it did.

    On PostgreSQL it waits for a transaction that is just inserting the same key.
    """
    # The returned key, not the row count: drivers differ in counting an insert that did nothing.
    if tx.dialect.name == "sqlite":
        in_sqlite = sqlite.insert(table).values(**values).on_conflict_do_nothing()
        return tx.execute(in_sqlite.returning(*table.primary_key)).first() is not None
    in_postgres = postgresql.insert(table).values(**values).on_conflict_do_nothing()
    return tx.execute(in_postgres.returning(*table.primary_key)).first() is not None


def insert_new(
    tx: Connection, table: Table, rows: Sequence[Mapping[str, Any]]
) -> set[tuple[Any, ...]]:
    """Inserts in few statements those rows whose primary key is not taken; says which keys.

    On PostgreSQL it waits for a transaction that is just inserting one of the keys: rows are
    to come in the order of their keys, so that two who insert the same do not wait for each other.
    """
    if not rows:
        return set()
    in_this = sqlite.insert(table) if tx.dialect.name == "sqlite" else postgresql.insert(table)
    inserting = in_this.on_conflict_do_nothing().returning(*table.primary_key)
    return {tuple(row) for row in tx.execute(inserting, rows)}


def insert_or_change(
    tx: Connection,
    table: Table,
    rows: Sequence[Mapping[str, Any]],
    *,
    key: Sequence[str],
    changed: Callable[[Any], Mapping[str, Any]],
    told: Sequence[str],
) -> list[RowMapping]:
    """Inserts rows, all with the same columns, in few statements; one whose unique ``key`` is taken changes the row that is
    there instead. Answers these columns of each of them as it stands then, in any order.

    ``changed`` gets the columns of the row that was to be inserted, and says what the one that is
    there becomes. No two of the rows may have the same key.
    """
    if not rows:
        return []
    taken = [table.c[name] for name in key]
    answer = [table.c[name] for name in told]
    if tx.dialect.name == "sqlite":
        in_sqlite = sqlite.insert(table)
        inserting = in_sqlite.on_conflict_do_update(
            index_elements=taken, set_=changed(in_sqlite.excluded)
        ).returning(*answer)
        return list(tx.execute(inserting, rows).mappings())
    # As JSON, since the driver looks for parameters in a statement longer than the work takes.
    given = (
        func.json_to_recordset(cast(bindparam("given", type_=Text), JSON))
        .table_valued(*(column(each.name, each.type) for each in table.columns))
        .render_derived(name="given", with_types=True)
    )
    names = list(rows[0])
    in_postgres = postgresql.insert(table).from_select(
        names, select(*(given.c[name] for name in names))
    )
    inserting_there = in_postgres.on_conflict_do_update(
        index_elements=taken, set_=changed(in_postgres.excluded)
    ).returning(*answer)
    as_json = {"given": msgspec.json.encode(rows).decode()}
    return list(tx.execute(inserting_there, as_json).mappings())


@dataclass(frozen=True, slots=True)
class Guard:
    """A trigger by which the database itself refuses a change.

    `name` is unique in the database, `says` is the sentence of the error, `when` an SQL
    condition on OLD (no condition: every row, and on PostgreSQL TRUNCATE with it).
    """

    table: str
    name: str
    on: Literal["UPDATE", "DELETE"]
    says: str
    when: str | None = None


@dataclass(frozen=True, slots=True)
class Lookup:
    """A trigger by which the database refuses rows by what another table has: rows that are
    inserted and have `lacks` there no row that agrees with them in `columns`, or rows that are
    updated and `has` one. Columns have the same names in both; a row without a value in one of
    them refers to nothing. `shared`: many rows of a statement refer to the same one.

    On PostgreSQL all rows of a statement are looked up at once, which costs a third of what a
    foreign key does, and is as safe where rows of the other table are never deleted and keep
    their keys: `other` must be guarded so.
    """

    table: str
    name: str
    says: str
    other: str
    columns: tuple[str, ...]
    refused: Literal["lacks", "has"]
    shared: bool = False


def guard(table: Table, *guards: Guard | Lookup) -> None:
    """Makes `guards` part of the table, besides those that it has: created with it, and written
    into its migration.
    """
    table.info["guards"] = (*table.info.get("guards", ()), *guards)

    @event.listens_for(table, "after_create")
    def _create(_table: Table, connection: Connection, **_: object) -> None:
        for each in guards:
            for statement in guard_ddl(each, connection.dialect.name):
                connection.exec_driver_sql(statement)


def refuses_all(guards: Sequence[Guard | Lookup]) -> set[str]:
    """The kinds of changes of which these guards refuse every one."""
    return {each.on for each in guards if isinstance(each, Guard) and each.when is None}


def never_changes(table: Table, says: str) -> None:
    """No row of `table` is ever updated or deleted. `says` is a sentence: `a transfer stands`."""
    name = table.name
    guard(
        table,
        Guard(name, f"{name}_is_never_updated", "UPDATE", says),
        Guard(name, f"{name}_is_never_deleted", "DELETE", says),
    )


def guard_ddl(each: Guard | Lookup, dialect_name: str) -> tuple[str, ...]:
    """The statements that create a guard. Migrations rely on them: what they make may be
    replaced by a later migration, but not changed here.
    """
    if isinstance(each, Lookup):
        return _lookup_ddl(each, dialect_name)
    says = each.says.replace("'", "''")
    when = f" WHEN ({each.when})" if each.when else ""
    create = f'CREATE TRIGGER {each.name} BEFORE {each.on} ON "{each.table}"'
    if dialect_name == "sqlite":
        return (f"{create}{when} BEGIN SELECT RAISE(ABORT, '{says}'); END",)
    refuse = f"EXECUTE FUNCTION huidian_refuse('{says}')"
    of_rows = f"{create} FOR EACH ROW{when} {refuse}"
    if each.on == "UPDATE" or each.when is not None:
        return (_REFUSE_FUNCTION, of_rows)
    name = f"{each.table}_is_never_truncated"
    of_all = f'CREATE TRIGGER {name} BEFORE TRUNCATE ON "{each.table}" FOR EACH STATEMENT {refuse}'
    return (_REFUSE_FUNCTION, of_rows, of_all)


def _lookup_ddl(each: Lookup, dialect_name: str) -> tuple[str, ...]:
    on, seen = ("INSERT", "NEW") if each.refused == "lacks" else ("UPDATE", "OLD")
    row = seen if dialect_name == "sqlite" else "seen"
    agree = " AND ".join(f'other."{name}" = {row}."{name}"' for name in each.columns)
    found = f'EXISTS (SELECT 1 FROM "{each.other}" AS other WHERE {agree})'  # noqa: S608 - own names
    refers = " AND ".join(f'{row}."{name}" IS NOT NULL' for name in each.columns)
    when = f"{refers} AND NOT {found}" if each.refused == "lacks" else found
    says = each.says.replace("'", "''")
    if dialect_name == "sqlite":
        create = f'CREATE TRIGGER {each.name} BEFORE {on} ON "{each.table}" WHEN {when}'
        return (f"{create} BEGIN SELECT RAISE(ABORT, '{says}'); END",)
    # Planned at each call: a plan that is kept from when tables were empty would read them whole.
    columns = ", ".join(f'"{name}"' for name in each.columns)
    rows = f"(SELECT DISTINCT {columns} FROM seen) AS seen" if each.shared else "seen"  # noqa: S608 - own names
    function = f"""
CREATE OR REPLACE FUNCTION huidian_{each.name}() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE is_refused boolean;
BEGIN
    EXECUTE $q$SELECT EXISTS (SELECT 1 FROM {rows} WHERE {when})$q$ INTO is_refused;
    IF is_refused THEN
        RAISE EXCEPTION USING MESSAGE = '{says}', ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$
"""  # noqa: S608 - own names
    create = f'CREATE TRIGGER {each.name} AFTER {on} ON "{each.table}"'
    of_all = f"REFERENCING {seen} TABLE AS seen FOR EACH STATEMENT"
    return (function, f"{create} {of_all} EXECUTE FUNCTION huidian_{each.name}()")


def plan_by_index(tx: Connection) -> None:
    """On PostgreSQL, until the transaction ends: plans look rows up by their indexes.

    For questions about one merchant's part of tables that grow while they are asked: statistics
    of before would say that the tables are empty, and whole tables would be read, once for each
    merchant. SQLite plans so by itself.
    """
    if tx.dialect.name != "postgresql":
        return
    ways = dict.fromkeys(("enable_seqscan", "enable_hashjoin", "enable_mergejoin", "jit"), "off")
    # What is grouped is of bounded size: it need not go by way of the disk.
    ways |= {"work_mem": "64MB", "max_parallel_workers_per_gather": "0"}
    tx.execute(select(*(func.set_config(way, to, True).label(way) for way, to in ways.items())))
