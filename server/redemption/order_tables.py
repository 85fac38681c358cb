"""Vouchers and work orders: what is still to be done for points that were taken, and what was."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from server.db import POOL_ID_MAX, UtcDateTime, metadata
from server.db.dialect import never_changes
from server.directory.values import ID_MAX

ORDER_ID_MAX = 48
MOVE_ID_MAX = 80
SAYS_MAX = 200
_UUID_CHARS = 36
_HASH_HEX = 64
_ACTOR_MAX = 128


def _pool_column() -> Column[str]:
    return Column("pool", String(POOL_ID_MAX), nullable=False)


# One for each line of a captured sale that is a voucher or a work order; `order_id` is the sale's
# id, a hyphen and the number of the line. After `valid_until` a voucher is worth nothing.
fulfilment_order = Table(
    "fulfilment_order",
    metadata,
    _pool_column(),
    Column("order_id", String(ORDER_ID_MAX), nullable=False),
    Column("sale_id", String(_UUID_CHARS), nullable=False),
    Column("line_no", Integer, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("item_id", String(ID_MAX), nullable=False),
    Column("units_milli", BigInteger, nullable=False),
    Column("account", String(16), nullable=False),
    Column("business_date", Date, nullable=False),
    Column("valid_until", Date, nullable=True),
    Column("fact_no", BigInteger, nullable=False),
    PrimaryKeyConstraint("pool", "order_id", name="an_order_is_opened_once"),
    UniqueConstraint("pool", "sale_id", "line_no", name="a_line_opens_one_order"),
    ForeignKeyConstraint(
        ["pool", "sale_id", "line_no"],
        ["sale_line.pool", "sale_line.sale_id", "sale_line.line_no"],
        name="an_order_is_of_a_sold_line",
    ),
    ForeignKeyConstraint(
        ["pool", "fact_no"], ["fact.pool", "fact.fact_no"], name="an_order_is_opened_by_a_fact"
    ),
    CheckConstraint("kind IN ('voucher', 'work_order')", name="an_order_is_of_a_known_kind"),
    CheckConstraint("units_milli > 0", name="an_order_promises_something"),
    Index("orders_by_resident", "pool", "account"),
)
never_changes(fulfilment_order, "an order stands as it was sold: fulfil or cancel it")

# What became of an order, move by move; its state is the last one's. `state` "open": some units
# are still to be done. `merchant` is whose books the move concerns: who did it, or who sold it.
# What was done is worth `rate_fen` a unit by `contract`; an undoing names the move that it undoes.
order_move = Table(
    "order_move",
    metadata,
    _pool_column(),
    Column("order_id", String(ORDER_ID_MAX), nullable=False),
    Column("move_no", Integer, nullable=False),
    Column("move", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("units_milli", BigInteger, nullable=False),
    Column("move_id", String(MOVE_ID_MAX), nullable=False),
    Column("content_hash", String(_HASH_HEX), nullable=False),
    Column("merchant", String(ID_MAX), nullable=False),
    Column("shop", String(ID_MAX), nullable=True),
    Column("contract", String(ID_MAX), nullable=True),
    Column("code", String(32), nullable=True),
    Column("rate_fen", BigInteger, nullable=False),
    Column("amount_fen", BigInteger, nullable=False),
    Column("points", BigInteger, nullable=False),
    Column("undoes", Integer, nullable=True),
    Column("business_date", Date, nullable=False),
    Column("moved_at", UtcDateTime, nullable=False),
    Column("moved_by", String(_ACTOR_MAX), nullable=False),
    Column("says", Text, nullable=False),
    Column("fact_no", BigInteger, nullable=False),
    PrimaryKeyConstraint("pool", "order_id", "move_no", name="moves_of_an_order_are_counted"),
    UniqueConstraint("pool", "move_id", name="an_order_is_moved_once_for_a_reason"),
    ForeignKeyConstraint(
        ["pool", "order_id"],
        ["fulfilment_order.pool", "fulfilment_order.order_id"],
        name="a_move_is_of_an_order",
    ),
    ForeignKeyConstraint(
        ["pool", "fact_no"], ["fact.pool", "fact.fact_no"], name="a_move_of_an_order_is_a_fact"
    ),
    CheckConstraint(
        "move IN ('fulfil', 'undo', 'cancel', 'refund', 'expire')",
        name="an_order_moves_in_a_known_way",
    ),
    CheckConstraint(
        "state IN ('open', 'fulfilled', 'cancelled', 'expired')",
        name="an_order_is_in_a_known_state",
    ),
    CheckConstraint("units_milli > 0", name="a_move_of_an_order_moves_units"),
    CheckConstraint("(move = 'undo') = (undoes IS NOT NULL)", name="an_undoing_undoes_a_move"),
    Index("order_moves_by_merchant", "pool", "merchant", "business_date"),
)
never_changes(order_move, "a move of an order is never changed: make the next one")

# How many days a voucher of an item is good for after the day of its sale, from this fact on;
# NULL: for good. The newest row counts.
voucher_validity = Table(
    "voucher_validity",
    metadata,
    _pool_column(),
    Column("item_id", String(ID_MAX), nullable=False),
    Column("fact_no", BigInteger, nullable=False),
    Column("days", Integer, nullable=True),
    Column("reason", String(SAYS_MAX), nullable=False),
    PrimaryKeyConstraint("pool", "item_id", "fact_no", name="a_validity_is_set_by_a_fact"),
    ForeignKeyConstraint(
        ["pool", "fact_no"], ["fact.pool", "fact.fact_no"], name="a_validity_is_a_fact"
    ),
    CheckConstraint("days > 0", name="a_voucher_is_good_for_a_day_at_least"),
)
never_changes(voucher_validity, "how long vouchers were good stays on record: set it anew")
