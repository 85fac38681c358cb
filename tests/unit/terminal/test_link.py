"""The pool server over real HTTP, and every way in which it may fail."""

import gc
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import UUID

import msgspec
import pytest

from protocol.evidence import SlotEvidence
from protocol.http_signing import verify_request
from protocol.messages import (
    MAX_BODY_BYTES,
    Approved,
    AuthoriseRequest,
    DocumentsRequest,
    EnrolAnswer,
    Problem,
    ProblemKind,
)
from protocol.money import Points
from protocol.reasons import Declined, DeclineReason
from terminal.domain.clock import ShopClock
from terminal.domain.ports import Unreachable, UnreachableReason
from terminal.pool.breaker import Breaker
from terminal.pool.link import EnrolmentError, HttpLink, PoolLink, ServerProblem, enrol
from tests.support.shop import NOON, TERMINAL_KEY

ASK_TIMEOUT_S = 0.4
REQUEST = AuthoriseRequest(
    sale_id=UUID(int=1),
    evidence=SlotEvidence(payload_hex="00"),
    required_points=0,
    optional_points=71,
    occurred_at=NOON,
)
APPROVED = Approved(
    account="00000000000000a1", points=Points(71), balance_points=Points(100), held_until=NOON
)
Behaviour = Callable[[BaseHTTPRequestHandler, bytes], None]


def answering(status: int, body: bytes) -> Behaviour:
    def answer(handler: BaseHTTPRequestHandler, _body: bytes) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


class FaultyServer(ThreadingHTTPServer):
    """A real HTTP server that a test can make misbehave."""

    daemon_threads = True

    def __init__(self) -> None:
        self.behaviour: Behaviour = answering(200, msgspec.json.encode(APPROVED))
        self.seen: list[tuple[str, dict[str, str], bytes]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.seen.append((self.path, dict(self.headers), body))
                outer.behaviour(self, body)

            def log_message(self, *_args: object) -> None:
                """Be quiet."""

        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """The terminal hangs up on servers that are too slow; that is not this test's fault."""


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with FaultyServer() as made:
        thread = threading.Thread(target=made.serve_forever, daemon=True)
        thread.start()
        yield made
        made.shutdown()


class Clocks:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def monotonic_s(self) -> float:
        return self.now_s


def link_to(url: str, clocks: Clocks | None = None) -> tuple[PoolLink, list[bool]]:
    clock = ShopClock(lambda: datetime.now(UTC), lambda: 0)
    noted: list[bool] = []
    ticking = (clocks or Clocks()).monotonic_s
    link = PoolLink(
        HttpLink(url, TERMINAL_KEY, "T0001", clock),
        terminal="T0001",
        ask_timeout_s=ASK_TIMEOUT_S,
        breaker=Breaker(30, ticking),
        note_server=noted.append,
    )
    return link, noted


def test_an_answer_is_read_and_the_question_was_signed(server: FaultyServer) -> None:
    link, noted = link_to(server.url)
    assert link.authorise(REQUEST) == APPROVED
    assert noted == [True]
    path, headers, body = server.seen[0]
    assert path == "/v1/terminals/T0001/authorise"
    verified = verify_request(
        TERMINAL_KEY.public_key(), method="POST", url=server.url + path, headers=headers, body=body
    )
    assert verified.key_id == "T0001"
    assert msgspec.json.decode(body, type=AuthoriseRequest) == REQUEST


def test_a_document_from_the_future_does_not_spoil_the_signatures_time(
    server: FaultyServer,
) -> None:
    """Else the server, its own clock set right again, would refuse this terminal for a year."""
    clock = ShopClock(lambda: datetime.now(UTC), lambda: 0)
    clock.not_before(datetime.now(UTC) + timedelta(days=365))
    http = HttpLink(server.url, TERMINAL_KEY, "T0001", clock)
    http.post("/x", DocumentsRequest(), msgspec.json.Decoder(Approved), ASK_TIMEOUT_S)
    path, headers, body = server.seen[0]
    verified = verify_request(
        TERMINAL_KEY.public_key(), method="POST", url=server.url + path, headers=headers, body=body
    )
    assert abs(verified.created_at - datetime.now(UTC)) < timedelta(hours=1)


def test_two_questions_never_carry_the_same_nonce(server: FaultyServer) -> None:
    link, _ = link_to(server.url)
    link.authorise(REQUEST)
    link.authorise(REQUEST)
    inputs = [headers["Signature-Input"] for _, headers, _ in server.seen]
    assert inputs[0] != inputs[1]


def test_a_decline_is_an_answer(server: FaultyServer) -> None:
    declined = Declined(DeclineReason.INSUFFICIENT_POINTS, missing_points=Points(16))
    server.behaviour = answering(200, msgspec.json.encode(declined))
    link, noted = link_to(server.url)
    assert link.authorise(REQUEST) == declined
    assert noted == [True]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>Welcome to free Wi-Fi</html>",
        b"{}",
        b'{"type":"approved"}',
        b'{"type":"approved","account":"x","points":"many","balance_points":1,"held_until":null}',
        b'{"type":"something","points":5}',
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b" " * (MAX_BODY_BYTES + 1),
    ],
)
def test_nonsense_is_no_answer(server: FaultyServer, body: bytes) -> None:
    server.behaviour = answering(200, body)
    link, noted = link_to(server.url)
    assert link.authorise(REQUEST) == Unreachable(UnreachableReason.NONSENSE)
    assert noted == [False]


@pytest.mark.parametrize("status", [301, 401, 404, 500, 503])
def test_another_status_without_a_problem_is_nonsense(server: FaultyServer, status: int) -> None:
    server.behaviour = answering(status, b"<h1>nginx</h1>")
    link, _ = link_to(server.url)
    assert link.authorise(REQUEST) == Unreachable(UnreachableReason.NONSENSE)


def test_a_server_that_does_not_accept_the_terminal_is_unreachable_for_a_sale(
    server: FaultyServer,
) -> None:
    problem = Problem(problem=ProblemKind.CLOCK_SKEW, says="clock", server_time=NOON)
    server.behaviour = answering(401, msgspec.json.encode(problem))
    link, _ = link_to(server.url)
    assert link.authorise(REQUEST) == Unreachable(UnreachableReason.REFUSED)
    answer = link.fetch_documents(DocumentsRequest())
    assert answer == ServerProblem(401, problem)


def dripping(handler: BaseHTTPRequestHandler, _body: bytes) -> None:
    """A byte now and then: every single read succeeds, the answer never ends."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    for _ in range(40):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(ASK_TIMEOUT_S / 4)


def test_telling_hangs_up_on_an_answer_that_never_ends(server: FaultyServer) -> None:
    """Else one such server would keep the sync worker for ever, and the journal untold."""
    hung_up = threading.Event()

    def drips_for_ever(handler: BaseHTTPRequestHandler, _body: bytes) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        while not hung_up.is_set():
            try:
                handler.wfile.write(b" ")
                handler.wfile.flush()
            except OSError:
                hung_up.set()
            time.sleep(ASK_TIMEOUT_S / 40)

    server.behaviour = drips_for_ever
    clock = ShopClock(lambda: datetime.now(UTC), lambda: 0)
    http = HttpLink(server.url, TERMINAL_KEY, "T0001", clock)
    answers: list[object] = []
    telling = threading.Thread(
        target=lambda: answers.append(
            http.post("/x", DocumentsRequest(), msgspec.json.Decoder(Problem), ASK_TIMEOUT_S)
        ),
        daemon=True,
    )
    telling.start()
    assert hung_up.wait(20)
    telling.join(20)
    assert answers == [Unreachable(UnreachableReason.TIMED_OUT)]


def silent(_handler: BaseHTTPRequestHandler, _body: bytes) -> None:
    time.sleep(ASK_TIMEOUT_S * 5)


@pytest.mark.parametrize("behaviour", [dripping, silent])
def test_a_slow_server_costs_the_queue_one_time_out(
    server: FaultyServer, behaviour: Behaviour
) -> None:
    server.behaviour = behaviour
    clocks = Clocks()
    link, noted = link_to(server.url, clocks)
    assert link.authorise(REQUEST) == Unreachable(UnreachableReason.TIMED_OUT)
    for _ in range(5):
        assert link.authorise(REQUEST) == Unreachable(UnreachableReason.NOT_ASKED)
    assert len(server.seen) == 1, "the customers behind it did not wait"
    server.behaviour = answering(200, msgspec.json.encode(APPROVED))
    clocks.now_s = 31.0
    assert link.authorise(REQUEST) == APPROVED
    assert noted[-1] is True


def test_no_server_at_all_is_no_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    link, noted = link_to(f"http://127.0.0.1:{port}")
    assert link.authorise(REQUEST) == Unreachable(UnreachableReason.NO_CONNECTION)
    assert noted[0] is False


def test_what_could_not_be_told_is_let_go_at_once() -> None:
    """A till that is offline all day makes no heap of what it could not tell."""
    clock = ShopClock(lambda: datetime.now(UTC), lambda: 0)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    link = HttpLink(url, TERMINAL_KEY, "T0001", clock)
    message = DocumentsRequest()
    gc.collect()
    gc.disable()
    try:
        held = sys.getrefcount(message)
        answer = link.post("/v1/x", message, msgspec.json.Decoder(Approved), 1.0)
        assert answer == Unreachable(UnreachableReason.NO_CONNECTION)
        assert sys.getrefcount(message) == held
    finally:
        gc.enable()


def test_a_server_that_hangs_up_is_no_connection(server: FaultyServer) -> None:
    server.behaviour = lambda handler, _body: handler.connection.close()
    link, _ = link_to(server.url)
    answer = link.authorise(REQUEST)
    assert isinstance(answer, Unreachable)


def test_telling_heals_the_breaker(server: FaultyServer) -> None:
    link, _ = link_to(server.url)
    server.behaviour = answering(200, b"nonsense")
    link.authorise(REQUEST)
    assert link.authorise(REQUEST) == Unreachable(UnreachableReason.NOT_ASKED)
    server.behaviour = answering(
        200, msgspec.json.encode({"documents": [], "server_time": "2026-03-02T04:00:00Z"})
    )
    link.fetch_documents(DocumentsRequest())
    server.behaviour = answering(200, msgspec.json.encode(APPROVED))
    assert link.authorise(REQUEST) == APPROVED


def test_enrolment_says_what_to_do_next(server: FaultyServer) -> None:
    clock = ShopClock(lambda: datetime.now(UTC), lambda: 0)
    problem = Problem(problem=ProblemKind.WRONG_CODE, says="no")
    server.behaviour = answering(403, msgspec.json.encode(problem))
    with pytest.raises(EnrolmentError, match="重新生成"):
        enrol(server.url, "BCDF-GHJK", TERMINAL_KEY, clock)
    answer = EnrolAnswer(
        terminal="t1",
        epoch=1,
        pool="guanghui",
        root_key="ed25519:x",
        shop="s",
        shop_name="店",
        merchant_name="商户",
    )
    server.behaviour = answering(200, msgspec.json.encode(answer))
    assert enrol(server.url, "BCDF-GHJK", TERMINAL_KEY, clock) == answer


def test_the_breaker_lets_one_caller_try_at_a_time() -> None:
    clocks = Clocks()
    breaker = Breaker(30, clocks.monotonic_s)
    assert breaker.may_ask()
    breaker.note(answered=False)
    assert not breaker.may_ask()
    clocks.now_s = 30.0
    assert [breaker.may_ask() for _ in range(3)] == [True, False, False]
    breaker.note(answered=True)
    assert [breaker.may_ask() for _ in range(3)] == [True, True, True]
