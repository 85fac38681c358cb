"""How much is there of the goods that are counted: received, sold, given back, counted.

Stock is the pool's, wherever it lies. It never stops a sale from being booked: the goods are
gone. A level below zero says that somebody should count.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from msgspec import Meta, Struct
from sqlalchemy import Connection, Select, and_, bindparam, select

from protocol.money import format_quantity
from protocol.sales import RefundLine, SaleLine
from server.db.working_set import standing, working
from server.directory.commands import Id
from server.directory.tables import item as item_table
from server.facts import FactStamp
from server.facts.refused import Refused, stands_for_another
from server.redemption import tables as t
from server.redemption.rows import STOCK_LEVEL, STOCK_MOVEMENT

MILLI = 1_000
MAX_MILLI = 10**9

_FIRST_VERSION = 1
_FIRST_STOCK = select(item_table.c.stock).where(
    item_table.c.pool == bindparam("of_pool"),
    item_table.c.item_id == bindparam("of_item"),
    item_table.c.item_version == _FIRST_VERSION,
)
_StockId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]


class _Command(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    pass


class ReceiveStock(_Command, frozen=True, tag="receive_stock"):
    """Goods came in; the first receipt of an item begins its counting.

    ``receipt_id`` is made by whoever asks; for one item it receives once. ``quantity_milli``
    in thousandths of the item's unit: 60 bottles are 60000.
    """

    receipt_id: _StockId
    item_id: Id
    quantity_milli: Annotated[int, Meta(ge=1, le=MAX_MILLI)]
    note: Annotated[str, Meta(max_length=200)] = ""


class CountStock(_Command, frozen=True, tag="count_stock"):
    """Somebody counted; the difference to what should be there is written with its reason."""

    count_id: _StockId
    item_id: Id
    counted_milli: Annotated[int, Meta(ge=0, le=MAX_MILLI)]
    reason: Annotated[str, Meta(min_length=1, max_length=200)]


@dataclass(frozen=True, slots=True)
class StockMoved:
    """What is there now. ``again``: it was received or counted by an earlier command."""

    item_id: str
    moved_milli: int
    level_milli: int
    again: bool = False


@dataclass(frozen=True, slots=True)
class StockLine:
    """An item that is counted. ``level_milli`` in thousandths of ``unit``."""

    item_id: str
    name: str
    unit: str
    level_milli: int


@dataclass(frozen=True, slots=True)
class _Began:
    """An item that the pool knows; ``stock`` in whole units, None where nobody counts."""

    stock: int | None


@dataclass(frozen=True, slots=True)
class _Level:
    """``level_milli`` is None where nobody counts; ``is_kept``: it has a row of its own."""

    level_milli: int | None
    is_kept: bool


def receive_stock(tx: Connection, stamp: FactStamp, command: ReceiveStock) -> StockMoved | Refused:
    """Add what came in, once for its receipt. Refused: an unknown item, a receipt of more or less."""
    level = _levels(tx, stamp.pool, [command.item_id]).get(command.item_id)
    if level is None:
        return _unknown(command.item_id)
    key = f"receipt:{command.receipt_id}"
    moved = _moved(tx, stamp.pool, command.item_id, key)
    if moved is not None:
        if moved == (command.quantity_milli, command.note):
            return StockMoved(command.item_id, moved[0], level.level_milli or 0, again=True)
        asked = format_quantity(command.quantity_milli), command.note
        stands = format_quantity(moved[0]), moved[1]
        return _conflict(("收货单号", "receipt"), command.receipt_id, stands=stands, asked=asked)
    quantity = command.quantity_milli
    after = _move(tx, stamp, command.item_id, level, key=key, milli=quantity, says=command.note)
    return StockMoved(command.item_id, quantity, after)


def count_stock(tx: Connection, stamp: FactStamp, command: CountStock) -> StockMoved | Refused:
    """Set the level to what was counted. Refused: an unknown item, a count_id used otherwise."""
    level = _levels(tx, stamp.pool, [command.item_id]).get(command.item_id)
    if level is None:
        return _unknown(command.item_id)
    key = f"count:{command.count_id}"
    moved = _moved(tx, stamp.pool, command.item_id, key)
    says = f"{command.counted_milli} {command.reason}"
    if moved is not None:
        if moved[1] == says:
            return StockMoved(command.item_id, moved[0], level.level_milli or 0, again=True)
        what = "盘点单号", "count"
        return _conflict(what, command.count_id, stands=_counted(moved[1]), asked=_counted(says))
    difference = command.counted_milli - (level.level_milli or 0)
    after = _move(tx, stamp, command.item_id, level, key=key, milli=difference, says=says)
    return StockMoved(command.item_id, difference, after)


def goods_out(lines: Iterable[SaleLine]) -> dict[str, int]:
    """What a sale takes away, in thousandths below zero, by item."""
    out: Counter[str] = Counter()
    for line in lines:
        if line.item_id is not None:
            out[line.item_id] -= line.quantity_milli
    return dict(out)


def goods_back(sold: Iterable[SaleLine], lines: Iterable[RefundLine]) -> dict[str, int]:
    """What a refund brings back, in thousandths, by item."""
    items = {line.line_no: line.item_id for line in sold}
    back: Counter[str] = Counter()
    for line in lines:
        item_id = items[line.line_no]
        if item_id is not None:
            back[item_id] += line.quantity_milli
    return dict(back)


def move_goods(tx: Connection, stamp: FactStamp, key: str, milli: Mapping[str, int]) -> None:
    """Move those goods of a sale or a refund that are counted."""
    if not milli:
        return
    for item_id, level in sorted(_levels(tx, stamp.pool, milli).items()):
        if level.level_milli is not None:
            _move(tx, stamp, item_id, level, key=key, milli=milli[item_id], says="")


def stock_lines(tx: Connection, pool: str) -> list[StockLine]:
    """Every item that is counted, by id; also those that are sold no more."""
    rows = tx.execute(_openings(pool).order_by(item_table.c.item_id))
    return [
        StockLine(row.item_id, row.name, row.unit, level.level_milli)
        for row in rows
        if (level := _level(row.stock, row.level_milli)).level_milli is not None
    ]


def stock_units(tx: Connection, pool: str) -> dict[str, int]:
    """Whole units that are there, rounded down, of every item that is counted."""
    return {each.item_id: each.level_milli // MILLI for each in stock_lines(tx, pool)}


def _openings(pool: str) -> Select[*tuple[Any, ...]]:
    """Every item with the stock that it began with and the level that it has, if any."""
    return (
        select(
            item_table.c.item_id,
            item_table.c.name,
            item_table.c.unit,
            item_table.c.stock,
            t.stock_level.c.level_milli,
        )
        .outerjoin(
            t.stock_level,
            and_(
                t.stock_level.c.pool == item_table.c.pool,
                t.stock_level.c.item_id == item_table.c.item_id,
            ),
        )
        .where(item_table.c.pool == pool, item_table.c.item_version == _FIRST_VERSION)
    )


def _levels(tx: Connection, pool: str, items: Iterable[str]) -> dict[str, _Level]:
    """The levels of those items that the pool knows."""
    known = {each: began for each in items if (began := _began(tx, pool, each)) is not None}
    with working(tx, pool) as books:
        books.load(STOCK_LEVEL, [(each,) for each in known])
        rows = {each: books.row(STOCK_LEVEL, (each,)) for each in known}
    return {
        each: _level(began.stock, row["level_milli"] if row else None)
        for each, began in known.items()
        for row in (rows[each],)
    }


@standing
def _began(tx: Connection, pool: str, item_id: str) -> _Began | None:
    """With which stock an item began; None for an item that the pool does not know."""
    row = tx.execute(_FIRST_STOCK, {"of_pool": pool, "of_item": item_id}).one_or_none()
    return _Began(row.stock) if row else None


def _level(first_stock: int | None, level_milli: int | None) -> _Level:
    if level_milli is not None:
        return _Level(level_milli, is_kept=True)
    return _Level(first_stock * MILLI if first_stock is not None else None, is_kept=False)


def _moved(tx: Connection, pool: str, item_id: str, key: str) -> tuple[int, str] | None:
    row = tx.execute(
        select(t.stock_movement.c.quantity_milli, t.stock_movement.c.says).where(
            t.stock_movement.c.pool == pool,
            t.stock_movement.c.item_id == item_id,
            t.stock_movement.c.key == key,
        )
    ).one_or_none()
    return (row.quantity_milli, row.says) if row else None


def _move(
    tx: Connection,
    stamp: FactStamp,
    item_id: str,
    level: _Level,
    *,
    key: str,
    milli: int,
    says: str,
) -> int:
    """Write a movement and the level after it, which is the answer."""
    before = level.level_milli or 0
    after = before + milli
    own_row = {"pool": stamp.pool, "item_id": item_id}
    with working(tx, stamp.pool) as books:
        if level.is_kept:
            books.update(STOCK_LEVEL, (item_id,), level_milli=after)
        else:
            level_row = own_row | {"opening_milli": before, "level_milli": after}
            books.insert(STOCK_LEVEL, level_row)
        moved = {"key": key, "quantity_milli": milli, "says": says, "fact_no": stamp.fact_no}
        books.append(STOCK_MOVEMENT, own_row | moved)
    return after


def _unknown(item_id: str) -> Refused:
    return Refused(
        "unknown_item",
        f"没有这个商品：{item_id}，请核对编号 / no such item, check its id: {item_id}",
    )


def _counted(says: str) -> tuple[str, str]:
    """What a count's movement says: how many there were, and why it was counted."""
    counted_milli, _, reason = says.partition(" ")
    return format_quantity(int(counted_milli)), reason


def _conflict(
    what: tuple[str, str], which: str, *, stands: tuple[str, ...], asked: tuple[str, ...]
) -> Refused:
    return Refused("conflict", stands_for_another(what, which, stands=stands, asked=asked))
