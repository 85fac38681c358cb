"""Brings a stick to where the journal is, a piece at a time, in whichever thread it is called."""

import logging
from collections.abc import Callable, Sequence
from typing import Final

from sqlalchemy import and_, or_, select

from terminal.domain.ports import StoreFaultError
from terminal.domain.second_copy import CopyState
from terminal.store.reading_back import TailError, difference, take_back
from terminal.store.sealer import ChainHead
from terminal.store.sqlite import SqliteStore, chain_head
from terminal.store.stick import Stick, StickFaultError, StickLine
from terminal.store.tables import journal

LOG = logging.getLogger(__name__)

CHUNK_RECORDS: Final = 200
"""Written and synced at once while catching up: bounds memory, and how long one write takes."""


class StickCopier:
    """One journal and one stick. Not thread-safe.

    Args:
        confirmed: told when the stick's newest record is found in the journal: this image of
            the journal is not older than the stick.
        differing: told once, with a sentence, when it holds what the journal does not, and that
            is not the journal's own continuation.
        read_back: told how many records came back from the stick, where it was ahead.
        alive: called now and then while much is read.
    """

    def __init__(
        self,
        stick: Stick,
        store: SqliteStore,
        *,
        confirmed: Callable[[], None] = lambda: None,
        differing: Callable[[str], None] = lambda _says: None,
        read_back: Callable[[int], None] = lambda _count: None,
        alive: Callable[[], None] = lambda: None,
    ) -> None:
        self._stick = stick
        self._store = store
        self._confirmed = confirmed
        self._differing = differing
        self._note_read_back = read_back
        self._alive = alive

    def copy_once(self) -> CopyState:
        """Copy one chunk; BEHIND where there is more."""
        try:
            head = self._stick.head()
            if head is not None:
                says = difference(self._store, head)
                if says:
                    says = self._read_back(says)
                if says:
                    LOG.error("the second medium differs: %s", says)
                    self._differing(says)
                    return CopyState.DIFFERS
                self._confirmed()
            lines = self._lines_after(head)
            if lines:
                self._stick.append(lines)
            return CopyState.BEHIND if self._is_behind(lines, head) else CopyState.GOOD
        except StickFaultError as fault:
            LOG.warning("the second medium: %s: %s", fault.state, fault)
            return fault.state
        except StoreFaultError:
            LOG.exception("the journal cannot be read for the second medium")
            return CopyState.DAMAGED

    def _read_back(self, ahead: str) -> str:
        """Take back what the journal lacks; why that cannot be, empty where it was done."""
        try:
            count = take_back(self._store, self._stick, ahead, alive=self._alive)
        except TailError as error:
            return str(error)
        LOG.warning("%d records were read back from the second medium", count)
        self._note_read_back(count)
        return ""

    def _lines_after(self, head: ChainHead | None) -> Sequence[StickLine]:
        wanted = select(
            journal.c.epoch,
            journal.c.seq,
            journal.c.hash,
            journal.c.body,
            journal.c.signature,
        ).order_by(journal.c.epoch, journal.c.seq)
        if head is not None:
            wanted = wanted.where(
                or_(
                    journal.c.epoch > head.epoch,
                    and_(journal.c.epoch == head.epoch, journal.c.seq > head.seq),
                )
            )
        with self._store.reading() as connection:
            rows = connection.execute(wanted.limit(CHUNK_RECORDS)).all()
        return [
            StickLine(
                epoch=row.epoch,
                seq=row.seq,
                hash=row.hash,
                body=row.body,
                signature=row.signature,
            )
            for row in rows
            if row.epoch == rows[0].epoch
        ]

    def _is_behind(self, lines: Sequence[StickLine], head: ChainHead | None) -> bool:
        newest = lines[-1].head if lines else head
        with self._store.reading() as connection:
            there = chain_head(connection)
        if there is None or newest is None:
            return there is not None
        return (there.epoch, there.seq) > (newest.epoch, newest.seq)
