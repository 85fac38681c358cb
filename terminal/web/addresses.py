"""Many fixed addresses behind a few rules.

For every rule Werkzeug writes and compiles a piece of Python that would build its address: about
half a millisecond on a PC, and with a rule for each of the till's eighty addresses a twentieth of
its start. Nobody asks for these addresses by name, so they are looked up in tables.
"""

from collections.abc import Callable, Mapping

from flask import Blueprint, request
from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.wrappers import Response

Answering = Callable[[], Response | str]
_LOOKED = frozenset({"GET", "HEAD"})


def add_addresses(
    blueprint: Blueprint,
    reading: Mapping[str, Answering],
    changing: Mapping[str, Answering],
) -> None:
    """Serve ``reading`` by GET and ``changing`` by POST, both by their whole path.

    An address of neither is not found (404); the other method of one that is known, not allowed
    (405).
    """

    def by_path(**_: str) -> Response | str:
        wanted, other = reading, changing
        if request.method not in _LOOKED:
            wanted, other = changing, reading
        function = wanted.get(request.path)
        if function is not None:
            return function()
        if request.path in other:
            raise MethodNotAllowed(["POST"] if other is changing else ["GET", "HEAD"])
        raise NotFound

    for rule in sorted({_rule(path) for path in [*reading, *changing]}):
        blueprint.add_url_rule(rule, "by_path", by_path, methods=["GET", "POST"])


def _rule(path: str) -> str:
    """What covers a path and its neighbours: ``/api/scan`` is under ``/api/``."""
    folder, deeper, _ = path[1:].partition("/")
    return f"/{folder}/<path:rest>" if deeper else path
