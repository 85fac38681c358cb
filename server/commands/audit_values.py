"""What the audit's checks are given, and what they answer."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from server.db.paging import Tick
from server.db.violation import Violation

VIOLATIONS_KEPT = 200


@dataclass(frozen=True, slots=True)
class Finding:
    """One invariant, held against the books.

    `there` counts the rows that were to be looked at, `checked` those that were; `broken` all
    violations, of which at most 200 are kept. `stopped` says why the check could not be brought
    to its end: what it read was so broken that there was no going on. `took_ms` is in milliseconds.
    """

    invariant: str
    says: str
    there: int
    checked: int
    broken: int
    violations: tuple[Violation, ...]
    took_ms: int = 0
    stopped: str | None = None

    @property
    def clean(self) -> bool:
        """Nothing was found, and everything was looked at."""
        return self.broken == 0 and self.stopped is None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one check is: ``checked`` of ``there`` rows."""

    invariant: str
    checked: int
    there: int


def keep(found: Iterable[Violation]) -> tuple[int, tuple[Violation, ...]]:
    """Runs a check to its end: how many it found, and the first 200 of them."""
    kept: list[Violation] = []
    broken = 0
    for violation in found:
        broken += 1
        if len(kept) < VIOLATIONS_KEPT:
            kept.append(violation)
    return broken, tuple(kept)


class Counter:
    """Counts the rows of one check, and tells how far it is each time it is further."""

    def __init__(self, invariant: str, there: int, tell: Callable[[Progress], None]) -> None:
        self.checked = 0
        self._invariant = invariant
        self._there = there
        self._tell = tell

    @property
    def tick(self) -> Tick:
        return self._looked_at

    def _looked_at(self, rows: int) -> None:
        self.checked += rows
        self._tell(Progress(self._invariant, self.checked, self._there))
