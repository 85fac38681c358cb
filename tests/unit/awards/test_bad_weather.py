"""A database that goes in the middle, and a clock that is set back, while points are awarded."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import count, pairwise
from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.exc import DBAPIError

from server.api.partner_messages import PartnerAwardState
from server.awards.batch import EventAwarded, EventList, award_event
from server.db import open_engine, reading, writing
from server.facts import read
from tests.unit.awards.deeds import amended, assert_audit_is_clean, award, points, reason
from tests.unit.awards.running import run
from tests.unit.awards.test_partner_api import DEED, Mini, accepted, mini, problem
from tests.unit.server.world import LIU, TODAY, ZHANG, World

__all__ = ["mini"]

PEOPLE = EventList(
    event="三月大扫除",
    rule_id="clean-up",
    performed_on=TODAY,
    awarded_by="网格员",
    accounts=(ZHANG, LIU),
)
ON_POSTGRES = pytest.mark.parametrize(
    "engine", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)


class Line:
    """The line to PostgreSQL, which somebody cuts before the n-th statement that follows."""

    def __init__(self, engine: Engine) -> None:
        self._other = open_engine(str(engine.url.render_as_string(hide_password=False)))
        self._left = 0
        self.cuts = 0
        event.listen(engine, "before_cursor_execute", self._before)

    def cut_before(self, statement: int) -> None:
        self._left, self.cuts = statement, 0

    def leave_alone(self) -> None:
        self._left = 0

    def close(self) -> None:
        self.leave_alone()
        self._other.dispose()

    def _before(self, connection: Connection, *_: Any) -> None:
        self._left -= 1
        if self._left != 0:
            return
        self.cuts += 1
        own = connection.connection.driver_connection.info.backend_pid  # type: ignore[union-attr] # psycopg's
        with writing(self._other) as tx:
            tx.execute(text("SELECT pg_terminate_backend(:own)"), {"own": own})


@pytest.fixture
def line(engine: Engine) -> Iterator[Line]:
    line = Line(engine)
    yield line
    line.close()


def list_people(town: World) -> EventAwarded:
    with writing(town.engine) as tx:
        done = award_event(tx, town.desk, town.pool, PEOPLE, actor="test", at=town.clock())
    assert isinstance(done, EventAwarded)
    return done


@ON_POSTGRES
def test_an_events_list_that_is_cut_off_anywhere_awards_nobody_and_all_when_it_comes_again(
    town: World, line: Line
) -> None:
    cut_at = 0
    for statement in count(1, 5):
        line.cut_before(statement)
        try:
            list_people(town)
        except DBAPIError:
            assert line.cuts == 1
            assert points(town).issued == 0, statement
            cut_at = statement
        else:
            break
    line.leave_alone()
    assert cut_at > 30  # it was cut in every part of the work
    assert points(town).issued == 20
    assert list_people(town) == EventAwarded((), already=2, twice=0)
    assert_audit_is_clean(town)


@ON_POSTGRES
def test_a_mini_program_that_is_cut_off_asks_again_and_pays_once(mini: Mini, line: Line) -> None:
    body = msgspec.json.encode(DEED)
    cuts = 0
    for statement in count(1, 4):
        line.cut_before(statement)
        response = mini.send(body)
        if response.status_code != 200:
            assert problem(response) == (503, "try_again")
        if not line.cuts:  # that many statements it does not need
            break
        cuts += 1
    line.leave_alone()
    assert cuts > 3
    # However often it was asked: it stands, and asked once more it has the same answer.
    assert mini.ask(DEED) == accepted(PartnerAwardState.AWARDED, 10)
    assert points(mini.world).issued == 10
    assert_audit_is_clean(mini.world)


def test_a_clock_that_is_set_back_gives_no_second_helping(town: World) -> None:
    town.do(msgspec.structs.replace(amended("clean-up", 7), per_person_a_day=1))
    town.clock.move(days=2)
    later = TODAY + timedelta(days=2)
    town.do(award("a-1", "clean-up", later))
    town.clock.move(days=-2, hours=-1)
    # The day that was awarded is full, though the clock says that it has not come yet.
    assert reason(town.submit(award("a-2", "clean-up", later))) == "over_limit"
    # Days that the books have lived through are no future; the day after them is.
    town.do(award("a-3", "clean-up", later - timedelta(days=1)))
    ahead = later + timedelta(days=1)
    assert reason(town.submit(award("a-4", "clean-up", ahead))) == "future"
    with reading(town.engine) as tx:
        times = [each.recorded_at for each in read(tx, town.pool)]
    assert all(before <= after for before, after in pairwise(times))
    assert points(town).issued == 14
    assert_audit_is_clean(town)


def test_a_file_handed_in_while_the_clock_is_back_is_taken_as_the_books_know_the_day(
    town: World, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("lists") / "list.csv"
    file.write_text(f"账号,标准,日期\n{ZHANG},clean-up,{TODAY}\n", encoding="utf-8")
    town.do(award("a-1", "clean-up"))
    town.clock.move(days=-3)
    done = run(town, "award-file", str(file))
    assert done.exit_code == 0, done.output
    assert points(town).issued == 20
    assert_audit_is_clean(town)
