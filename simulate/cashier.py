"""A cashier and the people in the queue: presses what the page offers, and believes what it says."""

from collections.abc import Callable
from random import Random
from typing import Final
from uuid import UUID

from simulate.device import Device
from simulate.pool import CARDS, RESIDENTS, PoolServer
from simulate.witness import Shown, Witness
from terminal.checkout.view import TillView
from terminal.domain.notice import NoticeCode
from terminal.domain.ports import StoreFaultError
from terminal.domain.sale import SaleState
from terminal.domain.second_copy import CopyState

BARCODES: Final = ("6999990000012", "6999990000029", "6999990000036", "6999990000043")
WEIGHED: Final = ("greens", "seasonal-greens")
SINGLE: Final = ("bun", "massage", "blood-pressure")
RETURNED: Final = frozenset({NoticeCode.REFUNDED, NoticeCode.VOIDED})
NOT_COUNTED: Final = frozenset({NoticeCode.STORE_FAULT.value, NoticeCode.BASKET_TOO_LARGE.value})


class Cashier:
    """One person at one device. What the page shows goes to the witness."""

    def __init__(
        self, device: Device, server: PoolServer, witness: Witness, chance: Random
    ) -> None:
        self._device = device
        self._server = server
        self._witness = witness
        self._chance = chance
        device.asks_meanwhile = self._get_impatient

    def act(self, step: int) -> None:
        """Do the next thing at the till."""
        view = self._look()
        if view is None:
            return
        match view.state:
            case SaleState.OPEN:
                self._fill_or_ask(view, step)
            case SaleState.AUTHORISED:
                self._finish(view, step)
            case SaleState.CAPTURED:
                self._next_customer(view)
            case _:
                self._press(self._device.till.clear)

    def _fill_or_ask(self, view: TillView, step: int) -> None:
        luck = self._chance.random()
        if not view.lines or luck < 0.15:
            self._add()
        elif luck < 0.75:
            self._show_code(view)
        elif luck < 0.95:
            self._complete(view, step)
        else:
            self._press(self._device.till.clear)

    def _add(self) -> None:
        till, chance = self._device.till, self._chance
        kind = chance.randrange(4)
        if kind == 0:
            self._press(lambda: till.add_amount(f"{chance.randrange(1, 4000) / 100:.2f}", "杂货"))
        elif kind == 1:
            weight = chance.randrange(50, 3000)
            self._press(lambda: till.add_item(chance.choice(WEIGHED), weight))
        elif kind == 2:
            self._press(lambda: till.add_item(chance.choice(SINGLE)))
        else:
            self._press(lambda: till.scan(chance.choice(BARCODES)))

    def _show_code(self, view: TillView) -> None:
        chance = self._chance
        if chance.random() < 0.4:
            text = self._server.card_text(chance.choice(CARDS)[0])
        else:
            text = self._server.slot_text(chance.choice(RESIDENTS))
        sale_id = UUID(view.sale_id)
        after = self._press(lambda: self._device.till.scan(text))
        if after is not None and UUID(after.sale_id) != sale_id:
            self._called_off(sale_id, after)

    def _finish(self, view: TillView, step: int) -> None:
        till, luck, sale_id = self._device.till, self._chance.random(), UUID(view.sale_id)
        if luck < 0.75:
            self._complete(view, step)
            return
        if luck < 0.85 and view.payment is not None:
            points = self._chance.randint(view.payment.points_min, view.payment.points_max)
            self._press(lambda: till.choose_points(points))
            return
        after = self._press(till.go_back if luck < 0.93 else till.clear)
        if after is not None and UUID(after.sale_id) != sale_id:
            self._called_off(sale_id, after)

    def _complete(self, view: TillView, step: int) -> None:
        payment, sale_id = view.payment, UUID(view.sale_id)
        if payment is None:
            return
        presses = self._chance.choice((1, 1, 1, 2))  # the second one is of an impatient hand
        after: TillView | None = view
        for _ in range(presses):
            after = self._press(
                lambda: self._device.till.complete(sale_id, payment.points, payment.cash_fen)
            )
        if after is None:
            self._witness.doubt(self._device.name, sale_id)
        elif after.completed is not None and after.sale_id == view.sale_id:
            done = after.completed
            self._witness.completed[sale_id] = Shown(
                device=self._device.name,
                sale_id=sale_id,
                receipt_no=done.receipt_no,
                points=done.points,
                cash_fen=done.cash_fen,
                waived_fen=done.waived_fen,
                total_fen=done.total_fen,
                step=step,
            )
            if after.second_copy == CopyState.GOOD:
                self._witness.on_stick.add(sale_id)
            self._witness.called_off.pop(sale_id, None)
        elif after.notice is not None and after.notice.code == NoticeCode.STORE_UNSURE:
            self._witness.in_doubt.add(sale_id)  # the page said that nobody can know yet
        elif after.notice is not None and after.notice.code in NOT_COUNTED:
            self._called_off(sale_id, after)

    def _next_customer(self, view: TillView) -> None:
        if self._chance.random() < 0.85 or view.completed is None:
            self._add()
            return
        device, receipt_no = self._device, view.completed.receipt_no
        try:
            if self._chance.random() < 0.5:
                device.after_sale.reprint(receipt_no)
                return
            said = device.returns.refund(receipt_no, "不要了").code
        except StoreFaultError:
            return
        if said in RETURNED and not device.disk.is_off():
            self._witness.returned[UUID(view.sale_id)] = receipt_no

    def _called_off(self, sale_id: UUID, after: TillView) -> None:
        why = after.notice.code if after.notice is not None else "no notice"
        self._witness.called_off[sale_id] = why

    def _press(self, button: Callable[[], None]) -> TillView | None:
        try:
            button()
        except StoreFaultError:
            return None
        return self._look()

    def _look(self) -> TillView | None:
        """The page, if there is still a machine to show one."""
        if self._device.disk.is_off():
            return None
        try:
            view = self._device.page.view()
        except StoreFaultError:
            return None
        return view if not self._device.disk.is_off() else None

    def _get_impatient(self) -> None:
        """While the pool is asked, somebody may press 取消."""
        if self._chance.random() < 0.03:
            sale, _ = self._device.till.snapshot()
            self._device.till.clear()
            after = self._look()
            if after is not None and UUID(after.sale_id) != sale.sale_id:
                self._called_off(sale.sale_id, after)
