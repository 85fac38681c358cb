"""Phones: which key signs for a resident, by whom it was let in, and what it was used for."""

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
)

from server.db import POOL_ID_MAX, UtcDateTime, metadata
from server.db.dialect import never_changes
from server.db.roles import updated

_ACCOUNT_HEX = 16
_KEY_HEX = 66
_UNIT_MAX = 16
_SALE_ID = 36
_ID_MAX = 32

# The newest one-time code for a resident's phone. Guesses at its second half are counted on it.
phone_invitation = Table(
    "phone_invitation",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("account", String(_ACCOUNT_HEX), nullable=False),
    Column("code_name", String(8), nullable=False),
    Column("code_hash", String(64), nullable=False),
    Column("code_expires_at", UtcDateTime, nullable=False),
    Column("tries_left", Integer, nullable=False),
    PrimaryKeyConstraint("pool", "account", name="a_resident_has_one_invitation"),
    ForeignKeyConstraint(
        ["pool", "account"],
        ["resident.pool", "resident.account"],
        name="an_invitation_is_a_residents",
    ),
    Index("phone_invitations_by_name", "pool", "code_name"),
)
updated(phone_invitation, "code_name", "code_hash", "code_expires_at", "tries_left")

# A phone's key. A resident has one live phone; a new one ends the one before.
phone = Table(
    "phone",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("account", String(_ACCOUNT_HEX), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("public_key", String(_KEY_HEX), nullable=False),
    Column("flags", Integer, nullable=False),
    Column("state", String(_UNIT_MAX), nullable=False),
    Column("enrolled_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime, nullable=True),
    PrimaryKeyConstraint("pool", "account", "seq", name="phones_of_a_resident_are_counted"),
    ForeignKeyConstraint(
        ["pool", "account"], ["resident.pool", "resident.account"], name="a_phone_is_a_residents"
    ),
    CheckConstraint(
        "state IN ('live', 'revoked', 'replaced', 'copied')", name="a_phone_is_in_a_known_state"
    ),
    CheckConstraint("(state = 'live') = (ended_at IS NULL)", name="a_live_phone_has_not_ended"),
    CheckConstraint("seq BETWEEN 1 AND 65535", name="a_phones_number_fits_its_certificate"),
)
updated(phone, "state", "ended_at")

# Which sale a phone's counter was used for. The same counter under another content is another
# device that has the key.
phone_use = Table(
    "phone_use",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("sale_id", String(_SALE_ID), nullable=False),
    Column("account", String(_ACCOUNT_HEX), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("counter", Integer, nullable=False),
    Column("content_hash", String(64), nullable=False),
    Column("terminal", String(_ID_MAX), nullable=False),
    Column("fact_no", BigInteger, nullable=False),
    PrimaryKeyConstraint("pool", "sale_id", name="a_sale_uses_one_code_of_a_phone"),
    ForeignKeyConstraint(
        ["pool", "account", "seq"],
        ["phone.pool", "phone.account", "phone.seq"],
        name="a_use_is_of_a_known_phone",
    ),
    Index("phone_uses_by_counter", "pool", "account", "seq", "counter"),
)
never_changes(phone_use, "what a phone's code was used for stands")
