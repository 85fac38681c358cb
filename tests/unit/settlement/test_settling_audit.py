"""The audit names the row when states, disputes or payments were tampered with (I9)."""

import pytest
from sqlalchemy import Engine, text

from server.commands.audit_payments import check_payments
from server.db import reading, writing
from server.db.violation import Violation
from server.facts import FactStamp
from server.ledger import Asset, EntryDraft, Leg, Posted, post
from tests.unit.settlement.states_world import (
    DAY_1,
    DAY_2,
    DAY_3,
    LI,
    M_BOSS,
    PAY,
    RECEIVE,
    WU,
    Peopled,
    approve,
    bounce,
    carry,
    confirm,
    propose,
    raise_it,
    record,
)
from tests.unit.settlement.world import POOL

FIRST, SECOND, THIRD = "m-20260301", "m-20260302", "m-20260303"


@pytest.fixture
def world(engine: Engine) -> Peopled:
    """A dispute that was adjusted, a payment that bounced, what was carried, and a receipt."""
    peopled = Peopled(engine)
    peopled.open("m", "n")
    peopled.people()
    assert peopled.issue(DAY_1, points_fen=10_000) == FIRST
    peopled.do(M_BOSS, raise_it("d-1", FIRST))
    peopled.adjusted("d-1", 250)
    peopled.do(M_BOSS, confirm(FIRST))
    peopled.paid("p-1", FIRST, PAY, 6_000)
    peopled.do(LI, bounce("p-1"))
    peopled.do(LI, carry(FIRST))
    assert peopled.confirmed(DAY_2, cash_fen=500_000) == SECOND
    peopled.paid("p-2", SECOND, RECEIVE, 39_750)
    peopled.issue(DAY_3)
    return peopled


def found(world: Peopled) -> list[Violation]:
    with reading(world.engine) as tx:
        return list(check_payments(tx, POOL))


def tamper(world: Peopled, table: str, change: str) -> None:
    """Change a table past its guards, as its owner could."""
    of_table = f" ON {table}" if world.engine.dialect.name == "postgresql" else ""
    with writing(world.engine) as tx:
        for guard in ("updated", "deleted"):
            tx.execute(text(f"DROP TRIGGER {table}_is_never_{guard}{of_table}"))
        tx.execute(text(change))


def test_books_that_are_right_are_clean(world: Peopled) -> None:
    assert found(world) == []


@pytest.mark.parametrize(
    ("table", "change", "where", "says"),
    [
        (
            "payment",
            "UPDATE payment SET amount_fen = 39751 WHERE payment = 'p-2'",
            "payment p-2",
            "39751",
        ),
        (
            "payment",
            "UPDATE payment SET direction = 'pay' WHERE payment = 'p-2'",
            "payment p-2",
            "received",
        ),
        (
            "payment",
            "UPDATE payment SET merchant = 'n' WHERE payment = 'p-2'",
            "payment p-2",
            "is with n, for a statement of m",
        ),
        (
            "payment_move",
            f"UPDATE payment_move SET moved_by = '{LI}' WHERE payment = 'p-2' AND move_no = 1",
            "payment p-2",
            "one person",
        ),
        (
            "payment_move",
            "DELETE FROM payment_move WHERE payment = 'p-2' AND state = 'approved'",
            "payment p-2",
            "from proposed to paid",
        ),
        (
            "dispute_answer",
            "UPDATE dispute_answer SET amount_fen = 251",
            "dispute d-1",
            "books otherwise than 251",
        ),
        (
            "dispute_answer",
            "UPDATE dispute_answer SET approved_by = answered_by",
            "dispute d-1",
            "proposed and approved its adjustment",
        ),
        (
            "dispute_answer",
            "DELETE FROM dispute_answer",
            "entry adjustment:d-1",
            "answers no dispute",
        ),
        (
            "dispute_answer",
            "DELETE FROM dispute_answer",
            f"statement {FIRST}",
            "a dispute of it waits",
        ),
        (
            "dispute",
            f"UPDATE dispute SET statement = '{THIRD}'",
            "dispute d-1",
            "its adjustment stands on the statement through",
        ),
        (
            "statement_move",
            "UPDATE statement_move SET state = 'settled' WHERE move = 'confirm'",
            f"statement {FIRST}",
            "(confirm) takes it from issued to settled",
        ),
        (
            "statement_move",
            "UPDATE statement_move SET carried_fen = carried_fen + 1 WHERE move = 'carry_forward'",
            f"statement {FIRST}",
            "is settled, with -1 fen open",
        ),
        (
            "statement_move",
            f"DELETE FROM statement_move WHERE statement = '{SECOND}' AND move = 'pay_off'",
            f"statement {SECOND}",
            "is confirmed, with 0 fen open",
        ),
        (
            "statement_move",
            f"DELETE FROM statement_move WHERE statement = '{FIRST}' AND move <> 'dispute'",
            f"statement {FIRST}",
            "no dispute of it waits",
        ),
    ],
)
def test_what_was_tampered_with_is_named(
    world: Peopled, table: str, change: str, where: str, says: str
) -> None:
    tamper(world, table, change)
    told = [f"{each.where}: {each.says}" for each in found(world)]
    assert [each for each in told if where in each and says in each] != [], told


def test_money_that_passes_the_bank_and_is_no_payment_is_named(world: Peopled) -> None:
    leg = Leg(Asset.FEN, "received", "bank", "merchant:m", 5)
    draft = EntryDraft("oddity:1", "oddity", world.now, DAY_3, (leg,))
    stamp = FactStamp(POOL, 1, world.now, "test")
    with writing(world.engine) as tx:
        posted = post(tx, POOL, draft, recorded_at=world.now, fact_no=stamp.fact_no)
    assert isinstance(posted, Posted)
    (told,) = found(world)
    assert told.says == "passes the bank and is no payment"


def test_an_adjustment_that_was_not_booked_is_named(world: Peopled) -> None:
    world.do(M_BOSS, raise_it("d-2", THIRD))
    with writing(world.engine) as tx:
        tx.execute(
            text(
                "INSERT INTO dispute_answer SELECT pool, 'd-2', verdict, amount_fen, reason,"
                " answered_by, answered_at, 1, fact_no, approved_by FROM dispute_answer"
            )
        )
    told = [f"{each.where}: {each.says}" for each in found(world)]
    assert any("dispute d-2: its adjustment is booked 0 times" in each for each in told), told


def test_a_payment_that_only_one_person_made_never_gets_as_far(world: Peopled) -> None:
    """What the audit looks for cannot come about through the desk."""
    world.do(M_BOSS, confirm(THIRD))
    assert world.standing(THIRD).open_fen == 0
    world.do(LI, bounce("p-2"))
    world.do(LI, propose("p-3", SECOND, RECEIVE, 39_750))
    world.refused(LI, approve("p-3"))
    world.refused(LI, record("p-3", world))
    world.do(WU, approve("p-3"))
    assert found(world) == []
