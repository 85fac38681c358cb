"""Settlement's tables: a run, its statements, and which transfer stands in which statement."""

from sqlalchemy import (
    BigInteger,
    Boolean,
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
)

from server.db.dialect import never_changes
from server.db.metadata import POOL_ID_MAX, UtcDateTime, metadata
from server.settlement.values import ID_MAX, STATEMENT_ID_MAX

# One closing of the books. `fact_no` is the command's place in the fact log: what was booked by
# an earlier fact and belongs to a day up to `through` is in a statement of this run or of one
# before it; what comes later with such a date is late, and goes into the next run.
settlement_run = Table(
    "settlement_run",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("run", String(ID_MAX), nullable=False),
    Column("through", Date, nullable=False),
    Column("fact_no", BigInteger, nullable=False),
    Column("settled_at", UtcDateTime, nullable=False),
    Column("settled_by", String(128), nullable=False),
    PrimaryKeyConstraint("pool", "run", name="a_settlement_run_has_one_id"),
    UniqueConstraint("pool", "through", name="a_day_is_settled_through_once"),
    ForeignKeyConstraint(
        ["pool", "fact_no"], ["fact.pool", "fact.fact_no"], name="a_settlement_run_is_a_fact"
    ),
)
never_changes(settlement_run, "a settlement run is never changed: corrections go into the next")

# What one merchant is told about one period. The totals are frozen: they are the fold of the
# statement's lines on the day it was made, and the audit folds them again.
# `settled_below`: every transfer of this merchant with a lower number is in this statement or an
# earlier one, so that the next run need not read the whole history.
statement = Table(
    "statement",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("statement", String(STATEMENT_ID_MAX), nullable=False),
    Column("merchant", String(ID_MAX), nullable=False),
    Column("period_from", Date, nullable=False),
    Column("period_through", Date, nullable=False),
    Column("run", String(ID_MAX), nullable=False),
    Column("sales_count", Integer, nullable=False),
    Column("refunds_count", Integer, nullable=False),
    Column("takings_fen", BigInteger, nullable=False),
    Column("takings_returned_fen", BigInteger, nullable=False),
    Column("redeemed_points", BigInteger, nullable=False),
    Column("returned_points", BigInteger, nullable=False),
    Column("reimbursement_fen", BigInteger, nullable=False),
    Column("reimbursement_returned_fen", BigInteger, nullable=False),
    Column("share_fen", BigInteger, nullable=False),
    Column("net_fen", BigInteger, nullable=False),
    Column("settled_below", BigInteger, nullable=False),
    PrimaryKeyConstraint("pool", "statement", name="a_statement_has_one_id"),
    UniqueConstraint(
        "pool", "merchant", "period_through", name="a_merchant_has_one_statement_a_period"
    ),
    ForeignKeyConstraint(
        ["pool", "run"],
        ["settlement_run.pool", "settlement_run.run"],
        name="a_statement_belongs_to_a_run",
    ),
    ForeignKeyConstraint(
        ["pool", "merchant"],
        ["merchant.pool", "merchant.merchant"],
        name="a_statement_is_for_a_known_merchant",
    ),
    CheckConstraint("period_from <= period_through", name="a_period_has_at_least_one_day"),
    CheckConstraint(
        "net_fen = reimbursement_fen - reimbursement_returned_fen - share_fen",
        name="a_statement_adds_up",
    ),
    Index("statements_by_run", "pool", "run", "merchant"),
)
never_changes(statement, "a statement is never changed: corrections go into the next")

# How the share came about: the net cash takings under one contract, at its rate.
statement_share = Table(
    "statement_share",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("statement", String(STATEMENT_ID_MAX), nullable=False),
    Column("contract", String(ID_MAX), nullable=False),
    Column("share_bp", Integer, nullable=False),
    Column("takings_fen", BigInteger, nullable=False),
    Column("share_fen", BigInteger, nullable=False),
    PrimaryKeyConstraint(
        "pool", "statement", "contract", name="a_statement_shares_once_under_a_contract"
    ),
    ForeignKeyConstraint(
        ["pool", "statement"],
        ["statement.pool", "statement.statement"],
        name="a_share_belongs_to_a_statement",
    ),
    ForeignKeyConstraint(
        ["pool", "contract"],
        ["contract.pool", "contract.contract"],
        name="a_share_is_owed_under_a_contract",
    ),
)
never_changes(statement_share, "a share is never changed: corrections go into the next statement")

# Membership (I8): the primary key is the transfer, so that no transfer is in two statements.
# `contract` is the one whose terms count for the line.
statement_line = Table(
    "statement_line",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("transfer_no", BigInteger, nullable=False),
    Column("statement", String(STATEMENT_ID_MAX), nullable=False),
    Column("contract", String(ID_MAX), nullable=False),
    Column("late", Boolean, nullable=False),
    PrimaryKeyConstraint("pool", "transfer_no", name="a_transfer_is_in_one_statement"),
    ForeignKeyConstraint(
        ["pool", "transfer_no"],
        ["transfer.pool", "transfer.transfer_no"],
        name="a_statement_line_is_a_transfer",
    ),
    ForeignKeyConstraint(
        ["pool", "statement"],
        ["statement.pool", "statement.statement"],
        name="a_line_belongs_to_a_statement",
    ),
    ForeignKeyConstraint(
        ["pool", "contract"],
        ["contract.pool", "contract.contract"],
        name="a_line_counts_under_a_contract",
    ),
    Index("lines_by_statement", "pool", "statement", "transfer_no"),
)
never_changes(statement_line, "a statement's line is never changed")

sponsor = Table(
    "sponsor",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("sponsor", String(ID_MAX), nullable=False),
    Column("name", String(80), nullable=False),
    PrimaryKeyConstraint("pool", "sponsor", name="a_sponsor_has_one_id"),
)
never_changes(sponsor, "a sponsor's name stands: register another sponsor")

# Points that nobody will pay back, as one person proposed it; another one approves it.
write_off = Table(
    "write_off",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("write_off", String(64), nullable=False),
    Column("account", String(16), nullable=False),
    Column("points", BigInteger, nullable=False),
    Column("reason", String(200), nullable=False),
    Column("proposed_by", String(128), nullable=False),
    Column("fact_no", BigInteger, nullable=False),
    PrimaryKeyConstraint("pool", "write_off", name="a_write_off_is_proposed_once"),
    ForeignKeyConstraint(
        ["pool", "fact_no"], ["fact.pool", "fact.fact_no"], name="a_proposal_is_a_fact"
    ),
    CheckConstraint("points > 0", name="a_write_off_writes_something_off"),
)
never_changes(write_off, "a proposed write-off is never changed: propose another one")

write_off_approval = Table(
    "write_off_approval",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("write_off", String(64), nullable=False),
    Column("approved_by", String(128), nullable=False),
    Column("loss_fen", BigInteger, nullable=False),
    Column("fact_no", BigInteger, nullable=False),
    PrimaryKeyConstraint("pool", "write_off", name="a_write_off_is_approved_once"),
    ForeignKeyConstraint(
        ["pool", "write_off"],
        ["write_off.pool", "write_off.write_off"],
        name="an_approval_is_of_a_proposal",
    ),
    ForeignKeyConstraint(
        ["pool", "fact_no"], ["fact.pool", "fact.fact_no"], name="an_approval_is_a_fact"
    ),
)
never_changes(write_off_approval, "an approved write-off stands")
