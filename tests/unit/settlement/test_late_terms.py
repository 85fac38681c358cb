"""A late sale of a day that is settled, on which the shop had no contract: how it gets booked."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine

from protocol.messages import OutcomeKind
from server.bootstrap.desk import make_desk
from server.commands.audit import run_audit
from server.db import create_all, metadata, open_engine, reading
from server.directory.commands import AgreeTerms
from server.directory.contract_terms import ContractTerms, Cycle, ShareRule
from server.directory.values import DirectoryProblem
from server.facts.refused import Refused
from server.settlement.document_values import StatementDocument
from server.settlement.statements import statements_of
from tests.unit.settlement.operator_machine import Machine
from tests.unit.settlement.real_world import RealWorld

LIU = "00000000000000b2"
SHARE = (ShareRule(tiers=((0, 500),)),)


def day(number: int) -> date:
    return date(2026, 3, number)


def at(number: int, month: int = 3) -> datetime:
    return datetime(2026, month, number, 7, tzinfo=UTC)


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    opened = open_engine(f"sqlite:///{tmp_path}/pool.db")
    create_all(opened, metadata)
    return opened


@pytest.fixture
def world(engine: Engine) -> RealWorld:
    """A shop with a contract from 2 to 15 March and one from April on, settled through March."""
    made = RealWorld(engine, "guanghui", now=at(2))
    made.open_merchant("dian", "广惠小店一号", contract=False)
    made.register(LIU, "binhe")
    made.give(LIU, 1_000)
    agree(made, "c-1", day(2), day(15))
    agree(made, "c-2", date(2026, 4, 1), None, resumes=True)
    made.now = at(4)
    made.stall_sale("dian", made.amount("菜", 10_000))
    made.now = at(1, 4)
    made.run(day(31))
    return made


def terms(*, cycle: Cycle = Cycle.RUN, rent_fen: int = 0, minimum_fen: int = 0) -> ContractTerms:
    return ContractTerms(share=SHARE, cycle=cycle, rent_fen=rent_fen, share_min_fen=minimum_fen)


def agree(
    world: RealWorld,
    contract: str,
    first: date,
    last: date | None,
    own: ContractTerms | None = None,
    *,
    shop: str | None = None,
    resumes: bool = False,
) -> object:
    return world.by(
        "test",
        AgreeTerms(
            contract=contract,
            merchant="dian",
            shop=shop,
            valid_from=first,
            valid_until=last,
            terms=own or terms(),
            resumes=resumes,
        ),
    )


def documents(world: RealWorld) -> dict[str, StatementDocument]:
    with reading(world.engine) as tx:
        names = [each.statement for each in statements_of(tx, world.pool, merchant="dian")]
    return {name: world.document(name) for name in names}


def assert_audited(world: RealWorld) -> None:
    with reading(world.engine) as tx:
        audited = run_audit(tx, world.pool, make_desk)
    assert {each.invariant: each.violations for each in audited if each.broken} == {}


def test_what_is_parked_for_want_of_a_contract_is_booked_late_with_its_own_date(
    world: RealWorld, tmp_path: Path
) -> None:
    settled = documents(world)
    assert set(settled) == {"dian-20260331"}
    # The terminal was away: it sold on 20 March, and tells it in April.
    world.now = at(20)
    world.stall_sale("dian", world.amount("菜", 3_000), account=LIU, points=100)
    machine = Machine(world, tmp_path)
    world.now = at(3, 4)
    waiting = machine.run("parked", "list")
    assert waiting.exit_code != 0
    assert "请先补签合约" in waiting.output
    place = ("parked", "book", "t-dian", "1/2", "--reason", "合约已补签")
    assert "请先补签合约" in machine.refused(*place)

    late_days = ("--from", "2026-03-16", "--until", "2026-03-31", "--share-bp", "500")
    machine.says("contract", "agree", "c-late", "--merchant", "dian", *late_days)
    assert f"已入账 t-dian 1/2：{OutcomeKind.POSTED.value}" in machine.says(*place)
    assert "共 0 条" in machine.says("parked", "list")
    machine.says("settle", "--through", "2026-04-02")

    found = documents(world)
    assert found["dian-20260331"] == settled["dian-20260331"]
    (line,) = found["dian-20260402"].lines
    assert (line.business_date, line.late, line.contract) == (day(20), True, "c-late")
    assert (line.takings_fen, line.points, line.reimbursement_fen) == (2_000, 100, 1_000)
    assert line.share_fen == found["dian-20260402"].share_fen == 100
    (share,) = found["dian-20260402"].shares
    assert (share.contract, share.month, share.takings_fen) == ("c-late", "2026-03", 2_000)
    assert (found["dian-20260402"].rents, found["dian-20260402"].minimum) == ((), ())
    assert_audited(world)


def test_a_late_sale_for_cash_holds_his_settling_up_until_its_days_have_terms(
    world: RealWorld, tmp_path: Path
) -> None:
    settled = documents(world)
    world.now = at(20)
    world.stall_sale("dian", world.amount("菜", 3_000))
    world.now = at(3, 4)
    machine, settle = Machine(world, tmp_path), ("settle", "--through", "2026-04-02")
    assert "dian（2026-03-20），请补签合约后再结算一次" in machine.refused(*settle)
    assert not isinstance(agree(world, "c-late", day(16), day(31)), Refused)
    machine.says(*settle)
    found = documents(world)
    assert found["dian-20260331"] == settled["dian-20260331"]
    (line,) = found["dian-20260402"].lines
    assert (line.business_date, line.late, line.share_fen) == (day(20), True, 150)
    assert_audited(world)


def test_a_merchant_who_had_no_contract_at_all_gets_one_for_the_days_before(
    engine: Engine,
) -> None:
    world = RealWorld(engine, "guanghui", now=at(2))
    world.open_merchant("dian", "广惠小店一号", contract=False)
    world.now = at(10)
    world.run(day(9))
    world.now = at(5)
    world.stall_sale("dian", world.amount("菜", 3_000))
    world.now = at(12)
    assert not isinstance(agree(world, "c-2", day(10), None), Refused)
    assert not isinstance(agree(world, "c-1", day(2), day(9)), Refused)
    world.run(day(11))
    (line,) = documents(world)["dian-20260311"].lines
    assert (line.business_date, line.late, line.contract) == (day(5), True, "c-1")
    assert_audited(world)


REFUSED: dict[str, tuple[str, Callable[[RealWorld], object]]] = {
    "no end": ("另签一份", lambda world: agree(world, "c-x", day(16), None)),
    "an open day": (
        "另签一份",
        lambda world: agree(world, "c-x", day(16), date(2026, 4, 1)),
    ),
    "a day with a contract": ("c-1", lambda world: agree(world, "c-x", day(15), day(31))),
    "a shop's own beside the merchant's": (
        "c-1",
        lambda world: agree(world, "c-x", day(10), day(12), shop="dian"),
    ),
    "rent": (
        "不能写租金",
        lambda world: agree(world, "c-x", day(16), day(31), terms(rent_fen=100)),
    ),
    "a minimum": (
        "不能写租金",
        lambda world: agree(world, "c-x", day(16), day(31), terms(minimum_fen=100)),
    ),
    "another cycle": (
        "请写 run",
        lambda world: agree(world, "c-x", day(16), day(31), terms(cycle=Cycle.MONTH)),
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_terms_that_would_change_what_is_settled_are_refused(world: RealWorld, case: str) -> None:
    says, try_it = REFUSED[case]
    refused = try_it(world)
    assert isinstance(refused, Refused), refused
    assert refused.reason == DirectoryProblem.CLOSED
    assert says in refused.says
    assert " / " in refused.says


def test_agreed_once_it_stands_and_is_agreed_again_without_effect(world: RealWorld) -> None:
    once = agree(world, "c-late", day(16), day(31))
    assert agree(world, "c-late", day(16), day(31)) == agree(world, "c-late", day(16), day(31))
    assert not isinstance(once, Refused)
    other = agree(world, "c-late", day(16), day(31), ContractTerms())
    assert isinstance(other, Refused)
    assert other.reason == DirectoryProblem.CONFLICT
    beside = agree(world, "c-more", day(20), day(22), shop="dian")
    assert isinstance(beside, Refused)
    assert "c-late" in beside.says
