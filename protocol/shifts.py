"""A shift as the terminal writes it down: opened with a float, closed with a Z report."""

from datetime import date, datetime

from msgspec import Struct


class ShiftOpened(Struct, frozen=True, kw_only=True, tag="shift_opened"):
    """A shift began with so much money in the drawer. Without it a shift begins with its first
    sale and an empty drawer.
    """

    business_date: date
    float_fen: int
    cashier: str | None = None


class ShiftFigures(Struct, frozen=True, kw_only=True):
    """What a terminal's journal comes to between two Z reports. Fen and points, 0 or more.

    ``money_fen`` is what was taken in money less what was given back, so it may be below 0.
    ``discount_fen`` is what the shop took off its prices; all other figures are after it.
    """

    sales: int = 0
    refunds: int = 0
    voids: int = 0
    sold_fen: int = 0
    sold_points: int = 0
    refunded_fen: int = 0
    money_fen: int = 0
    points_used: int = 0
    points_returned: int = 0
    waived_fen: int = 0
    rounded_up_fen: int = 0
    drawer_openings: int = 0
    discount_fen: int = 0


class ShiftClosed(Struct, frozen=True, kw_only=True, tag="shift_closed"):
    """A Z report: a claim, which the server compares with its books.

    ``z_no`` counts a terminal's Z reports from 1 without gaps; ``previous_hash`` is the hash of
    the record of the Z report before, empty for the first. ``tenders_fen`` is the money by tender
    as it was declared. ``counted_cash_fen`` is what was in the drawer, None where nobody counted;
    ``expected_cash_fen`` what should have been. ``business_date`` is the day of the shift's newest
    sale: a shift that was forgotten is closed the next morning under its own day.
    """

    z_no: int
    business_date: date
    opened_at: datetime
    float_fen: int
    figures: ShiftFigures
    tenders_fen: dict[str, int]
    expected_cash_fen: int
    counted_cash_fen: int | None
    previous_hash: str
    first_receipt: str = ""
    last_receipt: str = ""
    cashier: str | None = None
