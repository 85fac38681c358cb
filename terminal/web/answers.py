"""The page's answers: JSON that nobody may keep."""

import msgspec
from flask import Response


class Problem(msgspec.Struct, frozen=True):
    """The body of every answer that is not 200."""

    problem: str
    says: str


def json_answer(body: msgspec.Struct, status: int = 200) -> Response:
    """A JSON answer; nobody may keep it."""
    return Response(msgspec.json.encode(body), status, mimetype="application/json")


def problem(name: str, says: str, status: int) -> Response:
    """An answer other than 200."""
    return json_answer(Problem(name, says), status)
