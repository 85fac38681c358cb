"""What a merchant's transfers add up to: the rule of statements, and nothing else.

A merchant has four accounts. `merchant:` is what the pool owes him (fen), `takings:` the cash he
took (fen), `redeemed:` and `returned:` the points that residents gave him and got back.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from protocol.money import rate_of
from server.directory.accounts import (
    merchant_account,
    redeemed_account,
    returned_account,
    takings_account,
)
from server.ledger import Asset, TransferRecord
from server.settlement.values import Share, Totals

SALE_KEY = "sale:"
REFUND_KEY = "refund:"
SHARE_KEY = "share:"
SHARE_CODE = "share"

MINIMUM_CODE = "share_minimum"
RENT_CODE = "rent"
FEE_CODE = "fee"
ADJUSTMENT_CODE = "adjustment"
PAID_CODE = "paid_out"
RECEIVED_CODE = "received"
DECLARED_CODE = "takings_declared"
REIMBURSEMENT_CODE = "reimbursement"
REIMBURSEMENT_RETURNED_CODE = "reimbursement_returned"

OWED = {
    REIMBURSEMENT_CODE: ("reimbursement_fen", 1),
    REIMBURSEMENT_RETURNED_CODE: ("reimbursement_returned_fen", -1),
    FEE_CODE: ("fee_fen", 1),
    ADJUSTMENT_CODE: ("adjustment_fen", 1),
    SHARE_CODE: ("share_fen", -1),
    MINIMUM_CODE: ("minimum_fen", -1),
    RENT_CODE: ("rent_fen", -1),
    PAID_CODE: ("paid_fen", -1),
    RECEIVED_CODE: ("received_fen", 1),
}
"""Where a transfer on `merchant:` stands on the statement, by its code, and with which sign: 1
where it grows with what the pool owes.
"""
OWED_FIELDS = tuple(name for name, _ in OWED.values())


class SettlementFault(Exception):  # noqa: N818 - a fault, as the house calls what is no refusal
    """The books hold something about a merchant that no statement has a place for."""


def accounts_of(merchant: str) -> tuple[tuple[str, Asset], ...]:
    """The accounts whose transfers concern a merchant."""
    return (
        (merchant_account(merchant), Asset.FEN),
        (takings_account(merchant), Asset.FEN),
        (redeemed_account(merchant), Asset.POINTS),
        (returned_account(merchant), Asset.POINTS),
    )


@dataclass(slots=True)
class Tally:
    """Adds up transfers of one merchant, one by one."""

    merchant: str
    takings_fen: int = 0
    takings_returned_fen: int = 0
    declared_fen: int = 0
    redeemed_points: int = 0
    returned_points: int = 0
    owed_fen: dict[str, int] = field(default_factory=lambda: dict.fromkeys(OWED_FIELDS, 0))

    def add(self, transfer: TransferRecord) -> None:
        """Raises :class:`SettlementFault` for a transfer that no statement has a place for."""
        for account, sign in ((transfer.credit, 1), (transfer.debit, -1)):
            kind, _, whose = account.partition(":")
            if whose != self.merchant:
                continue
            if kind == "takings" and transfer.code == DECLARED_CODE:
                self.declared_fen += sign * transfer.amount
            elif kind == "takings" and sign > 0:
                self.takings_fen += transfer.amount
            elif kind == "takings":
                self.takings_returned_fen += transfer.amount
            elif kind == "redeemed":
                self.redeemed_points += sign * transfer.amount
            elif kind == "returned":
                self.returned_points -= sign * transfer.amount
            elif kind == "merchant":
                self._add_owed(transfer, sign * transfer.amount)

    def _add_owed(self, transfer: TransferRecord, owed_fen: int) -> None:
        if transfer.code not in OWED:
            raise SettlementFault(no_place(transfer.transfer_no, transfer.code, self.merchant))
        name, sign = OWED[transfer.code]
        self.owed_fen[name] += sign * owed_fen


def no_place(transfer_no: int, code: str, merchant: str) -> str:
    """What a :class:`SettlementFault` says."""
    return (
        f"transfer {transfer_no} ({code}) concerns merchant {merchant},"
        " but statements have no place for it"
    )


def totals_of(merchant: str, transfers: Iterable[TransferRecord]) -> Totals:
    """Fold a merchant's transfers.

    Raises:
        SettlementFault: one of them has a code that statements do not know.
    """
    tally = Tally(merchant)
    keys: set[str] = set()
    for transfer in transfers:
        tally.add(transfer)
        keys.add(transfer.key)
    return Totals(
        sales_count=sum(key.startswith(SALE_KEY) for key in keys),
        refunds_count=sum(key.startswith(REFUND_KEY) for key in keys),
        takings_fen=tally.takings_fen,
        takings_returned_fen=tally.takings_returned_fen,
        declared_fen=tally.declared_fen,
        redeemed_points=tally.redeemed_points,
        returned_points=tally.returned_points,
        **tally.owed_fen,
    )


def share_of(contract: str, share_bp: int, takings_fen: int) -> Share:
    """Revenue share of net cash takings, halves of a fen rounded up."""
    return Share(contract, share_bp, takings_fen, rate_of(takings_fen, share_bp))
