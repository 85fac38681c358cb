"""Two roles on PostgreSQL: the schema's owner, and the application, which may do little.

The owner makes the tables and their triggers. The application reads and adds rows everywhere,
changes only columns of which a table says so (:func:`updated`), and deletes only where a table is
no book (:func:`forgotten`). So that a row of the ledger stands even when a trigger is lost, or
when somebody talks to the database with the application's password.

The rights follow from the tables' declarations alone, and are granted anew after each upgrade.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, MetaData, Table, text

from server.db.dialect import refuses_all

_RIGHTS = "huidian_rights"
_SCHEMA = "public"
_MIGRATIONS_TABLE = "alembic_version"


class RolesFault(Exception):  # noqa: N818 - the house says fault, and refusal for values
    """A table states rights that it cannot have; a mistake in the program."""


@dataclass(frozen=True, slots=True)
class Rights:
    """What the application may do with a table besides reading it and adding rows."""

    update: tuple[str, ...] = ()
    delete: bool = False


def updated(table: Table, *columns: str) -> None:
    """The application changes these columns of a row, and no others.

    Raises:
        RolesFault: the table has no such column, or its key would change.
    """
    key = {column.name for column in table.primary_key}
    wrong = [name for name in columns if name not in table.c or name in key]
    if wrong or not columns:
        raise RolesFault(f"{table.name}: {', '.join(wrong) or 'nothing'} cannot be updated")
    table.info[_RIGHTS] = Rights(update=columns, delete=rights_of(table).delete)


def forgotten(table: Table) -> None:
    """The application deletes rows of this table, which is no book but a memory."""
    table.info[_RIGHTS] = Rights(update=rights_of(table).update, delete=True)


def only_grows(table: Table) -> None:
    """Rows are added and never changed, though no trigger says so."""
    table.info[_RIGHTS] = Rights()


def rights_of(table: Table) -> Rights:
    """The table's stated rights; reading and adding rows alone where it states none."""
    stated = table.info.get(_RIGHTS, Rights())
    assert isinstance(stated, Rights)
    return stated


def states_its_rights(table: Table) -> bool:
    """Whether somebody decided what may be done with the table: by :func:`updated`,
    :func:`forgotten`, :func:`only_grows`, or because triggers refuse every change of a row.
    """
    refused = refuses_all(table.info.get("guards", ()))
    return _RIGHTS in table.info or {"UPDATE", "DELETE"} <= refused


def grant_rights(tx: Connection, tables: MetaData, role: str) -> None:
    """As the owner: gives the application's role its rights in every table, and takes every other
    right away, from everybody else as well. Run in the transaction of the upgrade.

    Raises:
        sqlalchemy.exc.DBAPIError: no such role, or the caller does not own the tables.
    """
    quoted = tx.dialect.identifier_preparer.quote_identifier(role)
    for statement in _statements(tx, tables, quoted):
        tx.exec_driver_sql(statement)


def _statements(tx: Connection, tables: MetaData, role: str) -> Iterator[str]:
    quote = tx.dialect.identifier_preparer.quote_identifier
    yield f"REVOKE CREATE ON SCHEMA {_SCHEMA} FROM PUBLIC, {role}"
    yield f"GRANT USAGE ON SCHEMA {_SCHEMA} TO {role}"
    yield f"REVOKE ALL ON ALL TABLES IN SCHEMA {_SCHEMA} FROM PUBLIC, {role}"
    yield f"GRANT SELECT ON {_MIGRATIONS_TABLE} TO {role}"
    for table in tables.sorted_tables:
        name, rights = quote(table.name), rights_of(table)
        yield f"GRANT SELECT, INSERT ON {name} TO {role}"
        if rights.update:
            columns = ", ".join(quote(column) for column in rights.update)
            yield f"GRANT UPDATE ({columns}) ON {name} TO {role}"
        if rights.delete:
            yield f"GRANT DELETE ON {name} TO {role}"


_USER = text("SELECT current_user")
_MAY = text("SELECT has_table_privilege(:table, :right)")
_OWNS = text(
    "SELECT rolsuper OR pg_has_role(tableowner, 'USAGE') FROM pg_tables, pg_roles"
    " WHERE schemaname = current_schema() AND tablename = :table AND rolname = current_user"
)


def current_user(tx: Connection) -> str:
    """The role under which this connection works."""
    return str(tx.execute(_USER).scalar_one())


def rights_too_many(tx: Connection, tables: MetaData) -> list[str]:
    """What the connection's role may do that the application must not: `owns transfer`,
    `UPDATE transfer`. Empty where the books are safe from it, and on SQLite, which knows no roles.
    """
    if tx.dialect.name != "postgresql":
        return []
    found = []
    for table in tables.sorted_tables:
        if tx.execute(_OWNS, {"table": table.name}).scalar_one_or_none():
            found.append(f"owns {table.name}")
            continue
        rights = rights_of(table)
        refused = ["UPDATE", "TRUNCATE", "TRIGGER"] + ([] if rights.delete else ["DELETE"])
        quoted = tx.dialect.identifier_preparer.quote_identifier(table.name)
        found += [
            f"{right} {table.name}"
            for right in refused
            if tx.execute(_MAY, {"table": quoted, "right": right}).scalar_one()
        ]
    return found
