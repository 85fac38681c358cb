"""The same sale comes back at two tills at once: the books give it back once, and what the second
till handed out stands where the shop and the office see it.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import Engine

from protocol.sales import SaleCaptured, SaleRefunded
from server.ledger import UnknownAccount
from server.redemption import reading_ahead, refunding
from server.reports.over_refunds import over_refunds
from terminal.domain.notice import NoticeCode
from tests.concurrency.racing import (
    WITH_LOCK_S,
    WITHOUT_LOCK_S,
    both,
    make_meet,
    take_the_lock_off,
)
from tests.support.pool_till import PoolTill, till_of
from tests.unit.awards.deeds import assert_audit_is_clean
from tests.unit.server.world import ZHANG, World

POINTS = 100
GIVEN = {NoticeCode.REFUNDED, NoticeCode.VOIDED}


class Race:
    """A sale of 100 points and 2.60 元, told to the server, and two tills of its shop."""

    def __init__(self, world: World, one: PoolTill, other: PoolTill) -> None:
        self.world, self.one, self.other = world, one, other
        one.till.add_amount("12.60", "其他商品")
        one.show_slot()
        one.till.complete(one.till.snapshot()[0].sale_id)
        sale = one.records()[-1]
        assert isinstance(sale, SaleCaptured), one.page.view().notice
        assert (sale.payment.points, sale.payment.cash_fen) == (POINTS, 260)
        self.sale = sale
        one.sync()

    @property
    def of_zhang(self) -> int:
        return self.world.points(f"resident:{ZHANG}")

    def over(self) -> tuple[int, int]:
        """Points and fen that the shop gave beyond the sale."""
        key = "over_refund:shop-a"
        try:
            return self.world.points(key), self.world.fen(key)
        except UnknownAccount:  # nobody ever gave too much
            return 0, 0


def opened(engine: Engine, folder: Path) -> Iterator[Race]:
    """Two server processes beside each other, as two machines behind one database: within one,
    requests that write go in turn already.
    """
    world = World(engine, folder, "guanghui")
    world.furnish()
    world.award(ZHANG, "river-patrol")
    first = world.app
    world.serve(engine)
    with ExitStack() as tills:
        one = tills.enter_context(till_of(world, folder, terminal="t-1", server=first))
        other = tills.enter_context(till_of(world, folder, terminal="t-2", server=world.app))
        yield Race(world, one, other)


@pytest.fixture
def race(engine: Engine, tmp_path: Path) -> Iterator[Race]:
    yield from opened(engine, tmp_path)


@pytest.fixture
def on_postgres(postgres_engine: Engine, tmp_path: Path) -> Iterator[Race]:
    yield from opened(postgres_engine, tmp_path)


def giving_back(till: PoolTill, race: Race) -> Callable[[], object]:
    return lambda: till.returns.refund(race.sale.receipt_no, "不要了").code


def refunds(till: PoolTill) -> list[SaleRefunded]:
    return [x for x in till.records() if isinstance(x, SaleRefunded)]


def told_once_and_shown(race: Race) -> None:
    assert race.of_zhang == POINTS  # before the sale she had 100, and so she has now
    assert race.world.points("redeemed:shop-a") - race.world.points("returned:shop-a") == 0
    assert race.world.fen("merchant:shop-a") == 0
    assert race.world.fen("takings:shop-a") == 0
    assert race.over() == (POINTS, 260)
    shown = race.world.read(lambda tx: over_refunds(tx, race.world.pool))
    assert [str(race.sale.sale_id) in str(x) for x in shown] == [True]
    outcomes = [
        x for till in (race.one, race.other) for x in till.store.newest_told("sale_refunded", 5)
    ]
    assert sorted("多退" in x.says for x in outcomes) == [False, True]
    assert_audit_is_clean(race.world)


def test_both_online_at_once_the_books_give_back_what_was_sold(
    race: Race, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = both(giving_back(race.one, race), giving_back(race.other, race))
    assert set(codes) <= GIVEN, codes  # each till asked before the other had told
    make_meet(monkeypatch, refunding, "refunds_of", wait_s=WITH_LOCK_S)
    both(race.one.sync, race.other.sync)
    assert [len(refunds(x)) for x in (race.one, race.other)] == [1, 1]
    told_once_and_shown(race)


def test_the_one_that_comes_after_the_other_has_told_gives_nothing(race: Race) -> None:
    assert giving_back(race.one, race)() in GIVEN
    race.one.sync()
    assert giving_back(race.other, race)() is NoticeCode.ALREADY_REFUNDED
    assert refunds(race.other) == []
    assert (race.of_zhang, race.over()) == (POINTS, (0, 0))
    assert_audit_is_clean(race.world)


def test_one_offline_gives_back_its_own_sale_and_the_excess_is_found_later(race: Race) -> None:
    race.one.line.reachable = False
    assert giving_back(race.one, race)() in GIVEN  # its own journal says what was sold
    assert giving_back(race.other, race)() in GIVEN  # online, and nobody has told yet
    race.other.sync()
    assert race.over() == (0, 0)
    race.one.line.reachable = True
    race.one.sync()
    told_once_and_shown(race)


def test_offline_a_sale_of_the_other_till_does_not_come_back(race: Race) -> None:
    race.other.line.reachable = False
    assert giving_back(race.other, race)() is NoticeCode.REFUND_NEEDS_NETWORK
    assert refunds(race.other) == []


@pytest.mark.postgres
def test_with_the_lock_off_the_resident_gets_the_points_twice(
    on_postgres: Race, monkeypatch: pytest.MonkeyPatch
) -> None:
    race = on_postgres
    codes = both(giving_back(race.one, race), giving_back(race.other, race))
    assert set(codes) <= GIVEN, codes
    take_the_lock_off(monkeypatch)
    # What is read ahead is read under the ledger's locks, which would make them take turns too.
    monkeypatch.setattr(reading_ahead, "read_ahead_in_books", lambda *_named: None)
    make_meet(monkeypatch, refunding, "refunds_of", wait_s=WITHOUT_LOCK_S)
    both(race.one.sync, race.other.sync)
    assert race.of_zhang == 2 * POINTS
    assert race.over() == (0, 0)
