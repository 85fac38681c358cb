"""One merchant from a sale at the till to an account at zero; then the whole audit."""

from datetime import date, timedelta
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Engine

from server.bootstrap.desk import make_desk
from server.commands.audit import run_audit
from server.db import reading, writing
from server.directory import commands as c
from server.directory.values import SignInRole
from server.settlement.payments_values import RecordPaid
from server.settlement.states import StatementState
from server.settlement.states_standing import Standing, standing_of
from server.settlement.states_values import SettlingDone
from server.settlement.values import Settle, Settled
from tests.unit.server.world import TODAY, ZHANG, World, money_line, sold
from tests.unit.settlement.states_world import (
    ADJUSTED,
    DESK,
    LI,
    M_BOSS,
    PAY,
    WU,
    agree,
    answer,
    approve,
    bounce,
    confirm,
    propose,
    raise_it,
)


@pytest.fixture
def pool(engine: Engine, tmp_path: Path) -> World:
    world = World(engine, tmp_path, "guanghui")
    world.furnish()
    for user, role, merchant in (
        ("m-boss", SignInRole.MERCHANT, "shop-a"),
        ("desk", SignInRole.OPERATOR, None),
    ):
        command = c.RegisterSignIn(
            user=user, role=role, merchant=merchant, password_hash="$argon2id$v=19$x"
        )
        world.do(command)
    return world


def do(world: World, actor: str, command: msgspec.Struct) -> SettlingDone:
    with writing(world.engine) as tx:
        done = world.desk.submit(tx, world.pool, command, actor=actor, recorded_at=world.clock())
    assert isinstance(done, SettlingDone), done
    return done


def settle(world: World, through: date) -> Settled:
    done = world.do(Settle(run=f"run-{through}", through=through, settled_by="财务"))
    assert isinstance(done, Settled)
    return done


def standing(world: World, statement: str) -> Standing:
    found = world.read(lambda tx: standing_of(tx, world.pool, statement))
    assert found is not None
    return found


def pay(world: World, payment: str, statement: str, amount_fen: int) -> None:
    do(world, LI, propose(payment, statement, PAY, amount_fen))
    do(world, WU, approve(payment))
    do(
        world,
        LI,
        RecordPaid(payment=payment, bank_ref=payment, paid_on=world.clock().date()),
    )


def test_from_a_sale_to_an_account_at_zero_and_a_clean_audit(pool: World) -> None:
    world = pool
    world.award(ZHANG, "river-patrol")
    world.till().tell(sold(world, money_line("馒头", 900), points=90))
    world.clock.move(days=1)
    (first,) = settle(world, TODAY).statements
    assert standing(world, first).closing_fen == 900
    do(world, M_BOSS, raise_it("d-1", first))
    do(world, DESK, answer("d-1", ADJUSTED, 50))
    do(world, WU, agree("d-1", 50))
    do(world, M_BOSS, confirm(first))
    pay(world, "p-1", first, 900)
    assert standing(world, first).state is StatementState.SETTLED
    world.clock.move(days=1)
    (second,) = settle(world, TODAY + timedelta(days=1)).statements
    assert standing(world, second).closing_fen == 50
    do(world, LI, bounce("p-1"))
    pay(world, "p-2", first, 900)
    do(world, M_BOSS, confirm(second))
    pay(world, "p-3", second, 50)
    assert world.fen("merchant:shop-a") == 0
    world.clock.move(days=1)
    (third,) = settle(world, TODAY + timedelta(days=2)).statements
    do(world, M_BOSS, confirm(third))
    assert [standing(world, each).state for each in (first, second, third)] == [
        StatementState.SETTLED
    ] * 3
    with reading(world.engine) as tx:
        findings = {
            each.invariant: each.violations for each in run_audit(tx, world.pool, make_desk)
        }
    assert findings == dict.fromkeys(findings, ())
