"""I10: everything that happened, replayed into an empty database, is the same."""

from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from protocol.messages import OutcomeKind
from protocol.sales import RefundLine, ReversalReason, SaleReversed, TerminalStarted
from server.api.tables import used_nonce
from server.bootstrap.desk import make_desk
from server.db import create_all, metadata, open_engine, reading
from server.directory import commands as c
from server.directory.listing_tables import directory_entry, directory_version
from server.directory.tables import published_document
from server.facts import replay
from tests.unit.server.world import LIU, ZHANG, World, money_line, refunded, sold

NOT_FACTS = {
    used_nonce.name,
    published_document.name,
    directory_entry.name,
    directory_version.name,
}


def eventful_day(world: World) -> list[OutcomeKind]:
    """A bit of everything that the server can be told."""
    till = world.till()
    world.award(ZHANG, "river-patrol")
    card_id, sale_id = world.issue_card(ZHANG), world.sale_id()
    till.authorise(sale_id, world.card(card_id, sale_id, 50), optional=50)
    by_card = sold(
        world,
        money_line("套餐", 500),
        points=50,
        sale_id=sale_id,
        evidence=world.card(card_id, sale_id, 50),
    )
    cancelled, declined = world.sale_id(), world.sale_id()
    till.authorise(cancelled, optional=10)
    till.authorise(declined, world.slot(LIU), optional=10)
    till.authorise(declined, world.slot(LIU), optional=11)
    overdrawn = sold(world, money_line("套餐", 900), points=90)
    half = RefundLine(line_no=1, quantity_milli=500, amount_fen=250, amount_points=0)
    outcomes = till.tell(
        TerminalStarted(version="0.1.0"),
        by_card,
        by_card,
        SaleReversed(sale_id=cancelled, reason=ReversalReason.CANCELLED),
        overdrawn,
        sold(world, money_line("馒头", 50), practice=True),
        refunded(world, by_card, half, points_for_money=25),
    )
    code = world.invite("shop-a", "t-2")
    world.do(c.BlockResident(account=LIU, reason="核实中"))
    world.award(ZHANG, "tidying")
    guess = world.till(terminal="t-3")
    guess.enrol(code[:4] + "XXXX")
    return [each.outcome for each in outcomes]


def rows(engine: Engine) -> dict[str, list[tuple[object, ...]]]:
    with reading(engine) as tx:
        return {
            table.name: sorted((tuple(row) for row in tx.execute(select(table))), key=str)
            for table in metadata.sorted_tables
            if table.name not in NOT_FACTS
        }


def test_an_eventful_day_replays_to_identical_tables(world: World, tmp_path: Path) -> None:
    assert eventful_day(world) == [
        OutcomeKind.POSTED,
        OutcomeKind.POSTED,
        OutcomeKind.DUPLICATE,
        OutcomeKind.POSTED,
        OutcomeKind.OVERDRAFT,
        OutcomeKind.PARKED,
        OutcomeKind.POSTED,
    ]
    target = open_engine(f"sqlite:///{tmp_path}/replayed.sqlite3")
    create_all(target, metadata)
    with reading(world.engine) as tx:
        done = replay(tx, target, make_desk(), world.pool)
    expected, found = rows(world.engine), rows(target)
    target.dispose()
    assert done.facts == len(expected["fact"]) > 20
    assert {name for name in expected if expected[name] != found[name]} == set()
    assert all(expected[name] for name in ("sale", "refund", "hold", "award", "journal_record"))


@pytest.mark.postgres
def test_the_same_day_on_postgresql_replays_on_sqlite_to_the_same_books(
    postgres_url: str, tmp_path: Path
) -> None:
    engine = open_engine(postgres_url)
    create_all(engine, metadata)
    world = World(engine, tmp_path, "guanghui")
    world.furnish()
    outcomes = eventful_day(world)
    assert OutcomeKind.OVERDRAFT in outcomes
    target = open_engine(f"sqlite:///{tmp_path}/replayed.sqlite3")
    create_all(target, metadata)
    with reading(engine) as tx:
        replay(tx, target, make_desk(), world.pool)
    expected, found = rows(engine), rows(target)
    engine.dispose()
    target.dispose()
    assert {name for name in expected if expected[name] != found[name]} == set()
