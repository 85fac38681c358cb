"""A resident's phone at the server: it enrols with a code, and comes back for what is new."""

import hmac
from datetime import datetime, timedelta

from flask import Blueprint, Response, request
from sqlalchemy import Connection

from protocol.codes import make_slot, to_digits
from protocol.codes.phone import FLAG_EXTRACTABLE, read_certificate, show_limit
from protocol.issuers import IssuerRole
from protocol.messages import ProblemKind
from protocol.money import Points
from server.api.answers import WRONG_CODE
from server.api.certifying import phone_certificate
from server.api.phone_messages import (
    IssuerKeyHex,
    PhoneAnswer,
    PhoneEnded,
    PhoneEnrolRequest,
    PhoneHistoryLine,
    PhoneRequest,
    PhoneSlot,
)
from server.api.replies import NotDealt, response
from server.api.services import ApiServices
from server.api.views import read_message
from server.api.wrong_tries import WrongTries
from server.awards import owed_points
from server.db import reading, run_writing
from server.directory import (
    DirectoryProblem,
    pool_terms,
    resident_of,
)
from server.directory.accounts import overdraft_account, resident_account
from server.directory.enrolment import PHONE_CODE_LETTERS, code_name
from server.directory.enrolment import read_code as read_typed_code
from server.directory.issuers import Issuer, issuer_of, keys_at
from server.directory.phones import (
    EnrolPhone,
    Phone,
    PhoneEnrolled,
    PhoneState,
    phone_code_hash,
    phone_invitations_named,
    phone_of,
)
from server.directory.values import masked_name
from server.facts.refused import Refused
from server.ledger import Asset, balance, spendable
from server.reports.record import record_lines

MAX_PHONE_BODY_BYTES = 4_096
PHONE_REQUEST_PURPOSE = "phone-request"
PHONE_AGE_S = 300
HISTORY_LINES = 50
SLOT_HOURS = 24
_MOST_SLOTS = 96

_ENDED = {
    PhoneState.COPIED: "这部手机的码可能被人复制，已停用，请到社区重新登记"
    " / the code of this phone may have been copied and is stopped; register again",
    PhoneState.REVOKED: "这部手机的码已停用，请到社区登记"
    " / the code of this phone is stopped; see the community office",
    PhoneState.REPLACED: "已换了手机，这部手机的码不能再用 / another phone has replaced this one",
}


def create_phone_blueprint(services: ApiServices) -> Blueprint:
    """``/v1/phones``."""
    api = Blueprint("phones", __name__, url_prefix="/v1")
    tries = WrongTries(services.workers)

    @api.before_request
    def limit_the_body() -> None:
        request.max_content_length = MAX_PHONE_BODY_BYTES

    @api.post("/phones/enrol")
    def enrol() -> Response:
        message = read_message(request.get_data(cache=False), PhoneEnrolRequest)
        if isinstance(message, NotDealt):
            return response(message)
        now, peer = services.clock(), request.remote_addr
        # Without a look at the code: whoever must wait learns nothing, and costs nobody a try.
        if tries.must_wait(peer, now):
            return response(NotDealt(ProblemKind.TRY_AGAIN))
        answer = _enrol(services, message, now)
        if answer is WRONG_CODE:
            tries.failed(peer, now)
        return response(answer)

    @api.post("/phones/refresh")
    def refresh() -> Response:
        message = read_message(request.get_data(cache=False), PhoneRequest)
        if isinstance(message, NotDealt):
            return response(message)
        return response(_refresh(services, message, services.clock()))

    return api


def _enrol(
    services: ApiServices, message: PhoneEnrolRequest, now: datetime
) -> PhoneAnswer | NotDealt:
    with reading(services.engine) as tx:
        command = _enrolment_of(tx, services.pool, message, now)
        if isinstance(command, Phone):
            return answer_phone(tx, services, command, now)
    if command is None:
        return WRONG_CODE
    actor = f"phone:{command.account}"
    outcome = run_writing(
        services.engine,
        lambda tx: services.desk.submit(tx, services.pool, command, actor=actor, recorded_at=now),
    )
    if isinstance(outcome, Refused):
        if outcome.reason == DirectoryProblem.WRONG_CODE:
            return WRONG_CODE
        return NotDealt(ProblemKind.BAD_REQUEST, outcome.says)
    assert isinstance(outcome, PhoneEnrolled), outcome
    with reading(services.engine) as tx:
        phone = phone_of(tx, services.pool, outcome.account, outcome.seq)
        assert phone is not None
        return answer_phone(tx, services, phone, now)


def _enrolment_of(
    tx: Connection, pool: str, message: PhoneEnrolRequest, now: datetime
) -> EnrolPhone | Phone | None:
    """The command that an introduction comes to, or the phone that came in with this code and
    key already; None where it can neither win nor cost a try. Only what changes something
    leaves a fact in the log.
    """
    code = read_typed_code(message.code, PHONE_CODE_LETTERS)
    if code is None or len(message.public_key) not in {64, 66}:
        return None
    named = [
        each for each in phone_invitations_named(tx, pool, code_name(code)) if now < each.expires_at
    ]
    fitting = [
        each
        for each in named
        if hmac.compare_digest(each.code_hash, phone_code_hash(pool, each.account, code))
    ]
    for each in fitting:
        live = phone_of(tx, pool, each.account)
        if live is not None and live.key.raw.hex() == message.public_key:
            return live
    # Codes that start alike are rare; then the wrong guess counts against the newest.
    for each in (*fitting, *named):
        if each.tries_left > 0:
            return EnrolPhone(
                account=each.account,
                code_hash=phone_code_hash(pool, each.account, code),
                public_key=message.public_key,
                flags=FLAG_EXTRACTABLE if message.extractable else 0,
            )
    return None


def _refresh(
    services: ApiServices, message: PhoneRequest, now: datetime
) -> PhoneAnswer | PhoneEnded | NotDealt:
    with reading(services.engine) as tx:
        phone = phone_of(tx, services.pool, message.account, message.seq)
        if phone is None:
            return NotDealt(ProblemKind.BAD_SIGNATURE)
        signed = (
            services.keys.tag
            + bytes.fromhex(message.account)
            + message.seq.to_bytes(2)
            + message.at.to_bytes(4)
        )
        if not phone.key.signed(PHONE_REQUEST_PURPOSE, signed, bytes.fromhex(message.signature)):
            return NotDealt(ProblemKind.BAD_SIGNATURE)
        if abs(now.timestamp() - message.at) > PHONE_AGE_S:
            return NotDealt(
                ProblemKind.CLOCK_SKEW,
                "手机时间不准，请校准 / set the phone's clock",
                server_time=now,
            )
        if phone.state is not PhoneState.LIVE:
            return PhoneEnded(state=phone.state.value, says=_ENDED[phone.state])
        return answer_phone(tx, services, phone, now)


def answer_phone(tx: Connection, services: ApiServices, phone: Phone, now: datetime) -> PhoneAnswer:
    """All that a live phone is told."""
    pool, keys = services.pool, services.keys
    terms = pool_terms(tx, pool)
    resident = resident_of(tx, pool, phone.account)
    assert resident is not None
    issuer = issuer_of(tx, pool, keys, IssuerRole.PHONE, now)
    signed, expires_at = phone_certificate(issuer, keys.tag, terms, phone, now)
    certificate = read_certificate(signed)
    assert certificate is not None
    # A slot proves no more than a code that is shown, so it is good for no more.
    shown_points = show_limit(certificate, terms.slot_cap_points)
    lines = record_lines(tx, pool, phone.account)[-HISTORY_LINES:]
    return PhoneAnswer(
        pool=pool,
        pool_name=terms.name,
        pool_name_en=terms.name_en,
        unit_name=terms.unit_name,
        unit_name_en=terms.unit_name_en,
        tag=keys.tag.hex(),
        account=phone.account,
        seq=phone.seq,
        name=masked_name(resident.name),
        certificate=signed.hex(),
        certificate_expires_at=int(expires_at.timestamp()),
        show_points=shown_points,
        balance_points=max(0, spendable(tx, pool, resident_account(phone.account), now)),
        overdraft_points=balance(tx, pool, overdraft_account(phone.account), Asset.POINTS),
        owed_points=owed_points(tx, pool, phone.account),
        history=tuple(
            PhoneHistoryLine(
                at=int(each.registered_at.timestamp()),
                what=each.what,
                what_en=each.what_en,
                points=each.points,
            )
            for each in reversed(lines)
        ),
        slots=_slots(issuer, keys.tag, phone, terms.slot_minutes, shown_points, now),
        issuer_keys=tuple(
            IssuerKeyHex(kid=kid, public_key=key.public_bytes_raw().hex())
            for kid, key in keys_at(tx, pool, IssuerRole.PHONE, now).items()
        ),
        server_time=int(now.timestamp()),
    )


def _slots(  # noqa: PLR0917 - what stands in a slot
    issuer: Issuer, tag: bytes, phone: Phone, minutes: int, cap: int, now: datetime
) -> tuple[PhoneSlot, ...]:
    """One code after the other for a day, beginning with the one that is good now."""
    length_s = minutes * 60
    first_s = int(now.timestamp()) // length_s * length_s
    count = min(_MOST_SLOTS, SLOT_HOURS * 60 // minutes)
    made = []
    for index in range(count):
        starts_at = datetime.fromtimestamp(first_s, now.tzinfo) + timedelta(
            seconds=index * length_s
        )
        payload = make_slot(
            issuer.key,
            tag,
            kid=issuer.kid,
            account=bytes.fromhex(phone.account),
            starts_at=starts_at,
            minutes=minutes,
            cap=Points(cap),
            batch=phone.seq,
            index=index,
        )
        start_s = int(starts_at.timestamp())
        made.append(PhoneSlot(starts_at=start_s, minutes=minutes, digits=to_digits(payload)))
    return tuple(made)
