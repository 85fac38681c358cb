"""Reading disputes with their answers; the commands are in `disputes`."""

from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, select

from server.settlement.disputes_values import Dispute, DisputeAnswer, Verdict
from server.settlement.states_keys import ADJUSTMENT_KEY
from server.settlement.states_tables import dispute as dispute_table
from server.settlement.states_tables import dispute_answer


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
    rows = tx.execute(
        select(
            dispute_table,
            dispute_answer.c.verdict,
            dispute_answer.c.amount_fen,
            dispute_answer.c.reason.label("answer"),
            dispute_answer.c.answered_by,
            dispute_answer.c.answered_at,
        )
        .outerjoin(
            dispute_answer,
            and_(
                dispute_answer.c.pool == dispute_table.c.pool,
                dispute_answer.c.dispute == dispute_table.c.dispute,
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
    )
