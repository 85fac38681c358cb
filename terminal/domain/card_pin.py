"""A card's PIN at the till: when it is asked for, and how often it may be tried."""

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from msgspec import Struct

from protocol.card_pins import TRIES_A_DAY
from protocol.codes import CardCode
from protocol.money import Points

FIRST_WAIT_S = 2
LONGEST_WAIT_S = 60


class PinState(StrEnum):
    """Whether the PIN of the card in front of the till can be typed."""

    READY = "ready"
    UNSET = "unset"
    """Its holder never set one."""
    LOCKED = "locked"
    """Too many wrong ones at all terminals together: the office unlocks it."""
    TRIED_OUT = "tried_out"
    """Too many wrong ones here today."""


@dataclass(frozen=True, slots=True)
class CardWithPin:
    """A card whose PIN was typed and is right. ``proof_key`` lives as long as the card's secret
    does here: until the sale ends.
    """

    card: CardCode
    pin_round: int
    proof_key: bytes = field(repr=False)

    @property
    def payload(self) -> bytes:
        return self.card.payload

    @property
    def cap(self) -> Points:
        return self.card.cap


class PinAsking(Struct, frozen=True):
    """The PIN pad stands on the page, turned to the holder.

    Attributes:
        most_points: the most that this sale would take with the PIN.
        skip_points: what goes without it; 0 where that is not enough for the goods, or nothing.
    """

    card: CardCode
    most_points: int
    skip_points: int
    state: PinState
    tries_left: int


class CardTries(Struct, frozen=True):
    """Wrong PINs of one card here. They count for one of its PINs and one business date; the day
    is the last one that was known where the time is not.
    """

    card_id: str
    seq: int
    pin_round: int
    day: date
    wrong: int

    def left(self, seq: int, pin_round: int, today: date | None) -> int:
        """Tries that are left; a clock that was set back gives none of them again."""
        if (self.seq, self.pin_round) != (seq, pin_round):
            return TRIES_A_DAY
        if today is not None and today > self.day:
            return TRIES_A_DAY
        return max(0, TRIES_A_DAY - self.wrong)


def wait_after_s(wrong_in_a_row: int) -> int:
    """Seconds that the pad waits after so many wrong PINs at this till, whatever the cards."""
    if wrong_in_a_row == 0:
        return 0
    return int(min(FIRST_WAIT_S << min(wrong_in_a_row - 1, 16), LONGEST_WAIT_S))
