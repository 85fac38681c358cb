"""What holds for every test of a room."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, Delete, Engine, Select, Table, Update, event

from server.db import metadata
from server.db.roles import rights_of

_SET = re.compile(r"\bSET\b(?P<columns>.*?)(?:\bWHERE\b|\bFROM\b|$)", re.DOTALL)
_COLUMN = re.compile(r'(?:^|,)\s*"?(\w+)"?\s*=')


def trespass(wanted: object, statement: str) -> str | None:
    """Which right of the application a statement of the program lacks; None where it has all."""
    if isinstance(wanted, Update) and (table := _ours(wanted.table)) is not None:
        found = _SET.search(statement)
        columns = set(_COLUMN.findall(found["columns"])) if found else set()
        lacking = columns - set(rights_of(table).update)
        return f"UPDATE ({', '.join(sorted(lacking))}) ON {table.name}" if lacking else None
    if isinstance(wanted, Delete) and (table := _ours(wanted.table)) is not None:
        return None if rights_of(table).delete else f"DELETE ON {table.name}"
    if isinstance(wanted, Select) and wanted._for_update_arg is not None:
        # PostgreSQL locks rows only for whoever may update something in them.
        tables = [_ours(each) for each in wanted.get_final_froms()]
        lacking_tables = [
            each.name for each in tables if each is not None and not rights_of(each).update
        ]
        return f"FOR UPDATE of {', '.join(lacking_tables)}" if lacking_tables else None
    return None


def _ours(table: object) -> Table | None:
    is_ours = isinstance(table, Table) and metadata.tables.get(table.name) is table
    return metadata.tables[table.name] if is_ours and isinstance(table, Table) else None


@pytest.fixture(scope="session", autouse=True)
def the_program_keeps_to_the_rights_of_its_role() -> Iterator[None]:
    """Whatever a test makes the program do, on either database, its role on PostgreSQL may do
    (`server/db/roles.py`): a column that is changed without a stated right fails its tests here.
    """

    def look(
        _connection: Connection,
        _cursor: object,
        statement: str,
        _parameters: object,
        context: Any,
        _many: bool,
    ) -> None:
        compiled = getattr(context, "compiled", None)
        lacking = trespass(compiled.statement, statement) if compiled is not None else None
        assert lacking is None, f"{lacking}: state it in the table's declaration ({statement})"

    event.listen(Engine, "before_cursor_execute", look)
    yield
    event.remove(Engine, "before_cursor_execute", look)
