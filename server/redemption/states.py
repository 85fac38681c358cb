"""What becomes of a sale id at the server: exactly one outcome, whatever the order of arrival."""

from enum import StrEnum


class SaleState(StrEnum):
    """Where a sale is. No row yet is None."""

    AUTHORISED = "authorised"
    """Points are, or were, held for it."""
    DECLINED = "declined"
    REVERSED = "reversed"
    """It did not happen; a question that comes later is declined."""
    CAPTURED = "captured"
    """It happened, and is in the books."""


class SaleMove(StrEnum):
    """What a terminal's question or record asks of a sale."""

    APPROVE = "approve"
    DECLINE = "decline"
    REVERSE = "reverse"
    CAPTURE = "capture"


_MOVES: dict[tuple[SaleState | None, SaleMove], SaleState] = {
    (None, SaleMove.APPROVE): SaleState.AUTHORISED,
    (None, SaleMove.DECLINE): SaleState.DECLINED,
    (None, SaleMove.REVERSE): SaleState.REVERSED,
    # The terminal stood in; nobody had asked, or the question is still on its way.
    (None, SaleMove.CAPTURE): SaleState.CAPTURED,
    (SaleState.AUTHORISED, SaleMove.REVERSE): SaleState.REVERSED,
    (SaleState.AUTHORISED, SaleMove.CAPTURE): SaleState.CAPTURED,
    (SaleState.DECLINED, SaleMove.REVERSE): SaleState.REVERSED,
    # Declined, the answer was lost, and the terminal stood in: the goods are gone.
    (SaleState.DECLINED, SaleMove.CAPTURE): SaleState.CAPTURED,
}


def advance(state: SaleState | None, move: SaleMove) -> SaleState | None:
    """The state after the move, or None where the move is not open any more."""
    return _MOVES.get((state, move))
