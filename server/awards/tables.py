"""Which deed was awarded, by which rule, to whom."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    ForeignKeyConstraint,
    Index,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
)

from server.db import POOL_ID_MAX, metadata
from server.db.dialect import never_changes
from server.directory.values import ID_MAX, NAME_MAX

AWARD_ID_MAX = 64

# `points` is what the rule was worth on `performed_on`: history is never re-rated.
award = Table(
    "award",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("award_id", String(AWARD_ID_MAX), nullable=False),
    Column("account", String(16), nullable=False),
    Column("rule_id", String(ID_MAX), nullable=False),
    Column("category", String(NAME_MAX), nullable=False),
    Column("performed_on", Date, nullable=False),
    Column("points", BigInteger, nullable=False),
    Column("awarded_by", String(NAME_MAX), nullable=False),
    Column("memo", String(200), nullable=False),
    Column("fact_no", BigInteger, nullable=False),
    PrimaryKeyConstraint("pool", "award_id", name="an_award_has_one_id"),
    UniqueConstraint("pool", "fact_no", name="a_fact_awards_once"),
    ForeignKeyConstraint(
        ["pool", "account"],
        ["resident.pool", "resident.account"],
        name="an_award_goes_to_a_resident",
    ),
    CheckConstraint("points > 0", name="an_award_is_worth_something"),
    Index("awards_by_account", "pool", "account", "performed_on"),
)
never_changes(award, "an award is never changed: claw it back with another one")
