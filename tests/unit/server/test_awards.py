"""Points in: once for each award id, by the rule of the day."""

from datetime import date, timedelta
from pathlib import Path

import msgspec
from sqlalchemy import Engine

from server.awards import Awarded, AwardPoints, points_awarded
from server.facts.refused import Refused
from tests.unit.server.world import TODAY, ZHANG, World

PATROL = AwardPoints(
    award_id="a-1", account=ZHANG, rule_id="river-patrol", performed_on=TODAY, awarded_by="网格员"
)


def reason(world: World, **other: object) -> str:
    outcome = world.submit(msgspec.structs.replace(PATROL, **other))
    assert isinstance(outcome, Refused), outcome
    return outcome.reason


def test_an_award_gives_what_its_rule_says_once(world: World) -> None:
    assert world.do(PATROL) == Awarded("a-1", 100, 0, again=False)
    assert world.do(PATROL) == Awarded("a-1", 100, 0, again=True)
    assert world.points(f"resident:{ZHANG}") == 100
    assert world.points("points_issued") == 100
    assert world.read(lambda tx: points_awarded(tx, world.pool)) == 100


def test_the_same_award_id_for_something_else_is_a_conflict(world: World) -> None:
    world.do(PATROL)
    assert reason(world, rule_id="noise-mediation") == "conflict"
    assert world.points(f"resident:{ZHANG}") == 100


def test_awards_to_nobody_by_no_rule_or_for_tomorrow_are_refused(world: World) -> None:
    assert reason(world, account="ffffffffffffffff") == "unknown_resident"
    assert reason(world, rule_id="napping") == "no_rule"
    assert reason(world, performed_on=date(2023, 12, 31)) == "no_rule"
    assert reason(world, performed_on=TODAY + timedelta(days=1)) == "future"
    assert world.points("points_issued") == 0


def test_e2_a_rule_that_changed_counts_as_it_was_on_the_day_of_the_deed(
    engine: Engine, tmp_path: Path
) -> None:
    world = World(engine, tmp_path, "wenhuajie")
    world.furnish()
    versions = [rule for rule in world.preset.award_rules if rule.id == "mediation"]
    old, new = sorted(versions, key=lambda rule: rule.first_day)
    assert (old.points, new.points) == (10, 15)
    world.clock.now += timedelta(days=400)
    given = []
    for number, day in enumerate((new.first_day - timedelta(days=1), new.first_day)):
        outcome = world.do(
            AwardPoints(
                award_id=f"m-{number}",
                account=ZHANG,
                rule_id="mediation",
                performed_on=day,
                awarded_by="网格员",
            )
        )
        assert isinstance(outcome, Awarded)
        given.append(outcome.points)
    assert given == [10, 15]
