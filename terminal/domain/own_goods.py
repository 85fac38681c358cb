"""The shop's own goods and prices, beside the catalogue of the pool.

What is priced in points comes signed from the pool. What is priced in money is the shop's affair:
goods of its own, and its own price for goods of the pool that are priced in money.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Protocol

from msgspec import Struct
from msgspec.structs import replace

from protocol.documents import Item
from protocol.money import Fen
from terminal.domain.barcodes import LABEL_LENGTH, ScaleLabel

MAX_OWN_ITEMS: Final = 50_000
MAX_QUICK_KEYS: Final = 90
"""Ten pages of nine keys: more are slower to find than a search."""
OWN_PREFIX: Final = "own:"
"""Before a shop's own code: no id of the pool's catalogue can have such a name."""

_UPC_LENGTH = LABEL_LENGTH - 1


class OwnItem(Struct, frozen=True):
    """One row of the shop's list: what it is, and what one unit costs, 0.01 yuan or more.

    ``code`` is the shop's own number for it, or the id of goods in the pool's catalogue: then the
    row gives them the shop's price, and everything else stays the pool's.
    """

    code: str
    barcode: str
    name: str
    category: str
    unit: str
    price_fen: Fen
    weighed: bool = False
    quick_key: bool = False


class ListCounts(Struct, frozen=True):
    """How a list differs from the one before it. ``changed`` holds ``repriced``."""

    items: int = 0
    added: int = 0
    changed: int = 0
    repriced: int = 0
    removed: int = 0


def barcode_key(barcode: str) -> str:
    """What two barcodes have in common if they are one: a UPC-A is the EAN-13 with a 0 before."""
    is_upc = len(barcode) == _UPC_LENGTH and barcode.isascii() and barcode.isdigit()
    return f"0{barcode}" if is_upc else barcode


def label_keys(label: ScaleLabel) -> tuple[str, ...]:
    """The barcodes that goods may have which a scale's label names."""
    short = label.goods.lstrip("0") or "0"
    return tuple({label.goods, label.prefix + label.goods, short})


def item_of(own: OwnItem) -> Item:
    """Own goods as a basket takes them."""
    return Item(
        item_id=f"{OWN_PREFIX}{own.code}",
        name=own.name,
        name_en="",
        category=own.category,
        unit=own.unit,
        barcode=own.barcode or None,
        price_fen=own.price_fen,
        weighed=own.weighed,
        quick_key=own.quick_key,
    )


def may_be_repriced(item: Item) -> bool:
    """Goods of the pool that are priced in money; what is free there stays free, and where points
    are due with the money the pool has set both.
    """
    return bool(item.price_fen) and not item.both_due


def repriced(item: Item, own: OwnItem | None) -> Item:
    """Goods of the pool at the shop's price, where it has one of its own."""
    if own is None or not may_be_repriced(item):
        return item
    return replace(item, price_fen=own.price_fen)


class OwnGoodsReads(Protocol):
    """The shop's list on the terminal's disk, as it is in use."""

    def own_revision(self) -> int:
        """Grows with everything that changes the list; 0 before the first."""

    def own_item(self, code: str) -> OwnItem | None:
        """Goods by their code."""

    def own_by_codes(self, codes: Iterable[str]) -> Mapping[str, OwnItem]:
        """Goods by their codes, those that there are; at most 1,000 codes."""

    def own_by_barcodes(self, keys: Iterable[str]) -> Sequence[OwnItem]:
        """Goods by :func:`barcode_key`; at most 1,000."""

    def own_quick_keys(self) -> Sequence[OwnItem]:
        """Goods that have a key on the page, in the order of their codes."""

    def own_named(self, text: str, limit: int) -> Sequence[OwnItem]:
        """Goods whose name, code or barcode holds this text."""

    def own_count(self) -> int:
        """How many goods the list has."""


class OwnGoodsStore(OwnGoodsReads, Protocol):
    """The same, and lists that are made ready beside the one in use."""

    def own_goods(self, list_no: int | None = None) -> Iterable[OwnItem]:
        """All goods of a list, in the order of their codes; None: of the one in use.

        Read in portions, so a list may be changed meanwhile; nobody does while one is read.
        """

    def begin_list(self) -> int:
        """Number of a new list; whatever was made ready before is gone."""

    def add_to_list(self, list_no: int, items: Sequence[OwnItem]) -> None:
        """Put goods into a list that is not in use; a short step of its own."""

    def keep_in_list(self, list_no: int, after_code: str, limit: int) -> Sequence[OwnItem]:
        """Copy goods of the list in use that the new one lacks, and answer them.

        In the order of their codes, those behind ``after_code``, at most ``limit``.
        """

    def finish_list(self, list_no: int) -> None:
        """Have the lists gone that are neither this one nor in use."""


class OwnGoodsWork(Protocol):
    """What a durable step can do with the list."""

    def use_list(self, list_no: int) -> None:
        """From now on this list is in use."""

    def save_own_item(self, item: OwnItem) -> None:
        """Keep goods as they are now, in the list in use."""
