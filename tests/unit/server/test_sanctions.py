"""Bans, blocks and credit score: reason, evidence, who decided; kept, and lifted early."""

from datetime import timedelta
from pathlib import Path

import pytest

from protocol.documents import AccountStatus
from protocol.messages import Approved
from protocol.reasons import Declined, DeclineReason
from server.directory import commands as c
from server.directory import resident_of
from server.directory.sanctions import sanctions_of
from server.directory.values import Done, Resident
from server.facts.refused import Refused
from tests.unit.server.test_commands import Operator
from tests.unit.server.world import TODAY, ZHANG, Till, World


def zhang(world: World) -> Resident:
    found = world.read(lambda tx: resident_of(tx, world.pool, ZHANG))
    assert found is not None
    return found


def kept(world: World) -> list[tuple[str, int, str, str, str]]:
    found = world.read(lambda tx: sanctions_of(tx, world.pool, ZHANG))
    return [(x.what, x.credit_score, x.reason, x.evidence, x.decided_by) for x in found]


def test_a_false_claim_costs_credit_and_redemption_and_earning_goes_on(
    world: World, till: Till
) -> None:
    ban = c.BanRedemption(
        account=ZHANG,
        until=TODAY + timedelta(days=180),
        reason="代买三次只做一次",
        evidence="档案 2026-17",
        decided_by="监督小组",
    )
    credit = c.ChangeCredit(
        account=ZHANG, decision="2026-17", change=-20, reason="虚报", decided_by="监督小组"
    )
    for command in (ban, credit):
        world.do(command)
        again = world.do(command)
        assert isinstance(again, Done)
        assert again.again
    world.award(ZHANG, "river-patrol")
    assert world.points(f"resident:{ZHANG}") == 100
    assert (zhang(world).credit_score, zhang(world).banned_until) == (80, ban.until)
    answer = till.authorise(world.sale_id(), optional=10)
    assert answer == Declined(DeclineReason.REDEMPTION_BANNED, until=ban.until)
    world.do(c.BanRedemption(account=ZHANG, until=None, reason="提前解除", decided_by="街道"))
    assert isinstance(till.authorise(world.sale_id(), optional=10), Approved)
    assert kept(world) == [
        ("ban", 100, "代买三次只做一次", "档案 2026-17", "监督小组"),
        ("credit", 80, "虚报", "", "监督小组"),
        ("lift_ban", 80, "提前解除", "", "街道"),
    ]


def test_a_block_that_is_there_is_not_written_down_twice(world: World) -> None:
    block = c.BlockResident(account=ZHANG, reason="核实中")
    world.do(block)
    world.do(block)
    world.do(c.UnblockResident(account=ZHANG, reason="核实完"))
    assert zhang(world).status is AccountStatus.ACTIVE
    assert [each[0] for each in kept(world)] == ["block", "unblock"]


@pytest.mark.parametrize(
    ("change", "reason"), [(0, "bad_limit"), (-101, "bad_limit"), (1_000, None)]
)
def test_credit_never_goes_below_zero(world: World, change: int, reason: str | None) -> None:
    command = c.ChangeCredit(account=ZHANG, decision="d-1", change=change, reason="评议")
    outcome = world.submit(command)
    assert (outcome.reason if isinstance(outcome, Refused) else None) == reason


def test_a_decision_stands_for_one_thing(world: World) -> None:
    world.do(c.ChangeCredit(account=ZHANG, decision="d-1", change=-5, reason="评议"))
    other = world.submit(c.ChangeCredit(account=ZHANG, decision="d-1", change=-6, reason="评议"))
    assert isinstance(other, Refused)
    assert other.reason == "conflict"
    assert "-5, 评议" in other.says
    assert "-6, 评议" in other.says
    assert zhang(world).credit_score == 95


def test_an_operator_decides_lists_and_lifts(tmp_path: Path) -> None:
    operator = Operator(tmp_path / "data")
    operator.do("init", "--pool", "guanghui")
    resident = {
        "kind": "register_resident",
        "account": ZHANG,
        "name": "张阿姨",
        "household": "1-101",
        "place": "tinghoujie",
    }
    operator.do("import", "-", given=operator.import_lines(resident))
    operator.do(
        "sanction", "ban", ZHANG, "--until", "2099-12-31", "--reason", "虚报", "--evidence",
        "档案 1", "--by", "监督小组",
    )  # fmt: skip
    credit = ("sanction", "credit", ZHANG, "--change", "-10", "--reason", "虚报", "--id", "d-1")
    operator.do(*credit)
    assert "此前已办" in operator.do(*credit)
    listed = operator.do("sanction", "list", "--account", ZHANG)
    assert "2099-12-31" in listed
    assert "监督小组" in listed
    assert "档案 1" in listed
    assert "credit 90" in listed
    operator.do("sanction", "lift", ZHANG, "--reason", "改正")
    operator.do("sanction", "block", ZHANG, "--reason", "迁出")
    operator.do("sanction", "unblock", ZHANG, "--reason", "迁回")
    assert operator.do("sanction", "list").count("\n") == 5
    assert "没有这位居民" in operator.refused("sanction", "list", "--account", "00000000000000ff")
    assert "没有这个居民" in operator.refused(
        "sanction", "block", "00000000000000ff", "--reason", "无"
    )


def test_an_operator_sets_and_lists_redemption_terms(tmp_path: Path) -> None:
    operator = Operator(tmp_path / "data")
    operator.do("init", "--pool", "guanghui")
    assert "烟、酒" in operator.do("redemption-terms", "list")
    setting = (
        "redemption-terms", "set", "--from", "2099-01-01", "--bill-share", "50", "--per-day",
        "100", "--reason", "居民会议",
    )  # fmt: skip
    assert "2099-01-01" in operator.do(*setting)
    assert "此前已设" in operator.do(*setting)
    operator.do("redemption-terms", "set", "--from", "2099-02-01", "--per-day", "0",
                "--exclude-nothing", "--fen-remainder", "cash")  # fmt: skip
    lines = operator.do("redemption-terms", "list").splitlines()
    assert len(lines) == 3
    assert "50.00%" in lines[1]
    assert "烟、酒" in lines[1]  # what was not given stays
    assert "100" in lines[1]
    assert "居民会议" in lines[1]
    assert "100" not in lines[2]
    assert "烟" not in lines[2]
    assert "50.00%" in lines[2]
    assert "已过" in operator.refused("redemption-terms", "set", "--from", "2020-01-01")
    assert "只能写一个" in operator.refused(
        "redemption-terms", "set", "--from", "2099-03-01", "--exclude", "茶", "--exclude-nothing"
    )
    assert "没有超出" in operator.do("over-limits")
