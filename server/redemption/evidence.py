"""Whether what was shown proves that the resident was there, from the database alone.

A card's proof needs the pool's master secret, which no handler has: the edge checks it
(:func:`card_proof_holds`) and hands the verdict in with the command.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Connection

from protocol.codes import (
    SLOT_GRACE,
    SlotCode,
    card_proof,
    parse_payload,
    signature_problem,
    time_problem,
)
from protocol.codes.phone import show_limit
from protocol.evidence import (
    CardEvidence,
    Evidence,
    ManualEvidence,
    SlotEvidence,
)
from protocol.issuers import IssuerRole
from protocol.journal import ClockState, Envelope
from protocol.reasons import Declined, DeclineReason
from protocol.sales import AnsweredBy, SaleCaptured
from server.directory import CardState, PoolTerms, card_of, keys_at
from server.directory.bearer import BEARER_SEQ, BearerCard, bearer_of
from server.directory.phones import PhoneState, phone_of
from server.redemption.manual import manual_account, manual_is_proven, manual_left
from server.redemption.phone_evidence import (
    PhoneEvidence,
    PhoneShown,
    judge_phone,
    phone_is_proven,
    read_phone_evidence,
    was_asked_with_phone,
)

_CARD_ID_CHARS = 16
_PROOF_CHARS = 64
_MAX_SEQ = 255
_MAX_POINTS = 2**32 - 1
_REMEMBERED = 4_096


@dataclass(frozen=True, slots=True)
class Shown:
    """Whose code was shown, and the most points a sale that this kind of code may take.

    ``bearer`` is the denominated card that was shown; then ``account`` is the card's own.
    """

    account: str
    cap_points: int
    bearer: BearerCard | None = None


def card_proof_holds(
    evidence: CardEvidence,
    *,
    sale_id: UUID,
    points: int,
    terminal: str,
    secret_of: Callable[[str, int], bytes],
) -> bool:
    """Whether the card's secret was at hand at this terminal for this sale and these points.

    ``secret_of(card_id, seq)`` derives a card's secret (:meth:`PoolKeys.card_secret`).
    """
    if not _is_hex(evidence.card_id, _CARD_ID_CHARS) or not _is_hex(
        evidence.proof_hex, _PROOF_CHARS
    ):
        return False
    if not 0 <= evidence.seq <= _MAX_SEQ or not 0 <= points <= _MAX_POINTS:
        return False
    secret = secret_of(evidence.card_id, evidence.seq)
    expected = card_proof(secret, sale_id, points, terminal)
    return hmac.compare_digest(expected, bytes.fromhex(evidence.proof_hex))


def judge_question(
    tx: Connection,
    terms: PoolTerms,
    evidence: Evidence,
    at: datetime,
    *,
    proof_holds: bool,
    sale_id: UUID,
    terminal: str,
    points: int,
) -> Shown | Declined:
    """Judge what a terminal has in front of it now; ``at`` is the server's time.

    ``points``: the most that it asks for, which a phone that confirms must have agreed to.
    """
    if isinstance(evidence, PhoneEvidence):
        phone = judge_phone(
            tx, terms, evidence, at, sale_id=sale_id, terminal=terminal, points=points
        )
        return phone if isinstance(phone, Declined) else _phone_shown(terms, phone)
    if isinstance(evidence, SlotEvidence):
        return _judge_slot(tx, terms, evidence, at)
    if isinstance(evidence, ManualEvidence):
        return _judge_manual(tx, terms, evidence, at, points)
    return _judge_card(tx, terms, evidence, at, proof_holds=proof_holds)


def _phone_shown(terms: PoolTerms, phone: PhoneShown) -> Shown:
    """A code that is only shown takes little; whoever confirms has agreed to the points."""
    if phone.challenge is not None:
        return Shown(phone.account, phone.challenge.points)
    return Shown(phone.account, show_limit(phone.certificate, terms.slot_cap_points))


def _judge_slot(
    tx: Connection, terms: PoolTerms, evidence: SlotEvidence, at: datetime
) -> Shown | Declined:
    code = slot_of(evidence)
    if code is None:
        return Declined(DeclineReason.CODE_UNREADABLE)
    declined = _signature_problem(tx, terms, code, at) or time_problem(code, at)
    if declined is not None:
        return declined
    account = code.account.hex()
    # The phone's own number stands in its slots; 0 is a slot that the pool made by itself.
    phone = phone_of(tx, terms.pool, account, code.batch) if code.batch else None
    if code.batch and (phone is None or phone.state is not PhoneState.LIVE):
        is_copied = phone is not None and phone.state is PhoneState.COPIED
        return Declined(DeclineReason.CODE_COPIED if is_copied else DeclineReason.PHONE_REVOKED)
    return Shown(account, min(code.cap, terms.slot_cap_points))


def _judge_manual(
    tx: Connection, terms: PoolTerms, evidence: ManualEvidence, at: datetime, points: int
) -> Shown | Declined:
    """Only points of a sale: whoever shows nothing is told nothing of what is his."""
    account = manual_account(tx, terms.pool, evidence)
    if isinstance(account, Declined):
        return account
    left = manual_left(tx, terms, account, at) if points > 0 else None
    if left is None:
        return Declined(DeclineReason.MANUAL_OFF)
    if left == 0:
        return Declined(DeclineReason.MANUAL_LIMIT)
    return Shown(account, min(left, terms.card_cap_points))


def _judge_card(
    tx: Connection, terms: PoolTerms, evidence: CardEvidence, at: datetime, *, proof_holds: bool
) -> Shown | Declined:
    card = card_of(tx, terms.pool, evidence.card_id)
    bearer = bearer_of(tx, terms.pool, evidence.card_id) if card is None else None
    if bearer is not None:
        return _judge_bearer(terms, bearer, evidence, at, proof_holds=proof_holds)
    if card is None or card.state is CardState.REVOKED or card.seq != evidence.seq:
        return Declined(DeclineReason.CODE_REVOKED)
    if not proof_holds:
        return Declined(DeclineReason.CODE_FORGED)
    if at.date() > card.expires_on:
        return _expired(card.expires_on)
    return Shown(card.account, min(card.cap_points, terms.card_cap_points))


def _judge_bearer(
    terms: PoolTerms,
    bearer: BearerCard,
    evidence: CardEvidence,
    at: datetime,
    *,
    proof_holds: bool,
) -> Shown | Declined:
    if not proof_holds or evidence.seq != BEARER_SEQ:
        return Declined(DeclineReason.CODE_FORGED)
    if bearer.is_stopped:
        return Declined(DeclineReason.CODE_REVOKED)
    if at.date() > bearer.expires_on:
        return _expired(bearer.expires_on)
    return Shown(bearer.card_id, min(bearer.value_points, terms.card_cap_points), bearer)


def _expired(last_day: date) -> Declined:
    ended = datetime(last_day.year, last_day.month, last_day.day, tzinfo=UTC)
    return Declined(DeclineReason.CODE_EXPIRED, expired_at=ended)


def sale_is_proven(
    tx: Connection,
    terms: PoolTerms,
    sale: SaleCaptured,
    envelope: Envelope,
    *,
    proof_holds: bool | None,
    was_authorised: bool,
    recorded_at: datetime | None,
) -> bool:
    """Whether a captured sale's evidence is the account's own.

    A card that was revoked since, or a slot that ran out while its hold lived, is no reason
    to doubt: what counts is that the code was real when it was shown.
    """
    if sale.evidence is None or sale.account is None:
        return False
    return is_proven(
        tx,
        terms,
        sale.account,
        sale.evidence,
        envelope,
        proof_holds=proof_holds,
        used_for=sale.sale_id,
        recorded_at=recorded_at,
        was_authorised=was_authorised,
        sale=sale,
    )


def is_proven(
    tx: Connection,
    terms: PoolTerms,
    account: str,
    evidence: Evidence,
    envelope: Envelope,
    *,
    proof_holds: bool | None,
    used_for: UUID,
    recorded_at: datetime | None,
    was_authorised: bool = False,
    sale: SaleCaptured | None = None,
) -> bool:
    """As :func:`sale_is_proven`, for whatever a record tells; ``sale`` where it is one.

    ``used_for``: the sale or the fulfilment. ``recorded_at``: None where a person has looked.
    """
    if isinstance(evidence, PhoneEvidence):
        return phone_is_proven(
            tx,
            terms,
            account,
            evidence,
            envelope,
            used_for=used_for,
            is_sale=sale is not None,
            recorded_at=recorded_at,
            points=sale.payment.points if sale else 0,
            was_authorised=was_authorised,
        )
    if isinstance(evidence, ManualEvidence):
        return manual_is_proven(tx, terms.pool, sale, evidence, was_authorised)
    if isinstance(evidence, CardEvidence):
        card = card_of(tx, terms.pool, evidence.card_id)
        if card is None and bearer_of(tx, terms.pool, account) is not None:
            return evidence.card_id == account and proof_holds is True
        return card is not None and card.account == account and proof_holds is True
    code = slot_of(evidence)
    if code is None or code.account.hex() != account:
        return False
    # The signature first, whenever that was; then the time.
    late = timedelta(hours=terms.stand_in.directory_max_age_h)
    if _signature_problem(tx, terms, code, envelope.occurred_at, late) is not None:
        return False
    first, last = slot_times(terms, code)
    if first <= envelope.occurred_at <= last and envelope.clock_state is not ClockState.UNKNOWN:
        return True
    # The approval of a phone's code says nothing of a slot that ran out.
    return was_authorised and not was_asked_with_phone(tx, terms.pool, used_for)


def slot_times(terms: PoolTerms, code: SlotCode) -> tuple[datetime, datetime]:
    """From when until when a sale may have happened that a terminal took the code for."""
    leeway = SLOT_GRACE + timedelta(seconds=terms.hold_s)
    return code.starts_at - SLOT_GRACE, code.ends_at + leeway


def most_points(terms: PoolTerms, sale: SaleCaptured, approved_points: int | None) -> int:
    """The most points that a terminal which keeps the rules can have taken for a sale.

    What the server approved, where the terminal answers in its name; else what it may give by
    itself, or what was approved all the same and never arrived. ``approved_points`` is None
    where the server did not say yes. Beyond it nobody is paid before a person has looked.
    """
    if approved_points is not None and sale.answered_by is AnsweredBy.SERVER:
        return approved_points
    if isinstance(sale.evidence, ManualEvidence):
        return approved_points or 0
    cap_points = terms.card_cap_points
    if isinstance(sale.evidence, SlotEvidence):
        code = slot_of(sale.evidence)
        cap_points = min(code.cap, terms.slot_cap_points) if code is not None else 0
    if isinstance(sale.evidence, PhoneEvidence):
        phone = read_phone_evidence(sale.evidence)
        cap_points = phone.certificate.cap if phone is not None else 0
        if phone is not None and phone.challenge is None:
            limit_points = show_limit(phone.certificate, terms.slot_cap_points)
            cap_points = min(cap_points, limit_points)
    return max(approved_points or 0, min(cap_points, terms.stand_in.per_sale_points))


def slot_of(evidence: SlotEvidence) -> SlotCode | None:
    """The code that was shown, unjudged; None where it cannot be read."""
    try:
        payload = bytes.fromhex(evidence.payload_hex)
    except ValueError:
        return None
    code = parse_payload(payload)
    return code if isinstance(code, SlotCode) else None


def _signature_problem(
    tx: Connection,
    terms: PoolTerms,
    code: SlotCode,
    at: datetime,
    known_late: timedelta = timedelta(0),
) -> Declined | None:
    """Asked for each code twice, for its question and for its sale; verified once. ``at`` and
    ``known_late``: see :func:`server.directory.keys_at`.
    """
    keys = keys_at(tx, terms.pool, IssuerRole.PHONE, at, known_late=known_late)
    key = keys.get(code.kid)
    raw = key.public_bytes_raw() if key is not None else None
    return _signature_problem_of(code.payload, code.kid, raw, terms.tag)


@lru_cache(maxsize=_REMEMBERED)
def _signature_problem_of(
    payload: bytes, kid: int, key: bytes | None, tag: bytes
) -> Declined | None:
    code = parse_payload(payload)
    assert isinstance(code, SlotCode)
    keys = {kid: Ed25519PublicKey.from_public_bytes(key)} if key is not None else {}
    return signature_problem(code, keys, tag)


def _is_hex(text: str, length: int) -> bool:
    return len(text) == length and all(each in "0123456789abcdef" for each in text)
