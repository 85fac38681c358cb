"""How the run before this one ended, as the cashier must know it: one sale, and what became of it."""

from datetime import datetime
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from protocol.money import price_of


class DraftLine(Struct, frozen=True, kw_only=True):
    """One line of a basket that stands on the page. ``item_id`` None: an amount, typed."""

    name: str
    unit: str
    quantity_milli: int
    item_id: str | None = None
    unit_price_fen: int | None = None
    unit_price_points: int | None = None
    discount_fen: int = 0
    category: str = ""
    """Of a line without an item: it decides whether points may pay."""

    @property
    def price_fen(self) -> int:
        """What it costs before discounts."""
        return price_of(self.unit_price_fen or 0, self.quantity_milli)

    @property
    def amount_fen(self) -> int:
        return self.price_fen - self.discount_fen

    @property
    def amount_points(self) -> int:
        return price_of(self.unit_price_points or 0, self.quantity_milli)


class Draft(Struct, frozen=True, kw_only=True):
    """The basket on the page, as last kept; nothing of a resident is in it.

    ``closed``: the program was stopped in good order with nothing on the page. ``taken_up``: it was
    this parked basket, which waits again after a stop, so that no lines are kept here.
    ``proxied``: it was redeemed for somebody at home.
    """

    sale_id: str = ""
    lines: tuple[DraftLine, ...] = ()
    closed: bool = False
    taken_up: int | None = None
    proxied: bool = False


class DraftKeeper(Protocol):
    """Where the basket on the page is kept, as well as that goes: selling never waits for it."""

    def read(self) -> Draft | None:
        """What was kept last; None where nothing was, or it cannot be read."""

    def keep(self, draft: Draft) -> None:
        """Keep this one. What the disk does not take is not kept."""


class Ended(StrEnum):
    """What became of the sale that was on the page."""

    COMPLETED = "completed"
    NOT_COMPLETED = "not_completed"


class LastRun(Struct, frozen=True):
    """``lines`` are what was bought, or what lay in the basket, as far as it was kept.

    A completed sale has ``receipt_no``, ``at`` and how it was paid. Beside one that was not,
    ``receipt_no`` is the last one before it that was; "" where there is none of today.
    ``taken_up`` and ``proxied`` are those of its :class:`Draft`.
    """

    ended: Ended
    lines: tuple[DraftLine, ...]
    receipt_no: str
    at: datetime | None = None
    points: int = 0
    cash_fen: int = 0
    total_fen: int = 0
    taken_up: int | None = None
    proxied: bool = False
