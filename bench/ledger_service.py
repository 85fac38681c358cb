"""Redemptions in the service layer: the desk with group commit, in this process, without HTTP."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Connection

from bench.figures import BenchError, timed_into
from bench.ledger_pool import POOL, LedgerPool, Redemption, Seller, now
from protocol.messages import Approved, OutcomeKind, RecordOutcome
from server.api.groups import GroupCommit, Weight
from server.facts import Failed, Outcome, Submission
from server.redemption import Authorise, JournalRecord

WITHIN_S = 30.0
ONE_FACT = Weight(1, 1_000)


class Service:
    """Takes commands from any number of threads, as the API does behind its signatures."""

    def __init__(self, pool: LedgerPool) -> None:
        self._desk = pool.desk
        self._groups = GroupCommit[Submission, Outcome](pool.engine, self._apply)

    def redeem(self, seller: Seller, redemption: Redemption) -> None:
        """Hold the points, then book the sale: two facts, two commits waited for.

        Raises:
            BenchError: the books said no.
        """
        question = redemption.question
        answer = self._ask(
            seller,
            Authorise(
                terminal=seller.terminal,
                sale_id=question.sale_id,
                evidence=question.evidence,
                proof_holds=False,
                required_points=question.required_points,
                optional_points=question.optional_points,
                occurred_at=question.occurred_at,
            ),
        )
        if not isinstance(answer, Approved):
            raise BenchError(f"{seller.terminal}: not approved: {answer}")
        record = JournalRecord(terminal=seller.terminal, record=redemption.record, proof_holds=None)
        told = self._ask(seller, record)
        if not isinstance(told, RecordOutcome) or told.outcome is not OutcomeKind.POSTED:
            raise BenchError(f"{seller.terminal}: not posted: {told}")

    def _ask(self, seller: Seller, command: Authorise | JournalRecord) -> Outcome:
        submission = Submission(command, f"terminal:{seller.terminal}", now())
        return self._groups.ask(submission, ONE_FACT, within_s=WITHIN_S)

    def _apply(
        self, tx: Connection, submissions: Sequence[Submission]
    ) -> list[Outcome | Exception]:
        several = len(submissions) > 1
        outcomes = self._desk.submit_many(tx, POOL, submissions, as_a_whole=several)
        return [each.fault if isinstance(each, Failed) else each for each in outcomes]


def redeem_together(service: Service, work: Sequence[tuple[Seller, Sequence[Redemption]]]) -> None:
    """Each seller redeems what is his, one after the other; all sellers at once."""

    def redeem(seller: Seller, redemptions: Sequence[Redemption]) -> None:
        for redemption in redemptions:
            service.redeem(seller, redemption)

    with ThreadPoolExecutor(len(work)) as threads:
        for done in [threads.submit(redeem, *each) for each in work]:
            done.result()


def latencies_s(service: Service, seller: Seller, redemptions: Sequence[Redemption]) -> list[float]:
    """How long each took, with nobody else about."""
    found: list[float] = []
    for redemption in redemptions:
        with timed_into(found):
            service.redeem(seller, redemption)
    return found
