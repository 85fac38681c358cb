"""What each request asks of the books, inside one transaction."""

import hmac
from datetime import datetime

from sqlalchemy import Connection

from protocol.documents import DocumentKind
from protocol.evidence import CardEvidence
from protocol.journal import (
    MAX_RECORDS_A_BATCH,
    Envelope,
    RecordProblem,
    SignedRecord,
    open_record,
)
from protocol.keys import read_public_key
from protocol.messages import (
    Approved,
    AuthoriseRequest,
    DocumentsAnswer,
    DocumentsRequest,
    EnrolAnswer,
    EnrolRequest,
    JournalAnswer,
    JournalBatch,
    ProblemKind,
    RecordOutcome,
)
from protocol.reasons import Declined
from server.api.replies import NotDealt
from server.api.services import ApiServices
from server.directory import (
    DirectoryProblem,
    Enrolled,
    Terminal,
    TerminalState,
    invitations_named,
    merchant_of,
    shop_of,
)
from server.directory.commands import EnrolTerminal
from server.directory.documents import newer_than
from server.directory.enrolment import code_hash, code_name, read_code
from server.facts.refused import Refused
from server.redemption import (
    Authorise,
    AuthoriseProblem,
    BadRecord,
    Fork,
    Gap,
    JournalRecord,
    StandsAlready,
    chain_head,
)
from server.redemption.evidence import card_proof_holds
from server.redemption.intake import record_proof_holds

WRONG_CODE = NotDealt(
    ProblemKind.WRONG_CODE,
    "注册码不对或已失效，请向街道办要一个新的"
    " / the code is wrong, used up or too old; ask the street office for a new one",
)


def enrolment_of(
    services: ApiServices, tx: Connection, message: EnrolRequest, now: datetime
) -> EnrolTerminal | None:
    """The command that an introduction comes to; None where it can neither win nor cost a try.

    Anybody may knock here, so what changes nothing leaves nothing in the fact log: a code that
    is used up, dead or too old is as wrong as one that never was.
    """
    code = read_code(message.code)
    if code is None:
        return None
    named = invitations_named(tx, services.pool, code_name(code))
    fitting = [
        each
        for each in named
        if hmac.compare_digest(each.code_hash, code_hash(services.pool, each.terminal, code))
    ]
    # Codes that start alike are rare; then the wrong guess counts against the newest.
    for each in (*fitting, *named):
        is_open = each.state is TerminalState.INVITED and now < each.expires_at
        if is_open or (each in fitting and each.public_key == message.public_key):
            return EnrolTerminal(
                terminal=each.terminal,
                public_key=message.public_key,
                code_hash=code_hash(services.pool, each.terminal, code),
            )
    return None


def answer_enrol(
    services: ApiServices, tx: Connection, message: EnrolRequest, now: datetime
) -> EnrolAnswer | NotDealt:
    """Make a device a terminal, if its code is an invitation's; a wrong guess is counted."""
    command = enrolment_of(services, tx, message, now)
    if command is None:
        return WRONG_CODE
    outcome = services.desk.submit(
        tx, services.pool, command, actor=f"terminal:{command.terminal}", recorded_at=now
    )
    if isinstance(outcome, Refused):
        if outcome.reason == DirectoryProblem.WRONG_CODE:
            return WRONG_CODE
        return NotDealt(ProblemKind.BAD_REQUEST, outcome.says)
    assert isinstance(outcome, Enrolled), outcome
    shop = shop_of(tx, services.pool, outcome.shop)
    merchant = merchant_of(tx, services.pool, shop.merchant) if shop else None
    assert shop is not None
    assert merchant is not None
    return EnrolAnswer(
        terminal=outcome.terminal,
        epoch=outcome.epoch,
        pool=services.pool,
        root_key=services.keys.root_key_text,
        shop=shop.shop,
        shop_name=shop.name,
        merchant_name=merchant.name,
    )


def answer_authorise(
    services: ApiServices,
    tx: Connection,
    terminal: Terminal,
    message: AuthoriseRequest,
    now: datetime,
) -> Approved | Declined | NotDealt:
    """Ask the books for points; a card's proof is checked here, where the keys are."""
    evidence = message.evidence
    proof_holds = isinstance(evidence, CardEvidence) and card_proof_holds(
        evidence,
        sale_id=message.sale_id,
        points=message.required_points + message.optional_points,
        terminal=terminal.terminal,
        secret_of=services.keys.card_secret,
    )
    command = Authorise(
        terminal=terminal.terminal,
        sale_id=message.sale_id,
        evidence=evidence,
        proof_holds=proof_holds,
        required_points=message.required_points,
        optional_points=message.optional_points,
        occurred_at=message.occurred_at,
    )
    outcome = services.desk.submit(
        tx, services.pool, command, actor=f"terminal:{terminal.terminal}", recorded_at=now
    )
    if isinstance(outcome, Refused):
        conflict = outcome.reason == AuthoriseProblem.CONFLICT
        return NotDealt(ProblemKind.CONFLICT if conflict else ProblemKind.BAD_REQUEST, outcome.says)
    assert isinstance(outcome, Approved | Declined), outcome
    return outcome


def answer_journal(
    services: ApiServices,
    tx: Connection,
    terminal: Terminal,
    message: JournalBatch,
    now: datetime,
) -> JournalAnswer | NotDealt:
    """Take in a run of records: all of them, or none where one is no link of the chain."""
    broken = _broken(services, tx, terminal, message.records)
    if broken is not None:
        return broken
    outcomes: list[RecordOutcome] = []
    for record in message.records:
        proof_holds = record_proof_holds(record.body, terminal.terminal, services.keys.card_secret)
        outcome = services.desk.submit(
            tx,
            services.pool,
            JournalRecord(terminal=terminal.terminal, record=record, proof_holds=proof_holds),
            actor=f"terminal:{terminal.terminal}",
            recorded_at=now,
        )
        if isinstance(outcome, Gap):
            return NotDealt(
                ProblemKind.GAP,
                f"缺少第 {outcome.expected_seq} 条起的记录 / records are missing",
                expected_seq=outcome.expected_seq,
            )
        if isinstance(outcome, Fork):
            return _fork(outcome.seq)
        if isinstance(outcome, BadRecord):
            return _bad_record(outcome.problem)
        if isinstance(outcome, StandsAlready):
            outcome = outcome.outcome
        assert isinstance(outcome, RecordOutcome), outcome
        outcomes.append(outcome)
    head = chain_head(tx, services.pool, terminal.terminal, terminal.epoch)
    return JournalAnswer(
        outcomes=tuple(outcomes),
        head_epoch=head.epoch,
        head_seq=head.seq,
        head_hash=head.hash_hex,
    )


def answer_documents(
    services: ApiServices, tx: Connection, message: DocumentsRequest, now: datetime
) -> DocumentsAnswer:
    """The published documents that are newer than the terminal's."""
    has = {
        DocumentKind.POLICY: message.policy,
        DocumentKind.CATALOGUE: message.catalogue,
        DocumentKind.DIRECTORY: message.directory,
    }
    found = [newer_than(tx, services.pool, kind, version) for kind, version in has.items()]
    return DocumentsAnswer(documents=tuple(each for each in found if each), server_time=now)


def _broken(
    services: ApiServices,
    tx: Connection,
    terminal: Terminal,
    records: tuple[SignedRecord, ...],
) -> NotDealt | None:
    """Whether one of the records is false, or they do not follow one another."""
    if len(records) > MAX_RECORDS_A_BATCH:
        return NotDealt(
            ProblemKind.TOO_LARGE, f"一次最多 {MAX_RECORDS_A_BATCH} 条 / too many records"
        )
    assert terminal.public_key is not None
    key = read_public_key(terminal.public_key)
    before: tuple[Envelope, str] | None = None
    for record in records:
        envelope = open_record(record, key, terminal.terminal)
        if isinstance(envelope, RecordProblem):
            return _bad_record(envelope)
        if before is not None:
            last, last_hash = before
            if (envelope.epoch, envelope.seq) != (last.epoch, last.seq + 1):
                head = chain_head(tx, services.pool, terminal.terminal, terminal.epoch)
                return NotDealt(
                    ProblemKind.GAP,
                    "记录不连续 / the records do not follow one another",
                    expected_seq=head.seq + 1,
                )
            if not hmac.compare_digest(envelope.prev_hash, last_hash):
                return _fork(envelope.seq)
        before = envelope, record.hash_hex
    return None


def _fork(seq: int) -> NotDealt:
    return NotDealt(
        ProblemKind.FORK,
        f"第 {seq} 条与服务器已有的不同，终端须停用并联系技术员"
        f" / record {seq} differs from what the server has; stop and call the technician",
    )


def _bad_record(problem: RecordProblem) -> NotDealt:
    authentic = problem in {RecordProblem.NOT_A_RECORD, RecordProblem.TOO_LARGE}
    kind = ProblemKind.BAD_REQUEST if authentic else ProblemKind.BAD_SIGNATURE
    return NotDealt(kind, f"记录不可信：{problem.value} / not an authentic record")
