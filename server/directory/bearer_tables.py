"""What happened to denominated cards after they were given out."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    PrimaryKeyConstraint,
    String,
    Table,
)

from server.db import POOL_ID_MAX, UtcDateTime, metadata
from server.db.dialect import never_changes

_ACCOUNT_HEX = 16
_ID_MAX = 64
_WHO_MAX = 128
_SAYS_MAX = 200

# A card that no till takes any more: lost, stolen, or replaced.
bearer_stop = Table(
    "bearer_stop",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("card_id", String(_ACCOUNT_HEX), nullable=False),
    Column("stopped_at", UtcDateTime, nullable=False),
    Column("stopped_by", String(_WHO_MAX), nullable=False),
    Column("reason", String(_SAYS_MAX), nullable=False),
    Column("fact_no", BigInteger, nullable=False),
    PrimaryKeyConstraint("pool", "card_id", name="a_bearer_card_is_stopped_once"),
    ForeignKeyConstraint(
        ["pool", "card_id"],
        ["bearer_card.pool", "bearer_card.card_id"],
        name="a_stop_is_of_a_bearer_card",
    ),
)
never_changes(bearer_stop, "a stopped card stays stopped: replace it with another one")

# Points that left a card other than in a sale: to the card that replaces it, or to a resident.
bearer_move = Table(
    "bearer_move",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("move", String(_ID_MAX), nullable=False),
    Column("card_id", String(_ACCOUNT_HEX), nullable=False),
    Column("to_card", String(_ACCOUNT_HEX), nullable=True),
    Column("to_account", String(_ACCOUNT_HEX), nullable=True),
    Column("points", BigInteger, nullable=False),
    Column("moved_by", String(_WHO_MAX), nullable=False),
    Column("reason", String(_SAYS_MAX), nullable=False),
    Column("fact_no", BigInteger, nullable=False),
    PrimaryKeyConstraint("pool", "move", name="a_move_of_a_cards_points_has_one_id"),
    ForeignKeyConstraint(
        ["pool", "card_id"],
        ["bearer_card.pool", "bearer_card.card_id"],
        name="points_are_moved_from_a_bearer_card",
    ),
    ForeignKeyConstraint(
        ["pool", "to_card"],
        ["bearer_card.pool", "bearer_card.card_id"],
        name="points_are_moved_to_a_known_card",
    ),
    ForeignKeyConstraint(
        ["pool", "to_account"],
        ["resident.pool", "resident.account"],
        name="points_are_moved_to_a_known_resident",
    ),
    CheckConstraint(
        "(to_card IS NULL) <> (to_account IS NULL)", name="points_move_to_a_card_or_to_a_resident"
    ),
    CheckConstraint("points > 0", name="a_move_moves_something"),
    Index("bearer_moves_by_card", "pool", "card_id"),
    Index("bearer_moves_by_new_card", "pool", "to_card"),
)
never_changes(bearer_move, "what was moved from a card stays moved: move it again")
