"""Any days at a till with its server: what is sold, voided, given back and interrupted by power cuts
in the midst of a step adds up to the same in Z reports, journal and ledger.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from protocol.codes import to_digits
from protocol.evidence import SlotEvidence
from protocol.messages import OutcomeKind
from protocol.sales import SaleCaptured, SaleRefunded
from protocol.shifts import ShiftClosed
from server.awards import OpenBalance
from server.db import create_all, metadata, open_engine, reading
from server.directory.commands import AddItem
from server.redemption.tables import journal_record, refund_line, sale_line
from terminal.shifts.shifts import Counted
from terminal.store.sqlite import SqliteWork
from tests.support.pool_till import PoolTill, pass_time, till_of
from tests.unit.awards.deeds import assert_audit_is_clean
from tests.unit.server.world import TODAY, ZHANG, World

MERCHANT = "shop-a"
PLENTY = 1_000_000
SOME_MINUTES_S = 300
FLASK = AddItem(
    item_id="flask",
    name="保温壶",
    name_en="Flask",
    category="礼品",
    unit="个",
    price_fen=503,
    price_points=20,
    reimbursement_fen=1_201,
    both_due=True,
)
"""Its money and its points are due together."""
CUTS: list[int] = []
"""In which step the power really went."""


class PowerCutError(BaseException):
    """Nothing of the program may catch it, as nothing outlives a power cut."""


@contextmanager
def power_goes(till: PoolTill, step: int, *, after: bool) -> Iterator[None]:
    """In this durable step from now on, just before or just after it is on the disk."""
    working: Callable[[], AbstractContextManager[SqliteWork]] = till.store.working
    left = [step]

    @contextmanager
    def interrupted() -> Iterator[SqliteWork]:
        left[0] -= 1
        with working() as work:
            yield work
            if left[0] == 0 and not after:
                raise PowerCutError
        if left[0] == 0:
            raise PowerCutError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(till.store, "working", interrupted)
        try:
            yield
        except PowerCutError:
            CUTS.append(step)
        else:
            return
    till.power_cut()


@pytest.fixture(scope="module")
def till(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PoolTill]:
    """One till for all days; every day begins where the one before ended."""
    folder = tmp_path_factory.mktemp("days")
    engine = open_engine(f"sqlite:///{folder}/pool.db")
    create_all(engine, metadata)
    world = World(engine, folder, "guanghui")
    world.furnish()
    opening = OpenBalance(
        opening_id="o-1", account=ZHANG, points=PLENTY, as_of=TODAY, opened_by="办公室"
    )
    world.do(opening)
    world.do(FLASK)
    with till_of(world, folder) as opened:
        CUTS.clear()
        yield opened
        assert len(CUTS) > 20, "the days were quieter than they should be"
        assert min(world.points(f"{kind}:{MERCHANT}") for kind in ("redeemed", "returned")) > 0
    assert_audit_is_clean(world)
    engine.dispose()


GOODS = st.lists(
    st.sampled_from(["bun", "massage", "blood-pressure", "flask"]), min_size=1, max_size=4
)
CUT = st.one_of(st.none(), st.tuples(st.integers(1, 3), st.booleans()))
STEP = st.one_of(
    st.tuples(st.just("sell"), GOODS, st.booleans(), CUT),
    st.tuples(st.just("back"), st.integers(0, 5), st.integers(0, 2), CUT),
    st.tuples(st.just("close"), st.one_of(st.none(), st.integers(0, 9_999)), CUT),
    st.tuples(st.just("network"), st.booleans()),
    st.tuples(st.just("sync"), st.just(None)),
)


@given(steps=st.lists(STEP, min_size=2, max_size=8))
@settings(
    max_examples=100,
    deadline=None,
    database=None,
    phases=[Phase.generate],  # the books grow from one to the next: none can be told anew
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_whatever_happened_z_reports_journal_and_ledger_say_the_same(
    till: PoolTill, steps: list[tuple[object, ...]]
) -> None:
    till.line.reachable = True
    for step in steps:
        play(till, *step)
    till.line.reachable = True
    till.shifts.close(till.shifts.next_z_no(), Counted(None, {}))
    while till.store.untold():
        till.sync()
    agrees(till)


def play(till: PoolTill, kind: object, *what: object) -> None:
    pass_time(till.world, till, seconds=SOME_MINUTES_S)
    cut = what[-1] if isinstance(what[-1], tuple) else None
    if kind == "network":
        till.line.reachable = bool(what[0])
    elif kind == "sync":
        if till.line.reachable:
            till.sync()
    elif cut is None:
        ACTS[str(kind)](till, *what)
    else:
        with power_goes(till, cut[0], after=cut[1]):
            ACTS[str(kind)](till, *what)


def sell(till: PoolTill, goods: list[str], with_points: bool, _cut: object) -> None:
    till.till.clear()
    for item in goods:
        till.till.add_item(item)
    if with_points:
        code = till.world.slot(ZHANG, starts_in_s=-1)
        assert isinstance(code, SlotEvidence)
        till.till.scan(to_digits(bytes.fromhex(code.payload_hex)))
    till.till.complete(till.till.snapshot()[0].sale_id)


def give_back(till: PoolTill, back: int, units: int, _cut: object) -> None:
    """The whole of one of the newest sales (no units), or so many of its first line."""
    found = till.store.recent_sales(back + 1)
    receipt_no = found[-1].row.receipt_no if found else None
    if receipt_no is not None:
        wanted = {1: units * 1_000} if units else None
        till.returns.refund(receipt_no, "坏了", wanted)


def close(till: PoolTill, cash_fen: int | None, _cut: object) -> None:
    till.shifts.close(till.shifts.next_z_no(), Counted(cash_fen, {}))


ACTS: dict[str, Callable[..., None]] = {"sell": sell, "back": give_back, "close": close}


def agrees(till: PoolTill) -> None:
    """Z reports with the journal, the journal with the ledger, each line with what came back."""
    world, records = till.world, till.records()
    sales = [x for x in records if isinstance(x, SaleCaptured)]
    backs = [x for x in records if isinstance(x, SaleRefunded)]
    shifts = [x for x in records if isinstance(x, ShiftClosed)]
    used = sum(x.payment.points for x in sales)
    returned = sum(x.payment.points for x in backs)
    money = sum(x.payment.cash_fen for x in sales) - sum(x.payment.cash_fen for x in backs)
    assert [x.z_no for x in shifts] == list(range(1, len(shifts) + 1))
    assert sum(x.figures.sales for x in shifts) == len(sales)
    assert sum(x.figures.refunds + x.figures.voids for x in shifts) == len(backs)
    assert sum(x.figures.points_used for x in shifts) == used
    assert sum(x.figures.points_returned for x in shifts) == returned
    assert sum(x.figures.money_fen for x in shifts) == money
    receipts = [x.receipt_no for x in sales] + [x.receipt_no for x in backs]
    assert len(set(receipts)) == len(receipts)
    assert world.points(f"redeemed:{MERCHANT}") == used
    assert world.points(f"returned:{MERCHANT}") == returned
    assert world.fen(f"takings:{MERCHANT}") == money
    assert world.points(f"resident:{ZHANG}") == PLENTY - used + returned
    assert world.free(ZHANG) == PLENTY - used + returned  # nothing stays reserved
    with reading(world.engine) as tx:
        parked = select(func.count()).where(journal_record.c.outcome != OutcomeKind.POSTED.value)
        assert tx.execute(parked).scalar_one() == 0
        back_of = func.coalesce(func.sum(refund_line.c.amount_fen), 0)
        points_of = func.coalesce(func.sum(refund_line.c.amount_points), 0)
        same = (sale_line.c.sale_id == refund_line.c.sale_id) & (
            sale_line.c.line_no == refund_line.c.line_no
        )
        lines = tx.execute(
            select(sale_line.c.amount_fen, sale_line.c.amount_points, back_of, points_of)
            .select_from(sale_line.outerjoin(refund_line, same))
            .group_by(sale_line.c.sale_id, sale_line.c.line_no)
        ).all()
    assert len(lines) == sum(len(x.lines) for x in sales)
    for fen, points, back_fen, back_points in lines:
        assert 0 <= back_fen <= fen
        assert 0 <= back_points <= points
