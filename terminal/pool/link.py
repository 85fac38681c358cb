"""The pool server over HTTP: every request signed, every answer read with suspicion."""

import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TypeVar
from uuid import UUID

import msgspec
import urllib3
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Struct

from protocol.http_signing import sign_request
from protocol.journal import SignedRecord
from protocol.keys import public_key_text
from protocol.messages import (
    MAX_BODY_BYTES,
    Approved,
    AuthoriseRequest,
    BootAnswer,
    BootRequest,
    DocumentsAnswer,
    DocumentsRequest,
    EnrolAnswer,
    EnrolRequest,
    JournalAnswer,
    JournalBatch,
    OrdersAnswer,
    OrdersRequest,
    Problem,
    ProblemKind,
    SaleAnswer,
    SaleRequest,
)
from protocol.reasons import Declined
from protocol.recovery import RecoverAnswer, RecoverRequest
from terminal.domain.clock import ShopClock
from terminal.domain.ports import Unreachable, UnreachableReason
from terminal.pool.breaker import Breaker

A = TypeVar("A")

TELL_TIMEOUT_S = 20.0
"""Telling may take its time: nobody is waiting for it."""

PIECE_BYTES = 64 * 1024

MAX_ASKERS = 4
"""Threads that may be stuck in a server that never finishes its answer."""


class ServerProblem(Struct, frozen=True):
    """The server answered that it did not deal with the request."""

    status: int
    problem: Problem


_APPROVALS: msgspec.json.Decoder[Approved | Declined] = msgspec.json.Decoder(Approved | Declined)
_SALES: msgspec.json.Decoder[SaleAnswer] = msgspec.json.Decoder(SaleAnswer)
_ORDERS: msgspec.json.Decoder[OrdersAnswer] = msgspec.json.Decoder(OrdersAnswer)
_OUTCOMES = msgspec.json.Decoder(JournalAnswer)
_BOOTS = msgspec.json.Decoder(BootAnswer)
_RECOVERIES = msgspec.json.Decoder(RecoverAnswer)
_DOCUMENTS = msgspec.json.Decoder(DocumentsAnswer)
_ENROLMENTS = msgspec.json.Decoder(EnrolAnswer)
_PROBLEMS = msgspec.json.Decoder(Problem)


class HttpLink:
    """Signed JSON requests to one server. ``http``: another way there than the network."""

    def __init__(
        self,
        server_url: str,
        key: Ed25519PrivateKey,
        key_id: str,
        clock: ShopClock,
        http: urllib3.PoolManager | None = None,
    ) -> None:
        self._server_url = server_url.rstrip("/")
        self._key = key
        self._key_id = key_id
        self._clock = clock
        self._http = http or urllib3.PoolManager(maxsize=MAX_ASKERS, retries=False)

    def close(self) -> None:
        self._http.clear()

    def post(
        self, path: str, message: msgspec.Struct, answers: msgspec.json.Decoder[A], timeout_s: float
    ) -> A | ServerProblem | Unreachable:
        """Send a message and read its answer; never raises for what the network or server does."""
        url = self._server_url + path
        body = msgspec.json.encode(message)
        headers = sign_request(
            self._key,
            key_id=self._key_id,
            method="POST",
            url=url,
            body=body,
            created_at=self._clock.request_time(),
            nonce=secrets.token_urlsafe(18),
        )
        try:
            response = self._http.request(
                "POST",
                url,
                body=body,
                headers=headers,
                timeout=urllib3.Timeout(total=timeout_s),
                redirect=False,
                preload_content=False,
            )
            content = _content(response, time.monotonic() + timeout_s)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            return _no_answer(error)
        if isinstance(content, Unreachable):
            return content
        return _read(response.status, content, answers)


def _no_answer(error: BaseException) -> Unreachable:
    """What a failed request was; and lets go of it.

    Where urllib3 raises, its frames hold the error that holds the frames, and with them all that
    was to be told: a till without a server would keep one batch a sale until the collector runs.
    """
    # A refused connection is a kind of time-out to urllib3, not to us.
    refused = isinstance(error, urllib3.exceptions.NewConnectionError)
    timed_out = isinstance(error, urllib3.exceptions.TimeoutError) and not refused
    link: BaseException | None = error
    while link is not None:
        link.__traceback__ = None
        link = link.__context__
    return Unreachable(
        UnreachableReason.TIMED_OUT if timed_out else UnreachableReason.NO_CONNECTION
    )


def _content(response: urllib3.BaseHTTPResponse, deadline_s: float) -> bytes | Unreachable:
    """The body; the connection is kept only if it was read to its end, and in time.

    A time-out of the socket alone would start anew with every byte that drips in.
    """
    content = bytearray()
    try:
        while piece := response.read1(PIECE_BYTES):
            content += piece
            if len(content) > MAX_BODY_BYTES:
                return Unreachable(UnreachableReason.NONSENSE)
            if time.monotonic() > deadline_s:
                return Unreachable(UnreachableReason.TIMED_OUT)
        response.release_conn()
        return bytes(content)
    finally:
        response.close()


def _read(
    status: int, content: bytes, answers: msgspec.json.Decoder[A]
) -> A | ServerProblem | Unreachable:
    try:
        if status == 200:  # noqa: PLR2004 - the one status that carries an answer
            return answers.decode(content)
        return ServerProblem(status, _PROBLEMS.decode(content))
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError):
        return Unreachable(UnreachableReason.NONSENSE)


class PoolLink:
    """What a sale and the sync worker say to the pool server.

    ``authorise`` answers within ``ask_timeout_s`` even if the server trickles its answer
    byte by byte: the request has a thread of its own, and the caller leaves when time is up.
    """

    def __init__(
        self,
        link: HttpLink,
        *,
        terminal: str,
        ask_timeout_s: float,
        breaker: Breaker,
        note_server: Callable[[bool], None],
    ) -> None:
        self._link = link
        self._path = f"/v1/terminals/{terminal}"
        self._ask_timeout_s = ask_timeout_s
        self._breaker = breaker
        self._note_server = note_server
        self._askers = ThreadPoolExecutor(MAX_ASKERS, thread_name_prefix="ask")
        self._free = threading.BoundedSemaphore(MAX_ASKERS)

    def close(self) -> None:
        self._askers.shutdown(wait=False, cancel_futures=True)
        self._link.close()

    def authorise(self, request: AuthoriseRequest) -> Approved | Declined | Unreachable:
        """See :class:`terminal.domain.ports.Pool`."""
        return self._ask("authorise", request, _APPROVALS)

    def look_up_sale(
        self, receipt_no: str, sale_id: UUID | None = None
    ) -> SaleAnswer | Unreachable:
        """See :class:`terminal.domain.ports.Pool`."""
        return self._ask("sale", SaleRequest(receipt_no=receipt_no, sale_id=sale_id), _SALES)

    def look_up_orders(self, request: OrdersRequest) -> OrdersAnswer | Unreachable:
        """See :class:`terminal.domain.ports.OrderDesk`."""
        return self._ask("orders", request, _ORDERS)

    def _ask(
        self, verb: str, message: msgspec.Struct, answers: msgspec.json.Decoder[A]
    ) -> A | Unreachable:
        """Ask while somebody waits at the till: an answer in time, or none."""
        if not self._breaker.may_ask() or not self._free.acquire(blocking=False):
            return Unreachable(UnreachableReason.NOT_ASKED)
        future = self._askers.submit(self._ask_now, verb, message, answers)
        answer: A | Unreachable
        try:
            answer = future.result(timeout=self._ask_timeout_s)
        except FutureTimeoutError:
            answer = Unreachable(UnreachableReason.TIMED_OUT)
        self._note(answered=not isinstance(answer, Unreachable))
        return answer

    def _ask_now(
        self, verb: str, message: msgspec.Struct, answers: msgspec.json.Decoder[A]
    ) -> A | Unreachable:
        try:
            answer = self._link.post(f"{self._path}/{verb}", message, answers, self._ask_timeout_s)
        finally:
            self._free.release()
        if isinstance(answer, ServerProblem):
            return Unreachable(UnreachableReason.REFUSED)
        return answer

    def tell(
        self, records: tuple[SignedRecord, ...]
    ) -> JournalAnswer | ServerProblem | Unreachable:
        """Send records; the answer has one outcome for each."""
        answer = self._link.post(
            f"{self._path}/journal", JournalBatch(records=records), _OUTCOMES, TELL_TIMEOUT_S
        )
        self._note(answered=not isinstance(answer, Unreachable))
        return answer

    def boot(self, request: BootRequest) -> BootAnswer | ServerProblem | Unreachable:
        """Say that this terminal has started, and get the epoch to go on in."""
        answer = self._link.post(f"{self._path}/boot", request, _BOOTS, TELL_TIMEOUT_S)
        self._note(answered=not isinstance(answer, Unreachable))
        return answer

    def recover(self, request: RecoverRequest) -> RecoverAnswer | ServerProblem | Unreachable:
        """Ask about a dead terminal, and hand over what there is of its records."""
        answer = self._link.post(f"{self._path}/recover", request, _RECOVERIES, TELL_TIMEOUT_S)
        self._note(answered=not isinstance(answer, Unreachable))
        return answer

    def fetch_documents(
        self, versions: DocumentsRequest
    ) -> DocumentsAnswer | ServerProblem | Unreachable:
        """Those of the pool's documents that are newer than ours."""
        answer = self._link.post(f"{self._path}/documents", versions, _DOCUMENTS, TELL_TIMEOUT_S)
        self._note(answered=not isinstance(answer, Unreachable))
        return answer

    def _note(self, *, answered: bool) -> None:
        self._breaker.note(answered=answered)
        self._note_server(answered)


class EnrolmentError(Exception):
    """Enrolment did not happen; the message says why and what to do."""


def enrol(server_url: str, code: str, key: Ed25519PrivateKey, clock: ShopClock) -> EnrolAnswer:
    """Introduce a new terminal with its one-time code.

    Raises:
        EnrolmentError: the server is out of reach or does not take the code.
    """
    key_text = public_key_text(key.public_key())
    link = HttpLink(server_url, key, key_text, clock)
    answer = link.post(
        "/v1/enrol", EnrolRequest(code=code, public_key=key_text), _ENROLMENTS, TELL_TIMEOUT_S
    )
    link.close()
    if isinstance(answer, EnrolAnswer):
        return answer
    if isinstance(answer, Unreachable):
        raise EnrolmentError(
            f"连不上积分池服务器 {server_url}（{answer.reason}）：检查网络和地址后再试。"
            f" The pool server cannot be reached: check network and address, then try again."
        )
    if answer.problem.problem is ProblemKind.WRONG_CODE:
        raise EnrolmentError(
            "入网码不对、已用过或已过期：请街道重新生成一个。"
            " The code is wrong, used or too old: ask the street office for a new one."
        )
    raise EnrolmentError(f"服务器不接受 The server refuses: {answer.problem.says}")
