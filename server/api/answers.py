"""What each request asks of the books: the facts in it, and what their outcomes come to."""

import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

import msgspec
from sqlalchemy import Connection

from protocol.evidence import CardEvidence
from protocol.journal import (
    MAX_RECORDS_A_BATCH,
    Envelope,
    RecordProblem,
    SignedRecord,
)
from protocol.messages import (
    Approved,
    AuthoriseRequest,
    BootAnswer,
    BootRequest,
    EnrolAnswer,
    EnrolRequest,
    JournalAnswer,
    JournalBatch,
    OrdersRequest,
    ProblemKind,
    RecordOutcome,
)
from protocol.reasons import Declined
from server.api.replies import NotDealt
from server.api.services import ApiServices
from server.api.signed import Signature
from server.api.writer import Answer, Job
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
from server.directory.enrolment import code_hash, code_name, read_code
from server.facts import Outcome, Submission
from server.facts.refused import Refused
from server.redemption import (
    Authorise,
    AuthoriseProblem,
    BadRecord,
    ChainHead,
    DifferenceKnown,
    EpochDiffers,
    EpochOpened,
    EpochStands,
    Fork,
    ForkReason,
    Gap,
    JournalRecord,
    OpenEpoch,
    StandsAlready,
    TellFirst,
    chain_head,
)
from server.redemption.chain_tables import BOOT_ID_MAX
from server.redemption.evidence import card_proof_holds
from server.redemption.gaps import numbers_of
from server.redemption.intake import record_proof_holds
from server.redemption.opening import opened
from server.redemption.orders_shown import orders_shown

WRONG_CODE = NotDealt(
    ProblemKind.WRONG_CODE,
    "注册码不对或已失效，请向街道办要一个新的"
    " / the code is wrong, used up or too old; ask the street office for a new one",
)


EPOCH_CLOSED = NotDealt(
    ProblemKind.EPOCH_CLOSED,
    "终端已重新启动过，请用新的流水期 / the terminal has started since: its new epoch takes this",
)

_HASH_HEX = 64
_PLACE_MAX = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Asker:
    """A terminal whose signature holds, and the request that it is on.

    Attributes:
        size_bytes: of the request's body.
    """

    terminal: Terminal
    signature: Signature
    size_bytes: int

    def job(
        self,
        answer: Callable[[Connection, Sequence[Outcome]], Answer],
        *commands: msgspec.Struct,
    ) -> Job:
        """What the books are to do for this terminal."""
        actor, at = f"terminal:{self.terminal.terminal}", self.signature.seen_at
        return Job(
            signature=self.signature,
            answer=answer,
            terminal=self.terminal,
            submissions=tuple(Submission(each, actor, at) for each in commands),
            size_bytes=self.size_bytes,
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


def authorise_job(services: ApiServices, asker: Asker, message: AuthoriseRequest) -> Job:
    """Ask the books for points; a card's proof is checked here, where the keys are."""
    evidence, terminal = message.evidence, asker.terminal.terminal
    proof_holds = isinstance(evidence, CardEvidence) and card_proof_holds(
        evidence,
        sale_id=message.sale_id,
        points=message.required_points + message.optional_points,
        terminal=terminal,
        secret_of=services.keys.card_secret,
    )
    command = Authorise(
        terminal=terminal,
        sale_id=message.sale_id,
        evidence=evidence,
        proof_holds=proof_holds,
        required_points=message.required_points,
        optional_points=message.optional_points,
        occurred_at=message.occurred_at,
        limited_items=message.limited_items,
    )
    return asker.job(_authorised, command)


def _authorised(_tx: Connection, outcomes: Sequence[Outcome]) -> Answer:
    (outcome,) = outcomes
    if isinstance(outcome, Refused):
        conflict = outcome.reason == AuthoriseProblem.CONFLICT
        return NotDealt(ProblemKind.CONFLICT if conflict else ProblemKind.BAD_REQUEST, outcome.says)
    assert isinstance(outcome, Approved | Declined), outcome
    return outcome


def journal_job(services: ApiServices, asker: Asker, message: JournalBatch) -> Job | NotDealt:
    """Take in a run of records: all of them, or none where one is no link of the chain.

    Signatures and links are checked here, before anybody waits for the books.
    """
    terminal = asker.terminal
    if len(message.records) > MAX_RECORDS_A_BATCH:
        return NotDealt(
            ProblemKind.TOO_LARGE, f"一次最多 {MAX_RECORDS_A_BATCH} 条 / too many records"
        )
    broken = _broken(asker, message.records)
    if isinstance(broken, NotDealt):
        return broken

    def answer(tx: Connection, outcomes: Sequence[Outcome]) -> Answer:
        return _taken_in(tx, services.pool, terminal, message.records, outcomes)

    def with_gap(tx: Connection, _outcomes: Sequence[Outcome]) -> Answer:
        head = chain_head(tx, services.pool, terminal.terminal, terminal.epoch)
        return _gap(head.seq + 1, "记录不连续 / the records do not follow one another")

    if broken is _Link.MISSING:
        return asker.job(with_gap)
    secret_of = services.keys.card_secret
    commands = (
        JournalRecord(
            terminal=terminal.terminal,
            record=record,
            proof_holds=record_proof_holds(record.body, terminal.terminal, secret_of),
        )
        for record in message.records
    )
    return asker.job(answer, *commands)


def _taken_in(
    tx: Connection,
    pool: str,
    terminal: Terminal,
    records: tuple[SignedRecord, ...],
    outcomes: Sequence[Outcome],
) -> Answer:
    """The answer to a run of records. Behind one that was refused none was taken either."""
    told: list[RecordOutcome] = []
    for outcome in outcomes:
        if isinstance(outcome, Gap):
            says = f"缺少第 {outcome.expected_seq} 条起的记录 / records are missing"
            return _gap(outcome.expected_seq, says)
        if isinstance(outcome, Fork):
            closed = outcome.reason is ForkReason.CLOSED_EPOCH
            return EPOCH_CLOSED if closed else _fork(outcome.seq)
        if isinstance(outcome, BadRecord):
            return _bad_record(outcome.problem)
        if isinstance(outcome, StandsAlready):
            told.append(outcome.outcome)
            continue
        assert isinstance(outcome, RecordOutcome), outcome
        told.append(outcome)
    if told and not isinstance(outcomes[-1], StandsAlready):
        # What was taken in just now is the newest there is.
        head = ChainHead(told[-1].epoch, told[-1].seq, records[-1].hash_hex)
    else:
        epoch = told[-1].epoch if told else terminal.epoch
        head = chain_head(tx, pool, terminal.terminal, epoch)
    return JournalAnswer(
        outcomes=tuple(told),
        head_epoch=head.epoch,
        head_seq=head.seq,
        head_hash=head.hash_hex,
    )


def boot_job(services: ApiServices, asker: Asker, message: BootRequest) -> Job | NotDealt:
    """A terminal has started: close its epoch and give it the next, if its chain is ours."""
    if not _is_a_place(asker, message):
        return NotDealt(
            ProblemKind.BAD_REQUEST, "流水期或序号不对 / no epoch and no number of a record"
        )
    command = OpenEpoch(
        terminal=asker.terminal.terminal,
        boot_id=message.boot_id[:BOOT_ID_MAX],
        epoch=message.epoch,
        head_seq=message.head_seq,
        head_hash=message.head_hash[:_HASH_HEX],
        differing=message.differing,
    )
    now = asker.signature.seen_at

    def answer(tx: Connection, outcomes: Sequence[Outcome]) -> Answer:
        return _booted(tx, services.pool, command.terminal, now, outcomes[0])

    return asker.job(answer, command)


def _is_a_place(asker: Asker, message: BootRequest) -> bool:
    """Whether the database can hold the numbers at which the terminal says that it is."""
    terminal, numbers = asker.terminal, [message.epoch, message.head_seq]
    if message.differing is not None and terminal.public_key is not None:
        envelope = opened(message.differing, terminal.public_key, terminal.terminal)
        if isinstance(envelope, Envelope):
            numbers += [envelope.epoch, envelope.seq]
    return all(abs(each) <= _PLACE_MAX for each in numbers)


def _booted(tx: Connection, pool: str, terminal: str, now: datetime, outcome: Outcome) -> Answer:
    if isinstance(outcome, EpochStands):
        outcome = outcome.opened
    if isinstance(outcome, TellFirst):
        return _gap(outcome.expected_seq, "先上传这些记录 / these records are to be told first")
    if isinstance(outcome, EpochDiffers | DifferenceKnown):
        return _fork(outcome.seq)
    if isinstance(outcome, Refused):
        return NotDealt(ProblemKind.BAD_REQUEST, outcome.says)
    assert isinstance(outcome, EpochOpened), outcome
    last_receipt, last_z = numbers_of(tx, pool, terminal)
    return BootAnswer(
        epoch=outcome.epoch,
        closed_epoch=outcome.closed_epoch,
        closed_seq=outcome.closed_seq,
        closed_hash=outcome.closed_hash,
        server_time=now,
        anew=outcome.anew,
        last_receipt=last_receipt,
        last_z=last_z,
    )


def orders_job(services: ApiServices, asker: Asker, message: OrdersRequest) -> Job:
    """A resident's orders; a card's proof is checked here, where the keys are."""
    evidence, terminal = message.evidence, asker.terminal.terminal
    proof_holds = isinstance(evidence, CardEvidence) and card_proof_holds(
        evidence,
        sale_id=message.lookup_id,
        points=0,
        terminal=terminal,
        secret_of=services.keys.card_secret,
    )
    at = asker.signature.seen_at

    def answer(tx: Connection, _outcomes: Sequence[Outcome]) -> Answer:
        return orders_shown(
            tx, services.pool, message, terminal=terminal, proof_holds=proof_holds, at=at
        )

    return asker.job(answer)


class _Link(Enum):
    HOLDS = auto()
    MISSING = auto()


def _broken(asker: Asker, records: tuple[SignedRecord, ...]) -> NotDealt | _Link:
    """Whether one of the records is false, or they do not follow one another."""
    terminal = asker.terminal
    assert terminal.public_key is not None
    before: tuple[Envelope, str] | None = None
    for record in records:
        envelope = opened(record, terminal.public_key, terminal.terminal)
        if isinstance(envelope, RecordProblem):
            return _bad_record(envelope)
        if before is not None:
            last, last_hash = before
            if (envelope.epoch, envelope.seq) != (last.epoch, last.seq + 1):
                return _Link.MISSING
            if envelope.prev_hash != last_hash:
                return _fork(envelope.seq)
        before = envelope, record.hash_hex
    return _Link.HOLDS


def _gap(expected_seq: int, says: str) -> NotDealt:
    return NotDealt(ProblemKind.GAP, says, expected_seq=expected_seq)


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
