"""Keeping the published documents up to date, at most once a second however many ask.

In a town of 100,000 a look takes more than a second of work: then it is taken less often.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection

from protocol.business_day import business_date
from protocol.documents import (
    DirectoryHead,
    Document,
    DocumentKind,
    NumberedDocument,
    SignedDocument,
    open_document,
)
from protocol.issuers import KeyList
from server.api.services import ApiServices
from server.awards.counter import build_counter_awards
from server.db import reading, run_writing
from server.directory import cut_off_hour
from server.directory.documents import (
    build_catalogue,
    build_directory,
    build_policy,
    newest_version,
    publish,
    says_something_new,
)
from server.directory.issuers import (
    document_signer,
    keep_forgotten,
    key_list,
    listed_signers,
    signers_in,
)
from server.directory.keys import DocumentSigner
from server.directory.listing import compare, newest_listing, publish_listing, unchanged
from server.redemption.allowances import spendable_points
from server.redemption.stock import stock_units

LOG = logging.getLogger(__name__)

_LOOK_AGAIN_AFTER = timedelta(seconds=1)
_MUCH_WORK = timedelta(seconds=1)
_REST_PER_WORK = 5
"""A look that is much work takes at most a sixth of a processor, of all processes together."""
_FIRST_WAIT_S = 5.0
PUBLISH_DEADLINE_S = 5.0
MAX_SHOWN = 5
"""One of each kind."""
HIGHEST_SHOWN = 10**12
"""Numbers that a pool reaches in no lifetime: nobody drives them up to where they end."""


class DocumentPublisher:
    """Publishes what changed. Thread-safe; other processes do the same without harm: who finds
    that another published since he looked keeps nothing, and looks again.
    """

    def __init__(
        self, services: ApiServices, worked_s: Callable[[], float] = time.thread_time
    ) -> None:
        self._services = services
        self._worked_s = worked_s
        self._rest = _LOOK_AGAIN_AFTER
        self._lock = threading.Lock()
        self._looked_at: datetime | None = None

    def refresh(self, at: datetime) -> None:
        """Look whether any document says something new, and publish it.

        One at a time: of two who look at once, the slower could publish what it saw first under
        the higher number, and a resident who was blocked just now would be free again.

        Raises:
            TryAgain: the database is away or busy.
        """
        # Whoever comes meanwhile gets what is there; only at the very first nothing is.
        if not self._lock.acquire(timeout=_FIRST_WAIT_S if self._looked_at is None else 0):
            return
        try:
            last = self._looked_at
            if last is None or abs(at - last) >= self._rest:
                began_s = self._worked_s()
                self._publish_changed(at, {})
                worked = timedelta(seconds=self._worked_s() - began_s)
                much = worked >= _MUCH_WORK
                rest = worked * _REST_PER_WORK if much else _LOOK_AGAIN_AFTER
                self._rest = rest * self._services.workers
                self._looked_at = at
        finally:
            self._lock.release()

    def publish_above(self, shown: Sequence[SignedDocument], at: datetime) -> None:
        """A terminal shows what it has of numbers that this server, restored from a backup, does
        not know: publish above them, so that what is newer is taken for newer.

        Only what this pool's keys signed counts: nobody else can drive the numbers up. Keys that
        were taken back since count as well: a terminal that believed one of them must get away
        from what it was given.

        Raises:
            TryAgain: the database is away or busy.
        """
        self._keep_newer_keys(shown[:MAX_SHOWN], at)
        above = self._numbers_of(shown[:MAX_SHOWN])
        if above and self._lock.acquire(timeout=_FIRST_WAIT_S):
            try:
                self._publish_changed(at, above)
            finally:
                self._lock.release()

    def _numbers_of(self, shown: Sequence[SignedDocument]) -> dict[DocumentKind, int]:
        pool, keys = self._services.pool, self._services.keys
        with reading(self._services.engine) as tx:
            signers = [keys.root_public, *listed_signers(tx, pool)]
        for _, listed in self._key_lists(shown):  # the backup may be older than the key that signed
            signers += signers_in(listed)
        return {
            signed.kind: opened.version
            for signed in shown
            for signer in signers
            for opened in [open_document(signed, signer, keys.tag)]
            if isinstance(opened, NumberedDocument | DirectoryHead)
            and 0 < opened.version <= HIGHEST_SHOWN
        }

    def _key_lists(
        self, shown: Sequence[SignedDocument]
    ) -> Iterator[tuple[SignedDocument, KeyList]]:
        """What of it this pool's root key signed as lists of keys."""
        pool, keys = self._services.pool, self._services.keys
        for signed in shown:
            opened = open_document(signed, keys.root_public, keys.tag)
            if isinstance(opened, KeyList) and opened.pool == pool:
                yield signed, opened

    def _keep_newer_keys(self, shown: Sequence[SignedDocument], at: datetime) -> None:
        """Keep a list that this database does not know, and tell the operator once: only he has
        the keys that it speaks of.
        """
        pool = self._services.pool
        for signed, opened in self._key_lists(shown):
            with reading(self._services.engine) as tx:
                listed, kept = key_list(tx, pool), newest_version(tx, pool, DocumentKind.KEYS)
            here = listed.version if listed else 0
            if opened.version <= max(here, kept):
                continue

            def write(tx: Connection, signed: SignedDocument = signed) -> None:
                keep_forgotten(tx, pool, signed, at)

            run_writing(self._services.engine, write, deadline_s=PUBLISH_DEADLINE_S)
            LOG.error(
                "终端有第 %d 版密钥名单，这里只有第 %d 版：恢复的备份比最后一次换密钥早，"
                "新密钥签的码和卡这里不认。请从密钥备份找回私钥，再运行 keys take --shown"
                " / a terminal has key list %d, this server %d: the restored backup is older than"
                " the last change of keys; restore their private halves, then keys take --shown",
                opened.version,
                here,
                opened.version,
                here,
            )

    def _publish_changed(self, at: datetime, above: Mapping[DocumentKind, int]) -> None:
        pool, keys = self._services.pool, self._services.keys
        with reading(self._services.engine) as tx:
            signer = document_signer(tx, pool, keys, at)
            changed = self._changed(tx, at, signer, above)
            on = {kind: newest_version(tx, pool, kind) for kind in changed}
            entries = build_directory(tx, pool, spendable_points(tx, pool, at))
            listing = compare(tx, pool, entries, at)
            newest = newest_listing(tx, pool)
        seen = above.get(DocumentKind.DIRECTORY_HEAD, 0)
        if listing is None and newest is not None and 0 < newest.version <= seen:
            listing = unchanged(newest)

        def write(tx: Connection) -> None:
            for kind, document in changed.items():
                publish(
                    tx,
                    pool,
                    kind,
                    document,
                    key=signer.key,
                    tag=keys.tag,
                    at=at,
                    above=above.get(kind, 0),
                    on=on[kind],
                )
            if listing is not None:
                publish_listing(tx, pool, listing, at=at, above=seen)

        if changed or listing is not None:
            run_writing(self._services.engine, write, deadline_s=PUBLISH_DEADLINE_S)

    def _changed(
        self,
        tx: Connection,
        at: datetime,
        signer: DocumentSigner,
        above: Mapping[DocumentKind, int],
    ) -> dict[DocumentKind, Document]:
        pool, tag = self._services.pool, self._services.keys.tag
        key = signer.key.public_key()
        today = business_date(at, cut_off_hour(tx, pool))
        built: dict[DocumentKind, Document] = {
            DocumentKind.POLICY: build_policy(tx, pool, today),
            DocumentKind.CATALOGUE: build_catalogue(tx, pool, today, stock_units(tx, pool)),
            DocumentKind.AWARDS: build_counter_awards(tx, pool, today),
        }
        return {
            kind: document
            for kind, document in built.items()
            if says_something_new(tx, pool, document, signer=key, tag=tag)
            or newest_version(tx, pool, kind) <= above.get(kind, -1)
        }
