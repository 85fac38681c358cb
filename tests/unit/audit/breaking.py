"""Breaking books on purpose, as only their owner can."""

import sqlite3

from sqlalchemy import Engine, text

DROP_CHECKS = """
DO $$ DECLARE found record; BEGIN
    FOR found IN SELECT conrelid::regclass AS holder, conname FROM pg_constraint
        WHERE contype = 'c' AND connamespace = 'public'::regnamespace
    LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', found.holder, found.conname);
    END LOOP;
END $$
"""


def break_books(engine: Engine, statement: str) -> None:
    """Changes rows behind the program's back: no triggers, no foreign keys, no checks."""
    if engine.dialect.name == "sqlite":
        changed = _break_file(engine.url.database or "", statement)
    else:
        with engine.begin() as tx:
            tx.exec_driver_sql("SET LOCAL session_replication_role = replica")
            tx.execute(text(DROP_CHECKS))
            changed = tx.execute(text(statement)).rowcount
    assert changed > 0, f"nothing was broken by {statement}"


def _break_file(path: str, statement: str) -> int:
    connection = sqlite3.connect(path, isolation_level=None)
    triggers = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
    for (name,) in triggers.fetchall():
        connection.execute(f"DROP TRIGGER {name}")
    connection.execute("PRAGMA ignore_check_constraints = ON")
    changed = connection.execute(statement).rowcount
    connection.close()
    return changed
