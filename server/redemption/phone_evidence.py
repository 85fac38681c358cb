"""What a phone signed, judged again: the same bytes that the terminal judged, and whether the
key was let in, is still good, and signs in one place only.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection

from protocol.codes import ConfirmCode, PhoneCertificate, ShowCode, read_payload
from protocol.codes.challenge import Challenge, nonce_of
from protocol.codes.phone import read_certificate
from protocol.codes.verifying import (
    SHOW_AHEAD,
    SHOW_WINDOW,
    IssuerKeys,
    certificate_expired,
    certificate_problem,
    challenge_problem,
    confirm_problem,
    signature_problem,
    time_problem,
)
from protocol.evidence import ConfirmEvidence, ShowEvidence
from protocol.issuers import IssuerRole
from protocol.journal import ClockState, Envelope
from protocol.keys import SIGNATURE_BYTES, read_public_key
from protocol.reasons import Declined, DeclineReason
from server.awards import award_of
from server.directory import PoolTerms, keys_at, terminal_of
from server.directory.phones import (
    Phone,
    PhoneState,
    PhoneUse,
    can_note,
    mark_copied,
    note_use,
    noted_for,
    phone_of,
    uses_of,
)
from server.facts import FactStamp
from server.redemption.orders import moved_before
from server.redemption.queries import sale_of
from server.redemption.states import SaleState

PhoneEvidence = ShowEvidence | ConfirmEvidence
TOLD_LATE = timedelta(days=7)
"""How long after everybody knew that a phone was ended its sales are booked unseen."""
_NO_DECLINE = {
    PhoneState.COPIED: DeclineReason.CODE_COPIED,
    PhoneState.REVOKED: DeclineReason.PHONE_REVOKED,
    PhoneState.REPLACED: DeclineReason.PHONE_REVOKED,
}


@dataclass(frozen=True, slots=True)
class PhoneShown:
    """What a phone signed, read: a code that was shown, or an answer to a challenge."""

    certificate: PhoneCertificate
    counter: int
    content: bytes
    show: ShowCode | None = None
    answer: ConfirmCode | None = None
    challenge: Challenge | None = None

    @property
    def account(self) -> str:
        return self.certificate.account.hex()

    @property
    def content_hash(self) -> str:
        """Hex SHA-256 of what the phone signed."""
        return hashlib.sha256(self.content).hexdigest()

    def use(self, used_for: UUID, terminal: str) -> PhoneUse:
        """What its counter is used for: a sale or a fulfilment."""
        return PhoneUse(
            used_for,
            self.account,
            self.certificate.seq,
            self.counter,
            self.content_hash,
            terminal,
        )


def read_phone_evidence(evidence: PhoneEvidence) -> PhoneShown | None:
    """What was shown, unjudged; None where it cannot be read."""
    try:
        if isinstance(evidence, ShowEvidence):
            show = read_payload(bytes.fromhex(evidence.payload_hex))
            if not isinstance(show, ShowCode):
                return None
            content = show.payload[:-SIGNATURE_BYTES]
            return PhoneShown(show.certificate, show.counter, content, show=show)
        certificate = read_certificate(bytes.fromhex(evidence.certificate_hex))
        challenge = read_payload(bytes.fromhex(evidence.challenge_hex))
        answer = read_payload(bytes.fromhex(evidence.answer_hex))
    except ValueError:
        return None
    if certificate is None or not isinstance(challenge, Challenge):
        return None
    if not isinstance(answer, ConfirmCode):
        return None
    content = answer.payload[:-SIGNATURE_BYTES] + challenge.payload
    return PhoneShown(certificate, answer.counter, content, answer=answer, challenge=challenge)


def judge_phone(
    tx: Connection,
    terms: PoolTerms,
    evidence: PhoneEvidence,
    at: datetime,
    *,
    sale_id: UUID,
    terminal: str,
    points: int,
) -> PhoneShown | Declined:
    """Judge what a terminal asks with now, for at most ``points``; ``at`` is the server's time.

    Nothing is written, since not every question is a fact: see :func:`stop_copied_phone`.
    """
    shown = read_phone_evidence(evidence)
    if shown is None:
        return Declined(DeclineReason.CODE_UNREADABLE)
    keys = keys_at(tx, terms.pool, IssuerRole.PHONE, at)
    declined = _signed_problem(
        tx, terms, shown, keys, sale_id=sale_id, terminal=terminal, points=points
    )
    if declined is None and shown.show is not None:
        declined = time_problem(shown.show, at)
    if declined is None:
        declined = certificate_expired(shown.certificate, at)
    if declined is not None:
        return declined
    phone = _phone(tx, terms, shown)
    if phone is None:
        return Declined(DeclineReason.CODE_FORGED)
    if phone.state is not PhoneState.LIVE:
        return Declined(_NO_DECLINE[phone.state])
    return _used_before(tx, terms, shown.use(sale_id, terminal)) or shown


def stop_copied_phone(tx: Connection, stamp: FactStamp, evidence: PhoneEvidence) -> None:
    """A question found the phone's key in two places: from now on nobody takes it."""
    shown = read_phone_evidence(evidence)
    assert shown is not None
    mark_copied(tx, stamp.pool, shown.account, shown.certificate.seq, stamp.recorded_at)


def note_phone_use(
    tx: Connection,
    stamp: FactStamp,
    evidence: PhoneEvidence,
    *,
    used_for: UUID,
    terminal: str,
) -> None:
    """Keep what a counter was used for. Another content under it: the key is in two places,
    and from now on nobody takes it.
    """
    shown = read_phone_evidence(evidence)
    if shown is None or phone_of(tx, stamp.pool, shown.account, shown.certificate.seq) is None:
        return
    use = shown.use(used_for, terminal)
    before = uses_of(tx, stamp.pool, use.account, use.seq, use.counter)
    note_use(tx, stamp.pool, use, stamp.fact_no)
    if any(each.content_hash != use.content_hash for each in before):
        mark_copied(tx, stamp.pool, use.account, use.seq, stamp.recorded_at)


def is_as_asked(tx: Connection, pool: str, sale_id: UUID, evidence: PhoneEvidence) -> bool:
    """Whether an approved sale was captured with the code that it was asked with: its approval
    says nothing of another.
    """
    asked = noted_for(tx, pool, sale_id)
    shown = read_phone_evidence(evidence)
    return shown is not None and bool(asked) and asked[0].content_hash == shown.content_hash


def was_asked_with_phone(tx: Connection, pool: str, sale_id: UUID) -> bool:
    """Whether a phone's code was noted for a sale when it was asked for."""
    return bool(noted_for(tx, pool, sale_id))


def phone_is_proven(
    tx: Connection,
    terms: PoolTerms,
    account: str,
    evidence: PhoneEvidence,
    envelope: Envelope,
    *,
    used_for: UUID,
    is_sale: bool,
    points: int,
    was_authorised: bool,
    recorded_at: datetime | None,
) -> bool:
    """Whether a phone's code was the account's own, and for this sale or fulfilment.

    A phone that was ended since is no reason to doubt, but what is told long after that is
    (``recorded_at``; None where a person has looked). A confirmation, which is always of a sale,
    proves nothing else. ``was_authorised``: the server said yes to this very code.
    """
    shown = read_phone_evidence(evidence)
    if shown is None or shown.account != account:
        return False
    if shown.challenge is not None and not is_sale:
        return False
    at = envelope.terminal
    late = timedelta(hours=terms.stand_in.directory_max_age_h)
    happened = envelope.occurred_at
    keys = keys_at(tx, terms.pool, IssuerRole.PHONE, happened, known_late=late)
    if _signed_problem(tx, terms, shown, keys, sale_id=used_for, terminal=at, points=points):
        return False
    phone = _phone(tx, terms, shown)
    if phone is None:
        return False
    use = shown.use(used_for, at)
    if _is_spent(tx, terms, use, anywhere=not is_sale) or not can_note(tx, terms.pool, use):
        return False
    if was_authorised:
        return True
    if not _was_good(terms, shown, phone, envelope.occurred_at, recorded_at):
        return False
    if shown.show is None:
        return True
    held = timedelta(seconds=terms.hold_s)
    first, last = shown.show.shown_at - SHOW_AHEAD, shown.show.shown_at + SHOW_WINDOW + held
    in_time = first <= envelope.occurred_at <= last
    return in_time and envelope.clock_state is not ClockState.UNKNOWN


def _was_good(
    terms: PoolTerms,
    shown: PhoneShown,
    phone: Phone,
    occurred_at: datetime,
    recorded_at: datetime | None,
) -> bool:
    """Whether a terminal that was cut off could take the phone: its certificate had not run out,
    and no list of residents that it may still use can have told it that the phone was ended.
    """
    shown_at = shown.show.shown_at if shown.show is not None else occurred_at
    if certificate_expired(shown.certificate, shown_at) is not None:
        return False
    if phone.ended_at is None:
        return True
    known_at = phone.ended_at + timedelta(hours=terms.stand_in.directory_max_age_h)
    if shown_at > known_at + SHOW_WINDOW + timedelta(seconds=terms.hold_s):
        return False
    return recorded_at is None or recorded_at <= known_at + TOLD_LATE


def _signed_problem(
    tx: Connection,
    terms: PoolTerms,
    shown: PhoneShown,
    keys: IssuerKeys,
    *,
    sale_id: UUID,
    terminal: str,
    points: int,
) -> Declined | None:
    """None where every signature holds; of an answer, also for this sale at this terminal."""
    if shown.show is not None:
        return signature_problem(shown.show, keys, terms.tag)
    asked, answer = shown.challenge, shown.answer
    assert asked is not None
    assert answer is not None
    declined = certificate_problem(shown.certificate, keys, terms.tag)
    declined = declined or challenge_problem(asked, keys, terms.tag)
    declined = declined or confirm_problem(answer, shown.certificate, asked, terms.tag)
    if declined is not None:
        return declined
    asker = terminal_of(tx, terms.pool, terminal)
    if (
        asker is None
        or asker.public_key is None
        or read_public_key(asker.public_key).public_bytes_raw() != asked.certificate.key
        or asked.nonce != nonce_of(sale_id)
        or points > asked.points
    ):
        return Declined(DeclineReason.CONFIRM_OTHER)
    return None


def _phone(tx: Connection, terms: PoolTerms, shown: PhoneShown) -> Phone | None:
    """The phone that the certificate names, if it has that key."""
    phone = phone_of(tx, terms.pool, shown.account, shown.certificate.seq)
    return phone if phone is not None and phone.key == shown.certificate.key else None


def _used_before(tx: Connection, terms: PoolTerms, use: PhoneUse) -> Declined | None:
    """Whether the counter served already: for another content, elsewhere, or for a sale, a
    fulfilment or an award that is done. The same till may ask again with a code whose sale came to nothing.
    """
    for before in uses_of(tx, terms.pool, use.account, use.seq, use.counter):
        if before.content_hash != use.content_hash:
            return Declined(DeclineReason.CODE_COPIED)
        if before.terminal != use.terminal or _is_done(tx, terms, before.used_for):
            return Declined(DeclineReason.CODE_USED)
    return None


def _is_spent(tx: Connection, terms: PoolTerms, use: PhoneUse, *, anywhere: bool) -> bool:
    """Whether the code paid for another sale or fulfilment. Two shops that were both cut off
    cannot know of each other's sales, and both are paid; this very terminal breaks the rules.
    ``anywhere``: a service was done, and nobody says so with a code that served elsewhere.
    """
    return any(
        (anywhere or before.terminal == use.terminal)
        and before.content_hash == use.content_hash
        and _is_done(tx, terms, before.used_for)
        for before in uses_of(tx, terms.pool, use.account, use.seq, use.counter)
    )


def _is_done(tx: Connection, terms: PoolTerms, used_for: UUID) -> bool:
    sale = sale_of(tx, terms.pool, used_for)
    if sale is not None and sale.state is SaleState.CAPTURED:
        return True
    if moved_before(tx, terms.pool, str(used_for)) is not None:
        return True
    return award_of(tx, terms.pool, str(used_for)) is not None
