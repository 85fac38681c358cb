"""Numbers that only rise: receipts, Z reports, epochs."""

from sqlalchemy import Connection, func
from sqlalchemy.dialects.sqlite import insert as upsert

from terminal.store.tables import counter


def raise_counter(connection: Connection, name: str, value: int) -> None:
    """Have a counter stand at ``value`` at least."""
    given = upsert(counter).values(name=name, value=value)
    connection.execute(
        given.on_conflict_do_update(
            index_elements=[counter.c.name],
            set_={"value": func.max(counter.c.value, given.excluded.value)},
        )
    )
