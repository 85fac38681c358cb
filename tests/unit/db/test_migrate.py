"""Migrations from empty make what the tables' declarations say, triggers included."""

import shutil
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import pytest
from sqlalchemy import Column, Connection, Engine, Integer, MetaData, Table, inspect, text
from sqlalchemy.exc import DBAPIError

import server
from server.db import create_all, metadata, reading, writing
from server.db.dialect import never_changes
from server.db.migrate import MIGRATIONS, differences, is_current, upgrade, write_migration

for _module in walk_packages(server.__path__, "server."):
    if _module.name.endswith(".tables"):
        import_module(_module.name)

NAMES_IN_SQLITE = "SELECT type || ' ' || name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"
NAMES_IN_POSTGRES = """
SELECT 'trigger ' || tgname FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT 'constraint ' || conname FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace
UNION ALL SELECT 'index ' || indexname FROM pg_indexes WHERE schemaname = 'public'
"""


def names(tx: Connection) -> set[str]:
    """Everything in the schema that has a name, Alembic's own table aside."""
    in_sqlite = tx.dialect.name == "sqlite"
    found = set(tx.execute(text(NAMES_IN_SQLITE if in_sqlite else NAMES_IN_POSTGRES)).scalars())
    inspector = inspect(tx)
    for table in inspector.get_table_names():
        found |= {f"column {table}.{column['name']}" for column in inspector.get_columns(table)}
        found |= {f"check {check['name']}" for check in inspector.get_check_constraints(table)}
    return {name for name in found if "alembic_version" not in name}


@pytest.fixture
def migrations(tmp_path: Path) -> Path:
    """A copy of the migrations' environment without any version."""
    copy = tmp_path / "100% migrations"
    shutil.copytree(MIGRATIONS, copy, ignore=shutil.ignore_patterns("0*.py", "__pycache__"))
    return copy


def names_when_declared(engine: Engine, tables: MetaData) -> set[str]:
    create_all(engine, tables)
    with writing(engine) as tx:
        found = names(tx)
        tables.drop_all(tx)
    return found


def test_a_written_migration_makes_what_the_declarations_say(
    engine: Engine, migrations: Path
) -> None:
    declared = names_when_declared(engine, metadata)
    path = write_migration("everything", metadata, migrations=migrations)
    assert path is not None
    upgrade(engine, metadata, migrations=migrations)
    with reading(engine) as tx:
        assert differences(tx, metadata) == []
        assert names(tx) == declared
        assert is_current(tx, migrations=migrations)
    assert {"trigger transfer_is_never_updated", "trigger fact_is_never_deleted"} <= declared


def test_nothing_is_written_when_nothing_changed(migrations: Path) -> None:
    write_migration("everything", metadata, migrations=migrations)
    assert write_migration("nothing", metadata, migrations=migrations) is None
    assert [path.name for path in sorted((migrations / "versions").glob("0*"))] == [
        "0001_everything.py"
    ]


def test_a_second_migration_follows_the_first_and_keeps_the_rows(
    engine: Engine, migrations: Path
) -> None:
    first = MetaData()
    Table("shelf", first, Column("no", Integer, primary_key=True))
    second = MetaData()
    Table("shelf", second, Column("no", Integer, primary_key=True), Column("height", Integer))
    never_changes(Table("poster", second, Column("no", Integer, primary_key=True)), "it hangs")
    write_migration("shelf", first, migrations=migrations)
    upgrade(engine, first, migrations=migrations)
    with writing(engine) as tx:
        tx.execute(text("INSERT INTO shelf VALUES (7)"))
    write_migration("poster", second, migrations=migrations)
    with reading(engine) as tx:
        assert not is_current(tx, migrations=migrations)
    upgrade(engine, second, migrations=migrations)
    upgrade(engine, second, migrations=migrations)
    with writing(engine) as tx:
        assert differences(tx, second) == []
        assert tx.execute(text("SELECT no, height FROM shelf")).all() == [(7, None)]
        tx.execute(text("INSERT INTO poster VALUES (1)"))
    with pytest.raises(DBAPIError, match="it hangs"), writing(engine) as tx:
        tx.execute(text("DELETE FROM poster"))


def test_a_migration_that_fails_leaves_the_database_as_it_was(
    engine: Engine, migrations: Path
) -> None:
    tables = MetaData()
    Table("shelf", tables, Column("no", Integer, primary_key=True))
    path = write_migration("shelf", tables, migrations=migrations)
    assert path is not None
    broken = path.read_text().replace("def downgrade", "    1 / 0\n\n\ndef downgrade", 1)
    path.write_text(broken)
    with pytest.raises(ZeroDivisionError):
        upgrade(engine, tables, migrations=migrations)
    with reading(engine) as tx:
        assert inspect(tx).get_table_names() == []


@pytest.mark.skipif(
    not list((MIGRATIONS / "versions").glob("0*.py")), reason="no version has been released yet"
)
def test_the_projects_own_migrations_make_what_the_declarations_say(engine: Engine) -> None:
    declared = names_when_declared(engine, metadata)
    upgrade(engine, metadata)
    with reading(engine) as tx:
        assert differences(tx, metadata) == []
        assert names(tx) == declared
