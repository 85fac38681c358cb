"""Tables of what becomes of a statement: its moves, disputes and their answers, payments.

Every row stays as it was written; where something stands is said by its last move.
"""

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
from server.settlement.states_values import BANK_REF_MAX, REASON_MAX
from server.settlement.values import ID_MAX, STATEMENT_ID_MAX

_ACTOR_MAX = 128
_STATE_MAX = 16
_LINE_MAX = 160


def _pool_column() -> Column[str]:
    return Column("pool", String(POOL_ID_MAX), nullable=False)


def _is_a_fact(name: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["pool", "fact_no"], ["fact.pool", "fact.fact_no"], name=name)


# For how many days a merchant may look at a statement before it counts as confirmed. The newest
# row that was set before a statement was issued counts for it; without any row the default does.
confirm_policy = Table(
    "confirm_policy",
    metadata,
    _pool_column(),
    Column("fact_no", BigInteger, nullable=False),
    Column("confirm_days", Integer, nullable=False),
    Column("set_by", String(_ACTOR_MAX), nullable=False),
    Column("set_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("pool", "fact_no", name="a_confirm_policy_is_set_by_one_fact"),
    _is_a_fact("a_confirm_policy_is_a_fact"),
    CheckConstraint("confirm_days BETWEEN 1 AND 60", name="a_merchant_has_a_day_to_sixty_to_look"),
)
never_changes(confirm_policy, "a confirm policy stands: set another one")

# A statement without a row here is issued, since it was made. `carried_fen` is what was open when it
# was carried forward, above 0 owed to the merchant, below 0 owed by him.
statement_move = Table(
    "statement_move",
    metadata,
    _pool_column(),
    Column("statement", String(STATEMENT_ID_MAX), nullable=False),
    Column("move_no", Integer, nullable=False),
    Column("move", String(_STATE_MAX), nullable=False),
    Column("state", String(_STATE_MAX), nullable=False),
    Column("moved_by", String(_ACTOR_MAX), nullable=False),
    Column("moved_at", UtcDateTime, nullable=False),
    Column("says", String(REASON_MAX), nullable=False),
    Column("carried_fen", BigInteger, nullable=False),
    Column("fact_no", BigInteger, nullable=False),
    PrimaryKeyConstraint("pool", "statement", "move_no", name="moves_of_a_statement_are_counted"),
    ForeignKeyConstraint(
        ["pool", "statement"],
        ["statement.pool", "statement.statement"],
        name="a_move_is_of_a_statement",
    ),
    _is_a_fact("a_move_of_a_statement_is_a_fact"),
    CheckConstraint(
        "state IN ('issued', 'confirmed', 'disputed', 'settled')",
        name="a_statement_is_in_a_known_state",
    ),
    CheckConstraint(
        "carried_fen = 0 OR move = 'carry_forward'", name="only_carrying_forward_carries_money"
    ),
)
never_changes(statement_move, "a statement's move is never changed: make the next one")

# `line` is the natural key of a line of the statement, empty for the statement as a whole.
dispute = Table(
    "dispute",
    metadata,
    _pool_column(),
    Column("dispute", String(ID_MAX), nullable=False),
    Column("statement", String(STATEMENT_ID_MAX), nullable=False),
    Column("line", String(_LINE_MAX), nullable=False),
    Column("reason", String(REASON_MAX), nullable=False),
    Column("on_behalf", String(REASON_MAX), nullable=False),
    Column("raised_by", String(_ACTOR_MAX), nullable=False),
    Column("raised_at", UtcDateTime, nullable=False),
    Column("fact_no", BigInteger, nullable=False),
    PrimaryKeyConstraint("pool", "dispute", name="a_dispute_has_one_id"),
    UniqueConstraint("pool", "statement", "line", name="a_line_is_disputed_once"),
    ForeignKeyConstraint(
        ["pool", "statement"],
        ["statement.pool", "statement.statement"],
        name="a_dispute_is_about_a_statement",
    ),
    _is_a_fact("a_dispute_is_a_fact"),
)
never_changes(dispute, "a dispute is never changed: it is answered")

# What somebody wants to adjust; nothing is booked before another person approves the newest one.
adjustment_proposal = Table(
    "adjustment_proposal",
    metadata,
    _pool_column(),
    Column("dispute", String(ID_MAX), nullable=False),
    Column("proposal_no", Integer, nullable=False),
    Column("amount_fen", BigInteger, nullable=False),
    Column("reason", String(REASON_MAX), nullable=False),
    Column("proposed_by", String(_ACTOR_MAX), nullable=False),
    Column("proposed_at", UtcDateTime, nullable=False),
    Column("fact_no", BigInteger, nullable=False),
    PrimaryKeyConstraint(
        "pool", "dispute", "proposal_no", name="proposals_of_an_adjustment_are_counted"
    ),
    ForeignKeyConstraint(
        ["pool", "dispute"],
        ["dispute.pool", "dispute.dispute"],
        name="an_adjustment_is_proposed_for_a_dispute",
    ),
    _is_a_fact("a_proposed_adjustment_is_a_fact"),
    CheckConstraint("amount_fen <> 0", name="a_proposed_adjustment_moves_something"),
)
never_changes(adjustment_proposal, "a proposed adjustment is never changed: propose another one")

# `entry_no` is the adjustment in the books, which the next statement shows. `answered_by` decided
# it; an adjustment was approved by somebody else (nobody where it is from before there were
# proposals).
dispute_answer = Table(
    "dispute_answer",
    metadata,
    _pool_column(),
    Column("dispute", String(ID_MAX), nullable=False),
    Column("verdict", String(_STATE_MAX), nullable=False),
    Column("amount_fen", BigInteger, nullable=False),
    Column("reason", String(REASON_MAX), nullable=False),
    Column("answered_by", String(_ACTOR_MAX), nullable=False),
    Column("answered_at", UtcDateTime, nullable=False),
    Column("entry_no", BigInteger, nullable=True),
    Column("fact_no", BigInteger, nullable=False),
    Column("approved_by", String(_ACTOR_MAX), nullable=True),
    PrimaryKeyConstraint("pool", "dispute", name="a_dispute_is_answered_once"),
    ForeignKeyConstraint(
        ["pool", "dispute"],
        ["dispute.pool", "dispute.dispute"],
        name="an_answer_is_to_a_dispute",
    ),
    ForeignKeyConstraint(
        ["pool", "entry_no"], ["entry.pool", "entry.entry_no"], name="an_adjustment_is_an_entry"
    ),
    _is_a_fact("an_answer_to_a_dispute_is_a_fact"),
    CheckConstraint("verdict IN ('adjusted', 'refused')", name="a_dispute_is_adjusted_or_refused"),
    CheckConstraint(
        "(verdict = 'adjusted') = (amount_fen <> 0 AND entry_no IS NOT NULL)",
        name="an_adjustment_moves_something",
    ),
)
never_changes(dispute_answer, "an answer to a dispute stands")

# `statement` is the newest statement that the payment pays for; its closing holds what earlier
# ones left open.
payment = Table(
    "payment",
    metadata,
    _pool_column(),
    Column("payment", String(ID_MAX), nullable=False),
    Column("merchant", String(ID_MAX), nullable=False),
    Column("statement", String(STATEMENT_ID_MAX), nullable=False),
    Column("direction", String(_STATE_MAX), nullable=False),
    Column("amount_fen", BigInteger, nullable=False),
    Column("note", String(REASON_MAX), nullable=False),
    Column("proposed_by", String(_ACTOR_MAX), nullable=False),
    Column("proposed_at", UtcDateTime, nullable=False),
    Column("fact_no", BigInteger, nullable=False),
    PrimaryKeyConstraint("pool", "payment", name="a_payment_has_one_id"),
    ForeignKeyConstraint(
        ["pool", "merchant"],
        ["merchant.pool", "merchant.merchant"],
        name="a_payment_is_with_a_known_merchant",
    ),
    ForeignKeyConstraint(
        ["pool", "statement"],
        ["statement.pool", "statement.statement"],
        name="a_payment_is_for_a_statement",
    ),
    _is_a_fact("a_proposed_payment_is_a_fact"),
    CheckConstraint("amount_fen > 0", name="a_payment_moves_something"),
    CheckConstraint("direction IN ('pay', 'receive')", name="a_payment_goes_one_way"),
    Index("payments_by_merchant", "pool", "merchant", "payment"),
    Index("payments_by_statement", "pool", "statement", "payment"),
)
never_changes(payment, "a proposed payment is never changed: withdraw it, and propose another one")

# A payment without a row here is proposed. `transfer_no` is what moved in the books.
payment_move = Table(
    "payment_move",
    metadata,
    _pool_column(),
    Column("payment", String(ID_MAX), nullable=False),
    Column("move_no", Integer, nullable=False),
    Column("move", String(_STATE_MAX), nullable=False),
    Column("state", String(_STATE_MAX), nullable=False),
    Column("moved_by", String(_ACTOR_MAX), nullable=False),
    Column("moved_at", UtcDateTime, nullable=False),
    Column("says", String(REASON_MAX), nullable=False),
    Column("bank_ref", String(BANK_REF_MAX), nullable=True),
    Column("paid_on", Date, nullable=True),
    Column("transfer_no", BigInteger, nullable=True),
    Column("fact_no", BigInteger, nullable=False),
    PrimaryKeyConstraint("pool", "payment", "move_no", name="moves_of_a_payment_are_counted"),
    UniqueConstraint("pool", "payment", "state", name="a_payment_is_in_a_state_once"),
    UniqueConstraint("pool", "bank_ref", name="a_bank_reference_stands_for_one_payment"),
    ForeignKeyConstraint(
        ["pool", "payment"],
        ["payment.pool", "payment.payment"],
        name="a_move_is_of_a_payment",
    ),
    ForeignKeyConstraint(
        ["pool", "transfer_no"],
        ["transfer.pool", "transfer.transfer_no"],
        name="a_payment_moves_a_transfer",
    ),
    _is_a_fact("a_move_of_a_payment_is_a_fact"),
    CheckConstraint(
        "state IN ('approved', 'paid', 'bounced', 'withdrawn')",
        name="a_payment_is_in_a_known_state",
    ),
    CheckConstraint(
        "(state IN ('paid', 'bounced')) = (transfer_no IS NOT NULL)",
        name="the_books_move_when_money_does",
    ),
    CheckConstraint(
        "(state = 'paid') = (bank_ref IS NOT NULL AND paid_on IS NOT NULL)",
        name="a_paid_payment_names_bank_and_day",
    ),
)
never_changes(payment_move, "a payment's move is never changed: make the next one")
