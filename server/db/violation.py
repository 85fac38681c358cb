"""What every room's checks yield, and the audit reports."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Violation:
    """One place where the data breaks an invariant (`I1`...); `where` names the row."""

    invariant: str
    where: str
    says: str
