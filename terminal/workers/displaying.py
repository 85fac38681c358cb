"""Shows the customer what the till shows: what it costs, what points pay, what is to pay."""

from collections.abc import Callable

from drivers.ports import CustomerDisplay, DisplayContent, Lamp
from protocol.money import format_yuan
from terminal.checkout.view import TillView
from terminal.domain.changes import Changes
from terminal.domain.sale import SaleState

LOOK_S = 1.0
COLUMNS = 20


class DisplayRound:
    """One round of the display's worker: wait for a change, then show the newest state."""

    def __init__(
        self, *, display: CustomerDisplay, view: Callable[[], TillView], changes: Changes
    ) -> None:
        self._display = display
        self._view = view
        self._changes = changes
        self._version = 0

    def __call__(self) -> float:
        """Returns how long to rest, in seconds: the wait is in here."""
        self._version = self._changes.wait_beyond(self._version, LOOK_S)
        self._display.show(content_of(self._view()))
        return 0.0


def content_of(view: TillView) -> DisplayContent:
    """What of the page concerns the customer. Empty while nothing is being bought."""
    if view.completed is not None and view.state == SaleState.CAPTURED:
        done = view.completed
        left = done.balance_after_points
        lower = f"LEFT {left} POINTS" if left is not None else "THANK YOU"
        return DisplayContent(Lamp.PAID, done.cash_fen, _row("PAID", done.cash_fen), lower)
    if not view.lines:
        return DisplayContent()
    payment = view.payment
    if view.state == SaleState.AUTHORISED and payment is not None:
        to_pay_fen = payment.cash_fen
        lower = f"POINTS{-payment.points:>14d}" if payment.points else ""
    else:
        to_pay_fen = view.due_fen
        lower = f"POINTS{view.goods_points:>14d}" if view.goods_points else ""
    return DisplayContent(Lamp.TOTAL, to_pay_fen, _row("TO PAY", to_pay_fen), lower)


def _row(name: str, fen: int) -> str:
    return f"{name}{format_yuan(fen):>{COLUMNS - len(name)}}"
