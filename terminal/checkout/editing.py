"""What goes into the basket, and out of it again."""

from collections.abc import Callable

from protocol.documents import Item
from protocol.money import QUANTITY_ONE_MILLI, AmountProblem, Fen, parse_yuan
from terminal.checkout.allowed import AMOUNT_NOTICES
from terminal.checkout.barcodes import Weighed
from terminal.checkout.goods import Goods
from terminal.checkout.sale_desk import SaleDesk
from terminal.domain.basket import fits, sold_at_till
from terminal.domain.notice import NoticeCode, NoticeLevel
from terminal.domain.ports import Store

TYPED_AMOUNT_CATEGORY = "amount"


class Editing:
    """Changes the basket that stands on the desk."""

    def __init__(self, desk: SaleDesk, store: Store, clear: Callable[[], None]) -> None:
        self._desk = desk
        self._clear = clear
        self._goods = Goods(store)

    def add_item(self, item_id: str, quantity_milli: int = QUANTITY_ONE_MILLI) -> None:
        """Put goods of the catalogue, or of the shop's own, into the basket."""
        with self._desk.lock:
            self._add(self._goods.by_id(item_id), item_id, quantity_milli)

    def add_barcode(self, barcode: str) -> None:
        """Put what a barcode or a scale's label names into the basket."""
        with self._desk.lock:
            goods = self._goods.by_barcode(barcode)
            if isinstance(goods, Weighed):
                self._add(goods.item, barcode, goods.quantity_milli)
            elif isinstance(goods, NoticeCode):
                self._desk.say(goods, NoticeLevel.REFUSED, {"item": barcode[:32]})
            else:
                item = goods.item
                self.put_amount(goods.amount_fen, item.name, item.category)

    def add_amount(self, text: str, name: str) -> None:
        """Put an amount in yuan, as typed, into the basket; ``name`` is what the receipt says."""
        with self._desk.lock:
            amount = parse_yuan(text)
            if isinstance(amount, AmountProblem):
                self._desk.say(AMOUNT_NOTICES[amount], NoticeLevel.REFUSED)
            else:
                self.put_amount(amount, name, TYPED_AMOUNT_CATEGORY)

    def put_amount(self, amount_fen: Fen, name: str, category: str) -> None:
        """Put goods of this category for an amount into the basket."""
        with self._desk.lock:
            if self._desk.may_edit():
                self._desk.put(self._desk.sale.basket.with_amount(amount_fen, name, category))

    def set_quantity(self, line_no: int, quantity_milli: int) -> None:
        """Change a line's quantity in thousandths; 0 takes the line out."""
        with self._desk.lock:
            if not self._desk.may_edit():
                return
            basket = self._desk.sale.basket
            line = basket.line(line_no)
            if line is None or (quantity_milli != 0 and not fits(line.item, quantity_milli)):
                self._desk.say(NoticeCode.QUANTITY_WRONG, NoticeLevel.REFUSED)
                return
            fewer = basket.with_quantity(line_no, quantity_milli)
            if self._desk.sale.taken_up is not None and not fewer.lines:
                self._clear()  # what is sold next is another basket, and does not end this one
            else:
                self._desk.put(fewer)

    def _add(self, item: Item | None, shown_as: str, quantity_milli: int) -> None:
        desk = self._desk
        if item is None:
            desk.say(NoticeCode.ITEM_UNKNOWN, NoticeLevel.REFUSED, {"item": shown_as[:32]})
        elif not sold_at_till(item):
            desk.say(NoticeCode.ITEM_ELSEWHERE, NoticeLevel.REFUSED)
        elif not fits(item, quantity_milli):
            desk.say(NoticeCode.QUANTITY_WRONG, NoticeLevel.REFUSED)
        elif desk.may_edit():
            desk.put(desk.sale.basket.with_item(item, quantity_milli))
