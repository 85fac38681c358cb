"""Which deed was awarded, by which rule, to whom; and what came of it afterwards."""

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

from server.db import POOL_ID_MAX, metadata
from server.db.dialect import never_changes
from server.db.roles import forgotten, updated
from server.directory.values import ID_MAX, NAME_MAX

AWARD_ID_MAX = 64
MEMO_MAX = 200
_ACCOUNT_HEX = 16
_KEY_TEXT_MAX = 80
_STATE_MAX = 16
_ROLES_MAX = 120
_PAID_KEY_MAX = 200
_ACTOR_MAX = 128

# `points` is what the rule was worth on `performed_on`: history is never re-rated.
award = Table(
    "award",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("award_id", String(AWARD_ID_MAX), nullable=False),
    Column("account", String(16), nullable=False),
    Column("rule_id", String(ID_MAX), nullable=False),
    Column("category", String(NAME_MAX), nullable=False),
    Column("performed_on", Date, nullable=False),
    Column("points", BigInteger, nullable=False),
    Column("awarded_by", String(NAME_MAX), nullable=False),
    Column("memo", String(200), nullable=False),
    Column("fact_no", BigInteger, nullable=False),
    PrimaryKeyConstraint("pool", "award_id", name="an_award_has_one_id"),
    UniqueConstraint("pool", "fact_no", name="a_fact_awards_once"),
    ForeignKeyConstraint(
        ["pool", "account"],
        ["resident.pool", "resident.account"],
        name="an_award_goes_to_a_resident",
    ),
    CheckConstraint("points > 0", name="an_award_is_worth_something"),
    Index("awards_by_account", "pool", "account", "performed_on"),
    Index("awards_by_rule", "pool", "rule_id", "performed_on"),
)
never_changes(award, "an award is never changed: claw it back with another one")

# What was agreed after the pool opened. The newest `version` of the latest `valid_from` counts;
# `may_award` names roles with commas between, none for everybody.
award_rule_terms = Table(
    "award_rule_terms",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("rule_id", String(ID_MAX), nullable=False),
    Column("valid_from", Date, nullable=False),
    Column("version", Integer, nullable=False),
    Column("last_day", Date, nullable=True),
    Column("category", String(NAME_MAX), nullable=False),
    Column("points", Integer, nullable=False),
    Column("same_fact_as", String(ID_MAX), nullable=True),
    Column("per_person_a_day", Integer, nullable=True),
    Column("per_person_a_month", Integer, nullable=True),
    Column("per_day", Integer, nullable=True),
    Column("per_event", Integer, nullable=True),
    Column("may_award", String(_ROLES_MAX), nullable=False),
    Column("review", Boolean, nullable=False),
    Column("fact_no", BigInteger, nullable=False),
    PrimaryKeyConstraint(
        "pool", "rule_id", "valid_from", "version", name="rule_terms_are_numbered_by_their_day"
    ),
    ForeignKeyConstraint(["pool"], ["pool.pool"], name="rule_terms_belong_to_a_pool"),
    CheckConstraint("points > 0", name="rule_terms_award_something"),
    CheckConstraint(
        "last_day IS NULL OR valid_from <= last_day", name="rule_terms_last_a_day_or_more"
    ),
)
never_changes(award_rule_terms, "rule terms are never changed: amend the rule again")

# Who awards and reviews. `account` is his own as a resident: staff earn points too.
awarder = Table(
    "awarder",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("awarder", String(AWARD_ID_MAX), nullable=False),
    Column("name", String(NAME_MAX), nullable=False),
    Column("role", String(_STATE_MAX), nullable=False),
    Column("account", String(_ACCOUNT_HEX), nullable=True),
    Column("retired", Boolean, nullable=False),
    PrimaryKeyConstraint("pool", "awarder", name="an_awarder_has_one_id"),
    ForeignKeyConstraint(["pool"], ["pool.pool"], name="an_awarder_belongs_to_a_pool"),
    ForeignKeyConstraint(
        ["pool", "account"],
        ["resident.pool", "resident.account"],
        name="an_awarder_earns_as_a_known_resident",
    ),
)
updated(awarder, "retired")

# A town's mini-program or another channel that awards over signed HTTP.
partner = Table(
    "partner",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("partner", String(ID_MAX), nullable=False),
    Column("name", String(NAME_MAX), nullable=False),
    Column("public_key", String(_KEY_TEXT_MAX), nullable=False),
    Column("closed", Boolean, nullable=False),
    PrimaryKeyConstraint("pool", "partner", name="a_partner_has_one_id"),
    UniqueConstraint("pool", "public_key", name="a_key_is_one_partners"),
    ForeignKeyConstraint(["pool"], ["pool.pool"], name="a_partner_belongs_to_a_pool"),
)
updated(partner, "public_key", "closed")

# Of an award that named them: the event that many took part in, and the one fact that it pays.
award_origin = Table(
    "award_origin",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("award_id", String(AWARD_ID_MAX), nullable=False),
    Column("event", String(AWARD_ID_MAX), nullable=True),
    Column("fact_ref", String(AWARD_ID_MAX), nullable=True),
    PrimaryKeyConstraint("pool", "award_id", name="an_award_has_one_origin"),
    ForeignKeyConstraint(
        ["pool", "award_id"],
        ["award.pool", "award.award_id"],
        name="an_origin_is_an_awards",
    ),
    Index("origins_by_event", "pool", "event"),
)
never_changes(award_origin, "where an award comes from is never changed")

# What is paid at most once, as long as its award stands: a claw-back makes it payable again.
paid_once = Table(
    "paid_once",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("paid_key", String(_PAID_KEY_MAX), nullable=False),
    Column("award_id", String(AWARD_ID_MAX), nullable=False),
    PrimaryKeyConstraint("pool", "paid_key", name="one_fact_is_paid_once"),
    ForeignKeyConstraint(
        ["pool", "award_id"],
        ["award.pool", "award.award_id"],
        name="what_is_paid_is_paid_by_an_award",
    ),
    Index("paid_once_by_award", "pool", "award_id"),
)
forgotten(paid_once)

award_claim = Table(
    "award_claim",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("claim_id", String(AWARD_ID_MAX), nullable=False),
    Column("account", String(_ACCOUNT_HEX), nullable=False),
    Column("rule_id", String(ID_MAX), nullable=False),
    Column("performed_on", Date, nullable=False),
    Column("claimed_by", String(NAME_MAX), nullable=False),
    Column("memo", String(MEMO_MAX), nullable=False),
    Column("event", String(AWARD_ID_MAX), nullable=True),
    Column("fact_ref", String(AWARD_ID_MAX), nullable=True),
    Column("fact_no", BigInteger, nullable=False),
    PrimaryKeyConstraint("pool", "claim_id", name="a_claim_has_one_id"),
    ForeignKeyConstraint(
        ["pool", "account"],
        ["resident.pool", "resident.account"],
        name="a_claim_is_for_a_resident",
    ),
    Index("claims_by_event", "pool", "event"),
    Index("claims_by_fact", "pool", "fact_no"),
)
never_changes(award_claim, "a claim is never changed: refuse it and claim again")

award_review = Table(
    "award_review",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("claim_id", String(AWARD_ID_MAX), nullable=False),
    Column("approved", Boolean, nullable=False),
    Column("reviewed_by", String(AWARD_ID_MAX), nullable=False),
    Column("reason", String(MEMO_MAX), nullable=False),
    Column("fact_no", BigInteger, nullable=False),
    PrimaryKeyConstraint("pool", "claim_id", name="a_claim_is_reviewed_once"),
    ForeignKeyConstraint(
        ["pool", "claim_id"],
        ["award_claim.pool", "award_claim.claim_id"],
        name="a_review_is_of_a_claim",
    ),
)
never_changes(award_review, "a review is never changed: claw the award back, or claim again")

# `taken_points` came from the balance; `owed_points` come out of awards to come.
award_clawback = Table(
    "award_clawback",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("award_id", String(AWARD_ID_MAX), nullable=False),
    Column("clawed_back_by", String(NAME_MAX), nullable=False),
    Column("reason", String(MEMO_MAX), nullable=False),
    Column("points", BigInteger, nullable=False),
    Column("taken_points", BigInteger, nullable=False),
    Column("owed_points", BigInteger, nullable=False),
    Column("fact_no", BigInteger, nullable=False),
    PrimaryKeyConstraint("pool", "award_id", name="an_award_is_clawed_back_once"),
    ForeignKeyConstraint(
        ["pool", "award_id"],
        ["award.pool", "award.award_id"],
        name="a_clawback_is_of_an_award",
    ),
    CheckConstraint(
        "taken_points >= 0 AND owed_points >= 0 AND taken_points + owed_points = points",
        name="a_clawback_takes_it_or_lets_it_be_owed",
    ),
)
never_changes(award_clawback, "a claw-back is never changed: award again")

# A task for several people, named by its event. `split`: each gets the rule's points, or they
# share them together.
task = Table(
    "task",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("event", String(AWARD_ID_MAX), nullable=False),
    Column("rule_id", String(ID_MAX), nullable=False),
    Column("performed_on", Date, nullable=False),
    Column("headcount", Integer, nullable=False),
    Column("split", String(_STATE_MAX), nullable=False),
    Column("published_by", String(NAME_MAX), nullable=False),
    Column("fact_no", BigInteger, nullable=False),
    PrimaryKeyConstraint("pool", "event", name="a_task_is_named_by_its_event"),
    ForeignKeyConstraint(["pool"], ["pool.pool"], name="a_task_belongs_to_a_pool"),
    CheckConstraint("headcount >= 2", name="a_task_takes_several_people"),
    CheckConstraint("split IN ('each', 'together')", name="a_task_is_paid_each_or_together"),
)
never_changes(task, "a task is never changed: publish another one")

# Which of a task's places a claim has; the place of a claim that is refused is given out again.
task_seat = Table(
    "task_seat",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("claim_id", String(AWARD_ID_MAX), nullable=False),
    Column("event", String(AWARD_ID_MAX), nullable=False),
    Column("seat", Integer, nullable=False),
    PrimaryKeyConstraint("pool", "claim_id", name="a_claim_has_one_seat"),
    ForeignKeyConstraint(
        ["pool", "claim_id"],
        ["award_claim.pool", "award_claim.claim_id"],
        name="a_seat_is_a_claims",
    ),
    ForeignKeyConstraint(
        ["pool", "event"], ["task.pool", "task.event"], name="a_seat_is_in_a_task"
    ),
    CheckConstraint("seat >= 1", name="seats_are_counted_from_one"),
    Index("seats_by_task", "pool", "event"),
)
never_changes(task_seat, "a seat is never changed: refuse the claim and claim again")

opening_balance = Table(
    "opening_balance",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("opening_id", String(AWARD_ID_MAX), nullable=False),
    Column("account", String(_ACCOUNT_HEX), nullable=False),
    Column("points", BigInteger, nullable=False),
    Column("as_of", Date, nullable=False),
    Column("opened_by", String(NAME_MAX), nullable=False),
    Column("memo", String(MEMO_MAX), nullable=False),
    Column("fact_no", BigInteger, nullable=False),
    PrimaryKeyConstraint("pool", "opening_id", name="a_paper_is_taken_over_once"),
    ForeignKeyConstraint(
        ["pool", "account"],
        ["resident.pool", "resident.account"],
        name="an_opening_balance_is_a_residents",
    ),
    CheckConstraint("points > 0", name="an_opening_balance_is_worth_something"),
    Index("opening_balances_by_account", "pool", "account"),
)
never_changes(opening_balance, "an opening balance is never changed")

opening_correction = Table(
    "opening_correction",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("correction", String(AWARD_ID_MAX), nullable=False),
    Column("opening_id", String(AWARD_ID_MAX), nullable=False),
    Column("was_points", BigInteger, nullable=False),
    Column("right_points", BigInteger, nullable=False),
    Column("reason", String(MEMO_MAX), nullable=False),
    Column("proposed_by", String(_ACTOR_MAX), nullable=False),
    Column("fact_no", BigInteger, nullable=False),
    PrimaryKeyConstraint("pool", "correction", name="a_correction_has_one_id"),
    ForeignKeyConstraint(
        ["pool", "opening_id"],
        ["opening_balance.pool", "opening_balance.opening_id"],
        name="a_correction_is_of_an_opening_balance",
    ),
    CheckConstraint(
        "right_points >= 0 AND right_points <> was_points", name="a_correction_corrects_something"
    ),
    Index("corrections_by_opening", "pool", "opening_id"),
)
never_changes(opening_correction, "a proposed correction is never changed: propose another one")

# Of a paper that was worth less, `taken_points` came from the balance and `owed_points` come out
# of awards to come; of one that was worth more, both are 0.
opening_correction_approval = Table(
    "opening_correction_approval",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("correction", String(AWARD_ID_MAX), nullable=False),
    Column("approved_by", String(_ACTOR_MAX), nullable=False),
    Column("taken_points", BigInteger, nullable=False),
    Column("owed_points", BigInteger, nullable=False),
    Column("fact_no", BigInteger, nullable=False),
    PrimaryKeyConstraint("pool", "correction", name="a_correction_is_approved_once"),
    ForeignKeyConstraint(
        ["pool", "correction"],
        ["opening_correction.pool", "opening_correction.correction"],
        name="an_approval_is_of_a_proposed_correction",
    ),
    CheckConstraint(
        "taken_points >= 0 AND owed_points >= 0", name="a_correction_takes_whole_points_back"
    ),
)
never_changes(opening_correction_approval, "an approved correction stands: propose another one")
