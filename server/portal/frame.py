"""What all pages have in common: who is signed in, the language, forms that are ours, notices."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlencode

from flask import Blueprint, flash, g, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import Connection
from werkzeug.exceptions import HTTPException

from server.db import reading
from server.directory.queries import merchant_of, pool_terms
from server.directory.values import SignInRole
from server.portal.services import PortalServices
from server.portal.session import NoBusinessHere, SignedIn, SignInOutcome, Wait
from server.portal.wording import Wording, gettext, said

T = TypeVar("T")

LANGUAGES = ("zh", "en")
ROWS_A_PAGE = 100


@dataclass(frozen=True, slots=True)
class Rooms:
    """One blueprint's pages: whose they are, and the endpoint where they begin."""

    name: str
    roles: frozenset[SignInRole]
    begin: str


MERCHANTS = Rooms("portal", frozenset({SignInRole.MERCHANT}), "portal.statements")
OFFICE = Rooms(
    "console", frozenset({SignInRole.OPERATOR, SignInRole.FINANCE}), "console.waiting_list"
)


def add_gate(pages: Blueprint, portal: PortalServices, rooms: Rooms) -> None:
    """Nobody passes without being signed in as one whose pages these are; no form without its
    token does anything.
    """

    @pages.before_request
    def know_who_and_in_which_language() -> ResponseReturnValue | None:
        if request.endpoint == "portal.static":
            return None
        asked = request.args.get("lang")
        if asked in LANGUAGES:
            session["language"] = asked
        kept = session.get("language")
        had_come = "user" in session
        g.language = kept or request.accept_languages.best_match(LANGUAGES, default="zh")
        with reading(portal.engine) as tx:
            terms = pool_terms(tx, portal.pool)
            known = portal.door.recognise(tx, session, portal.clock())
        g.signed_in = known if known is not None and known.role in rooms.roles else None
        english = g.language == "en"
        g.wording = Wording(terms.unit_name_en if english else terms.unit_name)
        g.pool_name = terms.name_en if english else terms.name
        token = request.form.get("csrf", "") if request.method == "POST" else ""
        if known is None and request.endpoint == f"{rooms.name}.sign_out":
            return redirect(url_for(f"{rooms.name}.sign_in"), 303)  # what was wanted is so
        if request.method == "POST" and not portal.door.form_is_ours(session, token):
            heading = gettext("页面已过期")
            return notice(heading, gettext("请重新打开登录页，再试一次。")), 400
        open_to_all = request.endpoint in {f"{rooms.name}.sign_in", f"{rooms.name}.sign_out"}
        if g.signed_in is None and not open_to_all:
            if had_come and known is None:
                tell_refused(gettext("登录已过期，请重新登录。"))
            return redirect(url_for(f"{rooms.name}.sign_in"))
        return None

    @pages.context_processor
    def on_every_page() -> dict[str, object]:
        return {
            "language": g.language,
            "pool_name": g.pool_name,
            "signed_in": g.signed_in,
            "words": g.wording,
            "csrf": portal.door.csrf_token(session),
            "is_office": rooms is OFFICE,
            "page_address": _page_address,
            "rows_a_page": ROWS_A_PAGE,
        }

    @pages.errorhandler(404)
    def not_found(_error: HTTPException) -> ResponseReturnValue:
        heading = gettext("没有这一页")
        return notice(heading, gettext("它不存在，或者不是您的。")), 404


def add_door(pages: Blueprint, portal: PortalServices, rooms: Rooms) -> None:
    """Signing in and out."""

    @pages.get("/")
    def home() -> ResponseReturnValue:
        return redirect(url_for(rooms.begin))

    @pages.route("/sign-in", methods=["GET", "POST"])
    def sign_in() -> ResponseReturnValue:
        if request.method == "GET":
            if g.signed_in is not None:
                return redirect(url_for(rooms.begin))
            return render_template("portal/sign_in.html", user="", told="")
        user = request.form.get("user", "").strip()
        outcome = portal.door.sign_in(
            session, user, request.form.get("password", ""), portal.clock(), roles=rooms.roles
        )
        if isinstance(outcome, SignedIn):
            return redirect(url_for(rooms.begin), 303)
        g.signed_in = None
        status = 429 if isinstance(outcome, Wait) else 403
        told = _told(outcome, rooms)
        return render_template("portal/sign_in.html", user=user, told=told), status

    @pages.post("/sign-out")
    def sign_out() -> ResponseReturnValue:
        portal.door.sign_out(session)
        return redirect(url_for(f"{rooms.name}.sign_in"), 303)


def _told(outcome: SignInOutcome, rooms: Rooms) -> str:
    if isinstance(outcome, Wait):
        return gettext("试得太多了，请等 %(wait_s)s 秒再试。", wait_s=outcome.wait_s)
    if isinstance(outcome, NoBusinessHere) and rooms is MERCHANTS:
        return gettext("这个用户名不是商户的，请用商户的用户名登录。")
    if isinstance(outcome, NoBusinessHere):
        return gettext("这个用户名不是工作人员的，请用工作人员的用户名登录。")
    return gettext("用户名或密码不对，请再试一次。忘记密码请联系街道工作人员。")


def notice(heading: str, told: str) -> str:
    """A page that says one thing."""
    return render_template("portal/notice.html", heading=heading, told=told)


def tell_done(says: str) -> None:
    """The next page says that it is done."""
    flash(says, "done")


def tell_refused(says: str) -> None:
    """The next page says why nothing happened."""
    flash(said(says), "told")


def page_of(rows: Sequence[T]) -> tuple[Sequence[T], int, int]:
    """The rows of the page that is asked for, its number, and how many pages there are."""
    page_count = max(1, -(-len(rows) // ROWS_A_PAGE))
    page = min(max(1, request.args.get("page", 1, type=int)), page_count)
    return rows[(page - 1) * ROWS_A_PAGE : page * ROWS_A_PAGE], page, page_count


def _page_address(page: int) -> str:
    """The address of another page of what is shown; what else was asked for stays."""
    return "?" + urlencode(request.args.to_dict() | {"page": str(page)})


def merchant_name(portal: PortalServices, tx: Connection, merchant: str) -> str:
    """What a merchant is called."""
    known = merchant_of(tx, portal.pool, merchant)
    return known.name if known is not None else merchant
