"""The page of counter awards: who registers, what for, events with their lists."""

from collections.abc import Callable, Mapping
from typing import Annotated, Final

from flask import Response, request
from msgspec import Meta, Struct

from drivers.ports import MAX_SCAN_CHARS
from protocol.counter import CounterAwarded, CounterRule
from protocol.messages import OutcomeKind
from terminal.checkout.awarding import Awarding
from terminal.checkout.events import Progress
from terminal.checkout.page import Page
from terminal.domain.counter import REFUSED_OUTCOMES, Attendance
from terminal.domain.ports import ToldRecord
from terminal.shifts.staff import WORKER_PREFIX, Staff
from terminal.web.answers import json_answer
from terminal.web.bodies import NoBody, ShortText, read_body
from terminal.web.language import day_text, later, say, time_text
from terminal.web.more import MorePages, Said
from terminal.web.words import unit_of

HERE: Final = "/more/awards"
OUTCOMES: Final = {
    "": later("待上传"),
    OutcomeKind.POSTED.value: later("已入账"),
    OutcomeKind.OVERDRAFT.value: later("已入账"),
    OutcomeKind.DUPLICATE.value: later("没有再登记"),
    OutcomeKind.PARKED.value: later("没有登记，待处理"),
}
MAX_EVENT_CHARS: Final = 64


class AwardCodeBody(Struct, frozen=True, forbid_unknown_fields=True):
    text: Annotated[str, Meta(max_length=8 * MAX_SCAN_CHARS)]


class ChooseBody(Struct, frozen=True, forbid_unknown_fields=True):
    """``fact_ref``: the fact's own number, where it has one."""

    rule_id: ShortText
    fact_ref: ShortText = ""


class EventBody(Struct, frozen=True, forbid_unknown_fields=True):
    name: ShortText
    rule_id: ShortText
    with_exit: bool = False


class ExitBody(Struct, frozen=True, forbid_unknown_fields=True):
    is_exit: bool


class AwardTurn(Struct, frozen=True):
    """What the page compares with what it shows."""

    turn: int


class AwardsPage:
    """Its addresses."""

    def __init__(self, awarding: Awarding, staff: Staff, page: Page, pages: MorePages) -> None:
        self._awarding = awarding
        self._staff = staff
        self._page = page
        self._pages = pages

    def rules(
        self,
    ) -> tuple[dict[str, Callable[[], str | Response]], dict[str, Callable[[], Response]]]:
        """Addresses that are looked at, and those that change something."""
        return {
            HERE: self.awards_page,
            f"{HERE}/turn": self.awards_turn,
            f"{HERE}/event": self.event_page,
        }, {
            f"{HERE}/code": self.awards_code,
            f"{HERE}/choose": self.awards_choose,
            f"{HERE}/forget": self.awards_forget,
            f"{HERE}/open": self.event_open,
            f"{HERE}/exit": self.event_exit,
            f"{HERE}/close": self.event_close,
        }

    def awards_page(self) -> str:
        self._awarding.wait()
        said, chosen = self._awarding.said(), self._awarding.chosen()
        progress = self._awarding.events.progress()
        worker = self._awarding.worker()
        rules = self._awarding.rules()
        unit = unit_of(self._page.view())
        return self._pages.show(
            "awards",
            turn=self._awarding.turn,
            offered=self._awarding.is_offered,
            worker=worker,
            workers=[(f"{WORKER_PREFIX}{x.worker}", x.name) for x in self._staff.workers()],
            rules=[(each.rule_id, _named(each, unit), each.needs_fact) for each in rules],
            said=None if said is None else (said.level.value, self._pages.words(said)),
            chosen=None if chosen is None else _named(chosen.rule, unit),
            event=None if progress is None else self._event(progress, unit),
            is_exit=self._awarding.events.is_exit,
            events=[
                (x.event, f"{day_text(x.opened_at.date())} {x.title}")
                for x in self._awarding.events.recent()
                if x.closed_at is not None
            ],
            recent=[_recent(each, unit) for each in self._awarding.recent()],
        )

    def event_page(self) -> str:
        name = request.args.get("name", "")[:MAX_EVENT_CHARS]
        progress = self._awarding.events.progress(name)
        unit = unit_of(self._page.view())
        shown = None if progress is None else self._event(progress, unit)
        return self._pages.show("award_event", event=shown)

    def awards_turn(self) -> Response:
        self._awarding.wait()
        return json_answer(AwardTurn(self._awarding.turn))

    def awards_code(self) -> Response:
        notice = self._awarding.show_text(read_body(AwardCodeBody).text)
        # The page says it when it is shown anew, as for a code that the scanner read.
        return json_answer(Said(level=notice.level.value, text="", next="", go=HERE))

    def awards_choose(self) -> Response:
        body = read_body(ChooseBody)
        return self._pages.said(self._awarding.choose(body.rule_id, body.fact_ref), HERE)

    def awards_forget(self) -> Response:
        read_body(NoBody)
        return self._pages.said(self._awarding.forget(), HERE)

    def event_open(self) -> Response:
        body = read_body(EventBody)
        notice = self._awarding.open_event(body.name, body.rule_id, with_exit=body.with_exit)
        return self._pages.said(notice, HERE)

    def event_exit(self) -> Response:
        self._awarding.point_out(is_exit=read_body(ExitBody).is_exit)
        return self.awards_turn()

    def event_close(self) -> Response:
        read_body(NoBody)
        return self._pages.said(self._awarding.close_event(), HERE)

    def _event(self, progress: Progress, unit: str) -> Mapping[str, object]:
        event, counted, first = progress.event, progress.figures, progress.first_listed
        figures: list[tuple[str, str]] = []
        if event.with_exit:
            figures.append((say(later("已签到")), str(counted.people)))
            figures.append((say(later("已签退")), str(counted.awarded)))
        else:
            figures.append((say(later("已登记")), str(counted.awarded)))
        figures.append((say(later("共")), f"{counted.points} {unit}"))
        figures.append((say(later("没有入账")), str(counted.refused)))
        return {
            "title": event.title,
            "rule": self._awarding.rule_name(event.rule_id),
            "with_exit": event.with_exit,
            "figures": figures,
            "people": [_person(no, each) for no, each in enumerate(progress.people, first)][::-1],
            "unlisted": first - 1,
        }


def _named(rule: CounterRule, unit: str) -> str:
    return f"{rule.name} +{rule.points} {unit}"


def _person(number: int, there: Attendance) -> Mapping[str, object]:
    outcome = say(OUTCOMES.get(there.outcome, later("已入账"))) if there.award_id else ""
    says = there.says.partition(" / ")[0]
    times = time_text(there.in_at)
    if there.out_at is not None:
        times += f" → {time_text(there.out_at)}"
    return {
        "number": number,
        "who": f"…{there.account[-4:]}",
        "times": times,
        "outcome": " ".join(x for x in (outcome, says) if x),
        "wrong": there.outcome in REFUSED_OUTCOMES,
    }


def _recent(told: ToldRecord, unit: str) -> tuple[str, str]:
    done = told.happening
    assert isinstance(done, CounterAwarded)
    about = f"{time_text(told.at)} · …{done.account[-4:]} · +{done.points} {unit}"
    says = told.says.partition(" / ")[0]
    outcome = say(OUTCOMES.get(told.outcome, later("已入账")))
    return about, " ".join(x for x in (outcome, says) if x)
