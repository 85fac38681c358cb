"""What is on sale on which day: items added, priced anew from a day on, and retired.

A version of an item never changes. The one that counts on a day is the one that began last;
records that were made under an older one stay good.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Select, and_, func, insert, or_, select

from protocol.business_day import business_date
from protocol.documents import Item
from protocol.redemption import LimitPeriod
from protocol.sales import Fulfilment
from server.db.working_set import standing
from server.directory import tables as t
from server.directory.commands import AddItem, ChangePrice, RetireItem
from server.directory.queries import cut_off_hour, pool_terms
from server.directory.refusals import conflict, differing
from server.directory.values import Answer, DirectoryProblem, Done, Refused

_FIRST_VERSION = 1


def items_on_sale(tx: Connection, pool: str, day: date) -> list[Item]:
    """The version of every item that is in force on a business date, in the catalogue's order."""
    rows = tx.execute(
        _versions(pool)
        .outerjoin(
            t.item_retirement,
            and_(
                t.item_retirement.c.pool == t.item.c.pool,
                t.item_retirement.c.item_id == t.item.c.item_id,
            ),
        )
        .where(
            _has_begun(day),
            or_(t.item_retirement.c.retired_from.is_(None), t.item_retirement.c.retired_from > day),
        )
    ).all()
    in_force = {row.item_id: row for row in sorted(rows, key=_began)}
    in_order = sorted(in_force.values(), key=lambda row: (row.position, row.item_id))
    return [_item(row) for row in in_order]


@standing
def limited_on(tx: Connection, pool: str, item_ids: Sequence[str], day: date) -> list[Item]:
    """Those of the items that have a limit of their own on a business date, by id."""
    rows = tx.execute(_versions(pool).where(t.item.c.item_id.in_(item_ids), _has_begun(day))).all()
    in_force = {row.item_id: row for row in sorted(rows, key=_began)}
    items = [_item(row) for _, row in sorted(in_force.items())]
    return [each for each in items if each.is_limited]


@standing
def categories_of(tx: Connection, pool: str, item_ids: Sequence[str]) -> dict[str, str]:
    """The category of each of these items that is known; it never changes."""
    rows = tx.execute(
        select(t.item.c.item_id, t.item.c.category)
        .where(t.item.c.pool == pool, t.item.c.item_id.in_(item_ids))
        .distinct()
    )
    return {row.item_id: row.category for row in rows}


@standing
def was_sold_at(
    tx: Connection,
    pool: str,
    item_id: str,
    *,
    price_fen: int | None,
    price_points: int,
    reimbursement_fen: int,
    fulfilment: Fulfilment,
    by: date,
) -> bool:
    """Whether a version that had begun by a business date had this price in points and this
    reimbursement, and was fulfilled so. ``price_fen``: the money due with the points, if any.
    """
    both_due = price_fen is not None
    found = tx.execute(
        _versions(pool)
        .where(
            t.item.c.item_id == item_id,
            t.item.c.price_points == price_points,
            t.item.c.both_due == both_due,
            *((t.item.c.price_fen == price_fen,) if both_due else ()),
            t.item.c.reimbursement_fen == reimbursement_fen,
            t.item.c.fulfilment == fulfilment.value,
            _has_begun(by),
        )
        .limit(1)
    )
    return found.one_or_none() is not None


def add_item(tx: Connection, pool: str, command: AddItem, at: datetime) -> Answer:
    """Put something new on sale; the same again is fine, another item under this id is not."""
    wrong = _price_problem(command) or _limit_problem(command)
    if wrong is not None:
        return wrong
    if command.both_due and command.fulfilment is not Fulfilment.AT_ONCE:
        return _not_at_once(command.item_id)
    today = _today(tx, pool, at)
    first = _version_of(tx, pool, command.item_id, _FIRST_VERSION)
    if first is not None:
        asked = command.valid_from or first.valid_from
        if _item(first) == _as_item(command) and first.valid_from == asked:
            return Done(command.item_id, again=True)
        was, now = differing(_item(first), _as_item(command))
        return conflict(
            "商品编号",
            command.item_id,
            stands=(first.valid_from, *was),
            asked=(asked, *now),
            do=("请核对，或换一个编号；改价请用改价", "to change its price, change its price"),
        )
    valid_from = command.valid_from or today
    if valid_from < today:
        return _past(valid_from, today)
    excluded = _excluded(tx, pool, command, command.category, valid_from)
    if excluded is not None:
        return excluded
    last = select(func.coalesce(func.max(t.item.c.position), 0)).where(t.item.c.pool == pool)
    position = tx.execute(last).scalar_one() + 1
    _put_version(
        tx,
        pool,
        _as_item(command),
        version=_FIRST_VERSION,
        position=position,
        valid_from=valid_from,
    )
    return Done(command.item_id)


def change_price(tx: Connection, pool: str, command: ChangePrice, at: datetime) -> Answer:
    """Give an item another price from a day on; before that day nobody is told of it."""
    versions = sorted(
        tx.execute(_versions(pool).where(t.item.c.item_id == command.item_id)), key=_began
    )
    if not versions:
        return _unknown(command.item_id)
    wrong = _price_problem(command)
    if wrong is not None:
        return wrong
    before = [row for row in versions if _began(row)[0] <= command.valid_from]
    if before and before[-1].valid_from == command.valid_from and _costs(before[-1], command):
        return Done(command.item_id, again=True)
    today = _today(tx, pool, at)
    if command.valid_from < today:
        return _past(command.valid_from, today)
    retired_from = _retired_from(tx, pool, command.item_id)
    if retired_from is not None and retired_from <= command.valid_from:
        return Refused(
            DirectoryProblem.RETIRED,
            f"商品 {command.item_id} 自 {retired_from} 起停售，请另加新商品"
            f" / {command.item_id} is sold no more from {retired_from}; add a new item",
        )
    base = before[-1] if before else versions[0]
    excluded = _excluded(tx, pool, command, base.category, command.valid_from)
    if excluded is not None:
        return excluded
    changed = msgspec.structs.replace(
        _item(base),
        price_fen=command.price_fen,
        price_points=command.price_points,
        reimbursement_fen=command.reimbursement_fen,
        both_due=command.both_due,
    )
    if changed.both_due and changed.fulfilment is not Fulfilment.AT_ONCE:
        return _not_at_once(command.item_id)
    newest = max(row.item_version for row in versions)
    _put_version(
        tx, pool, changed, version=newest + 1, position=base.position, valid_from=command.valid_from
    )
    return Done(command.item_id)


def retire_item(tx: Connection, pool: str, command: RetireItem, at: datetime) -> Answer:
    """Take an item off sale from a day on; what was sold before stays as it is."""
    if _version_of(tx, pool, command.item_id, _FIRST_VERSION) is None:
        return _unknown(command.item_id)
    retired_from = _retired_from(tx, pool, command.item_id)
    if retired_from is not None:
        if retired_from == command.retired_from:
            return Done(command.item_id, again=True)
        return Refused(
            DirectoryProblem.RETIRED,
            f"商品 {command.item_id} 已定于 {retired_from} 停售，没有改动"
            f" / {command.item_id} retires on {retired_from} already; nothing was changed",
        )
    today = _today(tx, pool, at)
    if command.retired_from < today:
        return _past(command.retired_from, today)
    tx.execute(
        insert(t.item_retirement).values(
            pool=pool,
            item_id=command.item_id,
            retired_from=command.retired_from,
            reason=command.reason,
        )
    )
    return Done(command.item_id)


def _versions(pool: str) -> Select[*tuple[Any, ...]]:
    return (
        select(t.item, t.item_period.c.valid_from)
        .outerjoin(
            t.item_period,
            and_(
                t.item_period.c.pool == t.item.c.pool,
                t.item_period.c.item_id == t.item.c.item_id,
                t.item_period.c.item_version == t.item.c.item_version,
            ),
        )
        .where(t.item.c.pool == pool)
    )


def _has_begun(day: date) -> Any:
    return or_(t.item_period.c.valid_from.is_(None), t.item_period.c.valid_from <= day)


def _began(row: Row[Any]) -> tuple[date, int]:
    return row.valid_from or date.min, row.item_version


def _version_of(tx: Connection, pool: str, item_id: str, version: int) -> Row[Any] | None:
    return tx.execute(
        _versions(pool).where(t.item.c.item_id == item_id, t.item.c.item_version == version)
    ).one_or_none()


def _retired_from(tx: Connection, pool: str, item_id: str) -> date | None:
    return tx.execute(
        select(t.item_retirement.c.retired_from).where(
            t.item_retirement.c.pool == pool, t.item_retirement.c.item_id == item_id
        )
    ).scalar_one_or_none()


def _put_version(
    tx: Connection, pool: str, item: Item, *, version: int, position: int, valid_from: date
) -> None:
    values = msgspec.structs.asdict(item) | {
        "fulfilment": item.fulfilment.value,
        "limit_period": item.limit_period.value,
    }
    tx.execute(insert(t.item).values(pool=pool, item_version=version, position=position, **values))
    tx.execute(
        insert(t.item_period).values(
            pool=pool, item_id=item.item_id, item_version=version, valid_from=valid_from
        )
    )


def _today(tx: Connection, pool: str, at: datetime) -> date:
    return business_date(at, cut_off_hour(tx, pool))


def _costs(row: Row[Any], price: ChangePrice) -> bool:
    return (row.price_fen, row.price_points, row.reimbursement_fen, row.both_due) == (
        price.price_fen,
        price.price_points,
        price.reimbursement_fen,
        price.both_due,
    )


def _price_problem(price: AddItem | ChangePrice) -> Refused | None:
    if price.price_fen is None and price.price_points is None:
        return Refused(
            DirectoryProblem.BAD_PRICE,
            f"商品 {price.item_id} 没有价格，请写 price_fen（分）或 price_points"
            f" / {price.item_id} has no price; give price_fen or price_points",
        )
    if price.price_points is None and price.reimbursement_fen:
        return Refused(
            DirectoryProblem.BAD_PRICE,
            f"商品 {price.item_id} 不用积分标价，不能有 reimbursement_fen，请去掉"
            f" / {price.item_id} has no price in points, so no reimbursement; leave it out",
        )
    if price.both_due and not (price.price_fen and price.price_points):
        return Refused(
            DirectoryProblem.BAD_PRICE,
            f"商品 {price.item_id} 写了钱和积分一起付，price_fen 和 price_points 都要大于 0"
            f" / both are due for {price.item_id}: give it a price_fen and a price_points above 0",
        )
    return None


def _not_at_once(item_id: str) -> Refused:
    return Refused(
        DirectoryProblem.BAD_PRICE,
        f"兑换券和上门服务 {item_id} 只能用积分标价，不能再收钱：钱要在兑现时才结"
        f" / {item_id} is a voucher or a work order: points alone pay it, money moves when it is done",
    )


def _limit_problem(item: AddItem) -> Refused | None:
    if item.weighed and (item.limit_per_resident or item.limit_per_household):
        return Refused(
            DirectoryProblem.BAD_LIMIT,
            f"商品 {item.item_id} 是散称的，不能按件限量，请去掉限量"
            f" / {item.item_id} is weighed; limits count pieces, leave them out",
        )
    return None


def _excluded(
    tx: Connection, pool: str, price: AddItem | ChangePrice, category: str, valid_from: date
) -> Refused | None:
    """Whether goods that only money pays, now or by terms to come, are priced in points."""
    if price.price_points is None:
        return None
    terms = pool_terms(tx, pool)
    later = [each.limits for each in terms.periods if each.valid_from > valid_from]
    for limits in (terms.redemption_on(valid_from).limits, *later):
        if category in limits.excluded_categories:
            return Refused(
                DirectoryProblem.BAD_PRICE,
                f"类别“{category}”不能用积分，商品 {price.item_id} 请用 price_fen 标价"
                f" / points do not pay this category; give {price.item_id} a price_fen",
            )
    return None


def _unknown(item_id: str) -> Refused:
    return Refused(
        DirectoryProblem.UNKNOWN_ITEM,
        f"没有这个商品：{item_id}，请先添加 / no such item, add it first: {item_id}",
    )


def _past(day: date, today: date) -> Refused:
    return Refused(
        DirectoryProblem.PAST_DAY,
        f"日期 {day} 已过，最早从今天 {today} 起 / {day} is over; today, {today}, is the earliest",
    )


def _as_item(command: AddItem) -> Item:
    return Item(
        item_id=command.item_id,
        name=command.name,
        name_en=command.name_en,
        category=command.category,
        unit=command.unit,
        barcode=command.barcode,
        price_fen=command.price_fen,
        price_points=command.price_points,
        reimbursement_fen=command.reimbursement_fen,
        weighed=command.weighed,
        quick_key=command.quick_key,
        stock=command.stock,
        fulfilment=command.fulfilment,
        limit_per_resident=command.limit_per_resident,
        limit_per_household=command.limit_per_household,
        limit_period=command.limit_period,
        both_due=command.both_due,
    )


def _item(row: Row[Any]) -> Item:
    return Item(
        item_id=row.item_id,
        name=row.name,
        name_en=row.name_en,
        category=row.category,
        unit=row.unit,
        barcode=row.barcode,
        price_fen=row.price_fen,
        price_points=row.price_points,
        reimbursement_fen=row.reimbursement_fen,
        weighed=row.weighed,
        quick_key=row.quick_key,
        stock=row.stock,
        fulfilment=Fulfilment(row.fulfilment),
        limit_per_resident=row.limit_per_resident,
        limit_per_household=row.limit_per_household,
        limit_period=LimitPeriod(row.limit_period),
        both_due=row.both_due,
    )
