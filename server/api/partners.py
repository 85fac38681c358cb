"""The award API for partners: signed like a terminal's requests, with the partner's own key."""

from datetime import datetime

from flask import Blueprint, Response, request
from sqlalchemy import Connection

from protocol.http_signing import PARTNER_TAG
from protocol.keys import read_public_key
from protocol.messages import ProblemKind
from server.api.openapi import openapi_json
from server.api.partner_messages import (
    PartnerAccepted,
    PartnerAward,
    PartnerAwardState,
    PartnerDeclined,
)
from server.api.replies import NotDealt, response
from server.api.services import ApiServices
from server.api.signed import check_signature
from server.api.views import answered, read_message, what_was_asked
from server.api.writer import Job
from server.awards import AwardPoints, AwardProblem, ClaimAward, award_of, partner_of, rule_on
from server.awards.award import deed_of, points_of
from server.awards.checks import check_fact_named
from server.awards.claims import claim_of, deed_of_claim, review_of
from server.awards.clawback import is_clawed_back
from server.awards.people import PARTNER_PREFIX, Partner
from server.db import reading
from server.facts.refused import Refused

MAX_AWARD_BODY_BYTES = 16 * 1024
_MAX_PARTNER_ID = 32


def create_partner_blueprint(services: ApiServices) -> Blueprint:
    """``/v1/partners`` and the document that describes it."""
    api = Blueprint("partners", __name__, url_prefix="/v1")

    @api.before_request
    def limit_the_body() -> None:
        request.max_content_length = MAX_AWARD_BODY_BYTES

    @api.get("/openapi.json")
    def openapi() -> Response:
        return Response(openapi_json(), content_type="application/json")

    @api.post("/partners/<partner_id>/awards")
    def awards(partner_id: str) -> Response:
        return _deal(services, partner_id)

    return api


def _deal(services: ApiServices, partner_id: str) -> Response:
    """Deal with a partner's award: who asks comes first, what is asked after it."""
    now, asked = services.clock(), what_was_asked()
    if asked.claimed_key_id is None:
        return response(NotDealt(ProblemKind.UNSIGNED))
    with reading(services.engine) as tx:
        partner = partner_of(tx, services.pool, partner_id[:_MAX_PARTNER_ID])
    if partner is None or partner.closed:
        return response(NotDealt(ProblemKind.UNKNOWN_PARTNER))
    signature = check_signature(
        asked,
        key_id=PARTNER_PREFIX + partner.partner,
        public_key=read_public_key(partner.public_key),
        now=now,
        request_age_s=services.request_age_s,
        tag=PARTNER_TAG,
    )
    if isinstance(signature, NotDealt):
        return response(signature)
    message = read_message(asked.body, PartnerAward)
    if isinstance(message, NotDealt):
        return response(message)
    job = Job(signature, lambda tx, _: answer_award(services, tx, partner, message, now))
    return response(answered(services, job))


def answer_award(
    services: ApiServices, tx: Connection, partner: Partner, message: PartnerAward, now: datetime
) -> PartnerAccepted | PartnerDeclined | NotDealt:
    """Award what a partner asks for, or put it up for review where the rule wants one."""
    command = _command(tx, services.pool, partner, message)
    if not _is_known(tx, services.pool, command):
        deed = deed_of(command) if isinstance(command, AwardPoints) else deed_of_claim(command)
        unnamed = check_fact_named(tx, services.pool, deed)
        if unnamed is not None:
            return _declined(message, unnamed)
    outcome = services.desk.submit(
        tx, services.pool, command, actor=PARTNER_PREFIX + partner.partner, recorded_at=now
    )
    if isinstance(outcome, Refused):
        if outcome.reason == AwardProblem.CONFLICT:
            return NotDealt(ProblemKind.CONFLICT, outcome.says)
        return _declined(message, outcome)
    return _accepted(tx, services.pool, _own_id(partner, message), message.award_id)


def _command(
    tx: Connection, pool: str, partner: Partner, message: PartnerAward
) -> AwardPoints | ClaimAward:
    """An award, or a claim where the rule wants a review; what it was at first, it stays."""
    own_id, by = _own_id(partner, message), PARTNER_PREFIX + partner.partner
    rule = rule_on(tx, pool, message.rule_id, message.performed_on)
    wants_review = rule is not None and rule.review and award_of(tx, pool, own_id) is None
    if wants_review or claim_of(tx, pool, own_id) is not None:
        return ClaimAward(
            claim_id=own_id,
            account=message.account,
            rule_id=message.rule_id,
            performed_on=message.performed_on,
            claimed_by=by,
            memo=message.memo,
            event=message.event,
            fact_ref=message.fact_ref,
        )
    return AwardPoints(
        award_id=own_id,
        account=message.account,
        rule_id=message.rule_id,
        performed_on=message.performed_on,
        awarded_by=by,
        memo=message.memo,
        event=message.event,
        fact_ref=message.fact_ref,
    )


def _is_known(tx: Connection, pool: str, command: AwardPoints | ClaimAward) -> bool:
    if isinstance(command, AwardPoints):
        return award_of(tx, pool, command.award_id) is not None
    return claim_of(tx, pool, command.claim_id) is not None


def _accepted(tx: Connection, pool: str, own_id: str, award_id: str) -> PartnerAccepted:
    state, points = PartnerAwardState.AWARDED, 0
    review = review_of(tx, pool, own_id)
    if award_of(tx, pool, own_id) is None:
        state = PartnerAwardState.WAITING if review is None else PartnerAwardState.NOT_APPROVED
    elif is_clawed_back(tx, pool, own_id):
        state = PartnerAwardState.CLAWED_BACK
    else:
        points = points_of(tx, pool, own_id)
    return PartnerAccepted(award_id=award_id, state=state, points=points)


def _declined(message: PartnerAward, refusal: Refused) -> PartnerDeclined:
    return PartnerDeclined(award_id=message.award_id, reason=str(refusal.reason), says=refusal.says)


def _own_id(partner: Partner, message: PartnerAward) -> str:
    """Partners number their awards as they like: each has its own numbers."""
    return f"{partner.partner}:{message.award_id}"
