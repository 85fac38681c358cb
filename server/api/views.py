"""The API's addresses: reading a request, who asks, one transaction, one answer."""

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import msgspec
from flask import Blueprint, Response, request
from sqlalchemy import Connection

from protocol.http_signing import claimed_key_id
from protocol.journal import UNREADABLE
from protocol.messages import (
    MAX_BODY_BYTES,
    AuthoriseRequest,
    DocumentsRequest,
    EnrolRequest,
    JournalBatch,
    ProblemKind,
)
from server.api.answers import (
    WRONG_CODE,
    answer_authorise,
    answer_documents,
    answer_enrol,
    answer_journal,
    enrolment_of,
)
from server.api.publishing import DocumentPublisher
from server.api.replies import NotDealt, json_response, problem_response
from server.api.services import ApiServices
from server.api.signed import Asked, Signature, check_signature, is_key_text, use_nonce
from server.db import TryAgain, reading, run_writing
from server.directory import Terminal, TerminalState, terminal_of

Message = TypeVar("Message", bound=msgspec.Struct)
Outcome = msgspec.Struct | NotDealt

WORK_DEADLINE_S = 10.0
"""Past it a terminal is told to try again; telling the same again is safe."""

_MAX_KEY_ID = 128
NUL_IN_JSON = b"\\u0000"
"""PostgreSQL keeps no text with NUL, and no message has a use for it."""


def create_blueprint(services: ApiServices) -> Blueprint:
    """Everything under ``/v1``."""
    api = Blueprint("api", __name__, url_prefix="/v1")
    publisher = DocumentPublisher(services)

    @api.before_request
    def limit_the_body() -> None:
        request.max_content_length = MAX_BODY_BYTES

    @api.get("/health")
    def health() -> Response:
        return Response(b'{"ok":true}', content_type="application/json")

    @api.post("/enrol")
    def enrol() -> Response:
        return _enrol(services)

    @api.post("/terminals/<terminal>/authorise")
    def authorise(terminal: str) -> Response:
        return _deal(
            services,
            terminal,
            AuthoriseRequest,
            lambda tx, who, message, now: answer_authorise(services, tx, who, message, now),
        )

    @api.post("/terminals/<terminal>/journal")
    def journal(terminal: str) -> Response:
        return _deal(
            services,
            terminal,
            JournalBatch,
            lambda tx, who, message, now: answer_journal(services, tx, who, message, now),
        )

    @api.post("/terminals/<terminal>/documents")
    def documents(terminal: str) -> Response:
        return _deal(
            services,
            terminal,
            DocumentsRequest,
            lambda tx, _who, message, now: answer_documents(services, tx, message, now),
            prepare=publisher.refresh,
        )

    return api


def _enrol(services: ApiServices) -> Response:
    now, asked = services.clock(), what_was_asked()
    message = read_message(asked.body, EnrolRequest)
    if isinstance(message, NotDealt):
        return problem_response(message)
    if not is_key_text(message.public_key):
        return problem_response(NotDealt(ProblemKind.BAD_REQUEST))
    signature = check_signature(
        asked,
        key_id=message.public_key,
        public_key=message.public_key,
        now=now,
        request_age_s=services.request_age_s,
    )
    if isinstance(signature, NotDealt):
        return problem_response(signature)
    # Anybody can get as far as here: a stranger without a code takes no turn at writing.
    with reading(services.engine) as tx:
        if enrolment_of(services, tx, message, now) is None:
            return problem_response(WRONG_CODE)
    return in_one_transaction(
        services, signature, now, lambda tx: answer_enrol(services, tx, message, now)
    )


def _deal(
    services: ApiServices,
    terminal_id: str,
    message_type: type[Message],
    work: Callable[[Connection, Terminal, Message, datetime], Outcome],
    *,
    prepare: Callable[[datetime], None] | None = None,
) -> Response:
    """Deal with a terminal's request: who asks comes first, what is asked after it."""
    now, asked = services.clock(), what_was_asked()
    key_id = claimed_key_id(asked.headers)
    if key_id is None:
        return problem_response(NotDealt(ProblemKind.UNSIGNED))
    with reading(services.engine) as tx:
        terminal = terminal_of(tx, services.pool, terminal_id[:_MAX_KEY_ID])
    if (
        terminal is None
        or terminal.state is not TerminalState.ACTIVE
        or terminal.public_key is None
    ):
        return problem_response(NotDealt(ProblemKind.UNKNOWN_TERMINAL))
    signature = check_signature(
        asked,
        key_id=terminal.terminal,
        public_key=terminal.public_key,
        now=now,
        request_age_s=services.request_age_s,
    )
    if isinstance(signature, NotDealt):
        return problem_response(signature)
    message = read_message(asked.body, message_type)
    if isinstance(message, NotDealt):
        return problem_response(message)
    if prepare is not None:
        prepare(now)
    return in_one_transaction(services, signature, now, lambda tx: work(tx, terminal, message, now))


def in_one_transaction(
    services: ApiServices,
    signature: Signature,
    now: datetime,
    work: Callable[[Connection], Outcome],
) -> Response:
    """The nonce and the work commit together: what was not done may be asked again."""

    def once(tx: Connection) -> Outcome:
        fresh = use_nonce(
            tx, services.pool, signature, now=now, request_age_s=services.request_age_s
        )
        return work(tx) if fresh else NotDealt(ProblemKind.REPLAYED)

    try:
        with services.turns.taken(services.engine, WORK_DEADLINE_S):
            outcome = run_writing(services.engine, once, deadline_s=WORK_DEADLINE_S)
    except TryAgain:
        outcome = NotDealt(ProblemKind.TRY_AGAIN)
    if isinstance(outcome, NotDealt):
        return problem_response(outcome)
    return json_response(outcome)


def what_was_asked() -> Asked:
    """The request that is being answered, with its exact bytes."""
    headers = dict(request.headers)
    return Asked(request.method, request.url, headers, request.get_data(cache=False))


def read_message(body: bytes, message_type: type[Message]) -> Message | NotDealt:
    """The body as a message, or that it is none."""
    if NUL_IN_JSON in body:
        return NotDealt(ProblemKind.BAD_REQUEST)
    try:
        return msgspec.json.decode(body, type=message_type)
    except UNREADABLE:
        return NotDealt(ProblemKind.BAD_REQUEST)
