"""The page's answer to "did it go through?" after a stop: the sale, with its receipt or its basket."""

import threading
from collections.abc import Sequence

from protocol.money import Fen
from protocol.sales import SaleLine
from terminal.checkout.current import CurrentSale
from terminal.checkout.starting import JUST_BEFORE, was_cut_off
from terminal.checkout.till import Till
from terminal.domain.last_run import Draft, DraftKeeper, DraftLine, Ended, LastRun
from terminal.domain.ports import Clock, SaleRow, SaleSummary, Store
from terminal.domain.sale import SaleState


class LastRunDesk:
    """What this start found of the run before it, until somebody has read it.

    :meth:`look` comes before the till starts, which settles what was open.
    """

    def __init__(self, store: Store, clock: Clock, keeper: DraftKeeper) -> None:
        self._store = store
        self._clock = clock
        self._keeper = keeper
        self._lock = threading.Lock()
        self._found: LastRun | None = None

    def look(self) -> None:
        """Find out how the run before ended.

        Raises:
            StoreFaultError: the disk is not fit to sell with.
        """
        draft, unfinished = self._keeper.read() or Draft(), self._store.unfinished()
        with self._lock:
            self._found = self._ended(draft, unfinished)

    def shown(self) -> LastRun | None:
        """What the page has to say; None where there is nothing, or it was read."""
        with self._lock:
            return self._found

    def seen(self) -> None:
        """Somebody has read it."""
        with self._lock:
            self._found = None

    def put_back(self, till: Till) -> None:
        """Put the goods of a sale that was not completed into the basket again, at today's prices.

        Only once, and only into an empty one: two pages may show the same question. Discounts are
        asked for again: they need a reason, and may need the owner.
        """
        with till.desk.lock:  # so that nothing else comes into the basket between look and goods
            found = self._may_put_back(till)
            for line in found.lines if found is not None else ():
                if line.item_id is not None:
                    till.add_item(line.item_id, line.quantity_milli)
                else:
                    till.editing.put_amount(Fen(line.price_fen), line.name, line.category)

    def _may_put_back(self, till: Till) -> LastRun | None:
        """What is put back now, and no more afterwards; None for nothing."""
        with self._lock:
            found = self._found
            sale, _ = till.snapshot()
            is_free = sale.state in {SaleState.OPEN, SaleState.CAPTURED}
            if found is None or found.ended is Ended.COMPLETED or not is_free:
                return None
            if sale.state is SaleState.OPEN and sale.basket.lines:
                return None
            self._found = None
            return found

    def _ended(self, draft: Draft, unfinished: Sequence[SaleRow]) -> LastRun | None:
        newest = self._store.recent_sales(1)
        last, last_id = self._last_captured(newest)
        before = last.receipt_no if last is not None else ""
        asked = was_cut_off(unfinished, newest)
        if asked is not None:
            # The sale that had asked is the one that was on the page, whatever was kept of it.
            kept = draft if draft.sale_id == str(asked.sale_id) else Draft()
            return _not_completed(kept, before, asked.total_fen)
        # Ids sort by time: a basket from before the newest sale was kept, and the disk lost what
        # was kept after it.
        if draft.lines and not draft.closed and draft.sale_id > last_id:
            total_fen = sum(line.amount_fen for line in draft.lines)
            return _not_completed(draft, before, total_fen)
        return None if draft.closed else last

    def _last_captured(self, newest: Sequence[SaleSummary]) -> tuple[LastRun | None, str]:
        """The newest completed sale, where it is of today; and its id, however old it is."""
        receipt_no = newest[0].row.receipt_no if newest else None
        found = self._store.captured(receipt_no) if receipt_no else None
        if found is None:
            return None, ""
        _, sale, at = found
        if self._clock.moment().at - at >= JUST_BEFORE:
            return None, str(sale.sale_id)
        last = LastRun(
            Ended.COMPLETED,
            tuple(_line(line) for line in sale.lines),
            sale.receipt_no,
            at=at,
            points=sale.payment.points,
            cash_fen=sale.payment.cash_fen,
            total_fen=sum(line.amount_fen for line in sale.lines),
        )
        return last, str(sale.sale_id)


def _not_completed(draft: Draft, before: str, total_fen: int) -> LastRun:
    return LastRun(
        Ended.NOT_COMPLETED,
        draft.lines,
        before,
        total_fen=total_fen,
        taken_up=draft.taken_up,
        proxied=draft.proxied,
    )


def _line(line: SaleLine) -> DraftLine:
    return DraftLine(
        name=line.name,
        unit=line.unit,
        quantity_milli=line.quantity_milli,
        item_id=line.item_id,
        unit_price_fen=line.unit_price_fen,
        unit_price_points=line.unit_price_points,
        discount_fen=line.discount_fen or 0,
    )


def draft_of(sale: CurrentSale, *, closing: bool = False) -> Draft:
    """What is kept of the sale on the page. ``closing``: the program stops in good order."""
    lines = tuple(
        DraftLine(
            name=line.name,
            unit=line.unit,
            quantity_milli=line.quantity_milli,
            item_id=line.item.item_id if line.item else None,
            unit_price_fen=line.unit_price_fen,
            unit_price_points=line.unit_price_points,
            discount_fen=line.discount_fen,
            category=line.category,
        )
        for line in sale.basket.lines
        if sale.taken_up is None  # it waits among the parked ones; here it would come back twice
    )
    is_over = sale.state is SaleState.CAPTURED or not lines
    return Draft(
        sale_id=str(sale.sale_id),
        lines=lines,
        closed=closing and is_over,
        taken_up=sale.taken_up,
        proxied=sale.acting is not None,
    )
