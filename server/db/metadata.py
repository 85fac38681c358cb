"""One MetaData for every room, and the column types they share.

A room declares its tables in its own `tables.py` on `metadata`. The pool's id (`guanghui`)
leads every primary and unique key. Constraints are named as sentences of at most 63 letters.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, MetaData, Text
from sqlalchemy.types import TypeDecorator, TypeEngine

POOL_ID_MAX = 32

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        # A check has no useful name of its own: the sentence is asked for, and used as written.
        "ck": "%(constraint_name)s",
    }
)

_SQLITE_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"


class UtcDateTime(TypeDecorator[datetime]):
    """A moment: aware going in, aware UTC coming out, whole microseconds.

    PostgreSQL keeps it as `timestamptz`; SQLite as text of fixed width
    (`2025-03-01T08:00:00.000000Z`), so that it sorts and compares as time does.

    Raises:
        ValueError: a naive datetime was given.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(Text())
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value.utcoffset() is None:
            raise ValueError(f"a moment needs its time zone: {value!r}")
        moment = value.astimezone(UTC)
        if dialect.name == "sqlite":
            return moment.strftime(_SQLITE_FORMAT).rjust(27, "0")
        return moment

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if dialect.name == "sqlite":
            return datetime.strptime(value, _SQLITE_FORMAT).replace(tzinfo=UTC)
        assert isinstance(value, datetime)
        return value.astimezone(UTC)
