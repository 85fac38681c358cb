"""Closing a period merchant by merchant: opened, one fact for each merchant, closed.

Everything that facts before the opening booked is in the run, whenever its statements are made;
what comes later is late for it. Interrupted anywhere, the same commands again go on where it
stopped. A merchant who traded without a contract is left open alone, and settled when asked again.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from msgspec import Struct
from sqlalchemy import Connection, insert

from server.directory.queries import cut_off_hour, merchant_of, merchants
from server.directory.values import Merchant
from server.facts import FactDesk, FactStamp, Outcome
from server.settlement import tables as t
from server.settlement.day_sums import sum_all, sum_before
from server.settlement.drafts import Draft, drafts, merchants_with_periods
from server.settlement.issue import issue
from server.settlement.refusals import (
    merchant_lacks,
    no_contract,
    run_is_taken,
    unknown_merchant,
    unknown_run,
)
from server.settlement.settle import refuse_day, write_run
from server.settlement.statements import (
    BY_MERCHANT,
    Run,
    is_closed,
    left_open_of,
    run_named,
    run_through,
    statements_of,
)
from server.settlement.values import (
    CloseRun,
    LeftOpen,
    MerchantSettled,
    OpenRun,
    RunClosed,
    RunOpened,
    SettleMerchant,
    SettleRefused,
)

_EVERY_FACT = 2**62


def register(desk: FactDesk) -> None:
    """Makes the desk apply runs."""
    desk.register("open_run", OpenRun, open_run)
    desk.register("settle_merchant", SettleMerchant, settle_merchant)
    desk.register("close_run", CloseRun, close_run)


def open_run(tx: Connection, stamp: FactStamp, command: OpenRun) -> RunOpened | SettleRefused:
    """Open a run through a day; whoever opens the same day again gets the run that is there.

    Refused: a day that is not over, a day before one that is settled already, and any day while
    an earlier run is not closed.
    """
    done = run_through(tx, stamp.pool, command.through)
    if done is not None:
        closed = is_closed(tx, stamp.pool, done)
        return RunOpened(done.run, done.through, again=True, is_closed=closed)
    refused = refuse_day(tx, stamp, command.through, cut_off_hour(tx, stamp.pool))
    if refused is not None:
        return refused
    taken = run_named(tx, stamp.pool, command.run)
    if taken is not None:
        return run_is_taken(taken.run, taken.through)
    run = Run(command.run, command.through, stamp.fact_no, command.opened_by, BY_MERCHANT)
    sum_all(tx, stamp.pool)
    write_run(tx, stamp, run)
    return RunOpened(run.run, run.through, again=False, is_closed=False)


def settle_merchant(
    tx: Connection, stamp: FactStamp, command: SettleMerchant
) -> MerchantSettled | SettleRefused:
    """Make the statements of the merchant's periods that have ended by the run's day.

    Again: the statements that the run made of him, and nothing is written. Refused: he traded on
    a day without a contract.
    """
    run = run_named(tx, stamp.pool, command.run)
    if run is None:
        return unknown_run(command.run)
    merchant = merchant_of(tx, stamp.pool, command.merchant)
    if merchant is None:
        return unknown_merchant(command.merchant)
    sum_before(tx, stamp.pool, run.fact_no)
    found = drafts(tx, stamp.pool, run, merchant, cut_off_hour(tx, stamp.pool))
    if isinstance(found, LeftOpen):
        return no_contract(found, merchant.name)
    if not found:
        made = statements_of(tx, stamp.pool, merchant=merchant.merchant, run=run.run)
        names = tuple(each.statement for each in reversed(made))
        return MerchantSettled(run.run, merchant.merchant, names, again=True)
    names = tuple(issue(tx, stamp, each) for each in found)
    return MerchantSettled(run.run, merchant.merchant, names, again=False)


def close_run(tx: Connection, stamp: FactStamp, command: CloseRun) -> RunClosed | SettleRefused:
    """Close a run of which nobody is left but merchants who traded without a contract.

    Refused: somebody else has no statement yet.
    """
    run = run_named(tx, stamp.pool, command.run)
    if run is None:
        return unknown_run(command.run)
    if is_closed(tx, stamp.pool, run):
        return RunClosed(run.run, left_open_of(tx, stamp.pool, run.run), again=True)
    hour = cut_off_hour(tx, stamp.pool)
    left: list[LeftOpen] = []
    for merchant in merchants_with_periods(tx, stamp.pool, run, hour):
        found = drafts(tx, stamp.pool, run, merchant, hour)
        if not isinstance(found, LeftOpen):
            return merchant_lacks(merchant.merchant, run.through)
        left.append(found)
    own = {"pool": stamp.pool, "run": run.run}
    tx.execute(
        insert(t.settlement_close).values(
            **own,
            fact_no=stamp.fact_no,
            closed_at=stamp.recorded_at,
            closed_by=command.closed_by,
        )
    )
    if left:
        tx.execute(
            insert(t.left_open),
            [own | {"merchant": each.merchant, "day": each.day} for each in left],
        )
    return RunClosed(run.run, tuple(left), again=False)


@dataclass(frozen=True, slots=True)
class Preview:
    """What a run would make of one merchant; ``left`` where he lacks a contract."""

    merchant: Merchant
    drafts: tuple[Draft, ...]
    left: LeftOpen | None


def preview(
    tx: Connection, pool: str, through: date, *, merchant: str | None = None
) -> Iterator[Preview]:
    """What a run through a day would make of what is summed so far (of one merchant), in the
    order of merchants; nothing is written. The day may be one that is not over.

    Whoever shows it sums up first (:func:`server.settlement.day_sums.sum_up`).
    """
    run = run_through(tx, pool, through) or Run("", through, _EVERY_FACT, "", BY_MERCHANT)
    hour = cut_off_hour(tx, pool)
    for each in sorted(merchants(tx, pool), key=lambda each: each.merchant):
        if merchant is not None and each.merchant != merchant:
            continue
        found = drafts(tx, pool, run, each, hour)
        if isinstance(found, LeftOpen):
            yield Preview(each, (), found)
        elif found:
            yield Preview(each, tuple(found), None)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: the merchant's number, of how many, and what became of him."""

    number: int
    of: int
    merchant: str
    outcome: MerchantSettled | SettleRefused


def drive(
    submit: Callable[[Struct], Outcome], run: str, names: Sequence[str]
) -> Iterator[Progress]:
    """Settles these merchants one after the other, each by a command of his own.

    ``submit`` hands one command in and commits. A merchant who is refused is told and passed by.
    """
    for number, name in enumerate(names, start=1):
        outcome = submit(SettleMerchant(run=run, merchant=name))
        assert isinstance(outcome, MerchantSettled | SettleRefused), outcome
        yield Progress(number, len(names), name, outcome)


def merchants_due(tx: Connection, pool: str, run: str) -> list[str]:
    """Who has a period that the run closes and no statement of it yet, in order."""
    found = run_named(tx, pool, run)
    if found is None:
        return []
    hour = cut_off_hour(tx, pool)
    return [each.merchant for each in merchants_with_periods(tx, pool, found, hour)]
