"""Alembic's environment: runs on the connection and for the tables that `migrate` hands over."""

from typing import Literal

from alembic import context

from server.db.metadata import UtcDateTime
from server.db.migrations.operations import with_guards


def _render_item(kind: str, item: object, _context: object) -> str | Literal[False]:
    # Migrations import the one type of ours by name; Alembic would write its whole module path.
    return "UtcDateTime()" if kind == "type" and isinstance(item, UtcDateTime) else False


_tables = context.config.attributes["tables"]
context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=_tables,
    render_item=_render_item,
    process_revision_directives=with_guards(_tables),
    compare_type=True,
)
# The caller's transaction is the one that commits.
context.run_migrations()
