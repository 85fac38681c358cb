"""Events at the counter: many residents one after another, each of them once.

Everything is on the disk: an event goes on after a power cut, with everybody who had signed in.
"""

import re
from collections.abc import Sequence
from datetime import date
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from protocol.acts import Act, PersonActed
from protocol.business_day import SHANGHAI
from protocol.counter import CounterRule, CounterWorker
from terminal.domain.counter import Attendance, CounterEvent, EventFigures
from terminal.domain.notice import Notice, NoticeCode, NoticeLevel
from terminal.domain.ports import Moment, Store

NAME = re.compile(r"[0-9A-Za-z一-鿿._/-]{1,40}")
RECENT_EVENTS = 8


class Registered(StrEnum):
    """What a code that is shown at an event does."""

    ENTERED = "entered"
    AWARDED = "awarded"


class Progress(Struct, frozen=True):
    """How an event stands, over everybody; ``people`` are the last who came, in their order."""

    event: CounterEvent
    figures: EventFigures
    people: Sequence[Attendance]

    @property
    def first_listed(self) -> int:
        """The number, by the order of coming, of the first of ``people``."""
        return self.figures.people - len(self.people) + 1


class EventDesk:
    """This terminal's events. ``is_exit``: codes that are shown now sign out."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.is_exit = False

    def progress(self, event: str | None = None) -> Progress | None:
        """The open event, or the one of this name; None where there is none."""
        found = self._store.open_event() if event is None else self._store.event_named(event)
        if found is None:
            return None
        figures = self._store.event_figures(found.event)
        return Progress(found, figures, self._store.attendance(found.event))

    def recent(self) -> Sequence[CounterEvent]:
        return self._store.recent_events(RECENT_EVENTS)

    def open(
        self,
        name: str,
        day: date,
        rule: CounterRule,
        worker: CounterWorker,
        moment: Moment,
        *,
        with_exit: bool,
    ) -> Notice:
        """Begin an event, or go on with today's of the same name and rule."""
        name = re.sub(r"\s", "", name)
        if not NAME.fullmatch(name):
            return _refused(NoticeCode.EVENT_NAME_WRONG)
        if self._store.open_event() is not None:
            return _refused(NoticeCode.EVENT_OPEN_ALREADY)
        event = f"{day.isoformat()}:{name}"
        before = self._store.event_named(event)
        if before is not None and (before.rule_id, before.with_exit) != (rule.rule_id, with_exit):
            return _refused(NoticeCode.EVENT_NAME_TAKEN)
        opened = before or CounterEvent(event, rule.rule_id, with_exit, moment.at, worker.name)
        self._write(replace(opened, closed_at=None), Act.EVENT_OPENED, worker, moment)
        self.is_exit = False
        return Notice(NoticeCode.EVENT_OPENED, NoticeLevel.GOOD, {"event": opened.title})

    def close(self, worker: CounterWorker, moment: Moment) -> Notice:
        """End the open event."""
        found = self._store.open_event()
        if found is None:
            return _refused(NoticeCode.EVENT_NONE)
        closed = replace(found, closed_at=moment.at)
        self._write(closed, Act.EVENT_CLOSED, worker, moment)
        counted = self._store.event_figures(closed.event)
        figures: dict[str, str | int] = {
            "event": closed.title,
            "people": counted.people,
            "awarded": counted.awarded,
        }
        return Notice(NoticeCode.EVENT_CLOSED, NoticeLevel.GOOD, figures)

    def step(self, event: CounterEvent, there: Attendance | None) -> Registered | Notice:
        """What the code of somebody does now, or why nothing: twice is once."""
        if there is not None and there.award_id is not None:
            at = (there.out_at or there.in_at).astimezone(SHANGHAI).strftime("%H:%M")
            return Notice(NoticeCode.EVENT_AWARDED_BEFORE, NoticeLevel.REFUSED, {"at": at})
        if not event.with_exit:
            return Registered.AWARDED
        if self.is_exit:
            return Registered.AWARDED if there else _refused(NoticeCode.EVENT_NOT_ENTERED)
        if there is not None:
            at = there.in_at.astimezone(SHANGHAI).strftime("%H:%M")
            return Notice(NoticeCode.EVENT_ENTERED_BEFORE, NoticeLevel.REFUSED, {"at": at})
        return Registered.ENTERED

    def registered(self, event: CounterEvent, step: Registered, rule: CounterRule) -> Notice:
        """What to say after a step, with how many there are now."""
        counted = self._store.event_figures(event.event)
        if step is Registered.ENTERED:
            return Notice(NoticeCode.EVENT_ENTERED, NoticeLevel.GOOD, {"people": counted.people})
        figures: dict[str, str | int] = {"points": rule.points, "awarded": counted.awarded}
        return Notice(NoticeCode.EVENT_AWARDED, NoticeLevel.GOOD, figures)

    def _write(self, event: CounterEvent, act: Act, worker: CounterWorker, moment: Moment) -> None:
        with self._store.working() as work:
            acted = PersonActed(act=act, about=event.event, person=worker.worker)
            work.journal(acted, moment)
            work.save_event(event)


def _refused(code: NoticeCode) -> Notice:
    return Notice(code, NoticeLevel.REFUSED)
