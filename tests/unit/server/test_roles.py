"""Two roles on a real PostgreSQL: what the application may do, and that it is enough for a day."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Delete, Engine, Select, Update, delete, select, text, update
from sqlalchemy.exc import ProgrammingError

from protocol.messages import Approved, OutcomeKind
from protocol.sales import ReversalReason, SaleReversed
from server.bootstrap.desk import make_desk
from server.bootstrap.main import huidian_server
from server.bootstrap.schema import warnings
from server.commands.audit import run_audit
from server.db import metadata, open_engine, reading, writing
from server.db.dialect import refuses_all
from server.db.migrate import upgrade
from server.db.roles import (
    RolesFault,
    grant_rights,
    rights_of,
    rights_too_many,
    states_its_rights,
    updated,
)
from tests.conftest import Cluster
from tests.unit.audit.pool_world import PoolWorld, small_history
from tests.unit.conftest import trespass
from tests.unit.server.world import ZHANG, World, money_line, sold

_number = count(1)
TABLES = metadata.tables
REFUSED_BY_RIGHTS = "42501"  # insufficient_privilege: no trigger was even asked

TABLES_OF_THE_BOOKS = ("transfer", "entry", "fact", "statement", "statement_line", "refund")
FORBIDDEN = {
    "update": "UPDATE {table} SET pool = pool",
    "delete": "DELETE FROM {table}",
    "truncate": "TRUNCATE {table} CASCADE",
    "alter": "ALTER TABLE {table} ADD COLUMN more integer",
    "drop": "DROP TABLE {table} CASCADE",
    "disable triggers": "ALTER TABLE {table} DISABLE TRIGGER ALL",
    "replica role": "SET session_replication_role = replica",
    "trigger": (
        "CREATE TRIGGER aside BEFORE INSERT ON {table} FOR EACH ROW"
        " EXECUTE FUNCTION huidian_refuse('no')"
    ),
    "another table": "CREATE TABLE aside (no integer)",
    "another guard": (
        "CREATE OR REPLACE FUNCTION huidian_refuse() RETURNS trigger LANGUAGE plpgsql"
        " AS $$ BEGIN RETURN NEW; END $$"
    ),
    "becoming the owner": "SET ROLE {owner}",
}


@dataclass(frozen=True)
class TwoRoles:
    """An empty database that `owner` owns, and a role that may only connect to it."""

    cluster: Cluster
    database: str
    owner: str
    application: str

    def url(self, role: str) -> str:
        return f"postgresql+psycopg://{role}@/{self.database}?host={self.cluster.folder}"

    def config(self, folder: Path, *, owner: str | None) -> Path:
        lines = [
            f'data_dir = "{folder / "data"}"',
            f'database_url = "{self.url(self.application)}"',
        ]
        if owner is not None:
            lines.append(f'database_owner_url = "{self.url(owner)}"')
        file = folder / "server.toml"
        file.write_text("\n".join(lines), encoding="utf-8")
        return file


@pytest.fixture
def roles(postgres_cluster: Cluster) -> Iterator[TwoRoles]:
    number = next(_number)
    found = TwoRoles(postgres_cluster, f"two_{number}", f"owner_{number}", f"program_{number}")
    for role in (found.owner, found.application):
        postgres_cluster.run(f"CREATE ROLE {role} LOGIN")
    postgres_cluster.run(f"CREATE DATABASE {found.database} OWNER {found.owner}")
    yield found
    postgres_cluster.run(f"DROP DATABASE {found.database} WITH (FORCE)")
    for role in (found.owner, found.application):
        postgres_cluster.run(f"DROP ROLE {role}")


@pytest.fixture
def application(roles: TwoRoles) -> Iterator[Engine]:
    """The program's engine, on a database that its owner has made ready."""
    owner = open_engine(roles.url(roles.owner))
    upgrade(owner, metadata, afterwards=lambda tx: grant_rights(tx, metadata, roles.application))
    owner.dispose()
    engine = open_engine(roles.url(roles.application))
    yield engine
    engine.dispose()


def run(config: Path, *arguments: str) -> Result:
    command: click.Command = huidian_server
    return CliRunner().invoke(command, ["--config", str(config), *arguments])


def test_every_table_states_what_may_be_done_with_it() -> None:
    """A table that is added later says so in its declaration, or this test names it."""
    assert [table.name for table in metadata.sorted_tables if not states_its_rights(table)] == []


def test_what_never_changes_may_not_be_changed_by_right_either() -> None:
    books = [
        table
        for table in metadata.sorted_tables
        if {"UPDATE", "DELETE"} <= refuses_all(table.info.get("guards", ()))
    ]
    assert {"transfer", "entry", "fact", "statement"} <= {table.name for table in books}
    for table in books:
        assert (rights_of(table).update, rights_of(table).delete) == ((), False), table.name


def test_a_right_to_change_a_key_or_nothing_is_a_fault() -> None:
    account = metadata.tables["account"]
    before = rights_of(account)
    for columns in (("pool",), ("no_such",), ()):
        with pytest.raises(RolesFault):
            updated(account, *columns)
    assert rights_of(account) == before


@pytest.mark.postgres
@pytest.mark.parametrize("statement", FORBIDDEN.values(), ids=FORBIDDEN.keys())
def test_the_books_stand_by_rights_and_not_by_triggers_alone(
    roles: TwoRoles, application: Engine, statement: str
) -> None:
    for table in TABLES_OF_THE_BOOKS if "{table}" in statement else ("transfer",):
        wanted = statement.format(table=table, owner=roles.owner)
        with pytest.raises(ProgrammingError) as refused, writing(application) as tx:
            tx.exec_driver_sql(wanted)
        assert getattr(refused.value.orig, "sqlstate", None) == REFUSED_BY_RIGHTS, wanted


@pytest.mark.postgres
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE account SET account = 'another'",
        "UPDATE account SET floor_at_zero = false",
        "UPDATE hold SET amount = 1",
        "UPDATE sale SET answer = NULL",
        "UPDATE terminal SET shop = 'another'",
        "UPDATE card SET account = 'another'",
        "UPDATE sign_in SET merchant = 'another'",
        "UPDATE merchant SET name = 'another'",
        "DELETE FROM hold",
        "DELETE FROM resident",
    ],
)
def test_columns_that_the_program_never_changes_are_not_its_to_change(
    application: Engine, statement: str
) -> None:
    with pytest.raises(ProgrammingError) as refused, writing(application) as tx:
        tx.exec_driver_sql(statement)
    assert getattr(refused.value.orig, "sqlstate", None) == REFUSED_BY_RIGHTS


@pytest.mark.postgres
def test_a_first_sale_awards_and_settlement_run_under_the_applications_role(
    application: Engine,
) -> None:
    world = PoolWorld(application)
    small_history(world)
    with reading(application) as tx:
        found = run_audit(tx, world.pool, make_desk)
        assert rights_too_many(tx, metadata) == []
    assert [each for each in found if not each.clean] == []
    assert {each.invariant: each.checked for each in found}["I8"] > 0
    assert warnings(application) == []


@pytest.mark.postgres
def test_a_sale_that_is_asked_online_runs_under_the_applications_role(
    application: Engine, tmp_path: Path
) -> None:
    world = World(application, tmp_path, "guanghui")
    world.furnish()
    till = world.till()
    world.award(ZHANG, "tidying", "community-patrol")
    sale_id, slot = world.sale_id(), world.slot()
    assert isinstance(till.authorise(sale_id, slot, optional=71), Approved)
    sale = sold(world, money_line("套餐", 710), points=71, sale_id=sale_id, evidence=slot)
    assert till.outcome(sale).outcome is OutcomeKind.POSTED
    refused = world.sale_id()
    assert isinstance(till.authorise(refused, optional=10), Approved)
    reversal = SaleReversed(sale_id=refused, reason=ReversalReason.CANCELLED)
    assert till.outcome(reversal).outcome is OutcomeKind.POSTED


@pytest.mark.postgres
def test_the_owner_as_the_program_is_warned_about(roles: TwoRoles, application: Engine) -> None:
    owner = open_engine(roles.url(roles.owner))
    with reading(owner) as tx:
        assert "owns transfer" in rights_too_many(tx, metadata)
    (told,) = warnings(owner)
    assert "权限过大" in told
    assert "may too much" in told
    owner.dispose()
    roles.cluster.run(f"GRANT pg_write_all_data TO {roles.application}")
    with reading(application) as tx:
        assert "UPDATE transfer" in rights_too_many(tx, metadata)


@pytest.mark.postgres
def test_upgrade_as_the_owner_then_init_and_everything_else_as_the_program(
    roles: TwoRoles, tmp_path: Path
) -> None:
    config = roles.config(tmp_path, owner=roles.owner)
    told = run(config, "upgrade")
    assert told.exit_code == 0, told.output
    assert f"已给角色 {roles.application} 授权" in told.output
    # From here on the owner's URL leads nowhere: nobody but an upgrade needs it.
    config = roles.config(tmp_path, owner="nobody_of_this_name")
    assert run(config, "init", "--pool", "guanghui").exit_code == 0
    audited = run(config, "audit")
    assert audited.exit_code == 0, audited.output
    assert audited.stderr == ""
    # One URL, the program's: it needs no upgrade and works as well.
    assert run(roles.config(tmp_path, owner=None), "audit", "--only", "I1").exit_code == 0


@pytest.mark.postgres
def test_a_database_that_is_behind_is_named_and_the_program_does_not_touch_it(
    roles: TwoRoles, application: Engine, tmp_path: Path
) -> None:
    config = roles.config(tmp_path, owner=roles.owner)
    assert run(config, "init", "--pool", "guanghui").exit_code == 0
    owner = open_engine(roles.url(roles.owner))
    with owner.begin() as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    refused = run(config, "audit")
    assert refused.exit_code == 2
    assert "请先运行 huidian-server upgrade" in refused.output
    with owner.begin() as tx:
        (head,) = re.findall(r"\d{4}", newest_migration())
        tx.execute(text("UPDATE alembic_version SET version_num = :head"), {"head": head})
        tx.execute(text(f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {roles.application}"))
    owner.dispose()
    assert run(config, "audit").exit_code == 2
    assert run(config, "upgrade").exit_code == 0
    assert run(config, "audit", "--only", "I1").exit_code == 0


def newest_migration() -> str:
    folder = Path(__file__).parents[3] / "server" / "db" / "migrations" / "versions"
    return max(file.name for file in folder.glob("0*.py"))


@pytest.mark.postgres
def test_one_role_under_both_names_is_refused_and_nothing_is_made(
    roles: TwoRoles, tmp_path: Path
) -> None:
    refused = run(roles.config(tmp_path, owner=roles.application), "upgrade")
    assert refused.exit_code == 1
    assert "Traceback" not in refused.output
    owner = open_engine(roles.url(roles.owner))
    with reading(owner) as tx:
        assert (
            tx.execute(
                text("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
            ).scalar_one()
            == 0
        )
    owner.dispose()


def test_rights_say_nothing_on_sqlite(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/pool.db")
    upgrade(engine, metadata)
    assert warnings(engine) == []
    engine.dispose()


@pytest.mark.parametrize(
    ("statement", "lacking"),
    [
        (update(TABLES["account"]).values(debits=1), None),
        (update(TABLES["account"]).values(debits=1, hot=True), "UPDATE (hot) ON account"),
        (update(TABLES["transfer"]).values(amount=1), "UPDATE (amount) ON transfer"),
        (delete(TABLES["used_nonce"]), None),
        (delete(TABLES["hold"]), "DELETE ON hold"),
        (select(TABLES["ledger_head"]).with_for_update(), None),
        (select(TABLES["merchant"]).with_for_update(), "FOR UPDATE of merchant"),
        (select(TABLES["merchant"]), None),
    ],
)
def test_a_statement_that_lacks_a_right_is_seen_in_every_test(
    statement: Update | Delete | Select[tuple[object, ...]], lacking: str | None
) -> None:
    assert trespass(statement, str(statement)) == lacking
