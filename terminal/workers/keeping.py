"""Keeps the disk from filling: deletes what was told long ago, and says how long there is room."""

from pathlib import Path
from typing import Final

from protocol.journal import ClockState
from terminal.domain.changes import Surroundings
from terminal.domain.clock import ShopClock
from terminal.store.retention import PIECE_RECORDS, RESERVE_BYTES, disk_budget, prune
from terminal.store.sqlite import SqliteStore

PIECE_REST_S: Final = 1.0
IDLE_S: Final = 3600.0


class KeepingRound:
    """One round: one piece of the oldest, or a look at the disk where nothing is to go."""

    def __init__(
        self,
        store: SqliteStore,
        data_dir: Path,
        clock: ShopClock,
        surroundings: Surroundings,
        *,
        piece: int = PIECE_RECORDS,
        reserve_bytes: int = RESERVE_BYTES,
    ) -> None:
        self._store = store
        self._data_dir = data_dir
        self._clock = clock
        self._surroundings = surroundings
        self._piece = piece
        self._reserve_bytes = reserve_bytes

    def __call__(self) -> float:
        """Returns how long to rest, in seconds."""
        moment = self._clock.moment()
        # A clock that jumped ahead must not make yesterday look like last year.
        if moment.clock_state is ClockState.GOOD and prune(self._store, moment.at, self._piece):
            return PIECE_REST_S
        budget = disk_budget(self._store, self._data_dir, self._reserve_bytes)
        self._surroundings.note_disk(budget.days_left or 0 if budget.is_short else None)
        return IDLE_S
