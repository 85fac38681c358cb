"""What people did at a terminal beside selling: who, with whose leave, and why."""

from enum import StrEnum

from msgspec import Struct


class Act(StrEnum):
    """What was done."""

    PERSON_ADDED = "person_added"
    PERSON_REMOVED = "person_removed"
    PIN_CHANGED = "pin_changed"
    PIN_LOCKED = "pin_locked"
    """Somebody tried too many wrong PINs; the next try has to wait."""
    EVENT_OPENED = "event_opened"
    """A worker began to register who takes part in an event; ``about`` is its name."""
    EVENT_CLOSED = "event_closed"
    DRAWER_TESTED = "drawer_tested"
    """The cash drawer was told to open without money, with an owner's or a technician's leave."""
    BASKET_DELETED = "basket_deleted"
    """A basket that waited (挂单) was thrown away; ``about`` says its number, lines and amounts."""
    DEVICE_TESTED = "device_tested"
    """The devices' self-test; ``about`` is the step."""
    PRINTER_CHANGED = "printer_changed"
    SCANNER_CHANGED = "scanner_changed"
    CARD_LOOKED_UP = "card_looked_up"
    """A card was looked for by its number, without a code; ``about`` is what was typed."""
    MANUAL_REDEMPTION = "manual_redemption"
    """Points were asked for a resident who had neither phone nor card at hand (人工核对); ``about`` is
    what was typed of the card's number."""


class PersonActed(Struct, frozen=True, kw_only=True, tag="person_acted"):
    """One act. ``about`` is whom or what it concerns; never a PIN, nor anything made of one."""

    act: Act
    about: str
    person: str | None = None
    approved_by: str | None = None
    reason: str = ""
