"""Checks the journal's chain beside the selling, piece by piece, and keeps the mark near."""

from collections.abc import Callable
from typing import Final

from terminal.domain.stopped import Stop
from terminal.store.chain_check import PAGE_RECORDS, ChainCheck

PIECE_REST_S: Final = 0.5
"""Between pieces while there is more: selling comes first."""

IDLE_S: Final = 60.0


class ChainRound:
    """One round: the next piece; stops the terminal where it does not hold."""

    def __init__(self, chain: ChainCheck, stop: Callable[[Stop], None]) -> None:
        self._chain = chain
        self._stop = stop

    def __call__(self) -> float:
        """Returns how long to rest, in seconds."""
        found = self._chain.piece()
        if found.broken is not None:
            self._stop(found.broken)
            return IDLE_S
        return PIECE_REST_S if found.records == PAGE_RECORDS else IDLE_S
