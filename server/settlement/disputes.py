"""A merchant finds something wrong; the pool answers with an adjustment or a refusal.

What was issued is never edited. An adjustment is a new entry of the day on which it was given,
so the merchant's next statement shows it, with the dispute's reason and statement.
"""

from sqlalchemy import Connection, insert, select

from protocol.business_day import business_date
from server.directory.accounts import POOL_FUND, merchant_account
from server.directory.queries import cut_off_hour
from server.facts import FactDesk, FactStamp
from server.facts.refused import Refused
from server.ledger import Asset, EntryDraft, Leg, Posted, entry_of, post, transfers_of_entry
from server.settlement.day_sums_tables import placed_line
from server.settlement.disputes_store import dispute_of, disputes_of_statement
from server.settlement.disputes_values import (
    DISPUTES_MAX,
    AnswerDispute,
    Dispute,
    RaiseDispute,
    Verdict,
)
from server.settlement.states import StatementMove, StatementState
from server.settlement.states_commands import reachable
from server.settlement.states_keys import ADJUSTMENT_CODE, ADJUSTMENT_KEY, ADJUSTMENT_KIND
from server.settlement.states_rights import refuse_all_but_operators, same_person
from server.settlement.states_store import Placed, StateFault, move, placed_of, wrong_state
from server.settlement.states_tables import dispute as dispute_table
from server.settlement.states_tables import dispute_answer
from server.settlement.states_values import SettlingDone, SettlingProblem


def register(desk: FactDesk) -> None:
    """Makes the desk apply disputes and their answers."""
    desk.register("raise_dispute", RaiseDispute, raise_dispute)
    desk.register("answer_dispute", AnswerDispute, answer_dispute)


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


def answer_dispute(
    tx: Connection, stamp: FactStamp, command: AnswerDispute
) -> SettlingDone | Refused:
    """Answer once. After the last open dispute the statement is issued again, with a new deadline.

    Refused: who raised it for the merchant answers it himself, or the amount does not fit
    the verdict.
    """
    refused = refuse_all_but_operators(tx, stamp.pool, stamp.actor)
    if refused is not None:
        return refused
    found = dispute_of(tx, stamp.pool, command.dispute)
    if found is None:
        return Refused(
            SettlingProblem.UNKNOWN_DISPUTE,
            f"没有这条异议：{command.dispute}，请核对编号 / no such dispute: {command.dispute}",
        )
    if found.answer is not None:
        return _answered_before(found, command)
    if (command.verdict is Verdict.ADJUSTED) != (command.amount_fen != 0):
        return Refused(
            SettlingProblem.BAD_AMOUNT,
            "调整要写金额，不同意则金额为 0 / an adjustment has an amount, a refusal has none",
        )
    if found.on_behalf and same_person(found.raised_by, stamp.actor):
        return Refused(
            SettlingProblem.SAME_PERSON,
            "代商户提出异议的人不能自己答复，请另一个人来答复"
            " / whoever raised it for the merchant cannot answer it; somebody else must",
        )
    placed = placed_of(tx, stamp.pool, found.statement)
    if placed is None:
        raise StateFault(f"dispute {found.dispute}: its statement is gone")
    entry_no = None
    if command.verdict is Verdict.ADJUSTED:
        entry_no = _book(tx, stamp, command, placed.merchant)
    tx.execute(
        insert(dispute_answer).values(
            pool=stamp.pool,
            dispute=command.dispute,
            verdict=command.verdict.value,
            amount_fen=command.amount_fen,
            reason=command.reason,
            answered_by=stamp.actor,
            answered_at=stamp.recorded_at,
            entry_no=entry_no,
            fact_no=stamp.fact_no,
        )
    )
    all_of_it = disputes_of_statement(tx, stamp.pool, placed.statement)
    if all(each.answer is not None for each in all_of_it):
        placed = move(tx, stamp, placed, StatementMove.ANSWER, says=command.dispute)
    return SettlingDone(command.dispute, placed.state.value)


def _book(tx: Connection, stamp: FactStamp, command: AnswerDispute, merchant: str) -> int:
    owed = merchant_account(merchant)
    debit, credit = (POOL_FUND, owed) if command.amount_fen > 0 else (owed, POOL_FUND)
    draft = EntryDraft(
        key=ADJUSTMENT_KEY + command.dispute,
        kind=ADJUSTMENT_KIND,
        occurred_at=stamp.recorded_at,
        business_date=business_date(stamp.recorded_at, cut_off_hour(tx, stamp.pool)),
        legs=(Leg(Asset.FEN, ADJUSTMENT_CODE, debit, credit, abs(command.amount_fen)),),
        memo=command.reason,
    )
    posted = post(tx, stamp.pool, draft, recorded_at=stamp.recorded_at, fact_no=stamp.fact_no)
    if not isinstance(posted, Posted):
        raise StateFault(f"{draft.key}: {posted}")
    return posted.entry_no


def _raised_before(
    before: Dispute, stamp: FactStamp, command: RaiseDispute, placed: Placed
) -> SettlingDone | Refused:
    same = (before.statement, before.line, before.reason, before.on_behalf, before.raised_by) == (
        command.statement,
        command.line,
        command.reason,
        command.on_behalf,
        stamp.actor,
    )
    if same:
        return SettlingDone(before.dispute, placed.state.value, again=True)
    return Refused(
        SettlingProblem.CONFLICT,
        f"异议编号 {before.dispute} 已用于另一条，请换一个"
        f" / {before.dispute} stands for another dispute already",
    )


def _answered_before(found: Dispute, command: AnswerDispute) -> SettlingDone | Refused:
    answer = found.answer
    assert answer is not None, found
    same = (answer.verdict, answer.amount_fen, answer.reason) == (
        command.verdict,
        command.amount_fen,
        command.reason,
    )
    if same:
        return SettlingDone(found.dispute, answer.verdict.value, again=True)
    return Refused(
        SettlingProblem.CONFLICT,
        f"异议 {found.dispute} 已由 {answer.answered_by} 答复，不能再改；有差错请在下一期调整"
        f" / {found.dispute} was answered by {answer.answered_by}; that answer stands",
    )


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
    if command.line and not _stands_on(tx, pool, command.line, placed.statement):
        return Refused(
            SettlingProblem.UNKNOWN_LINE,
            f"对账单上没有这一行：{command.line}，请从明细里选 / no such line; take one of the list",
        )
    return None


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
