"""What becomes of a voucher or a work order, and which moves are open when."""

from dataclasses import dataclass
from enum import StrEnum


class OrderState(StrEnum):
    """Where an order is."""

    OPEN = "open"
    """Units are still to be done."""
    FULFILLED = "fulfilled"
    CANCELLED = "cancelled"
    """Nothing of it was done, or what was done has been taken back; the points went back."""
    EXPIRED = "expired"


class OrderMove(StrEnum):
    """What can be done with units of an order."""

    FULFIL = "fulfil"
    UNDO = "undo"
    """Done units came back with a refund: the provider gives the money back."""
    CANCEL = "cancel"
    """Open units are given up: the points go back."""
    REFUND = "refund"
    """As CANCEL, by a refund at the till, which gives the points back itself."""
    EXPIRE = "expire"


_MOVES: dict[tuple[OrderState, OrderMove], OrderState] = {
    (OrderState.OPEN, OrderMove.FULFIL): OrderState.FULFILLED,
    (OrderState.OPEN, OrderMove.CANCEL): OrderState.CANCELLED,
    (OrderState.OPEN, OrderMove.REFUND): OrderState.CANCELLED,
    (OrderState.OPEN, OrderMove.EXPIRE): OrderState.EXPIRED,
    (OrderState.OPEN, OrderMove.UNDO): OrderState.CANCELLED,
    (OrderState.FULFILLED, OrderMove.UNDO): OrderState.CANCELLED,
    # A part was done and the rest expired; the part comes back.
    (OrderState.EXPIRED, OrderMove.UNDO): OrderState.EXPIRED,
}


@dataclass(frozen=True, slots=True)
class Units:
    """Thousandths of an order's units: to be done, done, and gone without being done."""

    open_milli: int
    done_milli: int = 0
    back_milli: int = 0
    expired_milli: int = 0

    def after(self, move: OrderMove, milli: int) -> "Units | None":
        """The units after a move of so many, or None where there are not as many to move."""
        opened, done, back, expired = (
            self.open_milli,
            self.done_milli,
            self.back_milli,
            self.expired_milli,
        )
        if move is OrderMove.UNDO:
            done, back = done - milli, back + milli
        else:
            opened -= milli
            done += milli if move is OrderMove.FULFIL else 0
            back += milli if move in {OrderMove.CANCEL, OrderMove.REFUND} else 0
            expired += milli if move is OrderMove.EXPIRE else 0
        if milli <= 0 or min(opened, done) < 0:
            return None
        return Units(opened, done, back, expired)


def advance(state: OrderState, move: OrderMove, left: Units) -> OrderState | None:
    """The state after a move that leaves ``left``, or None where the move is not open any more.

    While units are to be done an order is open; then it is fulfilled if any unit was done and
    kept, else as the move that ended it says.
    """
    ended = _MOVES.get((state, move))
    if ended is None:
        return None
    if left.open_milli:
        return OrderState.OPEN
    return OrderState.FULFILLED if left.done_milli and ended is not OrderState.EXPIRED else ended
