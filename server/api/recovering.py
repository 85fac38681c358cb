"""``recover``: one terminal brings the records of another that is dead."""

from collections.abc import Sequence

from sqlalchemy import Connection

from protocol.journal import MAX_RECORDS_A_BATCH
from protocol.messages import OutcomeKind, ProblemKind, RecordOutcome
from protocol.recovery import RecoverAnswer, Recovered, RecoveredKind, RecoverRequest
from server.api.answers import Asker
from server.api.replies import NotDealt
from server.api.services import ApiServices
from server.api.writer import Answer, Job
from server.directory import shop_of
from server.facts import Outcome
from server.facts.refused import Refused
from server.redemption import (
    BadRecord,
    DifferenceKnown,
    NoteRecovery,
    RecoverRecord,
    StandsAlready,
)
from server.redemption.gaps import (
    epochs_of,
    heard_at,
    missing_of,
    numbers_of,
    open_asks,
    records_of,
)
from server.redemption.intake import record_proof_holds
from server.redemption.recovering import RecordDiffers, RecoveryNoted, may_recover

_BECAME = {
    OutcomeKind.POSTED: RecoveredKind.BOOKED,
    OutcomeKind.OVERDRAFT: RecoveredKind.OVERDRAFT,
    OutcomeKind.DUPLICATE: RecoveredKind.DUPLICATE,
    OutcomeKind.PARKED: RecoveredKind.PARKED,
}


def recover_job(services: ApiServices, asker: Asker, message: RecoverRequest) -> Job | NotDealt:
    """Take in what was handed over, and say what is known of the terminal after it."""
    if len(message.records) > MAX_RECORDS_A_BATCH:
        return NotDealt(
            ProblemKind.TOO_LARGE, f"一次最多 {MAX_RECORDS_A_BATCH} 条 / too many records"
        )
    by, secret_of = asker.terminal.terminal, services.keys.card_secret
    commands: list[RecoverRecord | NoteRecovery] = [
        RecoverRecord(
            terminal=message.of,
            record=record,
            proof_holds=record_proof_holds(record.body, message.of, secret_of),
            by=by,
        )
        for record in message.records
    ]
    if message.finished is not None:
        ended = message.finished
        commands.append(NoteRecovery(terminal=message.of, by=by, ended=ended, closes=True))

    def answer(tx: Connection, outcomes: Sequence[Outcome]) -> Answer:
        return _known(tx, services.pool, message.of, by, outcomes)

    return asker.job(answer, *commands)


def _known(
    tx: Connection, pool: str, of: str, by: str, outcomes: Sequence[Outcome]
) -> RecoverAnswer | NotDealt:
    dead = may_recover(tx, pool, of, by)
    if isinstance(dead, Refused):
        return NotDealt(ProblemKind.NOT_FOUND, dead.says)
    shop = shop_of(tx, pool, dead.shop)
    missing, count = missing_of(tx, pool, of)
    receipt, _ = numbers_of(tx, pool, of)
    return RecoverAnswer(
        of=of,
        shop_name=shop.name if shop is not None else "",
        public_key=dead.public_key or "",
        epochs=tuple(epochs_of(tx, pool, of)),
        records=records_of(tx, pool, of),
        missing=tuple(missing),
        missing_records=count,
        open_asks=tuple(open_asks(tx, pool, of)),
        last_receipt=f"{of}-{receipt:06d}" if receipt else "",
        heard_at=heard_at(tx, pool, of),
        outcomes=tuple(
            _recovered(each) for each in outcomes if not isinstance(each, RecoveryNoted)
        ),
    )


def _recovered(outcome: Outcome) -> Recovered:
    if isinstance(outcome, StandsAlready):
        return Recovered(kind=RecoveredKind.KNOWN)
    if isinstance(outcome, RecordDiffers | DifferenceKnown):
        return Recovered(kind=RecoveredKind.DIFFERS)
    if isinstance(outcome, BadRecord):
        return Recovered(kind=RecoveredKind.REFUSED, says=outcome.problem.value)
    assert isinstance(outcome, RecordOutcome), outcome
    return Recovered(kind=_BECAME[outcome.outcome], says=outcome.says)
