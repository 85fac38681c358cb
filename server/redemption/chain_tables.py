"""What happened to terminals' chains beside their records: epochs, differences, parked records."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
)

from server.db import POOL_ID_MAX, metadata
from server.db.dialect import never_changes
from server.directory.values import ID_MAX

BY_BOOT = "boot"
BY_OPERATOR = "operator"
BOOT_ID_MAX = 64
REASON_MAX = 200
_HASH_HEX = 64


def _pool_column() -> Column[str]:
    return Column("pool", String(POOL_ID_MAX), nullable=False)


def _of_a_terminal(name: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["pool", "terminal"], ["terminal.pool", "terminal.terminal"], name=name
    )


# Every epoch after a terminal's first: who opened it, and where the one before it was closed. The
# records of a closed epoch stand; no further one comes in.
terminal_epoch = Table(
    "terminal_epoch",
    metadata,
    _pool_column(),
    Column("terminal", String(ID_MAX), nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("opened_by", String(16), nullable=False),
    Column("boot_id", String(BOOT_ID_MAX), nullable=False),
    Column("closed_seq", BigInteger, nullable=False),
    Column("closed_hash", String(_HASH_HEX), nullable=False),
    Column("reason", String(REASON_MAX), nullable=False),
    Column("fact_no", BigInteger, nullable=False),
    PrimaryKeyConstraint("pool", "terminal", "epoch", name="an_epoch_is_opened_once"),
    _of_a_terminal("an_epoch_is_a_known_terminals"),
    ForeignKeyConstraint(
        ["pool", "fact_no"], ["fact.pool", "fact.fact_no"], name="an_epoch_is_opened_by_a_fact"
    ),
    CheckConstraint("opened_by IN ('boot', 'operator')", name="an_epoch_has_a_known_opener"),
    CheckConstraint("epoch > 1", name="the_first_epoch_comes_with_enrolment"),
)
never_changes(terminal_epoch, "an epoch that was given out stays: open the next one")

# Where a terminal's chain was found to be another than ours. `there_body` is the terminal's own
# record, exactly as it sent it, where it sent one; what stood here is in `journal_record`.
journal_difference = Table(
    "journal_difference",
    metadata,
    _pool_column(),
    Column("terminal", String(ID_MAX), nullable=False),
    Column("fact_no", BigInteger, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("here_hash", String(_HASH_HEX), nullable=False),
    Column("there_hash", String(_HASH_HEX), nullable=False),
    Column("there_body", LargeBinary, nullable=True),
    Column("boot_id", String(BOOT_ID_MAX), nullable=False),
    Column("says", Text, nullable=False),
    PrimaryKeyConstraint("pool", "terminal", "fact_no", name="a_difference_is_a_facts"),
    _of_a_terminal("a_difference_is_a_known_terminals"),
    ForeignKeyConstraint(
        ["pool", "fact_no"], ["fact.pool", "fact.fact_no"], name="a_difference_is_found_by_a_fact"
    ),
)
never_changes(journal_difference, "what a terminal's chain said stays on record")

# What the office did about a record that was handed over and found another in its place: it was
# booked after all, or left. `found_no` is the difference's fact.
difference_decision = Table(
    "difference_decision",
    metadata,
    _pool_column(),
    Column("terminal", String(ID_MAX), nullable=False),
    Column("found_no", BigInteger, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("overdraft_points", BigInteger, nullable=False),
    Column("reason", String(REASON_MAX), nullable=False),
    Column("fact_no", BigInteger, nullable=False),
    PrimaryKeyConstraint("pool", "terminal", "found_no", name="a_difference_is_decided_once"),
    ForeignKeyConstraint(
        ["pool", "terminal", "found_no"],
        [
            "journal_difference.pool",
            "journal_difference.terminal",
            "journal_difference.fact_no",
        ],
        name="only_a_difference_is_decided",
    ),
    ForeignKeyConstraint(
        ["pool", "fact_no"],
        ["fact.pool", "fact.fact_no"],
        name="a_difference_is_decided_by_a_fact",
    ),
    CheckConstraint(
        "outcome IN ('posted', 'duplicate', 'overdraft', 'left')",
        name="a_decided_difference_is_booked_or_left",
    ),
)
never_changes(difference_decision, "what was decided about a record stays decided")

# A parked record that a person had booked after all, with what became of it then. The record's own
# outcome stays as the terminal was told.
parked_booking = Table(
    "parked_booking",
    metadata,
    _pool_column(),
    Column("terminal", String(ID_MAX), nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("overdraft_points", BigInteger, nullable=False),
    Column("reason", String(REASON_MAX), nullable=False),
    Column("fact_no", BigInteger, nullable=False),
    PrimaryKeyConstraint("pool", "terminal", "epoch", "seq", name="a_parked_record_is_booked_once"),
    ForeignKeyConstraint(
        ["pool", "terminal", "epoch", "seq"],
        [
            "journal_record.pool",
            "journal_record.terminal",
            "journal_record.epoch",
            "journal_record.seq",
        ],
        name="only_a_record_is_booked",
    ),
    ForeignKeyConstraint(
        ["pool", "fact_no"],
        ["fact.pool", "fact.fact_no"],
        name="a_parked_record_is_booked_by_a_fact",
    ),
    CheckConstraint(
        "outcome IN ('posted', 'duplicate', 'overdraft')", name="a_booked_record_is_booked"
    ),
)
never_changes(parked_booking, "what was booked stays booked")

# Records of a terminal that is dead, known to have been and lost: a later one was handed over by
# another terminal. Should they be found, they go to their places; what is missing is what of these
# numbers has no row in `journal_record`.
chain_gap = Table(
    "chain_gap",
    metadata,
    _pool_column(),
    Column("terminal", String(ID_MAX), nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("first_seq", BigInteger, nullable=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("fact_no", BigInteger, nullable=False),
    PrimaryKeyConstraint("pool", "terminal", "epoch", "first_seq", name="a_gap_begins_once"),
    _of_a_terminal("a_gap_is_a_known_terminals"),
    ForeignKeyConstraint(
        ["pool", "fact_no"], ["fact.pool", "fact.fact_no"], name="a_gap_is_noted_by_a_fact"
    ),
    CheckConstraint("first_seq >= 1 AND last_seq >= first_seq", name="a_gap_has_records"),
)
never_changes(chain_gap, "what is known to be lost stays on record, also when it is found")

# A dead terminal's records were handed over, or it was said that there are none. `end_seq`: the
# newest record that the source is known to have had in an epoch; 0 where it had nothing.
terminal_recovery = Table(
    "terminal_recovery",
    metadata,
    _pool_column(),
    Column("terminal", String(ID_MAX), nullable=False),
    Column("fact_no", BigInteger, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("end_seq", BigInteger, nullable=False),
    Column("by_terminal", String(ID_MAX), nullable=False),
    Column("source", String(16), nullable=False),
    Column("records", BigInteger, nullable=False),
    PrimaryKeyConstraint(
        "pool", "terminal", "fact_no", "epoch", name="a_recovery_is_a_fact_for_each_epoch"
    ),
    _of_a_terminal("a_recovery_is_a_known_terminals"),
    ForeignKeyConstraint(
        ["pool", "fact_no"], ["fact.pool", "fact.fact_no"], name="a_recovery_is_a_fact"
    ),
    CheckConstraint("source IN ('stick', 'card', 'nothing')", name="a_recovery_has_a_known_source"),
)
never_changes(terminal_recovery, "what was recovered stays on record")
