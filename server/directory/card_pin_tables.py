"""Cards' PINs: what Argon2id made of them, wrong ones, and which are locked."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
)

from server.db import POOL_ID_MAX, UtcDateTime, metadata
from server.db.dialect import never_changes

_ACCOUNT_HEX = 16
_HALF_HEX = 32
_ID_MAX = 64
_TERMINAL_MAX = 32
_REASON_MAX = 80
_KIND_MAX = 16

# A PIN of one card; setting another one and lifting a lock begin the next round. Salted with the
# card's own secret, which is in no table: nothing here can be searched for the PIN by itself.
card_pin = Table(
    "card_pin",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("card_id", String(_ACCOUNT_HEX), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("pin_round", Integer, nullable=False),
    Column("pin_id", String(_ID_MAX), nullable=False),
    Column("began_by", String(_KIND_MAX), nullable=False),
    Column("verifier_hex", String(_HALF_HEX), nullable=False),
    Column("proof_key_hex", String(_HALF_HEX), nullable=False),
    Column("began_at", UtcDateTime, nullable=False),
    Column("reason", String(_REASON_MAX), nullable=False),
    PrimaryKeyConstraint("pool", "card_id", "seq", "pin_round", name="pins_of_a_card_are_counted"),
    UniqueConstraint("pool", "pin_id", name="a_pin_is_set_once"),
    ForeignKeyConstraint(
        ["pool", "card_id"], ["card.pool", "card.card_id"], name="a_pin_is_of_a_residents_card"
    ),
    CheckConstraint("pin_round >= 1", name="pins_count_from_one"),
    CheckConstraint("began_by IN ('set', 'unlocked')", name="a_pin_is_set_or_unlocked"),
)
never_changes(card_pin, "a PIN is never changed: set another one")

# A wrong PIN, by the place of its record in its terminal's journal: each counts once.
card_pin_try = Table(
    "card_pin_try",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("terminal", String(_TERMINAL_MAX), nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("record_seq", BigInteger, nullable=False),
    Column("card_id", String(_ACCOUNT_HEX), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("pin_round", Integer, nullable=False),
    Column("told_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint(
        "pool", "terminal", "epoch", "record_seq", name="a_record_tells_of_one_wrong_pin"
    ),
    ForeignKeyConstraint(
        ["pool", "card_id", "seq", "pin_round"],
        ["card_pin.pool", "card_pin.card_id", "card_pin.seq", "card_pin.pin_round"],
        name="a_wrong_pin_is_tried_against_a_known_one",
    ),
    Index("wrong_pins_by_card", "pool", "card_id", "seq", "pin_round", "told_at"),
)
never_changes(card_pin_try, "a wrong PIN was typed: unlock the PIN, and it counts no more")

# Too many wrong ones: locked until the next round.
card_pin_lock = Table(
    "card_pin_lock",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("card_id", String(_ACCOUNT_HEX), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("pin_round", Integer, nullable=False),
    Column("locked_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("pool", "card_id", "seq", "pin_round", name="a_pin_is_locked_once"),
    ForeignKeyConstraint(
        ["pool", "card_id", "seq", "pin_round"],
        ["card_pin.pool", "card_pin.card_id", "card_pin.seq", "card_pin.pin_round"],
        name="a_lock_is_of_a_known_pin",
    ),
)
never_changes(card_pin_lock, "a locked PIN stays locked: unlock it, which begins the next round")
