"""The terminal's tables. Times are text in UTC, sortable; ids are text; hashes are hex.

What a file has is made by :mod:`terminal.store.steps`; a test holds the two together.
"""

from typing import Final

from sqlalchemy import (
    CheckConstraint,
    Column,
    ColumnElement,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
)

metadata = MetaData()

MOVED: Final = "moved"
"""The outcome of a record that was never told in its epoch, and stands in the next one again."""

journal = Table(
    "journal",
    metadata,
    Column("epoch", Integer, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("hash", String(64), nullable=False),
    Column("occurred_at", String(32), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("sale_id", String(36)),
    Column("body", LargeBinary, nullable=False),
    Column("signature", LargeBinary, nullable=False),
    Column("told_at", String(32)),
    Column("outcome", String(16)),
    Column("says", String(400)),
    PrimaryKeyConstraint("epoch", "seq", name="a_record_has_one_place_in_the_chain"),
    CheckConstraint("seq >= 1 and epoch >= 1", name="the_chain_counts_from_one"),
    Index("records_of_a_sale", "sale_id"),
    Index("records_by_time_told", "told_at"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("epoch", Integer, nullable=False),
    Column("seq", Integer, nullable=False),
    PrimaryKeyConstraint("epoch", "seq", name="a_record_is_told_once"),
    ForeignKeyConstraint(
        ["epoch", "seq"], ["journal.epoch", "journal.seq"], name="only_records_are_told"
    ),
)

sale = Table(
    "sale",
    metadata,
    Column("sale_id", String(36), nullable=False),
    Column("state", String(16), nullable=False),
    Column("opened_at", String(32), nullable=False),
    Column("approved_at", String(32)),
    Column("captured_at", String(32)),
    Column("receipt_no", String(32)),
    Column("account", String(16)),
    Column("points", Integer, nullable=False),
    Column("total_fen", Integer, nullable=False),
    Column("cash_fen", Integer, nullable=False),
    Column("stood_in", Integer, nullable=False),
    Column("balance_points", Integer),
    Column("decline_reason", String(32), nullable=False),
    Column("epoch", Integer),
    Column("seq", Integer),
    Column("refund_epoch", Integer),
    Column("refund_seq", Integer),
    Column("refund_receipt_no", String(32)),
    PrimaryKeyConstraint("sale_id", name="a_sale_has_one_row"),
    UniqueConstraint("receipt_no", name="a_receipt_number_is_given_once"),
    UniqueConstraint("refund_receipt_no", name="a_refunds_receipt_number_is_given_once"),
    CheckConstraint(
        "(state = 'captured') = (receipt_no is not null)",
        name="a_completed_sale_has_a_receipt_number",
    ),
    Index("sales_of_an_account", "account", "captured_at"),
    Index("sales_by_state", "state"),
    Index("sales_by_record", "epoch", "seq"),
)

refund = Table(
    "refund",
    metadata,
    Column("receipt_no", String(32), nullable=False),
    Column("refund_id", String(36), nullable=False),
    Column("sale_id", String(36), nullable=False),
    Column("void", Integer, nullable=False),
    Column("points", Integer, nullable=False),
    Column("cash_fen", Integer, nullable=False),
    Column("happened_at", String(32), nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("of_elsewhere", LargeBinary),  # the sale, where another terminal sold it
    PrimaryKeyConstraint("receipt_no", name="a_refund_has_a_receipt_number_of_its_own"),
    UniqueConstraint("refund_id", name="a_refund_is_noted_once"),
    UniqueConstraint("epoch", "seq", name="a_record_notes_one_refund"),
    Index("refunds_of_a_sale", "sale_id"),
)

z_report = Table(
    "z_report",
    metadata,
    Column("z_no", Integer, nullable=False),
    Column("hash", String(64), nullable=False),
    Column("closed_at", String(32), nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("seq", Integer, nullable=False),
    PrimaryKeyConstraint("z_no", name="a_z_report_has_one_number"),
    UniqueConstraint("epoch", "seq", name="a_record_is_one_z_report"),
    CheckConstraint("z_no >= 1", name="z_reports_count_from_one"),
)

person = Table(
    "person",
    metadata,
    Column("name", String(32), nullable=False),
    Column("role", String(32), nullable=False),
    Column("pin_hash", String(200), nullable=False),
    Column("failures", Integer, nullable=False),
    Column("locked_until", String(40)),
    PrimaryKeyConstraint("name", name="a_person_has_one_pin"),
)

counter_event = Table(
    "counter_event",
    metadata,
    Column("event", String(64), nullable=False),
    Column("rule_id", String(32), nullable=False),
    Column("with_exit", Integer, nullable=False),
    Column("opened_at", String(32), nullable=False),
    Column("opened_by", String(80), nullable=False),
    Column("closed_at", String(32)),
    PrimaryKeyConstraint("event", name="an_event_is_opened_once"),
)

attendance = Table(
    "attendance",
    metadata,
    Column("event", String(64), nullable=False),
    Column("account", String(16), nullable=False),
    Column("in_at", String(32), nullable=False),
    Column("out_at", String(32)),
    Column("award_id", String(36)),
    Column("points", Integer, nullable=False),
    PrimaryKeyConstraint("event", "account", name="a_resident_is_at_an_event_once"),
)

card_tries = Table(
    "card_tries",
    metadata,
    Column("card_id", String(16), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("pin_round", Integer, nullable=False),
    Column("day", String(10), nullable=False),
    Column("wrong", Integer, nullable=False),
    PrimaryKeyConstraint("card_id", name="wrong_pins_of_a_card_are_one_row"),
)

parked_basket = Table(
    "parked_basket",
    metadata,
    Column("number", Integer, nullable=False),
    Column("parked_at", String(32), nullable=False),
    Column("parked_by", String(80)),
    Column("is_up", Integer, nullable=False),  # lies on the desk; waits again after a stop
    Column("body", LargeBinary, nullable=False),
    PrimaryKeyConstraint("number", name="a_parked_basket_has_a_number"),
)

own_item = Table(
    "own_item",
    metadata,
    Column("list_no", Integer, nullable=False),
    Column("code", String(32), nullable=False),
    Column("barcode", String(32), nullable=False),
    Column("barcode_key", String(33), nullable=False),
    Column("name", String(60), nullable=False),
    Column("category", String(20), nullable=False),
    Column("unit", String(8), nullable=False),
    Column("price_fen", Integer, nullable=False),
    Column("weighed", Integer, nullable=False),
    Column("quick_key", Integer, nullable=False),
    PrimaryKeyConstraint("list_no", "code", name="goods_stand_once_in_a_list"),
    CheckConstraint("price_fen >= 1", name="own_goods_have_a_price"),
    Index("own_goods_by_barcode", "list_no", "barcode_key"),
    Index("own_goods_with_a_key", "list_no", "quick_key"),
)

print_job = Table(
    "print_job",
    metadata,
    Column("job_no", Integer, primary_key=True, autoincrement=True),
    Column("kind", String(16), nullable=False),
    Column("receipt_no", String(32), nullable=False),
    Column("copy_no", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("trouble", String(32), nullable=False),
    Column("document", LargeBinary, nullable=False),
    Index("jobs_of_a_receipt", "receipt_no", "job_no"),
    Index("jobs_by_state", "state", "job_no"),
)

counter = Table(
    "counter",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("value", Integer, nullable=False),
)

document = Table(
    "document",
    metadata,
    Column("kind", String(16), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("signature", LargeBinary, nullable=False),
)

# Entries of the directory in force, and of one that is being read: the counter tells which.
directory_entry = Table(
    "directory_entry",
    metadata,
    Column("generation", Integer, nullable=False),
    Column("account", String(16), nullable=False),
    Column("body", LargeBinary, nullable=False),
    PrimaryKeyConstraint("generation", "account", name="an_account_has_one_entry"),
    sqlite_with_rowid=False,
)

directory_card = Table(
    "directory_card",
    metadata,
    Column("generation", Integer, nullable=False),
    Column("card_id", String(16), nullable=False),
    Column("account", String(16), nullable=False),
    PrimaryKeyConstraint("generation", "card_id", "account", name="a_card_is_found_by_its_id"),
    sqlite_with_rowid=False,
)

chain_mark = Table(
    "chain_mark",
    metadata,
    Column("name", String(16), primary_key=True),
    Column("epoch", Integer, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("hash", String(64), nullable=False),
)


def stands() -> ColumnElement[bool]:
    """The record is not the old copy of one that stands in a later epoch: what folds the journal
    asks this, or it counts such a record twice.
    """
    return journal.c.outcome.is_distinct_from(MOVED)
