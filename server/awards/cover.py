"""Whether the fund covers what all points are worth; and what happens where it does not.

A programme whose points have no value in money has nothing to cover. Below the warning the
office is told; below the hard level, where the pool has one, nothing more is awarded.
"""

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection

from protocol.money import BASIS_POINTS_WHOLE, format_yuan
from server.awards.values import AwardProblem
from server.directory import pool_terms
from server.directory.accounts import POOL_FUND
from server.facts.refused import Refused
from server.ledger import Asset, balance
from server.ledger.totals import total_credit


class CoverState(StrEnum):
    """How the fund stands to what all points are worth."""

    NO_VALUE = "no_value"
    """A point has no value in money, or nobody set a level."""
    COVERED = "covered"
    WARNING = "warning"
    STOPPED = "stopped"
    """Nothing is awarded until money comes in or points are redeemed."""


@dataclass(frozen=True, slots=True)
class Cover:
    """``cover_bp``: the fund as basis points of what all points are worth; None without any.

    ``warning_bp`` and ``hard_bp`` are the pool's levels, None where it has none.
    """

    state: CoverState
    fund_fen: int
    outstanding_points: int
    worth_fen: int | None
    cover_bp: int | None
    warning_bp: int | None
    hard_bp: int | None


def cover_of(tx: Connection, pool: str, *, more_points: int = 0) -> Cover:
    """How the pool stands, with ``more_points`` awarded on top."""
    terms = pool_terms(tx, pool)
    points = sum(total_credit(tx, pool, kind) for kind in ("resident", "card")) + more_points
    # The fund's account grows on its debit side by what the pool pays.
    fund_fen = -balance(tx, pool, POOL_FUND, Asset.FEN)
    worth = None if terms.fen_per_point is None else points * terms.fen_per_point
    levels = terms.cover
    state = CoverState.NO_VALUE
    if worth is not None and levels is not None:
        state = CoverState.COVERED
        if fund_fen * BASIS_POINTS_WHOLE < worth * levels.warning_bp:
            state = CoverState.WARNING
        if levels.hard_bp is not None and fund_fen * BASIS_POINTS_WHOLE < worth * levels.hard_bp:
            state = CoverState.STOPPED
    return Cover(
        state=state,
        fund_fen=fund_fen,
        outstanding_points=points,
        worth_fen=worth,
        cover_bp=fund_fen * BASIS_POINTS_WHOLE // worth if worth else None,
        warning_bp=levels.warning_bp if levels else None,
        hard_bp=levels.hard_bp if levels else None,
    )


def cover_refusal(tx: Connection, pool: str, points: int) -> Refused | None:
    """Why so many points more are not awarded; asked only where the pool has a hard level."""
    levels = pool_terms(tx, pool).cover
    if levels is None or levels.hard_bp is None:
        return None
    after = cover_of(tx, pool, more_points=points)
    if after.state is not CoverState.STOPPED:
        return None
    worth = format_yuan(after.worth_fen or 0)
    return Refused(
        AwardProblem.NOT_COVERED,
        f"资金不足，暂停发放积分：发放后积分值 {worth} 元，积分池有 {format_yuan(after.fund_fen)} 元，"
        "低于停发线；请先补充资金，或调整停发线"
        f" / not covered: points would be worth {worth} yuan and the fund has"
        f" {format_yuan(after.fund_fen)}; bring money in, or change the hard level",
    )
