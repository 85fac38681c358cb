"""The worst offline loss: computed from what the terminals were really given."""

import json

import msgspec
import pytest

from protocol.messages import DocumentsAnswer, DocumentsRequest
from protocol.sales import AnsweredBy
from server.reports.exposure import exposure
from tests.unit.awards.running import run
from tests.unit.server.world import LIU, ZHANG, World, money_line, sold


@pytest.fixture
def published(world: World) -> World:
    """Two terminals, and a list of residents with allowances."""
    till = world.till()
    world.till("shop-a", "t-2")
    world.award(ZHANG, "river-patrol", "river-patrol")
    world.award(LIU, "river-patrol")
    till.ask("documents", DocumentsRequest(), DocumentsAnswer)
    return world


def test_it_is_what_all_terminals_could_give_to_everybody(published: World) -> None:
    limits = published.preset.standin
    found = published.read(lambda tx: exposure(tx, published.pool))
    buckets = limits.allowance_buckets_points
    balances = [published.free(account) for account in (ZHANG, LIU)]
    allowed = [max(b for b in buckets if b <= balance) for balance in balances]
    each = min(
        limits.per_terminal_hard_points, sum(min(limits.per_resident_points, a) for a in allowed)
    )
    assert each > 0
    assert found.per_terminal_points == each
    assert found.worst_points == 2 * each
    assert found.worst_fen == 2 * each * 10
    assert [x.terminal for x in found.terminals] == ["t-1", "t-2"]


def test_no_offline_sales_within_the_limits_cost_more(published: World) -> None:
    """Everybody spends what the list allows, at both terminals, and the points were gone."""
    bound = published.read(lambda tx: exposure(tx, published.pool)).worst_points
    per_sale = published.preset.standin.per_sale_points
    overdrawn = 0
    for name in ("t-3", "t-4"):
        till = published.till("shop-a", name)
        for account in (ZHANG, LIU):
            sale = sold(
                published,
                money_line("米", 10 * per_sale),
                points=per_sale,
                account=account,
            )
            outcome = till.outcome(msgspec.structs.replace(sale, answered_by=AnsweredBy.STAND_IN))
            overdrawn += outcome.overdraft_points
    assert overdrawn <= bound


def test_the_command_says_it_in_points_and_yuan(published: World) -> None:
    shown = run(published, "exposure")
    assert shown.exit_code == 0, shown.output
    assert "全部 2 台终端同时断网" in shown.output
    assert " 元" in shown.output
    told = json.loads(run(published, "exposure", "--json").output)
    assert told["worst_fen"] == told["worst_points"] * 10


def test_points_without_a_value_have_no_yuan(counter: World) -> None:
    found = counter.read(lambda tx: exposure(tx, counter.pool))
    assert (found.worst_points, found.worst_fen) == (0, None)
    assert "元" not in run(counter, "exposure").output
