"""The pool's answer to a dispute: a refusal at once, an adjustment by two people.

One proposes what is adjusted, another approves it; then it is booked, as a new entry of that
day, so the merchant's next statement shows it, with the dispute's reason and statement.
"""

from dataclasses import dataclass
from typing import Self

from sqlalchemy import Connection, insert

from protocol.business_day import business_date
from protocol.money import format_yuan
from server.directory.accounts import POOL_FUND, merchant_account
from server.directory.queries import cut_off_hour
from server.facts import FactDesk, FactStamp
from server.facts.actors import same_person
from server.facts.refused import Refused
from server.ledger import Asset, EntryDraft, Leg, Posted, post
from server.settlement.disputes_store import dispute_of, disputes_of_statement
from server.settlement.disputes_values import (
    PROPOSALS_MAX,
    AnswerDispute,
    ApproveAdjustment,
    Dispute,
    ProposeAdjustment,
    Verdict,
)
from server.settlement.states import StatementMove
from server.settlement.states_keys import ADJUSTMENT_CODE, ADJUSTMENT_KEY, ADJUSTMENT_KIND
from server.settlement.states_rights import refuse_all_but_operators
from server.settlement.states_store import Placed, StateFault, move, placed_of
from server.settlement.states_tables import adjustment_proposal, dispute_answer
from server.settlement.states_values import SettlingDone, SettlingProblem

PROPOSED = "proposed"


@dataclass(frozen=True, slots=True)
class _Told:
    """What somebody answers to a dispute."""

    verdict: Verdict
    amount_fen: int
    reason: str

    @classmethod
    def by(cls, command: AnswerDispute) -> Self:
        return cls(command.verdict, command.amount_fen, command.reason)


def register(desk: FactDesk) -> None:
    """Makes the desk apply answers to disputes."""
    desk.register("answer_dispute", AnswerDispute, answer_dispute)
    desk.register("propose_adjustment", ProposeAdjustment, propose_adjustment)
    desk.register("approve_adjustment", ApproveAdjustment, approve_adjustment)


def answer_dispute(
    tx: Connection, stamp: FactStamp, command: AnswerDispute
) -> SettlingDone | Refused:
    """Refuse once. An adjustment is booked by one person, as it was when old logs were written;
    nobody can tell one any more (`propose_adjustment`), the facts stay replayable.

    After the last open dispute the statement is issued again, with a new deadline.
    Refused: who raised it for the merchant answers it himself, or the amount does not fit
    the verdict.
    """
    adjusted = command.verdict is Verdict.ADJUSTED
    found = _to_answer(tx, stamp, command.dispute, _Told.by(command))
    if not isinstance(found, Dispute):
        return found
    if adjusted != (command.amount_fen != 0):
        return _bad_amount()
    if found.on_behalf and same_person(found.raised_by, stamp.actor):
        return _same_person_raised()
    entry_no = None
    if adjusted:
        entry_no = _book(tx, stamp, found, command.amount_fen, command.reason)
    answer: dict[str, object] = {
        "verdict": command.verdict.value,
        "amount_fen": command.amount_fen,
        "reason": command.reason,
        "answered_by": stamp.actor,
        "approved_by": None,
    }
    return _answer(tx, stamp, found, answer, entry_no=entry_no)


def propose_adjustment(
    tx: Connection, stamp: FactStamp, command: ProposeAdjustment
) -> SettlingDone | Refused:
    """Propose an adjustment; a later proposal takes the place of an earlier one.

    Refused: who raised it for the merchant answers it himself, or there is no amount.
    """
    told = _Told(Verdict.ADJUSTED, command.amount_fen, command.reason)
    found = _to_answer(tx, stamp, command.dispute, told)
    if not isinstance(found, Dispute):
        return found
    if command.amount_fen == 0:
        return _bad_amount()
    if found.on_behalf and same_person(found.raised_by, stamp.actor):
        return _same_person_raised()
    return _propose(tx, stamp, command, found)


def approve_adjustment(
    tx: Connection, stamp: FactStamp, command: ApproveAdjustment
) -> SettlingDone | Refused:
    """Book the adjustment that was proposed last, and answer the dispute with it.

    Refused: nothing is proposed, something else than the approver saw, or he proposed it.
    """
    found = _open_to(tx, stamp, command.dispute)
    if isinstance(found, Refused):
        return found
    if found.answer is not None:
        same = (found.answer.approved_by, found.answer.amount_fen) == (
            stamp.actor,
            command.amount_fen,
        )
        if same:
            return SettlingDone(found.dispute, found.answer.verdict.value, again=True)
        return _answered(found)
    proposal = found.proposal
    if proposal is None:
        return Refused(
            SettlingProblem.WRONG_STATE,
            "还没有人提出调整，请先答复 / no adjustment is proposed; answer the dispute first",
        )
    if proposal.amount_fen != command.amount_fen:
        return Refused(
            SettlingProblem.CONFLICT,
            f"提出的调整是 {format_yuan(proposal.amount_fen)} 元，请看过再批准"
            f" / {format_yuan(proposal.amount_fen)} yuan is proposed; look at it and approve that",
        )
    if same_person(proposal.proposed_by, stamp.actor):
        return Refused(
            SettlingProblem.SAME_PERSON,
            "提出调整的人不能自己批准，请另一个人来批准"
            " / whoever proposed it cannot approve it; somebody else must",
        )
    entry_no = _book(tx, stamp, found, proposal.amount_fen, proposal.reason)
    answer = {
        "verdict": Verdict.ADJUSTED.value,
        "amount_fen": proposal.amount_fen,
        "reason": proposal.reason,
        "answered_by": proposal.proposed_by,
        "approved_by": stamp.actor,
    }
    return _answer(tx, stamp, found, answer, entry_no=entry_no)


def _open_to(tx: Connection, stamp: FactStamp, dispute: str) -> Dispute | Refused:
    refused = refuse_all_but_operators(tx, stamp.pool, stamp.actor)
    if refused is not None:
        return refused
    return dispute_of(tx, stamp.pool, dispute) or Refused(
        SettlingProblem.UNKNOWN_DISPUTE,
        f"没有这条异议：{dispute}，请核对编号 / no such dispute: {dispute}",
    )


def _to_answer(
    tx: Connection, stamp: FactStamp, dispute: str, told: _Told
) -> Dispute | SettlingDone | Refused:
    """The dispute, if it waits for an answer; else what the answer that it has makes of this."""
    found = _open_to(tx, stamp, dispute)
    if isinstance(found, Refused) or found.answer is None:
        return found
    answer = found.answer
    if _Told(answer.verdict, answer.amount_fen, answer.reason) == told:
        return SettlingDone(found.dispute, answer.verdict.value, again=True)
    return _answered(found)


def _propose(
    tx: Connection, stamp: FactStamp, command: ProposeAdjustment, found: Dispute
) -> SettlingDone | Refused:
    before = found.proposal
    number = 1 if before is None else before.proposal_no + 1
    if before is not None:
        same = (before.amount_fen, before.reason) == (command.amount_fen, command.reason)
        if same and same_person(before.proposed_by, stamp.actor):
            return SettlingDone(found.dispute, PROPOSED, again=True)
    if number > PROPOSALS_MAX:
        return Refused(
            SettlingProblem.CONFLICT,
            f"这条异议已提出 {PROPOSALS_MAX} 次调整，请批准或不同意"
            f" / {PROPOSALS_MAX} adjustments were proposed; approve one, or refuse",
        )
    tx.execute(
        insert(adjustment_proposal).values(
            pool=stamp.pool,
            dispute=found.dispute,
            proposal_no=number,
            amount_fen=command.amount_fen,
            reason=command.reason,
            proposed_by=stamp.actor,
            proposed_at=stamp.recorded_at,
            fact_no=stamp.fact_no,
        )
    )
    return SettlingDone(found.dispute, PROPOSED)


def _answer(
    tx: Connection,
    stamp: FactStamp,
    found: Dispute,
    answer: dict[str, object],
    *,
    entry_no: int | None,
) -> SettlingDone:
    tx.execute(
        insert(dispute_answer).values(
            **answer,
            pool=stamp.pool,
            dispute=found.dispute,
            answered_at=stamp.recorded_at,
            entry_no=entry_no,
            fact_no=stamp.fact_no,
        )
    )
    placed = _placed(tx, stamp, found)
    all_of_it = disputes_of_statement(tx, stamp.pool, placed.statement)
    if all(each.answer is not None for each in all_of_it):
        placed = move(tx, stamp, placed, StatementMove.ANSWER, says=found.dispute)
    return SettlingDone(found.dispute, placed.state.value)


def _placed(tx: Connection, stamp: FactStamp, found: Dispute) -> Placed:
    placed = placed_of(tx, stamp.pool, found.statement)
    if placed is None:
        raise StateFault(f"dispute {found.dispute}: its statement is gone")
    return placed


def _book(tx: Connection, stamp: FactStamp, found: Dispute, amount_fen: int, reason: str) -> int:
    owed = merchant_account(_placed(tx, stamp, found).merchant)
    debit, credit = (POOL_FUND, owed) if amount_fen > 0 else (owed, POOL_FUND)
    draft = EntryDraft(
        key=ADJUSTMENT_KEY + found.dispute,
        kind=ADJUSTMENT_KIND,
        occurred_at=stamp.recorded_at,
        business_date=business_date(stamp.recorded_at, cut_off_hour(tx, stamp.pool)),
        legs=(Leg(Asset.FEN, ADJUSTMENT_CODE, debit, credit, abs(amount_fen)),),
        memo=reason,
    )
    posted = post(tx, stamp.pool, draft, recorded_at=stamp.recorded_at, fact_no=stamp.fact_no)
    if not isinstance(posted, Posted):
        raise StateFault(f"{draft.key}: {posted}")
    return posted.entry_no


def _answered(found: Dispute) -> Refused:
    answer = found.answer
    assert answer is not None, found
    return Refused(
        SettlingProblem.CONFLICT,
        f"异议 {found.dispute} 已由 {answer.answered_by} 答复，不能再改；有差错请在下一期调整"
        f" / {found.dispute} was answered by {answer.answered_by}; that answer stands",
    )


def _bad_amount() -> Refused:
    return Refused(
        SettlingProblem.BAD_AMOUNT,
        "调整要写金额，不同意则金额为 0 / an adjustment has an amount, a refusal has none",
    )


def _same_person_raised() -> Refused:
    return Refused(
        SettlingProblem.SAME_PERSON,
        "代商户提出异议的人不能自己答复，请另一个人来答复"
        " / whoever raised it for the merchant cannot answer it; somebody else must",
    )
