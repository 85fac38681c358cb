"""Version 7: events at which points are registered, and who was there. Never changed again."""

from sqlalchemy import Connection

STATEMENTS = (
    """
    CREATE TABLE counter_event (
        event VARCHAR(64) NOT NULL,
        rule_id VARCHAR(32) NOT NULL,
        with_exit INTEGER NOT NULL,
        opened_at VARCHAR(32) NOT NULL,
        opened_by VARCHAR(80) NOT NULL,
        closed_at VARCHAR(32),
        CONSTRAINT an_event_is_opened_once PRIMARY KEY (event)
    )
    """,
    """
    CREATE TABLE attendance (
        event VARCHAR(64) NOT NULL,
        account VARCHAR(16) NOT NULL,
        in_at VARCHAR(32) NOT NULL,
        out_at VARCHAR(32),
        award_id VARCHAR(36),
        points INTEGER NOT NULL,
        CONSTRAINT a_resident_is_at_an_event_once PRIMARY KEY (event, account)
    )
    """,
)


def take(connection: Connection) -> None:
    """From version 6."""
    for statement in STATEMENTS:
        connection.exec_driver_sql(statement)
