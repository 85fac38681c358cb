"""Bringing a database to the schema of this version, and writing the next migration.

Migrations live in `server/db/migrations/versions`. The rooms' tables are handed over by the
caller, since this room imports nothing from above. To write a migration after changing tables:

    python -m server.db.migrate "what changes" server.ledger.tables server.facts.tables ...
"""

import importlib
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.operations.ops import MigrationScript
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, MetaData

from server.db.engine import open_engine
from server.db.metadata import metadata as every_table

MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(
    engine: Engine,
    tables: MetaData,
    *,
    migrations: Path = MIGRATIONS,
    afterwards: Callable[[Connection], None] | None = None,
) -> None:
    """Applies every migration that the database has not seen, all of them or none.

    Safe to call at every start: an up-to-date database is left alone. `tables` is the schema
    that the program expects. `afterwards` is done in the same transaction, each time: granting
    the application its rights, which later migrations' tables need as well.

    Raises:
        alembic.util.CommandError: the database was made by a newer version.
    """
    with engine.begin() as tx:
        command.upgrade(_config(tx, tables, migrations), "head")
        if afterwards is not None:
            afterwards(tx)


def is_current(tx: Connection, *, migrations: Path = MIGRATIONS) -> bool:
    """Whether the database has seen every migration that this version knows."""
    known = ScriptDirectory(str(migrations)).get_heads()
    return set(MigrationContext.configure(tx).get_current_heads()) == set(known)


def differences(tx: Connection, tables: MetaData) -> list[object]:
    """What the database's tables, columns, keys and indexes lack or have too much, compared
    with `tables`; empty when they agree. Checks and triggers are not compared.
    """
    context = MigrationContext.configure(tx, opts={"compare_type": True})
    return list(compare_metadata(context, tables))


def write_migration(says: str, tables: MetaData, *, migrations: Path = MIGRATIONS) -> Path | None:
    """Writes the migration from the newest known schema to `tables`; None if they agree.

    It runs the known migrations into a scratch SQLite file to see what is there. What comes
    out is a proposal: read it, and add what moves data.
    """

    def drop_if_empty(
        _context: MigrationContext, _revision: object, scripts: list[MigrationScript]
    ) -> None:
        if scripts[0].upgrade_ops is None or scripts[0].upgrade_ops.is_empty():
            scripts.clear()

    with tempfile.TemporaryDirectory() as scratch:
        engine = open_engine(f"sqlite:///{scratch}/schema.db")
        try:
            upgrade(engine, tables, migrations=migrations)
            with engine.begin() as tx:
                config = _config(tx, tables, migrations)
                number = len(list(ScriptDirectory(str(migrations)).walk_revisions())) + 1
                script = command.revision(
                    config,
                    says,
                    autogenerate=True,
                    rev_id=f"{number:04d}",
                    process_revision_directives=drop_if_empty,
                )
        finally:
            engine.dispose()
    if script is None or isinstance(script, list):
        return None
    return Path(script.path)


def _config(tx: Connection, tables: MetaData, migrations: Path) -> Config:
    config = Config()
    # ConfigParser would read a % in the path as the start of a substitution.
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = tx
    config.attributes["tables"] = tables
    return config


def main(arguments: list[str]) -> int:
    """Writes a migration: the first argument says what changes, the others name the modules
    that declare tables.
    """
    if len(arguments) < 2:  # noqa: PLR2004 - a sentence and at least one module
        sys.stderr.write('usage: python -m server.db.migrate "what changes" MODULE...\n')
        return 2
    for module in arguments[1:]:
        importlib.import_module(module)
    path = write_migration(arguments[0], every_table)
    sys.stdout.write(f"{path}\n" if path else "nothing to migrate\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
