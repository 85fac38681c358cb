"""Guards (triggers) in migrations: `op.create_guard(...)`, written by autogenerate as well."""

from collections.abc import Iterable

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.rewriter import Rewriter
from alembic.operations import MigrateOperation, Operations
from alembic.operations.ops import CreateTableOp
from sqlalchemy import MetaData

from server.db.dialect import Guard, Lookup, guard_ddl


@Operations.register_operation("create_guard")
class CreateGuardOp(MigrateOperation):
    """Creates one guard on a table that exists. Dropping the table drops it again."""

    def __init__(self, guard: Guard | Lookup) -> None:
        self.guard = guard

    @classmethod
    def create_guard(cls, operations: Operations, guard: Guard | Lookup) -> None:
        operations.invoke(cls(guard))


@Operations.implementation_for(CreateGuardOp)
def _create_guard(operations: Operations, operation: CreateGuardOp) -> None:
    connection = operations.get_bind()
    for statement in guard_ddl(operation.guard, connection.dialect.name):
        connection.exec_driver_sql(statement)


@renderers.dispatch_for(CreateGuardOp)
def _render_create_guard(_context: AutogenContext, operation: CreateGuardOp) -> str:
    return f"op.create_guard({operation.guard!r})"


def with_guards(tables: MetaData) -> Rewriter:
    """Makes autogenerate follow each new table with the guards that its declaration names."""
    rewriter = Rewriter()

    @rewriter.rewrites(CreateTableOp)
    def _follow(
        _context: object, _revision: object, operation: CreateTableOp
    ) -> Iterable[MigrateOperation]:
        table = tables.tables.get(operation.table_name)
        guards: tuple[Guard | Lookup, ...] = () if table is None else table.info.get("guards", ())
        # Alembic would print the table's info as well, and say every guard twice.
        operation.info = {}
        return [operation, *(CreateGuardOp(each) for each in guards)]

    return rewriter
