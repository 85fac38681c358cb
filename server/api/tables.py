"""Which requests were seen: so that none is dealt with twice."""

from sqlalchemy import Column, Index, PrimaryKeyConstraint, String, Table

from protocol.http_signing import MAX_NONCE_CHARS
from server.db import POOL_ID_MAX, UtcDateTime, metadata
from server.db.roles import forgotten

# No fact and no book: kept as long as a request with this time could come again.
used_nonce = Table(
    "used_nonce",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("key_id", String(128), nullable=False),
    Column("nonce", String(MAX_NONCE_CHARS), nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("pool", "key_id", "nonce", name="a_nonce_is_used_once"),
    Index("nonces_by_age", "pool", "seen_at"),
)
forgotten(used_nonce)
