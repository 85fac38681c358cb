"""The newest counter of each phone's certificate that a sale took: one integer each."""

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.sqlite import insert as upsert

from terminal.store.tables import counter

_COUNTED = upsert(counter)
_COUNT_PHONE = _COUNTED.on_conflict_do_update(
    index_elements=[counter.c.name],
    set_={"value": func.max(counter.c.value, _COUNTED.excluded.value)},
)


def note_phone_counter(connection: Connection, account: str, seq: int, newest: int) -> None:
    """Keep a counter, unless a higher one stands there."""
    connection.execute(_COUNT_PHONE, {"name": _name(account, seq), "value": newest})


def phone_counter(connection: Connection, account: str, seq: int) -> int:
    """What stands there; -1 before the first."""
    found = select(counter.c.value).where(counter.c.name == _name(account, seq))
    newest = connection.execute(found).scalar()
    return -1 if newest is None else newest


def _name(account: str, seq: int) -> str:
    return f"phone:{account}:{seq}"
