"""The table of who is to do an order."""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
)

from server.db.dialect import never_changes
from server.db.metadata import POOL_ID_MAX, UtcDateTime, metadata
from server.redemption.order_tables import ORDER_ID_MAX
from server.settlement.values import ID_MAX

SAYS_MAX = 200

# Whom the office asked to do an order, the newest last; who did it is said by `order_move`.
order_assignment = Table(
    "order_assignment",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("order_id", String(ORDER_ID_MAX), nullable=False),
    Column("assignment_no", Integer, nullable=False),
    Column("merchant", String(ID_MAX), nullable=False),
    Column("says", String(SAYS_MAX), nullable=False),
    Column("assigned_by", String(128), nullable=False),
    Column("assigned_at", UtcDateTime, nullable=False),
    Column("fact_no", BigInteger, nullable=False),
    PrimaryKeyConstraint(
        "pool", "order_id", "assignment_no", name="assignments_of_an_order_are_counted"
    ),
    ForeignKeyConstraint(
        ["pool", "order_id"],
        ["fulfilment_order.pool", "fulfilment_order.order_id"],
        name="an_order_that_is_known_is_assigned",
    ),
    ForeignKeyConstraint(
        ["pool", "merchant"],
        ["merchant.pool", "merchant.merchant"],
        name="an_order_is_assigned_to_a_known_merchant",
    ),
    ForeignKeyConstraint(
        ["pool", "fact_no"], ["fact.pool", "fact.fact_no"], name="an_assignment_is_a_fact"
    ),
    Index("assignments_by_merchant", "pool", "merchant", "order_id"),
)
never_changes(order_assignment, "an assignment is never changed: assign the order anew")
