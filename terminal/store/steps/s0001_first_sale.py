"""Version 1: the journal, its outbox, sales, print jobs, documents. Never changed again."""

from sqlalchemy import Connection

STATEMENTS = (
    """
    CREATE TABLE counter (
        name VARCHAR(32) NOT NULL,
        value INTEGER NOT NULL,
        PRIMARY KEY (name)
    )
    """,
    """
    CREATE TABLE document (
        kind VARCHAR(16) NOT NULL,
        version INTEGER NOT NULL,
        body BLOB NOT NULL,
        signature BLOB NOT NULL,
        PRIMARY KEY (kind)
    )
    """,
    """
    CREATE TABLE journal (
        epoch INTEGER NOT NULL,
        seq INTEGER NOT NULL,
        hash VARCHAR(64) NOT NULL,
        occurred_at VARCHAR(32) NOT NULL,
        kind VARCHAR(32) NOT NULL,
        sale_id VARCHAR(36),
        body BLOB NOT NULL,
        signature BLOB NOT NULL,
        told_at VARCHAR(32),
        outcome VARCHAR(16),
        says VARCHAR(400),
        CONSTRAINT a_record_has_one_place_in_the_chain PRIMARY KEY (epoch, seq),
        CONSTRAINT the_chain_counts_from_one CHECK (seq >= 1 and epoch >= 1)
    )
    """,
    "CREATE INDEX records_of_a_sale ON journal (sale_id)",
    """
    CREATE TABLE print_job (
        job_no INTEGER NOT NULL,
        kind VARCHAR(16) NOT NULL,
        receipt_no VARCHAR(32) NOT NULL,
        copy_no INTEGER NOT NULL,
        state VARCHAR(16) NOT NULL,
        trouble VARCHAR(32) NOT NULL,
        document BLOB NOT NULL,
        PRIMARY KEY (job_no)
    )
    """,
    "CREATE INDEX jobs_by_state ON print_job (state, job_no)",
    "CREATE INDEX jobs_of_a_receipt ON print_job (receipt_no, job_no)",
    """
    CREATE TABLE sale (
        sale_id VARCHAR(36) NOT NULL,
        state VARCHAR(16) NOT NULL,
        opened_at VARCHAR(32) NOT NULL,
        approved_at VARCHAR(32),
        captured_at VARCHAR(32),
        receipt_no VARCHAR(32),
        account VARCHAR(16),
        points INTEGER NOT NULL,
        total_fen INTEGER NOT NULL,
        cash_fen INTEGER NOT NULL,
        stood_in INTEGER NOT NULL,
        balance_points INTEGER,
        decline_reason VARCHAR(32) NOT NULL,
        epoch INTEGER,
        seq INTEGER,
        refund_epoch INTEGER,
        refund_seq INTEGER,
        refund_receipt_no VARCHAR(32),
        CONSTRAINT a_sale_has_one_row PRIMARY KEY (sale_id),
        CONSTRAINT a_receipt_number_is_given_once UNIQUE (receipt_no),
        CONSTRAINT a_refunds_receipt_number_is_given_once UNIQUE (refund_receipt_no),
        CONSTRAINT a_completed_sale_has_a_receipt_number CHECK ((state = 'captured') = (receipt_no is not null))
    )
    """,
    "CREATE INDEX sales_by_state ON sale (state)",
    "CREATE INDEX sales_of_an_account ON sale (account, captured_at)",
    """
    CREATE TABLE outbox (
        epoch INTEGER NOT NULL,
        seq INTEGER NOT NULL,
        CONSTRAINT a_record_is_told_once PRIMARY KEY (epoch, seq),
        CONSTRAINT only_records_are_told FOREIGN KEY(epoch, seq) REFERENCES journal (epoch, seq)
    )
    """,
)


def take(connection: Connection) -> None:
    """Make a new file's tables."""
    for statement in STATEMENTS:
        connection.exec_driver_sql(statement)
