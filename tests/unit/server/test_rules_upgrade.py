"""A pool from before there were limits is brought to them with everything in it."""

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import DBAPIError

from protocol.messages import Approved
from protocol.redemption import FenRemainder, Limits
from server.bootstrap.desk import make_desk
from server.db import create_all, metadata, open_engine, reading, writing
from server.db.migrate import MIGRATIONS, differences, upgrade
from server.directory import commands as c
from server.directory import items_on_sale, pool_terms, resident_of
from server.directory.adoption import adoption_of
from server.directory.sanctions import sanctions_of
from server.facts import Outcome, replay
from server.redemption import Authorise
from tests.unit.awards.test_migration import copy_what_fits
from tests.unit.server.test_replay import NOT_FACTS
from tests.unit.server.world import LIU, TODAY, ZHANG, World, first_limits, money_line, sold


@pytest.fixture
def old_migrations(tmp_path: Path) -> Path:
    """The migrations as they were before there were limits."""
    folder = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for each in folder.glob("versions/0*.py"):
        if each.name[:4] > "0003":
            each.unlink()
    return folder


class OldWorld(World):
    """A pool that was opened by a command which said nothing of limits."""

    def do(self, command: Struct) -> Outcome:
        if isinstance(command, c.AdoptPool):
            command = replace(command, limits=None, stand_in=first_limits(command.stand_in))
        return super().do(command)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    opened = open_engine(f"sqlite:///{tmp_path}/history.sqlite3")
    create_all(opened, metadata)
    world = OldWorld(opened, tmp_path, "guanghui")
    world.furnish()
    world.award(ZHANG, "river-patrol")
    world.till().tell(sold(world, money_line("套餐", 600), points=60))
    world.do(c.BlockResident(account=LIU, reason="核实中"))
    world.do(c.BlockResident(account=LIU, reason="核实中"))
    world.do(c.UnblockResident(account=LIU, reason="核实完"))
    until = TODAY + timedelta(days=30)
    world.do(c.BanRedemption(account=LIU, until=until, reason="虚报"))
    world.do(c.BanRedemption(account=ZHANG, until=None, reason="没有可解除的"))
    yield world
    opened.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def old(request: pytest.FixtureRequest, tmp_path: Path, old_migrations: Path) -> Iterator[Engine]:
    url = f"sqlite:///{tmp_path}/old.sqlite3"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
    opened = open_engine(url)
    upgrade(opened, metadata, migrations=old_migrations)
    yield opened
    opened.dispose()


def test_old_books_have_no_limits_keep_their_decisions_and_take_new_rules(
    world: World, old: Engine, tmp_path: Path
) -> None:
    copy_what_fits(world.engine, old)
    upgrade(old, metadata)
    expected = world.read(lambda tx: sanctions_of(tx, world.pool))
    before = world.points(f"resident:{ZHANG}")
    world.engine = old
    with reading(old) as tx:
        assert sanctions_of(tx, world.pool) == expected
        assert [each.what for each in expected] == ["block", "unblock", "ban"]
        terms = pool_terms(tx, world.pool)
        assert terms.redemption_on(TODAY).limits == Limits()
        assert (terms.periods, terms.cover, terms.points_expire_after_days) == ((), None, None)
        resident = resident_of(tx, world.pool, LIU)
        assert resident is not None
        assert resident.credit_score == 100
        items = items_on_sale(tx, world.pool, TODAY)
        assert len(items) == len(world.preset.catalogue)
        assert not any(each.is_limited for each in items)
        lacking = [each for each in differences(tx, metadata) if _is_of_these_rules(each)]
        assert lacking == []
    assert world.points(f"resident:{ZHANG}") == before
    world.do(
        c.SetRedemptionTerms(valid_from=TODAY, fen_remainder=FenRemainder.WAIVE, per_day_points=70)
    )
    question = Authorise(
        terminal="t-1",
        sale_id=world.sale_id(),
        evidence=world.slot(),
        proof_holds=False,
        required_points=0,
        optional_points=40,
        occurred_at=world.clock(),
    )
    answer = world.do(question)
    assert isinstance(answer, Approved)
    assert answer.points == 10  # 60 of 70 were taken before the upgrade


def _is_of_these_rules(difference: object) -> bool:
    names = ("redemption_terms", "sanction", "limited_goods", "over_limit", "limit_per", "cover_",
             "credit_score", "sales_by_resident", "residents_by_household")  # fmt: skip
    return any(name in str(difference) for name in names)


def test_the_facts_of_an_old_pool_replay_to_what_the_upgrade_made(
    world: World, old: Engine, tmp_path: Path
) -> None:
    copy_what_fits(world.engine, old)
    upgrade(old, metadata)
    target = open_engine(f"sqlite:///{tmp_path}/replayed.sqlite3")
    create_all(target, metadata)
    with reading(old) as tx:
        replay(tx, target, make_desk(), world.pool)
    for table in metadata.sorted_tables:
        if table.name in NOT_FACTS or table.name.startswith("rollup"):
            continue
        with reading(old) as here, reading(target) as there:
            rows = [sorted(map(tuple, tx.execute(select(table))), key=str) for tx in (here, there)]
        assert rows[0] == rows[1], table.name
    target.dispose()


def test_the_presets_limits_are_the_pools_first_terms(world: World, tmp_path: Path) -> None:
    command = adoption_of(world.preset, root_key="", issuer_keys=())
    assert command.limits == Limits(excluded_categories=("烟", "酒"))
    opened = open_engine(f"sqlite:///{tmp_path}/new.sqlite3")
    create_all(opened, metadata)
    new = World(opened, tmp_path / "new", "guanghui")
    (period,) = new.read(lambda tx: pool_terms(tx, new.pool)).periods
    assert period.limits == command.limits
    with pytest.raises(DBAPIError, match="never changed"), writing(opened) as tx:
        tx.execute(text("UPDATE redemption_terms SET bill_share_bp = 1"))
    opened.dispose()
