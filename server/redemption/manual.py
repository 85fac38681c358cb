"""Redeeming for a resident who shows nothing (人工核对): the shop's owner answers for who it was.

Only the server says yes, for a card that is the resident's newest, within a limit a day of its own
over all terminals. What a terminal tells without that yes is never booked by itself.
"""

from datetime import datetime

from sqlalchemy import Connection

from protocol.business_day import business_date
from protocol.evidence import ManualEvidence, ProofGrade
from protocol.reasons import Declined, DeclineReason
from protocol.sales import AnsweredBy, SaleCaptured
from server.directory import CardState, PoolTerms, card_of
from server.redemption.queries import Sale
from server.redemption.taken import points_held_by, points_taken_by


def manual_account(tx: Connection, pool: str, evidence: ManualEvidence) -> str | Declined:
    """Whose card it is that was found by its number: a resident's, neither lost nor replaced."""
    card = card_of(tx, pool, evidence.card_id)
    if card is None or card.state is CardState.REVOKED or card.seq != evidence.seq:
        return Declined(DeclineReason.CODE_REVOKED)
    return card.account


def manual_left(tx: Connection, terms: PoolTerms, account: str, at: datetime) -> int | None:
    """Points that a resident who shows nothing may still take today; None: nobody is served so."""
    day = business_date(at, terms.cut_off_hour)
    limit = terms.redemption_on(day).limits.manual_day_points
    if limit <= 0:
        return None
    used = points_taken_by(tx, terms.pool, account, day, ProofGrade.MANUAL)
    return max(0, limit - used - points_held_by(tx, terms.pool, account, ProofGrade.MANUAL, at))


def is_of_its_question(sale: SaleCaptured, before: Sale) -> bool:
    """Whether the approval was given to this kind of proof: one for a resident who shows nothing
    speaks for no code, and one for a code for nobody who shows nothing.
    """
    asked = before.proof_grade == ProofGrade.MANUAL.value
    return asked == isinstance(sale.evidence, ManualEvidence)


def manual_is_proven(
    tx: Connection, pool: str, sale: SaleCaptured | None, evidence: ManualEvidence, approved: bool
) -> bool:
    """Only for a sale, only with the server's own yes, only for the card's own resident."""
    if sale is None or not approved or sale.answered_by is not AnsweredBy.SERVER:
        return False
    card = card_of(tx, pool, evidence.card_id)
    named = bool(evidence.allowed_by.strip() and evidence.reason.strip())
    return named and card is not None and card.account == sale.account
