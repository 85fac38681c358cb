"""Statements are compiled once for all databases of the process, not once for each start.

A run opens its databases anew some twenty times. The engines of SQLAlchemy compile every statement
for themselves, which is a fifth of a run; nothing of what is compiled knows of a file.
"""

from collections.abc import MutableMapping
from typing import Any, Final

from sqlalchemy import Engine
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.util import LRUCache

MOST_STATEMENTS: Final = 5_000
_COMPILED: Final[MutableMapping[Any, Any]] = LRUCache(MOST_STATEMENTS)


class SharingDialect(SQLiteDialect_pysqlite):
    """SQLite as it is; each is as good as the other, so that they find one another's statements."""

    supports_statement_cache = True

    def __eq__(self, other: object) -> bool:
        return type(other) is SharingDialect

    def __hash__(self) -> int:
        return hash(SharingDialect)

    @classmethod
    def engine_created(cls, engine: Engine) -> None:
        """See :meth:`sqlalchemy.engine.Dialect.engine_created`."""
        super().engine_created(engine)
        engine.update_execution_options(compiled_cache=_COMPILED)


def share_statements() -> None:
    """From now on; for as long as the process lives."""
    registry.register("sqlite", __name__, SharingDialect.__name__)
