"""Many terminals at once: their requests share commits, and one that faults is alone with it."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection, Engine, event, func, select, update

from protocol.messages import (
    Approved,
    DocumentsAnswer,
    DocumentsRequest,
    JournalAnswer,
    OutcomeKind,
    Problem,
    ProblemKind,
)
from protocol.sales import TerminalStarted
from server.api.replies import NotDealt
from server.api.signed import Signature
from server.api.tables import used_nonce
from server.api.writer import Answer, Job, PoolWriter
from server.db import create_all, metadata, open_engine, writing
from server.directory import TerminalState, terminal_of
from server.directory import tables as directory_tables
from server.facts import FactDesk, FactStamp, Refusal, Submission
from server.facts.tables import fact
from tests.concurrency.test_waiting_for_the_database import kill_session_of
from tests.unit.server.world import ZHANG, Till, World, money_line, sold

PATIENCE_S = 30.0
STARTED = TerminalStarted(version="0.1.0")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    postgres = request.param == "postgres"
    url = request.getfixturevalue("postgres_url") if postgres else f"sqlite:///{tmp_path}/p.db"
    opened: Engine = open_engine(url)
    create_all(opened, metadata)
    world = World(opened, tmp_path, "guanghui")
    world.furnish()
    yield world
    opened.dispose()


class Held:
    """The first group stops in its transaction until it is let go; what comes meanwhile waits."""

    def __init__(self, world: World) -> None:
        self.entered, self.let_go = threading.Event(), threading.Event()
        self.groups: list[int] = []
        self.queue = world.api.writer._groups
        work = self.queue._work

        def held(tx: Connection, jobs: Sequence[Job]) -> Sequence[Answer | Exception]:
            self.groups.append(len(jobs))
            if not self.entered.is_set():
                self.entered.set()
                assert self.let_go.wait(PATIENCE_S)
            return work(tx, jobs)

        self.queue._work = held


def all_at_once(held: Held, asking: Sequence[Callable[[], object]]) -> list[object]:
    """The first is held with its transaction open until all the others wait behind it."""
    with ThreadPoolExecutor(len(asking)) as threads:
        asked = [threads.submit(asking[0])]
        assert held.entered.wait(PATIENCE_S)
        asked += [threads.submit(each) for each in asking[1:]]
        pause = threading.Event()
        while len(held.queue._waiting) < len(asking) - 1:
            assert not any(each.done() for each in asked), [each for each in asked if each.done()]
            pause.wait(0.005)
        held.let_go.set()
        return [each.result() for each in asked]


def commits(engine: Engine) -> list[None]:
    """Grows by one with each commit from now on."""
    counted = list[None]()
    event.listen(engine, "commit", lambda _connection: counted.append(None))
    return counted


def test_many_tills_at_once_need_far_fewer_commits(shared: World) -> None:
    tills = [shared.till(terminal=f"t-{number}") for number in range(12)]
    for _ in range(2):
        shared.award(ZHANG, "river-patrol")
    ids, slot = [shared.sale_id() for _ in tills], shared.slot()
    counted = commits(shared.engine)
    asking = [
        partial(till.authorise, sale_id, slot, optional=10)
        for till, sale_id in zip(tills, ids, strict=True)
    ]
    held = Held(shared)
    answers = all_at_once(held, asking)
    assert all(isinstance(each, Approved) for each in answers)
    assert held.groups == [1, 11]
    assert len(counted) == 2
    assert shared.free(ZHANG) == 200 - 12 * 10


def test_questions_and_journals_of_a_group_are_booked_in_the_order_of_coming(shared: World) -> None:
    first, second = shared.till(), shared.till(terminal="t-2")
    shared.award(ZHANG, "river-patrol")
    slot, sale_id = shared.slot(), shared.sale_id()
    # Documents are looked at once a second; the clock stands still.
    assert isinstance(second.ask("documents", DocumentsRequest(), DocumentsAnswer), DocumentsAnswer)
    for _ in range(3):
        first.record(STARTED)
    answers = all_at_once(
        Held(shared),
        [
            lambda: first.send_records(*first.unsent[:1]),
            lambda: second.authorise(sale_id, slot, optional=10),
            lambda: second.ask("documents", DocumentsRequest(), DocumentsAnswer),
        ],
    )
    assert isinstance(answers[0], JournalAnswer)
    assert isinstance(answers[1], Approved)
    assert isinstance(answers[2], DocumentsAnswer)
    third = first.send_records(*first.unsent)
    assert isinstance(third, JournalAnswer)
    assert [each.seq for each in third.outcomes] == [1, 2, 3]
    assert (third.head_seq, third.head_hash) == (3, first.head)


def test_a_gap_in_one_tills_records_is_nothing_to_the_others(shared: World) -> None:
    tills = [shared.till(terminal=f"t-{number}") for number in range(3)]
    for till in tills:
        till.record(STARTED)
        till.record(sold(shared, money_line("馒头", 50)))
    answers = all_at_once(
        Held(shared),
        [
            lambda: tills[0].send_records(*tills[0].unsent),
            lambda: tills[1].send_records(*tills[1].unsent[1:]),
            lambda: tills[2].send_records(*tills[2].unsent),
        ],
    )
    assert isinstance(answers[1], Problem)
    assert (answers[1].problem, answers[1].expected_seq) == (ProblemKind.GAP, 1)
    for answer in (answers[0], answers[2]):
        assert isinstance(answer, JournalAnswer)
        assert [each.outcome for each in answer.outcomes] == [OutcomeKind.POSTED] * 2
    assert shared.fen("takings:shop-a") == 100


def test_a_request_sent_twice_at_once_is_dealt_with_once(shared: World) -> None:
    till, other = shared.till(), shared.till(terminal="t-2")
    till.record(STARTED)
    path = "/v1/terminals/t-1/journal"
    body = msgspec.json.encode({"records": till.unsent})
    headers = till.headers(path, body)
    other.record(STARTED)
    statuses = all_at_once(
        Held(shared),
        [
            lambda: other.send_records(*other.unsent),
            lambda: till.send(path, body, headers).status_code,
            lambda: till.send(path, body, headers).status_code,
        ],
    )
    assert sorted(map(str, statuses[1:])) == ["200", "401"]


def test_a_terminal_that_may_not_ask_any_more_gets_nothing_though_its_key_is_remembered(
    shared: World,
) -> None:
    till = shared.till()
    assert till.tell(STARTED)[0].outcome is OutcomeKind.POSTED
    close = update(directory_tables.terminal).values(
        state=TerminalState.CODE_DEAD.value, public_key=None
    )
    with writing(shared.engine) as tx:
        tx.execute(close)
    for _ in range(2):
        answer = till.authorise(shared.sale_id(), optional=1)
        assert isinstance(answer, Problem)
        assert answer.problem is ProblemKind.UNKNOWN_TERMINAL


def test_a_terminal_with_a_new_key_is_believed_at_once_and_its_old_key_no_more(
    shared: World,
) -> None:
    till, newer = shared.till(), Till(shared, "t-1")
    till.tell(STARTED)
    renew = update(directory_tables.terminal).values(public_key=newer.key_text)
    with writing(shared.engine) as tx:
        tx.execute(renew)
    old = till.send_records()
    assert isinstance(old, Problem)
    assert old.problem is ProblemKind.UNKNOWN_TERMINAL
    assert isinstance(newer.send_records(), JournalAnswer)
    old = till.send_records()
    assert isinstance(old, Problem)
    assert old.problem is ProblemKind.BAD_SIGNATURE


@pytest.mark.postgres
def test_a_connection_lost_in_the_middle_of_a_group_loses_nobodys_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres_url: str
) -> None:
    engine = open_engine(postgres_url)
    create_all(engine, metadata)
    world = World(engine, tmp_path, "guanghui")
    world.furnish()
    tills = [world.till(terminal=f"t-{number}") for number in range(4)]
    for till in tills:
        till.record(sold(world, money_line("馒头", 50)))
    apply, killed = PoolWriter._apply, list[int]()

    def killed_once(
        writer: PoolWriter, tx: Connection, jobs: Any, places: Any, *, as_a_whole: bool
    ) -> Any:
        if len(jobs) == 3 and not killed:
            killed.append(len(jobs))
            kill_session_of(tx, engine)
        return apply(writer, tx, jobs, places, as_a_whole=as_a_whole)

    held = Held(world)
    monkeypatch.setattr(PoolWriter, "_apply", killed_once)
    asking = [partial(till.send_records, *till.unsent) for till in tills]
    answers = all_at_once(held, asking)
    assert held.groups == [1, 3, 3]
    assert all(isinstance(each, JournalAnswer) for each in answers)
    assert world.fen("takings:shop-a") == 4 * 50
    engine.dispose()


class Book(msgspec.Struct, frozen=True, tag_field="kind", tag="book"):
    number: int


class Poison(msgspec.Struct, frozen=True, tag_field="kind", tag="poison"):
    number: int


class Done(msgspec.Struct, frozen=True):
    number: int


def book(_tx: Connection, _stamp: FactStamp, command: Book) -> Done:
    return Done(command.number)


def poison(tx: Connection, _stamp: FactStamp, _command: Poison) -> Refusal:
    tx.execute(select(func.huidian_has_no_such_function()))
    raise AssertionError("unreachable")


def test_a_poisoned_command_leaves_the_others_booked(shared: World) -> None:
    desk = FactDesk()
    desk.register("book", Book, book)
    desk.register("poison", Poison, poison)
    writer = PoolWriter(shared.engine, shared.pool, desk, request_age_s=300)
    groups: list[list[object]] = []
    write = writer._write

    def job(command: Book | Poison, nonce: str) -> Job:
        return Job(
            Signature("t-1", nonce, shared.clock()),
            lambda _tx, outcomes: Done(outcomes[0].number),  # type: ignore[attr-defined] # any outcome
            submissions=(Submission(command, "test", shared.clock()),),
        )

    jobs = [job(Book(1), "a"), job(Poison(2), "b"), job(Book(3), "c")]
    with writing(shared.engine) as tx:
        groups.append(list(write(tx, jobs)))
    (first, fault, third) = groups[0]
    assert (first, third) == (Done(1), Done(3))
    assert isinstance(fault, Exception)
    kinds = shared.read(
        lambda tx: list(
            tx.execute(select(fact.c.kind).order_by(fact.c.fact_no.desc()).limit(3)).scalars()
        )
    )
    assert kinds[:2] == ["book", "book"]
    assert "poison" not in kinds
    # What was not done may come again as it is; what was done may not.
    nonces = shared.read(lambda tx: set(tx.execute(select(used_nonce.c.nonce)).scalars()))
    assert {"a", "c"} <= nonces
    assert "b" not in nonces
    assert writer.ask(jobs[0], within_s=PATIENCE_S) == NotDealt(ProblemKind.REPLAYED)


def test_nonces_that_cannot_come_again_are_forgotten(shared: World) -> None:
    till = shared.till()
    till.tell(STARTED)
    kept = shared.read(lambda tx: tx.execute(select(func.count(used_nonce.c.nonce))).scalar_one())
    assert kept >= 2
    shared.clock.now += timedelta(seconds=3 * 300 + 1)
    till.tell(STARTED)
    kept = shared.read(lambda tx: tx.execute(select(func.count(used_nonce.c.nonce))).scalar_one())
    assert kept == 1
    assert shared.read(lambda tx: terminal_of(tx, shared.pool, "t-1")) is not None
