"""I8, the day sums: each is what its transfers come to, and nothing that is summed was left out."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, RowMapping, and_, func, or_, select

from server.db.paging import key_pages, streamed
from server.db.violation import Violation
from server.ledger.tables import entry, transfer
from server.settlement.day_sums import summed_upto
from server.settlement.day_sums_entries import sums_of
from server.settlement.day_sums_tables import KEY, SUMMED, day_sum, statement_line
from server.settlement.figures import MINIMUM_CODE, RENT_CODE, SHARE_CODE, accounts_of

_COMPARED = ("entries", "money_points_fen", *SUMMED, "lost")
_CHARGES = {"share_fen": SHARE_CODE, "minimum_fen": MINIMUM_CODE, "rent_fen": RENT_CODE}


def check_day_sums(tx: Connection, pool: str, merchant: str) -> Iterator[Violation]:
    """Every day sum of a merchant, added up again from the entries whose transfers are in it."""
    mine = (day_sum.c.pool == pool, day_sum.c.merchant == merchant)
    for page in key_pages(tx, day_sum.c.day_sum, pool, day_sum.c.merchant == merchant, rows=100):
        told = {
            tuple(row[name] for name in KEY): row
            for row in tx.execute(
                select(day_sum).where(*mine, page.within(), day_sum.c.kind != SHARE_CODE)
            ).mappings()
        }
        again = {
            tuple(row[name] for name in KEY): row
            for row in tx.execute(
                sums_of(_in_page(pool, merchant, page.first, page.last))
            ).mappings()
            if row["merchant"] == merchant
        }
        for key in sorted({*told, *again}, key=str):
            yield from _compared(pool, merchant, told.get(key), again.get(key))
    yield from _check_charges(tx, pool, merchant)


def check_summed(tx: Connection, pool: str) -> Iterator[Violation]:
    """Every transfer of a merchant, up to where the pool is summed, is in a day sum."""
    prefixes = [account for account, _ in accounts_of("")]
    sides = (transfer.c.debit_account, transfer.c.credit_account)
    upto = summed_upto(tx, pool)
    for page in key_pages(tx, transfer.c.transfer_no, pool):
        missing = (
            select(transfer.c.transfer_no, entry.c.key)
            .join(
                entry,
                and_(entry.c.pool == transfer.c.pool, entry.c.entry_no == transfer.c.entry_no),
            )
            .outerjoin(
                statement_line,
                and_(
                    statement_line.c.pool == transfer.c.pool,
                    statement_line.c.transfer_no == transfer.c.transfer_no,
                ),
            )
            .where(
                transfer.c.pool == pool,
                page.within(),
                statement_line.c.transfer_no.is_(None),
                or_(transfer.c.entry_no <= upto, entry.c.kind == SHARE_CODE),
                or_(*(side.like(f"{each}%") for side in sides for each in prefixes)),
            )
            .order_by(transfer.c.transfer_no)
        )
        for row in streamed(tx, missing):
            where = f"transfer {row.transfer_no} ({row.key})"
            yield _violation(pool, where, "is in no day sum")


def _in_page(pool: str, merchant: str, first: int, last: int) -> Any:
    """Entries of which a transfer is in one of these day sums."""
    inside = (
        select(transfer.c.entry_no)
        .join(
            statement_line,
            and_(
                statement_line.c.pool == transfer.c.pool,
                statement_line.c.transfer_no == transfer.c.transfer_no,
            ),
        )
        .join(
            day_sum,
            and_(
                day_sum.c.pool == statement_line.c.pool,
                day_sum.c.day_sum == statement_line.c.day_sum,
            ),
        )
        .where(
            day_sum.c.pool == pool,
            day_sum.c.merchant == merchant,
            day_sum.c.day_sum.between(first, last),
        )
    )
    return and_(entry.c.pool == pool, entry.c.entry_no.in_(inside))


def _compared(
    pool: str, merchant: str, told: RowMapping | None, again: RowMapping | None
) -> Iterator[Violation]:
    if told is None:
        assert again is not None
        says = "sums entries that agree in nothing with it"
        yield _violation(pool, f"day sum {again['day_sum']} of {merchant}", says)
        return
    where = f"day sum {told['day_sum']} of {merchant}, {told['business_date']}"
    if again is None:
        yield _violation(pool, where, "no transfer is in it")
        return
    differing = [
        f"{name} is {told[name]}, its transfers say {again[name]}"
        for name in ("day_sum", *_COMPARED)
        if told[name] != again[name]
    ]
    if differing:
        yield _violation(pool, where, ", ".join(differing))


def _check_charges(tx: Connection, pool: str, merchant: str) -> Iterator[Violation]:
    """What a statement charged is what its legs moved from the merchant to the fund."""
    owed = accounts_of(merchant)[0][0]
    rows = tx.execute(
        select(
            day_sum.c.day_sum,
            day_sum.c.business_date,
            *(day_sum.c[name] for name in _CHARGES),
            transfer.c.code,
            func.sum(transfer.c.amount).filter(transfer.c.debit_account == owed).label("debited"),
            func.sum(transfer.c.amount).filter(transfer.c.credit_account == owed).label("credited"),
        )
        .join(
            statement_line,
            and_(
                statement_line.c.pool == day_sum.c.pool,
                statement_line.c.day_sum == day_sum.c.day_sum,
            ),
        )
        .join(
            transfer,
            and_(
                transfer.c.pool == statement_line.c.pool,
                transfer.c.transfer_no == statement_line.c.transfer_no,
            ),
        )
        .where(
            day_sum.c.pool == pool,
            day_sum.c.merchant == merchant,
            day_sum.c.kind == SHARE_CODE,
        )
        .group_by(
            day_sum.c.day_sum,
            day_sum.c.business_date,
            *(day_sum.c[name] for name in _CHARGES),
            transfer.c.code,
        )
        .order_by(day_sum.c.day_sum, transfer.c.code)
    )
    moved: dict[int, dict[str, int]] = {}
    told: dict[int, RowMapping] = {}
    for row in rows.mappings():
        told[row["day_sum"]] = row
        fen = int(row["debited"] or 0) - int(row["credited"] or 0)
        moved.setdefault(row["day_sum"], {})[row["code"]] = fen
    for number, row in told.items():
        for name, code in _CHARGES.items():
            is_now, says = row[name], moved[number].get(code, 0)
            if is_now != says:
                yield _violation(
                    pool,
                    f"day sum {number} of {merchant}, {row['business_date']}",
                    f"{name} is {is_now}, its transfers say {says}",
                )


def _violation(pool: str, where: str, says: str) -> Violation:
    return Violation("I8", f"pool {pool}, {where}", says)
