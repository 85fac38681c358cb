"""The worst that offline sales can cost now: computed from the limits and the list in force.

Every terminal that is cut off may give each resident what the list allows, up to the limits;
the pool pays the shop whatever the resident still had. So the loss is at most the sum over the
terminals of min(limit a terminal, sum over the residents of min(limit a resident, allowance)).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, func, select

from protocol.documents import AccountStatus
from server.directory import pool_terms
from server.directory.listing import listed_entries, newest_listing
from server.directory.tables import shop, terminal
from server.facts.tables import fact
from server.redemption.tables import journal_record


@dataclass(frozen=True, slots=True)
class TerminalExposure:
    """One terminal. ``heard_at``: when its newest record came in; None before the first."""

    terminal: str
    shop_name: str
    heard_at: datetime | None
    worst_points: int


@dataclass(frozen=True, slots=True)
class Exposure:
    """All terminals cut off at once, every resident spending everything at each of them.

    ``worst_fen`` is None where a point has no value in money. ``made_at`` is the list's.
    """

    made_at: datetime | None
    residents: int
    per_terminal_points: int
    terminals: Sequence[TerminalExposure]
    worst_points: int
    worst_fen: int | None


def exposure(tx: Connection, pool: str) -> Exposure:
    """The bound that is in force with the newest list of residents that was published."""
    terms = pool_terms(tx, pool)
    listed = newest_listing(tx, pool)
    limits = terms.stand_in
    may_spend = [each for each in listed_entries(tx, pool) if each.status is AccountStatus.ACTIVE]
    together = sum(min(limits.per_resident_points, each.allowance_points) for each in may_spend)
    each_at_most = min(limits.per_terminal_hard_points, together)
    terminals = [
        TerminalExposure(name, shop_name, heard_at, each_at_most)
        for name, shop_name, heard_at in _terminals(tx, pool)
    ]
    worst = each_at_most * len(terminals)
    return Exposure(
        made_at=listed.made_at if listed else None,
        residents=len(may_spend),
        per_terminal_points=each_at_most,
        terminals=terminals,
        worst_points=worst,
        worst_fen=None if terms.fen_per_point is None else worst * terms.fen_per_point,
    )


def _terminals(tx: Connection, pool: str) -> Sequence[tuple[str, str, datetime | None]]:
    heard = (
        select(
            journal_record.c.pool,
            journal_record.c.terminal,
            func.max(journal_record.c.fact_no).label("fact_no"),
        )
        .where(journal_record.c.pool == pool)
        .group_by(journal_record.c.pool, journal_record.c.terminal)
        .subquery()
    )
    rows = tx.execute(
        select(terminal.c.terminal, shop.c.name, fact.c.recorded_at)
        .select_from(
            terminal.join(
                shop, and_(shop.c.pool == terminal.c.pool, shop.c.shop == terminal.c.shop)
            )
            .outerjoin(
                heard,
                and_(heard.c.pool == terminal.c.pool, heard.c.terminal == terminal.c.terminal),
            )
            .outerjoin(fact, and_(fact.c.pool == heard.c.pool, fact.c.fact_no == heard.c.fact_no))
        )
        .where(terminal.c.pool == pool, terminal.c.state == "active")
        .order_by(terminal.c.terminal)
    )
    return [(row.terminal, row.name, row.recorded_at) for row in rows]
