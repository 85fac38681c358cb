import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from server.db import dialect, reading, run_writing, writing
from server.facts import (
    MAX_BODY_BYTES,
    Fact,
    FactDesk,
    FactFault,
    FactStamp,
    Refusal,
    check_facts,
    read,
)
from server.ledger import Asset, Normal, open_account

POOL = "guanghui"
NOON = datetime(2025, 3, 1, 4, 0, tzinfo=UTC)


class OpenAccount(msgspec.Struct, frozen=True):
    account: str


class JournalRecord(msgspec.Struct, frozen=True):
    account: str


class Parked(Refusal, msgspec.Struct, frozen=True):
    why: str


@dataclass(frozen=True, slots=True)
class NotThatOne(Refusal):
    account: str


@dataclass(frozen=True, slots=True)
class Opened:
    stamp: FactStamp


def open_it(tx: Connection, stamp: FactStamp, command: OpenAccount | JournalRecord) -> object:
    open_account(tx, stamp.pool, command.account, Asset.POINTS, "kind", normal=Normal.DEBIT)
    if command.account == "no":
        return NotThatOne("no")
    if command.account == "fault":
        raise ZeroDivisionError
    return Opened(stamp)


def read_own_format(body: bytes) -> JournalRecord:
    if not body.startswith(b"JFC1/"):
        raise msgspec.DecodeError("not a journal record")
    return JournalRecord(body.removeprefix(b"JFC1/").decode())


@pytest.fixture
def desk() -> FactDesk:
    made = FactDesk()
    made.register("open-account", OpenAccount, open_it)
    made.register(
        "journal-record", JournalRecord, open_it, keeps_refusals=True, decode=read_own_format
    )
    return made


def submit(desk: FactDesk, tx: Connection, account: str, at: datetime = NOON) -> object:
    return desk.submit(tx, POOL, OpenAccount(account), actor="operator:li", recorded_at=at)


def accounts(tx: Connection) -> list[str]:
    return list(tx.execute(text("SELECT account FROM account ORDER BY account")).scalars())


def test_a_fact_is_numbered_stored_as_bytes_and_applied(engine: Engine, desk: FactDesk) -> None:
    with writing(engine) as tx:
        first = submit(desk, tx, "a")
        second = submit(desk, tx, "b")
    assert first == Opened(FactStamp(POOL, 1, NOON, "operator:li"))
    assert second == Opened(FactStamp(POOL, 2, NOON, "operator:li"))
    with reading(engine) as tx:
        assert read(tx, POOL) == [
            Fact(POOL, 1, "open-account", b'{"account":"a"}', "operator:li", NOON),
            Fact(POOL, 2, "open-account", b'{"account":"b"}', "operator:li", NOON),
        ]
        assert [fact.fact_no for fact in read(tx, POOL, after=1)] == [2]
        assert [fact.fact_no for fact in read(tx, POOL, limit=1)] == [1]
        assert accounts(tx) == ["a", "b"]
        assert list(check_facts(tx, POOL)) == []


def test_a_refusal_leaves_neither_fact_nor_effect(engine: Engine, desk: FactDesk) -> None:
    with writing(engine) as tx:
        submit(desk, tx, "a")
        assert submit(desk, tx, "no") == NotThatOne("no")
        submit(desk, tx, "b")
    with reading(engine) as tx:
        assert [(fact.fact_no, fact.body) for fact in read(tx, POOL)] == [
            (1, b'{"account":"a"}'),
            (2, b'{"account":"b"}'),
        ]
        assert accounts(tx) == ["a", "b"]


def test_a_kind_that_keeps_refusals_keeps_the_fact_and_its_effect(
    engine: Engine, desk: FactDesk
) -> None:
    with writing(engine) as tx:
        outcome = desk.submit_bytes(
            tx, POOL, "journal-record", b"JFC1/no", actor="terminal:t1", recorded_at=NOON
        )
    assert outcome == NotThatOne("no")
    with reading(engine) as tx:
        assert [fact.body for fact in read(tx, POOL)] == [b"JFC1/no"]
        assert accounts(tx) == ["no"]


def test_bytes_that_the_kind_cannot_read_are_not_appended(engine: Engine, desk: FactDesk) -> None:
    with writing(engine) as tx:
        with pytest.raises(msgspec.DecodeError):
            desk.submit_bytes(tx, POOL, "journal-record", b"{}", actor="t", recorded_at=NOON)
        assert read(tx, POOL) == []


def test_a_fault_in_a_handler_undoes_its_fact(engine: Engine, desk: FactDesk) -> None:
    with writing(engine) as tx:
        submit(desk, tx, "a")
        with pytest.raises(ZeroDivisionError):
            submit(desk, tx, "fault")
        submit(desk, tx, "b")
        assert [fact.fact_no for fact in read(tx, POOL)] == [1, 2]
        assert accounts(tx) == ["a", "b"]


def test_recorded_time_never_steps_back(engine: Engine, desk: FactDesk) -> None:
    hour = timedelta(hours=1)
    with writing(engine) as tx:
        for at in (NOON, NOON + 2 * hour, NOON + hour, NOON + 3 * hour):
            submit(desk, tx, "a", at)
        times = [fact.recorded_at for fact in read(tx, POOL)]
        assert times == [NOON, NOON + 2 * hour, NOON + 2 * hour, NOON + 3 * hour]
        assert list(check_facts(tx, POOL)) == []


def test_each_pool_counts_its_own_facts(engine: Engine, desk: FactDesk) -> None:
    with writing(engine) as tx:
        submit(desk, tx, "a")
        elsewhere = desk.submit(tx, "yamen", OpenAccount("a"), actor="x", recorded_at=NOON)
    assert elsewhere == Opened(FactStamp("yamen", 1, NOON, "x"))


def test_what_the_desk_does_not_know_or_cannot_hold_is_a_fault(
    engine: Engine, desk: FactDesk
) -> None:
    with pytest.raises(FactFault, match="registered already"):
        desk.register("open-account", JournalRecord, open_it)
    with pytest.raises(FactFault, match="registered already"):
        desk.register("open-again", OpenAccount, open_it)
    with writing(engine) as tx:
        with pytest.raises(FactFault, match="nobody applies Parked"):
            desk.submit(tx, POOL, Parked("?"), actor="x", recorded_at=NOON)
        with pytest.raises(FactFault, match="nobody applies facts of kind other"):
            desk.submit_bytes(tx, POOL, "other", b"", actor="x", recorded_at=NOON)
        with pytest.raises(FactFault, match="above"):
            submit(desk, tx, "a" * MAX_BODY_BYTES)
        with pytest.raises(ValueError, match="time zone"):
            submit(desk, tx, "a", NOON.replace(tzinfo=None))
        assert read(tx, POOL) == []


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE fact SET actor = 'x'", "a fact is never changed"),
        ("DELETE FROM fact", "a fact is never changed"),
        ("DELETE FROM fact_head", "a fact log is never deleted"),
        ("UPDATE fact_head SET last_fact_no = 0", "counted upwards"),
    ],
)
def test_the_database_refuses_to_change_the_log(
    open_scratch: Callable[[str], Engine], desk: FactDesk, statement: str, says: str
) -> None:
    engine = open_scratch("guarded")
    with writing(engine) as tx:
        submit(desk, tx, "a")
    with pytest.raises(DBAPIError, match=says), writing(engine) as tx:
        tx.execute(text(statement))


def test_the_check_names_a_gap_and_a_step_back(
    open_scratch: Callable[[str], Engine], desk: FactDesk
) -> None:
    engine = open_scratch("broken")
    with writing(engine) as tx:
        for account in "abcd":
            submit(desk, tx, account)
        for trigger in ("fact_is_never_updated", "fact_is_never_deleted"):
            tx.execute(text(f"DROP TRIGGER {trigger}"))
        tx.execute(text("DELETE FROM fact WHERE fact_no = 2"))
        earlier = "UPDATE fact SET recorded_at = '2024-01-01T00:00:00.000000Z' WHERE fact_no = 3"
        tx.execute(text(earlier))
        assert [(each.invariant, each.where) for each in check_facts(tx, POOL)] == [
            ("I10", "pool guanghui, table fact"),
            ("I10", "pool guanghui, fact 3"),
        ]


def test_facts_of_many_threads_are_numbered_without_a_gap(engine: Engine, desk: FactDesk) -> None:
    def work(n: int) -> object:
        return run_writing(engine, lambda tx: submit(desk, tx, f"a{n:02}"), deadline_s=30)

    with ThreadPoolExecutor(4) as threads:
        outcomes = list(threads.map(work, range(24)))
    numbers = sorted(outcome.stamp.fact_no for outcome in outcomes if isinstance(outcome, Opened))
    assert numbers == list(range(1, 25))
    with reading(engine) as tx:
        assert list(check_facts(tx, POOL)) == []
        assert len(accounts(tx)) == 24


@pytest.mark.parametrize(
    "engine", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)
def test_with_the_lock_off_two_facts_take_the_same_number(
    engine: Engine, desk: FactDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with writing(engine) as tx:
        submit(desk, tx, "a")
    monkeypatch.setattr(dialect, "locked", lambda statement: statement)

    def hand_in(account: str) -> None:
        with writing(engine) as tx:
            submit(desk, tx, account)

    with ThreadPoolExecutor(1) as other_thread:
        with writing(engine) as tx:
            submit(desk, tx, "b")
            other = other_thread.submit(hand_in, "c")
            wait_until_somebody_waits(engine)
        fault = other.exception()
    assert isinstance(fault, IntegrityError)
    assert "facts_of_a_pool_are_counted" in str(fault)


def wait_until_somebody_waits(engine: Engine) -> None:
    waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    for _ in range(400):
        with reading(engine) as tx:
            if tx.execute(waiting).scalar_one():
                return
        time.sleep(0.01)
    raise AssertionError("nobody ever waited for the first transaction")
