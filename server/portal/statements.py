"""The merchant's statements: reading, confirming, disputing, taking them home as files."""

from flask import Blueprint, abort, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import Connection

from server.db import reading
from server.facts.refused import Refused
from server.portal.files import download, kind_of
from server.portal.forms import Mistyped, command_of, reason_typed, typed
from server.portal.frame import merchant_name, page_of, tell_done, tell_refused
from server.portal.sales import line_detail
from server.portal.services import PortalServices
from server.portal.wording import gettext, said
from server.settlement.disputes_values import Dispute, RaiseDispute
from server.settlement.document import document_of
from server.settlement.document_values import StatementDocument, StatementLine
from server.settlement.statements import statement_of, statements_of
from server.settlement.states_standing import Standing, standing_of, states_of
from server.settlement.states_values import REASON_MAX, ConfirmStatement


def add_statements(pages: Blueprint, portal: PortalServices) -> None:
    """All pages about a merchant's own statements."""
    _add_reading(pages, portal)
    _add_word(pages, portal)
    _add_disputing(pages, portal)


def _add_reading(pages: Blueprint, portal: PortalServices) -> None:
    @pages.get("/statements")
    def statements() -> ResponseReturnValue:
        merchant = g.signed_in.merchant
        with reading(portal.engine) as tx:
            made = statements_of(tx, portal.pool, merchant=merchant)
            states = states_of(tx, portal.pool, merchant)
            name = merchant_name(portal, tx, merchant)
        shown, page, page_count = page_of(made)
        return render_template(
            "portal/statements.html",
            merchant_name=name,
            statements=shown,
            states=states,
            page=page,
            page_count=page_count,
        )

    @pages.get("/statements/<statement>")
    def statement(statement: str) -> ResponseReturnValue:
        with reading(portal.engine) as tx:
            document, standing = own_statement(portal, tx, statement)
        shown, page, page_count = page_of(document.lines)
        return render_template(
            "portal/statement.html",
            document=document,
            standing=standing,
            disputed={each.line: each for each in standing.disputes},
            lines=shown,
            page=page,
            page_count=page_count,
        )

    @pages.get("/statements/<statement>/lines/<key>")
    def line(statement: str, key: str) -> ResponseReturnValue:
        with reading(portal.engine) as tx:
            document, standing = own_statement(portal, tx, statement)
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
            document, _ = own_statement(portal, tx, statement)
        return download(portal, document, wanted)


def _add_word(pages: Blueprint, portal: PortalServices) -> None:
    @pages.post("/statements/<statement>/confirm")
    def confirm(statement: str) -> ResponseReturnValue:
        with reading(portal.engine) as tx:
            if statement_of(tx, portal.pool, statement, merchant=g.signed_in.merchant) is None:
                abort(404)
        outcome = portal.submit(g.signed_in.user, ConfirmStatement(statement=statement))
        if isinstance(outcome, Refused):
            tell_refused(outcome.says)
        else:
            tell_done(gettext("已确认。谢谢您核对。"))
        return redirect(url_for("portal.statement", statement=statement), 303)


def _add_disputing(pages: Blueprint, portal: PortalServices) -> None:
    @pages.route("/statements/<statement>/dispute", methods=["GET", "POST"])
    def dispute(statement: str) -> ResponseReturnValue:
        return _disputing(portal, statement, None)

    @pages.route("/statements/<statement>/lines/<key>/dispute", methods=["GET", "POST"])
    def dispute_line(statement: str, key: str) -> ResponseReturnValue:
        return _disputing(portal, statement, key)


def _disputing(portal: PortalServices, statement: str, key: str | None) -> ResponseReturnValue:
    """The form for a dispute about a line, or about the whole (no key), or what came of it."""
    with reading(portal.engine) as tx:
        document, _ = own_statement(portal, tx, statement)
    line = line_of(document, key) if key is not None else None
    if request.method == "GET":
        return _dispute_form(document, line, portal.new_id())
    name = typed("dispute")
    command = _dispute_typed(name, statement, key or "")
    if isinstance(command, Mistyped):
        return _dispute_form(document, line, name or portal.new_id(), told=command.says), 400
    outcome = portal.submit(g.signed_in.user, command)
    if isinstance(outcome, Refused):
        told = said(outcome.says)
        return _dispute_form(document, line, portal.new_id(), told=told), 409
    tell_done(gettext("异议已提交，积分池会在这里答复。"))
    return redirect(url_for("portal.statement", statement=statement), 303)


def _dispute_typed(name: str, statement: str, key: str) -> RaiseDispute | Mistyped:
    reason = reason_typed()
    if isinstance(reason, Mistyped):
        return reason
    return command_of(RaiseDispute, dispute=name, statement=statement, line=key, reason=reason)


def _dispute_form(
    document: StatementDocument, line: StatementLine | None, name: str, *, told: str = ""
) -> str:
    return render_template(
        "portal/dispute.html",
        document=document,
        line=line,
        dispute=name,
        reason=typed("reason"),
        reason_max=REASON_MAX,
        told=told,
    )


def own_statement(
    portal: PortalServices, tx: Connection, statement: str
) -> tuple[StatementDocument, Standing]:
    """A statement of the merchant who is signed in; another's is a page that does not exist."""
    found = statement_of(tx, portal.pool, statement, merchant=g.signed_in.merchant)
    if found is None:
        abort(404)
    return any_statement(portal, tx, statement)


def any_statement(
    portal: PortalServices, tx: Connection, statement: str
) -> tuple[StatementDocument, Standing]:
    """A statement, whoever's it is: for the pool's own people."""
    document = document_of(tx, portal.pool, statement)
    standing = standing_of(tx, portal.pool, statement)
    if document is None or standing is None:
        abort(404)
    return document, standing


def line_of(document: StatementDocument, key: str) -> StatementLine:
    """The document's line of this key."""
    found = next((each for each in document.lines if each.key == key), None)
    if found is None:
        abort(404)
    return found


def dispute_about(standing: Standing, key: str) -> Dispute | None:
    """The dispute about a line, if there is one."""
    return next((each for each in standing.disputes if each.line == key), None)
