"""Several commands without a savepoint: quicker, and for a caller who undoes all at any fault."""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
import pytest
from sqlalchemy import Connection, Engine, event, select, text
from sqlalchemy.exc import IntegrityError, OperationalError

from server.api.groups import GroupCommit, Weight
from server.db import create_all, metadata, open_engine, reading, writing
from server.facts import FactDesk, FactStamp, Failed, Outcome, Submission, check_facts, read
from server.facts.applying import NotAsAWhole
from server.facts.tables import fact_head
from server.ledger import Ahead, head_wish, lock_pool, open_account, read_ahead_in_books
from server.ledger.values import Asset, Normal
from tests.unit.facts.test_batches import Move, Open, expect, move, open_it, submit_all

START = datetime(2025, 3, 1, tzinfo=UTC)
AWARD = Move("award", "s", "resident:a", 10)
BROKEN = Move("broken", "s2", "resident:a", 1)


@pytest.fixture
def desk() -> FactDesk:
    made = FactDesk(beside=head_wish)
    made.register("open", Open, open_it)
    made.register("move", Move, answered, expect=expect)
    return made


def answered(tx: Connection, stamp: FactStamp, command: Move) -> object:
    """An answer of None is tried again with a savepoint; what is refused is to get to the end."""
    return move(tx, stamp, command) or "done"


def whole(desk: FactDesk, tx: Connection, *commands: msgspec.Struct) -> list[object]:
    given = [Submission(each, "till", START) for each in commands]
    return [*desk.submit_many(tx, "p", given, as_a_whole=True)]


def test_what_goes_well_stands_and_what_faults_in_memory_is_alone(
    engine: Engine, desk: FactDesk
) -> None:
    with writing(engine) as tx:
        submit_all(desk, tx, Open("x"))
    with writing(engine) as tx:
        answers = whole(desk, tx, AWARD, Move("faults", "s1", "resident:a", 1), AWARD)
    assert [isinstance(each, Failed) for each in answers] == [False, True, False]
    with reading(engine) as tx:
        assert [each.fact_no for each in read(tx, "p")] == [1, 2, 3]
        assert list(check_facts(tx, "p")) == []


def test_what_the_database_refuses_is_raised_and_the_caller_undoes_all(
    engine: Engine, desk: FactDesk
) -> None:
    with writing(engine) as tx:
        submit_all(desk, tx, Open("x"))
    with pytest.raises(IntegrityError), writing(engine) as tx:
        whole(desk, tx, AWARD, BROKEN, AWARD)
    with reading(engine) as tx:
        assert [each.fact_no for each in read(tx, "p")] == [1]


def test_a_group_with_one_that_the_database_refuses_is_booked_but_for_that_one(
    engine: Engine, desk: FactDesk
) -> None:
    with writing(engine) as tx:
        submit_all(desk, tx, Open("x"))
    sizes: list[int] = []
    entered, let_go = threading.Event(), threading.Event()

    def work(tx: Connection, given: Sequence[Submission]) -> list[Outcome | Exception]:
        sizes.append(len(given))
        entered.set()
        assert let_go.wait(30)
        outcomes = desk.submit_many(tx, "p", given, as_a_whole=True)
        return [each.fault if isinstance(each, Failed) else each for each in outcomes]

    def carefully(tx: Connection, given: Sequence[Submission]) -> list[Outcome | Exception]:
        sizes.append(-len(given))
        outcomes = desk.submit_many(tx, "p", given)
        return [each.fault if isinstance(each, Failed) else each for each in outcomes]

    groups = GroupCommit[Submission, Outcome](engine, work, carefully=carefully)
    found: dict[int, object] = {}

    def ask(number: int, command: Move) -> None:
        try:
            found[number] = groups.ask(
                Submission(command, "till", START), Weight(1, 10), within_s=60
            )
        except IntegrityError as fault:
            found[number] = fault

    commands = (AWARD, AWARD, BROKEN, AWARD)
    threads = [
        threading.Thread(target=ask, args=(number, command))
        for number, command in enumerate(commands)
    ]
    threads[0].start()
    assert entered.wait(30)
    for each in threads[1:]:
        each.start()
    while len(groups._waiting) < len(threads) - 1:
        threading.Event().wait(0.005)
    let_go.set()
    for each in threads:
        each.join()
    assert sizes == [1, 3, -3], "once at once, once with care, nobody by himself"
    assert isinstance(found[2], IntegrityError)
    with reading(engine) as tx:
        assert [each.fact_no for each in read(tx, "p")] == [1, 2, 3, 4]


def test_a_pool_that_got_no_fact_of_it_is_left_as_it_was(engine: Engine, desk: FactDesk) -> None:
    with pytest.raises(NotAsAWhole), writing(engine) as tx:
        whole(desk, tx, AWARD, AWARD)
    with reading(engine) as tx:
        assert tx.execute(select(fact_head)).all() == []


@pytest.mark.postgres
def test_the_books_are_locked_with_the_log_in_one_statement(postgres_url: str) -> None:
    """Nobody else gets the books between, though no statement asks for them alone."""
    engine = open_engine(postgres_url)
    create_all(engine, metadata)
    seen: list[str] = []
    waited: list[str] = []

    def while_tried(tx: Connection, stamp: FactStamp, command: Move) -> object:
        with engine.connect() as other, other.begin():
            other.execute(text("SET LOCAL lock_timeout = '50ms'"))
            try:
                lock_pool(other, "p")
            except OperationalError as fault:
                waited.append(str(fault.orig))
        return move(tx, stamp, command)

    def ahead(tx: Connection, pool: str, _commands: object) -> None:
        read_ahead_in_books(tx, pool, Ahead(spenders={"resident:a"}), START)

    desk = FactDesk(beside=head_wish)
    desk.register("open", Open, open_it)
    desk.register("move", Move, while_tried, expect=ahead)
    with writing(engine) as tx:
        submit_all(desk, tx, Open("x"))
        open_account(tx, "p", "x", Asset.FEN, "x", normal=Normal.DEBIT)
    event.listen(engine, "before_cursor_execute", lambda *given: seen.append(given[2]))
    with writing(engine) as tx:
        whole(desk, tx, AWARD)
    own = [each for each in seen if "ledger_head" in each and each.startswith("SELECT")]
    assert len(waited) == 1
    assert "lock timeout" in waited[0]
    assert sorted("fact_head" in each for each in own) == [False, True], "one is the other's"
    engine.dispose()
