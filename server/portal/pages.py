"""The merchant's pages: signing in, statements, and every line of them.

Each page is bounded by the merchant who is signed in: what is another's is answered like
what does not exist (I12). Pages show and parse; nothing here writes to the books.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from flask import Blueprint, abort, g, redirect, render_template, request, session, url_for
from flask.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue
from flask_babel import Babel
from sqlalchemy import Connection, Engine
from werkzeug.exceptions import HTTPException

from server.db import reading
from server.directory.queries import merchant_of, pool_terms
from server.portal.sales import line_detail, receipt_numbers
from server.portal.session import Doorkeeper, NotAMerchant, SignedIn, SignInOutcome, Wait
from server.portal.wording import Wording, gettext
from server.settlement import lines_of, shares_of, statement_of, statements_of

T = TypeVar("T")

LANGUAGES = ("zh", "en")
ROWS_A_PAGE = 100
_TRANSLATIONS = Path(__file__).parent / "translations"


@dataclass(frozen=True, slots=True)
class PortalServices:
    """What the pages are given.

    Attributes:
        clock: the server's time, aware UTC.
        randomness: n random bytes.
        idle_s: seconds without a page after which a session ends.
        lifetime_s: seconds after which it ends in any case.
    """

    engine: Engine
    pool: str
    clock: Callable[[], datetime]
    randomness: Callable[[int], bytes]
    idle_s: int = 30 * 60
    lifetime_s: int = 12 * 3600


def create_blueprint(portal: PortalServices) -> Blueprint:
    """The pages under ``/portal``. The app that takes them has a secret key for its cookies."""
    pages = Blueprint(
        "portal",
        __name__,
        url_prefix="/portal",
        template_folder="templates",
        static_folder="static",
    )
    door = Doorkeeper(
        pool=portal.pool,
        idle_s=portal.idle_s,
        lifetime_s=portal.lifetime_s,
        randomness=portal.randomness,
    )
    pages.record_once(_prepare_app)
    _add_gate(pages, portal, door)
    _add_door(pages, portal, door)
    _add_statements(pages, portal)
    return pages


def _prepare_app(setup: BlueprintSetupState) -> None:
    app = setup.app
    app.config.update(
        SESSION_COOKIE_NAME="huidian_portal",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Strict",
    )
    Babel(
        app,
        default_locale="zh",
        default_translation_directories=str(_TRANSLATIONS),
        locale_selector=lambda: g.get("language", "zh"),
    )


def _add_gate(pages: Blueprint, portal: PortalServices, door: Doorkeeper) -> None:
    @pages.before_request
    def know_who_and_in_which_language() -> ResponseReturnValue | None:
        if request.endpoint == "portal.static":
            return None
        asked = request.args.get("lang")
        if asked in LANGUAGES:
            session["language"] = asked
        kept = session.get("language")
        g.language = kept or request.accept_languages.best_match(LANGUAGES, default="zh")
        with reading(portal.engine) as tx:
            terms = pool_terms(tx, portal.pool)
            g.signed_in = door.recognise(tx, session, portal.clock())
        english = g.language == "en"
        g.wording = Wording(terms.unit_name_en if english else terms.unit_name)
        g.pool_name = terms.name_en if english else terms.name
        if request.method == "POST" and not door.form_is_ours(
            session, request.form.get("csrf", "")
        ):
            heading = gettext("页面已过期")
            return _notice(heading, gettext("请重新打开登录页，再试一次。")), 400
        open_to_all = request.endpoint in {"portal.sign_in", "portal.sign_out"}
        if g.signed_in is None and not open_to_all:
            return redirect(url_for("portal.sign_in"))
        return None

    @pages.context_processor
    def on_every_page() -> dict[str, object]:
        return {
            "language": g.language,
            "pool_name": g.pool_name,
            "signed_in": g.signed_in,
            "words": g.wording,
            "csrf": door.csrf_token(session),
        }

    @pages.errorhandler(404)
    def not_found(_error: HTTPException) -> ResponseReturnValue:
        heading = gettext("没有这一页")
        return _notice(heading, gettext("它不存在，或者不是您的。")), 404


def _notice(heading: str, told: str) -> str:
    return render_template("portal/notice.html", heading=heading, told=told)


def _add_door(pages: Blueprint, portal: PortalServices, door: Doorkeeper) -> None:
    @pages.get("/")
    def home() -> ResponseReturnValue:
        return redirect(url_for("portal.statements"))

    @pages.route("/sign-in", methods=["GET", "POST"])
    def sign_in() -> ResponseReturnValue:
        if request.method == "GET":
            if g.signed_in is not None:
                return redirect(url_for("portal.statements"))
            return render_template("portal/sign_in.html", user="", told="")
        user = request.form.get("user", "").strip()
        with reading(portal.engine) as tx:
            password = request.form.get("password", "")
            outcome = door.sign_in(tx, session, user, password, portal.clock())
        if isinstance(outcome, SignedIn):
            return redirect(url_for("portal.statements"), 303)
        g.signed_in = None
        status = 429 if isinstance(outcome, Wait) else 403
        told = _told(outcome)
        return render_template("portal/sign_in.html", user=user, told=told), status

    @pages.post("/sign-out")
    def sign_out() -> ResponseReturnValue:
        door.sign_out(session)
        return redirect(url_for("portal.sign_in"), 303)


def _told(outcome: SignInOutcome) -> str:
    if isinstance(outcome, Wait):
        return gettext("试得太多了，请等 %(wait_s)s 秒再试。", wait_s=outcome.wait_s)
    if isinstance(outcome, NotAMerchant):
        return gettext("这个用户名不是商户的，请用商户的用户名登录。")
    return gettext("用户名或密码不对，请再试一次。忘记密码请联系街道工作人员。")


def _add_statements(pages: Blueprint, portal: PortalServices) -> None:
    @pages.get("/statements")
    def statements() -> ResponseReturnValue:
        merchant = g.signed_in.merchant
        with reading(portal.engine) as tx:
            made = statements_of(tx, portal.pool, merchant=merchant)
            shown, page, page_count = _page_of(made)
            return render_template(
                "portal/statements.html",
                merchant_name=_name(portal, tx, merchant),
                statements=shown,
                page=page,
                page_count=page_count,
            )

    @pages.get("/statements/<statement>")
    def statement(statement: str) -> ResponseReturnValue:
        merchant = g.signed_in.merchant
        with reading(portal.engine) as tx:
            found = statement_of(tx, portal.pool, statement, merchant=merchant)
            if found is None:
                abort(404)
            shown, page, page_count = _page_of(lines_of(tx, portal.pool, found))
            return render_template(
                "portal/statement.html",
                merchant_name=_name(portal, tx, merchant),
                statement=found,
                totals=found.totals,
                shares=shares_of(tx, portal.pool, statement),
                lines=shown,
                receipts=receipt_numbers(tx, portal.pool, [line.key for line in shown]),
                page=page,
                page_count=page_count,
            )

    @pages.get("/statements/<statement>/lines/<key>")
    def line(statement: str, key: str) -> ResponseReturnValue:
        merchant = g.signed_in.merchant
        with reading(portal.engine) as tx:
            found = statement_of(tx, portal.pool, statement, merchant=merchant)
            lines = lines_of(tx, portal.pool, found) if found is not None else []
            shown = next((each for each in lines if each.key == key), None)
            if found is None or shown is None:
                abort(404)
            return render_template(
                "portal/line.html",
                merchant_name=_name(portal, tx, merchant),
                statement=found,
                line=shown,
                detail=line_detail(tx, portal.pool, shown),
            )


def _page_of(rows: Sequence[T]) -> tuple[Sequence[T], int, int]:
    """The rows of the page that is asked for, its number, and how many pages there are."""
    page_count = max(1, -(-len(rows) // ROWS_A_PAGE))
    page = min(max(1, request.args.get("page", 1, type=int)), page_count)
    return rows[(page - 1) * ROWS_A_PAGE : page * ROWS_A_PAGE], page, page_count


def _name(portal: PortalServices, tx: Connection, merchant: str) -> str:
    known = merchant_of(tx, portal.pool, merchant)
    return known.name if known is not None else merchant
