"""Settlement's tables: runs and their statements."""

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
)

from server.db.dialect import never_changes
from server.db.metadata import POOL_ID_MAX, UtcDateTime, metadata
from server.settlement.values import ID_MAX, STATEMENT_ID_MAX

# One closing of the books. `fact_no` is the command's place in the fact log: what was booked by
# an earlier fact and belongs to a day up to `through` is in a statement of this run or of one
# before it; what comes later with such a date is late, and goes into the next run.
# `manner`: `at_once` made all statements in its own fact, each share rounded by itself;
# `by_merchant` is opened, settles merchant by merchant, each in a fact of its own, and is closed.
# `document_version` is how its statements are written, for good.
settlement_run = Table(
    "settlement_run",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("run", String(ID_MAX), nullable=False),
    Column("through", Date, nullable=False),
    Column("fact_no", BigInteger, nullable=False),
    Column("settled_at", UtcDateTime, nullable=False),
    Column("settled_by", String(128), nullable=False),
    Column("manner", String(16), nullable=False, server_default="at_once"),
    Column("document_version", Integer, nullable=False, server_default="1"),
    PrimaryKeyConstraint("pool", "run", name="a_settlement_run_has_one_id"),
    UniqueConstraint("pool", "through", name="a_day_is_settled_through_once"),
    ForeignKeyConstraint(
        ["pool", "fact_no"], ["fact.pool", "fact.fact_no"], name="a_settlement_run_is_a_fact"
    ),
)
never_changes(settlement_run, "a settlement run is never changed: corrections go into the next")

# A run whose merchants are all settled, or known to lack a contract.
settlement_close = Table(
    "settlement_close",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("run", String(ID_MAX), nullable=False),
    Column("fact_no", BigInteger, nullable=False),
    Column("closed_at", UtcDateTime, nullable=False),
    Column("closed_by", String(128), nullable=False),
    PrimaryKeyConstraint("pool", "run", name="a_settlement_run_is_closed_once"),
    ForeignKeyConstraint(
        ["pool", "run"],
        ["settlement_run.pool", "settlement_run.run"],
        name="a_close_is_of_a_known_run",
    ),
    ForeignKeyConstraint(
        ["pool", "fact_no"], ["fact.pool", "fact.fact_no"], name="a_close_is_a_fact"
    ),
)
never_changes(settlement_close, "a closed run stays closed: corrections go into the next")

# Whom a run left out when it was closed, since he traded on `day` without a contract; he is
# settled when somebody asks again.
left_open = Table(
    "left_open",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("run", String(ID_MAX), nullable=False),
    Column("merchant", String(ID_MAX), nullable=False),
    Column("day", Date, nullable=False),
    PrimaryKeyConstraint("pool", "run", "merchant", name="a_run_leaves_a_merchant_open_once"),
    ForeignKeyConstraint(
        ["pool", "run"],
        ["settlement_close.pool", "settlement_close.run"],
        name="only_a_closed_run_leaves_somebody_open",
    ),
    ForeignKeyConstraint(
        ["pool", "merchant"],
        ["merchant.pool", "merchant.merchant"],
        name="a_known_merchant_is_left_open",
    ),
)
never_changes(left_open, "whom a run left open stays on record: settle him now")

# What one merchant is told about one period. The totals are frozen: they are the fold of the
# statement's lines on the day it was made, and the audit folds them again. Which transfers stand
# on it is said by `statement_line` and `placement`.
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
    Column("cycle", String(8), nullable=False),
    Column("issued_at", UtcDateTime, nullable=False),
    Column("declared_fen", BigInteger, nullable=False),
    Column("minimum_fen", BigInteger, nullable=False),
    Column("rent_fen", BigInteger, nullable=False),
    Column("fee_fen", BigInteger, nullable=False),
    Column("adjustment_fen", BigInteger, nullable=False),
    Column("opening_fen", BigInteger, nullable=False),
    Column("paid_fen", BigInteger, nullable=False),
    Column("received_fen", BigInteger, nullable=False),
    Column("closing_fen", BigInteger, nullable=False),
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
        "net_fen = reimbursement_fen - reimbursement_returned_fen + fee_fen + adjustment_fen"
        " - share_fen - minimum_fen - rent_fen",
        name="a_statement_adds_up",
    ),
    CheckConstraint(
        "closing_fen = opening_fen + net_fen - paid_fen + received_fen",
        name="a_statement_closes_with_what_is_owed",
    ),
    CheckConstraint("cycle IN ('run', 'day', 'week', 'month')", name="a_statement_has_a_cycle"),
    Index("statements_by_run", "pool", "run", "merchant"),
)
never_changes(statement, "a statement is never changed: corrections go into the next")

# How the share came about, under one contract, rule and tier, in one calendar month; takings of
# earlier statements of the same month have filled the tiers before. A run that settled all at
# once knew neither months nor tiers: its rows have the month "".
statement_share = Table(
    "statement_share",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("statement", String(STATEMENT_ID_MAX), nullable=False),
    Column("contract", String(ID_MAX), nullable=False),
    Column("month", String(7), nullable=False),
    Column("category", String(80), nullable=False),
    Column("basis", String(4), nullable=False),
    Column("from_fen", BigInteger, nullable=False),
    Column("share_bp", Integer, nullable=False),
    Column("takings_fen", BigInteger, nullable=False),
    Column("share_fen", BigInteger, nullable=False),
    PrimaryKeyConstraint(
        "pool",
        "statement",
        "contract",
        "month",
        "category",
        "from_fen",
        name="a_statement_shares_once_in_a_tier",
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
    Index("shares_by_month", "pool", "contract", "month"),
)
never_changes(statement_share, "a share is never changed: corrections go into the next statement")

# What makes up for a month's share below the contract's minimum; `added_fen` is taken back (below
# zero) where late takings made up for it.
statement_minimum = Table(
    "statement_minimum",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("statement", String(STATEMENT_ID_MAX), nullable=False),
    Column("contract", String(ID_MAX), nullable=False),
    Column("month", String(7), nullable=False),
    Column("days", Integer, nullable=False),
    Column("minimum_fen", BigInteger, nullable=False),
    Column("share_fen", BigInteger, nullable=False),
    Column("added_fen", BigInteger, nullable=False),
    PrimaryKeyConstraint(
        "pool", "statement", "contract", "month", name="a_minimum_is_made_up_once_a_month"
    ),
    ForeignKeyConstraint(
        ["pool", "statement"],
        ["statement.pool", "statement.statement"],
        name="a_minimum_belongs_to_a_statement",
    ),
    ForeignKeyConstraint(
        ["pool", "contract"],
        ["contract.pool", "contract.contract"],
        name="a_minimum_is_owed_under_a_contract",
    ),
    Index("minimums_by_month", "pool", "contract", "month"),
)
never_changes(statement_minimum, "a minimum is never changed: late takings go into the next")

# Rent for days of one calendar month, both included.
statement_rent = Table(
    "statement_rent",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("statement", String(STATEMENT_ID_MAX), nullable=False),
    Column("contract", String(ID_MAX), nullable=False),
    Column("from_day", Date, nullable=False),
    Column("through_day", Date, nullable=False),
    Column("days", Integer, nullable=False),
    Column("rent_fen", BigInteger, nullable=False),
    PrimaryKeyConstraint(
        "pool", "statement", "contract", "from_day", name="a_day_is_rented_once_under_a_contract"
    ),
    ForeignKeyConstraint(
        ["pool", "statement"],
        ["statement.pool", "statement.statement"],
        name="a_rent_belongs_to_a_statement",
    ),
    ForeignKeyConstraint(
        ["pool", "contract"],
        ["contract.pool", "contract.contract"],
        name="a_rent_is_owed_under_a_contract",
    ),
    CheckConstraint("from_day <= through_day", name="a_rent_is_for_a_day_or_more"),
)
never_changes(statement_rent, "a rent is never changed: corrections go into the next statement")

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
