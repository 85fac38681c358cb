"""What every table of the server keeps to: the pool leads each key, and a sentence names it."""

import re
from collections.abc import Iterator
from importlib import import_module
from pkgutil import walk_packages
from typing import Final

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
)

import server
from server.db import metadata

for _module in walk_packages(server.__path__, "server."):
    if _module.name.rpartition(".")[2].endswith("tables"):
        import_module(_module.name)

TABLES: Final = metadata.sorted_tables
NAME_MAX: Final = 63  # of PostgreSQL, which cuts off what is longer
LED_OTHERWISE: Final[dict[str, str]] = {}
"""Keys and indexes that the pool does not lead, each with its reason."""


def keys(table: Table) -> Iterator[tuple[str, list[str]]]:
    for constraint in table.constraints:
        if isinstance(constraint, PrimaryKeyConstraint | UniqueConstraint):
            yield str(constraint.name), [column.name for column in constraint.columns]
    for index in table.indexes:
        yield (
            str(index.name),
            [each.name if isinstance(each, Column) else str(each) for each in index.expressions],
        )


def test_the_pool_leads_every_primary_key_unique_key_and_index() -> None:
    """So that the same schema can be spread over machines by pool, and no pool waits for another."""
    assert len(TABLES) >= 40
    led_otherwise = {
        name: columns
        for table in TABLES
        for name, columns in keys(table)
        if columns[:1] != ["pool"] and name not in LED_OTHERWISE
    }
    assert led_otherwise == {}


def test_every_foreign_key_stays_inside_its_pool() -> None:
    crossing = [
        str(constraint.name)
        for table in TABLES
        for constraint in table.constraints
        if isinstance(constraint, ForeignKeyConstraint)
        and (
            constraint.elements[0].parent.name != "pool"
            or constraint.elements[0].column.name != "pool"
        )
    ]
    assert crossing == []


def test_every_constraint_is_named_as_a_sentence() -> None:
    """Several words, in full, with a verb somewhere: it is what somebody reads in an error."""
    unnamed = [
        f"{table.name}.{constraint.name}"
        for table in TABLES
        for constraint in table.constraints
        if isinstance(
            constraint,
            PrimaryKeyConstraint | UniqueConstraint | ForeignKeyConstraint | CheckConstraint,
        )
        and (
            not re.fullmatch(r"[a-z]+(_[a-z0-9]+){2,}", str(constraint.name))
            or len(str(constraint.name)) > NAME_MAX
            or re.match(r"(pk|fk|uq|ck)_", str(constraint.name))
        )
    ]
    assert unnamed == []


def test_what_must_be_there_once_is_a_key_of_its_table() -> None:
    def unique(table: str) -> list[list[str]]:
        return [
            columns
            for name, columns in keys(metadata.tables[table])
            if name not in {str(index.name) for index in metadata.tables[table].indexes}
        ]

    assert ["pool", "terminal", "epoch", "seq"] in unique("journal_record")
    assert ["pool", "sale_id"] in unique("sale")
    assert ["pool", "terminal", "epoch", "seq"] in unique("sale")
    assert ["pool", "terminal", "epoch", "seq"] in unique("refund")
    assert ["pool", "key"] in unique("entry")
    assert ["pool", "hold_key"] in unique("hold")
    assert ["pool", "transfer_no"] in unique("statement_line")
    checks = {
        str(constraint.name)
        for constraint in metadata.tables["account"].constraints
        if isinstance(constraint, CheckConstraint)
    }
    assert "a_floored_account_never_goes_below_zero" in checks
