"""Awards at a counter (登记积分): what a terminal may know of rules and workers, and what it tells.

The rules and the workers come signed from the pool, like every document. What was registered is a
journal record; the server decides, by the rule of the day on which it happened.
"""

from datetime import date, datetime
from uuid import UUID

from msgspec import Struct

from protocol.evidence import Evidence
from protocol.proxy import ProxyRules


class CounterRule(Struct, frozen=True, kw_only=True):
    """A rule in the days from ``first_day`` to ``last_day`` (None: until it is amended).

    ``roles``: whoever of these may award by it; none named is every worker. ``needs_fact``: the
    same fact may come in by another channel too, so that its number must be named.
    """

    rule_id: str
    name: str
    points: int
    first_day: date
    last_day: date | None = None
    roles: tuple[str, ...] = ()
    needs_fact: bool = False


class CounterWorker(Struct, frozen=True, kw_only=True):
    """Somebody of the pool who registers points at counters.

    ``pin_hash`` is the Argon2id hash of his PIN, which the pool's office gave him: no shop can
    make a worker. ``account`` is his own as a resident: he registers nothing for himself.
    """

    worker: str
    name: str
    role: str
    pin_hash: str
    account: str | None = None


class CounterAwards(Struct, frozen=True, kw_only=True):
    """Where points may be registered, by which rules, and by whom. ``shops`` may do it.

    ``proxy``: how far these workers redeem for others; None: not at all.
    """

    version: int
    made_at: datetime
    shops: tuple[str, ...] = ()
    rules: tuple[CounterRule, ...] = ()
    workers: tuple[CounterWorker, ...] = ()
    proxy: ProxyRules | None = None


class CounterAwarded(Struct, frozen=True, kw_only=True, tag="counter_awarded"):
    """A worker registered what a resident did; the resident's own code was there.

    ``points`` is what the terminal's rule said; the server books what its own says for the
    ``business_date``. ``event`` names what many take part in, each of them once; ``in_at`` is when
    the resident signed in there. A card's proof is made for ``award_id`` and 0 points.
    """

    award_id: UUID
    slip_no: str
    business_date: date
    rule_id: str
    points: int
    account: str
    evidence: Evidence
    worker: str
    event: str | None = None
    fact_ref: str | None = None
    in_at: datetime | None = None


class EventEntered(Struct, frozen=True, kw_only=True, tag="event_entered"):
    """A resident signed in at an event (签到); nothing is awarded before he signs out."""

    event: str
    rule_id: str
    account: str
    worker: str
