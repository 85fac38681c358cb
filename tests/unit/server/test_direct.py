"""The short way of the two requests of every sale says what the framework's way says."""

from io import BytesIO
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

import msgspec
import pytest
from werkzeug.test import EnvironBuilder, run_wsgi_app

from protocol.messages import (
    MAX_BODY_BYTES,
    AuthoriseRequest,
    JournalBatch,
    Problem,
    ProblemKind,
)
from server.api.direct import DirectWay
from server.db import TryAgain
from tests.unit.server.world import HOST, Till, World

AUTHORISE, JOURNAL = "/v1/terminals/t-1/authorise", "/v1/terminals/t-1/journal"
NO_RECORDS = msgspec.json.encode(JournalBatch(records=()))


def asked(
    path: str, body: bytes = b"", headers: dict[str, str] | None = None, **other: Any
) -> WSGIEnvironment:
    builder = EnvironBuilder(
        path,
        base_url=HOST,
        method="POST",
        data=body,
        headers=list((headers or {}).items()),
        **other,
    )
    return builder.get_environ() | {"CONTENT_LENGTH": str(len(body))}


def both_ways(
    world: World, environ: WSGIEnvironment, body: bytes
) -> tuple[tuple[str, bytes, dict[str, str]], ...]:
    """Status, body and headers by the short way, and by the framework's."""
    direct = world.app.wsgi_app
    assert isinstance(direct, DirectWay)
    assert direct._plain(environ) is not None
    answers = []
    for way in (direct, direct._otherwise):
        chunks, status, headers = run_wsgi_app(way, environ | {"wsgi.input": BytesIO(body)})
        answers.append((status.split()[0], b"".join(chunks), dict(headers)))
    return tuple(answers)


def question(world: World) -> bytes:
    return msgspec.json.encode(
        AuthoriseRequest(
            sale_id=world.sale_id(),
            evidence=world.slot(),
            required_points=0,
            optional_points=1,
            occurred_at=world.clock(),
        )
    )


@pytest.mark.parametrize("body", [b"", b"{}", b"\xff", b'{"a":"\\u0000"}', NO_RECORDS])
@pytest.mark.parametrize("path", [AUTHORISE, JOURNAL, "/v1/terminals/nobody/journal"])
@pytest.mark.parametrize("signed", [True, False])
def test_what_is_refused_is_refused_alike(
    world: World, till: Till, path: str, body: bytes, *, signed: bool
) -> None:
    if path == JOURNAL and body == NO_RECORDS and signed:
        return  # answered: see the next test
    headers = till.headers(path, body) if signed else {"Content-Type": "application/json"}
    short, long = both_ways(world, asked(path, body, headers), body)
    assert short == long
    assert short[0] in {"400", "401"}


def test_the_same_question_has_the_same_answer_either_way(world: World, till: Till) -> None:
    body = question(world)
    answers = []
    for way in (world.app.wsgi_app, world.app.wsgi_app._otherwise):  # type: ignore[attr-defined] # the short way, in front
        environ = asked(AUTHORISE, body, till.headers(AUTHORISE, body))
        chunks, status, headers = run_wsgi_app(way, environ)
        answers.append((status.split()[0], b"".join(chunks), dict(headers)))
    assert answers[0] == answers[1]
    assert answers[0][0] == "200"
    assert answers[0][2]["Cache-Control"] == "no-store"
    assert answers[0][2]["Content-Security-Policy"].startswith("default-src 'self'")


@pytest.mark.parametrize(
    "environ",
    [
        asked("/v1/terminals/t-1/documents"),
        asked("/v1/terminals/t-1/journal/"),
        asked("/v1/terminals/t 1/journal"),
        asked("/v1/terminals/t-1/\0journal"),
        asked(JOURNAL, query_string="again=1"),
        asked(JOURNAL) | {"REQUEST_METHOD": "GET"},
        asked(JOURNAL) | {"HTTP_HOST": "evil.example"},
        asked(JOURNAL) | {"HTTP_HOST": "127.0.0.1.evil.example"},
        asked(JOURNAL) | {"HTTP_HOST": "127.0.0.1:8800@evil.example"},
        asked(JOURNAL) | {"HTTP_HOST": ""},
        asked(JOURNAL) | {"CONTENT_LENGTH": str(MAX_BODY_BYTES + 1)},
        asked(JOURNAL) | {"CONTENT_LENGTH": "-1"},
        asked(JOURNAL) | {"CONTENT_LENGTH": ""},
        asked(JOURNAL) | {"HTTP_TRANSFER_ENCODING": "chunked"},
        asked(JOURNAL) | {"SCRIPT_NAME": "/somewhere"},
    ],
)
def test_everything_else_goes_the_frameworks_way(world: World, environ: WSGIEnvironment) -> None:
    passed_on = []

    def otherwise(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        passed_on.append(environ["PATH_INFO"])
        start_response("204 No Content", [])
        return []

    way = DirectWay(world.api, ("127.0.0.1", "localhost", ".example"), otherwise)
    run_wsgi_app(way, environ)
    assert passed_on == [environ["PATH_INFO"]]


def test_a_body_that_breaks_off_is_a_bad_request(world: World, till: Till) -> None:
    environ = asked(JOURNAL, NO_RECORDS, till.headers(JOURNAL, NO_RECORDS))
    chunks, status, _ = run_wsgi_app(
        world.app.wsgi_app, environ | {"wsgi.input": BytesIO(NO_RECORDS[:-1])}
    )
    problem = msgspec.json.decode(b"".join(chunks), type=Problem)
    assert (status.split()[0], problem.problem) == ("400", ProblemKind.BAD_REQUEST)


@pytest.mark.parametrize(
    ("fault", "status", "kind"),
    [
        (TryAgain("the database is away"), 503, ProblemKind.TRY_AGAIN),
        (RuntimeError("the inside of it"), 500, ProblemKind.FAULT),
    ],
)
def test_a_fault_is_logged_and_answered(
    world: World,
    till: Till,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    fault: Exception,
    status: int,
    kind: ProblemKind,
) -> None:
    def fail(_terminal: str) -> None:
        raise fault

    monkeypatch.setattr(world.api.terminals, "find", fail)
    response = till.send(JOURNAL, NO_RECORDS)
    problem = msgspec.json.decode(response.data, type=Problem)
    assert (response.status_code, problem.problem) == (status, kind)
    assert str(fault) not in problem.says
    assert str(fault) in caplog.text
