"""Who stands at the till: roles, and what needs the owner."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from protocol.acts import Act
from protocol.sales import Payment
from terminal.domain.notice import Notice


class Role(StrEnum):
    """What a person is to this shop."""

    CASHIER = "cashier"
    OWNER = "owner"
    TECHNICIAN = "technician"
    COMMUNITY_WORKER = "community_worker"


TECHNICAL = (Role.OWNER, Role.TECHNICIAN)
"""Who may touch the devices."""

FREE_TRIES = 5
"""Wrong PINs in a row before the next one has to wait."""
FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(hours=1)


class Person(Struct, frozen=True):
    """Somebody with a PIN. ``failures`` are wrong PINs since the last right one."""

    name: str
    role: Role
    pin_hash: str
    failures: int = 0
    locked_until: datetime | None = None

    def waits_s(self, now: datetime) -> int:
        """Seconds until the next try; 0 for none.

        A clock that was set back does not lock anybody out for longer than the longest wait.
        """
        if self.locked_until is None or now >= self.locked_until:
            return 0
        return int(min(self.locked_until - now, LONGEST_WAIT).total_seconds()) + 1


def wait_after(failures: int) -> timedelta:
    """How long the next try waits after so many wrong PINs: doubling, up to an hour."""
    if failures < FREE_TRIES:
        return timedelta(0)
    doublings = min(failures - FREE_TRIES, 16)
    return min(FIRST_WAIT * (1 << doublings), LONGEST_WAIT)


class Approvals(Protocol):
    """Who is at the till, and whether the owner allows what needs him."""

    def at_till(self) -> str | None:
        """Who is signed in; None for whoever stands there."""

    def for_refund(self, payment: Payment, pin: str | None) -> str | Notice | None:
        """Whose leave a refund has: an owner's name, None where it needs none, or a refusal.

        ``payment`` is what came back of the sale altogether, with this refund.
        """


class OwnersLeave(Protocol):
    """Whose PIN allows what needs the owner."""

    def owner_by(self, pin: str | None) -> str | Notice:
        """The owner whose PIN this is, or why there is none."""


class Leave(OwnersLeave, Protocol):
    """Whose leave an act needs, and the record that it was done."""

    def needs_technician(self) -> bool:
        """Whether a PIN is to be typed before the devices are touched."""

    def technician_by(self, pin: str | None) -> str | Notice | None:
        """The technician or owner whose PIN this is, or why there is none.

        None where nobody has a PIN yet: a terminal is set up before its people.
        """

    def drawer_test(self, pin: str, reason: str) -> Notice | None:
        """Journal that the drawer is opened to test it; None: it may be opened now.

        There is money in it: a technician's or owner's PIN is typed every time, also by whoever
        is signed in, and without people it stays shut. Call before the pulse: an opening without
        a record is what nobody can explain later.
        """

    def note(self, act: Act, about: str, approved_by: str | None, reason: str) -> None:
        """Write the act into the journal."""


class NobodyAsks:
    """A till without people: everything is allowed."""

    def at_till(self) -> str | None:
        return None

    def for_refund(self, _payment: Payment, _pin: str | None) -> str | Notice | None:
        return None


NOBODY_ASKS = NobodyAsks()


class PinHasher(Protocol):
    """Makes and checks what is kept of a PIN."""

    def hash(self, pin: str) -> str: ...

    def matches(self, pin_hash: str, pin: str) -> bool: ...
