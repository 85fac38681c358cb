"""Tells the server what happened, in order, and fetches what it has to say."""

import logging
from collections.abc import Callable, Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from protocol.documents import DocumentProblem, SignedDocument, open_document
from protocol.messages import (
    DocumentsAnswer,
    DocumentsRequest,
    JournalAnswer,
    ProblemKind,
)
from terminal.domain.changes import Changes
from terminal.domain.clock import ShopClock
from terminal.domain.ports import Unreachable
from terminal.domain.stand_in import ImageTrust
from terminal.pool.link import PoolLink, ServerProblem
from terminal.store.outbox import Outbox, UntoldRecord
from terminal.store.sqlite import SqliteStore

LOG = logging.getLogger(__name__)

IDLE_S = 5.0
FIRST_BACK_OFF_S = 1.0
LONGEST_BACK_OFF_S = 60.0


class SyncRound:
    """One round of the sync worker: tell all that is untold, then fetch documents.

    A record leaves the outbox only with an outcome from the server. Unreachable or busy:
    the next round comes later each time, up to a minute. A fork, or a server that knows
    more of this journal than the terminal does, stops selling: someone has to look.
    """

    def __init__(
        self,
        *,
        store: SqliteStore,
        outbox: Outbox,
        link: PoolLink,
        clock: ShopClock,
        changes: Changes,
        root_key: Ed25519PublicKey,
        tag: bytes,
        stop_selling: Callable[[str], None],
        trust: ImageTrust | None = None,
    ) -> None:
        self._trust = trust or ImageTrust()
        self._store = store
        self._outbox = outbox
        self._link = link
        self._clock = clock
        self._changes = changes
        self._root_key = root_key
        self._tag = tag
        self._stop_selling = stop_selling
        self._back_off_s = 0.0
        self._stopped = False

    def __call__(self) -> float:
        """Returns how long to rest before the next round, in seconds."""
        if self._stopped:
            return LONGEST_BACK_OFF_S
        if self._tell_all() and self._fetch():
            self._back_off_s = 0.0
            return IDLE_S
        self._back_off_s = min(LONGEST_BACK_OFF_S, max(FIRST_BACK_OFF_S, self._back_off_s * 2))
        return self._back_off_s

    def _tell_all(self) -> bool:
        while batch := self._outbox.next_batch():
            answer = self._link.tell(tuple(untold.record for untold in batch))
            if isinstance(answer, ServerProblem):
                if not self._mend(answer, batch[0]):
                    return False
            elif isinstance(answer, Unreachable) or not _fits(answer, batch):
                return False
            else:
                self._outbox.mark_told(answer.outcomes, self._clock.moment().at)
                self._trust.confirm()  # the chain goes on where the server's ends
                self._changes.note()
        return True

    def _mend(self, answer: ServerProblem, first: UntoldRecord) -> bool:
        """After a problem: whether telling can go on at once."""
        problem = answer.problem
        LOG.warning("the server refused our records: %s %s", problem.problem, problem.says)
        if problem.problem is ProblemKind.GAP and 0 < problem.expected_seq < first.seq:
            return self._outbox.tell_again(first.epoch, problem.expected_seq)
        if problem.problem in {ProblemKind.GAP, ProblemKind.FORK}:
            self._stopped = True
            self._stop_selling(f"{first.epoch}/{first.seq}: {problem.problem.value} {problem.says}")
        if problem.server_time is not None:
            self._clock.note_server_time(problem.server_time)
        return False

    def _fetch(self) -> bool:
        documents = self._store.documents()
        answer = self._link.fetch_documents(
            DocumentsRequest(
                policy=documents.policy.version if documents.policy else 0,
                catalogue=documents.catalogue.version if documents.catalogue else 0,
                directory=documents.directory.version if documents.directory else 0,
            )
        )
        if not isinstance(answer, DocumentsAnswer):
            if isinstance(answer, ServerProblem) and answer.problem.server_time is not None:
                self._clock.note_server_time(answer.problem.server_time)
            return False
        self._clock.note_server_time(answer.server_time)
        for signed in answer.documents:
            self._take(signed)
        if answer.documents:
            self._changes.note()
        return True

    def _take(self, signed: SignedDocument) -> None:
        opened = open_document(signed, self._root_key, self._tag)
        if isinstance(opened, DocumentProblem):
            LOG.error("a %s from the server is refused: %s", signed.kind, opened)
            return
        self._clock.not_before(opened.made_at)
        self._store.save_document(signed, opened)


def _fits(answer: JournalAnswer, batch: Sequence[UntoldRecord]) -> bool:
    """Whether there is one outcome for each record sent, in order; anything else is nonsense."""
    return [(x.epoch, x.seq) for x in answer.outcomes] == [(x.epoch, x.seq) for x in batch]
