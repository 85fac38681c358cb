"""Keeps the basket on the page in its file, beside the selling."""

from collections.abc import Callable

from terminal.checkout.current import CurrentSale
from terminal.checkout.last_run import draft_of
from terminal.domain.changes import Changes
from terminal.domain.last_run import Draft, DraftKeeper
from terminal.domain.notice import Notice

LOOK_S = 1.0


class DraftRound:
    """One round: wait for a change, then keep what is on the page if it is something else."""

    def __init__(
        self,
        keeper: DraftKeeper,
        snapshot: Callable[[], tuple[CurrentSale, Notice | None]],
        changes: Changes,
    ) -> None:
        self._keeper = keeper
        self._snapshot = snapshot
        self._changes = changes
        self._version = 0
        self._kept: Draft | None = None

    def __call__(self) -> float:
        """Returns how long to rest, in seconds: the wait is in here."""
        self._version = self._changes.wait_beyond(self._version, LOOK_S)
        self.keep()
        return 0.0

    def keep(self) -> None:
        """Keep what is on the page now."""
        draft = draft_of(self._snapshot()[0])
        if draft != self._kept:
            self._keeper.keep(draft)
            self._kept = draft

    def close(self) -> None:
        """The program stops in good order: an empty page leaves nothing to wonder about."""
        draft = draft_of(self._snapshot()[0], closing=True)
        self._keeper.keep(draft)
