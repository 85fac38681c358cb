"""Keeping the published documents up to date, at most once a second however many ask."""

import threading
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from protocol.business_day import business_date
from protocol.documents import Document, DocumentKind
from server.api.services import ApiServices
from server.awards.counter import build_counter_awards
from server.db import reading, run_writing
from server.directory import cut_off_hour
from server.directory.documents import (
    build_catalogue,
    build_directory,
    build_policy,
    publish,
    says_something_new,
)
from server.directory.issuers import document_signer
from server.redemption.allowances import spendable_points
from server.redemption.stock import stock_units

_LOOK_AGAIN_AFTER = timedelta(seconds=1)
_FIRST_WAIT_S = 5.0
PUBLISH_DEADLINE_S = 5.0


class DocumentPublisher:
    """Publishes what changed. Thread-safe; other processes do the same without harm."""

    def __init__(self, services: ApiServices) -> None:
        self._services = services
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
            if last is None or abs(at - last) >= _LOOK_AGAIN_AFTER:
                self._publish_changed(at)
                self._looked_at = at
        finally:
            self._lock.release()

    def _publish_changed(self, at: datetime) -> None:
        pool, keys = self._services.pool, self._services.keys
        with reading(self._services.engine) as tx:
            key = document_signer(tx, pool, keys, at).key
        changed = self._changed(at, key.public_key())
        if not changed:
            return
        run_writing(
            self._services.engine,
            lambda tx: [
                publish(tx, pool, kind, document, key=key, tag=keys.tag, at=at)
                for kind, document in changed.items()
            ],
            deadline_s=PUBLISH_DEADLINE_S,
        )

    def _changed(self, at: datetime, signer: Ed25519PublicKey) -> dict[DocumentKind, Document]:
        pool, tag = self._services.pool, self._services.keys.tag
        with reading(self._services.engine) as tx:
            today = business_date(at, cut_off_hour(tx, pool))
            built: dict[DocumentKind, Document] = {
                DocumentKind.POLICY: build_policy(tx, pool, today),
                DocumentKind.CATALOGUE: build_catalogue(tx, pool, today, stock_units(tx, pool)),
                DocumentKind.DIRECTORY: build_directory(tx, pool, spendable_points(tx, pool, at)),
                DocumentKind.AWARDS: build_counter_awards(tx, pool, today),
            }
            return {
                kind: document
                for kind, document in built.items()
                if says_something_new(tx, pool, document, at, signer=signer, tag=tag)
            }
