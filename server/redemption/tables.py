"""Sales, refunds and the terminals' chains as the server has them."""

from sqlalchemy import (
    BigInteger,
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
)

from server.db import POOL_ID_MAX, UtcDateTime, metadata
from server.db.dialect import Guard, guard, never_changes
from server.db.roles import updated
from server.directory.values import ID_MAX

_UUID_CHARS = 36
_HASH_HEX = 64
_MOVEMENT_KEY_MAX = 80


def _pool_column() -> Column[str]:
    return Column("pool", String(POOL_ID_MAX), nullable=False)


# I4: one row, and so one outcome, for each sale id. `question_hash` and `answer` (JSON) are set
# when the terminal asked; what stands from `receipt_no` on is set when the sale was captured.
# `fen_per_point` and `reimbursement_bp` are frozen: a refund gives back at these.
sale = Table(
    "sale",
    metadata,
    _pool_column(),
    Column("sale_id", String(_UUID_CHARS), nullable=False),
    Column("state", String(16), nullable=False),
    Column("terminal", String(ID_MAX), nullable=False),
    Column("merchant", String(ID_MAX), nullable=False),
    Column("account", String(16), nullable=True),
    Column("question_hash", String(_HASH_HEX), nullable=True),
    Column("answer", LargeBinary, nullable=True),
    Column("content_hash", String(_HASH_HEX), nullable=True),
    Column("receipt_no", Text, nullable=True),
    Column("occurred_at", UtcDateTime, nullable=True),
    Column("business_date", Date, nullable=True),
    Column("answered_by", String(16), nullable=True),
    Column("proof_grade", String(4), nullable=True),
    Column("amounts_source", String(16), nullable=True),
    Column("points_for_goods", BigInteger, nullable=False),
    Column("points_for_money", BigInteger, nullable=False),
    Column("cash_fen", BigInteger, nullable=False),
    Column("waived_fen", BigInteger, nullable=False),
    Column("rounded_up_fen", BigInteger, nullable=False),
    Column("overdraft_points", BigInteger, nullable=False),
    Column("reimbursement_fen", BigInteger, nullable=False),
    Column("fen_per_point", Integer, nullable=True),
    Column("contract", String(ID_MAX), nullable=True),
    Column("reimbursement_bp", Integer, nullable=True),
    Column("epoch", Integer, nullable=True),
    Column("seq", BigInteger, nullable=True),
    PrimaryKeyConstraint("pool", "sale_id", name="a_sale_has_one_outcome"),
    UniqueConstraint("pool", "terminal", "epoch", "seq", name="a_record_tells_one_sale"),
    ForeignKeyConstraint(
        ["pool", "terminal"],
        ["terminal.pool", "terminal.terminal"],
        name="a_sale_is_made_at_a_known_terminal",
    ),
    CheckConstraint(
        "state IN ('authorised', 'declined', 'reversed', 'captured')",
        name="a_sale_is_in_a_known_state",
    ),
    CheckConstraint(
        "(state = 'captured') = (content_hash IS NOT NULL)", name="a_captured_sale_has_content"
    ),
    CheckConstraint("(question_hash IS NULL) = (answer IS NULL)", name="a_question_has_its_answer"),
    Index("sales_by_merchant", "pool", "merchant", "business_date"),
    Index("sales_by_resident", "pool", "account", "business_date"),
)
# What was asked and answered stands.
updated(
    sale,
    *(
        column.name
        for column in sale.columns
        if not column.primary_key and column.name not in {"question_hash", "answer"}
    ),
)
guard(
    sale,
    Guard("sale", "sale_is_never_deleted", "DELETE", "a sale is never deleted"),
    Guard(
        "sale",
        "sale_outcome_stands",
        "UPDATE",
        "a captured or reversed sale is never changed",
        "OLD.state IN ('captured', 'reversed')",
    ),
)

# As sold: a refund goes by these prices and rates.
sale_line = Table(
    "sale_line",
    metadata,
    _pool_column(),
    Column("sale_id", String(_UUID_CHARS), nullable=False),
    Column("line_no", Integer, nullable=False),
    Column("item_id", Text, nullable=True),
    Column("barcode", Text, nullable=True),
    Column("name", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("quantity_milli", BigInteger, nullable=False),
    Column("unit", Text, nullable=False),
    Column("unit_price_fen", BigInteger, nullable=True),
    Column("unit_price_points", BigInteger, nullable=True),
    Column("amount_fen", BigInteger, nullable=False),
    Column("amount_points", BigInteger, nullable=False),
    Column("reimbursement_fen", BigInteger, nullable=False),
    Column("fulfilment", String(16), nullable=False),
    Column("catalogue_version", BigInteger, nullable=False),
    PrimaryKeyConstraint("pool", "sale_id", "line_no", name="a_sales_lines_are_numbered"),
    ForeignKeyConstraint(
        ["pool", "sale_id"], ["sale.pool", "sale.sale_id"], name="a_line_belongs_to_a_sale"
    ),
    CheckConstraint("quantity_milli > 0", name="a_line_sells_something"),
)
never_changes(sale_line, "a sold line is never changed: refund it")

refund = Table(
    "refund",
    metadata,
    _pool_column(),
    Column("refund_id", String(_UUID_CHARS), nullable=False),
    Column("sale_id", String(_UUID_CHARS), nullable=False),
    Column("terminal", String(ID_MAX), nullable=False),
    Column("merchant", String(ID_MAX), nullable=False),
    Column("content_hash", String(_HASH_HEX), nullable=False),
    Column("receipt_no", Text, nullable=False),
    Column("occurred_at", UtcDateTime, nullable=False),
    Column("business_date", Date, nullable=False),
    Column("points_for_goods", BigInteger, nullable=False),
    Column("points_for_money", BigInteger, nullable=False),
    Column("cash_fen", BigInteger, nullable=False),
    Column("waived_fen", BigInteger, nullable=False),
    Column("rounded_up_fen", BigInteger, nullable=False),
    Column("reimbursement_fen", BigInteger, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("seq", BigInteger, nullable=False),
    PrimaryKeyConstraint("pool", "refund_id", name="a_refund_is_booked_once"),
    UniqueConstraint("pool", "terminal", "epoch", "seq", name="a_record_tells_one_refund"),
    ForeignKeyConstraint(
        ["pool", "sale_id"], ["sale.pool", "sale.sale_id"], name="a_refund_gives_back_of_a_sale"
    ),
    Index("refunds_by_sale", "pool", "sale_id"),
)
never_changes(refund, "a refund is never changed")

refund_line = Table(
    "refund_line",
    metadata,
    _pool_column(),
    Column("refund_id", String(_UUID_CHARS), nullable=False),
    Column("sale_id", String(_UUID_CHARS), nullable=False),
    Column("line_no", Integer, nullable=False),
    Column("quantity_milli", BigInteger, nullable=False),
    Column("amount_fen", BigInteger, nullable=False),
    Column("amount_points", BigInteger, nullable=False),
    PrimaryKeyConstraint("pool", "refund_id", "line_no", name="a_refund_names_a_line_once"),
    ForeignKeyConstraint(
        ["pool", "refund_id"],
        ["refund.pool", "refund.refund_id"],
        name="a_line_belongs_to_a_refund",
    ),
    ForeignKeyConstraint(
        ["pool", "sale_id", "line_no"],
        ["sale_line.pool", "sale_line.sale_id", "sale_line.line_no"],
        name="a_refund_gives_back_sold_lines",
    ),
    CheckConstraint("quantity_milli > 0", name="a_refund_line_gives_something_back"),
)
never_changes(refund_line, "a refund is never changed")

# What a shop declared at a Z report, against what its terminal's sales and refunds since the
# declaration before come to in cash; `key` is the entry's that notes the difference, if any.
declared_takings = Table(
    "declared_takings",
    metadata,
    _pool_column(),
    Column("terminal", String(ID_MAX), nullable=False),
    Column("z_no", BigInteger, nullable=False),
    Column("key", String(_MOVEMENT_KEY_MAX), nullable=False),
    Column("shop", String(ID_MAX), nullable=False),
    Column("merchant", String(ID_MAX), nullable=False),
    Column("business_date", Date, nullable=False),
    Column("occurred_at", UtcDateTime, nullable=False),
    Column("takings", Text, nullable=False),
    Column("declared_fen", BigInteger, nullable=False),
    Column("told_fen", BigInteger, nullable=False),
    Column("counted_fen", BigInteger, nullable=False),
    Column("difference_fen", BigInteger, nullable=False),
    Column("content_hash", String(_HASH_HEX), nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("fact_no", BigInteger, nullable=False),
    PrimaryKeyConstraint("pool", "terminal", "z_no", name="a_z_report_declares_once"),
    UniqueConstraint("pool", "key", name="a_declaration_has_one_key"),
    UniqueConstraint("pool", "terminal", "epoch", "seq", name="a_record_declares_once"),
    ForeignKeyConstraint(
        ["pool", "terminal"],
        ["terminal.pool", "terminal.terminal"],
        name="takings_are_declared_at_a_known_terminal",
    ),
    CheckConstraint(
        "difference_fen = declared_fen - counted_fen", name="a_difference_is_declared_less_counted"
    ),
    Index("declarations_by_merchant", "pool", "merchant", "business_date"),
)
never_changes(declared_takings, "what was declared stands: declare again with the next Z report")

# I5: each terminal's chain, link by link, with the one outcome of each record. The record's
# bytes stand in the fact log under `fact_no`.
journal_record = Table(
    "journal_record",
    metadata,
    _pool_column(),
    Column("terminal", String(ID_MAX), nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("hash", String(_HASH_HEX), nullable=False),
    Column("prev_hash", String(_HASH_HEX), nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("overdraft_points", BigInteger, nullable=False),
    Column("says", Text, nullable=False),
    Column("fact_no", BigInteger, nullable=False),
    PrimaryKeyConstraint("pool", "terminal", "epoch", "seq", name="a_record_has_one_place"),
    UniqueConstraint("pool", "fact_no", name="a_fact_is_one_record"),
    ForeignKeyConstraint(
        ["pool", "terminal"],
        ["terminal.pool", "terminal.terminal"],
        name="a_record_is_a_known_terminals",
    ),
    ForeignKeyConstraint(
        ["pool", "fact_no"], ["fact.pool", "fact.fact_no"], name="a_record_is_a_fact"
    ),
    CheckConstraint(
        "outcome IN ('posted', 'duplicate', 'overdraft', 'parked')",
        name="a_record_has_a_known_outcome",
    ),
    CheckConstraint(
        "(outcome = 'overdraft') = (overdraft_points > 0)", name="an_overdraft_says_how_much"
    ),
    Index("records_by_outcome", "pool", "outcome"),
)
never_changes(journal_record, "a record of a terminal's chain is never changed")

# What is there of an item that is counted, in thousandths of its unit: `opening_milli`, when its
# counting began, and all that moved since. Below zero, more was sold than anybody counted.
stock_level = Table(
    "stock_level",
    metadata,
    _pool_column(),
    Column("item_id", String(ID_MAX), nullable=False),
    Column("opening_milli", BigInteger, nullable=False),
    Column("level_milli", BigInteger, nullable=False),
    PrimaryKeyConstraint("pool", "item_id", name="an_item_has_one_stock_level"),
    ForeignKeyConstraint(["pool"], ["pool.pool"], name="stock_belongs_to_a_pool"),
)
updated(stock_level, "level_milli")

# `quantity_milli` is what came (above zero) or went (below); a count that found nothing to
# correct stands here with 0.
stock_movement = Table(
    "stock_movement",
    metadata,
    _pool_column(),
    Column("item_id", String(ID_MAX), nullable=False),
    Column("key", String(_MOVEMENT_KEY_MAX), nullable=False),
    Column("quantity_milli", BigInteger, nullable=False),
    Column("says", Text, nullable=False),
    Column("fact_no", BigInteger, nullable=False),
    PrimaryKeyConstraint("pool", "item_id", "key", name="an_item_moves_once_for_a_reason"),
    ForeignKeyConstraint(
        ["pool", "item_id"],
        ["stock_level.pool", "stock_level.item_id"],
        name="a_movement_is_of_a_counted_item",
    ),
    ForeignKeyConstraint(
        ["pool", "fact_no"], ["fact.pool", "fact.fact_no"], name="a_movement_is_a_fact"
    ),
    Index("movements_by_fact", "pool", "fact_no"),
)
never_changes(stock_movement, "a movement of stock is never changed: count the stock")
