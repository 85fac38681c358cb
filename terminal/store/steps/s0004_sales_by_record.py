"""Sales are found by their records: what is untold is added up without reading every sale."""

from sqlalchemy import Connection


def take(connection: Connection) -> None:
    """One index."""
    connection.exec_driver_sql("CREATE INDEX sales_by_record ON sale (epoch, seq)")
