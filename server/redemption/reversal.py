"""Booking that a sale which had asked for points did not happen."""

from sqlalchemy import Connection, insert, update

from protocol.sales import SaleReversed
from server.ledger import void_hold
from server.redemption import tables as t
from server.redemption.authorise import NOT_YET_PAID, hold_key
from server.redemption.booked import Booked, Booking, Duplicate, Parked
from server.redemption.capture import Told
from server.redemption.queries import sale_of
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
    if before is None:
        tx.execute(
            insert(t.sale).values(
                pool=pool,
                sale_id=str(sale_id),
                state=state.value,
                terminal=told.terminal.terminal,
                merchant=told.terminal.merchant,
                account=None,
                question_hash=None,
                answer=None,
                **NOT_YET_PAID,
            )
        )
    else:
        own_row = (t.sale.c.pool == pool, t.sale.c.sale_id == str(sale_id))
        tx.execute(update(t.sale).where(*own_row).values(state=state.value))
    return Booked()
