"""Closing a period merchant by merchant: opened, one fact for some merchants each, closed.

Everything that facts before the opening booked is in the run, whenever its statements are made;
what comes later is late for it. Interrupted anywhere, the same commands again go on where it
stopped. A merchant who traded without a contract is left open alone, and settled when asked again.
Several merchants go into one fact because a commit costs as much as a statement; one of them who
cannot be settled stands in nobody's way.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

from msgspec import Struct
from sqlalchemy import Connection, insert
from sqlalchemy.exc import IntegrityError

from server.directory.queries import cut_off_hour, merchants, merchants_named
from server.directory.values import Merchant
from server.facts import FactDesk, FactStamp, Outcome
from server.settlement import tables as t
from server.settlement.day_sums import sum_all, sum_before
from server.settlement.drafts import Draft, drafts_of, merchants_with_periods
from server.settlement.figures import SettlementFault
from server.settlement.issue import issue
from server.settlement.refusals import (
    merchant_lacks,
    no_contract,
    run_is_taken,
    too_many,
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
    DOCUMENT_VERSION,
    CloseRun,
    LeftOpen,
    MerchantSettled,
    MerchantsSettled,
    OpenRun,
    RunClosed,
    RunOpened,
    SettleMerchant,
    SettleMerchants,
    SettleRefused,
)

T = TypeVar("T")

MERCHANTS_AT_ONCE = 50
"""Merchants that a run settles by one command: while it is applied, sales wait."""
MERCHANTS_AT_MOST = 200
"""Merchants that one command may name."""
_EVERY_FACT = 2**62
_ONE_MERCHANTS = (SettlementFault, IntegrityError)
"""Faults that come of one merchant's books, and not of the database as a whole."""


def register(desk: FactDesk) -> None:
    """Makes the desk apply runs."""
    desk.register("open_run", OpenRun, open_run)
    desk.register("settle_merchant", SettleMerchant, settle_merchant)
    desk.register("settle_merchants", SettleMerchants, settle_merchants)
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
        return run_is_taken(taken.run, taken.through, command.through)
    version = command.document_version
    assert 1 <= version <= DOCUMENT_VERSION, f"no version of statements: {version}"
    opened_by = command.opened_by
    run = Run(command.run, command.through, stamp.fact_no, opened_by, BY_MERCHANT, version)
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
    settled = _settle(tx, stamp, command.run, [command.merchant])
    return settled if isinstance(settled, SettleRefused) else settled[0]


def settle_merchants(
    tx: Connection, stamp: FactStamp, command: SettleMerchants
) -> MerchantsSettled | SettleRefused:
    """Make these merchants' statements, as :func:`settle_merchant` each merchant's. One who is
    refused has his refusal, and the others their statements.
    """
    names = list(dict.fromkeys(command.merchants))
    if len(names) > MERCHANTS_AT_MOST:
        return too_many(len(names), MERCHANTS_AT_MOST)
    settled = _settle(tx, stamp, command.run, names)
    if isinstance(settled, SettleRefused):
        return settled
    return MerchantsSettled(command.run, tuple(settled))


def _settle(
    tx: Connection, stamp: FactStamp, name: str, names: Sequence[str]
) -> list[MerchantSettled | SettleRefused] | SettleRefused:
    run = run_named(tx, stamp.pool, name)
    if run is None:
        return unknown_run(name)
    known = merchants_named(tx, stamp.pool, names)
    sum_before(tx, stamp.pool, run.fact_no)
    whose = [known[each] for each in names if each in known]
    drafted = drafts_of(tx, stamp.pool, run, whose, cut_off_hour(tx, stamp.pool))
    by_merchant = {each.merchant.merchant: each.found for each in drafted}
    new = [found for found in by_merchant.values() if not isinstance(found, LeftOpen)]
    issue(tx, stamp, [each for found in new for each in found])
    outcomes: list[MerchantSettled | SettleRefused] = []
    for merchant in names:
        if merchant not in known:
            outcomes.append(unknown_merchant(merchant))
            continue
        found = by_merchant[merchant]
        if isinstance(found, LeftOpen):
            outcomes.append(no_contract(found, known[merchant].name))
        elif found:
            made = tuple(each.statement for each in found)
            outcomes.append(MerchantSettled(run.run, merchant, made, again=False))
        else:
            there = statements_of(tx, stamp.pool, merchant=merchant, run=run.run)
            made = tuple(each.statement for each in reversed(there))
            outcomes.append(MerchantSettled(run.run, merchant, made, again=True))
    return outcomes


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
    for some in _portions(merchants_with_periods(tx, stamp.pool, run, hour)):
        for each in drafts_of(tx, stamp.pool, run, some, hour):
            if not isinstance(each.found, LeftOpen):
                return merchant_lacks(each.merchant.merchant, run.through)
            left.append(each.found)
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
    if merchant is None:
        whose = sorted(merchants(tx, pool), key=lambda each: each.merchant)
    else:
        whose = list(merchants_named(tx, pool, [merchant]).values())
    for some in _portions(whose):
        for each in drafts_of(tx, pool, run, some, hour):
            if isinstance(each.found, LeftOpen):
                yield Preview(each.merchant, (), each.found)
            elif each.found:
                yield Preview(each.merchant, tuple(each.found), None)


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
    """Settles these merchants in their order, some by each command.

    ``submit`` hands one command in and commits. A merchant who is refused is told and passed by.
    One whose books are at fault is passed by as well, and told at the end: the others of his
    command are settled one by one.

    Raises:
        SettlementFault, IntegrityError: the first merchant's who is at fault, at the end.
    """
    number, fault = 0, None
    for some in _portions(names):
        outcomes: Sequence[Outcome | Exception] = _settle_some(submit, run, some)
        for name, outcome in zip(some, outcomes, strict=True):
            number += 1
            if isinstance(outcome, Exception):
                fault = fault or outcome
                continue
            assert isinstance(outcome, MerchantSettled | SettleRefused), outcome
            yield Progress(number, len(names), name, outcome)
    if fault is not None:
        raise fault


def _settle_some(
    submit: Callable[[Struct], Outcome], run: str, names: Sequence[str]
) -> Sequence[Outcome | Exception]:
    if len(names) > 1:
        with suppress(*_ONE_MERCHANTS):
            settled = submit(SettleMerchants(run=run, merchants=tuple(names)))
            if isinstance(settled, MerchantsSettled):
                return settled.outcomes
    return [_settle_one(submit, SettleMerchant(run=run, merchant=name)) for name in names]


def _settle_one(
    submit: Callable[[Struct], Outcome], command: SettleMerchant
) -> Outcome | Exception:
    try:
        return submit(command)
    except _ONE_MERCHANTS as fault:
        return fault


def _portions(whole: Sequence[T]) -> Iterator[Sequence[T]]:
    for first in range(0, len(whole), MERCHANTS_AT_ONCE):
        yield whole[first : first + MERCHANTS_AT_ONCE]


def merchants_due(tx: Connection, pool: str, run: str) -> list[str]:
    """Who has a period that the run closes and no statement of it yet, in order."""
    found = run_named(tx, pool, run)
    if found is None:
        return []
    hour = cut_off_hour(tx, pool)
    return [each.merchant for each in merchants_with_periods(tx, pool, found, hour)]
