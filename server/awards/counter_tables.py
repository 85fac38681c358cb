"""Where points are registered at a counter, by whom, and what terminals told of it."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
)

from server.awards.tables import AWARD_ID_MAX
from server.db import POOL_ID_MAX, UtcDateTime, metadata
from server.db.dialect import never_changes
from server.db.roles import updated
from server.directory.values import ID_MAX, NAME_MAX

PIN_HASH_MAX = 255
EVENT_MAX = 64

# At these shops' terminals workers may register points; `allowed` is false where it ended.
counter_shop = Table(
    "counter_shop",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("shop", String(ID_MAX), nullable=False),
    Column("allowed", Boolean, nullable=False),
    PrimaryKeyConstraint("pool", "shop", name="a_shop_has_counter_awards_or_not"),
    ForeignKeyConstraint(
        ["pool", "shop"], ["shop.pool", "shop.shop"], name="counter_awards_are_at_a_known_shop"
    ),
)
updated(counter_shop, "allowed")

# With which PIN somebody who awards signs in at terminals; only Argon2id's text of it.
awarder_pin = Table(
    "awarder_pin",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("awarder", String(AWARD_ID_MAX), nullable=False),
    Column("pin_hash", String(PIN_HASH_MAX), nullable=False),
    PrimaryKeyConstraint("pool", "awarder", name="an_awarder_has_one_pin"),
    ForeignKeyConstraint(
        ["pool", "awarder"],
        ["awarder.pool", "awarder.awarder"],
        name="a_pin_is_a_known_awarders",
    ),
)
updated(awarder_pin, "pin_hash")

# What a terminal told, booked or not: what became of it is the record's outcome.
counter_award = Table(
    "counter_award",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("terminal", String(ID_MAX), nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("award_id", String(AWARD_ID_MAX), nullable=False),
    Column("worker", String(NAME_MAX), nullable=False),
    Column("account", String(16), nullable=False),
    Column("rule_id", String(ID_MAX), nullable=False),
    Column("performed_on", Date, nullable=False),
    Column("points", BigInteger, nullable=False),
    Column("event", String(EVENT_MAX), nullable=True),
    Column("occurred_at", UtcDateTime, nullable=False),
    Column("fact_no", BigInteger, nullable=False),
    PrimaryKeyConstraint(
        "pool", "terminal", "epoch", "seq", name="a_record_tells_one_counter_award"
    ),
    Index("counter_awards_by_day", "pool", "performed_on"),
    Index("counter_awards_by_event", "pool", "event"),
)
never_changes(counter_award, "what a terminal told stays as it was told")

# How far workers redeem for others. No row: not at all; `residents_a_day` 0: no longer.
proxy_rules = Table(
    "proxy_rules",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("residents_a_day", Integer, nullable=False),
    Column("points_a_day", BigInteger, nullable=True),
    Column("deliver_within_days", Integer, nullable=False),
    PrimaryKeyConstraint("pool", name="a_pool_has_one_set_of_proxy_rules"),
    ForeignKeyConstraint(["pool"], ["pool.pool"], name="proxy_rules_are_a_pools"),
)
updated(proxy_rules, "residents_a_day", "points_a_day", "deliver_within_days")
