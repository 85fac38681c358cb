"""What became of one happening when it was to be booked."""

from dataclasses import dataclass

from protocol.messages import OutcomeKind


@dataclass(frozen=True, slots=True)
class Booked:
    """In the books; ``overdraft_points`` of it the resident's points did not cover. ``says``: what
    a person should look at all the same.
    """

    overdraft_points: int = 0
    says: str = ""

    @property
    def outcome(self) -> OutcomeKind:
        return OutcomeKind.OVERDRAFT if self.overdraft_points else OutcomeKind.POSTED


@dataclass(frozen=True, slots=True)
class Duplicate:
    """In the books already, with the same content; nothing was written. ``says``: as what, where
    another channel told it.
    """

    says: str = ""


@dataclass(frozen=True, slots=True)
class Parked:
    """Not booked; waits for a person. ``says`` tells why, in Chinese and English."""

    says: str


Booking = Booked | Duplicate | Parked
