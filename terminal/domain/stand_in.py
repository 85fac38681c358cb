"""The terminal's own answer while the server is out of reach: yes, within the floor limits."""

import threading
from datetime import datetime, timedelta

from msgspec import UNSET, Struct

from protocol.business_day import business_date
from protocol.documents import (
    AccountStatus,
    DirectoryEntry,
    Policy,
    StandInLimits,
    StandInMode,
)
from protocol.messages import Approved
from protocol.money import Points
from protocol.reasons import Declined, DeclineReason
from protocol.redemption import NOTHING_USED, PointsWanted, Used, capped, is_enough, refusal


class Exposure(Struct, frozen=True):
    """Points taken that the directory in use cannot know of yet.

    Attributes:
        resident_points: from this resident, since the directory was made or untold.
        terminal_points: answered by this terminal itself and untold, all residents.
        resident_sales: sales of this resident that the terminal answered itself, untold.
    """

    resident_points: int
    terminal_points: int
    resident_sales: int = 0


class ImageTrust:
    """Whether this storage is known to be the newest: the server or the second medium said so.

    An old image of the card that is valid in itself looks like the present. Until one of the
    two is seen, what a resident spent since may be unknown here. Thread-safe.
    """

    def __init__(self, *, confirmed: bool = False) -> None:
        self._confirmed = threading.Event()
        if confirmed:
            self._confirmed.set()

    def confirm(self) -> None:
        self._confirmed.set()

    @property
    def is_confirmed(self) -> bool:
        return self._confirmed.is_set()


def stand_in(
    wanted: PointsWanted,
    *,
    account: str,
    code_cap: int,
    made_at: datetime | None,
    entry: DirectoryEntry | None,
    policy: Policy,
    exposure: Exposure,
    now: datetime,
    used: Used = NOTHING_USED,
    goods_alone: bool = False,
    by_card: bool = False,
    trusted: bool = True,
) -> Approved | Declined:
    """Answer for the server by what the directory ``made_at`` then says: ``entry`` of this
    account, None for somebody who is not in it; ``made_at`` None where there is no directory.

    What may be given is the least of: the limit a sale, the code's cap, what is left of
    the limit a resident and of the terminal's, what is left of the resident's allowance,
    and what the pool's limits leave of what this terminal knows to be ``used`` today. Goods
    priced in points are all or nothing. ``goods_alone``: the basket has goods with a limit of
    their own, which may go without points. ``trusted``: this storage is known to be the newest,
    and the time is known; without that, with an old directory or after several sales, what a
    sale may take is halved.
    """
    limits = policy.stand_in
    if made_at is None or _is_stopped(limits, now - made_at, by_card=by_card):
        return Declined(DeclineReason.OFFLINE_STOPPED)
    refused = _refusal(entry, now, policy.cut_off_hour)
    if refused is not None or entry is None:
        return refused or Declined(DeclineReason.RESIDENT_UNKNOWN)
    allowed = capped(wanted, policy.limits, used)
    none_left = refusal(allowed)
    if none_left is not None and (allowed.refused_by is not None or not goods_alone):
        return none_left
    careful = not trusted or _is_careful(limits, now - made_at, exposure)
    limit = _limit(limits, entry, exposure, code_cap, by_card=by_card, careful=careful)
    points = wanted.required + min(allowed.optional, max(0, limit - wanted.required))
    if goods_alone and not wanted.required and not is_enough(points, policy.limits):
        points = 0
    if wanted.required > limit or (points == 0 and not goods_alone):
        return Declined(DeclineReason.OVER_FLOOR_LIMIT, limit_points=Points(limit))
    if not is_enough(points, policy.limits):
        minimum = Points(policy.limits.minimum_points or 0)
        return Declined(DeclineReason.BELOW_MINIMUM, limit_points=minimum)
    shortened = points == allowed.most < wanted.most
    return Approved(
        account=account,
        points=Points(points),
        balance_points=None,
        held_until=None,
        limited_by=(allowed.limited_by or UNSET) if shortened else UNSET,
    )


def _is_stopped(limits: StandInLimits, age: timedelta, *, by_card: bool) -> bool:
    hours = limits.directory_max_age_h
    if by_card and limits.card_max_age_h is not None:
        hours = min(hours, limits.card_max_age_h)
    return limits.mode is not StandInMode.SNAPSHOT or age > timedelta(hours=hours)


def _is_careful(limits: StandInLimits, age: timedelta, exposure: Exposure) -> bool:
    fresh_h, soft = limits.directory_fresh_h, limits.velocity_soft_sales
    is_old = fresh_h is not None and age > timedelta(hours=fresh_h)
    return is_old or (soft is not None and exposure.resident_sales >= soft)


def _limit(
    limits: StandInLimits,
    entry: DirectoryEntry,
    exposure: Exposure,
    code_cap: int,
    *,
    by_card: bool,
    careful: bool,
) -> int:
    """Most points of this sale, 0 or more."""
    hard = limits.velocity_hard_sales
    if hard is not None and exposure.resident_sales >= hard:
        return 0
    per_resident = limits.per_resident_points
    if by_card and limits.card_per_resident_points is not None:
        per_resident = min(per_resident, limits.card_per_resident_points)
    most = min(limits.per_sale_points, code_cap)
    if careful:
        most, per_resident = most // 2, per_resident // 2
    left = min(
        most,
        per_resident - exposure.resident_points,
        limits.per_terminal_hard_points - exposure.terminal_points,
        entry.allowance_points - exposure.resident_points,
    )
    return max(0, left)


def _refusal(entry: DirectoryEntry | None, now: datetime, hour: int) -> Declined | None:
    if entry is None:
        return Declined(DeclineReason.RESIDENT_UNKNOWN)
    if entry.status is AccountStatus.BLOCKED:
        return Declined(DeclineReason.RESIDENT_BLOCKED)
    if entry.banned_until is not None and business_date(now, hour) <= entry.banned_until:
        return Declined(DeclineReason.REDEMPTION_BANNED, until=entry.banned_until)
    return None
