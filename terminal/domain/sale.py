r"""A sale's states and moves: one enum, one table, one :func:`advance`.

    OPEN --ask--> AUTHORISING --approved--> AUTHORISED --complete--> CAPTURED
      |                |  \--declined--> DECLINED        |
      |                \----cancel----> REVERSED <--cancel/
      \--complete (nothing to ask)--> CAPTURED

On disk there are AUTHORISING, CAPTURED, REVERSED and DECLINED. OPEN and AUTHORISED live
in memory: an approval needs no third sync, because a start that finds AUTHORISING
reverses it.
"""

from enum import StrEnum


class SaleState(StrEnum):
    """Where a sale stands."""

    OPEN = "open"
    AUTHORISING = "authorising"
    AUTHORISED = "authorised"
    CAPTURED = "captured"
    REVERSED = "reversed"
    DECLINED = "declined"


class SaleEvent(StrEnum):
    """What moves a sale."""

    ASK = "ask"
    APPROVED = "approved"
    DECLINED = "declined"
    COMPLETE = "complete"
    CANCEL = "cancel"


MOVES: dict[tuple[SaleState, SaleEvent], SaleState] = {
    (SaleState.OPEN, SaleEvent.ASK): SaleState.AUTHORISING,
    (SaleState.OPEN, SaleEvent.COMPLETE): SaleState.CAPTURED,
    (SaleState.AUTHORISING, SaleEvent.APPROVED): SaleState.AUTHORISED,
    (SaleState.AUTHORISING, SaleEvent.DECLINED): SaleState.DECLINED,
    (SaleState.AUTHORISING, SaleEvent.CANCEL): SaleState.REVERSED,
    (SaleState.AUTHORISED, SaleEvent.COMPLETE): SaleState.CAPTURED,
    (SaleState.AUTHORISED, SaleEvent.CANCEL): SaleState.REVERSED,
}


class IllegalMoveError(RuntimeError):
    """A fault of the program: the caller must have looked at the state before."""


def advance(state: SaleState, event: SaleEvent) -> SaleState:
    """The state after an event.

    Raises:
        IllegalMoveError: where the table has no such move.
    """
    try:
        return MOVES[state, event]
    except KeyError:
        raise IllegalMoveError(f"a sale that is {state} cannot {event}") from None
