"""Version 5: Z reports. Never changed again."""

from sqlalchemy import Connection

STATEMENTS = (
    """
    CREATE TABLE z_report (
        z_no INTEGER NOT NULL,
        hash VARCHAR(64) NOT NULL,
        closed_at VARCHAR(32) NOT NULL,
        epoch INTEGER NOT NULL,
        seq INTEGER NOT NULL,
        CONSTRAINT a_z_report_has_one_number PRIMARY KEY (z_no),
        CONSTRAINT a_record_is_one_z_report UNIQUE (epoch, seq),
        CONSTRAINT z_reports_count_from_one CHECK (z_no >= 1)
    )
    """,
)


def take(connection: Connection) -> None:
    """From version 4."""
    for statement in STATEMENTS:
        connection.exec_driver_sql(statement)
