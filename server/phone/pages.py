"""The page's addresses: files, and a manifest with the pool's own name."""

import hashlib
from pathlib import Path
from typing import Final

import msgspec
from flask import Blueprint, Response, abort, redirect, send_from_directory
from flask.typing import ResponseReturnValue
from sqlalchemy import Engine

from server.db import reading
from server.directory import pool_terms

STATIC: Final = Path(__file__).parent / "static"
PACKED: Final = Path(__file__).parent / "packed"
"""What ``./run build-phone`` puts there, if it was run: a decoder for browsers without one."""


def shell_files(*folders: Path) -> dict[str, Path]:
    """Every file of the pages by its name, and the folder that it lies in; an absent one has none."""
    found = (path for folder in folders if folder.is_dir() for path in folder.iterdir())
    kept = (path for path in found if path.is_file() and not path.name.startswith("."))
    return {path.name: path.parent for path in sorted(kept)}


SHELL: Final = shell_files(STATIC, PACKED)
NOT_KEPT: Final = frozenset({"index.html", "sw.js", "receipt.html", "receipt.css", "receipt.js"})
"""What the service worker need not keep: a receipt is not checked without a network."""
_VERSION_HEX: Final = 16


def create_receipt_page() -> Blueprint:
    """``/r``, which the code on a receipt opens: short, for each letter makes the code larger."""
    pages = Blueprint("receipt", __name__)

    @pages.get("/r")
    def receipt() -> Response:
        return send_from_directory(STATIC, "receipt.html")

    return pages


def create_blueprint(engine: Engine, pool: str) -> Blueprint:
    """Everything under ``/phone``."""
    pages = Blueprint("phone", __name__, url_prefix="/phone")

    @pages.get("")
    def without_slash() -> ResponseReturnValue:
        return redirect("/phone/")

    @pages.get("/")
    def index() -> Response:
        return send_from_directory(STATIC, "index.html")

    @pages.get("/manifest.webmanifest")
    def manifest() -> Response:
        return Response(_manifest(engine, pool), content_type="application/manifest+json")

    @pages.get("/shell.json")
    def shell() -> Response:
        kept = {name: SHELL[name] for name in SHELL if name not in NOT_KEPT}
        files = ["/phone/", "/phone/manifest.webmanifest", *(f"/phone/{name}" for name in kept)]
        summed = hashlib.sha256(_manifest(engine, pool))
        # What lies there now, not what did when the program started: an update may be under way.
        for path in (STATIC / "index.html", *(folder / name for name, folder in kept.items())):
            summed.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
        told = {"version": summed.hexdigest()[:_VERSION_HEX], "files": files}
        return Response(msgspec.json.encode(told), content_type="application/json")

    @pages.get("/<name>")
    def file(name: str) -> Response:
        folder = SHELL.get(name)
        if folder is None:
            abort(404)
        return send_from_directory(folder, name)

    return pages


def _manifest(engine: Engine, pool: str) -> bytes:
    with reading(engine) as tx:
        terms = pool_terms(tx, pool)
    told = {
        "name": terms.name,
        "short_name": terms.name[:12],
        "start_url": "/phone/",
        "scope": "/phone/",
        "display": "standalone",
        "background_color": "#ffffff",
        "theme_color": "#0b5d3b",
        "icons": [{"src": "/phone/icon.svg", "sizes": "any", "type": "image/svg+xml"}],
    }
    return msgspec.json.encode(told)
