"""Keeping the published documents up to date, at most once a second however many ask."""

import threading
from datetime import datetime, timedelta

from protocol.documents import Document, DocumentKind
from server.api.services import ApiServices
from server.db import reading, run_writing
from server.directory.documents import (
    build_catalogue,
    build_directory,
    build_policy,
    publish,
    says_something_new,
)
from server.redemption.allowances import spendable_points

_LOOK_AGAIN_AFTER = timedelta(seconds=1)


class DocumentPublisher:
    """Publishes what changed. Thread-safe; other processes do the same without harm."""

    def __init__(self, services: ApiServices) -> None:
        self._services = services
        self._lock = threading.Lock()
        self._looked_at: datetime | None = None

    def refresh(self, at: datetime) -> None:
        """Look whether policy, catalogue or directory say something new, and publish it."""
        with self._lock:
            last = self._looked_at
            if last is not None and abs(at - last) < _LOOK_AGAIN_AFTER:
                return
            self._looked_at = at
        changed = self._changed(at)
        if not changed:
            return
        pool, key = self._services.pool, self._services.keys.root
        run_writing(
            self._services.engine,
            lambda tx: [
                publish(tx, pool, kind, document, key=key, at=at)
                for kind, document in changed.items()
            ],
        )

    def _changed(self, at: datetime) -> dict[DocumentKind, Document]:
        pool = self._services.pool
        with reading(self._services.engine) as tx:
            built: dict[DocumentKind, Document] = {
                DocumentKind.POLICY: build_policy(tx, pool),
                DocumentKind.CATALOGUE: build_catalogue(tx, pool),
                DocumentKind.DIRECTORY: build_directory(tx, pool, spendable_points(tx, pool, at)),
            }
            return {
                kind: document
                for kind, document in built.items()
                if says_something_new(tx, pool, kind, document)
            }
