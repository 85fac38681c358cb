"""What a refund gives back of vouchers and work orders; the refund itself gives the points back.

Open units first, which nobody was paid for; then done ones, the newest first, whose provider
gives the money back at the rate at which he got it.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from protocol.money import price_of
from protocol.sales import SaleRefunded
from server.directory.accounts import POOL_FUND, merchant_account
from server.facts import FactStamp
from server.ledger import Asset, Leg
from server.redemption.fulfilling import (
    FEE_CODE,
    NAME_SHOWN,
    REIMBURSEMENT_CODE,
    UNFULFIL_KEY,
    post_move,
    write_move,
)
from server.redemption.order_states import OrderMove
from server.redemption.order_tables import SAYS_MAX
from server.redemption.orders import Moved, Order

BACK_CODES = {FEE_CODE: FEE_CODE, REIMBURSEMENT_CODE: "reimbursement_returned"}
"""The code under which money goes back to the fund, by the one under which it was paid."""


def orders_refund_problem(
    orders: Mapping[int, Order], refund: SaleRefunded, merchant: str, *, by_office: bool
) -> str | None:
    """Why a refund at ``merchant`` cannot take these units back, or None.

    What another merchant did is his money: no till takes it back alone. ``by_office``: a person
    of the pool looked at it, and books it.
    """
    for line in refund.lines:
        order = orders.get(line.line_no)
        if order is None:
            continue
        units = order.units
        if line.quantity_milli > units.open_milli + units.done_milli:
            return (
                f"第 {line.line_no} 行“{order.name[:NAME_SHOWN]}”已取消或过期的部分不能再退"
                f" / of line {line.line_no} too much was cancelled before, or has expired"
            )
        if not by_office and line.quantity_milli > returnable_milli(order, merchant):
            return (
                f"第 {line.line_no} 行“{order.name[:NAME_SHOWN]}”已在别家兑现，本店不能退，"
                "请运营方核实后补记"
                f" / line {line.line_no} was done by another merchant: the operator decides"
            )
    return None


def returnable_milli(order: Order, merchant: str) -> int:
    """Thousandths of an order that a till of ``merchant`` may take back alone."""
    milli = order.units.open_milli
    for done, units in _done(order):
        if done.merchant != merchant:
            break
        milli += units
    return milli


def _done(order: Order) -> Iterator[tuple[Moved, int]]:
    """What was done and not taken back, in the order in which it is taken back: newest first."""
    for done in reversed(order.moves):
        units = order.done_by(done.move_no)
        if done.move is OrderMove.FULFIL and units > 0:
            yield done, units


@dataclass(frozen=True, slots=True)
class TakingBack:
    """One refund as it is booked; ``at`` is when the goods came back."""

    tx: Connection
    stamp: FactStamp
    refund: SaleRefunded
    at: datetime

    def run(self, orders: Mapping[int, Order]) -> None:
        """Moves the orders of the refund's lines; they can bear it (``orders_refund_problem``)."""
        for line in self.refund.lines:
            if line.line_no in orders:
                self._take(orders[line.line_no], line.quantity_milli)

    def _take(self, order: Order, milli: int) -> None:
        left = milli
        opened = min(left, order.units.open_milli)
        if opened:
            order = self._moved(order, OrderMove.REFUND, opened, None)
            left -= opened
        for done, units in tuple(_done(order)):
            undone = min(left, units)
            if undone:
                order = self._moved(order, OrderMove.UNDO, undone, done)
                self._pay_back(order, order.moves[-1])
                left -= undone
        assert left == 0, f"{self.refund.refund_id}: {left} of {order.order_id} from nowhere"

    def _moved(self, order: Order, move: OrderMove, milli: int, done: Moved | None) -> Order:
        state = order.state_after(move, milli)
        assert state is not None, f"{order.order_id}: {move} of {milli}"
        number = len(order.moves) + 1
        changes: dict[str, object] = {
            "move": move.value,
            "state": state.value,
            "units_milli": milli,
            "move_id": f"refund:{self.refund.refund_id}:{order.line_no}:{number}",
            "content_hash": hashlib.sha256(self.refund.refund_id.bytes).hexdigest(),
            "merchant": order.merchant,
            "points": order.points_for(milli),
            "business_date": self.refund.business_date,
            "says": self.refund.reason[:SAYS_MAX],
        }
        if done is not None:
            there, rate_fen = order.done_by(done.move_no), done.rate_fen
            changes |= {
                "merchant": done.merchant,
                "shop": done.shop,
                "contract": done.contract,
                "code": BACK_CODES[done.code or FEE_CODE],
                "rate_fen": rate_fen,
                "amount_fen": price_of(rate_fen, there) - price_of(rate_fen, there - milli),
                "undoes": done.move_no,
            }
        return order.with_move(write_move(self.tx, self.stamp, order, changes))

    def _pay_back(self, order: Order, undo: Moved) -> None:
        if not undo.amount_fen:
            return
        debit = merchant_account(undo.merchant)
        leg = Leg(Asset.FEN, undo.code or FEE_CODE, debit, POOL_FUND, undo.amount_fen)
        key = f"{UNFULFIL_KEY}{order.order_id}:{undo.move_no}"
        day, at = undo.business_date, self.at
        post_move(self.tx, self.stamp, order, key=key, day=day, at=at, legs=[leg])
