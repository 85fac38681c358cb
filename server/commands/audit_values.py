"""What the audit's checks answer."""

from collections.abc import Iterable
from dataclasses import dataclass

from server.db.violation import Violation

VIOLATIONS_KEPT = 200


@dataclass(frozen=True, slots=True)
class Finding:
    """One invariant, held against the books.

    `checked` counts what was looked at, `broken` all violations; at most 200 of them are kept.
    """

    invariant: str
    says: str
    checked: int
    broken: int
    violations: tuple[Violation, ...]


def finding(invariant: str, says: str, checked: int, found: Iterable[Violation]) -> Finding:
    """Runs a check to its end and keeps the first of what it found."""
    kept: list[Violation] = []
    broken = 0
    for violation in found:
        broken += 1
        if len(kept) < VIOLATIONS_KEPT:
            kept.append(violation)
    return Finding(invariant, says, checked, broken, tuple(kept))
