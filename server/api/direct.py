"""The two requests of every sale, on the shortest way through the server.

Flask takes longer over an `authorise` than all checks of its signature. So these two addresses
are answered before it, by the same functions and with the same headers; whatever is not written
exactly as a terminal writes it goes the framework's way, and gets its answer there.
"""

import logging
import re
from collections.abc import Callable, Iterable
from http import HTTPStatus
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from protocol.messages import MAX_BODY_BYTES, ProblemKind
from server.api.replies import JSON_TYPE, NOT_STORED, SECURITY_HEADERS, NotDealt, encoded
from server.api.services import ApiServices
from server.api.signed import Asked
from server.api.views import authorised, journalled
from server.api.writer import Answer
from server.db import TryAgain

logger = logging.getLogger(__name__)

_PATH = re.compile(r"/v1/terminals/([A-Za-z0-9._-]{1,128})/(authorise|journal)")
_HOST = re.compile(r"([a-z0-9.-]{1,253})(?::[0-9]{1,5})?")
_LENGTH = re.compile(r"[0-9]{1,8}")
_FIELD = "HTTP_"
_HEADERS = [*SECURITY_HEADERS.items(), NOT_STORED, ("Content-Type", JSON_TYPE)]
_STATUS_LINES = {each.value: f"{each.value} {each.phrase}" for each in HTTPStatus}

Deal = Callable[[ApiServices, str, Asked], Answer]
_DEALS: dict[str, Deal] = {"authorise": authorised, "journal": journalled}


class DirectWay:
    """A WSGI application in front of another one. One for all threads."""

    def __init__(
        self, services: ApiServices, trusted_hosts: tuple[str, ...], otherwise: WSGIApplication
    ) -> None:
        self._services = services
        # A name that stands for many (".example") is for the framework to understand.
        self._hosts = frozenset(each for each in trusted_hosts if _HOST.fullmatch(each))
        self._otherwise = otherwise

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer the request here, or let the other application do it."""
        found = self._plain(environ)
        if found is None:
            return self._otherwise(environ, start_response)
        terminal, verb, length = found
        status, body = encoded(self._answer(environ, terminal, verb, length))
        headers = [*_HEADERS, ("Content-Length", str(len(body)))]
        start_response(_STATUS_LINES[status], headers)
        return [body]

    def _plain(self, environ: WSGIEnvironment) -> tuple[str, str, int] | None:
        """Terminal, verb and length of the body, where this is one of the two requests."""
        path = _PATH.fullmatch(environ["PATH_INFO"])
        if path is None or environ["REQUEST_METHOD"] != "POST":
            return None
        host = _HOST.fullmatch(environ.get("HTTP_HOST", ""))
        if host is None or host[1] not in self._hosts:
            return None
        length = environ.get("CONTENT_LENGTH", "")
        if not _LENGTH.fullmatch(length) or int(length) > MAX_BODY_BYTES:
            return None
        if environ.get("QUERY_STRING") or environ.get("SCRIPT_NAME"):
            return None
        if "HTTP_TRANSFER_ENCODING" in environ:
            return None
        return path[1], path[2], int(length)

    def _answer(self, environ: WSGIEnvironment, terminal: str, verb: str, length: int) -> Answer:
        path = environ["PATH_INFO"]
        try:
            body = environ["wsgi.input"].read(length)
            if len(body) != length:  # the caller hung up
                return NotDealt(ProblemKind.BAD_REQUEST)
            url = f"{environ['wsgi.url_scheme']}://{environ['HTTP_HOST']}{path}"
            asked = Asked("POST", url, _fields(environ), body)
            return _DEALS[verb](self._services, terminal, asked)
        except TryAgain as busy:
            logger.warning("busy while answering POST %s: %s", path, busy)
            return NotDealt(ProblemKind.TRY_AGAIN)
        except Exception:
            # As the framework's error handler does: nobody behind this would answer any more.
            logger.exception("fault while answering POST %s", path)
            return NotDealt(ProblemKind.FAULT)


def _fields(environ: WSGIEnvironment) -> dict[str, str]:
    """The request's header fields, in the capitals that terminals write."""
    fields = {
        name[len(_FIELD) :].replace("_", "-").title(): value
        for name, value in environ.items()
        if name.startswith(_FIELD)
    }
    if "CONTENT_TYPE" in environ:
        fields["Content-Type"] = environ["CONTENT_TYPE"]
    return fields
