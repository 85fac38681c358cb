"""What terminals were told of the residents: the newest entries, and the numbers they came with."""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Table,
)

from server.db import POOL_ID_MAX, UtcDateTime, metadata
from server.db.roles import forgotten, updated

_ACCOUNT_HEX = 16
_DIGEST_HEX = 64

# An entry's exact bytes, and the number of the directory that changed it last; no bytes: it is
# not there any more, which those who have an older directory are to be told.
directory_entry = Table(
    "directory_entry",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("account", String(_ACCOUNT_HEX), nullable=False),
    Column("body", LargeBinary, nullable=True),
    Column("changed_in", BigInteger, nullable=False),
    PrimaryKeyConstraint("pool", "account", name="an_account_has_one_entry"),
    ForeignKeyConstraint(["pool"], ["pool.pool"], name="an_entry_belongs_to_a_pool"),
    Index("entries_by_what_changed_them", "pool", "changed_in", "account"),
)
updated(directory_entry, "body", "changed_in")
forgotten(directory_entry)

# The newest of them, so many that whoever has an older one gets the whole.
directory_version = Table(
    "directory_version",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("digest", String(_DIGEST_HEX), nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("pool", "version", name="a_directory_has_one_number"),
    ForeignKeyConstraint(["pool"], ["pool.pool"], name="a_directory_belongs_to_a_pool"),
)
forgotten(directory_version)
