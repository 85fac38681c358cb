"""Where a terminal's chain is another than ours: kept as it was found, and shown to the operator."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, func, insert, select

from server.facts import FactStamp
from server.facts.tables import fact
from server.redemption.chain_tables import (
    BY_OPERATOR,
    difference_decision,
    journal_difference,
    terminal_epoch,
)

LISTED_MAX = 1_000
KEPT_OF_STARTS_MAX = 100
"""Of one terminal that was not let go on since. A storage that falls back at every start has another
head each time, and whoever has a copied card makes them up: the rest says nothing new, and would
push the other terminals' off the list."""
HANDED_OVER: Final = "recover_record"
"""The fact of a record that another hand than the serving program brought."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference as the operator sees it.

    ``open``: the terminal was not let go on since; or, of a record that another terminal or a
    stick ``handed_over``, the office has not ``decided`` about it (how a booking came out, or
    "left"; else empty).
    """

    terminal: str
    epoch: int
    seq: int
    here_hash: str
    there_hash: str
    there_body: bytes | None
    says: str
    found_at: datetime
    open: bool
    handed_over: bool
    decided: str


def is_known_difference(
    tx: Connection, pool: str, terminal: str, place: tuple[int, int], there_hash: str
) -> bool:
    """Whether a terminal's record at ``place`` is kept as another than ours."""
    epoch, seq = place
    same = select(journal_difference.c.fact_no).where(
        journal_difference.c.pool == pool,
        journal_difference.c.terminal == terminal,
        journal_difference.c.epoch == epoch,
        journal_difference.c.seq == seq,
        journal_difference.c.there_hash == there_hash,
    )
    return tx.execute(same).first() is not None


def keep_difference(
    tx: Connection,
    stamp: FactStamp,
    terminal: str,
    place: tuple[int, int],
    *,
    here_hash: str,
    there_hash: str,
    there_body: bytes | None,
    boot_id: str,
    says: str,
) -> bool:
    """Keep how a terminal's record at ``place`` is another than ours; False where it is kept."""
    if is_known_difference(tx, stamp.pool, terminal, place, there_hash):
        return False
    epoch, seq = place
    tx.execute(
        insert(journal_difference).values(
            pool=stamp.pool,
            terminal=terminal,
            fact_no=stamp.fact_no,
            epoch=epoch,
            seq=seq,
            here_hash=here_hash,
            there_hash=there_hash,
            there_body=there_body,
            boot_id=boot_id,
            says=says,
        )
    )
    return True


def are_enough_kept(tx: Connection, pool: str, terminal: str) -> bool:
    """Whether no more of what this terminal's own starts tell is kept until an operator lets it
    go on. It is refused all the same.
    """
    let_go_on = (
        select(func.coalesce(func.max(terminal_epoch.c.fact_no), 0))
        .where(
            terminal_epoch.c.pool == pool,
            terminal_epoch.c.terminal == terminal,
            terminal_epoch.c.opened_by == BY_OPERATOR,
        )
        .scalar_subquery()
    )
    of_starts = (
        select(func.count())
        .select_from(journal_difference)
        .join(
            fact,
            (fact.c.pool == journal_difference.c.pool)
            & (fact.c.fact_no == journal_difference.c.fact_no),
        )
        .where(
            journal_difference.c.pool == pool,
            journal_difference.c.terminal == terminal,
            journal_difference.c.fact_no > let_go_on,
            fact.c.kind != HANDED_OVER,
        )
    )
    return tx.execute(of_starts).scalar_one() >= KEPT_OF_STARTS_MAX


def highest_epoch_there(tx: Connection, pool: str, terminal: str) -> int:
    """The highest epoch in which a terminal was found to differ; 0 where it never was."""
    highest = tx.execute(
        select(func.max(journal_difference.c.epoch)).where(
            journal_difference.c.pool == pool, journal_difference.c.terminal == terminal
        )
    ).scalar()
    return highest or 0


def differences(
    tx: Connection, pool: str, terminal: str | None = None, limit: int = LISTED_MAX
) -> Sequence[Difference]:
    """What was found, newest first."""
    wanted = (
        select(
            journal_difference,
            fact.c.recorded_at,
            fact.c.kind,
            func.coalesce(difference_decision.c.outcome, "").label("decided"),
        )
        .join(
            fact,
            (fact.c.pool == journal_difference.c.pool)
            & (fact.c.fact_no == journal_difference.c.fact_no),
        )
        .outerjoin(
            difference_decision,
            (difference_decision.c.pool == journal_difference.c.pool)
            & (difference_decision.c.terminal == journal_difference.c.terminal)
            & (difference_decision.c.found_no == journal_difference.c.fact_no),
        )
        .where(journal_difference.c.pool == pool)
        .order_by(journal_difference.c.fact_no.desc())
        .limit(limit)
    )
    if terminal is not None:
        wanted = wanted.where(journal_difference.c.terminal == terminal)
    reopened = {
        row.terminal: row.fact_no
        for row in tx.execute(
            select(terminal_epoch)
            .where(terminal_epoch.c.pool == pool, terminal_epoch.c.opened_by == BY_OPERATOR)
            .order_by(terminal_epoch.c.fact_no)
        )
    }
    return [
        Difference(
            terminal=row.terminal,
            epoch=row.epoch,
            seq=row.seq,
            here_hash=row.here_hash,
            there_hash=row.there_hash,
            there_body=row.there_body,
            says=row.says,
            found_at=row.recorded_at,
            open=not row.decided
            if row.kind == HANDED_OVER
            else reopened.get(row.terminal, 0) < row.fact_no,
            handed_over=row.kind == HANDED_OVER,
            decided=row.decided,
        )
        for row in tx.execute(wanted)
    ]
