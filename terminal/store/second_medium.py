"""Copies the journal onto the second medium, in a thread of its own, never waiting longer than
a sale may.

A stick can hang for minutes in the kernel where nothing can interrupt it. So one thread writes,
the till waits for it up to a limit, and while the thread is stuck nobody waits at all.
"""

import threading
from collections.abc import Callable
from typing import Final

from terminal.domain.second_copy import CopyState
from terminal.store.sqlite import SqliteStore
from terminal.store.stick import Stick
from terminal.store.stick_copier import StickCopier

LOOK_AGAIN_S: Final = 5.0
"""How often a stick that fails is tried again while nobody sells."""


class SecondMedium:
    """See :class:`terminal.domain.second_copy.SecondCopy`. Thread-safe.

    Args:
        limit_s: longest wait for one copy; a sale's customer is waiting behind it.
        note: told of every change of state.
        confirmed: see :class:`StickCopier`, as ``differing`` and ``read_back``.
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
        self._copier = StickCopier(
            stick,
            store,
            confirmed=confirmed,
            differing=differing,
            read_back=read_back,
            alive=self._give_sign,
        )
        self._limit_s = limit_s
        self._note = note
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
            state = self._copier.copy_once()
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

    def _give_sign(self) -> None:
        with self._turn:
            self._signs += 1
