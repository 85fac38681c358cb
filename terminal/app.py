"""The terminal's web application, and the server that carries it."""

import errno
import logging
import signal
import socket
import threading
from types import FrameType
from typing import Any, Final
from wsgiref.types import WSGIApplication

from flask import Flask, Response
from waitress import create_server, wasyncore
from werkzeug.exceptions import HTTPException

from terminal.domain.devices import DeviceDesk
from terminal.prices.files import MAX_FILE_BYTES
from terminal.web.answers import problem
from terminal.web.bodies import MAX_BODY_BYTES
from terminal.web.devices import create_devices_blueprint
from terminal.web.display import create_display_blueprint
from terminal.web.language import set_up_languages
from terminal.web.routes import WebDesk, create_blueprint
from terminal.web.streams import Streams

LOG = logging.getLogger(__name__)

WEB_THREADS: Final = 12
MAX_CONNECTIONS: Final = 60
MAX_HEADER_BYTES: Final = 16 * 1024
WORK_ENDS_S: Final = 5
"""How long requests under way may take when the program stops."""

DRAIN_TURNS: Final = 20
DRAIN_TURN_S: Final = 0.05
LOOP_S: Final = 1.0
_STREAMS: Final = "huidian_streams"

SECURITY_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class PortInUseError(Exception):
    """Another program listens there already: most likely this one, started twice."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(
            f"{host}:{port} 已被别的程序占用：终端可能已在运行；请先停掉它，或在设置里改 listen_port · "
            f"{host}:{port} is in use: the terminal may be running already; "
            "stop it, or change listen_port in the settings"
        )
        self.host = host
        self.port = port


def create_app(desk: WebDesk, devices: DeviceDesk | None = None) -> Flask:
    """The application over one desk. Nothing of it works before a request comes.

    ``devices`` adds the page of the printer's self-test.
    """
    app = Flask(__name__, static_folder=None, template_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.extensions[_STREAMS] = desk.streams
    set_up_languages(app, desk.default_language)
    app.register_blueprint(create_blueprint(desk))
    app.register_blueprint(create_display_blueprint())
    if devices is not None:
        app.register_blueprint(create_devices_blueprint(devices, desk.staff))
    app.register_error_handler(HTTPException, _http_problem)
    app.register_error_handler(Exception, _fault)
    app.after_request(_add_security_headers)
    return app


def _add_security_headers(response: Response) -> Response:
    for name, value in SECURITY_HEADERS.items():
        response.headers[name] = value
    return response


def _http_problem(error: HTTPException) -> Response:
    return problem("http", error.description or error.name, error.code or 500)


def _fault(error: Exception) -> Response:
    LOG.error("a request failed", exc_info=error)
    return problem("fault", "终端程序出错，这一步没有算数，请联系技术员 · the terminal failed", 500)


def bind(host: str, port: int) -> socket.socket:
    """Take the address, before anything else of the program starts.

    Args:
        host: an address of this machine.
        port: 0 for any that is free.

    Raises:
        PortInUseError: somebody listens there.
        OSError: the address is none of this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortInUseError(host, port) from error
        raise


class WebServer:
    """Serves an application on a socket of :func:`bind` until it is stopped."""

    def __init__(
        self,
        app: Flask,
        listener: socket.socket,
        threads: int = WEB_THREADS,
        *,
        front: WSGIApplication | None = None,
    ) -> None:
        """``front`` stands before ``app`` and may give requests to another one."""
        self._streams: Streams = app.extensions[_STREAMS]
        self._stopping = threading.Event()
        self._sockets: dict[int, Any] = {}
        self._server = create_server(
            front or app,
            map=self._sockets,
            sockets=[listener],
            threads=threads,
            connection_limit=MAX_CONNECTIONS,
            max_request_body_size=MAX_FILE_BYTES
            + MAX_BODY_BYTES,  # the application allows a file to one address only
            max_request_header_size=MAX_HEADER_BYTES,
            # So that a stream learns within a second that its page was closed.
            channel_request_lookahead=1,
            ident=None,
        )
        self.host: str = listener.getsockname()[0]
        self.port: int = listener.getsockname()[1]

    def run(self) -> None:
        """Serve; returns after :meth:`stop`, when the requests under way are answered."""
        while not self._stopping.is_set():
            wasyncore.loop(timeout=LOOP_S, map=self._sockets, count=1)
        self._streams.close()
        self._server.task_dispatcher.shutdown(cancel_pending=True, timeout=WORK_ENDS_S)
        for _ in range(DRAIN_TURNS):
            if not any(getattr(s, "total_outbufs_len", 0) for s in self._sockets.values()):
                break
            wasyncore.loop(timeout=DRAIN_TURN_S, map=self._sockets, count=1)
        wasyncore.close_all(self._sockets)

    def stop(self) -> None:
        """Let :meth:`run` return. From any thread or signal handler, any number of times."""
        if not self._stopping.is_set():
            self._stopping.set()
            self._server.pull_trigger()

    def stop_on_signals(self) -> None:
        """SIGTERM and SIGINT stop it. To be called in the main thread."""

        def on_signal(_number: int, _frame: FrameType | None) -> None:
            self.stop()

        signal.signal(signal.SIGTERM, on_signal)
        signal.signal(signal.SIGINT, on_signal)


def serve(app: Flask, host: str, port: int, threads: int = WEB_THREADS) -> WebServer:
    """Bind and make the server; the caller runs it.

    Raises:
        PortInUseError: somebody listens there.
    """
    return WebServer(app, bind(host, port), threads)
