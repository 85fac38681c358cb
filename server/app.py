"""The server's Flask application: API and pages, and what holds for every answer."""

import logging
from dataclasses import dataclass

from flask import Flask, Response, redirect, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from protocol.messages import ProblemKind
from server import api
from server.api.direct import DirectWay
from server.api.partners import create_partner_blueprint
from server.api.phones import create_phone_blueprint
from server.api.receipts import create_receipt_blueprint
from server.api.replies import NOT_STORED, SECURITY_HEADERS, NotDealt
from server.api.replies import response as api_response
from server.db import TryAgain
from server.phone.pages import create_blueprint as create_phone_pages
from server.phone.pages import create_receipt_page
from server.portal import console
from server.portal import pages as portal
from server.portal.services import PortalServices

logger = logging.getLogger(__name__)

_API = "/v1/"
_NO_PAGE = "没有这一页。\nThere is no such page.\n"
_SAID_OF_STATUS = {
    404: _NO_PAGE,
    405: "这个地址不能直接打开，请返回上一页，再点一次按钮。\n"
    "This address does not open by itself. Go back and press the button again.\n",
    413: "提交的内容太长，请返回上一页，写短一些。\nToo much was sent. Go back and write less.\n",
}
"""What a reader is told where no page of the pages' own answered, in both languages: whose
language it is, is not known there."""
_PROBLEM_OF_STATUS = {
    404: ProblemKind.NOT_FOUND,
    413: ProblemKind.TOO_LARGE,
}


@dataclass(frozen=True, slots=True)
class AppServices:
    """What the application is put together from.

    Attributes:
        session_secret: signs the cookies of the pages.
        trusted_hosts: names under which the server may be called; any other gets 400.
        cookies_need_https: browsers send the pages' cookies over HTTPS alone.
        max_body_bytes: of a form; API bodies have their own limit.
    """

    api: api.ApiServices
    portal: PortalServices
    session_secret: bytes
    trusted_hosts: tuple[str, ...]
    max_body_bytes: int
    cookies_need_https: bool = False


def create_app(services: AppServices) -> Flask:
    """The application for a WSGI server; one for all threads."""
    app = Flask(__name__, static_folder=None)
    app.config.update(
        SECRET_KEY=services.session_secret,
        TRUSTED_HOSTS=list(services.trusted_hosts),
        MAX_CONTENT_LENGTH=services.max_body_bytes,
        SESSION_COOKIE_SECURE=services.cookies_need_https,
    )
    app.register_blueprint(api.create_blueprint(services.api))
    app.register_blueprint(create_partner_blueprint(services.api))
    app.register_blueprint(create_phone_blueprint(services.api))
    app.register_blueprint(create_receipt_blueprint(services.api))
    app.register_blueprint(create_phone_pages(services.api.engine, services.api.pool))
    app.register_blueprint(create_receipt_page())
    app.register_blueprint(portal.create_blueprint(services.portal))
    app.register_blueprint(console.create_blueprint(services.portal))
    app.before_request(_refuse_nul)
    app.after_request(_secure)
    app.register_error_handler(Exception, _fault)

    @app.get("/")
    def home() -> ResponseReturnValue:
        return redirect("/portal/")

    # What every sale asks twice does not go the framework's way.
    app.wsgi_app = DirectWay(services.api, services.trusted_hosts, app.wsgi_app)  # type: ignore[method-assign] # as the framework's manual says
    return app


def _refuse_nul() -> ResponseReturnValue | None:
    """PostgreSQL keeps no text with NUL, so nothing can be found under such an address.

    Said without the pages' own words: whose language they are in is found out later.
    """
    if "\0" not in request.path:
        return None
    if request.path.startswith(_API):
        return api_response(NotDealt(ProblemKind.NOT_FOUND))
    return _plain(_NO_PAGE, 404)


def _secure(response: Response) -> Response:
    response.headers.update(SECURITY_HEADERS)
    name, value = NOT_STORED
    response.headers.setdefault(name, value)
    return response


def _fault(error: Exception) -> ResponseReturnValue:
    """Every error that nobody else answered; a fault of the program is logged with its trace."""
    if isinstance(error, HTTPException) and error.code is not None:
        if not request.path.startswith(_API):
            return _in_words(error)
        kind = _PROBLEM_OF_STATUS.get(error.code, ProblemKind.BAD_REQUEST)
        return api_response(NotDealt(kind))
    if isinstance(error, TryAgain):
        logger.warning("busy while answering %s %s: %s", request.method, request.path, error)
        if request.path.startswith(_API):
            return api_response(NotDealt(ProblemKind.TRY_AGAIN))
        return _plain("服务器忙，请稍后再试。\nThe server is busy. Try again later.\n", 503)
    logger.error("fault while answering %s %s", request.method, request.path, exc_info=error)
    if request.path.startswith(_API):
        return api_response(NotDealt(ProblemKind.FAULT))
    return _plain(
        "服务器出错，已记录，请稍后再试。\nThe server has a fault; it was logged. Try again later.\n",
        500,
    )


def _in_words(error: HTTPException) -> ResponseReturnValue:
    """The same status and headers (a redirect, which methods there are), in words of ours."""
    says = _SAID_OF_STATUS.get(error.code or 0)
    answer = error.get_response()
    if says is not None:
        answer.set_data(says)
        answer.content_type = "text/plain; charset=utf-8"
    return answer


def _plain(says: str, status: int) -> Response:
    return Response(says, status, content_type="text/plain; charset=utf-8")
