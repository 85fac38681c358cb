"""The audit: every invariant of the books, held against a live database at one snapshot."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, Table

from server.commands.audit_points import check_points
from server.commands.audit_replay import check_replay, count_rows
from server.commands.audit_sales import check_chains, check_money, check_outcomes
from server.commands.audit_statements import check_statements
from server.commands.audit_stock import check_stock
from server.commands.audit_values import Finding, finding
from server.db.violation import Violation
from server.facts import FactDesk
from server.facts.tables import fact
from server.ledger.check import (
    check_floors,
    check_holds,
    check_numbers,
    check_sides,
    check_sums,
)
from server.ledger.tables import account, hold, transfer
from server.redemption.tables import journal_record, sale
from server.settlement.tables import statement_line


@dataclass(frozen=True, slots=True)
class _Check:
    """An invariant in one sentence, the table whose rows are counted, and what checks it."""

    invariant: str
    says: str
    counted: Table
    run: Callable[[Connection, str], Iterable[Violation]]


def _sums(tx: Connection, pool: str) -> Iterable[Violation]:
    yield from check_sums(tx, pool)
    yield from check_numbers(tx, pool)
    yield from check_stock(tx, pool)


_CHECKS = (
    _Check("I1", "借贷相等 / debits equal credits", transfer, check_sides),
    _Check("I2", "余额等于流水之和 / balances are the fold of transfers", account, _sums),
    _Check("I3", "居民余额从不为负 / no resident ever below zero", transfer, check_floors),
    _Check("I4", "每笔销售只有一个结果 / one outcome for each sale", sale, check_outcomes),
    _Check("I5", "终端流水连续且链完整 / chains gapless and whole", journal_record, check_chains),
    _Check("I6", "预留只了结一次 / a hold resolves once", hold, check_holds),
    _Check("I7", "积分补偿分毫不差 / points are worth what the rule says", sale, check_money),
    _Check(
        "I8", "每笔账恰在一份对账单 / in exactly one statement", statement_line, check_statements
    ),
    _Check("I11", "积分总量守恒 / points add up", account, check_points),
)


def run_audit(tx: Connection, pool: str, make_desk: Callable[[], FactDesk]) -> tuple[Finding, ...]:
    """I1 to I8, I10 and I11 of one pool, in that order, at the snapshot that ``tx`` sees.

    I10 replays the whole fact log into a scratch database, so it takes the longest.
    """
    found = [
        finding(
            check.invariant,
            check.says,
            count_rows(tx, check.counted, pool),
            check.run(tx, pool),
        )
        for check in _CHECKS
    ]
    replayed = finding(
        "I10",
        "重放事实得到同样的账 / replaying the facts gives the same books",
        count_rows(tx, fact, pool),
        check_replay(tx, pool, make_desk),
    )
    return (*found[:-1], replayed, found[-1])
