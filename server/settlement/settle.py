"""Closing a period all at once: every transfer that concerns a merchant goes into one statement.

This is how books were closed before runs went merchant by merchant (`runs`); the facts stay
replayable. A run takes what was booked by facts before it and belongs to a day up to `through`.
What comes later with such a date is late: the next run takes it, with its own date.
"""

from datetime import date

from sqlalchemy import Connection, insert

from protocol.business_day import business_date
from server.directory.queries import contracts_of, cut_off_hour, merchants
from server.directory.values import Merchant
from server.facts import FactDesk, FactStamp
from server.settlement.day_sums import sum_all
from server.settlement.drafts import drafts, first_day_of
from server.settlement.issue import issue
from server.settlement.refusals import (
    day_is_open,
    needs_a_run,
    no_contract,
    run_is_open,
    settled_further,
)
from server.settlement.statements import (
    AT_ONCE,
    Run,
    is_closed,
    last_run,
    run_through,
    statements_of,
)
from server.settlement.tables import settlement_run
from server.settlement.values import LeftOpen, Settle, Settled, SettleRefused


def register(desk: FactDesk) -> None:
    """Makes the desk apply :class:`Settle`."""
    desk.register("settle", Settle, settle)


def settle(tx: Connection, stamp: FactStamp, command: Settle) -> Settled | SettleRefused:
    """Make one statement for each merchant who was registered by the end of the period.

    Settling through the same day again answers what was made then and writes nothing.
    Refused: a day that is not over, a day before one that is settled already, a merchant
    who traded on a day on which no contract was in force, and terms beyond one rate of cash.
    """
    done = run_through(tx, stamp.pool, command.through)
    if done is not None:
        made = statements_of(tx, stamp.pool, run=done.run)
        return Settled(done.run, done.through, tuple(each.statement for each in made), again=True)
    hour = cut_off_hour(tx, stamp.pool)
    refused = refuse_day(tx, stamp, command.through, hour)
    if refused is not None:
        return refused
    run = Run(command.run, command.through, stamp.fact_no, command.settled_by, AT_ONCE)
    sum_all(tx, stamp.pool)
    write_run(tx, stamp, run)
    made_now: list[str] = []
    # Sorted here, since databases sort text by their locale, and the order gives out numbers.
    for merchant in sorted(merchants(tx, stamp.pool), key=lambda each: each.merchant):
        if first_day_of(merchant, hour) > command.through:
            continue
        if _is_beyond(tx, stamp.pool, merchant):
            return needs_a_run(merchant.merchant)
        found = drafts(tx, stamp.pool, run, merchant, hour)
        if isinstance(found, LeftOpen):
            return no_contract(found, merchant.name)
        made_now += issue(tx, stamp, found)
    return Settled(command.run, command.through, tuple(made_now), again=False)


def refuse_day(tx: Connection, stamp: FactStamp, through: date, hour: int) -> SettleRefused | None:
    """Why no run can be made through this day now, or None."""
    today = business_date(stamp.recorded_at, hour)
    if through >= today:
        return day_is_open(through, today, hour)
    latest = last_run(tx, stamp.pool)
    if latest is not None and latest.through > through:
        return settled_further(through, latest.through)
    if latest is not None and not is_closed(tx, stamp.pool, latest):
        return run_is_open(through, latest.through)
    return None


def write_run(tx: Connection, stamp: FactStamp, run: Run) -> None:
    """Put the run on record, as made by this fact."""
    tx.execute(
        insert(settlement_run).values(
            pool=stamp.pool,
            run=run.run,
            through=run.through,
            fact_no=stamp.fact_no,
            settled_at=stamp.recorded_at,
            settled_by=run.settled_by,
            manner=run.manner,
            document_version=run.document_version,
        )
    )


def _is_beyond(tx: Connection, pool: str, merchant: Merchant) -> bool:
    """Whether a contract of the merchant says more than one rate of cash for all of his shops."""
    return any(
        each.own_terms is not None or each.shop is not None
        for each in contracts_of(tx, pool, merchant.merchant)
    )
