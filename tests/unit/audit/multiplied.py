"""Books made large by copying rows: right in shape and number, wrong in their signatures."""

from collections.abc import Mapping

from sqlalchemy import Engine, Table, text

from server.db import metadata

_STEP = 10_000
"""Far above every number of the small history that is copied."""

# As long as a sale's id is; its last digits already tell one sale from the other.
_SALE_ID = "(1000000000 + i) || substr(sale_id, 11)"

# Which columns of a copied row name it, and what they become in the i-th copy.
_ANEW: Mapping[str, Mapping[str, str]] = {
    "fact": {"fact_no": "fact_no + i * {step}"},
    "journal_record": {"seq": "seq + i * {step}", "fact_no": "fact_no + i * {step}"},
    "sale": {"sale_id": _SALE_ID, "seq": "seq + i * {step}"},
    "sale_line": {"sale_id": _SALE_ID},
    "entry": {
        "entry_no": "entry_no + i * {step}",
        "key": (
            "CASE kind WHEN 'sale' THEN 'sale:' || (1000000000 + i) || substr(key, 16)"
            " ELSE key || '-' || i END"
        ),
    },
    "transfer": {
        "transfer_no": "transfer_no + i * {step}",
        "entry_no": "entry_no + i * {step}",
    },
    "hold": {"hold_key": "hold_key || '-' || i"},
    "statement_line": {"transfer_no": "transfer_no + i * {step}"},
}
_ONLY = {"fact": "WHERE kind = 'journal_record'"}


def multiply(engine: Engine, times: int) -> None:
    """Adds `times` copies of every sale with all that was booked and recorded of it."""
    with engine.begin() as tx:
        if engine.dialect.name == "sqlite":
            tx.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        else:
            tx.exec_driver_sql("SET LOCAL session_replication_role = replica")
        for name, anew in _ANEW.items():
            tx.execute(text(_copying(metadata.tables[name], anew)), {"times": times})


def _copying(table: Table, anew: Mapping[str, str]) -> str:
    names = [column.name for column in table.columns]
    columns = ", ".join(f'"{name}"' for name in names)
    values = ", ".join(
        anew[name].format(step=_STEP) if name in anew else f'"{name}"' for name in names
    )
    return (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :times)"
        f' INSERT INTO "{table.name}" ({columns})'
        f' SELECT {values} FROM "{table.name}" CROSS JOIN n {_ONLY.get(table.name, "")}'
    )
