"""What can become of a statement: its states, its moves, and nothing else.

    draft ── issue ──> issued ── confirm, lapse ──> confirmed ── pay_off, carry_forward ──> settled
                        │  ^                          ^                                       │
                dispute │  │ answer                   └────────────── reopen ────────────────┘
                        v  │
                      disputed (further disputes stay there)

A draft is a preview and is never stored. What was issued is never edited: an adjustment lands on
the next statement, and a bounced payment opens the settled statement again.
"""

from enum import StrEnum


class StatementState(StrEnum):
    """Where a statement is."""

    DRAFT = "draft"
    ISSUED = "issued"
    CONFIRMED = "confirmed"
    DISPUTED = "disputed"
    SETTLED = "settled"


class StatementMove(StrEnum):
    """What happens to a statement.

    ``confirm`` is the merchant's word, ``lapse`` that he said nothing until the deadline.
    ``answer`` is the answer to the last open dispute. ``pay_off``: nothing of the closing is
    open any more. ``carry_forward``: what is open goes into the next statement's opening.
    ``reopen``: a payment bounced.
    """

    ISSUE = "issue"
    CONFIRM = "confirm"
    LAPSE = "lapse"
    DISPUTE = "dispute"
    ANSWER = "answer"
    PAY_OFF = "pay_off"
    CARRY_FORWARD = "carry_forward"
    REOPEN = "reopen"


_S, _M = StatementState, StatementMove

_NEXT: dict[tuple[StatementState, StatementMove], StatementState] = {
    (_S.DRAFT, _M.ISSUE): _S.ISSUED,
    (_S.ISSUED, _M.CONFIRM): _S.CONFIRMED,
    (_S.ISSUED, _M.LAPSE): _S.CONFIRMED,
    (_S.ISSUED, _M.DISPUTE): _S.DISPUTED,
    (_S.DISPUTED, _M.DISPUTE): _S.DISPUTED,
    (_S.DISPUTED, _M.ANSWER): _S.ISSUED,
    (_S.CONFIRMED, _M.PAY_OFF): _S.SETTLED,
    (_S.CONFIRMED, _M.CARRY_FORWARD): _S.SETTLED,
    (_S.SETTLED, _M.REOPEN): _S.CONFIRMED,
}


def advance(state: StatementState, move: StatementMove) -> StatementState | None:
    """Where ``move`` takes a statement from ``state``; None where it is not allowed."""
    return _NEXT.get((state, move))


class PaymentState(StrEnum):
    """Where a payment is. The books move when it is paid and when it bounces."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    PAID = "paid"
    BOUNCED = "bounced"
    WITHDRAWN = "withdrawn"


class PaymentMove(StrEnum):
    """What happens to a payment that was proposed."""

    APPROVE = "approve"
    RECORD = "record"
    BOUNCE = "bounce"
    WITHDRAW = "withdraw"


PENDING = frozenset({PaymentState.PROPOSED, PaymentState.APPROVED})
"""States in which a payment has a claim on what is open, and money may be on its way."""

_PAYMENT_NEXT: dict[tuple[PaymentState, PaymentMove], PaymentState] = {
    (PaymentState.PROPOSED, PaymentMove.APPROVE): PaymentState.APPROVED,
    (PaymentState.PROPOSED, PaymentMove.WITHDRAW): PaymentState.WITHDRAWN,
    (PaymentState.APPROVED, PaymentMove.WITHDRAW): PaymentState.WITHDRAWN,
    (PaymentState.APPROVED, PaymentMove.RECORD): PaymentState.PAID,
    (PaymentState.PAID, PaymentMove.BOUNCE): PaymentState.BOUNCED,
}


def advance_payment(state: PaymentState, move: PaymentMove) -> PaymentState | None:
    """Where ``move`` takes a payment from ``state``; None where it is not allowed."""
    return _PAYMENT_NEXT.get((state, move))
