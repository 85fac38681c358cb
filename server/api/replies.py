"""How the API says that it did not deal with a request."""

from dataclasses import dataclass
from datetime import datetime

import msgspec
from flask import Response

from protocol.messages import Problem, ProblemKind

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


def json_response(message: msgspec.Struct, status: int = 200) -> Response:
    """A message as JSON."""
    return Response(msgspec.json.encode(message), status, content_type="application/json")


def problem_response(not_dealt: NotDealt) -> Response:
    """A problem with the status that belongs to it."""
    problem = Problem(
        problem=not_dealt.problem,
        says=not_dealt.says or _SAYS.get(not_dealt.problem, not_dealt.problem.value),
        expected_seq=not_dealt.expected_seq,
        server_time=not_dealt.server_time,
    )
    return json_response(problem, _STATUS[not_dealt.problem])
