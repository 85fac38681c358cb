"""Version 9: baskets that wait (挂单). Never changed again."""

from sqlalchemy import Connection

STATEMENTS = (
    """
    CREATE TABLE parked_basket (
        number INTEGER NOT NULL,
        parked_at VARCHAR(32) NOT NULL,
        parked_by VARCHAR(80),
        is_up INTEGER NOT NULL,
        body BLOB NOT NULL,
        CONSTRAINT a_parked_basket_has_a_number PRIMARY KEY (number)
    )
    """,
)


def take(connection: Connection) -> None:
    """From version 8."""
    for statement in STATEMENTS:
        connection.exec_driver_sql(statement)
