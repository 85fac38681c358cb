"""The terminal's own answer while the server is out of reach: yes, within the floor limits."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from msgspec import UNSET

from protocol.business_day import business_date
from protocol.documents import AccountStatus, Directory, DirectoryEntry, Policy
from protocol.messages import Approved
from protocol.money import Points
from protocol.reasons import Declined, DeclineReason
from protocol.redemption import NOTHING_USED, PointsWanted, Used, capped, is_enough, refusal


@dataclass(frozen=True, slots=True)
class Exposure:
    """Points taken that the directory in use cannot know of yet.

    Attributes:
        resident_points: from this resident, since the directory was made or untold.
        terminal_points: answered by this terminal itself and untold, all residents.
    """

    resident_points: int
    terminal_points: int


def stand_in(
    wanted: PointsWanted,
    *,
    account: str,
    code_cap: int,
    directory: Directory | None,
    policy: Policy,
    exposure: Exposure,
    now: datetime,
    used: Used = NOTHING_USED,
    goods_alone: bool = False,
) -> Approved | Declined:
    """Answer for the server.

    What may be given is the least of: the limit a sale, the code's cap, what is left of
    the limit a resident and of the terminal's, what is left of the resident's allowance,
    and what the pool's limits leave of what this terminal knows to be ``used`` today. Goods
    priced in points are all or nothing. ``goods_alone``: the basket has goods with a limit of
    their own, which may go without points.
    """
    limits = policy.stand_in
    max_age = timedelta(hours=limits.directory_max_age_h)
    if directory is None or now - directory.made_at > max_age:
        return Declined(DeclineReason.OFFLINE_STOPPED)
    entry = next((e for e in directory.entries if e.account == account), None)
    refused = _refusal(entry, now, policy.cut_off_hour)
    if refused is not None or entry is None:
        return refused or Declined(DeclineReason.RESIDENT_UNKNOWN)
    allowed = capped(wanted, policy.limits, used)
    none_left = refusal(allowed)
    if none_left is not None and (allowed.refused_by is not None or not goods_alone):
        return none_left
    limit = max(
        0,
        min(
            limits.per_sale_points,
            code_cap,
            limits.per_resident_points - exposure.resident_points,
            limits.per_terminal_hard_points - exposure.terminal_points,
            entry.allowance_points - exposure.resident_points,
        ),
    )
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


def _refusal(entry: DirectoryEntry | None, now: datetime, hour: int) -> Declined | None:
    if entry is None:
        return Declined(DeclineReason.RESIDENT_UNKNOWN)
    if entry.status is AccountStatus.BLOCKED:
        return Declined(DeclineReason.RESIDENT_BLOCKED)
    if entry.banned_until is not None and business_date(now, hour) <= entry.banned_until:
        return Declined(DeclineReason.REDEMPTION_BANNED, until=entry.banned_until)
    return None
