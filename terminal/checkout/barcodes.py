"""What a scanned barcode puts into the basket, or what the cashier is told about it."""

from collections.abc import Sequence

from msgspec import Struct

from protocol.documents import Item
from protocol.money import QUANTITY_ONE_MILLI, Fen
from terminal.domain.barcodes import LabelKind, is_misread, read_label, same_goods
from terminal.domain.notice import NoticeCode


class Weighed(Struct, frozen=True):
    """Goods of the catalogue, by the piece or by a label's weight in thousandths of a kilogram."""

    item: Item
    quantity_milli: int = QUANTITY_ONE_MILLI


class Priced(Struct, frozen=True):
    """Goods whose label says what they cost; the scale has rounded already."""

    item: Item
    amount_fen: Fen


def read_goods(barcode: str, items: Sequence[Item]) -> Weighed | Priced | NoticeCode:
    """The shop's own barcodes first, whatever they look like; then the labels of its scale."""
    item = next((x for x in items if same_goods(x.barcode, barcode)), None)
    if item is not None:
        return Weighed(item)
    if is_misread(barcode):
        return NoticeCode.BARCODE_MISREAD
    label = read_label(barcode)
    item = next((x for x in items if label and x.weighed and label.names(x.barcode)), None)
    if label is None or item is None or item.price_fen is None:
        return NoticeCode.ITEM_UNKNOWN
    if label.value == 0:
        return NoticeCode.QUANTITY_WRONG
    if label.kind is LabelKind.WEIGHT:
        return Weighed(item, label.value)
    return Priced(item, Fen(label.value))
