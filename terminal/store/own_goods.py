"""The shop's own goods on the terminal's disk: the list in use, and one that is made ready.

A list of 50,000 goods is written in short steps beside the one in use, so that the till sells
meanwhile; one small step then puts it in use, with the journal's record of it.
"""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Final

import msgspec
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Integer,
    Row,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    or_,
    select,
)
from sqlalchemy.dialects.sqlite import insert as upsert

from protocol.money import Fen
from terminal.domain.own_goods import OwnItem, barcode_key
from terminal.store.counters import raise_counter
from terminal.store.look_ups import LookUps
from terminal.store.reads import Reads
from terminal.store.tables import counter
from terminal.store.tables import own_item as table
from terminal.store.texts import Text

LIST_COUNTER: Final = "own_list"
"""The list in use."""
REVISION_COUNTER: Final = "own_revision"
A_PORTION: Final = 500
_DELETED_AT_ONCE = 2_000
_FOUND_MAX = 1_000
_COLUMNS: Final = (
    "code",
    "barcode",
    "name",
    "category",
    "unit",
    "price_fen",
    "weighed",
    "quick_key",
)
"""In the order of :class:`OwnItem`."""


def use_list(connection: Connection, list_no: int) -> None:
    raise_counter(connection, LIST_COUNTER, list_no)
    _note_change(connection)


def save_own_item(connection: Connection, item: OwnItem) -> None:
    values = _values(list_in_use(connection), item)
    inserted = upsert(table).values(**values)
    connection.execute(
        inserted.on_conflict_do_update(index_elements=[table.c.list_no, table.c.code], set_=values)
    )
    _note_change(connection)


def list_in_use(connection: Connection) -> int:
    """The number of the list in use; 0 before the first."""
    return _count(connection, LIST_COUNTER)


def _note_change(connection: Connection) -> None:
    raise_counter(connection, REVISION_COUNTER, _count(connection, REVISION_COUNTER) + 1)


def _count(connection: Connection, name: str) -> int:
    value = connection.execute(select(counter.c.value).where(counter.c.name == name)).scalar()
    return int(value or 0)


def _values(list_no: int, item: OwnItem) -> dict[str, object]:
    return {
        "list_no": list_no,
        "code": item.code,
        "barcode": item.barcode,
        "barcode_key": barcode_key(item.barcode),
        "name": item.name,
        "category": item.category,
        "unit": item.unit,
        "price_fen": int(item.price_fen),
        "weighed": int(item.weighed),
        "quick_key": int(item.quick_key),
    }


def _item(row: Row[tuple[object, ...]]) -> OwnItem:
    return OwnItem(
        code=row.code,
        barcode=row.barcode,
        name=row.name,
        category=row.category,
        unit=row.unit,
        price_fen=Fen(row.price_fen),
        weighed=bool(row.weighed),
        quick_key=bool(row.quick_key),
    )


def _look_up(column: Column[str]) -> Text:
    """Goods of the list in use by a JSON array of keys: every scan asks this, so it is made once.

    One statement, so that list and goods are of one moment without a transaction. In no order:
    asked for one, SQLite walks the whole list in that order instead of using the barcodes' index.
    """
    in_use = select(counter.c.value).where(counter.c.name == LIST_COUNTER).scalar_subquery()
    keys = func.json_each(bindparam("keys")).table_valued("value")
    return Text(
        select(*(table.c[name] for name in _COLUMNS))
        .where(table.c.list_no == func.coalesce(in_use, 0), column.in_(select(keys.c.value)))
        .limit(_FOUND_MAX)
    )


_BY_CODES: Final = _look_up(table.c.code)
_BY_BARCODES: Final = _look_up(table.c.barcode_key)


class OwnGoodsLists(Reads):
    """See :class:`terminal.domain.own_goods.OwnGoodsStore`; mixed into the store."""

    look_ups: LookUps
    """The store's own."""

    @abstractmethod
    def writing(self) -> AbstractContextManager[Connection]:
        """One write transaction, durable when it ends."""

    def own_revision(self) -> int:
        with self.reading() as connection:
            return _count(connection, REVISION_COUNTER)

    def own_item(self, code: str) -> OwnItem | None:
        return self.own_by_codes((code,)).get(code)

    def own_by_codes(self, codes: Iterable[str]) -> Mapping[str, OwnItem]:
        return {each.code: each for each in self._looked_up(_BY_CODES, codes)}

    def own_by_barcodes(self, keys: Iterable[str]) -> Sequence[OwnItem]:
        return self._looked_up(_BY_BARCODES, (each for each in keys if each))

    def own_quick_keys(self) -> Sequence[OwnItem]:
        return self._where(table.c.quick_key == 1)

    def own_named(self, text: str, limit: int) -> Sequence[OwnItem]:
        return self._where(
            or_(
                *(
                    each.contains(text, autoescape=True)
                    for each in (table.c.name, table.c.code, table.c.barcode)
                )
            ),
            limit=limit,
        )

    def own_count(self) -> int:
        with self.reading() as connection:
            counted = select(func.count()).where(table.c.list_no == list_in_use(connection))
            return int(connection.execute(counted).scalar_one())

    def own_goods(self, list_no: int | None = None) -> Iterator[OwnItem]:
        after = ""
        while True:
            with self.reading() as connection:
                number = list_in_use(connection) if list_no is None else list_no
                rows = connection.execute(
                    select(table)
                    .where(table.c.list_no == number, table.c.code > after)
                    .order_by(table.c.code)
                    .limit(A_PORTION)
                ).all()
            if not rows:
                return
            yield from map(_item, rows)
            after = rows[-1].code

    def begin_list(self) -> int:
        with self.reading() as connection:
            in_use = list_in_use(connection)
        self.finish_list(in_use)
        return in_use + 1

    def add_to_list(self, list_no: int, items: Sequence[OwnItem]) -> None:
        if items:
            with self.writing() as connection:
                connection.execute(insert(table), [_values(list_no, each) for each in items])

    def keep_in_list(self, list_no: int, after_code: str, limit: int) -> Sequence[OwnItem]:
        new = table.alias("new")
        in_new = select(new.c.code).where(new.c.list_no == list_no, new.c.code == table.c.code)
        with self.writing() as connection:
            rows = connection.execute(
                select(table)
                .where(
                    table.c.list_no == list_in_use(connection),
                    table.c.code > after_code,
                    ~in_new.exists(),
                )
                .order_by(table.c.code)
                .limit(limit)
            ).all()
            items = [_item(row) for row in rows]
            if items:
                connection.execute(insert(table), [_values(list_no, each) for each in items])
        return items

    def finish_list(self, list_no: int) -> None:
        here: ColumnElement[int] = literal_column("rowid", Integer)
        while True:
            with self.writing() as connection:
                old = (
                    select(here)
                    .select_from(table)
                    .where(table.c.list_no.not_in([list_no, list_in_use(connection)]))
                    .limit(_DELETED_AT_ONCE)
                )
                gone = connection.execute(delete(table).where(here.in_(old))).rowcount
            if gone < _DELETED_AT_ONCE:
                return

    def _looked_up(self, text: Text, keys: Iterable[str]) -> list[OwnItem]:
        given = {"keys": msgspec.json.encode(list(keys)).decode()}
        return [
            OwnItem(
                code=code,
                barcode=barcode,
                name=name,
                category=category,
                unit=unit,
                price_fen=Fen(price_fen),
                weighed=bool(weighed),
                quick_key=bool(quick_key),
            )
            for code, barcode, name, category, unit, price_fen, weighed, quick_key in sorted(
                self.look_ups.rows(text, given)
            )
        ]

    def _where(self, *which: ColumnElement[bool], limit: int = _FOUND_MAX) -> list[OwnItem]:
        with self.reading() as connection:
            rows = connection.execute(
                select(table)
                .where(table.c.list_no == list_in_use(connection), *which)
                .order_by(table.c.code)
                .limit(limit)
            ).all()
        return [_item(row) for row in rows]
