"""The chain's marks: how far it was checked, and where what was told long ago was deleted."""

from sqlalchemy import Connection

STATEMENTS = (
    """
    CREATE TABLE chain_mark (
        name VARCHAR(16) NOT NULL,
        epoch INTEGER NOT NULL,
        seq INTEGER NOT NULL,
        hash VARCHAR(64) NOT NULL,
        PRIMARY KEY (name)
    )
    """,
    "CREATE INDEX records_by_time_told ON journal (told_at)",
)


def take(connection: Connection) -> None:
    """A chain that was never checked has no marks."""
    for statement in STATEMENTS:
        connection.exec_driver_sql(statement)
