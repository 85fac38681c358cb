"""The cash drawer in the journal: whoever counts the money wants to know when it was open."""

from enum import StrEnum
from uuid import UUID

from msgspec import Struct


class DrawerReason(StrEnum):
    """Why the drawer was told to open. There is no other reason, but for a test of the device:
    that is an act of a person (``Act.DRAWER_TESTED``).
    """

    SALE = "sale"
    """Money was taken."""
    REFUND = "refund"
    """Money was given back."""


class DrawerOpened(Struct, frozen=True, kw_only=True, tag="drawer_opened"):
    """The terminal told the cash drawer to open; whether it did, no drawer says.

    ``sale_id`` is the sale whose money it is, ``cash_fen`` how much, never 0.
    """

    reason: DrawerReason
    sale_id: UUID
    cash_fen: int
    cashier: str | None = None
