"""Several commands at once come out as one after the other: same answers, numbers and books."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import count

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, event, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from server.db import dialect, reading, writing
from server.db.working_set import WorkingSetFault, standing, working
from server.facts import (
    FactDesk,
    FactFault,
    FactStamp,
    Failed,
    Outcome,
    Refusal,
    Submission,
    check_facts,
    read,
)
from server.facts.tables import fact, fact_head
from server.ledger import (
    Ahead,
    Asset,
    EntryDraft,
    InsufficientBalance,
    Leg,
    Normal,
    check_ledger,
    cover,
    open_account,
    place_hold,
    post,
    read_ahead_in_books,
    take_hold,
    void_hold,
)
from server.ledger.live import HOLD
from server.ledger.tables import account, entry, hold, ledger_head, transfer

START = datetime(2025, 3, 1, tzinfo=UTC)
RESIDENTS = ("resident:a", "resident:b")
_pool_no = count(1)


class Open(msgspec.Struct, frozen=True):
    """A fact of the directory's kind: it has a savepoint and changes standing data."""

    name: str


class Move(msgspec.Struct, frozen=True, tag_field="kind"):
    """What is tried in memory."""

    what: str
    sale: str
    resident: str
    amount: int


class TooFew(Refusal, msgspec.Struct, frozen=True):
    missing: int


def open_it(tx: Connection, stamp: FactStamp, command: Open) -> object:
    for name, normal in (("issued", Normal.DEBIT), ("redeemed", Normal.CREDIT)):
        open_account(tx, stamp.pool, name, Asset.POINTS, name, normal=normal, hot=True)
    for name in (*RESIDENTS, command.name):
        open_account(
            tx, stamp.pool, name, Asset.POINTS, "r", normal=Normal.CREDIT, floor_at_zero=True
        )
    open_account(tx, stamp.pool, "overdraft", Asset.POINTS, "overdraft", normal=Normal.DEBIT)
    return command.name


def move(tx: Connection, stamp: FactStamp, command: Move) -> object:
    match command.what:
        case "award":
            return _post(tx, stamp, ("issued", command.resident, command.amount))
        case "spend":
            return _post(tx, stamp, (command.resident, "redeemed", command.amount))
        case "hold":
            return _hold(tx, stamp, command)
        case "capture":
            return _capture(tx, stamp, command)
        case "void":
            return void_hold(tx, stamp.pool, command.sale, at=stamp.recorded_at)
        case "asks by itself":
            _hold(tx, stamp, command)
            query = text("SELECT count(*) FROM hold WHERE pool = :pool")
            found = tx.execute(query, {"pool": stamp.pool}).scalar_one()
            return TooFew(found) if found % 2 else found
        case "writes by itself":
            return _writes_between(tx, stamp, command)
        case "faults":
            _hold(tx, stamp, command)
            raise ZeroDivisionError(command.sale)
    return _breaks_a_promise(tx, stamp, command)


def _breaks_a_promise(tx: Connection, stamp: FactStamp, command: Move) -> object:
    """Nothing is wrong in memory; the database refuses it."""
    _hold(tx, stamp, command)
    row = {
        "pool": stamp.pool,
        "hold_key": f"nonsense {stamp.fact_no}",
        "amount": 0,
        "state": "nonsense",
        "captured_amount": 0,
        "placed_at": stamp.recorded_at,
        "expires_at": stamp.recorded_at,
    }
    with working(tx, stamp.pool) as books:
        books.insert(HOLD, row)
    return None


def _writes_between(tx: Connection, stamp: FactStamp, command: Move) -> object:
    """Reads a row, writes something past the set, and then changes the row that it read."""
    _hold(tx, stamp, command)
    with working(tx, stamp.pool) as books:
        held = books.row(HOLD, (command.sale,))
        if held is None or held["state"] != "held":
            return TooFew(0)
        same = text("UPDATE ledger_head SET last_entry_no = last_entry_no WHERE pool = :pool")
        tx.execute(same, {"pool": stamp.pool})
        books.update(HOLD, (command.sale,), state="voided", resolved_at=stamp.recorded_at)
    return held["amount"]


def _hold(tx: Connection, stamp: FactStamp, command: Move) -> object:
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


def _capture(tx: Connection, stamp: FactStamp, command: Move) -> object:
    pool, at = stamp.pool, stamp.recorded_at
    taken = take_hold(tx, pool, command.sale, command.amount, at=at)
    held = getattr(taken, "held", 0)
    covered = cover(tx, pool, command.resident, command.amount, own_held=held, at=at)
    rest = command.amount - covered
    return _post(
        tx, stamp, (command.resident, "redeemed", covered), ("overdraft", "redeemed", rest)
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


def expect(tx: Connection, pool: str, commands: Sequence[tuple[Move, datetime]]) -> None:
    """Not everything that will be needed: what is missing is read when it is asked for."""
    ahead = Ahead(
        spenders={command.resident for command, _ in commands if command.what != "spend"},
        hold_keys={command.sale for command, _ in commands},
    )
    read_ahead_in_books(tx, pool, ahead, min(at for _, at in commands))


@pytest.fixture(scope="module")
def desk() -> FactDesk:
    made = FactDesk()
    made.register("open", Open, open_it)
    made.register("move", Move, move, expect=expect)
    return made


moves = st.builds(
    Move,
    st.sampled_from(
        [
            "award",
            "award",
            "spend",
            "hold",
            "capture",
            "void",
            "asks by itself",
            "writes by itself",
            "faults",
            "broken",
        ]
    ),
    st.sampled_from(["s1", "s2", "s3"]),
    st.sampled_from(RESIDENTS),
    st.integers(1, 100),
)
commands = st.one_of(moves, moves, moves, st.builds(Open, st.sampled_from(["x", "y"])))
scripts = st.lists(st.tuples(st.integers(-5, 12), commands), min_size=1, max_size=20)


def tables(engine: Engine, pool: str) -> dict[str, list[tuple[object, ...]]]:
    """Everything of a pool but its name."""
    with reading(engine) as tx:
        return {
            table.name: sorted(
                (tuple(row)[1:] for row in tx.execute(select(table).where(table.c.pool == pool))),
                key=repr,
            )
            for table in (fact_head, fact, ledger_head, account, entry, transfer, hold)
        }


def submissions_of(script: list[tuple[int, msgspec.Struct]]) -> list[Submission]:
    now, handed = START, []
    for minutes, command in script:
        now += timedelta(minutes=minutes)
        handed.append(Submission(command, "till", now))
    return handed


def one_by_one(
    engine: Engine, desk: FactDesk, pool: str, submissions: list[Submission]
) -> list[object]:
    answers: list[object] = []
    for each in submissions:
        try:
            with writing(engine) as tx:
                answers.append(
                    desk.submit(
                        tx, pool, each.command, actor=each.actor, recorded_at=each.recorded_at
                    )
                )
        except (ZeroDivisionError, IntegrityError) as fault:
            answers.append(type(fault))
    return answers


def in_batches(
    engine: Engine, desk: FactDesk, pool: str, submissions: list[Submission], sizes: list[int]
) -> list[object]:
    answers: list[Outcome | Failed] = []
    while submissions:
        size = sizes[len(answers) % len(sizes)]
        with writing(engine) as tx:
            answers += desk.submit_many(tx, pool, submissions[:size])
        submissions = submissions[size:]
    return [type(each.fault) if isinstance(each, Failed) else each for each in answers]


@pytest.mark.timeout(170)
def test_batches_of_any_size_come_out_as_one_by_one(engine: Engine, desk: FactDesk) -> None:
    @settings(
        max_examples=40 if engine.dialect.name == "sqlite" else 15,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        database=None,
    )
    @given(scripts, st.lists(st.integers(1, 9), min_size=1, max_size=4))
    def they_do(script: list[tuple[int, msgspec.Struct]], sizes: list[int]) -> None:
        alone, together = f"pool{next(_pool_no)}", f"pool{next(_pool_no)}"
        submissions = submissions_of([(0, Open("first")), *script])
        wanted = one_by_one(engine, desk, alone, submissions)
        assert in_batches(engine, desk, together, submissions, sizes) == wanted
        assert tables(engine, together) == tables(engine, alone)
        with reading(engine) as tx:
            assert list(check_facts(tx, together)) == []
            assert list(check_ledger(tx, together)) == []

    they_do()


def submit_all(desk: FactDesk, tx: Connection, *commands_: msgspec.Struct) -> list[object]:
    return desk.submit_many(tx, "p", [Submission(each, "till", START) for each in commands_])


def test_a_command_that_faults_is_answered_alone(engine: Engine, desk: FactDesk) -> None:
    with writing(engine) as tx:
        answers = submit_all(
            desk,
            tx,
            Open("x"),
            Move("award", "s", "resident:a", 10),
            Move("faults", "s1", "resident:a", 1),
            Move("broken", "s2", "resident:a", 1),
            Move("spend", "s", "resident:a", 11),
            Move("spend", "s", "resident:a", 4),
        )
    kinds = [type(each.fault) if isinstance(each, Failed) else None for each in answers]
    assert kinds == [None, None, ZeroDivisionError, IntegrityError, None, None]
    assert answers[4] == TooFew(1)
    with reading(engine) as tx:
        assert [each.fact_no for each in read(tx, "p")] == [1, 2, 3]
        assert tx.execute(select(hold)).all() == []
        assert list(check_ledger(tx, "p")) == []


def test_a_row_that_was_forgotten_between_is_changed_all_the_same(
    engine: Engine, desk: FactDesk
) -> None:
    with writing(engine) as tx:
        answers = submit_all(
            desk,
            tx,
            Open("x"),
            Move("award", "s", "resident:a", 10),
            Move("writes by itself", "s1", "resident:a", 7),
        )
    assert answers[-1] == 7
    with reading(engine) as tx:
        found = tx.execute(select(hold.c.state, hold.c.amount, hold.c.resolved_at)).one()
    assert tuple(found) == ("voided", 7, START)


def test_what_the_desk_cannot_take_does_not_stop_the_others(engine: Engine, desk: FactDesk) -> None:
    naive = START.replace(tzinfo=None)
    with writing(engine) as tx:
        answers = desk.submit_many(
            tx,
            "p",
            [
                Submission(TooFew(1), "till", START),
                Submission(Open("x" * (1 << 20)), "till", START),
                Submission(Open("x"), "till", naive),
                Submission(Open("x"), "till", START),
            ],
        )
    faults = [type(each.fault) for each in answers if isinstance(each, Failed)]
    assert faults == [FactFault, FactFault, ValueError]
    assert answers[3] == "x"


def test_nothing_handed_in_leaves_nothing(engine: Engine, desk: FactDesk) -> None:
    with writing(engine) as tx:
        assert desk.submit_many(tx, "p", []) == []
        assert [type(each) for each in submit_all(desk, tx, Move("void", "s", "r", 1))] == [Failed]
        assert tx.execute(select(fact_head)).all() == []


def test_a_batch_costs_the_same_statements_whatever_its_size(
    engine: Engine, desk: FactDesk
) -> None:
    """On PostgreSQL; on SQLite each table has its own, and their number is as constant."""
    seen: list[str] = []
    with writing(engine) as tx:
        submit_all(desk, tx, Open("x"), Move("award", "s", "resident:a", 1_000))

    def statements_for(first: int, size: int) -> int:
        holds = [Move("hold", f"s{first + n}", "resident:a", 1) for n in range(size)]
        with writing(engine) as tx:
            seen.clear()
            submit_all(desk, tx, *holds)
            return len(seen)

    statements_for(0, 1)  # the first one reads what stands
    event.listen(engine, "before_cursor_execute", lambda *given: seen.append(given[2]))
    few, many = statements_for(100, 2), statements_for(200, 60)
    assert few == many
    assert many <= (6 if engine.dialect.name == "postgresql" else 10)


def test_a_lost_connection_is_the_whole_batchs(engine: Engine, desk: FactDesk) -> None:
    """The others are not answered, since nothing of them will be there."""
    with writing(engine) as tx:
        submit_all(desk, tx, Open("x"))
    gone = OperationalError("SELECT", {}, Exception("gone"), connection_invalidated=True)

    def lose(_tx: Connection, _pool: str, _commands: object) -> None:
        raise gone

    lossy = FactDesk()
    lossy.register("move", Move, move, expect=lose)
    with writing(engine) as tx, pytest.raises(DBAPIError) as lost:
        submit_all(lossy, tx, Move("award", "s", "resident:a", 1))
    assert lost.value is gone
    assert dialect.may_pass_by_waiting(gone)


def test_what_was_read_before_is_good_until_a_fact_may_have_changed_it(engine: Engine) -> None:
    asked: list[str] = []

    @standing
    def opened(tx: Connection, pool: str, name: str) -> int:
        asked.append(name)
        return int(
            tx.execute(
                text("SELECT count(*) FROM rollup WHERE pool = :pool"), {"pool": pool}
            ).scalar_one()
        )

    made = FactDesk()
    made.register("open", Open, lambda tx, stamp, c: opened(tx, stamp.pool, c.name))
    made.register(
        "move",
        Move,
        lambda tx, stamp, c: opened(tx, stamp.pool, c.sale),
        expect=lambda _tx, _pool, _commands: None,
    )

    def do(*commands_: msgspec.Struct, roll_back: bool = False) -> None:
        with writing(engine) as tx:
            for answer in submit_all(made, tx, *commands_):
                assert not isinstance(answer, Failed), answer
            if roll_back:
                tx.rollback()

    look = Move("look", "s", "r", 1)
    do(look, look)
    do(look)
    assert asked == ["s"]
    do(Open("x"), look, roll_back=True)
    assert asked == ["s", "x", "s"]
    do(look)
    assert asked == ["s", "x", "s"]
    do(Open("y"))
    do(look)
    assert asked == ["s", "x", "s", "y", "s"]


def test_what_moves_is_no_standing_data(engine: Engine) -> None:
    @standing
    def holds(tx: Connection, pool: str) -> int:
        return len(tx.execute(select(hold).where(hold.c.pool == pool)).all())

    with writing(engine) as tx, working(tx, "p"):
        with pytest.raises(WorkingSetFault, match="hold: no standing data"):
            holds(tx, "p")
        with pytest.raises(WorkingSetFault, match="the working set is p's"), working(tx, "q"):
            pass
