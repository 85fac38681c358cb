"""What limits leave behind: goods that a question has reserved, and sales beyond a limit."""

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
)

from server.db import POOL_ID_MAX, UtcDateTime, metadata
from server.db.dialect import never_changes
from server.directory.values import ID_MAX

_UUID_CHARS = 36
_ACCOUNT_HEX = 16

# Goods with a limit of their own that an approved question asked for. They count for the resident
# until `held_until`; from the sale's capture on its lines count instead.
limited_goods = Table(
    "limited_goods",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("sale_id", String(_UUID_CHARS), nullable=False),
    Column("item_id", String(ID_MAX), nullable=False),
    Column("account", String(_ACCOUNT_HEX), nullable=False),
    Column("quantity_milli", BigInteger, nullable=False),
    Column("held_until", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("pool", "sale_id", "item_id", name="a_question_names_an_item_once"),
    ForeignKeyConstraint(
        ["pool", "sale_id"], ["sale.pool", "sale.sale_id"], name="goods_are_reserved_for_a_sale"
    ),
    CheckConstraint("quantity_milli > 0", name="a_question_reserves_something"),
    Index("reserved_goods_by_resident", "pool", "account", "held_until"),
)
never_changes(limited_goods, "what a question asked for is never changed")

# A sale that a terminal made by itself, or booked late, beyond a limit that it could not know of.
# The goods are gone and the merchant is paid; an operator is told. `item_id` is '' for a limit on
# points. `used` is what had been taken with this sale, points or whole units, `allowed` the limit.
over_limit = Table(
    "over_limit",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("sale_id", String(_UUID_CHARS), nullable=False),
    Column("what", String(32), nullable=False),
    Column("item_id", String(ID_MAX), nullable=False),
    Column("account", String(_ACCOUNT_HEX), nullable=False),
    Column("business_date", Date, nullable=False),
    Column("used", BigInteger, nullable=False),
    Column("allowed", BigInteger, nullable=False),
    Column("fact_no", BigInteger, nullable=False),
    PrimaryKeyConstraint(
        "pool", "sale_id", "what", "item_id", name="a_sale_goes_over_a_limit_once"
    ),
    ForeignKeyConstraint(
        ["pool", "sale_id"], ["sale.pool", "sale.sale_id"], name="a_booked_sale_is_over_a_limit"
    ),
    CheckConstraint("used > allowed", name="over_a_limit_is_more_than_it_allows"),
    Index("over_limits_by_day", "pool", "business_date"),
)
never_changes(over_limit, "that a sale went over a limit stays on record")
