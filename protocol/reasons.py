"""Why a redemption is declined: the one list that terminal, server and screens share."""

from datetime import date, datetime
from enum import StrEnum

from msgspec import UNSET, Struct, UnsetType

from protocol.money import Points


class DeclineReason(StrEnum):
    """A refusal to take points; each has a sentence on the screen that says what to do next."""

    CODE_UNREADABLE = "code_unreadable"
    """Digits that are no resident code at all."""
    CODE_FOREIGN = "code_foreign"
    """Names a key that is not in the list: another pool's, most likely, or one that is newer than
    the terminal's list."""
    CODE_FORGED = "code_forged"
    """Names a key of this pool, but the signature does not hold: made up, altered, badly printed,
    or another pool's whose key happens to have the same number (1 in 256)."""
    CODE_EXPIRED = "code_expired"
    CODE_NOT_YET_VALID = "code_not_yet_valid"
    CODE_REVOKED = "code_revoked"
    """Reported lost, replaced, or not in the directory."""
    CODE_CAP_EXCEEDED = "code_cap_exceeded"
    """The goods need more points than this kind of code may take; see ``limit_points``."""
    CLOCK_UNKNOWN = "clock_unknown"
    """The terminal cannot tell the time, so a code that lives for minutes cannot be judged."""
    RESIDENT_UNKNOWN = "resident_unknown"
    RESIDENT_BLOCKED = "resident_blocked"
    REDEMPTION_BANNED = "redemption_banned"
    """Until and including ``until``; earning goes on."""
    INSUFFICIENT_POINTS = "insufficient_points"
    """``missing_points`` says how many."""
    NOTHING_TO_REDEEM = "nothing_to_redeem"
    """The basket has nothing that points could pay."""
    OVER_FLOOR_LIMIT = "over_floor_limit"
    """Offline, and more than the terminal may answer for by itself; see ``limit_points``."""
    OFFLINE_STOPPED = "offline_stopped"
    """Offline, and the directory is too old or missing."""
    CARD_EMPTY = "card_empty"
    """A card that was worth so many points has none left; ``used_at`` and ``used_where`` say
    when and at which shop it was used last."""
    OVER_SALE_LIMIT = "over_sale_limit"
    """The goods need more points than one sale may take; see ``limit_points``."""
    OVER_DAY_LIMIT = "over_day_limit"
    """The resident may take ``limit_points`` more today, and that is not enough."""
    OVER_HOUSEHOLD_LIMIT = "over_household_limit"
    """The resident's household may take ``limit_points`` more today: not enough."""
    BELOW_MINIMUM = "below_minimum"
    """A sale takes ``limit_points`` at least, and this one would take fewer."""
    OVER_ITEM_LIMIT = "over_item_limit"
    """Of ``item`` this resident, or the household, may have ``left_units`` more."""
    CODE_USED = "code_used"
    """A phone's code that a sale took already: a picture of it, or not yet renewed. Of a slot that
    is to confirm a service: ``used_at`` and ``used_where`` say what for, and at ``expired_at`` the
    next one begins."""
    CODE_COPIED = "code_copied"
    """The phone's key signs in two places: its certificate is no longer good."""
    PHONE_REVOKED = "phone_revoked"
    """The phone's certificate was taken back, or another phone has replaced it."""
    CONFIRM_NEEDED = "confirm_needed"
    """More than a code that is only shown may take (``limit_points``): the phone must confirm."""
    CONFIRM_OTHER = "confirm_other"
    """The phone's answer is to another question, or another phone's."""
    PIN_NEEDED = "pin_needed"
    """Without its PIN the card may take ``limit_points`` more today, and that is not enough."""
    PIN_WRONG = "pin_wrong"
    """Not the card's PIN, or not any more: it was changed since."""
    PIN_LOCKED = "pin_locked"
    """Too many wrong PINs: with this card only small purchases until the office has looked."""
    MANUAL_OFF = "manual_off"
    """The pool takes no points of residents who show nothing."""
    MANUAL_OFFLINE = "manual_offline"
    """A resident who shows nothing is the server's to judge, and it is out of reach."""
    MANUAL_LIMIT = "manual_limit"
    """Without phone and card the resident may take ``limit_points`` more today: not enough."""
    SALE_REVERSED = "sale_reversed"
    """The sale was cancelled before its question arrived."""


class Declined(Struct, frozen=True, tag="declined"):
    """The answer no, with what a person needs to act on it.

    ``item`` (its id) and ``left_units`` stand only in a decline by an item's own limit.
    """

    reason: DeclineReason
    missing_points: Points = Points(0)
    limit_points: Points = Points(0)
    until: date | None = None
    expired_at: datetime | None = None
    used_at: datetime | None = None
    used_where: str = ""
    item: str | UnsetType = UNSET
    left_units: int | UnsetType = UNSET
