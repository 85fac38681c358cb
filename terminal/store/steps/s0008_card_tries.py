"""Version 8: wrong PINs of residents' cards. Never changed again."""

from sqlalchemy import Connection

STATEMENTS = (
    """
    CREATE TABLE card_tries (
        card_id VARCHAR(16) NOT NULL,
        seq INTEGER NOT NULL,
        pin_round INTEGER NOT NULL,
        day VARCHAR(10) NOT NULL,
        wrong INTEGER NOT NULL,
        CONSTRAINT wrong_pins_of_a_card_are_one_row PRIMARY KEY (card_id)
    )
    """,
)


def take(connection: Connection) -> None:
    """From version 7."""
    for statement in STATEMENTS:
        connection.exec_driver_sql(statement)
