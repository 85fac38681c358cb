"""Version 2: several refunds of a sale. Never changed again."""

from sqlalchemy import Connection

STATEMENTS = (
    """
    CREATE TABLE refund (
        receipt_no VARCHAR(32) NOT NULL,
        refund_id VARCHAR(36) NOT NULL,
        sale_id VARCHAR(36) NOT NULL,
        void INTEGER NOT NULL,
        points INTEGER NOT NULL,
        cash_fen INTEGER NOT NULL,
        happened_at VARCHAR(32) NOT NULL,
        epoch INTEGER NOT NULL,
        seq INTEGER NOT NULL,
        of_elsewhere BLOB,
        CONSTRAINT a_refund_has_a_receipt_number_of_its_own PRIMARY KEY (receipt_no),
        CONSTRAINT a_refund_is_noted_once UNIQUE (refund_id),
        CONSTRAINT a_record_notes_one_refund UNIQUE (epoch, seq)
    )
    """,
    "CREATE INDEX refunds_of_a_sale ON refund (sale_id)",
    # Until now a sale came back whole, and once.
    """
    INSERT INTO refund
    SELECT sale.refund_receipt_no,
           json_extract(CAST(journal.body AS TEXT), '$.happening.refund_id'),
           sale.sale_id, 0, sale.points, sale.cash_fen, journal.occurred_at,
           sale.refund_epoch, sale.refund_seq, NULL
    FROM sale
    JOIN journal ON journal.epoch = sale.refund_epoch AND journal.seq = sale.refund_seq
    """,
)


def take(connection: Connection) -> None:
    """From version 1."""
    for statement in STATEMENTS:
        connection.exec_driver_sql(statement)
