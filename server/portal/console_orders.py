"""Vouchers and work orders that residents wait for: the office asks a merchant to do each, or
cancels what will not be done.
"""

from datetime import date

from flask import Blueprint, abort, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from protocol.money import QUANTITY_ONE_MILLI
from protocol.narrow import narrow
from server.db import reading
from server.directory.queries import merchants
from server.facts.refused import Refused
from server.portal.forms import Mistyped, command_of, reason_typed, typed
from server.portal.frame import page_of, tell_done
from server.portal.services import PortalServices
from server.portal.wording import gettext, said
from server.redemption.order_states import OrderState
from server.redemption.order_values import CancelOrder, OrderMoved
from server.redemption.orders import order_of
from server.settlement.assigning import (
    AssignOrder,
    asked_for,
    assigned_merchants,
    waiting_orders,
)
from server.settlement.assigning_tables import SAYS_MAX

UNITS_CHARS = 6
LISTED_MAX = 1_000
"""Orders on the list; those behind them come up as the oldest are done."""


def add_orders(pages: Blueprint, portal: PortalServices) -> None:
    """The list of what waits, and the page of one order."""

    @pages.get("/orders")
    def orders() -> ResponseReturnValue:
        with reading(portal.engine) as tx:
            waiting = waiting_orders(tx, portal.pool, limit=LISTED_MAX)
            asked = assigned_merchants(tx, portal.pool)
            names = {each.merchant: each.name for each in merchants(tx, portal.pool)}
        # Those that nobody was asked for yet are what is to be done here.
        ordered = sorted(waiting, key=lambda each: each.order_id in asked)
        shown, page, page_count = page_of(ordered)
        return render_template(
            "console/orders.html",
            count=len(waiting),
            is_cut=len(waiting) == LISTED_MAX,
            unasked=sum(each.order_id not in asked for each in waiting),
            orders=shown,
            asked=asked,
            names=names,
            page=page,
            page_count=page_count,
        )

    @pages.route("/orders/<order_id>", methods=["GET", "POST"])
    def order(order_id: str) -> ResponseReturnValue:
        if request.method == "GET":
            return _page(portal, order_id)
        with reading(portal.engine) as tx:
            if order_of(tx, portal.pool, order_id) is None:
                abort(404)
        command = _typed(order_id)
        if isinstance(command, Mistyped):
            return _page(portal, order_id, told=command.says), 400
        outcome = portal.submit(g.signed_in.user, command)
        if isinstance(outcome, Refused):
            return _page(portal, order_id, told=said(outcome.says)), 409
        tell_done(gettext("已派给商户，他登录后看得到。"))
        return redirect(url_for("console.orders"), 303)

    _add_cancelling(pages, portal)


def _add_cancelling(pages: Blueprint, portal: PortalServices) -> None:
    @pages.post("/orders/<order_id>/cancel")
    def cancel_order(order_id: str) -> ResponseReturnValue:
        with reading(portal.engine) as tx:
            found, today = order_of(tx, portal.pool, order_id), portal.today(tx)
        if found is None:
            abort(404)
        command = _cancelling(order_id, today)
        if isinstance(command, Mistyped):
            return _page(portal, order_id, not_cancelled=command.says), 400
        outcome = portal.submit(g.signed_in.user, command)
        if isinstance(outcome, Refused):
            return _page(portal, order_id, not_cancelled=said(outcome.says)), 409
        assert isinstance(outcome, OrderMoved), outcome
        points = g.wording.points(outcome.points)
        tell_done(gettext("已取消，退给居民 %(points)s。", points=points))
        return redirect(url_for("console.order", order_id=order_id), 303)


def _typed(order_id: str) -> AssignOrder | Mistyped:
    merchant, says = typed("merchant"), typed("says")
    if not merchant:
        return Mistyped(gettext("请选择一家商户。"))
    if len(says) > SAYS_MAX:
        return Mistyped(gettext("要告诉商户的话最多 %(most)s 个字。", most=SAYS_MAX))
    return command_of(AssignOrder, order_id=order_id, merchant=merchant, says=says)


def _cancelling(order_id: str, today: date) -> CancelOrder | Mistyped:
    """The form's own number cancels once, however often it is sent."""
    reason = reason_typed()
    if isinstance(reason, Mistyped):
        return reason
    units = narrow(typed("units"))
    if not (units.isascii() and units.isdigit() and len(units) <= UNITS_CHARS and int(units)):
        return Mistyped(gettext("要取消几份，请写整数，至少 1。"))
    return command_of(
        CancelOrder,
        cancel_id=typed("cancel_id"),
        order_id=order_id,
        business_date=today,
        reason=reason,
        units_milli=int(units) * QUANTITY_ONE_MILLI,
    )


def _page(portal: PortalServices, order_id: str, *, told: str = "", not_cancelled: str = "") -> str:
    with reading(portal.engine) as tx:
        found = order_of(tx, portal.pool, order_id)
        if found is None:
            abort(404)
        asked = asked_for(tx, portal.pool, order_id)
        known = merchants(tx, portal.pool)
    return render_template(
        "console/order.html",
        order=found,
        is_open=found.state is OrderState.OPEN,
        asked=asked,
        merchants=known,
        names={each.merchant: each.name for each in known},
        told=told,
        not_cancelled=not_cancelled,
        cancel_id=typed("cancel_id") or portal.new_id(),
        open_units=found.units.open_milli // QUANTITY_ONE_MILLI,
        typed=request.form,
        says_max=SAYS_MAX,
    )
