"""A merchant finds something wrong, and says so; the answer is in `adjusting`.

What was issued is never edited.
"""

from sqlalchemy import Connection, insert, select

from server.facts import FactDesk, FactStamp
from server.facts.refused import Refused, stands_for_another
from server.ledger import entry_of, transfers_of_entry
from server.settlement.day_sums_tables import placed_line
from server.settlement.disputes_store import dispute_of, disputes_of_statement
from server.settlement.disputes_values import (
    DISPUTES_MAX,
    Dispute,
    RaiseDispute,
)
from server.settlement.free import free_of
from server.settlement.statements import statement_named
from server.settlement.states import StatementMove, StatementState
from server.settlement.states_commands import reachable
from server.settlement.states_store import Placed, move, wrong_state
from server.settlement.states_tables import dispute as dispute_table
from server.settlement.states_values import SettlingDone, SettlingProblem


def register(desk: FactDesk) -> None:
    """Makes the desk apply disputes."""
    desk.register("raise_dispute", RaiseDispute, raise_dispute)


def raise_dispute(
    tx: Connection, stamp: FactStamp, command: RaiseDispute
) -> SettlingDone | Refused:
    """Keep a dispute; the statement waits for its answer.

    Refused: the statement is not the merchant's, is confirmed already, has no such line, or
    that line was disputed before.
    """
    placed = reachable(tx, stamp, command.statement, on_behalf=command.on_behalf)
    if isinstance(placed, Refused):
        return placed
    before = dispute_of(tx, stamp.pool, command.dispute)
    if before is not None:
        return _raised_before(before, stamp, command, placed)
    if placed.state not in {StatementState.ISSUED, StatementState.DISPUTED}:
        return wrong_state(
            placed,
            zh="确认以后不能再提异议，请联系街道，差错在下一期对账单提出",
            en="it was confirmed; ask the street office, and dispute the next statement",
        )
    refused = _line_problem(tx, stamp.pool, command, placed)
    if refused is not None:
        return refused
    tx.execute(
        insert(dispute_table).values(
            pool=stamp.pool,
            dispute=command.dispute,
            statement=command.statement,
            line=command.line,
            reason=command.reason,
            on_behalf=command.on_behalf,
            raised_by=stamp.actor,
            raised_at=stamp.recorded_at,
            fact_no=stamp.fact_no,
        )
    )
    placed = move(tx, stamp, placed, StatementMove.DISPUTE, says=command.dispute)
    return SettlingDone(command.dispute, placed.state.value)


def _raised_before(
    before: Dispute, stamp: FactStamp, command: RaiseDispute, placed: Placed
) -> SettlingDone | Refused:
    was = (before.statement, before.line, before.reason, before.on_behalf, before.raised_by)
    asked = (
        command.statement,
        command.line,
        command.reason,
        command.on_behalf,
        stamp.actor,
    )
    if was == asked:
        return SettlingDone(before.dispute, placed.state.value, again=True)
    # Another statement may be another merchant's, whose words are not for everybody.
    stands = was if before.statement == command.statement else ("另一份对账单 another statement",)
    says = stands_for_another(("异议编号", "dispute"), before.dispute, stands=stands, asked=asked)
    return Refused(SettlingProblem.CONFLICT, says)


def _line_problem(
    tx: Connection, pool: str, command: RaiseDispute, placed: Placed
) -> Refused | None:
    before = disputes_of_statement(tx, pool, placed.statement)
    if any(each.line == command.line for each in before):
        return Refused(
            SettlingProblem.CONFLICT,
            "这一行已经提过异议，请等答复或看答复 / this line was disputed before; see its answer",
        )
    if len(before) >= DISPUTES_MAX:
        return Refused(
            SettlingProblem.CONFLICT,
            f"一份对账单最多 {DISPUTES_MAX} 条异议，其余请对整份提出"
            f" / {DISPUTES_MAX} disputes at most; dispute the statement as a whole",
        )
    if command.line and not (
        _stands_on(tx, pool, command.line, placed.statement)
        or _is_free_on(tx, pool, command.line, placed.statement)
    ):
        return Refused(
            SettlingProblem.UNKNOWN_LINE,
            f"对账单上没有这一行：{command.line}，请从明细里选 / no such line; take one of the list",
        )
    return None


def _is_free_on(tx: Connection, pool: str, line: str, statement: str) -> bool:
    """Whether the line moved neither points nor money, and so stands there in no entry."""
    made = statement_named(tx, pool, statement)
    return made is not None and any(each.key == line for each in free_of(tx, pool, made))


def _stands_on(tx: Connection, pool: str, line: str, statement: str) -> bool:
    entry = entry_of(tx, pool, line)
    if entry is None:
        return False
    numbers = [each.transfer_no for each in transfers_of_entry(tx, pool, entry.entry_no)]
    placed = select(placed_line.c.statement).where(
        placed_line.c.pool == pool,
        placed_line.c.transfer_no.in_(numbers),
        placed_line.c.statement == statement,
    )
    return tx.execute(placed.limit(1)).first() is not None
