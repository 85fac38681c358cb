"""People at the till: PINs, change of person, and the owner's leave.

A terminal without people sells: whoever stands there is a cashier. What needs the owner asks for
an owner's PIN first, and to set one where there is none.
"""

import re
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta

from msgspec.structs import replace

from protocol.acts import Act, PersonActed
from protocol.counter import CounterWorker
from protocol.sales import Payment
from terminal.domain.changes import Changes
from terminal.domain.notice import Notice, NoticeCode, NoticeLevel
from terminal.domain.ports import Clock, Store
from terminal.domain.staff import (
    FREE_TRIES,
    TECHNICAL,
    Person,
    PinHasher,
    Role,
    wait_after,
)

MAX_PEOPLE = 50
WORKER_PREFIX = "worker:"
"""Before the id of somebody whose PIN came from the pool: nobody here can have such a name."""
WORKER_STAYS = timedelta(minutes=30)
"""After so long without registering anything, a worker signs in again."""
MAX_NAME_CHARS = 16
PIN = re.compile(r"[0-9]{4,8}")
TOO_EASY = frozenset({"0000", "1111", "1234", "123456", "000000", "8888", "888888", "666666"})


class Staff:
    """The people of one terminal; see :class:`terminal.domain.staff.Approvals`."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        hasher: PinHasher,
        changes: Changes,
        wake_workers: Callable[[], None],
        refund_limit_fen: int,
        refund_limit_points: int,
        shop: str = "",
    ) -> None:
        self._store = store
        self._clock = clock
        self._hasher = hasher
        self._changes = changes
        self._wake_workers = wake_workers
        self._limit_fen = refund_limit_fen
        self._limit_points = refund_limit_points
        self._lock = threading.RLock()
        self._shop = shop
        self._at_till: str | None = None
        self._worker: str | None = None
        self._worker_busy_ms = 0

    def people(self) -> Sequence[Person]:
        """Everybody with a PIN of this shop, owners first."""
        return [x for x in self._store.people() if not x.name.startswith(WORKER_PREFIX)]

    def workers(self) -> Sequence[CounterWorker]:
        """Whom the pool lets register points here; by the PIN that its office gave them."""
        awards = self._store.documents().awards
        if awards is None or self._shop not in awards.shops:
            return ()
        return awards.workers

    def worker(self) -> CounterWorker | None:
        """See :class:`terminal.domain.counter.WorkerAtTill`."""
        stays_ms = int(WORKER_STAYS.total_seconds() * 1000)
        if self._clock.moment().monotonic_ms - self._worker_busy_ms > stays_ms:
            return None
        return next((x for x in self.workers() if x.worker == self._worker), None)

    def busy(self) -> None:
        self._worker_busy_ms = self._clock.moment().monotonic_ms

    def at_till(self) -> str | None:
        # Without the lock: it is held while a PIN waits for the disk, and a sale asks this in its
        # own durable step. Each would wait for the other.
        return self._at_till

    def needs_owner(self, payment: Payment) -> bool:
        """Whether what comes back of a sale is above what a cashier may give by himself.

        ``payment`` is this refund and those before it: in pieces it is no less.
        """
        return payment.cash_fen > self._limit_fen or payment.points > self._limit_points

    def for_refund(self, payment: Payment, pin: str | None) -> str | Notice | None:
        return self.owner_by(pin) if self.needs_owner(payment) else None

    def owner_by(self, pin: str | None) -> str | Notice:
        """The owner whose PIN this is, or why there is none."""
        owners = [each for each in self.people() if each.role is Role.OWNER]
        if not owners:
            return _refused(NoticeCode.OWNER_PIN_UNSET)
        if not pin:
            return _refused(NoticeCode.OWNER_NEEDED)
        return self._first_match(owners, pin)

    def needs_technician(self) -> bool:
        people = self.people()
        return bool(people) and self._signed_in(people, TECHNICAL) is None

    def technician_by(self, pin: str | None) -> str | Notice | None:
        """See :class:`terminal.domain.staff.Leave`; whoever is signed in types no PIN again."""
        people = self.people()
        if not people:
            return None
        signed_in = self._signed_in(people, TECHNICAL)
        if signed_in is not None:
            return signed_in
        if not pin:
            return _refused(NoticeCode.TECHNICIAN_NEEDED)
        return self._first_match([x for x in people if x.role in TECHNICAL], pin)

    def note(self, act: Act, about: str, approved_by: str | None, reason: str) -> None:
        """See :class:`terminal.domain.staff.Leave`."""
        moment = self._clock.moment()
        with self._store.working() as work:
            work.journal(self._acted(act, about, approved_by, reason), moment)
        self._wake_workers()

    def _signed_in(self, people: Sequence[Person], roles: Collection[Role]) -> str | None:
        """Who is at the till, where he has one of these roles in this shop."""
        here = None if self._worker is not None else self._at_till
        return next((x.name for x in people if x.name == here and x.role in roles), None)

    def sign_in(self, name: str, pin: str) -> Notice:
        """Change who stands at the till."""
        if name.startswith(WORKER_PREFIX):
            return self._sign_worker_in(name.removeprefix(WORKER_PREFIX), pin)
        person = next((each for each in self.people() if each.name == name), None)
        if person is None:
            return _refused(NoticeCode.PERSON_UNKNOWN)
        found = self._first_match([person], pin)
        if isinstance(found, Notice):
            return found
        with self._lock:
            self._at_till, self._worker = found, None
        self._changes.note()
        return Notice(NoticeCode.SIGNED_IN, NoticeLevel.GOOD, {"person": found})

    def _sign_worker_in(self, worker_id: str, pin: str) -> Notice:
        worker = next((x for x in self.workers() if x.worker == worker_id), None)
        if worker is None:
            return _refused(NoticeCode.PERSON_UNKNOWN)
        name = f"{WORKER_PREFIX}{worker.worker}"
        found = self._first_match([Person(name, Role.COMMUNITY_WORKER, worker.pin_hash)], pin)
        if isinstance(found, Notice):
            return found
        with self._lock:
            self._worker = worker.worker  # who sells is not changed by that
            self.busy()
        self._changes.note()
        return Notice(NoticeCode.WORKER_SIGNED_IN, NoticeLevel.GOOD, {"person": worker.name})

    def sign_out(self) -> Notice:
        """The worker of the pool leaves; where there is none, who stands at the till."""
        with self._lock:
            if self._worker is not None:
                self._worker = None
            else:
                self._at_till = None
        self._changes.note()
        return Notice(NoticeCode.SIGNED_OUT, NoticeLevel.GOOD)

    def add(self, name: str, role: Role, pin: str, owner_pin: str | None) -> Notice:
        """Give somebody a PIN, or a new one. The first must be an owner, and needs nobody's leave."""
        name = name.strip()
        if not 1 <= len(name) <= MAX_NAME_CHARS or not name.isprintable():
            return _refused(NoticeCode.PERSON_NAME_WRONG)
        if role is Role.COMMUNITY_WORKER or name.startswith(WORKER_PREFIX):
            return _refused(NoticeCode.WORKER_FROM_POOL)
        if not PIN.fullmatch(pin) or pin in TOO_EASY:
            return _refused(NoticeCode.PIN_TOO_EASY)
        with self._lock:
            people = self.people()
            leave = self._leave(people, role, owner_pin)
            if isinstance(leave, Notice):
                return leave
            known = any(each.name == name for each in people)
            if role is not Role.OWNER and _is_last_owner(name, people):
                return _refused(NoticeCode.LAST_OWNER)  # the next owner would need nobody's leave
            if not known and len(people) >= MAX_PEOPLE:
                return _refused(NoticeCode.TOO_MANY_PEOPLE)
            act = Act.PIN_CHANGED if known else Act.PERSON_ADDED
            person = Person(name, role, self._hasher.hash(pin))
            self._write(person, act, leave, role.value)
        return Notice(NoticeCode.PERSON_SAVED, NoticeLevel.GOOD, {"person": name})

    def remove(self, name: str, owner_pin: str | None) -> Notice:
        """Take somebody's PIN away; the last owner stays."""
        with self._lock:
            people = self.people()
            person = next((each for each in people if each.name == name), None)
            leave = self.owner_by(owner_pin)
            if isinstance(leave, Notice):
                return leave
            if person is None:
                return _refused(NoticeCode.PERSON_UNKNOWN)
            if _is_last_owner(name, people) and len(people) > 1:
                return _refused(NoticeCode.LAST_OWNER)
            moment = self._clock.moment()
            with self._store.working() as work:
                work.journal(self._acted(Act.PERSON_REMOVED, name, leave, ""), moment)
                work.remove_person(name)
            if self._at_till == name:
                self._at_till = None
        self._changes.note()
        self._wake_workers()
        return Notice(NoticeCode.PERSON_REMOVED, NoticeLevel.GOOD, {"person": name})

    def drawer_test(self, pin: str, reason: str) -> Notice | None:
        """See :class:`terminal.domain.staff.Leave`."""
        trusted = [x for x in self.people() if x.role in TECHNICAL]
        if not trusted:
            return _refused(NoticeCode.OWNER_PIN_UNSET)
        leave = self._first_match(trusted, pin)
        if isinstance(leave, Notice):
            return leave
        self.note(Act.DRAWER_TESTED, "drawer", leave, reason)
        return None

    def _leave(
        self, people: Sequence[Person], role: Role, owner_pin: str | None
    ) -> str | Notice | None:
        if any(each.role is Role.OWNER for each in people):
            return self.owner_by(owner_pin)
        return None if role is Role.OWNER else _refused(NoticeCode.OWNER_PIN_UNSET)

    def _first_match(self, people: Sequence[Person], pin: str) -> str | Notice:
        """Whose PIN this is; a wrong one counts against everybody who was asked.

        One at a time, so that a thousand tries at once are not a thousand free ones.
        """
        with self._lock:
            now = self._clock.moment().at
            fresh = {each.name: each for each in self._store.people()}
            asked = [known for each in people if (known := _known(each, fresh)) is not None]
            waits_s = max((each.waits_s(now) for each in asked), default=0)
            if waits_s:
                return Notice(NoticeCode.PIN_WAITS, NoticeLevel.REFUSED, {"seconds": waits_s})
            for person in asked:
                if self._hasher.matches(person.pin_hash, pin):
                    if person.failures:
                        self._keep(replace(person, failures=0, locked_until=None))
                    return person.name
            for person in asked:
                self._count(person)
            return _refused(NoticeCode.PIN_WRONG)

    def _count(self, person: Person) -> None:
        failures = person.failures + 1
        wait = wait_after(failures)
        until = self._clock.moment().at + wait if wait else None
        counted = replace(person, failures=failures, locked_until=until)
        if failures == FREE_TRIES:  # once: a thousand tries must not fill the journal
            self._write(counted, Act.PIN_LOCKED, None, "")
        else:
            self._keep(counted)

    def _keep(self, person: Person) -> None:
        with self._store.working() as work:
            work.save_person(person)

    def _write(self, person: Person, act: Act, approved_by: str | None, reason: str) -> None:
        moment = self._clock.moment()
        with self._store.working() as work:
            work.journal(self._acted(act, person.name, approved_by, reason), moment)
            work.save_person(person)
        self._changes.note()
        self._wake_workers()

    def _acted(self, act: Act, about: str, approved_by: str | None, reason: str) -> PersonActed:
        return PersonActed(
            act=act, about=about, person=self._at_till, approved_by=approved_by, reason=reason
        )


def _known(person: Person, fresh: Mapping[str, Person]) -> Person | None:
    """Somebody with the wrong PINs that were counted; None if he was removed meanwhile.

    What is kept of a worker counts for the PIN that he had then: a new one begins anew.
    """
    kept = fresh.get(person.name)
    if person.name.startswith(WORKER_PREFIX):
        return kept if kept is not None and kept.pin_hash == person.pin_hash else person
    return kept


def _is_last_owner(name: str, people: Sequence[Person]) -> bool:
    return [each.name for each in people if each.role is Role.OWNER] == [name]


def _refused(code: NoticeCode) -> Notice:
    return Notice(code, NoticeLevel.REFUSED)
