"""Events at which points are registered, on the terminal's disk."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, case, func, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from protocol.counter import CounterAwarded, EventEntered
from terminal.domain.counter import REFUSED_OUTCOMES, Attendance, CounterEvent, EventFigures
from terminal.store.counters import raise_counter
from terminal.store.reads import Reads
from terminal.store.tables import attendance, counter, counter_event, journal, stands

SLIP_COUNTER = "award_slip"
LISTED_MAX = 500


def next_slip_no(connection: Connection, terminal: str) -> str:
    """The next number of this terminal's award slips; sales count by themselves."""
    number = connection.execute(
        upsert(counter)
        .values(name=SLIP_COUNTER, value=1)
        .on_conflict_do_update(index_elements=[counter.c.name], set_={"value": counter.c.value + 1})
        .returning(counter.c.value)
    ).scalar_one()
    return f"{terminal}-J{number:06d}"


def save_event(connection: Connection, event: CounterEvent) -> None:
    values = {
        "event": event.event,
        "rule_id": event.rule_id,
        "with_exit": int(event.with_exit),
        "opened_at": _text(event.opened_at),
        "opened_by": event.opened_by,
        "closed_at": _text(event.closed_at) if event.closed_at else None,
    }
    inserted = upsert(counter_event).values(**values)
    connection.execute(
        inserted.on_conflict_do_update(index_elements=[counter_event.c.event], set_=values)
    )


def save_attendance(connection: Connection, there: Attendance) -> None:
    values = {
        "event": there.event,
        "account": there.account,
        "in_at": _text(there.in_at),
        "out_at": _text(there.out_at) if there.out_at else None,
        "award_id": there.award_id,
        "points": there.points,
    }
    inserted = upsert(attendance).values(**values)
    own = [attendance.c.event, attendance.c.account]
    connection.execute(inserted.on_conflict_do_update(index_elements=own, set_=values))


def rebuild_award(
    connection: Connection, told: CounterAwarded, at: datetime, terminal: str
) -> None:
    """What is kept beside an award's record, made again from it."""
    owner, _, digits = told.slip_no.rpartition("-J")
    if owner == terminal and digits.isascii() and digits.isdigit():
        raise_counter(connection, SLIP_COUNTER, int(digits))
    if told.event is None:
        return
    with_exit = told.in_at is not None
    _have_event(connection, CounterEvent(told.event, told.rule_id, with_exit, at, told.worker))
    there = Attendance(
        event=told.event,
        account=told.account,
        in_at=told.in_at or at,
        out_at=at if with_exit else None,
        award_id=str(told.award_id),
        points=told.points,
    )
    save_attendance(connection, there)


def rebuild_entry(connection: Connection, entered: EventEntered, at: datetime) -> None:
    """As `rebuild_award`, for whoever signed in; one who has signed out since stays so."""
    event = CounterEvent(entered.event, entered.rule_id, True, at, entered.worker)
    _have_event(connection, event)
    there = attendance.c.event == entered.event, attendance.c.account == entered.account
    if connection.execute(select(attendance.c.in_at).where(*there)).first() is None:
        save_attendance(connection, Attendance(entered.event, entered.account, at))


def turn_event(connection: Connection, event: str, *, closed_at: datetime | None) -> None:
    """An event that is known here was closed, or goes on."""
    text = _text(closed_at) if closed_at is not None else None
    connection.execute(
        update(counter_event).where(counter_event.c.event == event).values(closed_at=text)
    )


def _have_event(connection: Connection, event: CounterEvent) -> None:
    """Its first record tells what the one of its opening does not: the rule, and whether people
    sign out.
    """
    known = select(counter_event.c.event).where(counter_event.c.event == event.event)
    if connection.execute(known).first() is None:
        save_event(connection, event)


class EventReads(Reads):
    """What the store knows of events; mixed into the store."""

    def open_event(self) -> CounterEvent | None:
        with self.reading() as connection:
            row = connection.execute(
                select(counter_event)
                .where(counter_event.c.closed_at.is_(None))
                .order_by(counter_event.c.opened_at.desc())
                .limit(1)
            ).first()
        return _event(row) if row is not None else None

    def event_named(self, event: str) -> CounterEvent | None:
        with self.reading() as connection:
            row = connection.execute(
                select(counter_event).where(counter_event.c.event == event)
            ).first()
        return _event(row) if row is not None else None

    def recent_events(self, limit: int) -> Sequence[CounterEvent]:
        with self.reading() as connection:
            rows = connection.execute(
                select(counter_event).order_by(counter_event.c.opened_at.desc()).limit(limit)
            ).all()
        return [_event(row) for row in rows]

    def attendance(self, event: str) -> Sequence[Attendance]:
        newest = _attending().where(attendance.c.event == event)
        newest = newest.order_by(attendance.c.in_at.desc(), attendance.c.account.desc())
        with self.reading() as connection:
            rows = connection.execute(newest.limit(LISTED_MAX)).all()
        return [_attendance(row) for row in reversed(rows)]

    def attended(self, event: str, account: str) -> Attendance | None:
        own = attendance.c.event == event, attendance.c.account == account
        with self.reading() as connection:
            row = connection.execute(_attending().where(*own)).first()
        return _attendance(row) if row is not None else None

    def event_figures(self, event: str) -> EventFigures:
        there = _attending().where(attendance.c.event == event).subquery()
        refused = case((there.c.outcome.in_(REFUSED_OUTCOMES), 1), else_=0)
        asked = select(
            func.count().label("people"),
            func.count(there.c.award_id).label("awarded"),
            func.coalesce(func.sum(there.c.points), 0).label("points"),
            func.coalesce(func.sum(refused), 0).label("refused"),
        ).select_from(there)
        with self.reading() as connection:
            row = connection.execute(asked).one()
        return EventFigures(row.people, row.awarded, row.points, row.refused)


def _attending() -> Select[Any]:
    """Everybody at events, with what the server made of his award."""
    told = and_(
        journal.c.sale_id == attendance.c.award_id,
        journal.c.kind == "counter_awarded",
        stands(),
    )
    columns = select(attendance, journal.c.outcome, journal.c.says)
    return columns.select_from(attendance.outerjoin(journal, told))


def _event(row: Row[tuple[object, ...]]) -> CounterEvent:
    return CounterEvent(
        event=row.event,
        rule_id=row.rule_id,
        with_exit=bool(row.with_exit),
        opened_at=datetime.fromisoformat(row.opened_at),
        opened_by=row.opened_by,
        closed_at=datetime.fromisoformat(row.closed_at) if row.closed_at else None,
    )


def _attendance(row: Row[tuple[object, ...]]) -> Attendance:
    return Attendance(
        event=row.event,
        account=row.account,
        in_at=datetime.fromisoformat(row.in_at),
        out_at=datetime.fromisoformat(row.out_at) if row.out_at else None,
        award_id=row.award_id,
        points=row.points,
        outcome=row.outcome or "",
        says=row.says or "",
    )


def _text(at: datetime) -> str:
    return at.isoformat(timespec="microseconds")
