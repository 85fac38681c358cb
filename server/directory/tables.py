"""The directory's tables: what stands in the pool, changed by facts only."""

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

from server.db import POOL_ID_MAX, UtcDateTime, metadata
from server.db.dialect import Guard, guard, never_changes
from server.db.roles import only_grows, updated
from server.directory.values import ID_MAX, NAME_MAX

_ACCOUNT_HEX = 16
_KEY_TEXT_MAX = 80
_UNIT_MAX = 16
_REASON_MAX = 200


def _pool_column() -> Column[str]:
    return Column("pool", String(POOL_ID_MAX), nullable=False)


# One row: the policy that the pool was adopted with.
pool = Table(
    "pool",
    metadata,
    _pool_column(),
    Column("name", String(NAME_MAX), nullable=False),
    Column("name_en", String(NAME_MAX), nullable=False),
    Column("street", String(NAME_MAX), nullable=False),
    Column("unit_name", String(NAME_MAX), nullable=False),
    Column("unit_name_en", String(NAME_MAX), nullable=False),
    Column("merchant_word", String(NAME_MAX), nullable=False),
    Column("fen_per_point", Integer, nullable=True),
    Column("fen_remainder", String(_UNIT_MAX), nullable=False),
    Column("cut_off_hour", Integer, nullable=False),
    Column("hold_s", Integer, nullable=False),
    Column("card_cap_points", Integer, nullable=False),
    Column("card_valid_days", Integer, nullable=False),
    Column("slot_cap_points", Integer, nullable=False),
    Column("slot_minutes", Integer, nullable=False),
    Column("per_sale_points", BigInteger, nullable=False),
    Column("per_resident_points", BigInteger, nullable=False),
    Column("per_terminal_soft_points", BigInteger, nullable=False),
    Column("per_terminal_hard_points", BigInteger, nullable=False),
    Column("directory_fresh_h", Integer, nullable=False),
    # Limits that came later, as a JSON object; NULL in a pool from before there were any.
    Column("stand_in_more", Text, nullable=True),
    Column("directory_max_age_h", Integer, nullable=False),
    # A JSON array of whole numbers that rises from 0.
    Column("allowance_buckets_points", Text, nullable=False),
    Column("points_expire_after_days", Integer, nullable=True),
    # Basis points of what all points are worth; None where nobody looks at it.
    Column("cover_warning_bp", Integer, nullable=True),
    Column("cover_hard_bp", Integer, nullable=True),
    Column("root_key", String(_KEY_TEXT_MAX), nullable=False),
    Column("adopted_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("pool", name="a_pool_is_adopted_once"),
    CheckConstraint("fen_per_point > 0", name="a_point_is_worth_something_or_nothing_is_said"),
)
updated(pool, "points_expire_after_days", "cover_warning_bp", "cover_hard_bp")

# How far points may pay, from a business date on; of two periods that begin on the same day the
# higher version counts. A pool that has none, or before its first, has no limits.
redemption_terms = Table(
    "redemption_terms",
    metadata,
    _pool_column(),
    Column("valid_from", Date, nullable=False),
    Column("version", Integer, nullable=False),
    Column("fen_remainder", String(_UNIT_MAX), nullable=False),
    Column("bill_share_bp", Integer, nullable=False),
    # A JSON array of the goods' categories that points may not pay.
    Column("excluded_categories", Text, nullable=False),
    Column("per_sale_points", BigInteger, nullable=True),
    Column("per_day_points", BigInteger, nullable=True),
    Column("per_household_day_points", BigInteger, nullable=True),
    Column("minimum_points", BigInteger, nullable=True),
    Column("card_no_pin_day_points", BigInteger, nullable=True),
    # 0: nobody redeems without phone and card.
    Column("manual_day_points", BigInteger, nullable=False, server_default=text("0")),
    Column("reason", String(_REASON_MAX), nullable=False),
    PrimaryKeyConstraint(
        "pool", "valid_from", "version", name="redemption_terms_are_numbered_by_their_day"
    ),
    ForeignKeyConstraint(["pool"], ["pool.pool"], name="redemption_terms_belong_to_a_pool"),
    CheckConstraint("bill_share_bp BETWEEN 0 AND 10000", name="points_pay_at_most_the_whole_bill"),
)
never_changes(redemption_terms, "redemption terms are never changed: set others from a later day")

issuer_key = Table(
    "issuer_key",
    metadata,
    _pool_column(),
    Column("kid", Integer, nullable=False),
    Column("public_key", String(_KEY_TEXT_MAX), nullable=False),
    PrimaryKeyConstraint("pool", "kid", name="an_issuer_key_has_one_number"),
    ForeignKeyConstraint(["pool"], ["pool.pool"], name="an_issuer_key_belongs_to_a_pool"),
)
only_grows(issuer_key)

# Lists of issuer keys, as the root key signed them; the newest counts. A pool has none as long as
# its root key signs by itself.
key_list = Table(
    "key_list",
    metadata,
    _pool_column(),
    Column("version", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("signature", LargeBinary, nullable=False),
    Column("taken_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("pool", "version", name="key_lists_are_numbered"),
    ForeignKeyConstraint(["pool"], ["pool.pool"], name="a_key_list_belongs_to_a_pool"),
)
never_changes(key_list, "a key list is never changed: sign the next one")

place = Table(
    "place",
    metadata,
    _pool_column(),
    Column("place", String(ID_MAX), nullable=False),
    Column("kind", String(_UNIT_MAX), nullable=False),
    Column("name", String(NAME_MAX), nullable=False),
    Column("parent", String(ID_MAX), nullable=True),
    PrimaryKeyConstraint("pool", "place", name="a_place_has_one_id"),
    ForeignKeyConstraint(["pool"], ["pool.pool"], name="a_place_belongs_to_a_pool"),
    ForeignKeyConstraint(
        ["pool", "parent"], ["place.pool", "place.place"], name="a_place_lies_in_a_known_place"
    ),
)
only_grows(place)

shop_kind = Table(
    "shop_kind",
    metadata,
    _pool_column(),
    Column("shop_kind", String(ID_MAX), nullable=False),
    Column("name", String(NAME_MAX), nullable=False),
    Column("name_en", String(NAME_MAX), nullable=False),
    Column("pays_share", Boolean, nullable=False),
    Column("pays_rent", Boolean, nullable=False),
    PrimaryKeyConstraint("pool", "shop_kind", name="a_shop_kind_has_one_id"),
    ForeignKeyConstraint(["pool"], ["pool.pool"], name="a_shop_kind_belongs_to_a_pool"),
)
only_grows(shop_kind)

# A rule that changed stands here once for each of its periods; what was awarded is not re-rated.
award_rule = Table(
    "award_rule",
    metadata,
    _pool_column(),
    Column("rule_id", String(ID_MAX), nullable=False),
    Column("first_day", Date, nullable=False),
    Column("last_day", Date, nullable=True),
    Column("category", String(NAME_MAX), nullable=False),
    Column("points", Integer, nullable=False),
    Column("same_fact_as", String(ID_MAX), nullable=True),
    PrimaryKeyConstraint("pool", "rule_id", "first_day", name="an_award_rule_starts_once_a_day"),
    ForeignKeyConstraint(["pool"], ["pool.pool"], name="an_award_rule_belongs_to_a_pool"),
    CheckConstraint("points > 0", name="an_award_rule_awards_something"),
)
only_grows(award_rule)

# The newest version is on sale; the older ones stay, for records that were made under them.
item = Table(
    "item",
    metadata,
    _pool_column(),
    Column("item_id", String(ID_MAX), nullable=False),
    Column("item_version", Integer, nullable=False),
    Column("position", Integer, nullable=False),
    Column("name", String(NAME_MAX), nullable=False),
    Column("name_en", String(NAME_MAX), nullable=False),
    Column("category", String(NAME_MAX), nullable=False),
    Column("unit", String(_UNIT_MAX), nullable=False),
    Column("barcode", String(_UNIT_MAX), nullable=True),
    Column("price_fen", BigInteger, nullable=True),
    Column("price_points", BigInteger, nullable=True),
    Column("reimbursement_fen", BigInteger, nullable=False),
    Column("weighed", Boolean, nullable=False),
    Column("quick_key", Boolean, nullable=False),
    Column("stock", BigInteger, nullable=True),
    Column("fulfilment", String(_UNIT_MAX), nullable=False),
    Column("limit_per_resident", Integer, nullable=True),
    Column("limit_per_household", Integer, nullable=True),
    Column("limit_period", String(_UNIT_MAX), nullable=False, server_default="day"),
    Column("both_due", Boolean, nullable=False, server_default=text("false")),
    PrimaryKeyConstraint("pool", "item_id", "item_version", name="an_item_has_numbered_versions"),
    ForeignKeyConstraint(["pool"], ["pool.pool"], name="an_item_belongs_to_a_pool"),
    CheckConstraint(
        "price_fen IS NOT NULL OR price_points IS NOT NULL", name="an_item_has_a_price"
    ),
)
only_grows(item)

# From which business date a version of an item is in force; one that is not here always was.
# Of two versions the one that began later counts, of two that begin together the newer one.
item_period = Table(
    "item_period",
    metadata,
    _pool_column(),
    Column("item_id", String(ID_MAX), nullable=False),
    Column("item_version", Integer, nullable=False),
    Column("valid_from", Date, nullable=False),
    PrimaryKeyConstraint(
        "pool", "item_id", "item_version", name="a_version_of_an_item_begins_once"
    ),
    ForeignKeyConstraint(
        ["pool", "item_id", "item_version"],
        ["item.pool", "item.item_id", "item.item_version"],
        name="a_period_is_of_a_known_version",
    ),
)
never_changes(item_period, "a price is never changed: give the item another one from a later day")

# An item that is sold no more, from this business date on; its versions stay.
item_retirement = Table(
    "item_retirement",
    metadata,
    _pool_column(),
    Column("item_id", String(ID_MAX), nullable=False),
    Column("retired_from", Date, nullable=False),
    Column("reason", String(NAME_MAX), nullable=False),
    PrimaryKeyConstraint("pool", "item_id", name="an_item_retires_once"),
    ForeignKeyConstraint(["pool"], ["pool.pool"], name="a_retired_item_belongs_to_a_pool"),
)
never_changes(item_retirement, "a retired item stays retired: add it under another id")

resident = Table(
    "resident",
    metadata,
    _pool_column(),
    Column("account", String(_ACCOUNT_HEX), nullable=False),
    Column("name", String(NAME_MAX), nullable=False),
    Column("household", String(NAME_MAX), nullable=False),
    Column("place", String(ID_MAX), nullable=False),
    Column("status", String(_UNIT_MAX), nullable=False),
    Column("banned_until", Date, nullable=True),
    Column("credit_score", Integer, nullable=False, server_default="100"),
    Column("registered_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("pool", "account", name="a_resident_has_one_pseudonym"),
    ForeignKeyConstraint(
        ["pool", "place"], ["place.pool", "place.place"], name="a_resident_lives_in_a_known_place"
    ),
    CheckConstraint("status IN ('active', 'blocked')", name="a_resident_is_active_or_blocked"),
    Index("residents_by_household", "pool", "place", "household"),
)
updated(resident, "status", "banned_until", "credit_score")

# What was decided about a resident, in order: blocked, banned from redeeming, credit taken or
# given, and all of it lifted again. `credit_score` is the score after it.
sanction = Table(
    "sanction",
    metadata,
    _pool_column(),
    Column("account", String(_ACCOUNT_HEX), nullable=False),
    Column("sanction_no", Integer, nullable=False),
    Column("what", String(_UNIT_MAX), nullable=False),
    Column("until", Date, nullable=True),
    Column("credit_change", Integer, nullable=False),
    Column("credit_score", Integer, nullable=False),
    Column("reason", String(_REASON_MAX), nullable=False),
    Column("evidence", String(_REASON_MAX), nullable=False),
    Column("decided_by", String(NAME_MAX), nullable=False),
    # Whoever decides names what must count only once.
    Column("decision", String(64), nullable=True),
    Column("recorded_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("pool", "account", "sanction_no", name="sanctions_of_one_are_counted"),
    UniqueConstraint("pool", "decision", name="a_decision_counts_once"),
    ForeignKeyConstraint(
        ["pool", "account"],
        ["resident.pool", "resident.account"],
        name="a_sanction_is_a_residents",
    ),
    CheckConstraint(
        "what IN ('block', 'unblock', 'ban', 'lift_ban', 'credit')",
        name="a_sanction_is_a_known_one",
    ),
)
never_changes(sanction, "a decision stands: take another one")

# The newest card of a line: a replacement has the same id and the next seq.
card = Table(
    "card",
    metadata,
    _pool_column(),
    Column("card_id", String(_ACCOUNT_HEX), nullable=False),
    Column("account", String(_ACCOUNT_HEX), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("expires_on", Date, nullable=False),
    Column("cap_points", Integer, nullable=False),
    Column("state", String(_UNIT_MAX), nullable=False),
    PrimaryKeyConstraint("pool", "card_id", name="a_card_has_one_id"),
    ForeignKeyConstraint(
        ["pool", "account"],
        ["resident.pool", "resident.account"],
        name="a_card_belongs_to_a_resident",
    ),
    CheckConstraint("state IN ('live', 'revoked')", name="a_card_is_live_or_revoked"),
    Index("cards_by_account", "pool", "account"),
)
updated(card, "seq", "expires_on", "cap_points", "state")

# A denominated card belongs to whoever holds it; its points stand on an account of its own, which
# has the card's id, as a resident's has the pseudonym.
bearer_card = Table(
    "bearer_card",
    metadata,
    _pool_column(),
    Column("card_id", String(_ACCOUNT_HEX), nullable=False),
    Column("batch", String(64), nullable=False),
    Column("value_points", Integer, nullable=False),
    Column("expires_on", Date, nullable=False),
    Column("spend", String(_UNIT_MAX), nullable=False),
    Column("place", String(ID_MAX), nullable=False),
    PrimaryKeyConstraint("pool", "card_id", name="a_bearer_card_has_one_id"),
    ForeignKeyConstraint(
        ["pool", "place"],
        ["place.pool", "place.place"],
        name="a_bearer_card_is_given_out_in_a_known_place",
    ),
    CheckConstraint("value_points > 0", name="a_bearer_card_is_worth_something"),
    CheckConstraint(
        "spend IN ('down_to_zero', 'in_one_go')", name="a_bearer_card_is_spent_in_a_known_way"
    ),
    Index("bearer_cards_by_batch", "pool", "batch"),
)
never_changes(bearer_card, "a bearer card stays what was printed on it: issue another one")

merchant = Table(
    "merchant",
    metadata,
    _pool_column(),
    Column("merchant", String(ID_MAX), nullable=False),
    Column("name", String(NAME_MAX), nullable=False),
    Column("registered_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("pool", "merchant", name="a_merchant_has_one_id"),
    ForeignKeyConstraint(["pool"], ["pool.pool"], name="a_merchant_belongs_to_a_pool"),
)
only_grows(merchant)

shop = Table(
    "shop",
    metadata,
    _pool_column(),
    Column("shop", String(ID_MAX), nullable=False),
    Column("merchant", String(ID_MAX), nullable=False),
    Column("kind", String(ID_MAX), nullable=False),
    Column("name", String(NAME_MAX), nullable=False),
    Column("place", String(ID_MAX), nullable=False),
    PrimaryKeyConstraint("pool", "shop", name="a_shop_has_one_id"),
    ForeignKeyConstraint(
        ["pool", "merchant"],
        ["merchant.pool", "merchant.merchant"],
        name="a_shop_belongs_to_a_merchant",
    ),
    ForeignKeyConstraint(
        ["pool", "kind"],
        ["shop_kind.pool", "shop_kind.shop_kind"],
        name="a_shop_is_of_a_known_kind",
    ),
    ForeignKeyConstraint(
        ["pool", "place"], ["place.pool", "place.place"], name="a_shop_lies_in_a_known_place"
    ),
    Index("shops_by_merchant", "pool", "merchant"),
)
only_grows(shop)

contract = Table(
    "contract",
    metadata,
    _pool_column(),
    Column("contract", String(ID_MAX), nullable=False),
    Column("merchant", String(ID_MAX), nullable=False),
    Column("share_bp", Integer, nullable=False),
    Column("reimbursement_bp", Integer, nullable=False),
    Column("valid_from", Date, nullable=False),
    Column("valid_until", Date, nullable=True),
    # The one shop that it is for; none: all of the merchant's shops.
    Column("shop", String(ID_MAX), nullable=True),
    # Canonical JSON of ContractTerms; none: `share_bp` of cash takings and `reimbursement_bp`.
    Column("terms", Text, nullable=True),
    PrimaryKeyConstraint("pool", "contract", name="a_contract_has_one_id"),
    ForeignKeyConstraint(
        ["pool", "merchant"],
        ["merchant.pool", "merchant.merchant"],
        name="a_contract_is_with_a_merchant",
    ),
    CheckConstraint("share_bp BETWEEN 0 AND 10000", name="a_share_is_at_most_everything"),
    CheckConstraint(
        "reimbursement_bp BETWEEN 0 AND 10000", name="a_reimbursement_is_at_most_everything"
    ),
    CheckConstraint(
        "valid_until IS NULL OR valid_from <= valid_until", name="a_contract_lasts_a_day_or_more"
    ),
    Index("contracts_by_merchant", "pool", "merchant", "valid_from"),
)
updated(contract, "valid_until")
guard(
    contract,
    Guard("contract", "contract_is_never_deleted", "DELETE", "a contract stays on record: end it"),
    Guard(
        "contract",
        "contract_keeps_its_name",
        "UPDATE",
        "a contract keeps its name",
        "NEW.contract <> OLD.contract OR NEW.pool <> OLD.pool",
    ),
)

# `code_name` is the half of the one-time code by which an invitation is found; guesses at the
# other half are counted on it.
terminal = Table(
    "terminal",
    metadata,
    _pool_column(),
    Column("terminal", String(ID_MAX), nullable=False),
    Column("shop", String(ID_MAX), nullable=False),
    Column("state", String(_UNIT_MAX), nullable=False),
    Column("code_name", String(8), nullable=False),
    Column("code_hash", String(64), nullable=False),
    Column("code_expires_at", UtcDateTime, nullable=False),
    Column("tries_left", Integer, nullable=False),
    Column("public_key", String(_KEY_TEXT_MAX), nullable=True),
    Column("epoch", Integer, nullable=False),
    Column("enrolled_at", UtcDateTime, nullable=True),
    PrimaryKeyConstraint("pool", "terminal", name="a_terminal_has_one_id"),
    UniqueConstraint("pool", "public_key", name="a_key_is_one_terminals"),
    ForeignKeyConstraint(
        ["pool", "shop"], ["shop.pool", "shop.shop"], name="a_terminal_stands_in_a_shop"
    ),
    CheckConstraint(
        "state IN ('invited', 'active', 'code_dead')", name="a_terminal_is_in_a_known_state"
    ),
    CheckConstraint(
        "(state = 'active') = (public_key IS NOT NULL)", name="an_active_terminal_has_a_key"
    ),
    Index("terminals_by_code_name", "pool", "code_name"),
)
updated(
    terminal,
    "state",
    "code_name",
    "code_hash",
    "code_expires_at",
    "tries_left",
    "public_key",
    "epoch",
    "enrolled_at",
)

sign_in = Table(
    "sign_in",
    metadata,
    _pool_column(),
    Column("user_name", String(ID_MAX), nullable=False),
    Column("role", String(_UNIT_MAX), nullable=False),
    Column("merchant", String(ID_MAX), nullable=True),
    Column("password_hash", String(255), nullable=False),
    PrimaryKeyConstraint("pool", "user_name", name="a_user_signs_in_by_one_name"),
    ForeignKeyConstraint(["pool"], ["pool.pool"], name="a_sign_in_belongs_to_a_pool"),
    ForeignKeyConstraint(
        ["pool", "merchant"],
        ["merchant.pool", "merchant.merchant"],
        name="a_merchants_sign_in_is_a_known_merchants",
    ),
    CheckConstraint(
        "(role = 'merchant') = (merchant IS NOT NULL)", name="only_a_merchants_sign_in_has_one"
    ),
)
updated(sign_in, "password_hash")

# Not a fact but an announcement: what the terminals were given, signed, version by version.
published_document = Table(
    "published_document",
    metadata,
    _pool_column(),
    Column("kind", String(_UNIT_MAX), nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("content_hash", String(64), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("signature", LargeBinary, nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("pool", "kind", "version", name="a_document_has_numbered_versions"),
    ForeignKeyConstraint(["pool"], ["pool.pool"], name="a_document_belongs_to_a_pool"),
)
never_changes(published_document, "a published document is never changed: publish the next version")
