"""Version 11: the directory's entries as rows of their own. Never changed again."""

import json

from sqlalchemy import Connection

STATEMENTS = (
    """
    CREATE TABLE directory_entry (
        generation INTEGER NOT NULL,
        account VARCHAR(16) NOT NULL,
        body BLOB NOT NULL,
        CONSTRAINT an_account_has_one_entry PRIMARY KEY (generation, account)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE directory_card (
        generation INTEGER NOT NULL,
        card_id VARCHAR(16) NOT NULL,
        account VARCHAR(16) NOT NULL,
        CONSTRAINT a_card_is_found_by_its_id PRIMARY KEY (generation, card_id, account)
    ) WITHOUT ROWID
    """,
)


def take(connection: Connection) -> None:
    """From version 10. A directory that was one document goes on as rows, without a digest: the
    server then gives the whole anew, and until it does the till can stand in.
    """
    for statement in STATEMENTS:
        connection.exec_driver_sql(statement)
    found = connection.exec_driver_sql("SELECT body FROM document WHERE kind='directory'").scalar()
    if found is None:
        return
    directory = json.loads(found)
    for entry in directory["entries"]:
        body = json.dumps(entry, separators=(",", ":"), ensure_ascii=False).encode()
        connection.exec_driver_sql(
            "INSERT INTO directory_entry VALUES (1, ?, ?)", (entry["account"], body)
        )
        for card in entry.get("cards", ()):
            connection.exec_driver_sql(
                "INSERT OR IGNORE INTO directory_card VALUES (1, ?, ?)",
                (card["card_id"], entry["account"]),
            )
    head = {"version": directory["version"], "made_at": directory["made_at"], "digest": ""}
    connection.exec_driver_sql(
        "INSERT INTO document VALUES ('directory_head', ?, ?, x'')",
        (directory["version"], json.dumps(head).encode()),
    )
    connection.exec_driver_sql("INSERT INTO counter VALUES ('directory', 1)")
    connection.exec_driver_sql("DELETE FROM document WHERE kind='directory'")
