"""代兑换 at the till: who redeems for whom, and what still has to come to the door."""

from datetime import date, datetime

from msgspec import Struct

from protocol.proxy import Proxy, ProxyDelivered
from protocol.sales import SaleCaptured


class Acting(Struct, frozen=True):
    """A worker stands at the till for somebody else. ``name`` is the worker's, for people.

    ``beneficiary`` is the account of whoever the goods are for, None where it is the payer.
    """

    proxy: Proxy
    name: str
    beneficiary: str | None = None


class Delivery(Struct, frozen=True):
    """What a worker redeemed for somebody here. ``came_back``: something of it was refunded."""

    sale: SaleCaptured
    proxy: Proxy
    at: datetime
    delivered: ProxyDelivered | None
    came_back: bool

    @property
    def waits(self) -> bool:
        return self.delivered is None and not self.came_back

    def is_late(self, today: date) -> bool:
        """Whether its last day is over and nobody said that it arrived."""
        return self.waits and self.proxy.deliver_by < today


class DayOfProxy(Struct, frozen=True):
    """What a worker redeemed for others on one business date, as far as this terminal knows."""

    accounts: frozenset[str]
    points: int
