"""Group commit by itself: who leads, who rides along, and what becomes of whom."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Column, Connection, Engine, Integer, MetaData, Table, event, insert, select
from sqlalchemy.exc import DBAPIError, IntegrityError

import server.api.groups as groups_module
from server.api.groups import GroupCommit, Weight
from server.db import TryAgain, open_engine, reading, writing
from tests.concurrency.test_waiting_for_the_database import kill_session_of

tables = MetaData()
done = Table("done", tables, Column("job", Integer, primary_key=True))

LIGHT = Weight(1, 10)
PATIENCE_S = 30.0


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    postgres = request.param == "postgres"
    url = request.getfixturevalue("postgres_url") if postgres else f"sqlite:///{tmp_path}/g.db"
    opened = open_engine(url)
    with opened.begin() as tx:
        tables.create_all(tx)
    yield opened
    opened.dispose()


class Clerk:
    """Writes each job's number down; does something else where it is told to."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.groups: list[list[int]] = []
        self.before: Callable[[Connection, Sequence[int]], None] = lambda _tx, _jobs: None
        self.commits = 0
        event.listen(engine, "commit", self._count)

    def _count(self, _connection: object) -> None:
        self.commits += 1

    def work(self, tx: Connection, jobs: Sequence[int]) -> list[int | Exception]:
        self.groups.append(list(jobs))
        self.before(tx, jobs)
        for job in jobs:
            tx.execute(insert(done).values(job=job))
        return [job * 2 for job in jobs]

    def written(self) -> list[int]:
        with reading(self.engine) as tx:
            return list(tx.execute(select(done.c.job).order_by(done.c.job)).scalars())


@pytest.fixture
def clerk(engine: Engine) -> Clerk:
    return Clerk(engine)


@pytest.fixture
def groups(engine: Engine, clerk: Clerk) -> GroupCommit[int, int]:
    return GroupCommit(engine, clerk.work)


class Gate:
    """The first group waits in its transaction until the gate opens; others pass."""

    def __init__(self, clerk: Clerk) -> None:
        self.entered, self.opened = threading.Event(), threading.Event()
        clerk.before = self._pass

    def _pass(self, _tx: Connection, _jobs: Sequence[int]) -> None:
        if not self.entered.is_set():
            self.entered.set()
            assert self.opened.wait(PATIENCE_S)


def wait_until_waiting(groups: GroupCommit[int, int], count: int) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while len(groups._waiting) != count:
        assert time.monotonic() < deadline_s, groups._waiting
        time.sleep(0.001)


def behind_the_gate(
    threads: ThreadPoolExecutor,
    groups: GroupCommit[int, int],
    gate: Gate,
    jobs: Sequence[int],
    *,
    weight: Weight = LIGHT,
    within_s: float = PATIENCE_S,
) -> list[Future[int]]:
    """Job 0 is held in its transaction, and the others queue up behind it, one by one."""
    asked = [threads.submit(groups.ask, 0, LIGHT, within_s=PATIENCE_S)]
    assert gate.entered.wait(PATIENCE_S)
    for place, job in enumerate(jobs, start=1):
        asked.append(threads.submit(groups.ask, job, weight, within_s=within_s))
        wait_until_waiting(groups, place)
    return asked


def test_who_comes_alone_is_written_at_once(clerk: Clerk, groups: GroupCommit[int, int]) -> None:
    assert groups.ask(7, LIGHT, within_s=1) == 14
    assert groups.ask(8, LIGHT, within_s=1) == 16
    assert (clerk.written(), clerk.commits) == ([7, 8], 2)


def test_who_waits_rides_along_in_the_order_of_coming(
    clerk: Clerk, groups: GroupCommit[int, int]
) -> None:
    gate, jobs = Gate(clerk), [5, 3, 9, 1, 8]
    with ThreadPoolExecutor(6) as threads:
        asked = behind_the_gate(threads, groups, gate, jobs)
        gate.opened.set()
        assert [each.result() for each in asked] == [0, 10, 6, 18, 2, 16]
    assert clerk.groups == [[0], jobs]
    assert (clerk.written(), clerk.commits) == ([0, 1, 3, 5, 8, 9], 2)


def test_many_requests_need_far_fewer_commits(clerk: Clerk, groups: GroupCommit[int, int]) -> None:
    with ThreadPoolExecutor(16) as threads:
        gate = Gate(clerk)
        asked = [threads.submit(groups.ask, job, LIGHT, within_s=PATIENCE_S) for job in range(200)]
        assert gate.entered.wait(PATIENCE_S)
        wait_until_waiting(groups, 15)
        gate.opened.set()
        assert [each.result() for each in asked] == [job * 2 for job in range(200)]
    assert clerk.written() == list(range(200))
    assert clerk.commits == len(clerk.groups) < 100


def test_a_leader_waits_a_moment_for_those_who_were_just_answered(
    clerk: Clerk, groups: GroupCommit[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups_module, "GATHER_SHARE", 1e6)
    monkeypatch.setattr(groups_module, "GATHER_MOST_S", PATIENCE_S)
    gate = Gate(clerk)
    with ThreadPoolExecutor(3) as threads:
        first, second, third = behind_the_gate(threads, groups, gate, [1, 2])
        again = [threads.submit(groups.ask, 10, LIGHT, within_s=PATIENCE_S)]
        gate.opened.set()
        assert first.result() == 0  # its thread goes on with job 10, and the group is complete
        assert [each.result() for each in (second, third, *again)] == [2, 4, 20]
    assert clerk.groups == [[0], [1, 2, 10]]


def test_a_leader_does_not_wait_for_those_who_were_answered_long_ago(
    engine: Engine, clerk: Clerk, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = [1000.0]
    groups = GroupCommit[int, int](engine, clerk.work, clock=lambda: now_s[0])
    asked_to_wait: list[float] = []
    monkeypatch.setattr(groups._gathered, "wait", asked_to_wait.append)

    def take_four_seconds(_tx: Connection, _jobs: Sequence[int]) -> None:
        now_s[0] += 4

    clerk.before = take_four_seconds
    groups.ask(1, LIGHT, within_s=PATIENCE_S)
    groups._expected = 2  # as if two had been answered together
    groups.ask(2, LIGHT, within_s=PATIENCE_S)
    assert asked_to_wait == [pytest.approx(groups_module.GATHER_MOST_S)]
    groups._expected = 2
    now_s[0] += groups_module.GATHER_MOST_S
    groups.ask(3, LIGHT, within_s=PATIENCE_S)
    assert len(asked_to_wait) == 1


def test_nobody_has_an_answer_before_the_commit(
    engine: Engine, clerk: Clerk, groups: GroupCommit[int, int]
) -> None:
    gate = Gate(clerk)
    committing, may_commit = threading.Event(), threading.Event()

    def slow_commit(_connection: object) -> None:
        committing.set()
        assert may_commit.wait(PATIENCE_S)

    with ThreadPoolExecutor(3) as threads:
        asked = behind_the_gate(threads, groups, gate, [1, 2])
        event.listen(engine, "commit", slow_commit)
        gate.opened.set()
        assert committing.wait(PATIENCE_S)
        assert not any(each.done() for each in asked)
        may_commit.set()
        assert [each.result() for each in asked] == [0, 2, 4]


def test_a_fault_of_one_is_its_own(clerk: Clerk, groups: GroupCommit[int, int]) -> None:
    """The transaction breaks, as it does on PostgreSQL: the others are run again without it."""
    with writing(clerk.engine) as tx:
        tx.execute(insert(done).values(job=2))
    gate = Gate(clerk)
    with ThreadPoolExecutor(4) as threads:
        asked = behind_the_gate(threads, groups, gate, [1, 2, 3])
        gate.opened.set()
        assert [asked[place].result() for place in (0, 1, 3)] == [0, 2, 6]
        with pytest.raises(IntegrityError):
            asked[2].result()
    assert clerk.written() == [0, 1, 2, 3]
    assert clerk.groups == [[0], [1, 2, 3], [1], [2], [3]]
    assert groups.ask(4, LIGHT, within_s=1) == 8


def test_an_answer_that_is_a_fault_is_raised_for_its_own_job_only(engine: Engine) -> None:
    def work(_tx: Connection, jobs: Sequence[int]) -> list[int | Exception]:
        return [ValueError(str(job)) if job % 2 else job for job in jobs]

    groups = GroupCommit[int, int](engine, work)
    assert groups.ask(2, LIGHT, within_s=1) == 2
    with pytest.raises(ValueError, match="3"):
        groups.ask(3, LIGHT, within_s=1)


@pytest.mark.postgres
@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
def test_a_connection_lost_in_the_middle_is_asked_again_with_all_of_the_group(
    engine: Engine, clerk: Clerk, groups: GroupCommit[int, int]
) -> None:
    gate = Gate(clerk)
    pass_gate = clerk.before

    def lose_it_once(tx: Connection, jobs: Sequence[int]) -> None:
        pass_gate(tx, jobs)
        if jobs == [1, 2, 3] and clerk.groups.count([1, 2, 3]) == 1:
            tx.execute(insert(done).values(job=99))
            kill_session_of(tx, engine)

    clerk.before = lose_it_once
    with ThreadPoolExecutor(4) as threads:
        asked = behind_the_gate(threads, groups, gate, [1, 2, 3])
        gate.opened.set()
        assert [each.result() for each in asked] == [0, 2, 4, 6]
    assert clerk.groups == [[0], [1, 2, 3], [1, 2, 3]]
    assert clerk.written() == [0, 1, 2, 3]


@pytest.mark.postgres
@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
def test_a_connection_lost_while_committing_tells_all_to_try_again(
    engine: Engine, clerk: Clerk, groups: GroupCommit[int, int]
) -> None:
    gate = Gate(clerk)

    def lose_it(connection: Connection) -> None:
        if len(clerk.groups) == 2:
            kill_session_of(connection, engine)

    with ThreadPoolExecutor(3) as threads:
        asked = behind_the_gate(threads, groups, gate, [1, 2])
        event.listen(engine, "commit", lose_it)
        gate.opened.set()
        assert asked[0].result() == 0
        for each in asked[1:]:
            with pytest.raises(TryAgain, match="while committing"):
                each.result()
    assert clerk.written() == [0]
    event.remove(engine, "commit", lose_it)
    assert groups.ask(1, LIGHT, within_s=5) == 2


def test_who_gives_up_before_he_is_taken_is_never_done(
    clerk: Clerk, groups: GroupCommit[int, int]
) -> None:
    gate = Gate(clerk)
    with ThreadPoolExecutor(3) as threads:
        (first, hasty) = behind_the_gate(threads, groups, gate, [1], within_s=0.05)
        with pytest.raises(TryAgain):
            hasty.result()
        patient = threads.submit(groups.ask, 2, LIGHT, within_s=PATIENCE_S)
        wait_until_waiting(groups, 1)
        gate.opened.set()
        assert (first.result(), patient.result()) == (0, 4)
    assert clerk.written() == [0, 2]


def test_who_gives_up_in_the_middle_is_told_so_and_the_rest_goes_on(
    clerk: Clerk, groups: GroupCommit[int, int]
) -> None:
    gate, second = Gate(clerk), threading.Event()
    pass_gate = clerk.before

    def hold_the_second(tx: Connection, jobs: Sequence[int]) -> None:
        pass_gate(tx, jobs)
        if 1 in jobs:
            assert second.wait(PATIENCE_S)

    clerk.before = hold_the_second
    with ThreadPoolExecutor(4) as threads:
        first = threads.submit(groups.ask, 0, LIGHT, within_s=PATIENCE_S)
        assert gate.entered.wait(PATIENCE_S)
        leader = threads.submit(groups.ask, 1, LIGHT, within_s=PATIENCE_S)
        wait_until_waiting(groups, 1)
        hasty = threads.submit(groups.ask, 2, LIGHT, within_s=0.5)
        wait_until_waiting(groups, 2)
        gate.opened.set()
        with pytest.raises(TryAgain, match="no answer within"):
            hasty.result()
        second.set()
        assert (first.result(), leader.result()) == (0, 2)
    # Nobody knows, said the answer; asked again, what has a natural key is booked once.
    assert clerk.written() == [0, 1, 2]


def test_a_full_queue_refuses_and_recovers(
    clerk: Clerk, groups: GroupCommit[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups_module, "MAX_WAITING", 2)
    gate = Gate(clerk)
    with ThreadPoolExecutor(3) as threads:
        asked = behind_the_gate(threads, groups, gate, [1, 2])
        with pytest.raises(TryAgain, match="waiting already"):
            groups.ask(3, LIGHT, within_s=PATIENCE_S)
        gate.opened.set()
        assert [each.result() for each in asked] == [0, 2, 4]
    assert groups.ask(3, LIGHT, within_s=1) == 6


@pytest.mark.parametrize(
    ("limit", "value"), [("MAX_GROUP_JOBS", 2), ("MAX_GROUP_STEPS", 9), ("MAX_GROUP_BYTES", 99)]
)
def test_a_group_has_limits_and_what_is_above_them_goes_alone(
    clerk: Clerk,
    groups: GroupCommit[int, int],
    monkeypatch: pytest.MonkeyPatch,
    limit: str,
    value: int,
) -> None:
    monkeypatch.setattr(groups_module, limit, value)
    gate = Gate(clerk)
    with ThreadPoolExecutor(6) as threads:
        asked = behind_the_gate(threads, groups, gate, [1, 2, 3, 4, 5], weight=Weight(4, 40))
        gate.opened.set()
        assert [each.result() for each in asked] == [0, 2, 4, 6, 8, 10]
    assert clerk.groups == [[0], [1, 2], [3, 4], [5]]
    monkeypatch.setattr(groups_module, limit, 1)
    assert groups.ask(6, Weight(4, 40), within_s=1) == 12


def test_two_processes_on_one_database_take_turns_there(engine: Engine, clerk: Clerk) -> None:
    """Each has a queue and a leader of its own."""
    queues = [GroupCommit[int, int](engine, clerk.work) for _ in range(2)]
    with ThreadPoolExecutor(8) as threads:
        asked = [
            threads.submit(queues[job % 2].ask, job, LIGHT, within_s=PATIENCE_S)
            for job in range(60)
        ]
        assert [each.result() for each in asked] == [job * 2 for job in range(60)]
    assert clerk.written() == list(range(60))


def test_a_leader_that_is_interrupted_leaves_nobody_waiting(
    clerk: Clerk, groups: GroupCommit[int, int]
) -> None:
    gate = Gate(clerk)
    pass_gate = clerk.before

    def interrupt(tx: Connection, jobs: Sequence[int]) -> None:
        pass_gate(tx, jobs)
        if list(jobs) == [1, 2]:
            raise KeyboardInterrupt

    clerk.before = interrupt
    with ThreadPoolExecutor(3) as threads:
        asked = behind_the_gate(threads, groups, gate, [1, 2])
        gate.opened.set()
        assert asked[0].result() == 0
        with pytest.raises(KeyboardInterrupt):
            asked[1].result()
        with pytest.raises(TryAgain):
            asked[2].result()
    assert groups.ask(3, LIGHT, within_s=1) == 6
    assert clerk.written() == [0, 3]


def test_a_database_that_stays_busy_tells_the_whole_group_to_try_again(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []

    def work(_tx: Connection, jobs: Sequence[int]) -> list[int | Exception]:
        tries.append(list(jobs))
        raise DBAPIError("busy", None, Exception("busy"), connection_invalidated=True)

    groups = GroupCommit[int, int](engine, work)
    with pytest.raises(TryAgain, match="busy"):
        groups.ask(1, LIGHT, within_s=1)
    assert tries
    assert all(each == [1] for each in tries)
