"""The terminal's own answer while the server is out of reach: yes, within the floor limits."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from protocol.business_day import SHANGHAI
from protocol.documents import AccountStatus, Directory, DirectoryEntry, Policy
from protocol.messages import Approved
from protocol.money import Points
from protocol.reasons import Declined, DeclineReason
from protocol.redemption import PointsWanted


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
) -> Approved | Declined:
    """Answer for the server.

    What may be given is the least of: the limit a sale, the code's cap, what is left of
    the limit a resident and of the terminal's, and what is left of the resident's
    allowance. Goods priced in points are all or nothing.
    """
    limits = policy.stand_in
    max_age = timedelta(hours=limits.directory_max_age_h)
    if directory is None or now - directory.made_at > max_age:
        return Declined(DeclineReason.OFFLINE_STOPPED)
    entry = next((e for e in directory.entries if e.account == account), None)
    refusal = _refusal(entry, now)
    if refusal is not None or entry is None:
        return refusal or Declined(DeclineReason.RESIDENT_UNKNOWN)
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
    points = wanted.required + min(wanted.optional, max(0, limit - wanted.required))
    if wanted.required > limit or points == 0:
        return Declined(DeclineReason.OVER_FLOOR_LIMIT, limit_points=Points(limit))
    return Approved(account=account, points=Points(points), balance_points=None, held_until=None)


def _refusal(entry: DirectoryEntry | None, now: datetime) -> Declined | None:
    if entry is None:
        return Declined(DeclineReason.RESIDENT_UNKNOWN)
    if entry.status is AccountStatus.BLOCKED:
        return Declined(DeclineReason.RESIDENT_BLOCKED)
    if entry.banned_until is not None and now.astimezone(SHANGHAI).date() <= entry.banned_until:
        return Declined(DeclineReason.REDEMPTION_BANNED, until=entry.banned_until)
    return None
