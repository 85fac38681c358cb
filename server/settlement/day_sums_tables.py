"""The tables of day sums: what a merchant's transfers came to, and which statement they stand on."""

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
    UniqueConstraint,
    and_,
    select,
    text,
)

from server.db.dialect import Guard, guard, never_changes
from server.db.metadata import POOL_ID_MAX, metadata
from server.db.roles import updated
from server.settlement.tables import statement
from server.settlement.values import ID_MAX, STATEMENT_ID_MAX

SUMMED = (
    "takings_fen",
    "takings_returned_fen",
    "declared_fen",
    "redeemed_points",
    "returned_points",
    "reimbursement_fen",
    "reimbursement_returned_fen",
    "fee_fen",
    "adjustment_fen",
    "share_fen",
    "minimum_fen",
    "rent_fen",
    "paid_fen",
    "received_fen",
)
"""What a day sum adds up, as a statement's totals do."""
KEY = (
    "merchant",
    "business_date",
    "terms_day",
    "shop",
    "kind",
    "source",
    "after_fact",
)
"""In what entries agree that are summed in one row."""

# How far the pool's entries are summed; its row is locked by whoever sums on.
day_sum_head = Table(
    "day_sum_head",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("upto_entry", BigInteger, nullable=False),
    PrimaryKeyConstraint("pool", name="a_pool_is_summed_in_one_order"),
)
updated(day_sum_head, "upto_entry")
guard(
    day_sum_head,
    Guard("day_sum_head", "day_sum_head_is_never_deleted", "DELETE", "what is summed stays summed"),
    Guard(
        "day_sum_head",
        "day_sum_head_never_steps_back",
        "UPDATE",
        "day sums only take in more entries",
        "NEW.upto_entry < OLD.upto_entry OR NEW.pool <> OLD.pool",
    ),
)

# Entries of one merchant that agree in their day, the day whose terms count (a refund's is that
# of its sale), shop, kind and source, added up; `shop` and `source` are "" where there is none.
# `day_sum` is the number of its first transfer, so that books that are replayed give it the same.
# `after_fact` opened the last run before these entries (0: there was none), so that a run takes
# all of a row or nothing. `statement` is set once, and nothing of the row changes afterwards:
# that is what makes its transfers stand on one statement. `contract` is the one whose terms
# count. What a statement charges has a row for each contract, and the contract as its source.
# `lost`: entries whose sale is not in the books; `odd_no`: the first transfer that no statement
# has a place for.
day_sum = Table(
    "day_sum",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("day_sum", BigInteger, nullable=False),
    Column("merchant", String(ID_MAX), nullable=False),
    Column("business_date", Date, nullable=False),
    Column("terms_day", Date, nullable=False),
    Column("shop", String(ID_MAX), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("source", String(ID_MAX), nullable=False),
    Column("after_fact", BigInteger, nullable=False),
    Column("entries", Integer, nullable=False),
    Column("money_points_fen", BigInteger, nullable=False),
    *(Column(name, BigInteger, nullable=False) for name in SUMMED),
    Column("lost", Integer, nullable=False),
    Column("odd_no", BigInteger, nullable=True),
    Column("statement", String(STATEMENT_ID_MAX), nullable=True),
    Column("contract", String(ID_MAX), nullable=True),
    PrimaryKeyConstraint("pool", "day_sum", name="a_day_sum_is_named_by_its_first_transfer"),
    UniqueConstraint("pool", *KEY, name="entries_that_agree_are_summed_in_one_row"),
    ForeignKeyConstraint(
        ["pool", "merchant"],
        ["merchant.pool", "merchant.merchant"],
        name="a_day_sum_is_a_known_merchants",
    ),
    ForeignKeyConstraint(
        ["pool", "statement"],
        ["statement.pool", "statement.statement"],
        name="a_day_sum_stands_on_a_statement",
    ),
    ForeignKeyConstraint(
        ["pool", "contract"],
        ["contract.pool", "contract.contract"],
        name="a_day_sum_counts_under_a_contract",
    ),
    CheckConstraint("entries > 0", name="a_day_sum_sums_something"),
    CheckConstraint(
        "contract IS NULL OR statement IS NOT NULL", name="a_contract_counts_on_a_statement"
    ),
    Index("day_sums_by_statement", "pool", "statement", "day_sum"),
    Index(
        "day_sums_that_wait",
        "pool",
        "merchant",
        "day_sum",
        sqlite_where=text("statement IS NULL"),
        postgresql_where=text("statement IS NULL"),
    ),
)
updated(
    day_sum,
    "entries",
    "money_points_fen",
    *SUMMED,
    "lost",
    "odd_no",
    "statement",
    "contract",
)
guard(
    day_sum,
    Guard("day_sum", "day_sum_is_never_deleted", "DELETE", "a day sum is never deleted"),
    Guard(
        "day_sum",
        "day_sum_on_a_statement_is_never_changed",
        "UPDATE",
        "what stands on a statement is never changed: corrections go into the next",
        "OLD.statement IS NOT NULL",
    ),
)

# Membership (I8): the primary key is the transfer, so that no transfer is in two day sums, and a
# day sum is on one statement at most.
statement_line = Table(
    "statement_line",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("transfer_no", BigInteger, nullable=False),
    Column("day_sum", BigInteger, nullable=False),
    PrimaryKeyConstraint("pool", "transfer_no", name="a_transfer_is_in_one_day_sum"),
    ForeignKeyConstraint(
        ["pool", "transfer_no"],
        ["transfer.pool", "transfer.transfer_no"],
        name="a_statement_line_is_a_transfer",
    ),
    ForeignKeyConstraint(
        ["pool", "day_sum"],
        ["day_sum.pool", "day_sum.day_sum"],
        name="a_line_is_in_a_day_sum",
    ),
    Index("lines_by_day_sum", "pool", "day_sum", "transfer_no"),
)
never_changes(statement_line, "a statement's line is never changed")

placed_line = (
    select(
        statement_line.c.pool,
        statement_line.c.transfer_no,
        day_sum.c.statement,
        day_sum.c.contract,
        (day_sum.c.business_date < statement.c.period_from).label("late"),
    )
    .join_from(
        statement_line,
        day_sum,
        and_(
            day_sum.c.pool == statement_line.c.pool, day_sum.c.day_sum == statement_line.c.day_sum
        ),
    )
    .join(
        statement,
        and_(statement.c.pool == day_sum.c.pool, statement.c.statement == day_sum.c.statement),
    )
    .subquery("placed_line")
)
"""The lines that stand on a statement: `statement`, `contract` (None for payments and
adjustments) and `late` (of a day before the statement's period) with each transfer."""
