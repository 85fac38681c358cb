"""Contracts and runs as an operator types them."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from server.db import create_all, metadata, open_engine
from tests.unit.audit.pool_world import PoolWorld
from tests.unit.settlement.operator_machine import Machine

AGREE = ("contract", "agree", "c-1", "--merchant", "zhan", "--from", "2026-03-02")
TERMS = {
    "share": [{"tiers": [[0, 300], [100000, 500]]}, {"category": "药品", "tiers": [[0, 800]]}],
    "rent_fen": 120000,
    "cycle": "month",
}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    engine = open_engine(f"sqlite:///{tmp_path}/pool.db")
    create_all(engine, metadata)
    world = PoolWorld(engine)
    world.open_merchant("zhan", "听篌街兑换站", contract=False)
    return Machine(world, tmp_path)


def test_a_contract_is_agreed_listed_and_ended(machine: Machine, tmp_path: Path) -> None:
    assert "已签订" in machine.says(*AGREE, "--share-bp", "500", "--rent", "1200.00")
    assert "早已签订" in machine.says(*AGREE, "--share-bp", "500", "--rent", "1200.00")
    listed = machine.says("contract", "list")
    assert "租金 rent 1200.00" in listed
    assert "0.00 元起 5%" in listed
    end = ("contract", "end", "c-1", "--last-day", "2026-03-10", "--reason", "换合约")
    assert "2026-03-10" in machine.says(*end)
    terms = tmp_path / "terms.json"
    terms.write_text(json.dumps(TERMS), encoding="utf-8")
    next_one = ("contract", "agree", "c-2", "--merchant", "zhan", "--terms", str(terms))
    assert "没有合约" in machine.refused(*next_one, "--from", "2026-03-12")
    machine.says(*next_one, "--from", "2026-03-11")
    (first, second) = json.loads(machine.says("contract", "list", "--json"))
    assert first["valid_until"] == "2026-03-10"
    assert second["terms"]["share"][1]["category"] == "药品"


@pytest.mark.parametrize(
    ("command", "says"),
    [("contract", "没有合约"), ("counter", "没有登记"), ("proxies", "没有代兑换")],
)
def test_a_list_of_nothing_says_so(machine: Machine, command: str, says: str) -> None:
    assert says in machine.says(command, "list")


def test_terms_that_cannot_be_are_refused_in_one_sentence(machine: Machine, tmp_path: Path) -> None:
    assert "100%" in machine.refused(*AGREE, "--share-bp", "10001")
    assert "金额不对" in machine.refused(*AGREE, "--rent", "很多")
    broken = tmp_path / "terms.json"
    broken.write_text('{"rent": 5}', encoding="utf-8")
    assert "条款内容不对" in machine.refused(*AGREE, "--terms", str(broken))
    assert "不再写" in machine.refused(*AGREE, "--terms", str(broken), "--share-bp", "5")
    assert "没有这个商户" in machine.refused("contract", "list", "--merchant", "nobody")


def test_an_imported_contract_is_checked_like_any_other(machine: Machine) -> None:
    line = {"kind": "agree_contract", "merchant": "zhan", "share_bp": 300}
    line |= {"reimbursement_bp": 10_000}
    first = json.dumps(
        line | {"contract": "c-1", "valid_from": "2026-03-02", "valid_until": "2026-03-05"}
    )
    late = json.dumps(line | {"contract": "c-2", "valid_from": "2026-03-09"})
    done = machine.run("import", "-", told=first)
    assert done.exit_code == 0, done.output
    assert "没有合约" in machine.refused("import", "-", told=late)
    assert machine.run("import", "-", told=first).exit_code == 0


def test_a_run_names_whom_it_leaves_open_and_settles_him_when_asked_again(
    machine: Machine,
) -> None:
    world = machine.world
    world.open_merchant("dian", "广惠小店")
    for merchant in ("zhan", "dian"):
        world.sell(merchant, world.line("massage"))
    world.now += timedelta(days=1)
    settle = ("settle", "--through", "2026-03-02")
    assert "没有合约" in machine.says(*settle, "--preview")
    assert "还没有对账单" in machine.says("statement")
    refused = machine.refused(*settle)
    assert "zhan（2026-03-02）" in refused
    assert "广惠小店（dian）对账单 dian-20260302" in refused
    machine.says(*AGREE, "--share-bp", "500")
    done = machine.says(*settle, "--json")
    told = json.loads(done[done.index("{") :])
    assert told["left_open"] == []
    assert {each["statement"] for each in told["statements"]} == {"dian-20260302", "zhan-20260302"}
    assert "此前已结算" in machine.says(*settle)
