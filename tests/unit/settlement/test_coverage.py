"""Which records a statement rests on: what is missing is said once, on the statement whose it is."""

from sqlalchemy import func, insert, select

from server.db import reading, writing
from server.directory.tables import terminal
from server.facts.tables import fact
from server.redemption.tables import journal_record
from server.settlement.coverage import coverage_of
from tests.unit.settlement.run_reading import POOL, D, made
from tests.unit.settlement.world import World


def record(world: World, *numbers: int, epoch: int = 1, outcome: str = "posted") -> None:
    """Records of these numbers come from the merchant's terminal, each with a sale."""
    for seq in numbers:
        world.sell("m", f"s{epoch}-{seq}", D[0], cash_fen=100)
        with writing(world.engine) as tx:
            at = (select(terminal.c.terminal).where(terminal.c.shop == "m")).limit(1)
            fact_no = tx.execute(select(func.max(fact.c.fact_no))).scalar_one()
            place = {"terminal": tx.execute(at).scalar_one(), "epoch": epoch, "seq": seq}
            rest = {"hash": f"{seq:064x}", "prev_hash": f"{seq - 1:064x}", "fact_no": fact_no}
            came = {"outcome": outcome, "overdraft_points": 0, "says": ""}
            tx.execute(insert(journal_record).values(pool=POOL, **place, **rest, **came))


def covered(world: World) -> list[list[tuple[object, ...]]]:
    """Statement by statement: epoch, first, last and what is missing."""
    with reading(world.engine) as tx:
        return [
            [
                (each.epoch, each.first_seq, each.last_seq, each.missing)
                for each in coverage_of(tx, POOL, statement)
            ]
            for statement in made(world, "m")
        ]


def test_what_is_lost_between_two_statements_is_missing_on_the_second(world: World) -> None:
    world.open("m")
    record(world, 1, 2, 3)
    world.run(D[0])
    record(world, 6, 7, 9)
    world.run(D[1])
    assert covered(world) == [[(1, 1, 3, ())], [(1, 6, 9, ((4, 5), (8, 8)))]]


def test_what_was_lost_and_came_later_makes_no_gap_of_what_was_there(world: World) -> None:
    world.open("m")
    record(world, 1, 4)
    world.run(D[0])
    record(world, 2, 3, 5)
    world.run(D[1])
    record(world, 6, 7)
    record(world, 2, epoch=2)
    world.run(D[2])
    first, second, third = covered(world)
    assert first == [(1, 1, 4, ((2, 3),))]
    assert second == [(1, 2, 5, ())]
    assert third == [(1, 6, 7, ()), (2, 2, 2, ((1, 1),))]


def test_what_waits_to_be_looked_at_is_counted_where_it_came(world: World) -> None:
    world.open("m")
    record(world, 1)
    record(world, 2, 3, outcome="parked")
    world.run(D[0])
    record(world, 4)
    world.run(D[1])
    with reading(world.engine) as tx:
        rows = [coverage_of(tx, POOL, each) for each in made(world, "m")]
    assert [[(row.first_seq, row.last_seq, row.parked_count) for row in each] for each in rows] == [
        [(1, 3, 2)],
        [(4, 4, 0)],
    ]
