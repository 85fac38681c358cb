"""I10: the log of one database, replayed into an empty one, makes the same tables."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import count

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, select

from server.db import reading, writing
from server.facts import (
    FactDesk,
    FactFault,
    FactStamp,
    Refusal,
    ReplayDiverged,
    Replayed,
    read,
    replay,
)
from server.facts.tables import fact, fact_head
from server.ledger import (
    Asset,
    EntryDraft,
    InsufficientBalance,
    Leg,
    Normal,
    cover,
    open_account,
    place_hold,
    post,
    take_hold,
    void_hold,
)
from server.ledger.tables import account, entry, hold, ledger_head, transfer

START = datetime(2025, 3, 1, tzinfo=UTC)
_pool_no = count(1)


class Award(msgspec.Struct, frozen=True):
    resident: str
    amount: int


class Spend(msgspec.Struct, frozen=True):
    resident: str
    amount: int


class Authorise(msgspec.Struct, frozen=True):
    sale: str
    resident: str
    amount: int


class Capture(msgspec.Struct, frozen=True):
    sale: str
    resident: str
    amount: int


class Reverse(msgspec.Struct, frozen=True):
    sale: str


class TooFew(Refusal, msgspec.Struct, frozen=True):
    missing: int


def _open(tx: Connection, pool: str, resident: str) -> None:
    for name, normal in (("issued", Normal.DEBIT), ("redeemed", Normal.CREDIT)):
        open_account(tx, pool, name, Asset.POINTS, name, normal=normal, hot=True)
    open_account(tx, pool, "overdraft", Asset.POINTS, "overdraft", normal=Normal.DEBIT)
    open_account(
        tx, pool, resident, Asset.POINTS, "resident", normal=Normal.CREDIT, floor_at_zero=True
    )


def _post(tx: Connection, stamp: FactStamp, *legs: tuple[str, str, int]) -> object:
    draft = EntryDraft(
        key=f"fact:{stamp.fact_no}",
        kind="move",
        occurred_at=stamp.recorded_at,
        business_date=date(2025, 3, 1),
        legs=tuple(Leg(Asset.POINTS, "move", *leg) for leg in legs if leg[2]),
    )
    outcome = post(tx, stamp.pool, draft, recorded_at=stamp.recorded_at, fact_no=stamp.fact_no)
    return TooFew(outcome.missing) if isinstance(outcome, InsufficientBalance) else outcome


def award(tx: Connection, stamp: FactStamp, command: Award) -> object:
    _open(tx, stamp.pool, command.resident)
    return _post(tx, stamp, ("issued", command.resident, command.amount))


def spend(tx: Connection, stamp: FactStamp, command: Spend) -> object:
    # Written before the ledger refuses: a refusal must take it away again.
    _open(tx, stamp.pool, command.resident)
    return _post(tx, stamp, (command.resident, "redeemed", command.amount))


def authorise(tx: Connection, stamp: FactStamp, command: Authorise) -> object:
    _open(tx, stamp.pool, command.resident)
    at = stamp.recorded_at
    return place_hold(
        tx,
        stamp.pool,
        command.sale,
        command.resident,
        command.amount,
        placed_at=at,
        expires_at=at + timedelta(minutes=10),
    )


def capture(tx: Connection, stamp: FactStamp, command: Capture) -> object:
    _open(tx, stamp.pool, command.resident)
    pool, at = stamp.pool, stamp.recorded_at
    taken = take_hold(tx, pool, command.sale, command.amount, at=at)
    held = getattr(taken, "held", 0)
    covered = cover(tx, pool, command.resident, command.amount, own_held=held, at=at)
    return _post(
        tx,
        stamp,
        (command.resident, "redeemed", covered),
        ("overdraft", "redeemed", command.amount - covered),
    )


def reverse(tx: Connection, stamp: FactStamp, command: Reverse) -> object:
    _open(tx, stamp.pool, "resident:a")
    return void_hold(tx, stamp.pool, command.sale, at=stamp.recorded_at)


@pytest.fixture(scope="module")
def desk() -> FactDesk:
    made = FactDesk()
    made.register("award", Award, award)
    made.register("spend", Spend, spend)
    made.register("authorise", Authorise, authorise)
    made.register("capture", Capture, capture, keeps_refusals=True)
    made.register("reverse", Reverse, reverse)
    return made


residents = st.sampled_from(["resident:a", "resident:b"])
sales = st.sampled_from(["s1", "s2", "s3"])
amounts = st.integers(1, 100)
commands = st.one_of(
    st.builds(Award, residents, amounts),
    st.builds(Spend, residents, amounts),
    st.builds(Authorise, sales, residents, amounts),
    st.builds(Capture, sales, residents, amounts),
    st.builds(Reverse, sales),
)
# Minutes that pass before each command; below 0 the server's clock was set back.
steps = st.lists(st.tuples(st.integers(-5, 12), commands), min_size=1, max_size=25)


def tables(engine: Engine, pool: str) -> dict[str, list[tuple[object, ...]]]:
    with reading(engine) as tx:
        return {
            table.name: sorted(
                (tuple(row) for row in tx.execute(select(table).where(table.c.pool == pool))),
                key=repr,
            )
            for table in (fact_head, fact, ledger_head, account, entry, transfer, hold)
        }


def test_random_commands_replay_to_identical_tables(
    open_scratch: Callable[[str], Engine], desk: FactDesk
) -> None:
    source, target = open_scratch("source"), open_scratch("target")

    @settings(
        max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
    )
    @given(steps)
    def they_do(script: list[tuple[int, msgspec.Struct]]) -> None:
        pool, now = f"pool{next(_pool_no)}", START
        with writing(source) as tx:
            for minutes, command in script:
                now += timedelta(minutes=minutes)
                desk.submit(tx, pool, command, actor="till", recorded_at=now)
        with reading(source) as tx:
            kept = len(read(tx, pool))
            assert replay(tx, target, desk, pool) == Replayed(kept, kept)
        assert tables(target, pool) == tables(source, pool)

    they_do()


def test_a_long_log_is_replayed_in_pages_with_progress(
    open_scratch: Callable[[str], Engine], desk: FactDesk
) -> None:
    source, target = open_scratch("source"), open_scratch("target")
    with writing(source) as tx:
        for _ in range(210):
            command = Award("resident:a", 1)
            desk.submit(tx, "guanghui", command, actor="x", recorded_at=START)
    told: list[Replayed] = []
    with reading(source) as tx:
        replay(tx, target, desk, "guanghui", told.append)
    assert told == [Replayed(200, 200), Replayed(210, 210)]
    assert tables(target, "guanghui") == tables(source, "guanghui")


def test_a_replay_needs_an_empty_target(
    open_scratch: Callable[[str], Engine], desk: FactDesk
) -> None:
    source = open_scratch("source")
    with writing(source) as tx:
        desk.submit(tx, "guanghui", Award("resident:a", 1), actor="x", recorded_at=START)
    with reading(source) as tx, pytest.raises(FactFault, match="not empty"):
        replay(tx, source, desk, "guanghui")


def test_a_handler_that_changed_its_mind_is_found_by_the_replay(
    open_scratch: Callable[[str], Engine], desk: FactDesk
) -> None:
    source, target = open_scratch("source"), open_scratch("target")
    with writing(source) as tx:
        for command in (Award("resident:a", 10), Spend("resident:a", 8)):
            desk.submit(tx, "guanghui", command, actor="x", recorded_at=START)
    other_rules = FactDesk()
    other_rules.register("award", Award, award)
    other_rules.register("spend", Spend, lambda _tx, _stamp, _command: TooFew(1))
    with (
        reading(source) as tx,
        pytest.raises(ReplayDiverged, match=r"fact 2 \(spend\)"),
    ):
        replay(tx, target, other_rules, "guanghui")


def test_a_fact_out_of_order_is_not_applied(
    open_scratch: Callable[[str], Engine], desk: FactDesk
) -> None:
    source, target = open_scratch("source"), open_scratch("target")
    with writing(source) as tx:
        for amount in (1, 2):
            desk.submit(tx, "guanghui", Award("a", amount), actor="x", recorded_at=START)
        second = read(tx, "guanghui")[1]
    with pytest.raises(FactFault, match="fact 2 cannot follow 0"), writing(target) as tx:
        desk.apply(tx, second)
