"""Money to and from merchants, step by step: one proposes, another approves, it is recorded."""

from flask import Blueprint, abort, g, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from msgspec import Struct
from sqlalchemy import Connection

from protocol.business_day import business_date
from server.db import reading
from server.facts.actors import same_person
from server.facts.refused import Refused
from server.portal.forms import Mistyped, command_of, day_typed, reason_typed, typed, yuan_typed
from server.portal.frame import merchant_name, tell_done, tell_refused
from server.portal.services import PortalServices
from server.portal.wording import gettext
from server.settlement.payments_store import payment_of
from server.settlement.payments_values import (
    ApprovePayment,
    BouncePayment,
    Payment,
    ProposePayment,
    RecordPaid,
    WithdrawPayment,
)
from server.settlement.statements import statement_named
from server.settlement.states_rights import portal_actor
from server.settlement.states_values import CarryForward

_MIDNIGHT = 0


def add_payments(pages: Blueprint, portal: PortalServices) -> None:
    """Proposing for a statement, and the page of one payment with its next step."""
    _add_proposing(pages, portal)
    _add_steps(pages, portal)


def _add_proposing(pages: Blueprint, portal: PortalServices) -> None:
    @pages.post("/statements/<statement>/payments")
    def propose(statement: str) -> ResponseReturnValue:
        back = _back_to(portal, statement)
        amount_fen, note = yuan_typed(), reason_typed("note", needed=False)
        if isinstance(amount_fen, Mistyped):
            return _refused(amount_fen.says, back)
        if isinstance(note, Mistyped):
            return _refused(note.says, back)
        command = command_of(
            ProposePayment,
            payment=typed("payment"),
            statement=statement,
            direction=typed("direction"),
            amount_fen=amount_fen,
            note=note,
        )
        done = gettext("已提出，请另一位财务人员批准。")
        if isinstance(command, Mistyped):
            return _refused(command.says, back)
        forward = url_for("console.payment", payment=command.payment)
        return _submitted(portal, command, done, back, forward=forward)

    @pages.post("/statements/<statement>/carry")
    def carry(statement: str) -> ResponseReturnValue:
        back = _back_to(portal, statement)
        reason = reason_typed()
        if isinstance(reason, Mistyped):
            return _refused(reason.says, back)
        command = command_of(CarryForward, statement=statement, reason=reason)
        return _submitted(portal, command, gettext("已结转到下一期。"), back)


def _add_steps(pages: Blueprint, portal: PortalServices) -> None:
    @pages.get("/payments/<payment>")
    def payment(payment: str) -> ResponseReturnValue:
        with reading(portal.engine) as tx:
            found = _found(portal, tx, payment)
            name = merchant_name(portal, tx, found.merchant)
        return render_template(
            "console/payment.html",
            payment=found,
            merchant_name=name,
            is_own=same_person(found.proposed_by, portal_actor(g.signed_in.user)),
            today=business_date(portal.clock(), _MIDNIGHT),
        )

    @pages.post("/payments/<payment>/approve")
    def approve(payment: str) -> ResponseReturnValue:
        back = _back_to_payment(portal, payment)
        done = gettext("已批准，请到银行办理，办好后记账。")
        return _submitted(portal, ApprovePayment(payment=payment), done, back)

    @pages.post("/payments/<payment>/record")
    def record(payment: str) -> ResponseReturnValue:
        back = _back_to_payment(portal, payment)
        day = day_typed(typed("paid_on"))
        if isinstance(day, Mistyped):
            return _refused(day.says, back)
        if not typed("bank_ref"):
            return _refused(gettext("请按银行回单填写流水号。"), back)
        command = command_of(RecordPaid, payment=payment, bank_ref=typed("bank_ref"), paid_on=day)
        return _submitted(portal, command, gettext("已记账。"), back)

    @pages.post("/payments/<payment>/bounce")
    def bounce(payment: str) -> ResponseReturnValue:
        back = _back_to_payment(portal, payment)
        reason = reason_typed()
        if isinstance(reason, Mistyped):
            return _refused(reason.says, back)
        command = command_of(BouncePayment, payment=payment, reason=reason)
        return _submitted(portal, command, gettext("已记退回，请重新提出一笔。"), back)

    @pages.post("/payments/<payment>/withdraw")
    def withdraw(payment: str) -> ResponseReturnValue:
        back = _back_to_payment(portal, payment)
        reason = reason_typed()
        if isinstance(reason, Mistyped):
            return _refused(reason.says, back)
        command = command_of(WithdrawPayment, payment=payment, reason=reason)
        return _submitted(portal, command, gettext("已撤回。"), back)


def _submitted(
    portal: PortalServices, command: Struct | Mistyped, done: str, back: str, *, forward: str = ""
) -> ResponseReturnValue:
    if isinstance(command, Mistyped):
        return _refused(command.says, back)
    outcome = portal.submit(g.signed_in.user, command)
    if isinstance(outcome, Refused):
        return _refused(outcome.says, back)
    tell_done(done)
    return redirect(forward or back, 303)


def _refused(says: str, back: str) -> ResponseReturnValue:
    tell_refused(says)
    return redirect(back, 303)


def _back_to(portal: PortalServices, statement: str) -> str:
    with reading(portal.engine) as tx:
        if statement_named(tx, portal.pool, statement) is None:
            abort(404)
    return url_for("console.statement", statement=statement)


def _back_to_payment(portal: PortalServices, payment: str) -> str:
    with reading(portal.engine) as tx:
        _found(portal, tx, payment)
    return url_for("console.payment", payment=payment)


def _found(portal: PortalServices, tx: Connection, payment: str) -> Payment:
    found = payment_of(tx, portal.pool, payment)
    if found is None:
        abort(404)
    return found
