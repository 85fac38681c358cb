"""The API's addresses: reading a request, who asks, one commit, one answer."""

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import msgspec
from flask import Blueprint, Response, request

from protocol.journal import UNREADABLE
from protocol.keys import read_public_key
from protocol.messages import (
    MAX_BODY_BYTES,
    AuthoriseRequest,
    BootRequest,
    DocumentsRequest,
    EnrolRequest,
    JournalBatch,
    OrdersRequest,
    ProblemKind,
    SaleRequest,
)
from protocol.recovery import RecoverRequest
from server.api.answers import (
    WRONG_CODE,
    Asker,
    answer_enrol,
    authorise_job,
    boot_job,
    enrolment_of,
    journal_job,
    orders_job,
)
from server.api.documents import answer_documents, documents_asked
from server.api.known_terminals import KnownTerminal
from server.api.publishing import DocumentPublisher
from server.api.recovering import recover_job
from server.api.replies import NotDealt, response
from server.api.services import ApiServices
from server.api.signed import Asked, Signature, check_signature, is_key_text
from server.api.writer import Answer, Job
from server.db import TryAgain, reading
from server.redemption.looking_up import look_up

Message = TypeVar("Message", bound=msgspec.Struct)

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
        return response(authorised(services, terminal, what_was_asked()))

    @api.post("/terminals/<terminal>/journal")
    def journal(terminal: str) -> Response:
        return response(journalled(services, terminal, what_was_asked()))

    @api.post("/terminals/<terminal>/documents")
    def documents(terminal: str) -> Response:
        def job(_services: ApiServices, asker: Asker, message: DocumentsRequest) -> Job:
            now = asker.signature.seen_at
            publisher.refresh(now)
            if message.shown:
                publisher.publish_above(message.shown, now)
            asked = documents_asked(services, message, now)
            return asker.job(lambda tx, _: answer_documents(services, tx, asker.terminal, asked))

        return response(_deal(services, terminal, what_was_asked(), DocumentsRequest, job))

    _add_lookups(api, services)
    _add_boot(api, services)
    return api


def _add_lookups(api: Blueprint, services: ApiServices) -> None:
    """What a terminal may ask about and that changes nothing."""

    @api.post("/terminals/<terminal>/orders")
    def orders(terminal: str) -> Response:
        return response(_deal(services, terminal, what_was_asked(), OrdersRequest, orders_job))

    @api.post("/terminals/<terminal>/sale")
    def sale(terminal: str) -> Response:
        def job(_services: ApiServices, asker: Asker, message: SaleRequest) -> Job:
            merchant = asker.terminal.merchant
            return asker.job(lambda tx, _: look_up(tx, services.pool, merchant, message))

        return response(_deal(services, terminal, what_was_asked(), SaleRequest, job))


def _add_boot(api: Blueprint, services: ApiServices) -> None:
    @api.post("/terminals/<terminal>/boot")
    def boot(terminal: str) -> Response:
        answer = _deal(services, terminal, what_was_asked(), BootRequest, boot_job)
        services.terminals.forget(terminal)  # its epoch may be another one now
        return response(answer)

    @api.post("/terminals/<terminal>/recover")
    def recover(terminal: str) -> Response:
        return response(_deal(services, terminal, what_was_asked(), RecoverRequest, recover_job))


def _enrol(services: ApiServices) -> Response:
    now, asked = services.clock(), what_was_asked()
    message = read_message(asked.body, EnrolRequest)
    if isinstance(message, NotDealt):
        return response(message)
    if not is_key_text(message.public_key):
        return response(NotDealt(ProblemKind.BAD_REQUEST))
    signature = check_signature(
        asked,
        key_id=message.public_key,
        public_key=read_public_key(message.public_key),
        now=now,
        request_age_s=services.request_age_s,
    )
    if isinstance(signature, NotDealt):
        return response(signature)
    # Anybody can get as far as here: a stranger without a code takes no turn at writing.
    with reading(services.engine) as tx:
        if enrolment_of(services, tx, message, now) is None:
            return response(WRONG_CODE)
    job = Job(signature, lambda tx, _: answer_enrol(services, tx, message, now))
    return response(answered(services, job))


def authorised(services: ApiServices, terminal_id: str, asked: Asked) -> Answer:
    """The answer to a terminal that asks for points."""
    return _deal(services, terminal_id, asked, AuthoriseRequest, authorise_job)


def journalled(services: ApiServices, terminal_id: str, asked: Asked) -> Answer:
    """The answer to a terminal that tells of its journal."""
    return _deal(services, terminal_id, asked, JournalBatch, journal_job)


def _deal(
    services: ApiServices,
    terminal_id: str,
    asked: Asked,
    message_type: type[Message],
    job_of: Callable[[ApiServices, Asker, Message], Job | NotDealt],
) -> Answer:
    """Deal with a terminal's request: who asks comes first, what is asked after it."""
    now = services.clock()
    if asked.claimed_key_id is None:
        return NotDealt(ProblemKind.UNSIGNED)
    asker = _asker(services, terminal_id[:_MAX_KEY_ID], asked, now)
    if isinstance(asker, NotDealt):
        return asker
    message = read_message(asked.body, message_type)
    if isinstance(message, NotDealt):
        return message
    job = job_of(services, asker, message)
    if isinstance(job, NotDealt):
        return job
    answer = answered(services, job)
    if answer != NotDealt(ProblemKind.UNKNOWN_TERMINAL):
        return answer
    # Another process may have given it an epoch since; what was remembered here is forgotten now.
    again = _asker(services, terminal_id[:_MAX_KEY_ID], asked, now)
    if isinstance(again, NotDealt) or again.terminal == asker.terminal:
        return answer
    job = job_of(services, again, message)
    return job if isinstance(job, NotDealt) else answered(services, job)


def _asker(
    services: ApiServices, terminal_id: str, asked: Asked, now: datetime
) -> Asker | NotDealt:
    """Who asks, proven. A key that is remembered may be an old one: then the database is asked."""
    known = services.terminals.find(terminal_id)
    if known is None:
        return NotDealt(ProblemKind.UNKNOWN_TERMINAL)
    signature = _signature(services, known, asked, now)
    if isinstance(signature, NotDealt):
        read_again = services.terminals.read_again(terminal_id)
        if read_again is None:
            return NotDealt(ProblemKind.UNKNOWN_TERMINAL)
        if read_again.terminal == known.terminal:
            return signature
        known, signature = read_again, _signature(services, read_again, asked, now)
    if isinstance(signature, NotDealt):
        return signature
    return Asker(known.terminal, signature, len(asked.body))


def _signature(
    services: ApiServices, known: KnownTerminal, asked: Asked, now: datetime
) -> Signature | NotDealt:
    return check_signature(
        asked,
        key_id=known.terminal.terminal,
        public_key=known.key,
        now=now,
        request_age_s=services.request_age_s,
    )


def answered(services: ApiServices, job: Job) -> Answer:
    """The nonce and the work commit together: what was not done may be asked again."""
    try:
        answer = services.writer.ask(job, within_s=WORK_DEADLINE_S)
    except TryAgain:
        return NotDealt(ProblemKind.TRY_AGAIN)
    if answer == NotDealt(ProblemKind.UNKNOWN_TERMINAL) and job.terminal is not None:
        services.terminals.forget(job.terminal.terminal)
    return answer


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
