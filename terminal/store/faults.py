"""What the database layer raises, as the port's own faults."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import SQLAlchemyError

from terminal.domain.ports import StoreFaultError, StoreUnsureError

_CERTAINLY_NOT_WRITTEN = frozenset(
    {sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_IOERR_WRITE}
)


@contextmanager
def disk_faults() -> Iterator[None]:
    """Turn what the database layer raises into the port's own fault."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise StoreFaultError(str(getattr(error, "orig", None) or error)) from error


@contextmanager
def commit_faults() -> Iterator[None]:
    """Tell a commit that failed from one whose end nobody knows.

    Where a write failed, its last page is not there. Else all of it may be on the disk,
    and only the sync has failed.
    """
    try:
        yield
    except SQLAlchemyError as error:
        origin = getattr(error, "orig", None)
        if getattr(origin, "sqlite_errorcode", None) in _CERTAINLY_NOT_WRITTEN:
            raise
        raise StoreUnsureError(str(origin or error)) from error
