"""代兑换: a worker of the pool redeems for a resident and brings it to the door."""

from datetime import date
from enum import StrEnum
from uuid import UUID

from msgspec import Struct

MAX_PLACE_CHARS = 40
MAX_HOW_CHARS = 40


class Consent(StrEnum):
    """How the resident agreed; whoever presents the code says so, and answers for it."""

    IN_PERSON = "in_person"
    PHONE = "phone"
    NOTE = "note"
    FAMILY = "family"


class ProxyRules(Struct, frozen=True, kw_only=True):
    """How far workers may redeem for others: so many residents, and points, each business date;
    delivered within so many days.
    """

    residents_a_day: int
    points_a_day: int | None
    deliver_within_days: int


class Proxy(Struct, frozen=True, kw_only=True):
    """Who presented the resident's code, how the resident agreed, and to which door it goes.

    ``place`` names a door and nobody's name. ``deliver_by`` is the last day before somebody asks.
    """

    worker: str
    consent: Consent
    place: str
    deliver_by: date


class ProxyDelivered(Struct, frozen=True, kw_only=True, tag="proxy_delivered"):
    """What was redeemed for somebody is at the door; ``how`` says who took it."""

    sale_id: UUID
    business_date: date
    worker: str
    how: str
