"""The worst offline loss: computed from what the terminals were really given."""

import json
from pathlib import Path

import msgspec
import pytest

from protocol.documents import StandInMode
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


@pytest.mark.parametrize("mode", ["cap", "escrow"])
def test_a_mode_that_is_not_offered_yet_is_named_by_the_command_and_makes_no_pool(
    published: World, tmp_path: Path, mode: str
) -> None:
    """Both words are the enum's; a pool that asks for one is told, with file, line and key."""
    assert StandInMode(mode) is not StandInMode.SNAPSHOT
    text = (Path("config/pools") / "guanghui.toml").read_text(encoding="utf-8")
    asking = f'mode = "{mode}"\nper_sale_points'
    preset = tmp_path / "mine.toml"
    preset.write_text(text.replace("per_sale_points", asking, 1))
    refused = run(published, "init", "--pool", str(preset))
    assert refused.exit_code != 0
    assert f"“{mode}”还不提供，请用 snapshot" in refused.output
    assert f"{mode} is not offered yet; use snapshot" in refused.output
    assert "mine.toml" in refused.output
    assert "mode" in refused.output
    preset.write_text(preset.read_text().replace(mode, "snapshot", 1))
    reached = run(published, "init", "--pool", str(preset)).exception
    assert isinstance(reached, AssertionError), "the same file with snapshot comes to the making"
