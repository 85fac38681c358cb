"""Any order of selling, settling, confirming, disputing, answering, paying and bouncing.

The model knows nothing of states, names of statements or what was carried: only what business
came to, what really moved, and when each statement was issued.
"""

import tempfile
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import select

from server.commands.audit_payments import check_payments
from server.db import create_all, metadata, open_engine, reading
from server.facts import replay
from server.facts.refused import Refused
from server.ledger import check_ledger
from server.ledger.tables import entry, transfer
from server.settlement.day_sums_tables import placed_line
from server.settlement.payments_values import Direction
from server.settlement.states import StatementState
from server.settlement.states_keys import ADJUSTMENT_KIND
from server.settlement.states_tables import payment_move, statement_move
from server.settlement.states_values import LapseStatements, SettlingDone, SettlingProblem
from server.settlement.tables import statement
from tests.unit.settlement.states_world import (
    ADJUSTED,
    DAY_1,
    DESK,
    LI,
    M_BOSS,
    PAY,
    RECEIVE,
    REFUSED,
    WU,
    Peopled,
    agree,
    answer,
    approve,
    bounce,
    carry,
    confirm,
    make_peopled_desk,
    propose,
    raise_it,
    record,
    withdraw,
)
from tests.unit.settlement.world import POOL

pytestmark = pytest.mark.timeout(600)  # whole pools, one after the other, on a busy machine

AGREED = {StatementState.CONFIRMED, StatementState.SETTLED}
SHARE = 10
"""A tenth of the cash is the pool's."""


@dataclass
class Issued:
    """A statement as the model saw it: what was owed then, and what moved since."""

    name: str
    closing_fen: int
    paid_since_fen: int = 0
    agreed: bool = False


@dataclass
class Sent:
    """A payment; it waits until it is recorded or withdrawn."""

    direction: Direction
    amount_fen: int
    waits: bool = True


@dataclass
class Model:
    owed_fen: int = 0
    share_fen: int = 0
    bank_fen: int = 0
    issued: list[Issued] = field(default_factory=list)
    sent: dict[str, Sent] = field(default_factory=dict)
    disputes: list[str] = field(default_factory=list)

    def move(self, fen: int) -> None:
        """The pool paid so much; below 0 it received it."""
        self.owed_fen -= fen
        self.bank_fen -= fen
        for each in self.issued:
            each.paid_since_fen += fen

    def may_move_fen(self, direction: Direction) -> int:
        """What may still be sent without going beyond the newest agreed statement."""
        agreed = [each for each in self.issued if each.agreed]
        if not agreed:
            return 0
        open_fen = agreed[-1].closing_fen - agreed[-1].paid_since_fen
        claimed_fen = sum(
            each.amount_fen
            for each in self.sent.values()
            if each.waits and each.direction is direction
        )
        return direction.sign * open_fen - claimed_fen


class Settling(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="huidian-settling-")
        self.engine = open_engine(f"sqlite:///{Path(self.folder.name) / 'pool.db'}")
        create_all(self.engine, metadata)
        self.world = Peopled(self.engine)
        self.model = Model()
        self.day = DAY_1
        self.made = 0

    @initialize()
    def begin(self) -> None:
        self.world.open("m", "n")
        self.world.people()

    def name(self, prefix: str) -> str:
        self.made += 1
        return f"{prefix}-{self.made}"

    @rule(cash=st.integers(0, 50), points=st.integers(0, 500))
    def sell(self, cash: int, points: int) -> None:
        if cash or points:
            # Whole yuan, so that the share of a period is the sum of its sales' shares.
            self.world.sell(
                "m",
                self.name("s"),
                self.day,
                cash_fen=cash * 100,
                points=points,
                reimbursement_fen=points * 10,
            )
            self.model.owed_fen += points * 10
            self.model.share_fen += cash * 100 // SHARE

    @rule()
    def settle(self) -> None:
        self.world.settle(self.day)
        self.model.owed_fen -= self.model.share_fen
        self.model.share_fen = 0
        made = Issued(f"m-{self.day:%Y%m%d}", self.model.owed_fen)
        assert self.world.standing(made.name).closing_fen == made.closing_fen
        self.model.issued.append(made)
        self.day = self.today()

    def today(self) -> date:
        """The business date of the world's clock, at least the day after the last settled one."""
        return max(self.day + timedelta(days=1), self.world.now.date())

    @precondition(lambda self: self.model.issued)
    @rule(data=st.data())
    def confirm(self, data: st.DataObject) -> None:
        issued = data.draw(st.sampled_from(self.model.issued), label="statement")
        outcome = self.world.by(M_BOSS, confirm(issued.name))
        issued.agreed |= isinstance(outcome, SettlingDone)

    @precondition(lambda self: any(not each.agreed for each in self.model.issued))
    @rule()
    def lapse(self) -> None:
        self.world.wait(days=8)
        self.day = max(self.day, self.world.now.date())
        self.world.by(LI, LapseStatements())
        for each in self.model.issued:
            each.agreed |= self.world.standing(each.name).state in AGREED

    @precondition(lambda self: self.model.issued)
    @rule(data=st.data())
    def dispute(self, data: st.DataObject) -> None:
        self.dispute_it(data.draw(st.sampled_from(self.model.issued), label="statement"))

    def dispute_it(self, issued: Issued) -> None:
        name = self.name("d")
        if isinstance(self.world.by(M_BOSS, raise_it(name, issued.name)), SettlingDone):
            assert not issued.agreed
            self.model.disputes.append(name)

    @precondition(lambda self: self.model.disputes)
    @rule(data=st.data(), amount_fen=st.integers(-500, 500))
    def answer(self, data: st.DataObject, amount_fen: int) -> None:
        name = data.draw(st.sampled_from(self.model.disputes), label="dispute")
        verdict = ADJUSTED if amount_fen else REFUSED
        outcome = self.world.by(DESK, answer(name, verdict, amount_fen))
        if amount_fen and isinstance(outcome, SettlingDone) and not outcome.again:
            outcome = self.world.by(WU, agree(name, amount_fen))
        if isinstance(outcome, SettlingDone) and not outcome.again:
            self.model.owed_fen += amount_fen

    @rule(
        cash=st.integers(0, 50),
        points=st.integers(1, 500),
        how=st.sampled_from(["silent", "confirms", "confirms", "disputes"]),
    )
    def trade(self, cash: int, points: int, how: str) -> None:
        """A day of trade, its statement, and what the merchant says to it."""
        self.sell(cash, points)
        self.settle()
        issued = self.model.issued[-1]
        if how == "disputes":
            self.dispute_it(issued)
        elif how == "confirms":
            issued.agreed |= isinstance(self.world.by(M_BOSS, confirm(issued.name)), SettlingDone)

    def propose_it(self, issued: Issued, direction: Direction, amount_fen: int) -> str | None:
        name, may_fen = self.name("p"), self.model.may_move_fen(direction)
        outcome = self.world.by(LI, propose(name, issued.name, direction, amount_fen))
        if not isinstance(outcome, SettlingDone):
            return None
        assert amount_fen <= may_fen, "more was proposed than is open"
        self.model.sent[name] = Sent(direction, amount_fen)
        return name

    def approve_it(self, name: str) -> None:
        may_fen = self.model.may_move_fen(self.model.sent[name].direction)
        own = self.world.by(LI, approve(name))
        assert isinstance(own, Refused)
        assert own.reason == SettlingProblem.SAME_PERSON
        outcome = self.world.by(WU, approve(name))
        if isinstance(outcome, SettlingDone) and not outcome.again:
            assert may_fen >= 0, "more was approved than is open"

    def record_it(self, name: str) -> None:
        sent = self.model.sent[name]
        outcome = self.world.by(LI, record(name, self.world))
        if isinstance(outcome, SettlingDone) and not outcome.again:
            assert sent.waits
            sent.waits = False
            self.model.move(sent.direction.sign * sent.amount_fen)

    @precondition(lambda self: any(each.agreed for each in self.model.issued))
    @rule(data=st.data(), part=st.sampled_from([1, 1, 2, 3]), steps=st.sampled_from([1, 2, 3, 3]))
    def pay(self, data: st.DataObject, part: int, steps: int) -> None:
        """What is open on an agreed statement, or a part of it, as far as it gets today."""
        agreed = [each for each in self.model.issued if each.agreed]
        issued = data.draw(st.sampled_from(agreed[-3:]), label="statement")
        if part == 1 and len(agreed) > 1 and agreed[-2] is not issued:
            self.world.by(LI, carry(agreed[-2].name))
        open_fen = self.world.standing(issued.name).open_fen
        if abs(open_fen) < part:
            return
        direction = PAY if open_fen > 0 else RECEIVE
        name = self.propose_it(issued, direction, abs(open_fen) // part)
        if name is None:
            return
        if steps > 1:
            self.approve_it(name)
        for _ in range(2 if steps > 2 else 0):
            self.record_it(name)

    @precondition(lambda self: self.model.issued)
    @rule(data=st.data(), direction=st.sampled_from([PAY, RECEIVE]), over_fen=st.integers(0, 1))
    def propose(self, data: st.DataObject, direction: Direction, over_fen: int) -> None:
        issued = data.draw(st.sampled_from(self.model.issued), label="statement")
        amount_fen = abs(self.world.standing(issued.name).open_fen) + over_fen
        if amount_fen:
            self.propose_it(issued, direction, amount_fen)

    @precondition(lambda self: self.model.sent)
    @rule(data=st.data(), steps=st.integers(1, 2))
    def go_on(self, data: st.DataObject, steps: int) -> None:
        name = data.draw(st.sampled_from(sorted(self.model.sent)), label="payment")
        self.approve_it(name)
        if steps > 1:
            self.record_it(name)

    @precondition(lambda self: any(not each.waits for each in self.model.sent.values()))
    @rule(data=st.data())
    def bounce(self, data: st.DataObject) -> None:
        sent_names = sorted(name for name, each in self.model.sent.items() if not each.waits)
        name = data.draw(st.sampled_from(sent_names), label="payment")
        sent = self.model.sent[name]
        outcome = self.world.by(LI, bounce(name))
        if isinstance(outcome, SettlingDone) and not outcome.again:
            self.model.move(-sent.direction.sign * sent.amount_fen)

    @precondition(lambda self: any(each.waits for each in self.model.sent.values()))
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.model.sent)), label="payment")
        if isinstance(self.world.by(LI, withdraw(name)), SettlingDone):
            self.model.sent[name].waits = False

    @precondition(lambda self: self.model.issued)
    @rule(data=st.data())
    def carry(self, data: st.DataObject) -> None:
        issued = data.draw(st.sampled_from(self.model.issued), label="statement")
        self.world.by(LI, carry(issued.name))

    @invariant()
    def the_books_say_what_really_moved(self) -> None:
        if self.made or self.model.issued:
            assert self.world.fen("merchant:m") == self.model.owed_fen
        if self.model.bank_fen:
            assert self.world.fen("bank") == self.model.bank_fen

    def teardown(self) -> None:
        try:
            if self.model.issued:
                self.everything_can_be_paid()
                self.the_audit_is_clean()
                self.a_replay_is_the_same()
        finally:
            self.engine.dispose()
            self.folder.cleanup()

    def everything_can_be_paid(self) -> None:
        """Whatever happened before: one last statement, and nobody owes anybody anything."""
        for name in self.model.disputes:
            self.world.by(DESK, answer(name, REFUSED))
        for name in self.model.sent:
            self.world.by(LI, withdraw(name))
        self.world.wait(days=8)
        self.world.by(LI, LapseStatements())
        before = self.model.issued[-1].name
        self.world.do(LI, carry(before))
        self.day = max(self.day, self.world.now.date())
        self.settle()
        last = self.model.issued[-1].name
        self.world.do(M_BOSS, confirm(last))
        standing = self.world.standing(last)
        assert standing.open_fen == self.model.owed_fen
        if standing.open_fen:
            direction = PAY if standing.open_fen > 0 else RECEIVE
            self.world.paid("last", last, direction, abs(standing.open_fen))
        assert self.world.fen("merchant:m") == 0
        with reading(self.engine) as tx:
            names = tx.execute(select(statement.c.statement)).scalars().all()
        for name in names:
            if name.startswith("m-"):
                assert self.world.standing(name).state is StatementState.SETTLED, name

    def the_audit_is_clean(self) -> None:
        with reading(self.engine) as tx:
            assert list(check_ledger(tx, POOL)) == []
            assert list(check_payments(tx, POOL)) == []
            adjustments = select(transfer.c.transfer_no).join(
                entry, entry.c.entry_no == transfer.c.entry_no
            )
            numbers = set(tx.execute(adjustments.where(entry.c.kind == ADJUSTMENT_KIND)).scalars())
            shown = tx.execute(select(placed_line.c.transfer_no)).scalars().all()
        assert [number for number in shown if number in numbers] == sorted(numbers)

    def a_replay_is_the_same(self) -> None:
        target = open_engine(f"sqlite:///{Path(self.folder.name) / 'replayed.db'}")
        try:
            create_all(target, metadata)
            with reading(self.engine) as tx:
                replay(tx, target, make_peopled_desk(), POOL)
                with reading(target) as there:
                    for table in (statement_move, payment_move, statement):
                        rows = select(table).order_by(*table.primary_key)
                        assert tx.execute(rows).all() == there.execute(rows).all(), table.name
        finally:
            target.dispose()


TestSettling = Settling.TestCase
TestSettling.settings = settings(
    max_examples=8,
    stateful_step_count=25,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # shrinking whole pools takes minutes
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
