"""Who failed to sign in how often: what all server processes know of it together."""

from sqlalchemy import CheckConstraint, Column, Index, Integer, PrimaryKeyConstraint, String, Table

from server.db import POOL_ID_MAX, UtcDateTime, metadata
from server.db.roles import forgotten, updated

_SHA256_HEX = 64

# No fact and no book. The name stands as its hash: people type passwords where names belong.
sign_in_try = Table(
    "sign_in_try",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("name_hash", String(_SHA256_HEX), nullable=False),
    Column("failed", Integer, nullable=False),
    Column("blocked_until", UtcDateTime, nullable=True),
    Column("tried_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("pool", "name_hash", name="a_name_has_one_count_of_tries"),
    CheckConstraint("failed >= 0", name="tries_are_counted_from_zero"),
    Index("tries_by_age", "pool", "tried_at"),
)
updated(sign_in_try, "failed", "blocked_until", "tried_at")
forgotten(sign_in_try)
