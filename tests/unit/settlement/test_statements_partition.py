"""Any sequence of sales, part refunds, contract changes, interruptions, late facts, declarations,
payments and runs of one merchant: statements partition the facts.

The model knows which days have which contract and in which order things came. It knows nothing
of day sums, months or drafts.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from server.commands.audit_clearing import check_clearing
from server.commands.audit_statements import check_statements
from server.db import reading
from server.directory.commands import EndContract
from server.directory.contract_terms import ContractTerms, Cycle, ShareRule
from server.directory.values import Done
from server.ledger import Asset, balance
from server.settlement.document_values import StatementLine
from server.settlement.lines import lines_of
from server.settlement.share import share_of_month
from server.settlement.statements import (
    members_of,
    shares_of,
    statements_of,
    transfers_concerning,
)
from server.settlement.values import LeftOpen, Statement
from tests.unit.settlement.memory_world import fresh_world
from tests.unit.settlement.world import World

pytestmark = pytest.mark.timeout(600)  # eighty pools, on a busy machine

POOL, SHOP = "guanghui", "dian"
DAY = timedelta(days=1)
FIRST, LAST = date(2026, 5, 1), date(2026, 5, 31)
"""A Friday, and a Sunday that ends the month: every cycle has ended."""
Tiers = tuple[tuple[int, int], ...]

ahead = st.integers(0, 6)
tiers = st.sampled_from(
    [
        ((0, 0),),
        ((0, 10_000),),
        ((0, 333),),
        ((0, 500), (3_000, 825)),
        ((0, 700), (1, 1), (5_000, 0)),
    ]
)
cycles = st.sampled_from(list(Cycle))
steps = st.lists(
    st.one_of(
        st.tuples(st.just("sell"), st.integers(-12, 6), st.integers(1, 4_000), st.integers(0, 60)),
        st.tuples(st.just("sell"), st.integers(-12, 6), st.integers(1, 4_000), st.integers(0, 60)),
        st.tuples(st.just("refund"), st.integers(0, 30), st.integers(1, 4), st.integers(-12, 6)),
        st.tuples(st.just("declare"), st.integers(-12, 6), st.integers(-500, 900)),
        st.tuples(st.just("pay"), st.integers(-300, 300)),
        st.tuples(st.just("change"), ahead, tiers, cycles),
        st.tuples(st.just("interrupt"), ahead, st.integers(1, 3), tiers, cycles),
        st.tuples(st.just("settle"), st.integers(1, 9)),
        st.tuples(st.just("settle"), st.integers(1, 9)),
    ),
    min_size=4,
    max_size=16,
)


@dataclass(frozen=True)
class Fact:
    """What was booked: its day, the day whose contract counts, and after how many statements."""

    day: date
    terms_day: date
    cash_fen: int
    points: int
    after: int


@dataclass
class Sold:
    name: str
    day: date
    cash_fen: int
    points: int


@dataclass
class Model:
    """Plays the steps that the product accepts, and remembers what they must come to."""

    world: World
    facts: dict[str, Fact] = field(default_factory=dict)
    sold: list[Sold] = field(default_factory=list)
    made: list[Statement] = field(default_factory=list)
    tiers: dict[str, Tiers] = field(default_factory=dict)
    in_force: dict[date, str] = field(default_factory=dict)
    number: int = 0
    ran: date = FIRST

    def begin(self, tiers: Tiers, cycle: Cycle) -> None:
        self.world.open(SHOP, contracts=False)
        self.agree(FIRST, None, tiers, cycle)

    @property
    def open_from(self) -> date:
        """The first day that is not closed yet."""
        return self.made[-1].period_through + DAY if self.made else FIRST

    def next(self, prefix: str) -> str:
        self.number += 1
        return f"{prefix}{self.number}"

    def agree(self, first: date, last: date | None, tiers: Tiers, cycle: Cycle) -> None:
        name = self.next("c")
        terms = ContractTerms(share=(ShareRule(tiers=tiers),), cycle=cycle)
        agreed = self.world.contract(SHOP, name, terms, first, last, resumes=True)
        assert agreed == Done(name), agreed
        self.tiers[name] = tiers
        day = first
        while day <= (last or LAST):
            self.in_force[day] = name
            day += DAY

    def a_day(self, away: int) -> date:
        """A day of the month, so many days from the first open one; below 0 is a late fact, of a
        day that may have had no contract.
        """
        return min(max(self.open_from + away * DAY, FIRST), LAST)

    def book(self, key: str, day: date, terms_day: date, cash_fen: int, points: int) -> None:
        self.facts[key] = Fact(day, terms_day, cash_fen, points, len(self.made))

    def sell(self, away: int, cash_fen: int, points: int) -> None:
        name, day = self.next("s"), self.a_day(away)
        paid_fen = points * 10
        self.world.sell(
            SHOP, name, day, cash_fen=cash_fen, points=points, reimbursement_fen=paid_fen
        )
        self.sold.append(Sold(name, day, cash_fen, points))
        self.book(f"sale:{name}", day, day, cash_fen, points)

    def refund(self, which: int, part: int, away: int) -> None:
        """One part of several; what is left may come back later. Its terms are the sale's."""
        if not self.sold:
            return
        sale = self.sold[which % len(self.sold)]
        cash_fen, points = -(-sale.cash_fen // part), sale.points // part
        sale.cash_fen, sale.points = sale.cash_fen - cash_fen, sale.points - points
        if not cash_fen and not points:
            return
        name, day = self.next("r"), max(self.a_day(away), sale.day)
        self.world.sell(
            SHOP,
            name,
            day,
            cash_fen=cash_fen,
            points=points,
            reimbursement_fen=points * 10,
            of_sale=sale.name,
            goods={"食品": cash_fen + points * 10},
        )
        self.book(f"refund:{name}", day, sale.day, -cash_fen, -points)

    def declare(self, away: int, difference: int) -> None:
        self.number += 1
        day = self.a_day(away)
        self.world.declare(SHOP, self.number, day, 1_000 + difference, 1_000)
        if difference:
            self.book(f"declared:t-{SHOP}:{self.number}", day, day, difference, 0)

    def pay(self, amount_fen: int) -> None:
        if amount_fen:
            self.world.pay(SHOP, self.next("p"), self.open_from, amount_fen)

    def change(self, away: int, tiers: Tiers, cycle: Cycle) -> None:
        self.interrupt(away, 0, tiers, cycle)

    def interrupt(self, away: int, gap: int, tiers: Tiers, cycle: Cycle) -> None:
        """The contract of the month's last day ends early; another begins, days later perhaps."""
        ending = self.in_force[LAST]
        first = min(day for day, name in self.in_force.items() if name == ending)
        last = max(self.open_from, first) + away * DAY
        if last + (gap + 1) * DAY > LAST:
            return
        self.world.tell(EndContract(contract=ending, last_day=last, reason="改约"))
        for day in [day for day in self.in_force if day > last]:
            del self.in_force[day]
        self.agree(last + (gap + 1) * DAY, None, tiers, cycle)

    def settle(self, days: int) -> None:
        through = self.open_from + (days - 1) * DAY
        if through < LAST and through >= self.ran:
            self.run(through)

    def run(self, through: date) -> None:
        self.ran = through + DAY
        closed = self.world.run(through)
        now = self.statements()
        assert now[: len(self.made)] == self.made, "a statement changed after it was issued"
        lacking = [
            fact.terms_day
            for fact in self.facts.values()
            if fact.terms_day not in self.in_force and fact.day <= through
        ]
        if closed.left_open:
            (left,) = closed.left_open
            assert left == LeftOpen(SHOP, min(lacking))
            assert now == self.made
        self.made = now

    def end(self) -> None:
        """Days on which business was done without a contract are given one, also days that are
        settled; then all is settled.
        """
        for day in sorted({fact.terms_day for fact in self.facts.values()} - {*self.in_force}):
            self.agree(day, day, ((0, 400),), Cycle.RUN)
        self.run(LAST)
        assert self.made[-1].period_through == LAST

    def statements(self) -> list[Statement]:
        with reading(self.world.engine) as tx:
            return statements_of(tx, POOL, merchant=SHOP)[::-1]

    def statement_for(self, fact: Fact) -> Statement:
        """The first one that was made after it came and reaches to its day."""
        return next(each for each in self.made[fact.after :] if each.period_through >= fact.day)


def check_lines(model: Model, found: Mapping[str, tuple[Statement, StatementLine]]) -> None:
    for key, fact in model.facts.items():
        statement, line = found[key]
        assert statement == model.statement_for(fact), key
        assert line.business_date == fact.day
        assert line.late is (fact.day < statement.period_from)
        assert line.contract == model.in_force[fact.terms_day]
        assert (line.takings_fen, line.points) == (fact.cash_fen, fact.points)
        assert line.reimbursement_fen == fact.points * 10


def check_statement_sums(model: Model) -> None:
    """Lines, totals and ledger are one; every transfer stands once, every fact is a line."""
    found: dict[str, tuple[Statement, StatementLine]] = {}
    placed: list[int] = []
    closing_fen = 0
    with reading(model.world.engine) as tx:
        for statement in model.made:
            placed += [each.transfer.transfer_no for each in members_of(tx, POOL, statement)]
            lines = lines_of(tx, POOL, statement)
            assert not {line.key for line in lines} & {*found}
            found |= {line.key: (statement, line) for line in lines}
            totals = statement.totals
            assert sum(line.takings_fen for line in lines) == totals.cash_fen
            assert sum(line.share_fen for line in lines) == totals.share_fen
            assert sum(line.reimbursement_fen for line in lines) == (
                totals.reimbursement_fen - totals.reimbursement_returned_fen
            )
            assert statement.opening_fen == closing_fen
            closing_fen = statement.closing_fen
        concerned = [each.transfer_no for each in transfers_concerning(tx, POOL, SHOP, first=1)]
        assert sorted(placed) == concerned
        assert balance(tx, POOL, f"merchant:{SHOP}", Asset.FEN) == closing_fen
        assert list(check_statements(tx, POOL)) == []
        assert list(check_clearing(tx, POOL)) == []
    assert set(found) == set(model.facts)
    check_lines(model, found)


def check_shares(model: Model) -> None:
    """What all statements together took of a contract's month is its tiers of the month."""
    takings: dict[str, int] = defaultdict(int)
    shares: dict[str, int] = defaultdict(int)
    for fact in model.facts.values():
        takings[model.in_force[fact.terms_day]] += fact.cash_fen
    with reading(model.world.engine) as tx:
        for statement in model.made:
            for each in shares_of(tx, POOL, statement.statement):
                shares[each.contract] += each.share_fen
    for contract, taken_fen in takings.items():
        assert shares[contract] == share_of_month(model.tiers[contract], taken_fen), contract


@settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate),  # shrinking whole pools takes minutes
    suppress_health_check=[HealthCheck.too_slow],
)
@given(steps, tiers, cycles)
# Settled through days without a contract, of one of which a sale is told late.
@example(
    history=[
        ("interrupt", 1, 3, ((0, 700), (1, 1), (5_000, 0)), Cycle.RUN),
        ("settle", 9),
        ("sell", -6, 3_000, 20),
        ("settle", 3),
        ("sell", 0, 500, 0),
    ],
    first=((0, 500), (3_000, 825)),
    cycle=Cycle.RUN,
)
def test_every_fact_stands_on_one_statement_whatever_happens(
    empty_books: Path, history: list[tuple[object, ...]], first: Tiers, cycle: Cycle
) -> None:
    with fresh_world(empty_books) as world:
        model = Model(world)
        model.begin(first, cycle)
        for name, *given_values in history:
            getattr(model, str(name))(*given_values)
        model.end()
        check_statement_sums(model)
        check_shares(model)
