"""A resident's record card at the office: chosen days, printed as PDF, and who took it."""

from datetime import date

from flask import Blueprint, Response, abort, g, render_template
from flask.typing import ResponseReturnValue

from protocol.business_day import business_date
from server.db import reading
from server.directory import pool_terms, resident_of
from server.directory.record_prints import PrintRecordCard, record_prints
from server.directory.values import masked_name
from server.exports.paper import PaperSize
from server.exports.record_card import MAX_LINES, TITLE, PrintedRecord, record_card_pdf
from server.facts.refused import Refused
from server.portal.forms import Mistyped, command_of, day_typed, typed
from server.portal.services import PortalServices
from server.portal.wording import gettext, said
from server.reports.record import RecordCard, record_card_of

_PATIENCE_S = 20.0


def add_records(pages: Blueprint, portal: PortalServices) -> None:
    """The page where the days are chosen, and the paper."""

    @pages.get("/cards/<account>/record")
    def record_card(account: str) -> ResponseReturnValue:
        return _page(portal, account)

    @pages.post("/cards/<account>/record")
    def print_record_card(account: str) -> ResponseReturnValue:
        command = _command(account)
        if isinstance(command, Mistyped):
            return _page(portal, account, told=command.says), 400
        if portal.font is None:
            return _page(portal, account, told=gettext("服务器上没有中文字体，打印不了。")), 409
        with reading(portal.engine) as tx:
            if resident_of(tx, portal.pool, account) is None:
                abort(404)
        if not portal.exports.acquire(timeout=_PATIENCE_S):
            told = gettext("正在给别人制作文件，请过一分钟再下载。")
            return _page(portal, account, told=told), 503
        try:
            return _printed(portal, command)
        finally:
            portal.exports.release()


def _page(portal: PortalServices, account: str, *, told: str = "") -> str:
    with reading(portal.engine) as tx:
        resident = resident_of(tx, portal.pool, account)
        if resident is None:
            abort(404)
        hour = pool_terms(tx, portal.pool).cut_off_hour
        prints = record_prints(tx, portal.pool, account)
    today = business_date(portal.clock(), hour)
    return render_template(
        "console/record.html",
        resident=resident,
        prints=prints,
        first_day=typed("first_day") or f"{date(today.year, 1, 1)}",
        last_day=typed("last_day") or f"{today}",
        papers=list(PaperSize),
        chosen=typed("paper") or PaperSize.A4,
        title=TITLE,
        told=told,
    )


def _command(account: str) -> PrintRecordCard | Mistyped:
    first_day, last_day = day_typed(typed("first_day")), day_typed(typed("last_day"))
    if isinstance(first_day, Mistyped):
        return first_day
    if isinstance(last_day, Mistyped):
        return last_day
    return command_of(
        PrintRecordCard,
        account=account,
        first_day=first_day,
        last_day=last_day,
        paper=typed("paper"),
    )


def _printed(portal: PortalServices, command: PrintRecordCard) -> ResponseReturnValue:
    """Written down first: what was looked at without a trace could not be traced any more."""
    with reading(portal.engine) as tx:
        card = record_card_of(tx, portal.pool, command.account, command.first_day, command.last_day)
    if len(card.lines) > MAX_LINES:
        told = gettext("这段时间超过 %(most)s 条，请把日期分开打印。", most=MAX_LINES)
        return _page(portal, command.account, told=told), 409
    outcome = portal.submit(g.signed_in.user, command)
    if isinstance(outcome, Refused):
        return _page(portal, command.account, told=said(outcome.says)), 409
    record = _record(portal, command, card)
    assert portal.font is not None, "asked before"
    made = record_card_pdf(record, portal.font, portal.clock(), PaperSize(command.paper))
    answer = Response(made, content_type="application/pdf")
    name = f"record-{command.account[-4:]}-{command.last_day}.pdf"
    answer.headers.set("Content-Disposition", "inline", filename=name)
    answer.headers.set("Cache-Control", "no-store")
    return answer


def _record(portal: PortalServices, command: PrintRecordCard, card: RecordCard) -> PrintedRecord:
    with reading(portal.engine) as tx:
        resident = resident_of(tx, portal.pool, command.account)
        terms = pool_terms(tx, portal.pool)
    assert resident is not None, "the handler refuses unknown residents"
    return PrintedRecord(
        pool_name=terms.name,
        unit_name=terms.unit_name,
        name=masked_name(resident.name),
        number=f"尾号 {command.account[-4:]}",
        first_day=card.first_day,
        last_day=card.last_day,
        before=card.before,
        lines=[(each.what, each.registered_at, each.points) for each in card.lines],
        after=card.after,
        printed_by=g.signed_in.user,
    )
