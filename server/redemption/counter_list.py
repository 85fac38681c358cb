"""What terminals told of counter awards, and what became of each: for the office."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, and_, select

from protocol.messages import OutcomeKind
from server.awards.counter_tables import counter_award
from server.awards.tables import award, awarder
from server.redemption.chain_tables import parked_booking
from server.redemption.tables import journal_record

LISTED_MAX = 500


@dataclass(frozen=True, slots=True)
class CounterAward:
    """One of them. ``points`` is what was booked, 0 where nothing was; ``told_points`` what the
    slip says. ``says`` tells why not, and ``closed`` what a person decided about it.
    """

    terminal: str
    epoch: int
    seq: int
    worker: str
    worker_name: str
    account: str
    rule_id: str
    performed_on: date
    event: str
    occurred_at: datetime
    told_points: int
    points: int
    outcome: OutcomeKind
    says: str
    closed: str

    @property
    def waits(self) -> bool:
        return self.outcome is OutcomeKind.PARKED


def counter_awards(
    tx: Connection, pool: str, *, event: str | None = None, limit: int = LISTED_MAX
) -> Sequence[CounterAward]:
    """The newest first, of one event or of all, at most ``limit``."""
    own = counter_award.c
    here = and_(*(journal_record.c[x] == own[x] for x in ("pool", "terminal", "epoch", "seq")))
    closed = and_(*(parked_booking.c[x] == own[x] for x in ("pool", "terminal", "epoch", "seq")))
    # The award that this very record made, then or when a person had it booked.
    made = and_(
        award.c.pool == own.pool,
        award.c.award_id == own.award_id,
        (award.c.fact_no == own.fact_no) | (award.c.fact_no == parked_booking.c.fact_no),
    )
    named = and_(awarder.c.pool == own.pool, awarder.c.awarder == own.worker)
    asked = (
        select(
            counter_award,
            journal_record.c.outcome,
            journal_record.c.says,
            parked_booking.c.outcome.label("closed_as"),
            parked_booking.c.reason,
            award.c.points.label("booked_points"),
            awarder.c.name,
        )
        .select_from(
            counter_award.join(journal_record, here)
            .outerjoin(parked_booking, closed)
            .outerjoin(award, made)
            .outerjoin(awarder, named)
        )
        .where(own.pool == pool)
        .order_by(own.occurred_at.desc(), own.terminal, own.epoch.desc(), own.seq.desc())
        .limit(limit)
    )
    if event is not None:
        asked = asked.where(own.event == event)
    return [
        CounterAward(
            terminal=row.terminal,
            epoch=row.epoch,
            seq=row.seq,
            worker=row.worker,
            worker_name=row.name or row.worker,
            account=row.account,
            rule_id=row.rule_id,
            performed_on=row.performed_on,
            event=row.event or "",
            occurred_at=row.occurred_at,
            told_points=row.points,
            points=row.booked_points or 0,
            outcome=OutcomeKind(row.closed_as or row.outcome),
            says=row.says,
            closed=row.reason or "",
        )
        for row in tx.execute(asked)
    ]
