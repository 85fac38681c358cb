"""Booking that a sale which had asked for points did not happen."""

from sqlalchemy import Connection

from protocol.sales import SaleReversed
from server.db.working_set import working
from server.ledger import void_hold
from server.redemption.authorise import NOT_YET_CAPTURED, hold_key
from server.redemption.booked import Booked, Booking, Duplicate, Parked
from server.redemption.capture import Told
from server.redemption.queries import sale_of
from server.redemption.rows import SALE
from server.redemption.states import SaleMove, SaleState, advance


def book_reversal(tx: Connection, told: Told, reversal: SaleReversed) -> Booking:
    """Let go what is held; where nobody asked yet, a question that comes later is declined.

    A reversal of a sale that is in the books is parked: goods and points have moved.
    """
    pool, sale_id = told.terms.pool, reversal.sale_id
    before = sale_of(tx, pool, sale_id)
    if before is not None and before.state is SaleState.REVERSED:
        return Duplicate()
    if before is not None and before.terminal != told.terminal.terminal:
        return Parked("这个销售编号属于另一台终端 / this sale id is another terminal's")
    state = advance(before.state if before else None, SaleMove.REVERSE)
    if state is None:
        return Parked("这笔销售已入账，不能撤销，请办退货 / this sale is booked; refund it")
    void_hold(tx, pool, hold_key(sale_id), at=told.stamp.recorded_at)
    with working(tx, pool) as books:
        if before is not None:
            books.update(SALE, (str(sale_id),), state=state.value)
            return Booked()
        told_first = {
            "pool": pool,
            "sale_id": str(sale_id),
            "state": state.value,
            "terminal": told.terminal.terminal,
            "merchant": told.terminal.merchant,
        }
        books.insert(SALE, NOT_YET_CAPTURED | told_first)
    return Booked()
