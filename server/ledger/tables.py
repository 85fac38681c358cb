"""The ledger's tables. What a table promises is said in its comment and held by the database."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from server.db.dialect import Guard, guard, never_changes
from server.db.metadata import POOL_ID_MAX, UtcDateTime, metadata
from server.db.roles import updated

_ACCOUNT_KEY_MAX = 128
_NATURAL_KEY_MAX = 160

# The pool's row: locked first by whatever changes the pool's books, and the source of the
# numbers that count entries and transfers without a gap.
ledger_head = Table(
    "ledger_head",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("last_entry_no", BigInteger, nullable=False),
    Column("last_transfer_no", BigInteger, nullable=False),
    PrimaryKeyConstraint("pool", name="a_pool_has_one_set_of_books"),
)
updated(ledger_head, "last_entry_no", "last_transfer_no")

# `debits` and `credits` are the sums of the account's transfers, kept in the same commit, except
# for hot accounts, where they stay 0 and the sums are folded when somebody asks.
account = Table(
    "account",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("account", String(_ACCOUNT_KEY_MAX), nullable=False),
    Column("asset", String(8), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("normal", String(6), nullable=False),
    Column("floor_at_zero", Boolean, nullable=False),
    Column("hot", Boolean, nullable=False),
    Column("debits", BigInteger, nullable=False),
    Column("credits", BigInteger, nullable=False),
    PrimaryKeyConstraint("pool", "account", "asset", name="an_account_holds_one_asset_of_one_pool"),
    ForeignKeyConstraint(
        ["pool"], ["ledger_head.pool"], name="an_account_belongs_to_a_pools_books"
    ),
    CheckConstraint("asset IN ('points', 'fen')", name="an_asset_is_points_or_fen"),
    CheckConstraint("normal IN ('debit', 'credit')", name="a_normal_side_is_debit_or_credit"),
    CheckConstraint("debits >= 0 AND credits >= 0", name="an_account_sums_whole_numbers_from_zero"),
    CheckConstraint(
        "NOT floor_at_zero OR (normal = 'credit' AND credits >= debits)"
        " OR (normal = 'debit' AND debits >= credits)",
        name="a_floored_account_never_goes_below_zero",
    ),
    CheckConstraint("NOT (hot AND floor_at_zero)", name="a_hot_account_has_no_floor"),
    CheckConstraint("NOT hot OR (debits = 0 AND credits = 0)", name="a_hot_account_is_only_folded"),
    Index("accounts_by_kind", "pool", "kind", "account"),
)
updated(account, "debits", "credits")
guard(
    account,
    Guard("account", "account_is_never_deleted", "DELETE", "an account is never deleted"),
    Guard(
        "account",
        "account_never_loses_a_transfer",
        "UPDATE",
        "an account's sums only grow, and it stays what it was opened as",
        "NEW.debits < OLD.debits OR NEW.credits < OLD.credits OR NEW.pool <> OLD.pool"
        " OR NEW.account <> OLD.account OR NEW.asset <> OLD.asset OR NEW.kind <> OLD.kind"
        " OR NEW.normal <> OLD.normal OR NEW.floor_at_zero <> OLD.floor_at_zero"
        " OR NEW.hot <> OLD.hot",
    ),
)

# One business event, booked once: its natural key never expires.
entry = Table(
    "entry",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("entry_no", BigInteger, nullable=False),
    Column("key", String(_NATURAL_KEY_MAX), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("input_hash", LargeBinary(32), nullable=False),
    Column("occurred_at", UtcDateTime, nullable=False),
    Column("recorded_at", UtcDateTime, nullable=False),
    Column("business_date", Date, nullable=False),
    Column("fact_no", BigInteger, nullable=False),
    Column("memo", Text, nullable=False),
    PrimaryKeyConstraint("pool", "entry_no", name="entries_of_a_pool_are_counted"),
    UniqueConstraint("pool", "key", name="a_natural_key_is_booked_once"),
    ForeignKeyConstraint(["pool"], ["ledger_head.pool"], name="an_entry_belongs_to_a_pools_books"),
    CheckConstraint("entry_no > 0", name="entries_are_counted_from_one"),
    Index("entries_by_business_date", "pool", "business_date", "entry_no"),
    Index("entries_by_fact", "pool", "fact_no"),
)
never_changes(entry, "an entry is never changed: book another one")

transfer = Table(
    "transfer",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("transfer_no", BigInteger, nullable=False),
    Column("entry_no", BigInteger, nullable=False),
    Column("position", Integer, nullable=False),
    Column("asset", String(8), nullable=False),
    Column("code", String(32), nullable=False),
    Column("debit_account", String(_ACCOUNT_KEY_MAX), nullable=False),
    Column("credit_account", String(_ACCOUNT_KEY_MAX), nullable=False),
    Column("amount", BigInteger, nullable=False),
    PrimaryKeyConstraint("pool", "transfer_no", name="transfers_of_a_pool_are_counted"),
    UniqueConstraint("pool", "entry_no", "position", name="a_leg_has_one_place_in_its_entry"),
    ForeignKeyConstraint(
        ["pool", "entry_no"],
        ["entry.pool", "entry.entry_no"],
        name="a_transfer_belongs_to_an_entry",
    ),
    ForeignKeyConstraint(
        ["pool", "debit_account", "asset"],
        ["account.pool", "account.account", "account.asset"],
        name="a_transfer_debits_a_known_account",
    ),
    ForeignKeyConstraint(
        ["pool", "credit_account", "asset"],
        ["account.pool", "account.account", "account.asset"],
        name="a_transfer_credits_a_known_account",
    ),
    CheckConstraint("amount > 0", name="a_transfer_moves_more_than_nothing"),
    CheckConstraint("debit_account <> credit_account", name="a_transfer_has_two_accounts"),
    Index("transfers_by_debit", "pool", "debit_account", "asset", "transfer_no"),
    Index("transfers_by_credit", "pool", "credit_account", "asset", "transfer_no"),
)
never_changes(transfer, "a transfer is never changed: book another one")

# What a hot account's transfers up to number `upto` come to: its balance is this and its tail.
# Nothing but a shortcut: any row of it can be worked out from the transfers again.
rollup = Table(
    "rollup",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("account", String(_ACCOUNT_KEY_MAX), nullable=False),
    Column("asset", String(8), nullable=False),
    Column("upto", BigInteger, nullable=False),
    Column("debits", BigInteger, nullable=False),
    Column("credits", BigInteger, nullable=False),
    PrimaryKeyConstraint("pool", "account", "asset", name="an_account_is_rolled_up_in_one_row"),
    ForeignKeyConstraint(
        ["pool", "account", "asset"],
        ["account.pool", "account.account", "account.asset"],
        name="a_roll_up_is_of_a_known_account",
    ),
    CheckConstraint(
        "upto >= 0 AND debits >= 0 AND credits >= 0", name="a_roll_up_sums_whole_numbers_from_zero"
    ),
)
guard(
    rollup,
    Guard("rollup", "rollup_is_never_deleted", "DELETE", "a roll-up is never deleted"),
    Guard(
        "rollup",
        "rollup_never_steps_back",
        "UPDATE",
        "a roll-up only takes in more transfers",
        "NEW.upto < OLD.upto OR NEW.debits < OLD.debits OR NEW.credits < OLD.credits"
        " OR NEW.pool <> OLD.pool OR NEW.account <> OLD.account OR NEW.asset <> OLD.asset",
    ),
)

updated(rollup, "upto", "debits", "credits")

# A hold is a promise about one account. A tombstone, and a capture that found no hold, hold
# nothing and name no account: they only keep the key from being held later.
hold = Table(
    "hold",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("hold_key", String(_NATURAL_KEY_MAX), nullable=False),
    Column("account", String(_ACCOUNT_KEY_MAX), nullable=True),
    Column("asset", String(8), nullable=True),
    Column("amount", BigInteger, nullable=False),
    Column("state", String(10), nullable=False),
    Column("captured_amount", BigInteger, nullable=False),
    Column("placed_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("resolved_at", UtcDateTime, nullable=True),
    PrimaryKeyConstraint("pool", "hold_key", name="a_hold_key_is_used_once"),
    ForeignKeyConstraint(["pool"], ["ledger_head.pool"], name="a_hold_belongs_to_a_pools_books"),
    ForeignKeyConstraint(
        ["pool", "account", "asset"],
        ["account.pool", "account.account", "account.asset"],
        name="a_hold_is_on_a_known_account",
    ),
    CheckConstraint(
        "state IN ('held', 'captured', 'voided', 'tombstone')", name="a_hold_is_in_a_known_state"
    ),
    CheckConstraint(
        "captured_amount >= 0 AND captured_amount <= amount",
        name="a_hold_captures_at_most_what_it_held",
    ),
    CheckConstraint(
        "state = 'captured' OR captured_amount = 0", name="only_a_captured_hold_has_captured"
    ),
    CheckConstraint(
        "(state = 'held') = (resolved_at IS NULL)", name="a_resolved_hold_says_since_when"
    ),
    CheckConstraint(
        "(amount > 0) = (account IS NOT NULL AND asset IS NOT NULL)",
        name="an_amount_is_held_on_an_account",
    ),
    CheckConstraint(
        "amount > 0 OR state IN ('captured', 'tombstone')", name="a_live_hold_holds_something"
    ),
    CheckConstraint("state <> 'tombstone' OR amount = 0", name="a_tombstone_holds_nothing"),
    Index(
        "live_holds_by_account",
        "pool",
        "account",
        "asset",
        "expires_at",
        sqlite_where=text("state = 'held'"),
        postgresql_where=text("state = 'held'"),
    ),
)
updated(hold, "state", "captured_amount", "resolved_at")
guard(
    hold,
    Guard("hold", "hold_is_never_deleted", "DELETE", "a hold is never deleted"),
    Guard(
        "hold",
        "hold_resolves_once",
        "UPDATE",
        "a resolved hold is never changed",
        "OLD.state <> 'held'",
    ),
)
