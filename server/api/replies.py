"""How the API says that it did not deal with a request."""

from dataclasses import dataclass
from datetime import datetime

import msgspec
from flask import Response

from protocol.messages import Problem, ProblemKind

JSON_TYPE = "application/json"
CONTENT_SECURITY = (
    "default-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none';"
    " object-src 'none'"
)
SECURITY_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
"""Of every answer; unless it says otherwise itself, it is not to be stored either."""

NOT_STORED = ("Cache-Control", "no-store")
_OK = 200
_STATUS = {
    ProblemKind.UNSIGNED: 401,
    ProblemKind.BAD_SIGNATURE: 401,
    ProblemKind.REPLAYED: 401,
    ProblemKind.CLOCK_SKEW: 401,
    ProblemKind.UNKNOWN_TERMINAL: 401,
    ProblemKind.UNKNOWN_PARTNER: 401,
    ProblemKind.BAD_REQUEST: 400,
    ProblemKind.WRONG_CODE: 403,
    ProblemKind.GAP: 409,
    ProblemKind.FORK: 409,
    ProblemKind.EPOCH_CLOSED: 409,
    ProblemKind.CONFLICT: 409,
    ProblemKind.TRY_AGAIN: 503,
    ProblemKind.NOT_FOUND: 404,
    ProblemKind.TOO_LARGE: 413,
    ProblemKind.FAULT: 500,
}

_SAYS = {
    ProblemKind.UNSIGNED: "请求没有签名 / the request is not signed",
    ProblemKind.BAD_SIGNATURE: "签名不对 / the signature does not hold",
    ProblemKind.REPLAYED: "这个请求已收到过 / this request was received before",
    ProblemKind.CLOCK_SKEW: "终端时间与服务器相差太多，请校准时间 / set the terminal's clock",
    ProblemKind.UNKNOWN_TERMINAL: "没有这台终端 / no such terminal",
    ProblemKind.UNKNOWN_PARTNER: "没有这个渠道，或已停用 / no such partner, or it is closed",
    ProblemKind.BAD_REQUEST: "请求内容不对 / the request cannot be read",
    ProblemKind.TRY_AGAIN: "服务器忙，请稍后再试 / busy, try again",
    ProblemKind.NOT_FOUND: "没有这个地址 / no such address",
    ProblemKind.TOO_LARGE: "请求太大 / the request is too large",
    ProblemKind.FAULT: "服务器出错，已记录 / a fault of the server; it was logged",
}


@dataclass(frozen=True, slots=True)
class NotDealt:
    """The request was not dealt with; becomes a :class:`protocol.messages.Problem`."""

    problem: ProblemKind
    says: str = ""
    expected_seq: int = 0
    server_time: datetime | None = None


def encoded(answer: msgspec.Struct | NotDealt) -> tuple[int, bytes]:
    """An answer as status and JSON; what was not dealt with as a problem."""
    if not isinstance(answer, NotDealt):
        return _OK, msgspec.json.encode(answer)
    problem = Problem(
        problem=answer.problem,
        says=answer.says or _SAYS.get(answer.problem, answer.problem.value),
        expected_seq=answer.expected_seq,
        server_time=answer.server_time,
    )
    return _STATUS[answer.problem], msgspec.json.encode(problem)


def response(answer: msgspec.Struct | NotDealt) -> Response:
    """An answer as the framework sends it."""
    status, body = encoded(answer)
    return Response(body, status, content_type=JSON_TYPE)
