"""Answering a merchant's dispute: with an adjustment on his next statement, or a refusal."""

from flask import Blueprint, abort, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from server.db import reading
from server.facts.actors import same_person
from server.facts.refused import Refused
from server.portal.forms import Mistyped, command_of, reason_typed, typed, yuan_typed
from server.portal.frame import tell_done
from server.portal.services import PortalServices
from server.portal.statements import any_statement
from server.portal.wording import gettext, said
from server.settlement.disputes_store import dispute_of
from server.settlement.disputes_values import (
    AnswerDispute,
    ApproveAdjustment,
    ProposeAdjustment,
    Verdict,
)
from server.settlement.states_rights import portal_actor

_FROM_MERCHANT, _APPROVED = "less", "approved"


def add_disputes(pages: Blueprint, portal: PortalServices) -> None:
    """The page of one dispute."""

    @pages.route("/disputes/<dispute>", methods=["GET", "POST"])
    def dispute(dispute: str) -> ResponseReturnValue:
        if request.method == "GET":
            return _page(portal, dispute)
        with reading(portal.engine) as tx:
            found = dispute_of(tx, portal.pool, dispute)
        if found is None:
            abort(404)
        command = _approval(dispute) if typed("verdict") == _APPROVED else _answer(dispute)
        if isinstance(command, Mistyped):
            return _page(portal, dispute, told=command.says), 400
        outcome = portal.submit(g.signed_in.user, command)
        if isinstance(outcome, Refused):
            return _page(portal, dispute, told=said(outcome.says)), 409
        if isinstance(command, ProposeAdjustment):
            tell_done(gettext("调整已提出，要另一个人批准。"))
        else:
            tell_done(gettext("已答复，商户在对账单上看得到。"))
        return redirect(url_for("console.statement", statement=found.statement), 303)


def _approval(dispute: str) -> ApproveAdjustment | Mistyped:
    """The amount that was on the page: whoever approves has seen that one and no other."""
    amount_fen = typed("amount_fen")
    if not amount_fen.removeprefix("-").isascii() or not amount_fen.removeprefix("-").isdigit():
        return Mistyped(gettext("金额看不懂，请重新打开这一页。"))
    return command_of(ApproveAdjustment, dispute=dispute, amount_fen=int(amount_fen))


def _answer(dispute: str) -> AnswerDispute | ProposeAdjustment | Mistyped:
    """What was typed: an adjustment up or down, or a refusal; each with its reason."""
    try:
        verdict = Verdict(typed("verdict"))
    except ValueError:
        return Mistyped(gettext("请选择：同意并调整，或者不同意。"))
    reason = reason_typed()
    if isinstance(reason, Mistyped):
        return reason
    if verdict is Verdict.REFUSED:
        return command_of(AnswerDispute, dispute=dispute, verdict=verdict, reason=reason)
    amount_fen = yuan_typed()
    if isinstance(amount_fen, Mistyped):
        return amount_fen
    if typed("way") == _FROM_MERCHANT:
        amount_fen = -amount_fen
    return command_of(ProposeAdjustment, dispute=dispute, amount_fen=amount_fen, reason=reason)


def _page(portal: PortalServices, name: str, *, told: str = "") -> str:
    with reading(portal.engine) as tx:
        found = dispute_of(tx, portal.pool, name)
        if found is None:
            abort(404)
        document, standing = any_statement(portal, tx, found.statement)
    actor = portal_actor(g.signed_in.user)
    is_own = bool(found.on_behalf) and same_person(found.raised_by, actor)
    proposal = found.proposal
    return render_template(
        "console/dispute.html",
        dispute=found,
        document=document,
        standing=standing,
        line=next((each for each in document.lines if each.key == found.line), None),
        is_own=is_own,
        is_own_proposal=proposal is not None and same_person(proposal.proposed_by, actor),
        typed={name: typed(name) for name in ("amount", "reason", "way", "verdict")},
        told=told,
    )
