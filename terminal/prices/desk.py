"""The shop's price list at the till: looked through first, then taken over as a whole.

Nothing is in use before all of it is: a list is made ready beside the one in use, in short steps,
so that the till sells meanwhile. What was looked through is what is taken over, by its hash.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Protocol

from msgspec.structs import replace

from protocol.money import AmountProblem, Fen, parse_yuan
from protocol.prices import PriceChanged, PricesImported
from protocol.sales import Happening
from terminal.domain.notice import Notice, NoticeCode, NoticeLevel
from terminal.domain.own_goods import OwnItem, may_be_repriced
from terminal.domain.ports import Clock, Store
from terminal.prices.files import FileProblemError, csv_chunks, xlsx_of
from terminal.prices.looking_through import Looked, look_through

MAX_REASON_CHARS: Final = 60
MAX_FOUND: Final = 30

_AMOUNTS: Final = {
    AmountProblem.NOT_A_NUMBER: NoticeCode.AMOUNT_NOT_A_NUMBER,
    AmountProblem.ZERO: NoticeCode.AMOUNT_ZERO,
    AmountProblem.NEGATIVE: NoticeCode.AMOUNT_NEGATIVE,
    AmountProblem.TOO_MANY_DECIMALS: NoticeCode.AMOUNT_TOO_MANY_DECIMALS,
    AmountProblem.TOO_LARGE: NoticeCode.AMOUNT_TOO_LARGE,
}


class OwnersLeave(Protocol):
    """Who may change prices, and who stands at the till."""

    def owner_by(self, pin: str | None) -> str | Notice:
        """The owner whose PIN this is, or why there is none."""

    def at_till(self) -> str | None:
        """Who sells now, if anybody signed in."""


class PriceDesk:
    """One list at a time; every act needs the owner's PIN and a reason, and leaves one record."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        leave: OwnersLeave,
        wake_workers: Callable[[], None],
        changed: Callable[[], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._leave = leave
        self._wake_workers = wake_workers
        self._changed = changed
        self._lock = threading.Lock()
        self._looked: Looked | None = None

    def looked(self) -> Looked | None:
        """The list that waits to be taken over; None where there is none, or where it is stale."""
        looked = self._looked
        return looked if looked and looked.revision == self._store.own_revision() else None

    def check(self, data: bytes, *, replaces: bool) -> Looked | FileProblemError | Notice:
        """Look a file through; nothing is changed. Takes the place of one that still waits.

        ``replaces``: goods that are not in the file would leave the list.
        """
        if not self._lock.acquire(blocking=False):
            return _refused(NoticeCode.PRICES_BUSY)
        try:
            self._looked = None
            catalogue = self._store.documents().catalogue
            self._looked = look_through(data, self._store, catalogue, replaces=replaces)
        except FileProblemError as error:
            return error
        else:
            return self._looked
        finally:
            self._lock.release()

    def take(self, file_sha256: str, *, pin: str, reason: str, without_bad: bool) -> Notice:
        """Take over the list that was looked through, as a whole.

        ``without_bad``: the owner chose to leave out the rows that are wrong; else there may be
        none.
        """
        if not self._lock.acquire(blocking=False):
            return _refused(NoticeCode.PRICES_BUSY)
        try:
            looked = self.looked()
            if looked is None or looked.file_sha256 != file_sha256:
                return _refused(NoticeCode.PRICES_AGAIN)
            if looked.bad and not without_bad:
                return _refused(NoticeCode.PRICES_BAD_ROWS, rows=len(looked.bad))
            if looked.rows == len(looked.bad):
                return _refused(NoticeCode.PRICES_NOTHING)
            owner = self._allowed(pin, reason)
            if isinstance(owner, Notice):
                return owner
            self._journal(
                _imported(looked, owner, self._leave.at_till(), reason.strip()), looked.list_no
            )
            self._looked = None
            self._store.finish_list(looked.list_no)
        finally:
            self._lock.release()
        counts = looked.counts
        return Notice(
            NoticeCode.PRICES_IMPORTED,
            NoticeLevel.GOOD,
            {
                "items": counts.items,
                "added": counts.added,
                "changed": counts.changed,
                "removed": counts.removed,
            },
        )

    def forget(self) -> Notice:
        """Leave the list that was looked through; the one in use stays as it is."""
        self._looked = None
        return Notice(NoticeCode.PRICES_FORGOTTEN, NoticeLevel.GOOD)

    def change(self, code: str, price: str, *, pin: str, reason: str) -> Notice:
        """Give goods another price: own ones, or goods of the pool that are priced in money."""
        amount = parse_yuan(price)
        if isinstance(amount, AmountProblem):
            return _refused(_AMOUNTS[amount])
        if not self._lock.acquire(blocking=False):
            return _refused(NoticeCode.PRICES_BUSY)
        try:
            item = self._own_or_pools(code)
            if item is None:
                return _refused(NoticeCode.PRICE_OF_POOL)
            owner = self._allowed(pin, reason)
            if isinstance(owner, Notice):
                return owner
            changed = PriceChanged(
                code=code,
                name=item.name,
                before_fen=item.price_fen,
                after_fen=amount,
                reason=reason.strip(),
                person=self._leave.at_till(),
                approved_by=owner,
            )
            self._journal(changed, replace(item, price_fen=amount))
        finally:
            self._lock.release()
        return Notice(NoticeCode.PRICE_CHANGED, NoticeLevel.GOOD, {"item": item.name})

    def find(self, text: str) -> Sequence[OwnItem]:
        """Goods whose price the shop may change, by a part of name, code or barcode."""
        text = text.strip()
        if not text:
            return ()
        own = list(self._store.own_named(text, MAX_FOUND))
        known = {each.code for each in own}
        catalogue = self._store.documents().catalogue
        pools = (
            self._own_or_pools(x.item_id)
            for x in (catalogue.items if catalogue else ())
            if x.item_id not in known
            and may_be_repriced(x)
            and any(text in part for part in (x.name, x.item_id, x.barcode or ""))
        )
        return [*own, *(x for x in pools if x is not None)][:MAX_FOUND]

    def count(self) -> int:
        """How many goods the list has."""
        return self._store.own_count()

    def csv_file(self) -> Iterator[bytes]:
        """The list in use in CSV, in portions."""
        return csv_chunks(self._store.own_goods())

    def xlsx_file(self) -> bytes:
        """The list in use as a workbook."""
        return xlsx_of(self._store.own_goods())

    def _own_or_pools(self, code: str) -> OwnItem | None:
        """The row of the list for goods, or what it would be for goods of the pool."""
        catalogue = self._store.documents().catalogue
        pools = next((x for x in catalogue.items if x.item_id == code), None) if catalogue else None
        if pools is not None and not may_be_repriced(pools):
            return None
        own = self._store.own_item(code)
        if own is not None or pools is None or pools.price_fen is None:
            return own
        return OwnItem(
            code=code,
            barcode=pools.barcode or "",
            name=pools.name,
            category=pools.category,
            unit=pools.unit,
            price_fen=Fen(pools.price_fen),
            weighed=pools.weighed,
        )

    def _allowed(self, pin: str, reason: str) -> str | Notice:
        if not 1 <= len(reason.strip()) <= MAX_REASON_CHARS or not reason.strip().isprintable():
            return _refused(NoticeCode.REASON_NEEDED)
        return self._leave.owner_by(pin or None)

    def _journal(self, happening: Happening, what: OwnItem | int) -> None:
        """Record and change in one durable step."""
        with self._store.working() as work:
            work.journal(happening, self._clock.moment())
            if isinstance(what, OwnItem):
                work.save_own_item(what)
            else:
                work.use_list(what)
        self._changed()
        self._wake_workers()


def _imported(looked: Looked, owner: str, at_till: str | None, reason: str) -> PricesImported:
    counts = looked.counts
    return PricesImported(
        file_sha256=looked.file_sha256,
        list_sha256=looked.list_sha256,
        items=counts.items,
        added=counts.added,
        changed=counts.changed,
        repriced=counts.repriced,
        removed=counts.removed,
        refused_rows=len(looked.bad),
        reason=reason,
        person=at_till,
        approved_by=owner,
    )


def _refused(code: NoticeCode, **figures: int) -> Notice:
    return Notice(code, NoticeLevel.REFUSED, dict(figures))
