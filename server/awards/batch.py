"""A batch for an event: everybody who took part, each of them once, all or nobody."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, select

from server.awards.award import deed_of
from server.awards.checks import check_fact_named, paid_keys
from server.awards.commands import AwardPoints, ReviewAward
from server.awards.files import derived_id
from server.awards.tables import paid_once
from server.awards.tasks import seats_of
from server.awards.values import Awarded, Reviewed
from server.facts import FactDesk
from server.facts.refused import Refused

MAX_PERSONS = 500


@dataclass(frozen=True, slots=True)
class EventList:
    """Who took part in what. ``accounts`` may name somebody twice: he is awarded once."""

    event: str
    rule_id: str
    performed_on: date
    awarded_by: str
    accounts: Sequence[str]
    memo: str = ""


@dataclass(frozen=True, slots=True)
class EventAwarded:
    """``awarded`` were awarded now, ``already`` before, and ``twice`` names were named again."""

    awarded: tuple[Awarded, ...]
    already: int
    twice: int


@dataclass(frozen=True, slots=True)
class EventRefused:
    """Who of the list cannot be awarded and why; the caller takes the whole list back."""

    refusals: tuple[tuple[str, Refused], ...]


@dataclass(frozen=True, slots=True)
class TaskVerdict:
    """What a reviewer says of a whole task."""

    event: str
    approve: bool
    reviewed_by: str
    reason: str = ""


def award_event(
    tx: Connection, desk: FactDesk, pool: str, people: EventList, *, actor: str, at: datetime
) -> EventAwarded | EventRefused:
    """Award everybody on the list who was not awarded for this event before.

    Each award is a fact of its own in the caller's transaction; when one is refused, all
    refusals are answered and the caller must roll back.
    """
    persons = list(dict.fromkeys(people.accounts))
    commands = [_award(people, account) for account in persons]
    paid = _paid(tx, pool, commands)
    awarded: list[Awarded] = []
    refusals: list[tuple[str, Refused]] = []
    for command in commands:
        if paid.intersection(paid_keys(deed_of(command))):
            continue
        unnamed = check_fact_named(tx, pool, deed_of(command))
        if unnamed is not None:
            refusals.append((command.account, unnamed))
            continue
        outcome = desk.submit(tx, pool, command, actor=actor, recorded_at=at)
        if isinstance(outcome, Refused):
            refusals.append((command.account, outcome))
            continue
        assert isinstance(outcome, Awarded), outcome
        awarded.append(outcome)
    if refusals:
        return EventRefused(tuple(refusals))
    new = tuple(each for each in awarded if not each.again)
    return EventAwarded(new, len(persons) - len(new), len(people.accounts) - len(persons))


@dataclass(frozen=True, slots=True)
class TaskRefused:
    """Which claim of a task is not reviewed so, and why; the caller takes everything back."""

    claim_id: str
    refusal: Refused


def review_task(
    tx: Connection, desk: FactDesk, pool: str, verdict: TaskVerdict, *, actor: str, at: datetime
) -> tuple[Reviewed, ...] | TaskRefused:
    """Review all claims of a task, by seat: all or none. Sent again, nothing changes.

    Each review is a fact of its own in the caller's transaction; when one is refused, the caller
    must roll back. Nobody has handed in: nothing is reviewed.
    """
    reviewed: list[Reviewed] = []
    for seat in seats_of(tx, pool, verdict.event):
        command = ReviewAward(
            claim_id=seat.claim_id,
            approve=verdict.approve,
            reviewed_by=verdict.reviewed_by,
            reason=verdict.reason,
        )
        outcome = desk.submit(tx, pool, command, actor=actor, recorded_at=at)
        if isinstance(outcome, Refused):
            return TaskRefused(seat.claim_id, outcome)
        assert isinstance(outcome, Reviewed), outcome
        reviewed.append(outcome)
    return tuple(reviewed)


def _award(people: EventList, account: str) -> AwardPoints:
    day, by = people.performed_on, people.awarded_by
    return AwardPoints(
        award_id=derived_id("e", people.event, people.rule_id, account, day, by, people.memo),
        account=account,
        rule_id=people.rule_id,
        performed_on=day,
        awarded_by=by,
        memo=people.memo,
        event=people.event,
    )


def _paid(tx: Connection, pool: str, commands: list[AwardPoints]) -> set[str]:
    keys = [key for command in commands for key in paid_keys(deed_of(command))]
    found = select(paid_once.c.paid_key).where(
        paid_once.c.pool == pool, paid_once.c.paid_key.in_(keys)
    )
    return set(tx.execute(found).scalars())
