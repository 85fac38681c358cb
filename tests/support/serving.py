"""The server's application behind a real port, for as long as a browser asks it."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flask import Flask
from werkzeug.serving import make_server


@contextmanager
def listening(app: Flask, tls: tuple[Path, Path] | None = None) -> Iterator[str]:
    """The address under which the application answers, on 127.0.0.1.

    The till's pages have `tests.support.till_web.served`, since their streams must be ended.
    ``tls``: files of a certificate and its key, for https.
    """
    context = None
    if tls is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*tls)
    server = make_server("127.0.0.1", 0, app, threaded=True, ssl_context=context)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
