"""The pages of the pool's own people under ``/console``: what waits, merchants, statements.

Operators answer disputes and settle; only finance moves money. Which of them may do what is
decided by the handlers; pages leave out what would be refused anyway and say why. Residents' cards
and records, their orders and the counter are the operators' alone.
"""

from flask import Blueprint, abort, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from server.db import reading
from server.directory.queries import merchant_of, merchants
from server.directory.values import SignInRole
from server.portal.console_cards import add_cards
from server.portal.console_counter import add_counter
from server.portal.console_disputes import add_disputes
from server.portal.console_health import add_health
from server.portal.console_orders import add_orders
from server.portal.console_payments import add_payments
from server.portal.console_records import add_records
from server.portal.console_runs import add_runs
from server.portal.console_terminals import add_terminals
from server.portal.files import download, kind_of
from server.portal.frame import OFFICE, add_door, add_gate, notice, page_of, tell_done
from server.portal.sales import line_detail
from server.portal.services import PortalServices
from server.portal.statements import any_statement, dispute_about, line_of
from server.portal.wording import gettext
from server.settlement.payments_store import payments_of_merchant
from server.settlement.statements import statement_named, statements_of
from server.settlement.states_standing import states_of, waiting
from server.settlement.states_values import REASON_MAX, Lapsed, LapseStatements

SHOWN_MAX = 200
"""Of each kind of what waits; those behind come up as the first are done."""
_OPERATORS_ROOMS = ("/console/cards", "/console/orders", "/console/counter")


def create_blueprint(portal: PortalServices) -> Blueprint:
    """The pages under ``/console``; the merchants' blueprint brings templates and looks."""
    pages = Blueprint("console", __name__, url_prefix="/console")

    @pages.context_processor
    def on_every_console_page() -> dict[str, object]:
        return {"is_finance": _is_finance(), "reason_max": REASON_MAX, "shown_max": SHOWN_MAX}

    add_gate(pages, portal, OFFICE)

    @pages.before_request
    def finance_stays_with_the_money() -> ResponseReturnValue | None:
        if not (_is_finance() and request.path.startswith(_OPERATORS_ROOMS)):
            return None
        heading = gettext("这一页由街道工作人员办理")
        told = gettext("财务管收款、付款和对账。居民的积分卡、券和工单，请街道工作人员来办。")
        return notice(heading, told), 403

    add_door(pages, portal, OFFICE)
    _add_waiting(pages, portal)
    _add_merchants(pages, portal)
    _add_statement(pages, portal)
    add_disputes(pages, portal)
    add_payments(pages, portal)
    add_orders(pages, portal)
    add_runs(pages, portal)
    add_health(pages, portal)
    add_terminals(pages, portal)
    add_counter(pages, portal)
    add_cards(pages, portal)
    add_records(pages, portal)
    return pages


def _is_finance() -> bool:
    signed_in = g.signed_in
    return signed_in is not None and signed_in.role is SignInRole.FINANCE


def _add_waiting(pages: Blueprint, portal: PortalServices) -> None:
    @pages.get("/waiting")
    def waiting_list() -> ResponseReturnValue:
        with reading(portal.engine) as tx:
            found = waiting(tx, portal.pool, portal.clock())
            names = {each.merchant: each.name for each in merchants(tx, portal.pool)}
            disputes = (*found.to_answer[:SHOWN_MAX], *found.to_adjust[:SHOWN_MAX])
            about = [statement_named(tx, portal.pool, each.statement) for each in disputes]
        whose = {each.statement: names[each.merchant] for each in about if each is not None}
        return render_template(
            "console/waiting.html",
            waiting=found,
            names=names,
            whose=whose,
        )

    @pages.post("/waiting/lapse")
    def lapse() -> ResponseReturnValue:
        outcome = portal.submit(g.signed_in.user, LapseStatements())
        assert isinstance(outcome, Lapsed), outcome
        count = len(outcome.statements)
        tell_done(gettext("%(count)s 份到期的对账单已按确认处理。", count=count))
        return redirect(url_for("console.waiting_list"), 303)


def _add_merchants(pages: Blueprint, portal: PortalServices) -> None:
    @pages.get("/merchants")
    def merchants_list() -> ResponseReturnValue:
        with reading(portal.engine) as tx:
            found = merchants(tx, portal.pool)
        shown, page, page_count = page_of(found)
        return render_template(
            "console/merchants.html", merchants=shown, page=page, page_count=page_count
        )

    @pages.get("/merchants/<merchant>")
    def merchant(merchant: str) -> ResponseReturnValue:
        with reading(portal.engine) as tx:
            known = merchant_of(tx, portal.pool, merchant)
            if known is None:
                abort(404)
            made = statements_of(tx, portal.pool, merchant=merchant)
            states = states_of(tx, portal.pool, merchant)
            payments = payments_of_merchant(tx, portal.pool, merchant)
        shown, page, page_count = page_of(made)
        return render_template(
            "console/merchant.html",
            merchant=known,
            statements=shown,
            states=states,
            payments=payments[::-1],
            page=page,
            page_count=page_count,
        )


def _add_statement(pages: Blueprint, portal: PortalServices) -> None:
    @pages.get("/statements/<statement>")
    def statement(statement: str) -> ResponseReturnValue:
        with reading(portal.engine) as tx:
            document, standing = any_statement(portal, tx, statement)
        shown, page, page_count = page_of(document.lines)
        return render_template(
            "console/statement.html",
            document=document,
            standing=standing,
            disputed={each.line: each for each in standing.disputes},
            payment=portal.new_id(),
            lines=shown,
            page=page,
            page_count=page_count,
        )

    @pages.get("/statements/<statement>/lines/<key>")
    def line(statement: str, key: str) -> ResponseReturnValue:
        with reading(portal.engine) as tx:
            document, standing = any_statement(portal, tx, statement)
            shown = line_of(document, key)
            detail = line_detail(tx, portal.pool, shown, portal.today(tx))
        return render_template(
            "portal/line.html",
            document=document,
            standing=standing,
            line=shown,
            detail=detail,
            dispute=dispute_about(standing, key),
        )

    @pages.get("/statements/<statement>/files/<kind>")
    def file(statement: str, kind: str) -> ResponseReturnValue:
        wanted = kind_of(kind)
        with reading(portal.engine) as tx:
            document, _ = any_statement(portal, tx, statement)
        return download(portal, document, wanted)
