from server.bootstrap.desk import make_desk
from server.commands.audit import run_audit
from server.commands.audit_values import Finding
from server.db import reading
from tests.unit.audit.pool_world import PoolWorld, small_history


def audited(world: PoolWorld) -> tuple[Finding, ...]:
    with reading(world.engine) as tx:
        return run_audit(tx, world.pool, make_desk)


def test_a_pool_with_a_history_is_clean_and_everything_was_looked_at(world: PoolWorld) -> None:
    small_history(world)
    found = audited(world)
    assert [each.invariant for each in found] == [
        *(f"I{number}" for number in range(1, 9)),
        "I10",
        "I11",
    ]
    assert [each.violations for each in found] == [()] * len(found)
    assert all(each.checked > 0 for each in found if each.invariant != "I6")
