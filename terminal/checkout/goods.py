"""What the shop sells: the pool's catalogue first, and the shop's own goods and prices."""

from msgspec.structs import replace

from protocol.documents import Item
from terminal.checkout.barcodes import Priced, Weighed, read_goods
from terminal.domain.barcodes import read_label
from terminal.domain.notice import NoticeCode
from terminal.domain.own_goods import (
    OWN_PREFIX,
    barcode_key,
    item_of,
    label_keys,
    may_be_repriced,
    repriced,
)
from terminal.domain.ports import Store

MOST_FOUND = 45
"""Five pages of keys: who finds no goods among them types another letter."""
MOST_REPRICED = 1_000
"""Goods of the pool whose own prices the keys show; a basket asks for each by itself."""


class Goods:
    """Looks goods up. The shop's own, up to 50,000, stay on the disk."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def by_id(self, item_id: str) -> Item | None:
        """Goods by their id, at the shop's price where it has one."""
        if item_id.startswith(OWN_PREFIX):
            own = self._store.own_item(item_id.removeprefix(OWN_PREFIX))
            return None if own is None else item_of(own)
        item = next((x for x in self._pools() if x.item_id == item_id), None)
        return None if item is None else self._at_own_price(item)

    def with_keys(self) -> tuple[Item, ...]:
        """The pool's goods, at the shop's prices, and those of the shop's own that have a key."""
        pools = self._pools()
        own = self._store.own_by_codes([x.item_id for x in pools[:MOST_REPRICED]])
        known = {x.item_id for x in pools}
        return (
            *(repriced(x, own.get(x.item_id)) for x in pools),
            *(item_of(x) for x in self._store.own_quick_keys() if x.code not in known),
        )

    def named(self, text: str) -> tuple[Item, ...]:
        """The shop's own goods by a part of name, code or barcode."""
        known = {x.item_id for x in self._pools()}
        found = self._store.own_named(text, MOST_FOUND)
        return tuple(item_of(x) for x in found if x.code not in known)

    def by_barcode(self, barcode: str) -> Weighed | Priced | NoticeCode:
        """What a barcode or a scale's label names."""
        label = read_label(barcode)
        keys = {barcode_key(barcode), *(label_keys(label) if label is not None else ())}
        pools = {x.item_id for x in self._pools()}
        own = [item_of(x) for x in self._store.own_by_barcodes(keys) if x.code not in pools]
        goods = read_goods(barcode, (*self._pools(), *own))
        if isinstance(goods, Weighed):
            return replace(goods, item=self._at_own_price(goods.item))
        return goods

    def _at_own_price(self, item: Item) -> Item:
        if item.item_id.startswith(OWN_PREFIX) or not may_be_repriced(item):
            return item
        return repriced(item, self._store.own_item(item.item_id))

    def _pools(self) -> tuple[Item, ...]:
        catalogue = self._store.documents().catalogue
        return catalogue.items if catalogue else ()
