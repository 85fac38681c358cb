"""A list is looked through: every row against itself, the others, the pool's catalogue and the list
in use; what is good is made ready on the disk, and everything that is wrong is kept to be shown.
"""

import hashlib
from collections.abc import Mapping
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from protocol.documents import Catalogue, Item
from terminal.domain.own_goods import (
    MAX_OWN_ITEMS,
    MAX_QUICK_KEYS,
    ListCounts,
    OwnGoodsStore,
    OwnItem,
    barcode_key,
    may_be_repriced,
)
from terminal.prices.files import FileProblem, FileProblemError, csv_chunks, read_rows
from terminal.prices.rows import BadRow, Column, RowProblem, Wrong, read_row

A_PORTION: Final = 500


class Looked(Struct, frozen=True):
    """A list that was looked through and stands ready on the disk.

    ``rows`` are those of the file that are not empty; ``bad`` holds every one that cannot be
    taken. ``counts`` say what becomes of the list in use if only the good ones are taken.
    """

    list_no: int
    revision: int
    file_sha256: str
    list_sha256: str
    rows: int
    bad: tuple[BadRow, ...]
    counts: ListCounts
    replaces: bool


def look_through(
    data: bytes, store: OwnGoodsStore, catalogue: Catalogue | None, *, replaces: bool
) -> Looked:
    """Look a file through and make its list ready.

    ``replaces``: what is not in the file leaves the list; else it stays.

    Raises:
        FileProblemError: this is no price list; nothing is ready then.
        StoreFaultError: the disk did not take it.
    """
    revision = store.own_revision()
    looking = _Looking(store, catalogue, replaces=replaces)
    for row in read_rows(data):
        looking.take(row.row_no, read_row(row.cells))
    looking.flush()
    looking.keep_others()
    return Looked(
        list_no=looking.list_no,
        revision=revision,
        file_sha256=hashlib.sha256(data).hexdigest(),
        list_sha256=_hash_of(store, looking.list_no),
        rows=looking.rows,
        bad=tuple(sorted(looking.bad, key=lambda x: x.row_no)),
        counts=looking.counted(),
        replaces=replaces,
    )


def _hash_of(store: OwnGoodsStore, list_no: int) -> str:
    summed = hashlib.sha256()
    for chunk in csv_chunks(store.own_goods(list_no)):
        summed.update(chunk)
    return summed.hexdigest()


class _Looking:
    """The list under way. In memory are codes and barcodes, never the goods themselves."""

    def __init__(
        self, store: OwnGoodsStore, catalogue: Catalogue | None, *, replaces: bool
    ) -> None:
        self._store = store
        self._replaces = replaces
        items = catalogue.items if catalogue is not None else ()
        self._pool: Mapping[str, Item] = {x.item_id: x for x in items}
        self._pool_barcodes: Mapping[str, Item] = {
            barcode_key(x.barcode): x for x in items if x.barcode
        }
        self.list_no = store.begin_list()
        self.rows = 0
        self.bad: list[BadRow] = []
        self._codes: dict[str, int] = {}
        self._barcodes: dict[str, int] = {}
        self._keys = 0
        self._portion: list[tuple[int, OwnItem]] = []
        self._counts = ListCounts()

    def take(self, row_no: int, read: OwnItem | tuple[Wrong, ...]) -> None:
        """One row more."""
        self.rows += 1
        if self.rows > MAX_OWN_ITEMS:
            raise FileProblemError(FileProblem.TOO_MANY_ROWS, str(MAX_OWN_ITEMS))
        wrong = read if isinstance(read, tuple) else (*self._against_file(read), *self._pools(read))
        if isinstance(read, tuple) or wrong:
            self.bad.append(BadRow(row_no, wrong))
            return
        self._codes[read.code] = row_no
        if read.barcode:
            self._barcodes[barcode_key(read.barcode)] = row_no
        self._keys += read.quick_key
        self._portion.append((row_no, read))
        if len(self._portion) >= A_PORTION:
            self.flush()

    def flush(self) -> None:
        """Write what was taken, and count how it differs from the list in use."""
        items = self._free_of_others()
        before = self._store.own_by_codes(x.code for x in items)
        pairs = [(before.get(x.code), x) for x in items]
        counts = self._counts
        self._counts = replace(
            counts,
            items=counts.items + len(pairs),
            added=counts.added + sum(old is None for old, _ in pairs),
            changed=counts.changed + sum(old is not None and old != new for old, new in pairs),
            repriced=counts.repriced
            + sum(old is not None and old.price_fen != new.price_fen for old, new in pairs),
        )
        self._store.add_to_list(self.list_no, items)
        self._portion = []

    def keep_others(self) -> None:
        """Let goods stay that the file does not name, unless it takes the list's place."""
        after = ""
        while not self._replaces and (
            kept := self._store.keep_in_list(self.list_no, after, A_PORTION)
        ):
            after = kept[-1].code
            self._keys += sum(x.quick_key for x in kept)
            self._counts = replace(self._counts, items=self._counts.items + len(kept))
            if self._counts.items > MAX_OWN_ITEMS:
                raise FileProblemError(FileProblem.TOO_MANY_ROWS, str(MAX_OWN_ITEMS))
        if self._keys > MAX_QUICK_KEYS:
            raise FileProblemError(FileProblem.TOO_MANY_KEYS, str(MAX_QUICK_KEYS))

    def counted(self) -> ListCounts:
        """What becomes of the list in use."""
        stay = self._counts.items - self._counts.added
        return replace(self._counts, removed=self._store.own_count() - stay)

    def _free_of_others(self) -> list[OwnItem]:
        """The portion's goods, less those whose barcode the list in use has for other goods."""
        if self._replaces:
            return [item for _, item in self._portion]
        keys = (barcode_key(item.barcode) for _, item in self._portion)
        owners = {barcode_key(x.barcode): x.code for x in self._store.own_by_barcodes(keys)}
        free = []
        for row_no, item in self._portion:
            owner = owners.get(barcode_key(item.barcode)) if item.barcode else None
            if owner is None or owner == item.code:
                free.append(item)
            else:
                wrong = Wrong(RowProblem.BARCODE_KEPT, Column.BARCODE, owner)
                self.bad.append(BadRow(row_no, (wrong,)))
        return free

    def _against_file(self, item: OwnItem) -> list[Wrong]:
        wrong = []
        if item.code in self._codes:
            row_no = str(self._codes[item.code])
            wrong.append(Wrong(RowProblem.CODE_TWICE, Column.CODE, row_no))
        elif item.barcode and barcode_key(item.barcode) in self._barcodes:
            row_no = str(self._barcodes[barcode_key(item.barcode)])
            wrong.append(Wrong(RowProblem.BARCODE_TWICE, Column.BARCODE, row_no))
        if item.quick_key and self._keys >= MAX_QUICK_KEYS:
            wrong.append(Wrong(RowProblem.TOO_MANY_KEYS, Column.QUICK_KEY, str(MAX_QUICK_KEYS)))
        return wrong

    def _pools(self, item: OwnItem) -> list[Wrong]:
        """Goods of the pool: named by their id, priced in money, and under their own barcode."""
        pools = self._pool.get(item.code)
        if pools is not None and not may_be_repriced(pools):
            return [Wrong(RowProblem.POINTS_GOODS, Column.PRICE, pools.name)]
        other = self._pool_barcodes.get(barcode_key(item.barcode)) if item.barcode else None
        if other is not None and other.item_id != item.code:
            if not may_be_repriced(other):
                return [Wrong(RowProblem.POINTS_GOODS, Column.BARCODE, other.name)]
            return [Wrong(RowProblem.BARCODE_OF_POOL, Column.BARCODE, other.item_id)]
        return []
