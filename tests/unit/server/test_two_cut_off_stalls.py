"""D2 at two real tills of a real server: one resident with 100 points buys for 80 at each while
both are cut off. Told afterwards, the books have what the tills gave.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from msgspec.structs import replace

from protocol.evidence import SlotEvidence
from protocol.sales import SaleCaptured
from server.awards import OpenBalance
from server.db import reading
from server.settlement.document import document_of
from server.settlement.values import Settle
from tests.support.pool_till import PoolTill, till_of
from tests.unit.awards.deeds import assert_audit_is_clean
from tests.unit.server.world import TODAY, ZHANG, World

STALLS = {"shop-a": "t-1", "stall-92": "t-92"}


@pytest.fixture
def stalls(world: World, tmp_path: Path) -> Iterator[list[PoolTill]]:
    """Two tills with the newest directory; then the line to the server is cut."""
    world.add_merchant("stall-92")
    world.do(
        OpenBalance(opening_id="o-1", account=ZHANG, points=100, as_of=TODAY, opened_by="办公室")
    )
    with ExitStack() as open_tills:
        tills = [
            open_tills.enter_context(till_of(world, tmp_path, shop=shop, terminal=terminal))
            for shop, terminal in STALLS.items()
        ]
        for till in tills:
            till.line.reachable = False
        yield tills


def give_at_most(till: PoolTill, points: int) -> None:
    """What this till may give by itself, however many residents come."""
    policy = till.store.documents().policy
    assert policy is not None
    limits = replace(
        policy.stand_in, per_terminal_soft_points=points, per_terminal_hard_points=points
    )
    till.take(replace(policy, version=policy.version + 1, stand_in=limits))


def sell_for_80(till: PoolTill) -> SaleCaptured:
    till.till.add_amount("8.00", "菜")
    till.show_slot()
    till.till.complete(till.till.snapshot()[0].sale_id)
    sale = till.records()[-1]
    assert isinstance(sale, SaleCaptured), till.page.view().notice
    assert isinstance(sale.evidence, SlotEvidence)
    return sale


def told(world: World, tills: list[PoolTill]) -> dict[str, tuple[int, int, int]]:
    """By stall, once both have told the server and the day is settled: points, money for them,
    and cash. The audit is clean.
    """
    for till in tills:
        till.line.reachable = True
        till.sync()
    world.clock.move(days=2)
    world.do(Settle(run="r", through=TODAY, settled_by="财务"))
    found = {}
    for merchant in STALLS:
        with reading(world.engine) as tx:
            made = document_of(tx, world.pool, f"{merchant}-20260302")
        assert made is not None
        found[merchant] = (made.redeemed_points, made.reimbursement_fen, made.takings_fen)
    assert_audit_is_clean(world)
    return found


def standing(world: World) -> tuple[int, int]:
    """What the resident has, and what was spent beyond it."""
    return world.points(f"resident:{ZHANG}"), world.points(f"offline_overdraft:{ZHANG}")


def test_with_50_points_for_each_till_cash_makes_up_the_rest_and_nothing_is_overdrawn(
    world: World, stalls: list[PoolTill]
) -> None:
    for till in stalls:
        give_at_most(till, 50)
    paid = [sell_for_80(till).payment for till in stalls]
    assert [(each.points_for_money, each.cash_fen) for each in paid] == [(50, 300)] * 2
    assert told(world, stalls) == dict.fromkeys(STALLS, (50, 500, 300))
    assert standing(world) == (0, 0)


def test_up_to_the_allowance_both_give_80_and_the_next_award_pays_it_back(
    world: World, stalls: list[PoolTill]
) -> None:
    paid = [sell_for_80(till).payment for till in stalls]
    assert [(each.points_for_money, each.cash_fen) for each in paid] == [(80, 0)] * 2
    assert told(world, stalls) == dict.fromkeys(STALLS, (80, 800, 0))
    assert standing(world) == (0, 60)
    world.award(ZHANG, "river-patrol")
    assert standing(world) == (40, 0)
