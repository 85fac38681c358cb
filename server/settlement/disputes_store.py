"""Reading disputes with their answers; the commands are in `disputes`."""

from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, func, select

from server.settlement.disputes_values import Dispute, DisputeAnswer, Proposal, Verdict
from server.settlement.states_keys import ADJUSTMENT_KEY
from server.settlement.states_tables import adjustment_proposal, dispute_answer
from server.settlement.states_tables import dispute as dispute_table


def dispute_of(tx: Connection, pool: str, name: str) -> Dispute | None:
    """The dispute of this id with its answer, or None."""
    found = _disputes(tx, pool, dispute_table.c.dispute == name)
    return found[0] if found else None


def disputes_of_statement(tx: Connection, pool: str, statement: str) -> list[Dispute]:
    """Every dispute about a statement, in the order in which they were raised."""
    return _disputes(tx, pool, dispute_table.c.statement == statement)


def open_disputes(tx: Connection, pool: str) -> list[Dispute]:
    """Every dispute of the pool that waits for an answer, the oldest first."""
    return _disputes(tx, pool, dispute_answer.c.dispute.is_(None))


def _disputes(tx: Connection, pool: str, which: ColumnElement[bool]) -> list[Dispute]:
    newest = (
        select(func.max(adjustment_proposal.c.proposal_no))
        .where(
            adjustment_proposal.c.pool == dispute_table.c.pool,
            adjustment_proposal.c.dispute == dispute_table.c.dispute,
        )
        .correlate(dispute_table)
        .scalar_subquery()
    )
    rows = tx.execute(
        select(
            dispute_table,
            dispute_answer.c.verdict,
            dispute_answer.c.amount_fen,
            dispute_answer.c.reason.label("answer"),
            dispute_answer.c.answered_by,
            dispute_answer.c.answered_at,
            dispute_answer.c.approved_by,
            adjustment_proposal.c.proposal_no,
            adjustment_proposal.c.amount_fen.label("proposed_fen"),
            adjustment_proposal.c.reason.label("why"),
            adjustment_proposal.c.proposed_by,
            adjustment_proposal.c.proposed_at,
        )
        .outerjoin(
            dispute_answer,
            and_(
                dispute_answer.c.pool == dispute_table.c.pool,
                dispute_answer.c.dispute == dispute_table.c.dispute,
            ),
        )
        .outerjoin(
            adjustment_proposal,
            and_(
                adjustment_proposal.c.pool == dispute_table.c.pool,
                adjustment_proposal.c.dispute == dispute_table.c.dispute,
                adjustment_proposal.c.proposal_no == newest,
            ),
        )
        .where(dispute_table.c.pool == pool, which)
        .order_by(dispute_table.c.fact_no)
    )
    return [_dispute(row) for row in rows]


def _dispute(row: Row[Any]) -> Dispute:
    answer = None
    if row.verdict is not None:
        adjusted = row.verdict == Verdict.ADJUSTED.value
        answer = DisputeAnswer(
            verdict=Verdict(row.verdict),
            amount_fen=row.amount_fen,
            reason=row.answer,
            answered_by=row.answered_by,
            answered_at=row.answered_at,
            key=ADJUSTMENT_KEY + row.dispute if adjusted else None,
            approved_by=row.approved_by or "",
        )
    proposal = None
    if answer is None and row.proposal_no is not None:
        proposal = Proposal(
            row.proposal_no, row.proposed_fen, row.why, row.proposed_by, row.proposed_at
        )
    return Dispute(
        dispute=row.dispute,
        statement=row.statement,
        line=row.line,
        reason=row.reason,
        on_behalf=row.on_behalf,
        raised_by=row.raised_by,
        raised_at=row.raised_at,
        answer=answer,
        proposal=proposal,
    )
