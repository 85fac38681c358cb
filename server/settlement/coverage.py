"""Which records of a merchant's terminals a statement rests on, and whether one is missing."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

from sqlalchemy import Connection, and_, select

from protocol.messages import OutcomeKind
from server.directory.tables import shop, terminal
from server.redemption.tables import journal_record
from server.settlement.document_values import CoverageRow
from server.settlement.statements import run_named, statements_of
from server.settlement.values import Statement


def coverage_of(tx: Connection, pool: str, statement: Statement) -> tuple[CoverageRow, ...]:
    """By terminal and epoch: the records that came since the run of the statement before, up to
    this one's. Statements of one run rest on the same records. Missing is what lies between the
    last record that was there before, or the first of all, and the last that came.
    """
    run = run_named(tx, pool, statement.run)
    assert run is not None, f"{statement.statement}: no run {statement.run}"
    since = _run_before(tx, pool, statement)
    rows = tx.execute(
        select(
            journal_record.c.terminal,
            terminal.c.shop,
            journal_record.c.epoch,
            journal_record.c.seq,
            journal_record.c.outcome,
        )
        .join(
            terminal,
            and_(
                terminal.c.pool == journal_record.c.pool,
                terminal.c.terminal == journal_record.c.terminal,
            ),
        )
        .join(shop, and_(shop.c.pool == terminal.c.pool, shop.c.shop == terminal.c.shop))
        .where(
            journal_record.c.pool == pool,
            shop.c.merchant == statement.merchant,
            journal_record.c.fact_no > since,
            journal_record.c.fact_no < run.fact_no,
        )
        .order_by(journal_record.c.epoch, journal_record.c.seq)
    )
    seqs: dict[tuple[str, str, int], list[int]] = defaultdict(list)
    parked: dict[tuple[str, str, int], int] = defaultdict(int)
    for row in rows:
        place = (row.terminal, row.shop, row.epoch)
        seqs[place].append(row.seq)
        parked[place] += row.outcome == OutcomeKind.PARKED.value
    known = {place: _last_before(tx, pool, place, since) for place in seqs}
    return tuple(
        CoverageRow(
            terminal=name,
            shop=of_shop,
            epoch=epoch,
            first_seq=there[0],
            last_seq=there[-1],
            missing=missing_ranges(_joined(known[name, of_shop, epoch], there)),
            parked_count=parked[name, of_shop, epoch],
        )
        for (name, of_shop, epoch), there in sorted(seqs.items())
    )


def _joined(known: int, there: Sequence[int]) -> list[int]:
    """The last number that was there before, and what came above it: what was lost once and came
    now fills a gap of an earlier statement, and makes none on this one.
    """
    return [known, *(each for each in there if each > known)]


def _last_before(tx: Connection, pool: str, place: tuple[str, str, int], since: int) -> int:
    """The highest number of a terminal's epoch that came by a fact; 0 where none had."""
    terminal_id, _, epoch = place
    highest = (
        select(journal_record.c.seq)
        .where(
            journal_record.c.pool == pool,
            journal_record.c.terminal == terminal_id,
            journal_record.c.epoch == epoch,
            journal_record.c.fact_no <= since,
        )
        .order_by(journal_record.c.seq.desc())
        .limit(1)
    )
    return tx.execute(highest).scalar_one_or_none() or 0


def missing_ranges(there: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """The gaps between rising numbers, each with its first and last number."""
    return tuple(
        (before + 1, after - 1) for before, after in pairwise(there) if after != before + 1
    )


def _run_before(tx: Connection, pool: str, statement: Statement) -> int:
    """The fact that opened the run of the merchant's statement before, of another run; or 0."""
    earlier = [
        each
        for each in statements_of(tx, pool, merchant=statement.merchant)
        if each.period_through < statement.period_from and each.run != statement.run
    ]
    if not earlier:
        return 0
    run = run_named(tx, pool, earlier[0].run)
    return run.fact_no if run is not None else 0
