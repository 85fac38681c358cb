"""Closing the books through a day, in the browser: looked at first, then merchant by merchant.

One request settles for a few seconds and shows how far the run is; pressing the button again goes
on. Whatever interrupts it, nothing is lost: every merchant is a command of his own.
"""

import time
from datetime import date, timedelta

from flask import Blueprint, abort, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from protocol.business_day import business_date
from server.db import reading
from server.directory.queries import cut_off_hour, merchants
from server.portal.forms import Mistyped, day_typed, typed
from server.portal.frame import page_of, tell_done, tell_refused
from server.portal.services import PortalServices
from server.portal.wording import gettext
from server.settlement.day_sums import sum_up
from server.settlement.runs import MERCHANTS_AT_ONCE, drive, merchants_due, preview
from server.settlement.statements import (
    is_closed,
    last_run,
    left_open_of,
    run_named,
    runs,
    statements_of,
)
from server.settlement.states_rights import portal_actor
from server.settlement.values import (
    DOCUMENT_VERSION,
    CloseRun,
    OpenRun,
    RunClosed,
    RunOpened,
    SettleRefused,
)

AT_ONCE_S = 8.0
"""How long one request settles before it shows how far it is."""


def add_runs(pages: Blueprint, portal: PortalServices) -> None:
    """The list of runs, the preview, and the page of one run."""
    _add_list(pages, portal)
    _add_run(pages, portal)


def _add_list(pages: Blueprint, portal: PortalServices) -> None:
    @pages.get("/runs")
    def runs_list() -> ResponseReturnValue:
        with reading(portal.engine) as tx:
            made = runs(tx, portal.pool)[::-1]
            shown, page, page_count = page_of(made)
            closed = {each.run for each in shown if is_closed(tx, portal.pool, each)}
            yesterday = _yesterday(portal, cut_off_hour(tx, portal.pool))
        return render_template(
            "console/runs.html",
            runs=shown,
            closed=closed,
            yesterday=yesterday,
            page=page,
            page_count=page_count,
        )

    @pages.get("/runs/preview")
    def run_preview() -> ResponseReturnValue:
        through = day_typed(request.args.get("through", ""))
        if isinstance(through, Mistyped):
            tell_refused(through.says)
            return redirect(url_for("console.runs_list"), 303)
        sum_up(portal.engine, portal.pool)
        with reading(portal.engine) as tx:
            hour = cut_off_hour(tx, portal.pool)
            if through > business_date(portal.clock(), hour):
                # A year mistyped would otherwise be drawn up day by day.
                tell_refused(gettext("这一天还没有到，请改日期。"))
                return redirect(url_for("console.runs_list"), 303)
            last = last_run(tx, portal.pool)
            seen = list(preview(tx, portal.pool, through))
        drafts = [(each.merchant, draft) for each in seen for draft in each.drafts]
        shown, page, page_count = page_of(drafts)
        return render_template(
            "console/preview.html",
            through=through,
            is_over=through <= _yesterday(portal, hour),
            is_behind=last is not None and through < last.through,
            drafts=shown,
            left=[(each.merchant, each.left) for each in seen if each.left is not None],
            page=page,
            page_count=page_count,
        )

    @pages.post("/runs")
    def open_run() -> ResponseReturnValue:
        through = day_typed(typed("through"))
        if isinstance(through, Mistyped):
            tell_refused(through.says)
            return redirect(url_for("console.runs_list"), 303)
        user = g.signed_in.user
        command = OpenRun(
            run=portal.new_id(),
            through=through,
            opened_by=portal_actor(user),
            document_version=DOCUMENT_VERSION,
        )
        outcome = portal.submit(user, command)
        if isinstance(outcome, SettleRefused):
            tell_refused(outcome.says)
            return redirect(url_for("console.runs_list"), 303)
        assert isinstance(outcome, RunOpened), outcome
        return _go_on(portal, outcome.run, after="")


def _add_run(pages: Blueprint, portal: PortalServices) -> None:
    @pages.get("/runs/<run>")
    def run(run: str) -> ResponseReturnValue:
        with reading(portal.engine) as tx:
            found = run_named(tx, portal.pool, run)
            if found is None:
                abort(404)
            made = statements_of(tx, portal.pool, run=run)
            closed = is_closed(tx, portal.pool, found)
            left = left_open_of(tx, portal.pool, run)
            # Everybody of a closed run is settled, but for those it names.
            due = merchants_due(tx, portal.pool, run) if left or not closed else []
            names = {each.merchant: each.name for each in merchants(tx, portal.pool)}
        shown, page, page_count = page_of(made)
        return render_template(
            "console/run.html",
            run=found,
            is_closed=closed,
            count=len(made),
            due=due,
            left=[each for each in left if each.merchant in due],
            names=names,
            after=request.args.get("after", ""),
            statements=shown,
            page=page,
            page_count=page_count,
        )

    @pages.post("/runs/<run>/go")
    def go_on(run: str) -> ResponseReturnValue:
        with reading(portal.engine) as tx:
            if run_named(tx, portal.pool, run) is None:
                abort(404)
        return _go_on(portal, run, after=typed("after"))


def _go_on(portal: PortalServices, run: str, *, after: str) -> ResponseReturnValue:
    """Settle those behind ``after`` for a while; close the run once nobody is left."""
    user = g.signed_in.user
    with reading(portal.engine) as tx:
        due = [each for each in merchants_due(tx, portal.pool, run) if each > after]
    began_s = time.monotonic()
    number = portions = 0
    for step in drive(lambda command: portal.submit(user, command), run, due):
        number, after = step.number, step.merchant
        # Who was refused stands on the run's page. Others of the same command are done as well.
        if number // MERCHANTS_AT_ONCE > portions:
            portions = number // MERCHANTS_AT_ONCE
            if time.monotonic() - began_s > AT_ONCE_S:
                break
    if number < len(due):
        left = len(due) - number
        tell_done(gettext("已做 %(done)s 家，还有 %(left)s 家。", done=number, left=left))
        return redirect(url_for("console.run", run=run, after=after), 303)
    outcome = portal.submit(user, CloseRun(run=run, closed_by=portal_actor(user)))
    if isinstance(outcome, SettleRefused):
        tell_refused(outcome.says)
    else:
        assert isinstance(outcome, RunClosed), outcome
        tell_done(gettext("这一次结算已做完。"))
    return redirect(url_for("console.run", run=run), 303)


def _yesterday(portal: PortalServices, hour: int) -> date:
    """The last business date that is over."""
    return business_date(portal.clock(), hour) - timedelta(days=1)
