"""Registering points at the counter (登记积分): a worker, a rule, and the resident's own code.

Nothing is asked of the server: what was registered is a journal record, told when there is a
connection, and the server decides by the rule of its day. The page shows what became of it.
"""

import logging
import re
import threading
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from uuid import UUID

from msgspec import Struct, structs
from msgspec.structs import replace

from drivers.document import Document
from protocol.business_day import business_date
from protocol.codes import CardCode, ResidentCode, ShowCode
from protocol.counter import CounterAwarded, CounterRule, CounterWorker, EventEntered
from protocol.documents import Policy
from protocol.reasons import Declined
from terminal.checkout.asking import Asking
from terminal.checkout.events import EventDesk, Registered
from terminal.domain.counter import Attendance, CounterEvent, WorkerAtTill
from terminal.domain.notice import Notice, NoticeCode, NoticeLevel
from terminal.domain.papers import AwardGiven
from terminal.domain.ports import (
    Clock,
    Ids,
    Moment,
    Papers,
    ReceiptFacts,
    Store,
    StoreFaultError,
    TerminalIdentity,
    ToldRecord,
    Work,
)
from terminal.domain.presented import phone_counter
from terminal.domain.print_job import JobKind
from terminal.domain.scan import ResidentScan, classify

LOG = logging.getLogger(__name__)

WAITS_FOR = timedelta(seconds=4)
"""The open page asks every second; when it is closed, codes are the till's again."""
CHOSEN_FOR = timedelta(minutes=5)
"""How long a chosen rule stands for the next code."""
RECENT = 20
FACT = re.compile(r"[0-9A-Za-z一-鿿._:/-]{1,64}")


class Chosen(Struct, frozen=True):
    """The rule that ``worker`` registers the next code by, and the fact's own number, if any."""

    rule: CounterRule
    fact_ref: str | None
    at_ms: int
    worker: str


class _Shown(Struct, frozen=True):
    """A resident's code in front of a worker who may register it."""

    award_id: UUID
    code: ResidentCode | ShowCode
    account: str
    worker: CounterWorker
    policy: Policy
    moment: Moment
    day: date


class Awarding:
    """One terminal's counter. Every method that does something answers with the notice to show."""

    def __init__(
        self,
        *,
        identity: TerminalIdentity,
        store: Store,
        asking: Asking,
        papers: Papers,
        clock: Clock,
        ids: Ids,
        wake_workers: Callable[[], None],
        is_stopped: Callable[[], bool],
        at_till: WorkerAtTill,
        is_online: Callable[[], bool] = lambda: True,
    ) -> None:
        self._identity = identity
        self._store = store
        self._asking = asking
        self._papers = papers
        self._clock = clock
        self._ids = ids
        self._wake_workers = wake_workers
        self._is_stopped = is_stopped
        self._at_till = at_till
        self._is_online = is_online
        self._lock = threading.RLock()
        self._chosen: Chosen | None = None
        self._said: Notice | None = None
        self._waits_until_ms = 0
        self._turn = 0
        self.events = EventDesk(store)

    @property
    def is_offered(self) -> bool:
        """Whether the pool lets this shop register points."""
        awards = self._store.documents().awards
        return awards is not None and self._identity.shop in awards.shops

    @property
    def turn(self) -> int:
        """Grows with every change of what there is to see."""
        with self._lock:
            return self._turn

    def worker(self) -> CounterWorker | None:
        """Who registers now; None where nobody of the pool is signed in."""
        return self._at_till.worker() if self.is_offered else None

    def rules(self) -> Sequence[CounterRule]:
        """What the worker who is signed in may register today, in the pool's order."""
        documents, worker = self._store.documents(), self.worker()
        if documents.awards is None or documents.policy is None or worker is None:
            return ()
        day = business_date(self._clock.moment().at, documents.policy.cut_off_hour)
        return [
            each
            for each in documents.awards.rules
            if _in_force(each, day) and (not each.roles or worker.role in each.roles)
        ]

    def rule_name(self, rule_id: str) -> str:
        """What a rule is called, in force or not; its id where the terminal knows it no more."""
        awards = self._store.documents().awards
        rules = awards.rules if awards is not None else ()
        return next((each.name for each in rules if each.rule_id == rule_id), rule_id)

    def chosen(self) -> Chosen | None:
        """The rule that the next code is registered by."""
        with self._lock:
            limit_ms = int(CHOSEN_FOR.total_seconds() * 1000)
            now_ms = self._clock.moment().monotonic_ms
            if self._chosen is not None and now_ms - self._chosen.at_ms > limit_ms:
                self._chosen = None
            return self._chosen

    def said(self) -> Notice | None:
        """What came of the last code that the scanner read."""
        with self._lock:
            return self._said

    def recent(self) -> Sequence[ToldRecord]:
        """What was registered here last, and what the server made of it."""
        return self._store.newest_told("counter_awarded", RECENT)

    def wait(self) -> None:
        """The page is open: the next code of the scanner is meant for it, if somebody may register."""
        if self.worker() is None:
            return
        with self._lock:
            now_ms = self._clock.moment().monotonic_ms
            self._waits_until_ms = now_ms + int(WAITS_FOR.total_seconds() * 1000)

    def takes(self, code: ResidentCode | ShowCode) -> bool:
        """A code from the scanner: whether this page took it."""
        with self._lock:
            if self._clock.moment().monotonic_ms >= self._waits_until_ms:
                return False
            self.show_code(code)
        return True

    def choose(self, rule_id: str, fact_ref: str) -> Notice:
        """The next code is registered by this rule, once."""
        problem, worker = self._problem(), self.worker()
        if problem is not None or worker is None:
            return problem or _refused(NoticeCode.WORKER_NEEDED)
        rule = next((each for each in self.rules() if each.rule_id == rule_id), None)
        if rule is None:
            return _refused(NoticeCode.AWARD_RULE_NEEDED)
        fact_ref = fact_ref.strip()
        if (rule.needs_fact and not fact_ref) or (fact_ref and not FACT.fullmatch(fact_ref)):
            return _refused(NoticeCode.AWARD_FACT_NEEDED)
        with self._lock:
            now_ms = self._clock.moment().monotonic_ms
            self._chosen = Chosen(rule, fact_ref or None, now_ms, worker.worker)
            self._changed(None)
        figures: dict[str, str | int] = {"rule": rule.name, "points": rule.points}
        return Notice(NoticeCode.AWARD_CODE_NEXT, NoticeLevel.ASK, figures)

    def forget(self) -> Notice:
        """The next code is registered by nothing."""
        with self._lock:
            self._chosen = None
            self._changed(None)
        return Notice(NoticeCode.AWARD_FORGOTTEN, NoticeLevel.GOOD)

    def show_text(self, text: str) -> Notice:
        """A code as a scanner typed it."""
        scan = classify(text)
        if not isinstance(scan, ResidentScan):
            return _refused(NoticeCode.UNKNOWN_SCAN)
        return self.show_code(scan.code)

    def show_code(self, code: ResidentCode | ShowCode) -> Notice:
        """Register what was chosen, or what is done at the open event, for whoever shows a code."""
        with self._lock:
            try:
                notice = self._register(code)
            except StoreFaultError:
                # The scanner's worker would only log it, and the page say nothing.
                LOG.exception("the disk did not take an award")
                notice = Notice(NoticeCode.STORE_FAULT, NoticeLevel.ALARM)
            self._changed(notice)
        if notice.level is NoticeLevel.GOOD:
            self._wake_workers()
        return notice

    def open_event(self, name: str, rule_id: str, *, with_exit: bool) -> Notice:
        """Begin to register who takes part in an event, one after another."""
        problem = self._problem()
        worker, policy = self.worker(), self._store.documents().policy
        if problem is not None or worker is None or policy is None:
            return problem or _refused(NoticeCode.WORKER_NEEDED)
        rule = next((each for each in self.rules() if each.rule_id == rule_id), None)
        if rule is None or rule.needs_fact:
            return _refused(NoticeCode.AWARD_RULE_NEEDED)
        with self._lock:
            moment = self._clock.moment()
            day = business_date(moment.at, policy.cut_off_hour)
            notice = self.events.open(name, day, rule, worker, moment, with_exit=with_exit)
            self._at_till.busy()
            self._changed(None)
        self._wake_workers()
        return notice

    def close_event(self) -> Notice:
        """End it; who signed in and not out gets nothing."""
        problem = self._problem()
        worker = self.worker()
        if problem is not None or worker is None:
            return problem or _refused(NoticeCode.WORKER_NEEDED)
        with self._lock:
            notice = self.events.close(worker, self._clock.moment())
            self._changed(None)
        self._wake_workers()
        return notice

    def point_out(self, *, is_exit: bool) -> None:
        """Codes that are shown now sign in, or out."""
        with self._lock:
            self.events.is_exit = is_exit
            self._changed(None)

    def _changed(self, said: Notice | None) -> None:
        self._said = said
        self._turn += 1

    def _problem(self) -> Notice | None:
        if self._is_stopped():
            return Notice(NoticeCode.STOPPED, NoticeLevel.ALARM)
        if self._store.documents().policy is None:
            return Notice(NoticeCode.NOT_READY, NoticeLevel.ALARM)
        if not self.is_offered:
            return _refused(NoticeCode.AWARD_NOT_OFFERED)
        return None if self.worker() is not None else _refused(NoticeCode.WORKER_NEEDED)

    def _register(self, code: ResidentCode | ShowCode) -> Notice:
        shown = self._shown(code)
        if isinstance(shown, Notice):
            return shown
        event, chosen = self._store.open_event(), self.chosen()
        if event is not None:
            notice = self._at_event(event, shown)
        elif (
            chosen is None
            or chosen.worker != shown.worker.worker  # whoever came after has rules of his own
            or not _in_force(chosen.rule, shown.day)
        ):
            return _refused(NoticeCode.AWARD_RULE_NEEDED)
        else:
            notice = self._by_itself(chosen, shown)
        if notice.level is NoticeLevel.GOOD:
            self._at_till.busy()
        return notice

    def _shown(self, code: ResidentCode | ShowCode) -> _Shown | Notice:
        """Whose code it is and who may register it, or why nothing is registered."""
        problem = self._problem()
        worker, policy = self.worker(), self._store.documents().policy
        if problem is not None or worker is None or policy is None:
            return problem or _refused(NoticeCode.WORKER_NEEDED)
        moment = self._clock.moment()
        award_id = self._ids.new(moment.at)
        account = self._asking.whose(award_id, code)
        if isinstance(account, Declined):
            return Notice(NoticeCode.DECLINED, NoticeLevel.REFUSED, {}, account)
        if isinstance(code, CardCode) and code.card_id.hex() == account:
            return _refused(NoticeCode.AWARD_BEARER)
        if worker.account == account:
            return _refused(NoticeCode.AWARD_OWN)
        day = business_date(moment.at, policy.cut_off_hour)
        return _Shown(award_id, code, account, worker, policy, moment, day)

    def _by_itself(self, chosen: Chosen, shown: _Shown) -> Notice:
        """One deed of one resident, with a slip to hand over."""
        with self._store.working() as work:
            told = self._told(shown, chosen.rule, slip_no=work.next_slip_no())
            told = structs.replace(told, fact_ref=chosen.fact_ref)
            self._write(work, told, shown)
            document = self._slip(told, chosen.rule, shown)
            work.queue_print(JobKind.AWARD, told.slip_no, document, 0)
        self._chosen = None
        figures: dict[str, str | int] = {"rule": chosen.rule.name, "points": told.points}
        return Notice(NoticeCode.AWARDED, NoticeLevel.GOOD, figures)

    def _at_event(self, event: CounterEvent, shown: _Shown) -> Notice:
        rule = next((x for x in self.rules() if x.rule_id == event.rule_id), None)
        if rule is None:
            return _refused(NoticeCode.AWARD_RULE_NEEDED)
        there = self._store.attended(event.event, shown.account)
        step = self.events.step(event, there)
        if isinstance(step, Notice):
            return step
        at = shown.moment.at
        there = there or Attendance(event.event, shown.account, at)
        with self._store.working() as work:
            if step is Registered.ENTERED:
                entered = EventEntered(
                    event=event.event,
                    rule_id=event.rule_id,
                    account=shown.account,
                    worker=shown.worker.worker,
                )
                work.journal(entered, shown.moment)
            else:
                told = structs.replace(
                    self._told(shown, rule, slip_no=""),
                    event=event.event,
                    in_at=there.in_at if event.with_exit else None,
                )
                self._write(work, told, shown)
                there = replace(
                    there,
                    out_at=at if event.with_exit else None,
                    award_id=str(told.award_id),
                    points=rule.points,
                )
            work.save_attendance(there)
        return self.events.registered(event, step, rule)

    def _told(self, shown: _Shown, rule: CounterRule, *, slip_no: str) -> CounterAwarded:
        return CounterAwarded(
            award_id=shown.award_id,
            slip_no=slip_no,
            business_date=shown.day,
            rule_id=rule.rule_id,
            points=rule.points,
            account=shown.account,
            evidence=self._asking.evidence(shown.award_id, shown.code, 0),
            worker=shown.worker.worker,
        )

    def _write(self, work: Work, told: CounterAwarded, shown: _Shown) -> None:
        work.journal(told, shown.moment)
        if isinstance(shown.code, ShowCode):
            work.note_phone_counter(*phone_counter(shown.code))

    def _slip(self, told: CounterAwarded, rule: CounterRule, shown: _Shown) -> Document:
        slip = AwardGiven(
            slip_no=told.slip_no,
            rule=rule.name,
            points=told.points,
            account=told.account,
            worker=shown.worker.name,
            offline=not self._is_online(),
        )
        facts = ReceiptFacts(
            occurred_at=shown.moment.at,
            shop_name=self._identity.shop_name,
            merchant_name=self._identity.merchant_name,
            pool_name=shown.policy.pool_name,
            unit_name=shown.policy.unit_name,
            unit_name_en=shown.policy.unit_name_en,
            balance_before_points=None,
            copy_no=0,
        )
        return self._papers.paper(slip, facts)


def _in_force(rule: CounterRule, day: date) -> bool:
    return rule.first_day <= day and (rule.last_day is None or day <= rule.last_day)


def _refused(code: NoticeCode) -> Notice:
    return Notice(code, NoticeLevel.REFUSED)
