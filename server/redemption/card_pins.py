"""What a resident's card may take without its PIN, and what a PIN is worth that was typed.

Below the pool's limit a day a card pays without a PIN, for that is what small purchases are; the
limit counts over all terminals where the server is asked, and over one terminal where it is not.
"""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Connection

from protocol.business_day import business_date
from protocol.evidence import CardEvidence, Evidence, ProofGrade, proof_grade
from protocol.journal import Envelope
from protocol.money import Points
from protocol.reasons import Declined, DeclineReason
from protocol.sales import AnsweredBy, SaleCaptured
from server.directory import PoolTerms, card_of
from server.directory.card_pins import pin_of, pin_proof_holds
from server.redemption.limits import Asker, accepted_terms
from server.redemption.taken import points_held_by, points_taken_by


def judge_pin(
    tx: Connection,
    terms: PoolTerms,
    evidence: Evidence,
    at: datetime,
    *,
    sale_id: UUID,
    terminal: str,
    points: int,
) -> Declined | None:
    """What is wrong with the PIN of a card that is shown now; None also where none was typed."""
    if not isinstance(evidence, CardEvidence) or not evidence.pin:
        return None
    pin = pin_of(tx, terms.pool, evidence.card_id, evidence.seq, at)
    if pin is not None and pin.is_locked:
        return Declined(DeclineReason.PIN_LOCKED)
    holds = pin_proof_holds(
        tx, terms.pool, evidence, used_for=sale_id, points=points, terminal=terminal
    )
    is_present = pin is not None and evidence.pin.pin_round == pin.pin_round
    return None if is_present and holds else Declined(DeclineReason.PIN_WRONG)


def goes_without_pin(evidence: Evidence) -> bool:
    """Whether a card was shown and no PIN typed."""
    return isinstance(evidence, CardEvidence) and not evidence.pin


def no_pin_left(tx: Connection, terms: PoolTerms, asker: Asker) -> int | None:
    """Points that a resident's card may still take today without its PIN; None: no limit."""
    day = business_date(asker.at, terms.cut_off_hour)
    limit = terms.redemption_on(day).limits.card_no_pin_day_points
    if limit is None:
        return None
    used = points_taken_by(tx, terms.pool, asker.account, day, ProofGrade.CARD)
    held = points_held_by(tx, terms.pool, asker.account, ProofGrade.CARD, asker.at)
    return max(0, limit - used - held)


def needs_pin(points: int, left: int | None) -> Declined | None:
    """Whether so many points need the card's PIN."""
    if left is None or points <= left:
        return None
    return Declined(DeclineReason.PIN_NEEDED, limit_points=Points(left))


def true_grade(tx: Connection, pool: str, sale: SaleCaptured, terminal: str) -> ProofGrade | None:
    """What the evidence is, whatever the terminal calls it: a PIN that is not proven is none."""
    evidence = sale.evidence
    if evidence is None:
        return None
    if isinstance(evidence, CardEvidence) and evidence.pin:
        holds = pin_proof_holds(
            tx,
            pool,
            evidence,
            used_for=sale.sale_id,
            points=sale.payment.points,
            terminal=terminal,
        )
        return ProofGrade.CARD_PIN if holds else ProofGrade.CARD
    return proof_grade(evidence)


def no_pin_problem(
    tx: Connection,
    terms: PoolTerms,
    sale: SaleCaptured,
    envelope: Envelope,
    approved_points: int | None,
) -> str | None:
    """Why a captured sale took more by card than goes without its PIN, or None.

    What the server approved it had counted. What a terminal gave by itself is held to the limit
    of one terminal and day, by every limit that was in force when it may have heard of it last.
    """
    if not is_resident_card(tx, terms.pool, sale.evidence):
        return None
    limits = [each.limits.card_no_pin_day_points for each in accepted_terms(terms, sale)]
    highest = max((each for each in limits if each is not None), default=None)
    if highest is None or None in limits:
        return None
    points = sale.payment.points
    asked = sale.answered_by is AnsweredBy.SERVER and approved_points is not None
    before = 0 if asked else _at_terminal(tx, terms.pool, sale, envelope.terminal)
    if points + before <= highest:
        return None
    if true_grade(tx, terms.pool, sale, envelope.terminal) is ProofGrade.CARD_PIN:
        return None
    return (
        f"积分卡没有验证密码，一天最多 {highest} 积分，这一天共 {points + before}，请核实后处理"
        f" / {points + before} points of a day by card without its PIN, and {highest} go without"
    )


def is_resident_card(tx: Connection, pool: str, evidence: Evidence | None) -> bool:
    """Whether it is a resident's card: denominated cards know no PIN."""
    return isinstance(evidence, CardEvidence) and card_of(tx, pool, evidence.card_id) is not None


def _at_terminal(tx: Connection, pool: str, sale: SaleCaptured, terminal: str) -> int:
    if sale.account is None:
        return 0
    day: date = sale.business_date
    return points_taken_by(tx, pool, sale.account, day, ProofGrade.CARD, terminal=terminal)
