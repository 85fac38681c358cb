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
)

from server.db.dialect import Guard, Lookup, guard, never_changes
from server.db.metadata import POOL_ID_MAX, metadata
from server.db.roles import updated
from server.directory.tables import contract
from server.ledger.tables import transfer
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
# all of a row or nothing. What a statement charges has a row for each contract, and the contract
# as its source. Once it is placed on a statement, nothing of the row changes.
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
    PrimaryKeyConstraint("pool", "day_sum", name="a_day_sum_is_named_by_its_first_transfer"),
    UniqueConstraint("pool", *KEY, name="entries_that_agree_are_summed_in_one_row"),
    ForeignKeyConstraint(
        ["pool", "merchant"],
        ["merchant.pool", "merchant.merchant"],
        name="a_day_sum_is_a_known_merchants",
    ),
    CheckConstraint("entries > 0", name="a_day_sum_sums_something"),
    Index("day_sums_since_a_run", "pool", "merchant", "after_fact"),
)
updated(
    day_sum,
    "entries",
    "money_points_fen",
    *SUMMED,
    "lost",
    "odd_no",
)
guard(
    day_sum,
    Guard("day_sum", "day_sum_is_never_deleted", "DELETE", "a day sum is never deleted"),
    Guard(
        "day_sum",
        "day_sum_keeps_its_name",
        "UPDATE",
        "a day sum keeps its name",
        "NEW.day_sum <> OLD.day_sum OR NEW.pool <> OLD.pool",
    ),
    Lookup(
        "day_sum",
        "day_sum_on_a_statement_is_never_changed",
        "what stands on a statement is never changed: corrections go into the next",
        other="placement",
        columns=("pool", "day_sum"),
        refused="has",
    ),
)

# A day sum's place on a statement, and the contract whose terms count (none beside trade and
# charges). Membership (I8): the primary key is the day sum, so that it stands on one statement.
placement = Table(
    "placement",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("day_sum", BigInteger, nullable=False),
    Column("statement", String(STATEMENT_ID_MAX), nullable=False),
    Column("contract", String(ID_MAX), nullable=True),
    PrimaryKeyConstraint("pool", "day_sum", name="a_day_sum_stands_on_one_statement"),
    Index("placements_by_statement", "pool", "statement", "day_sum"),
)
placement.add_is_dependent_on(day_sum)
placement.add_is_dependent_on(statement)
placement.add_is_dependent_on(contract)
never_changes(placement, "what stands on a statement stays there: corrections go into the next")
guard(
    placement,
    Lookup(
        "placement",
        "a_day_sum_is_placed",
        "only a day sum has a place on a statement",
        other="day_sum",
        columns=("pool", "day_sum"),
        refused="lacks",
    ),
    Lookup(
        "placement",
        "a_place_is_on_a_statement",
        "a day sum is placed on a statement that is there",
        other="statement",
        columns=("pool", "statement"),
        refused="lacks",
        shared=True,
    ),
    Lookup(
        "placement",
        "a_place_counts_under_a_contract",
        "a day sum counts under a contract that is there",
        other="contract",
        columns=("pool", "contract"),
        refused="lacks",
        shared=True,
    ),
)

# Membership (I8): the primary key is the transfer, so that no transfer is in two day sums.
statement_line = Table(
    "statement_line",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("transfer_no", BigInteger, nullable=False),
    Column("day_sum", BigInteger, nullable=False),
    PrimaryKeyConstraint("pool", "transfer_no", name="a_transfer_is_in_one_day_sum"),
    Index("lines_by_day_sum", "pool", "day_sum", "transfer_no"),
)
statement_line.add_is_dependent_on(day_sum)
statement_line.add_is_dependent_on(transfer)
never_changes(statement_line, "a statement's line is never changed")
guard(
    statement_line,
    Lookup(
        "statement_line",
        "a_statement_line_is_a_transfer",
        "only a transfer is a statement's line",
        other="transfer",
        columns=("pool", "transfer_no"),
        refused="lacks",
    ),
    Lookup(
        "statement_line",
        "a_line_is_in_a_day_sum",
        "a statement's line is in a day sum that is there",
        other="day_sum",
        columns=("pool", "day_sum"),
        refused="lacks",
        shared=True,
    ),
)

placed_line = (
    select(
        statement_line.c.pool,
        statement_line.c.transfer_no,
        placement.c.statement,
        placement.c.contract,
        (day_sum.c.business_date < statement.c.period_from).label("late"),
    )
    .join_from(
        statement_line,
        placement,
        and_(
            placement.c.pool == statement_line.c.pool,
            placement.c.day_sum == statement_line.c.day_sum,
        ),
    )
    .join(
        day_sum,
        and_(day_sum.c.pool == placement.c.pool, day_sum.c.day_sum == placement.c.day_sum),
    )
    .join(
        statement,
        and_(statement.c.pool == placement.c.pool, statement.c.statement == placement.c.statement),
    )
    .subquery("placed_line")
)
"""The lines that stand on a statement: `statement`, `contract` (None for payments and
adjustments) and `late` (of a day before the statement's period) with each transfer."""
