"""Temporary cards (临时积分卡): which residents' accounts are a household's, and whom they went to."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
)

from server.db import POOL_ID_MAX, UtcDateTime, metadata
from server.db.dialect import never_changes

_ACCOUNT_HEX = 16
_ID_MAX = 64
_WHO_MAX = 128
_SAYS_MAX = 200

# An account that a household has as long as it lives there; its points, its card and its history
# are a resident's otherwise.
temporary_card = Table(
    "temporary_card",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("account", String(_ACCOUNT_HEX), nullable=False),
    Column("card_id", String(_ACCOUNT_HEX), nullable=False),
    Column("issued_at", UtcDateTime, nullable=False),
    Column("fact_no", BigInteger, nullable=False),
    PrimaryKeyConstraint("pool", "account", name="a_temporary_card_is_issued_once"),
    ForeignKeyConstraint(
        ["pool", "account"],
        ["resident.pool", "resident.account"],
        name="a_temporary_card_is_a_residents_account",
    ),
)
never_changes(temporary_card, "a temporary card is never changed: hand it on")

# The household moved out: the card is dead, and what was on it is the next household's.
temporary_handover = Table(
    "temporary_handover",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("account", String(_ACCOUNT_HEX), nullable=False),
    Column("to_account", String(_ACCOUNT_HEX), nullable=False),
    Column("handed_at", UtcDateTime, nullable=False),
    Column("handed_by", String(_WHO_MAX), nullable=False),
    Column("reason", String(_SAYS_MAX), nullable=False),
    Column("fact_no", BigInteger, nullable=False),
    PrimaryKeyConstraint("pool", "account", name="a_temporary_card_is_handed_on_once"),
    UniqueConstraint("pool", "to_account", name="a_household_takes_over_from_one"),
    ForeignKeyConstraint(
        ["pool", "account"],
        ["temporary_card.pool", "temporary_card.account"],
        name="a_temporary_card_is_handed_on",
    ),
    ForeignKeyConstraint(
        ["pool", "to_account"],
        ["temporary_card.pool", "temporary_card.account"],
        name="a_temporary_card_is_handed_to_another_one",
    ),
    CheckConstraint("account <> to_account", name="nobody_hands_a_card_to_himself"),
)
never_changes(temporary_handover, "a card that was handed on stays so: hand on the next one")

# Points that went over: with the handing over, and later what a till had reserved then.
temporary_move = Table(
    "temporary_move",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("move", String(_ID_MAX), nullable=False),
    Column("account", String(_ACCOUNT_HEX), nullable=False),
    Column("points", BigInteger, nullable=False),
    Column("debts_points", BigInteger, nullable=False),
    Column("moved_by", String(_WHO_MAX), nullable=False),
    Column("fact_no", BigInteger, nullable=False),
    PrimaryKeyConstraint("pool", "move", name="a_move_between_households_has_one_id"),
    ForeignKeyConstraint(
        ["pool", "account"],
        ["temporary_handover.pool", "temporary_handover.account"],
        name="points_move_from_a_card_that_was_handed_on",
    ),
    CheckConstraint("points >= 0 AND debts_points >= 0", name="a_move_takes_nothing_back"),
    Index("moves_between_households", "pool", "account"),
)
never_changes(temporary_move, "points that went over stay there")
