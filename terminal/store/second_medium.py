"""Copies the journal onto the second medium, in a thread of its own, never waiting longer than
a sale may.

A stick can hang for minutes in the kernel where nothing can interrupt it. So one thread writes,
the till waits for it up to a limit, and while the thread is stuck nobody waits at all.
"""

import logging
import threading
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

LOOK_AGAIN_S: Final = 5.0
"""How often a stick that fails is tried again while nobody sells."""


class SecondMedium:
    """See :class:`terminal.domain.second_copy.SecondCopy`. Thread-safe.

    Args:
        limit_s: longest wait for one copy; a sale's customer is waiting behind it.
        note: told of every change of state.
        confirmed: told when the stick's newest record is found in the journal: this image of
            the journal is not older than the stick.
        differing: told once, with a sentence, when it holds what the journal does not, and that
            is not the journal's own continuation.
        read_back: told how many records came back from the stick, where it was ahead.
    """

    def __init__(
        self,
        stick: Stick,
        store: SqliteStore,
        *,
        limit_s: float,
        note: Callable[[CopyState], None] = lambda _state: None,
        confirmed: Callable[[], None] = lambda: None,
        differing: Callable[[str], None] = lambda _says: None,
        read_back: Callable[[int], None] = lambda _count: None,
        look_again_s: float = LOOK_AGAIN_S,
    ) -> None:
        self._stick = stick
        self._store = store
        self._limit_s = limit_s
        self._note = note
        self._confirmed = confirmed
        self._differing = differing
        self._note_read_back = read_back
        self._look_again_s = look_again_s
        self._turn = threading.Condition()
        self._asked = 0
        self._done = 0
        self._state = CopyState.BEHIND
        self._is_working = False
        self._signs = 0
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="second-medium", daemon=True)
        self._thread.start()

    @property
    def state(self) -> CopyState:
        with self._turn:
            return self._state

    def copy(self) -> CopyState:
        """Have the journal copied; the state after it, or STUCK when the time is up."""
        with self._turn:
            self._asked += 1
            mine, signs = self._asked, self._signs
            self._turn.notify_all()
            if self._state is CopyState.STUCK and self._is_working:
                return self._state  # it is stuck already: the queue does not wait for it again
            while not self._turn.wait_for(lambda: self._done >= mine, self._limit_s):
                if self._signs == signs:
                    self._set(CopyState.STUCK)
                    break
                signs = self._signs  # it reads much back, and it moves: a start waits for it
            return self._state

    def begin(self, patience_s: float) -> CopyState:
        """As `copy`, at the start: nothing is sold yet, so a slow stick is waited for longer.

        What it has beyond an old image can only go back while nothing new was written.
        """
        state = self.copy()
        with self._turn:
            if state is CopyState.STUCK:
                self._turn.wait_for(lambda: not self._is_working, patience_s)
            return self._state

    def close(self) -> None:
        """Let the thread end; one that is stuck ends with the program."""
        with self._turn:
            self._stopping = True
            self._turn.notify_all()
        self._thread.join(self._limit_s)

    def _run(self) -> None:
        while True:
            with self._turn:
                self._turn.wait_for(self._has_work, self._look_again_s)
                if self._stopping:
                    return
                self._is_working = True
                asked = self._asked
            state = self._copy_once()
            with self._turn:
                self._is_working = False
                self._done = asked
                self._set(state)
                self._turn.notify_all()

    def _has_work(self) -> bool:
        return self._stopping or self._asked > self._done or self._state is CopyState.BEHIND

    def _set(self, state: CopyState) -> None:
        if state is not self._state:
            self._state = state
            self._note(state)

    def _copy_once(self) -> CopyState:
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
            count = take_back(self._store, self._stick, ahead, alive=self._give_sign)
        except TailError as error:
            return str(error)
        LOG.warning("%d records were read back from the second medium", count)
        self._note_read_back(count)
        return ""

    def _give_sign(self) -> None:
        with self._turn:
            self._signs += 1

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
