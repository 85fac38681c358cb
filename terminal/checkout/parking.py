"""Baskets that wait while others are served (挂单), and what becomes of them (取单).

A basket that was taken up and is not sold waits again: after a stop of the terminal, and when it
is cleared off the desk. Only a sale ends it, or a deletion with its reason in the journal.
"""

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from protocol.acts import Act, PersonActed
from protocol.documents import Item
from protocol.money import format_yuan
from terminal.checkout.goods import Goods
from terminal.checkout.sale_desk import SaleDesk
from terminal.domain.basket import Basket
from terminal.domain.notice import NoticeCode, NoticeLevel
from terminal.domain.parked import (
    MAX_PARKED,
    MAX_REASON_CHARS,
    KeptBasket,
    ParkedBasket,
    PriceChange,
    TakenUp,
    as_parked,
    kept_of,
    take_up,
)
from terminal.domain.ports import Clock, Store, StoreFaultError, Work
from terminal.domain.sale import SaleState

TOLD_MAX = 3
"""So many names a cashier reads at a glance; more are counted."""

_HELD = {SaleState.AUTHORISING, SaleState.AUTHORISED}


class Parking:
    """Puts the basket on the desk aside, and back."""

    def __init__(
        self,
        desk: SaleDesk,
        store: Store,
        clock: Clock,
        at_till: Callable[[], str | None],
        wake_workers: Callable[[], None],
    ) -> None:
        self._desk = desk
        self._store = store
        self._clock = clock
        self._at_till = at_till
        self._wake_workers = wake_workers
        self._waiting: Sequence[ParkedBasket] | None = None

    def waiting(self) -> Sequence[ParkedBasket]:
        """The baskets that wait, the oldest first."""
        with self._desk.lock:
            if self._waiting is None:
                self._waiting = tuple(self._store.parked())
            return self._waiting

    def park(self) -> None:
        """Put the basket aside and begin with the next customer; held points are given back."""
        with self._desk.lock:
            sale = self._desk.sale
            if not self._desk.may_sell():
                return
            if sale.state is SaleState.CAPTURED or not sale.basket.lines:
                self._refuse(NoticeCode.PARK_EMPTY)
                return
            if sale.acting is not None:
                self._refuse(NoticeCode.PROXY_NOT_PARKED)  # who, for whom, where would be lost
                return
            taken = self._store.parked_numbers()
            number = sale.taken_up or next(x for x in range(1, MAX_PARKED + 2) if x not in taken)
            if number > MAX_PARKED:
                self._refuse(NoticeCode.PARK_FULL, {"most": MAX_PARKED})
                return
            at = self._clock.moment().at
            parked = ParkedBasket(number, at, self._at_till(), kept_of(sale.basket))
            held = sale.state in _HELD

            def keep(work: Work) -> None:
                work.save_parked(parked)

            done = self._desk.reverse(keep) if held else self._write(keep)
            if done:
                self._waiting = None
                self._desk.sale = self._desk.new_sale(Basket())
                self._say(NoticeCode.PARKED, {"number": number})

    def take_up(self, number: int) -> None:
        """Put a waiting basket on the empty desk, at today's prices."""
        with self._desk.lock:
            parked = self._of(number)
            if parked is None or not self._desk.may_edit():
                return
            if self._desk.sale.basket.lines:
                self._refuse(NoticeCode.PARK_FIRST)
                return
            fresh = take_up(parked.kept, self._on_sale(parked.kept))
            if not fresh.basket.within_limits():
                self._refuse(NoticeCode.BASKET_TOO_LARGE)
            elif self._write(lambda work: self._swap(work, number)):
                self._waiting = None
                sale = self._desk.new_sale(fresh.basket)
                self._desk.sale = replace(sale, taken_up=number, acting=self._desk.sale.acting)
                self._tell(number, fresh)

    def _swap(self, work: Work, number: int) -> None:
        """In one step: a basket that was emptied line by line waits again, this one is up."""
        self.put_back(work)
        work.turn_parked(number, is_up=True)

    def _on_sale(self, kept: KeptBasket) -> list[Item]:
        """What the shop has now of a basket's goods."""
        goods = Goods(self._store)
        named = {line.item_id for line in kept.lines if line.item_id is not None}
        return [item for each in named if (item := goods.by_id(each)) is not None]

    def delete(self, number: int, reason: str) -> None:
        """Throw a waiting basket away; the journal keeps that it was, by whom, and why."""
        reason = reason.strip()[:MAX_REASON_CHARS]
        with self._desk.lock:
            parked = self._of(number)
            if parked is None or not self._desk.may_sell():
                return
            if not reason:
                self._refuse(NoticeCode.PARK_REASON)
                return
            due = as_parked(parked.kept).due()
            about = f"{number}: {len(parked.kept.lines)} / {due.money_fen} fen + {due.goods_points}"
            acted = PersonActed(
                act=Act.BASKET_DELETED, about=about, person=self._at_till(), reason=reason
            )

            def drop(work: Work) -> None:
                work.journal(acted, self._clock.moment())
                work.remove_parked(number)

            if self._write(drop):
                self._waiting = None
                self._wake_workers()
                self._say(NoticeCode.PARK_DELETED, {"number": number})

    def put_back(self, work: Work) -> None:
        """In this step: what was taken up and is not sold waits again."""
        sale = self._desk.sale
        if sale.taken_up is not None and sale.state is not SaleState.CAPTURED:
            self._waiting = None
            work.turn_parked(sale.taken_up, is_up=False)

    def cleared(self) -> bool:
        """The desk is cleared: what was taken up waits again. False if the disk failed."""
        return self._desk.sale.taken_up is None or self._write(self.put_back)

    def _of(self, number: int) -> ParkedBasket | None:
        found = next((x for x in self.waiting() if x.number == number), None)
        if found is None:
            self._refuse(NoticeCode.PARK_UNKNOWN, {"number": number})
        return found

    def _write(self, what: Callable[[Work], None]) -> bool:
        try:
            with self._store.working() as work:
                what(work)
        except StoreFaultError:
            self._desk.say(NoticeCode.STORE_FAULT, NoticeLevel.ALARM)
            return False
        return True

    def _tell(self, number: int, fresh: TakenUp) -> None:
        figures: dict[str, str | int] = {"number": number}
        if fresh.changes:
            figures["changes"] = _listed([_told(each) for each in fresh.changes])
        if fresh.left_out:
            figures["gone"] = _listed(list(fresh.left_out))
        if fresh.left_out and fresh.changes:
            code = NoticeCode.TAKEN_UP_BOTH
        elif fresh.left_out:
            code = NoticeCode.TAKEN_UP_LESS
        else:
            code = NoticeCode.TAKEN_UP_CHANGED if fresh.changes else NoticeCode.TAKEN_UP
        level = NoticeLevel.GOOD if code is NoticeCode.TAKEN_UP else NoticeLevel.REFUSED
        self._desk.say(code, level, figures)

    def _say(self, code: NoticeCode, figures: dict[str, str | int]) -> None:
        self._desk.say(code, NoticeLevel.GOOD, figures)

    def _refuse(self, code: NoticeCode, figures: dict[str, str | int] | None = None) -> None:
        self._desk.say(code, NoticeLevel.REFUSED, figures)


def _listed(names: list[str]) -> str:
    more = len(names) - TOLD_MAX
    return "、".join(names[:TOLD_MAX]) + (f" +{more}" if more > 0 else "")


def _told(change: PriceChange) -> str:
    """``大米 5.00→5.50``: money with two decimals, points without; ``5.00+20`` where both are due."""
    was = _price(change.was_fen, change.was_points)
    return f"{change.name} {was}→{_price(change.now_fen, change.now_points)}"


def _price(fen: int | None, points: int | None) -> str:
    parts = [format_yuan(fen)] if fen is not None else []
    parts += [str(points)] if points is not None else []
    return "+".join(parts)
