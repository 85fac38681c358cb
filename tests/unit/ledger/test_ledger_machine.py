"""Random books against a model that is two dicts."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Connection, Engine

from server.db import writing
from server.db.working_set import working
from server.ledger import (
    Absent,
    AlreadyPosted,
    Asset,
    EntryDraft,
    Held,
    HoldExists,
    Insufficient,
    InsufficientBalance,
    KeyConflict,
    Leg,
    Normal,
    Posted,
    Taken,
    Tombstoned,
    Voided,
    balance,
    check_ledger,
    cover,
    open_account,
    place_hold,
    post,
    post_many,
    roll_up,
    spendable,
    take_hold,
    void_hold,
)

RESIDENTS = ("resident:a", "resident:b")
START = datetime(2025, 3, 1, tzinfo=UTC)
HOLD_TIME = timedelta(minutes=10)
_pool_no = count(1)

residents = st.sampled_from(RESIDENTS)
amounts = st.integers(1, 120)
sales = st.sampled_from([f"s{n}" for n in range(8)])


@dataclass
class ModelHold:
    resident: str | None
    amount: int
    expires_at: datetime
    state: str


@contextmanager
def rolled_back(engine: Engine) -> Iterator[Connection]:
    with writing(engine) as tx:
        yield tx
        tx.rollback()


class Books(RuleBasedStateMachine):
    """Each run has a pool of its own in one transaction that is never committed."""

    engine: Engine

    def __init__(self) -> None:
        super().__init__()
        self.pool = f"pool{next(_pool_no)}"
        self.now = START
        self.balances: dict[str, int] = dict.fromkeys(RESIDENTS, 0)
        self.overdraft = 0
        self.issued = 0
        self.entries: dict[str, EntryDraft] = {}
        self.holds: dict[str, ModelHold] = {}
        self._books: ExitStack | None = None
        self._open = rolled_back(self.engine)
        self.tx = self._open.__enter__()
        for name in RESIDENTS:
            self._open_account(name, Normal.CREDIT, floor_at_zero=True)
        self._open_account("overdraft", Normal.DEBIT)
        self._open_account("issued", Normal.DEBIT, hot=True)
        self._open_account("redeemed", Normal.CREDIT, hot=True)

    def _open_account(self, name: str, normal: Normal, **options: bool) -> None:
        kind = name.partition(":")[0]
        open_account(self.tx, self.pool, name, Asset.POINTS, kind, normal=normal, **options)

    def teardown(self) -> None:
        try:
            if self._books is not None:
                self._books.close()
            assert list(check_ledger(self.tx, self.pool)) == []
        finally:
            self._open.__exit__(None, None, None)

    @rule()
    def begin_or_end_a_working_set(self) -> None:
        """What is asked and booked next goes through one, or it is written down."""
        if self._books is None:
            self._books = ExitStack()
            self._books.enter_context(working(self.tx, self.pool))
        else:
            self._books.close()
            self._books = None

    @rule(asked=st.lists(st.tuples(residents, amounts, st.booleans()), min_size=1, max_size=6))
    def book_many(self, asked: list[tuple[str, int, bool]]) -> None:
        """Awards and spendings in one call, each twice: the second time it is there already."""
        drafts: list[EntryDraft] = []
        wanted: list[object] = []
        number = len(self.entries)
        for at, (resident, amount, is_award) in enumerate(asked):
            legs = ("issued", resident, amount) if is_award else (resident, "redeemed", amount)
            draft = self._draft(f"many:{number}:{at}", legs)
            drafts += [draft, draft]
            if not is_award and amount > self.balances[resident]:
                missing = amount - self.balances[resident]
                wanted += [InsufficientBalance(resident, Asset.POINTS, missing)] * 2
                continue
            self.balances[resident] += amount if is_award else -amount
            self.issued += amount if is_award else 0
            self.entries[draft.key] = draft
            wanted += [Posted(len(self.entries)), AlreadyPosted(len(self.entries))]
        outcomes = post_many(self.tx, self.pool, drafts, recorded_at=self.now, fact_no=1)
        assert outcomes == wanted

    @rule()
    def roll_hot_accounts_up(self) -> None:
        roll_up(self.tx, self.pool)

    def _draft(self, key: str, *legs: tuple[str, str, int]) -> EntryDraft:
        return EntryDraft(
            key=key,
            kind="move",
            occurred_at=self.now,
            business_date=date(2025, 3, 1),
            legs=tuple(Leg(Asset.POINTS, "move", *leg) for leg in legs),
        )

    def _post(self, key: str, *legs: tuple[str, str, int]) -> object:
        draft = self._draft(key, *legs)
        outcome = post(self.tx, self.pool, draft, recorded_at=self.now, fact_no=1)
        if isinstance(outcome, Posted):
            assert key not in self.entries
            self.entries[key] = draft
            assert outcome.entry_no == len(self.entries)
        return outcome

    def _free(self, resident: str) -> int:
        live = sum(
            hold.amount
            for hold in self.holds.values()
            if hold.resident == resident and hold.state == "held" and hold.expires_at > self.now
        )
        return max(0, self.balances[resident] - live)

    @rule(minutes=st.integers(1, 12))
    def time_passes(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @rule(resident=residents, amount=amounts)
    def award(self, resident: str, amount: int) -> None:
        key = f"award:{len(self.entries)}"
        assert isinstance(self._post(key, ("issued", resident, amount)), Posted)
        self.balances[resident] += amount
        self.issued += amount

    @rule(resident=residents, amount=amounts)
    def spend_without_asking(self, resident: str, amount: int) -> None:
        outcome = self._post(f"spend:{len(self.entries)}", (resident, "redeemed", amount))
        missing = amount - self.balances[resident]
        if missing > 0:
            assert outcome == InsufficientBalance(resident, Asset.POINTS, missing)
        else:
            assert isinstance(outcome, Posted)
            self.balances[resident] -= amount

    @precondition(lambda self: self.entries)
    @rule(data=st.data(), changed=st.booleans())
    def book_again(self, data: st.DataObject, *, changed: bool) -> None:
        draft = self.entries[data.draw(st.sampled_from(sorted(self.entries)))]
        if changed:
            leg = draft.legs[0]
            more = Leg(leg.asset, leg.code, leg.debit, leg.credit, leg.amount + 1)
            draft = EntryDraft(
                draft.key, draft.kind, draft.occurred_at, draft.business_date, (more,)
            )
        outcome = post(self.tx, self.pool, draft, recorded_at=self.now, fact_no=2)
        assert isinstance(outcome, KeyConflict if changed else AlreadyPosted)

    @rule(sale=sales, resident=residents, amount=amounts)
    def authorise(self, sale: str, resident: str, amount: int) -> None:
        expires_at = self.now + HOLD_TIME
        outcome = place_hold(
            self.tx, self.pool, sale, resident, amount, placed_at=self.now, expires_at=expires_at
        )
        there = self.holds.get(sale)
        if there is None and amount <= self._free(resident):
            assert outcome == Held(amount)
            self.holds[sale] = ModelHold(resident, amount, expires_at, "held")
        elif there is None:
            assert outcome == Insufficient(self._free(resident))
        elif there.state == "tombstone":
            assert outcome == Tombstoned()
        else:
            assert isinstance(outcome, HoldExists)
            assert (outcome.state.value, outcome.amount) == (there.state, there.amount)

    @rule(sale=sales, resident=residents, amount=amounts)
    def capture(self, sale: str, resident: str, amount: int) -> None:
        """As an intake does it: own hold, then what is free, and the rest as an overdraft."""
        there = self.holds.get(sale)
        outcome = take_hold(self.tx, self.pool, sale, amount, at=self.now)
        if there is not None and there.state != "held":
            assert not isinstance(outcome, Taken | Absent)
            return
        held = 0
        if there is None:
            assert outcome == Absent()
            self.holds[sale] = ModelHold(None, 0, self.now, "captured")
        else:
            assert there.resident is not None
            resident, held = there.resident, there.amount
            assert outcome == Taken(held, min(amount, held), self.now < there.expires_at)
            there.state = "captured"
        covered = cover(self.tx, self.pool, resident, amount, own_held=held, at=self.now)
        standing = self.balances[resident]
        assert covered == min(amount, max(min(held, standing), self._free(resident)))
        legs = [(resident, "redeemed", covered), ("overdraft", "redeemed", amount - covered)]
        posted = self._post(f"capture:{sale}", *(leg for leg in legs if leg[2]))
        assert isinstance(posted, Posted)
        self.balances[resident] -= covered
        self.overdraft += amount - covered

    @rule(sale=sales)
    def reverse(self, sale: str) -> None:
        there = self.holds.get(sale)
        outcome = void_hold(self.tx, self.pool, sale, at=self.now)
        if there is None:
            assert outcome == Tombstoned()
            self.holds[sale] = ModelHold(None, 0, self.now, "tombstone")
        elif there.state == "held":
            assert outcome == Voided(there.amount)
            there.state = "voided"
        else:
            assert not isinstance(outcome, Voided)

    @invariant()
    def books_and_model_agree(self) -> None:
        for resident in RESIDENTS:
            assert self._balance(resident) == self.balances[resident]
            free = spendable(self.tx, self.pool, resident, self.now)
            assert free == self._free(resident)
        assert self._balance("issued") == self.issued
        assert self._balance("overdraft") == self.overdraft
        # I11: what was issued and not redeemed is what residents have, less what is owed.
        outstanding = self.issued - self._balance("redeemed")
        assert outstanding == sum(self.balances.values()) - self.overdraft

    def _balance(self, account: str) -> int:
        return balance(self.tx, self.pool, account, Asset.POINTS)


@pytest.mark.timeout(170)
def test_random_books_agree_with_the_model(engine: Engine) -> None:
    machine: Any = type("BooksHere", (Books,), {"engine": engine})
    examples = 40 if engine.dialect.name == "sqlite" else 12
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
