"""Version 10: the shop's own goods and prices. Never changed again."""

from sqlalchemy import Connection

STATEMENTS = (
    """
    CREATE TABLE own_item (
        list_no INTEGER NOT NULL,
        code VARCHAR(32) NOT NULL,
        barcode VARCHAR(32) NOT NULL,
        barcode_key VARCHAR(33) NOT NULL,
        name VARCHAR(60) NOT NULL,
        category VARCHAR(20) NOT NULL,
        unit VARCHAR(8) NOT NULL,
        price_fen INTEGER NOT NULL,
        weighed INTEGER NOT NULL,
        quick_key INTEGER NOT NULL,
        CONSTRAINT goods_stand_once_in_a_list PRIMARY KEY (list_no, code),
        CONSTRAINT own_goods_have_a_price CHECK (price_fen >= 1)
    )
    """,
    "CREATE INDEX own_goods_by_barcode ON own_item (list_no, barcode_key)",
    "CREATE INDEX own_goods_with_a_key ON own_item (list_no, quick_key)",
)


def take(connection: Connection) -> None:
    """From version 9."""
    for statement in STATEMENTS:
        connection.exec_driver_sql(statement)
