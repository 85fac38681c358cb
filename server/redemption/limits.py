"""Whether a question and a booked sale keep the pool's limits, as the server knows them.

The rule itself stands in :mod:`protocol.redemption`. A question is answered within what is left
of a day's points and of goods with a limit of their own. A captured sale must keep what its
terminal could know; beyond what only the server knows it is booked all the same, because the
goods are gone, and kept for the operator to look at.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, insert, select

from protocol.business_day import business_date
from protocol.messages import ItemUnits
from protocol.money import QUANTITY_ONE_MILLI, Points
from protocol.reasons import Declined, DeclineReason
from protocol.redemption import (
    Granted,
    LimitKind,
    Limits,
    PointsWanted,
    RedemptionTerms,
    Used,
    granted,
    period_start,
    units_left,
)
from protocol.sales import AnsweredBy, SaleCaptured
from server.directory import PoolTerms
from server.directory.catalogue import categories_of, limited_on
from server.directory.queries import household_of
from server.directory.values import ID_MAX
from server.facts import FactStamp
from server.redemption.limit_tables import limited_goods, over_limit
from server.redemption.taken import goods_reserved, goods_taken, points_held, points_taken

PER_ITEM = "per_resident_item"
PER_HOUSEHOLD_ITEM = "per_household_item"
MAX_LIMITED_ITEMS = 200
MAX_LIMITED_UNITS = 10**6
_HOURS_A_DAY = 24


@dataclass(frozen=True, slots=True)
class Asker:
    """Whose code was shown, and when. ``bearer``: a denominated card, which is nobody's."""

    account: str
    at: datetime
    bearer: bool


@dataclass(frozen=True, slots=True)
class Question:
    """What a terminal asks for: see :class:`protocol.messages.AuthoriseRequest`."""

    required_points: int
    optional_points: int
    items: tuple[ItemUnits, ...] = ()


@dataclass(frozen=True, slots=True)
class OverLimit:
    """A booked sale beyond a limit. ``item_id`` is empty for a limit on points."""

    sale_id: str
    what: str
    item_id: str
    account: str
    business_date: date
    used: int
    allowed: int


def grant(
    tx: Connection,
    terms: PoolTerms,
    asker: Asker,
    asked: Question,
    *,
    available: int,
    cap_points: int,
) -> Granted | Declined:
    """How many points a question may have, or why none: by the rule, and what only the server
    knows. A denominated card is nobody's: what it paid today already counts against no limit;
    one sale by it stays within a day's, as at a till that cannot tell whose the code will be.
    """
    wanted, items = (
        PointsWanted(Points(asked.required_points), Points(asked.optional_points)),
        asked.items,
    )
    if wanted.most == 0 and not items:
        return Declined(DeclineReason.NOTHING_TO_REDEEM)
    day = business_date(asker.at, terms.cut_off_hour)
    limits = terms.redemption_on(day).limits
    declined = _no_more_of(tx, terms.pool, asker, items, day) if items else None
    return declined or granted(
        wanted,
        limits,
        _used_points(tx, terms.pool, asker, limits, day),
        available=available,
        cap_points=cap_points,
        gives_limited=bool(items),
    )


def reserve(
    tx: Connection, sale: dict[str, str], account: str, items: Sequence[ItemUnits], until: datetime
) -> None:
    """Keep the goods of an approved question for its ``sale`` (pool and sale_id)."""
    rows = [
        sale
        | {
            "item_id": each.item_id,
            "account": account,
            "quantity_milli": each.units * QUANTITY_ONE_MILLI,
            "held_until": until,
        }
        for each in items
    ]
    if rows:
        tx.execute(insert(limited_goods), rows)


def items_problem(items: Sequence[ItemUnits]) -> str | None:
    """What is wrong with the goods of a question, or None."""
    named = {each.item_id for each in items}
    in_range = all(
        1 <= each.units <= MAX_LIMITED_UNITS and len(each.item_id) <= ID_MAX for each in items
    )
    if len(items) > MAX_LIMITED_ITEMS or len(named) != len(items) or not in_range:
        return "限量商品的内容不对，请重新开单 / the goods with a limit do not make sense"
    return None


def accepted_terms(terms: PoolTerms, sale: SaleCaptured) -> tuple[RedemptionTerms, ...]:
    """The terms that a sale's terminal may have been given, the newest first.

    Those in force on the business date and the day before; a terminal that stood in may have
    been alone for as long as its directory was good.
    """
    leeway_days = 1
    if sale.answered_by is AnsweredBy.STAND_IN:
        leeway_days = max(1, -(-terms.stand_in.directory_max_age_h // _HOURS_A_DAY))
    return terms.redemption_since(sale.business_date, leeway_days)


def categories_problem(
    tx: Connection, pool: str, sale: SaleCaptured, accepted: Sequence[RedemptionTerms]
) -> str | None:
    """Whether goods stand under another category than the catalogue's, to be paid by points."""
    excludes = any(each.limits.excluded_categories for each in accepted)
    if not excludes or sale.payment.points == 0:
        return None
    named = {line.item_id: line for line in sale.lines if line.item_id is not None}
    categories = categories_of(tx, pool, list(named))
    for item_id, category in sorted(categories.items()):
        line = named[item_id]
        if line.category != category:
            return (
                f"第 {line.line_no} 行的类别“{line.category[:40]}”与商品目录不同"
                f" / line {line.line_no} is of another category in the catalogue"
            )
    return None


def note_over_limit(
    tx: Connection, stamp: FactStamp, terms: PoolTerms, sale: SaleCaptured, *, bearer: bool
) -> None:
    """Keep on record that a sale, booked just now, went over a limit."""
    if sale.account is None or bearer:
        return
    rows = [
        {
            "pool": stamp.pool,
            "sale_id": str(sale.sale_id),
            "what": what,
            "item_id": item_id,
            "account": sale.account,
            "business_date": sale.business_date,
            "used": used,
            "allowed": allowed,
            "fact_no": stamp.fact_no,
        }
        for what, item_id, used, allowed in _gone_over(tx, stamp.pool, terms, sale, sale.account)
    ]
    if rows:
        tx.execute(insert(over_limit), rows)


def over_limits(tx: Connection, pool: str, first: date, last: date) -> list[OverLimit]:
    """Every sale beyond a limit in some business dates, both included."""
    rows = tx.execute(
        select(over_limit)
        .where(over_limit.c.pool == pool, over_limit.c.business_date.between(first, last))
        .order_by(over_limit.c.business_date, over_limit.c.fact_no, over_limit.c.what)
    )
    return [
        OverLimit(
            sale_id=row.sale_id,
            what=row.what,
            item_id=row.item_id,
            account=row.account,
            business_date=row.business_date,
            used=row.used,
            allowed=row.allowed,
        )
        for row in rows
    ]


def _used_points(tx: Connection, pool: str, asker: Asker, limits: Limits, day: date) -> Used:
    """What is taken today, and what other tills hold at this moment."""

    def used(limit: int | None, accounts: Sequence[str]) -> int:
        if limit is None:
            return 0
        return points_taken(tx, pool, accounts, day) + points_held(tx, pool, accounts, asker.at)

    if asker.bearer:
        return Used()
    own = used(limits.per_day_points, [asker.account])
    if limits.per_household_day_points is None:
        return Used(own)
    home = household_of(tx, pool, asker.account)
    return Used(own, used(limits.per_household_day_points, home))


def _no_more_of(
    tx: Connection, pool: str, asker: Asker, items: Sequence[ItemUnits], day: date
) -> Declined | None:
    asked = {each.item_id: each.units for each in items}
    limited = limited_on(tx, pool, list(asked), day)
    if not limited:
        return None
    own = [asker.account]
    home = own if asker.bearer else household_of(tx, pool, asker.account)
    for item in limited:
        first = period_start(day, item.limit_period)
        for limit, accounts in (
            (item.limit_per_resident, own),
            (item.limit_per_household, home),
        ):
            if limit is None:
                continue
            taken = goods_taken(tx, pool, accounts, item.item_id, (first, day))
            taken += goods_reserved(tx, pool, accounts, item.item_id, asker.at)
            left = units_left(limit, taken) or 0
            if asked[item.item_id] > left:
                return Declined(DeclineReason.OVER_ITEM_LIMIT, item=item.item_id, left_units=left)
    return None


def _gone_over(
    tx: Connection, pool: str, terms: PoolTerms, sale: SaleCaptured, account: str
) -> Iterator[tuple[str, str, int, int]]:
    """Limit, item, what is taken with this sale, and what is allowed."""
    day = sale.business_date
    limits = terms.redemption_on(day).limits
    day_limits = (
        (LimitKind.PER_DAY, limits.per_day_points),
        (LimitKind.PER_HOUSEHOLD_DAY, limits.per_household_day_points),
    )
    units = {line.item_id: line.quantity_milli for line in sale.lines if line.item_id is not None}
    limited = limited_on(tx, pool, list(units), day) if units else []
    in_points = sale.payment.points > 0 and any(limit is not None for _, limit in day_limits)
    if not limited and not in_points:
        return
    home = household_of(tx, pool, account)
    whose = {LimitKind.PER_DAY: [account], LimitKind.PER_HOUSEHOLD_DAY: home}
    for kind, limit in day_limits if in_points else ():
        if limit is None:
            continue
        taken = points_taken(tx, pool, whose[kind], day)
        if taken > limit:
            yield kind.value, "", taken, limit
    for item in limited:
        first = period_start(day, item.limit_period)
        for what, limit, accounts in (
            (PER_ITEM, item.limit_per_resident, [account]),
            (PER_HOUSEHOLD_ITEM, item.limit_per_household, home),
        ):
            if limit is None:
                continue
            taken_milli = goods_taken(tx, pool, accounts, item.item_id, (first, day))
            if taken_milli > limit * QUANTITY_ONE_MILLI:
                yield what, item.item_id, -(-taken_milli // QUANTITY_ONE_MILLI), limit
