"""How far points may pay, from a day on; cover and expiry; and what contradicts them."""

from datetime import date, datetime
from itertools import pairwise

import msgspec
from sqlalchemy import Connection, func, insert, select, update

from protocol.business_day import business_date
from protocol.redemption import Limits
from server.directory import tables as t
from server.directory.catalogue import items_on_sale
from server.directory.commands import SetCover, SetPointsExpiry, SetRedemptionTerms
from server.directory.queries import pool_terms
from server.directory.values import Answer, DirectoryProblem, Done, Refused

ALWAYS = date(1970, 1, 1)
"""Terms that a pool is opened with are in force from this day."""


def set_redemption_terms(
    tx: Connection, pool: str, command: SetRedemptionTerms, at: datetime
) -> Answer:
    """Let points pay so far from a day on, and never look at earlier days again.

    Refused: the day is over, the limits contradict one another, or goods priced in points are
    of a category that points may not pay.
    """
    terms = pool_terms(tx, pool)
    limits = limits_of(command)
    same_day = [each for each in terms.periods if each.valid_from == command.valid_from]
    newest = same_day[-1] if same_day else None
    if newest is not None and (newest.fen_remainder, newest.limits, newest.reason) == (
        command.fen_remainder,
        limits,
        command.reason,
    ):
        return Done(str(command.valid_from), again=True)
    today = business_date(at, terms.cut_off_hour)
    if command.valid_from < today:
        return Refused(
            DirectoryProblem.PAST_DAY,
            f"日期 {command.valid_from} 已过，最早从今天 {today} 起"
            f" / {command.valid_from} is over; today, {today}, is the earliest",
        )
    problem = _contradiction(limits) or _excluded_goods(tx, pool, limits, command.valid_from)
    if problem is not None:
        return problem
    put_period(
        tx,
        pool,
        limits,
        valid_from=command.valid_from,
        fen_remainder=command.fen_remainder.value,
        reason=command.reason,
    )
    return Done(str(command.valid_from))


def limits_of(command: SetRedemptionTerms) -> Limits:
    """The limits that a command sets."""
    return Limits(
        bill_share_bp=command.bill_share_bp,
        excluded_categories=command.excluded_categories,
        per_sale_points=command.per_sale_points,
        per_day_points=command.per_day_points,
        per_household_day_points=command.per_household_day_points,
        minimum_points=command.minimum_points,
        card_no_pin_day_points=command.card_no_pin_day_points,
        manual_day_points=command.manual_day_points,
    )


def put_period(
    tx: Connection,
    pool: str,
    limits: Limits,
    *,
    valid_from: date,
    fen_remainder: str,
    reason: str,
) -> None:
    """Write the period, as the newest one that begins on its day."""
    own = (t.redemption_terms.c.pool == pool, t.redemption_terms.c.valid_from == valid_from)
    last = select(func.coalesce(func.max(t.redemption_terms.c.version), 0)).where(*own)
    values = msgspec.structs.asdict(limits)
    categories = msgspec.json.encode(limits.excluded_categories).decode()
    tx.execute(
        insert(t.redemption_terms).values(
            **values | {"excluded_categories": categories},
            pool=pool,
            valid_from=valid_from,
            version=tx.execute(last).scalar_one() + 1,
            fen_remainder=fen_remainder,
            reason=reason,
        )
    )


def set_cover(tx: Connection, pool: str, command: SetCover, _at: datetime) -> Answer:
    """Refused: a point has no value in money, or the hard level is above the warning."""
    terms = pool_terms(tx, pool)
    if terms.fen_per_point is None and command.warning_bp is not None:
        return Refused(
            DirectoryProblem.NO_VALUE,
            "本积分池的积分没有人民币价值，不能设准备率 / a point has no value in money in this pool,"
            " so nothing can cover it",
        )
    hard = command.hard_bp
    if hard is not None and (command.warning_bp is None or hard > command.warning_bp):
        return Refused(
            DirectoryProblem.BAD_LIMIT,
            "停发线不能高于预警线，请改 hard_bp / the hard level must not be above the warning;"
            " change hard_bp",
        )
    values = {"cover_warning_bp": command.warning_bp, "cover_hard_bp": hard}
    tx.execute(update(t.pool).where(t.pool.c.pool == pool).values(**values))
    return Done(pool)


def set_points_expiry(tx: Connection, pool: str, command: SetPointsExpiry, _at: datetime) -> Answer:
    """Switch expiry on or off; nothing expires before somebody runs it."""
    values = {"points_expire_after_days": command.after_days}
    tx.execute(update(t.pool).where(t.pool.c.pool == pool).values(**values))
    return Done(pool)


def _contradiction(limits: Limits) -> Refused | None:
    rising = [
        ("minimum_points", limits.minimum_points),
        ("per_sale_points", limits.per_sale_points),
        ("per_day_points", limits.per_day_points),
        ("per_household_day_points", limits.per_household_day_points),
    ]
    given = [(name, points) for name, points in rising if points is not None]
    for (smaller, less), (larger, more) in pairwise(given):
        if less > more:
            return Refused(
                DirectoryProblem.BAD_LIMIT,
                f"{smaller}（{less}）不能大于 {larger}（{more}），请改数目"
                f" / {smaller} must not be more than {larger}",
            )
    return None


def _excluded_goods(tx: Connection, pool: str, limits: Limits, day: date) -> Refused | None:
    for item in items_on_sale(tx, pool, day):
        if item.price_points is not None and item.category in limits.excluded_categories:
            return Refused(
                DirectoryProblem.BAD_LIMIT,
                f"商品 {item.item_id} 用积分标价，它的类别“{item.category}”不能排除；请先停售"
                f" / {item.item_id} is priced in points, so its category cannot be excluded;"
                " retire it first",
            )
    return None
