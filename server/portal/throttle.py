"""Slowing down whoever guesses passwords: five tries, then a wait that doubles."""

import hashlib
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, delete, select, update

from server.db import run_writing
from server.db.dialect import insert_or_change
from server.portal.tables import sign_in_try

FREE_TRIES = 5
FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(hours=1)
FORGOTTEN_AFTER = timedelta(days=1)
NAMES_MAX = 10_000


class Throttle:
    """Counts failed sign-ins by the name that was typed, known or not, so that the answer
    tells nobody which names exist.

    Kept in the database: a restart forgets nothing, and all processes count together. A name
    that nobody tried for a day is forgotten; of more than 10,000 names the one that was tried
    longest ago. Thread-safe.
    """

    def __init__(self, engine: Engine, pool: str) -> None:
        self._engine = engine
        self._pool = pool

    def try_now(self, name: str, now: datetime) -> int:
        """Whole seconds until this name may be tried again; where it is 0 a try begins, which
        counts as failed until :meth:`succeeded` says otherwise: of a hundred tries at once five
        are free, not a hundred.

        Raises:
            TryAgain: the database stayed busy; nothing was counted.
        """
        return run_writing(self._engine, lambda tx: _begin(tx, self._pool, _hash(name), now))

    def succeeded(self, name: str) -> None:
        """The right password came: the name starts afresh.

        Raises:
            TryAgain: the database stayed busy; the try still counts as failed.
        """
        own = sign_in_try.c.pool == self._pool, sign_in_try.c.name_hash == _hash(name)
        run_writing(self._engine, lambda tx: tx.execute(delete(sign_in_try).where(*own)))


def _begin(tx: Connection, pool: str, name_hash: str, now: datetime) -> int:
    new = {
        "pool": pool,
        "name_hash": name_hash,
        "failed": 0,
        "blocked_until": None,
        "tried_at": now,
    }
    # Also locks the row: whoever tries the same name at the same moment is counted after it.
    (tries,) = insert_or_change(
        tx,
        sign_in_try,
        [new],
        key=("pool", "name_hash"),
        changed=lambda given: {"tried_at": given.tried_at},
        told=("failed", "blocked_until"),
    )
    wait = tries["blocked_until"] - now if tries["blocked_until"] else timedelta()
    # Longer than any wait that was ever given: the clock was set back since.
    if timedelta() < wait <= LONGEST_WAIT:
        return -int(-wait // timedelta(seconds=1))
    failed = tries["failed"] + 1
    own = sign_in_try.c.pool == pool, sign_in_try.c.name_hash == name_hash
    changed = {"failed": failed, "blocked_until": _blocked_until(failed, now)}
    tx.execute(update(sign_in_try).where(*own).values(changed))
    if failed == 1:
        _forget(tx, pool, now)
    return 0


def _blocked_until(failed: int, now: datetime) -> datetime | None:
    """From the fifth on, each failure doubles the wait: 30 s, 1 min, ... 1 h."""
    beyond = failed - FREE_TRIES
    if beyond < 0:
        return None
    # 2**20 waits are far above the longest; the bound keeps the power small.
    wait: timedelta = min(FIRST_WAIT * 2 ** min(beyond, 20), LONGEST_WAIT)
    return now + wait


def _forget(tx: Connection, pool: str, now: datetime) -> None:
    tried_at = sign_in_try.c.tried_at
    of_pool = sign_in_try.c.pool == pool
    newest = select(tried_at).where(of_pool).order_by(tried_at.desc())
    one_too_many = tx.execute(newest.offset(NAMES_MAX).limit(1)).scalar_one_or_none()
    long_ago = tried_at < now - FORGOTTEN_AFTER
    old = long_ago if one_too_many is None else long_ago | (tried_at <= one_too_many)
    tx.execute(delete(sign_in_try).where(of_pool, old))


def _hash(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
