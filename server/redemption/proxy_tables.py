"""What workers redeemed for residents, and that it came to the door."""

from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    ForeignKeyConstraint,
    Index,
    PrimaryKeyConstraint,
    String,
    Table,
)

from server.awards.tables import AWARD_ID_MAX
from server.db import POOL_ID_MAX, metadata
from server.db.dialect import never_changes
from server.directory.values import NAME_MAX

PLACE_MAX = 40
HOW_MAX = 40
_UUID_CHARS = 36

proxy_sale = Table(
    "proxy_sale",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("sale_id", String(_UUID_CHARS), nullable=False),
    Column("worker", String(AWARD_ID_MAX), nullable=False),
    Column("account", String(16), nullable=False),
    Column("beneficiary", String(16), nullable=True),
    Column("consent", String(16), nullable=False),
    Column("place", String(PLACE_MAX), nullable=False),
    Column("business_date", Date, nullable=False),
    Column("deliver_by", Date, nullable=False),
    Column("points", BigInteger, nullable=False),
    Column("fact_no", BigInteger, nullable=False),
    PrimaryKeyConstraint("pool", "sale_id", name="a_sale_is_redeemed_by_one_proxy"),
    ForeignKeyConstraint(
        ["pool", "sale_id"], ["sale.pool", "sale.sale_id"], name="a_proxy_redeems_a_known_sale"
    ),
    ForeignKeyConstraint(
        ["pool", "worker"], ["awarder.pool", "awarder.awarder"], name="a_proxy_is_a_known_worker"
    ),
    Index("proxies_of_a_worker", "pool", "worker", "business_date"),
)
never_changes(proxy_sale, "what was redeemed for somebody stays as it was")

proxy_delivery = Table(
    "proxy_delivery",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("sale_id", String(_UUID_CHARS), nullable=False),
    Column("delivered_on", Date, nullable=False),
    Column("said_by", String(NAME_MAX), nullable=False),
    Column("how", String(HOW_MAX), nullable=False),
    Column("fact_no", BigInteger, nullable=False),
    PrimaryKeyConstraint("pool", "sale_id", name="a_proxys_goods_are_delivered_once"),
    ForeignKeyConstraint(
        ["pool", "sale_id"],
        ["proxy_sale.pool", "proxy_sale.sale_id"],
        name="only_a_proxys_goods_are_delivered",
    ),
)
never_changes(proxy_delivery, "a delivery stays as it was told")
