"""Tells the server what happened, in order, and fetches what it has to say."""

import logging
from collections.abc import Callable, Sequence

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from protocol.documents import (
    DirectoryPage,
    Document,
    DocumentKind,
    DocumentProblem,
    NumberedDocument,
    SignedDocument,
    open_document,
)
from protocol.issuers import IssuerRole, KeyList, list_problem
from protocol.journal import ClockState, SignedRecord
from protocol.messages import (
    BootRequest,
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
from terminal.store.epochs import enter_epoch, head_in, raise_numbers
from terminal.store.outbox import Outbox, UntoldRecord
from terminal.store.residents import Taken
from terminal.store.sealer import ChainHead
from terminal.store.sqlite import SqliteStore

LOG = logging.getLogger(__name__)

IDLE_S = 5.0
FIRST_BACK_OFF_S = 1.0
LONGEST_BACK_OFF_S = 60.0
MAX_PAGES_A_ROUND = 500
"""Of a whole directory: more than a town of a million has."""

_KEPT_AS = {DocumentKind.DIRECTORY: DocumentKind.DIRECTORY_HEAD}


class SyncRound:
    """One round of the sync worker: tell all that is untold, then fetch documents.

    The first that gets through asks for the epoch that this start goes on in, once everything
    of the one before is told (``boot_id`` None: it goes on in the old one).

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
        boot_id: str | None = None,
        pool: str,
        keep_certificates: Callable[[Sequence[bytes]], None] = lambda _: None,
    ) -> None:
        self._trust = trust or ImageTrust()
        self._boot_id = boot_id
        self._has_epoch = boot_id is None
        self._store = store
        self._outbox = outbox
        self._link = link
        self._clock = clock
        self._changes = changes
        self._root_key = root_key
        self._tag = tag
        self._stop_selling = stop_selling
        self._keep_certificates = keep_certificates
        self._pool = pool
        self._back_off_s = 0.0
        self._stopped = False

    def __call__(self) -> float:
        """Returns how long to rest before the next round, in seconds."""
        if self._stopped:
            return LONGEST_BACK_OFF_S
        if self._tell_all() and self._enter_epoch() and self._fetch():
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
                # Before this start has its epoch that says nothing: the server may hold these very
                # records and newer ones, which an older image of the storage has lost.
                if self._has_epoch:
                    self._trust.confirm()
                self._changes.note()
        return True

    def _mend(self, answer: ServerProblem, first: UntoldRecord) -> bool:
        """After a problem: whether telling can go on at once."""
        problem = answer.problem
        LOG.warning("the server refused our records: %s %s", problem.problem, problem.says)
        if problem.problem is ProblemKind.GAP and 0 < problem.expected_seq < first.seq:
            return self._outbox.tell_again(first.epoch, problem.expected_seq)
        if problem.problem is ProblemKind.EPOCH_CLOSED and self._boot_id is not None:
            before, self._has_epoch = self._store.epoch, False
            return self._enter_epoch() and self._store.epoch != before
        if problem.problem in {ProblemKind.GAP, ProblemKind.FORK}:
            if self._boot_id is not None:  # so that the office has both to look at
                self._link.boot(self._introduction(head_in(self._store), first.record))
            self._stop(f"{first.epoch}/{first.seq}: {problem.problem.value} {problem.says}")
        if problem.server_time is not None:
            self._clock.note_server_time(problem.server_time)
        return False

    def _enter_epoch(self) -> bool:
        """Whether this start has its epoch, now or since an earlier round."""
        if self._has_epoch:
            return True
        head = head_in(self._store)
        answer = self._link.boot(self._introduction(head))
        if isinstance(answer, ServerProblem):
            kind = answer.problem.problem
            if kind is ProblemKind.FORK:
                self._stop(f"{head.epoch}/{head.seq}: {kind.value} {answer.problem.says}")
            # A server from before there were such starts: go on as we are.
            self._has_epoch = kind is ProblemKind.NOT_FOUND
            return self._has_epoch
        if isinstance(answer, Unreachable):
            return False
        self._clock.note_server_time(answer.server_time)
        raise_numbers(self._store, receipt=answer.last_receipt, z_no=answer.last_z)
        closed = ChainHead(answer.closed_epoch, answer.closed_seq, answer.closed_hash)
        now = self._clock.moment().at
        says = ""
        if answer.epoch < head.epoch:
            says = f"the server gives epoch {answer.epoch}, this terminal is in {head.epoch}"
        elif answer.epoch > head.epoch:
            says = enter_epoch(self._store, answer.epoch, closed, now, anew=answer.anew)
        if says:
            self._stop(says)
            return False
        self._has_epoch = True
        self._trust.confirm()
        return True

    def _introduction(self, head: ChainHead, differing: SignedRecord | None = None) -> BootRequest:
        return BootRequest(
            boot_id=self._boot_id or "",
            epoch=head.epoch,
            head_seq=head.seq,
            head_hash=head.hash_hex,
            differing=differing,
        )

    def _stop(self, says: str) -> None:
        self._stopped = True
        self._stop_selling(says)

    def _fetch(self) -> bool:
        """Ask for what is newer, page after page; whether the server answered it all."""
        shown: tuple[SignedDocument, ...] = ()
        for _ in range(MAX_PAGES_A_ROUND):
            answer = self._link.fetch_documents(self._versions(shown))
            if not isinstance(answer, DocumentsAnswer):
                if isinstance(answer, ServerProblem) and answer.problem.server_time is not None:
                    self._clock.note_server_time(answer.problem.server_time)
                return False
            self._clock.note_server_time(answer.server_time)
            self._take_certificates(answer)
            taken = [self._take(signed) for signed in answer.documents]
            if answer.documents:
                self._changes.note()
            if answer.unknown and not shown:
                LOG.warning("the server does not know what it gave: %s", answer.unknown)
                shown = self._store.signed_documents([_KEPT_AS.get(k, k) for k in answer.unknown])
            elif not any(taken):
                return True
        return True

    def _take_certificates(self, answer: DocumentsAnswer) -> None:
        certificates = answer.certificates
        if not certificates and answer.certificate is not None:
            certificates = (answer.certificate,)  # a server from before there were more
        if certificates:
            self._keep_certificates(certificates)

    def _versions(self, shown: tuple[SignedDocument, ...]) -> DocumentsRequest:
        documents = self._store.documents()
        asked = self._store.directory_asked()
        return DocumentsRequest(
            policy=documents.policy.version if documents.policy else 0,
            catalogue=documents.catalogue.version if documents.catalogue else 0,
            awards=documents.awards.version if documents.awards else 0,
            keys=documents.keys.version if documents.keys else 0,
            directory=asked.version,
            directory_digest=asked.digest,
            directory_after=asked.after,
            shown=shown,
        )

    def _take(self, signed: SignedDocument) -> bool:
        """Keep a document if it is genuine; whether more is to be asked for at once."""
        opened = self._opened(signed)
        if isinstance(opened, str):
            LOG.error("a %s from the server is refused: %s", signed.kind, opened)
        elif isinstance(opened, DirectoryPage):
            return self._take_page(opened)
        elif isinstance(opened, NumberedDocument):
            self._clock.not_before(opened.made_at)
            self._store.save_document(signed, opened)
        return False

    def _take_page(self, page: DirectoryPage) -> bool:
        try:
            taken = self._store.take_page(page)
        except msgspec.DecodeError:
            LOG.exception("a page of the directory cannot be read")
            return False
        if taken is Taken.IN_FORCE:
            self._clock.not_before(page.opened_head().made_at)
        elif taken is not Taken.MORE:
            LOG.warning("a page of the directory is not taken: %s", taken.name)
        return taken is Taken.MORE

    def _opened(self, signed: SignedDocument) -> Document | str:
        """The document, or why it is not taken. The list of keys is believed by the root key
        alone, which was learnt at enrolment; the others by the keys of that list as well.
        """
        known = self._store.documents().keys
        signers = [self._root_key]
        if signed.kind is not DocumentKind.KEYS and known is not None:
            moment = self._clock.moment()
            now = None if moment.clock_state is ClockState.UNKNOWN else moment.at
            signers += known.live(IssuerRole.DOCUMENT, now).values()
        opened: Document | DocumentProblem = DocumentProblem.BAD_SIGNATURE
        for signer in signers:
            opened = open_document(signed, signer, self._tag)
            if opened is not DocumentProblem.BAD_SIGNATURE:
                break
        if isinstance(opened, KeyList):
            problem = list_problem(opened, self._root_key, self._pool, known)
            return opened if problem is None else problem
        return opened.value if isinstance(opened, DocumentProblem) else opened


def _fits(answer: JournalAnswer, batch: Sequence[UntoldRecord]) -> bool:
    """Whether there is one outcome for each record sent, in order; anything else is nonsense."""
    return [(x.epoch, x.seq) for x in answer.outcomes] == [(x.epoch, x.seq) for x in batch]
