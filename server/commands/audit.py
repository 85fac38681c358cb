"""The audit: every invariant of the books, held against a live database at one snapshot."""

import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from msgspec import MsgspecError
from sqlalchemy import Connection, Table

from server.commands.audit_clearing import check_clearing
from server.commands.audit_money import check_money
from server.commands.audit_orders import check_order_money, check_orders
from server.commands.audit_payments import check_payments
from server.commands.audit_points import check_points
from server.commands.audit_reach import check_reach
from server.commands.audit_records import check_chains, check_outcomes
from server.commands.audit_replay import check_replay, count_rows
from server.commands.audit_statements import check_statements
from server.commands.audit_stock import check_stock
from server.commands.audit_values import Counter, Finding, Progress, keep
from server.db.paging import Tick
from server.db.violation import Violation
from server.directory.tables import sign_in, terminal
from server.facts import FactDesk, FactFault
from server.facts.tables import fact
from server.ledger import LedgerFault
from server.ledger.check import (
    check_floors,
    check_holds,
    check_numbers,
    check_sides,
    check_sums,
)
from server.ledger.rolling import check_rollups
from server.ledger.tables import account, entry, hold, transfer
from server.redemption.tables import journal_record, refund, sale, stock_level
from server.settlement.day_sums_tables import statement_line
from server.settlement.figures import SettlementFault
from server.settlement.states_tables import payment_move, statement_move

# What a check may stumble over when rows say what no program ever wrote into them.
_BROKEN_ROWS = (
    ValueError,
    LookupError,
    TypeError,
    AssertionError,
    MsgspecError,
    LedgerFault,
    FactFault,
    SettlementFault,
)


@dataclass(frozen=True, slots=True)
class _Check:
    """An invariant in one sentence, the tables whose rows are counted, and what checks it."""

    invariant: str
    says: str
    counted: tuple[Table, ...]
    run: Callable[[Connection, str, Tick], Iterable[Violation]]


def _sums(tx: Connection, pool: str, tick: Tick) -> Iterable[Violation]:
    yield from check_sums(tx, pool, tick)
    yield from check_numbers(tx, pool)
    yield from check_rollups(tx, pool)
    yield from check_stock(tx, pool, tick)


def _outcomes(tx: Connection, pool: str, tick: Tick) -> Iterable[Violation]:
    yield from check_outcomes(tx, pool, tick)
    yield from check_orders(tx, pool)


def _money(tx: Connection, pool: str, tick: Tick) -> Iterable[Violation]:
    yield from check_money(tx, pool, tick)
    yield from check_order_money(tx, pool)


def _clearing(tx: Connection, pool: str, tick: Tick) -> Iterable[Violation]:
    yield from check_clearing(tx, pool, tick)
    yield from check_payments(tx, pool, tick)


_RECORDS = (journal_record, sale, refund, entry)
_CHECKS = (
    _Check("I1", "借贷相等 / debits equal credits", (account,), check_sides),
    _Check(
        "I2", "余额等于流水之和 / balances are the fold of transfers", (account, stock_level), _sums
    ),
    _Check("I3", "居民余额从不为负 / no resident ever below zero", (account,), check_floors),
    _Check("I4", "每笔销售只有一个结果 / one outcome for each sale", _RECORDS, _outcomes),
    _Check(
        "I5", "终端流水连续且链完整 / chains gapless and whole", (journal_record,), check_chains
    ),
    _Check("I6", "预留只了结一次 / a hold resolves once", (hold,), check_holds),
    _Check("I7", "积分补偿分毫不差 / points are worth what the rule says", (sale,), _money),
    _Check(
        "I8", "每笔账恰在一份对账单 / in exactly one statement", (statement_line,), check_statements
    ),
    _Check(
        "I9",
        "过渡科目结清 / clearing accounts come out even",
        (transfer, payment_move, statement_move),
        _clearing,
    ),
    _Check(
        "I11",
        "积分总量守恒 / points add up",
        (account,),
        check_points,
    ),
    _Check(
        "I12",
        "商户只见自己的账 / a merchant reaches his own rows only",
        (sale, refund, statement_line, terminal, sign_in),
        check_reach,
    ),
)
_REPLAY_SAYS = "重放事实得到同样的账 / replaying the facts gives the same books"

INVARIANTS = tuple(f"I{number}" for number in range(1, 13))


def _nobody(_progress: Progress) -> None:
    pass


def run_audit(
    tx: Connection,
    pool: str,
    make_desk: Callable[[], FactDesk],
    *,
    only: Collection[str] = INVARIANTS,
    tell: Callable[[Progress], None] = _nobody,
    monotonic: Callable[[], float] = time.monotonic,
) -> tuple[Finding, ...]:
    """I1 to I12 of one pool (or ``only`` some), in that order, at the snapshot that ``tx`` sees.

    Memory stays bounded however large the books are: tables are read in pages or as a stream,
    and the database folds. I10 replays the whole fact log into a scratch database on this
    machine's disk, so it takes the longest. ``tell`` hears how far each check is.
    """
    checks = {check.invariant: check for check in _CHECKS}
    checks["I10"] = _Check(
        "I10",
        _REPLAY_SAYS,
        (fact,),
        lambda tx, pool, tick: check_replay(tx, pool, make_desk, tick),
    )
    return tuple(
        _held(tx, pool, checks[invariant], tell, monotonic)
        for invariant in INVARIANTS
        if invariant in only
    )


def _held(
    tx: Connection,
    pool: str,
    check: _Check,
    tell: Callable[[Progress], None],
    monotonic: Callable[[], float],
) -> Finding:
    began = monotonic()
    there = sum(count_rows(tx, table, pool) for table in check.counted)
    counter = Counter(check.invariant, there, tell)
    stopped: list[str] = []
    broken, kept = keep(_until_stopped(check.run(tx, pool, counter.tick), stopped))
    return Finding(
        invariant=check.invariant,
        says=check.says,
        there=there,
        checked=counter.checked,
        broken=broken,
        violations=kept,
        took_ms=round((monotonic() - began) * 1_000),
        stopped=stopped[0] if stopped else None,
    )


def _until_stopped(found: Iterable[Violation], stopped: list[str]) -> Iterable[Violation]:
    """What a check finds, also when rows are so broken that it cannot go on."""
    try:
        yield from found
    except _BROKEN_ROWS as fault:
        stopped.append(f"{type(fault).__name__}: {fault}")
