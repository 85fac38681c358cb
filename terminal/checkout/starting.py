"""What a start does about the run before it: nothing stays undecided."""

from collections.abc import Sequence
from datetime import timedelta

from msgspec.structs import replace

from protocol.sales import ReversalReason, SaleReversed, TerminalStarted
from terminal.domain.notice import Notice, NoticeCode, NoticeLevel
from terminal.domain.ports import Clock, Moment, SaleRow, SaleSummary, Store
from terminal.domain.sale import SaleEvent, advance

JUST_BEFORE = timedelta(hours=12)
"""A sale this short a time before a start is one that the cashier may be unsure of."""


def settle_last_run(store: Store, clock: Clock, version: str) -> Notice | None:
    """Reverse what was being asked when the terminal stopped, and journal the start.

    A parked basket that lay on the desk waits again.

    Returns what the cashier must know: a sale that was cut off, or that the last one was
    completed; None where there is nothing to wonder about.

    Raises:
        StoreFaultError: the disk is not fit to sell with.
    """
    unfinished = store.unfinished()
    moment = clock.moment()
    with store.working() as work:
        work.journal(TerminalStarted(version=version), moment)
        for row in unfinished:
            reversal = SaleReversed(sale_id=row.sale_id, reason=ReversalReason.INTERRUPTED)
            work.journal(reversal, moment)
            work.save_sale(replace(row, state=advance(row.state, SaleEvent.CANCEL)))
        work.turn_parked(None, is_up=False)
    newest = store.recent_sales(1)
    if was_cut_off(unfinished, newest) is not None:
        return Notice(NoticeCode.INTERRUPTED, NoticeLevel.ASK)
    receipt_no = _sold_just_before(store, newest, moment)
    if receipt_no is None:
        return None
    return Notice(NoticeCode.LAST_COMPLETED, NoticeLevel.ASK, {"receipt_no": receipt_no})


def was_cut_off(unfinished: Sequence[SaleRow], newest: Sequence[SaleSummary]) -> SaleRow | None:
    """The sale that was on the page when the terminal stopped, if it had asked and no more.

    Not one from before the ``newest`` completed sale, by the ids, which sort by time: the disk
    failed under that one once, and its basket was sold as another sale since.
    """
    last_id = str(newest[0].row.sale_id) if newest else ""
    later = [row for row in unfinished if str(row.sale_id) > last_id]
    return max(later, key=lambda row: str(row.sale_id), default=None)


def _sold_just_before(store: Store, newest: Sequence[SaleSummary], moment: Moment) -> str | None:
    receipt_no = newest[0].row.receipt_no if newest else None
    found = store.captured(receipt_no) if receipt_no else None
    return receipt_no if found is not None and moment.at - found[2] < JUST_BEFORE else None
