"""The fact log's tables."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Table,
)

from server.db.dialect import Guard, guard, never_changes
from server.db.metadata import POOL_ID_MAX, UtcDateTime, metadata
from server.db.roles import updated

# One row per pool, locked while a fact is appended and applied: the facts of a pool are applied
# one after the other, and a lower number never commits after a higher one. `standing_no` is the
# last one that may have changed standing data: what was read of it before is good until then.
fact_head = Table(
    "fact_head",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("last_fact_no", BigInteger, nullable=False),
    Column("last_recorded_at", UtcDateTime, nullable=True),
    Column("standing_no", BigInteger, nullable=False, server_default="0"),
    PrimaryKeyConstraint("pool", name="a_pool_has_one_fact_log"),
)
updated(fact_head, "last_fact_no", "last_recorded_at", "standing_no")
guard(
    fact_head,
    Guard("fact_head", "fact_head_is_never_deleted", "DELETE", "a fact log is never deleted"),
    Guard(
        "fact_head",
        "fact_head_never_steps_back",
        "UPDATE",
        "facts are counted upwards, and their time never steps back",
        "NEW.last_fact_no < OLD.last_fact_no OR NEW.last_recorded_at < OLD.last_recorded_at",
    ),
)

# `body` is the exact bytes: what was signed by a terminal can still be verified years later.
fact = Table(
    "fact",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("fact_no", BigInteger, nullable=False),
    Column("kind", String(48), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("actor", String(128), nullable=False),
    Column("recorded_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("pool", "fact_no", name="facts_of_a_pool_are_counted"),
    ForeignKeyConstraint(["pool"], ["fact_head.pool"], name="a_fact_belongs_to_a_pools_log"),
    CheckConstraint("fact_no > 0", name="facts_are_counted_from_one"),
)
never_changes(fact, "a fact is never changed: add another one")
