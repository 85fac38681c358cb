"""Version 6: people with a PIN. Never changed again."""

from sqlalchemy import Connection

STATEMENTS = (
    """
    CREATE TABLE person (
        name VARCHAR(32) NOT NULL,
        role VARCHAR(32) NOT NULL,
        pin_hash VARCHAR(200) NOT NULL,
        failures INTEGER NOT NULL,
        locked_until VARCHAR(40),
        CONSTRAINT a_person_has_one_pin PRIMARY KEY (name)
    )
    """,
)


def take(connection: Connection) -> None:
    """From version 5."""
    for statement in STATEMENTS:
        connection.exec_driver_sql(statement)
