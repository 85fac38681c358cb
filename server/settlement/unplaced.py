"""What concerns a merchant and stands on no statement yet: his day sums, read and put in place.

His entries are summed ahead (`day_sums`), so that a statement reads a row or a few for each day.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, timedelta
from typing import Any

import sqlalchemy
from sqlalchemy import ColumnElement, Connection, Select, and_, bindparam, func, select, union_all

from server.db.bulk import Row, among, insert_each
from server.directory.values import Contract
from server.ledger.tables import entry as entry_table
from server.ledger.tables import transfer as transfer_table
from server.settlement.day_sums_entries import (
    DECLARED_KIND,
    DECLARED_SOURCE,
    REFUND_KIND,
    SALE_KIND,
    TRADE,
)
from server.settlement.day_sums_tables import SUMMED, day_sum, placement, statement_line
from server.settlement.figures import (
    DECLARED_CODE,
    REFUND_KEY,
    SALE_KEY,
    SHARE_CODE,
)

__all__ = [
    "DECLARED_KIND",
    "DECLARED_SOURCE",
    "REFUND_KIND",
    "SALE_KIND",
    "TRADE",
    "Bucket",
    "Charged",
    "ChargedOn",
    "LeavesOff",
    "Placing",
    "Trade",
    "Unplaced",
    "buckets",
    "charge_rows",
    "place",
    "trades",
]

_DAY = timedelta(days=1)
_AT_ONCE = 1_000
"""Day sums named in one statement."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """A day sum of one merchant; see the table.

    Attributes:
        contract: in force on the day whose terms count, in that shop; None without one, and
            beside trade.
    """

    contract: str | None
    day_sum: int
    business_date: date
    terms_day: date
    shop: str
    kind: str
    source: str
    after_fact: int
    entries: int
    money_points_fen: int
    lost: int
    odd_no: int | None
    takings_fen: int
    takings_returned_fen: int
    declared_fen: int
    redeemed_points: int
    returned_points: int
    reimbursement_fen: int
    reimbursement_returned_fen: int
    fee_fen: int
    adjustment_fen: int
    share_fen: int
    minimum_fen: int
    rent_fen: int
    paid_fen: int
    received_fen: int

    @property
    def is_trade(self) -> bool:
        return self.kind in TRADE

    @property
    def cash_fen(self) -> int:
        return self.takings_fen - self.takings_returned_fen + self.declared_fen


@dataclass(frozen=True, slots=True)
class LeavesOff:
    """Where a merchant's statements leave off: the last day, and the fact that opened the run.

    That run took everything of days up to this one that facts before it had booked, and runs
    follow each other in their days and in their facts. So what stands on no statement yet is
    what belongs to a later day, or was booked by a later fact.
    """

    through: date
    run_fact_no: int


@dataclass(frozen=True, slots=True)
class Unplaced:
    """Whose day sums, and which fact opened the run; with each merchant's contracts, and where
    his statements leave off (``since``, unless he has none).
    """

    pool: str
    run_fact_no: int
    contracts: Mapping[str, Sequence[Contract]]
    since: Mapping[str, LeavesOff]


def buckets(tx: Connection, which: Unplaced, through: date) -> dict[str, list[Bucket]]:
    """By merchant, everything that the run takes and that belongs to a day up to this one, in a
    stable order; on PostgreSQL by one question for all whose statements leave off at the same
    place, and however many statements there are.
    """
    ranked = {
        merchant: _Ranked(sorted(contracts, key=lambda each: each.shop is None))
        for merchant, contracts in which.contracts.items()
    }
    found: dict[str, list[Bucket]] = {merchant: [] for merchant in which.contracts}
    alike: dict[LeavesOff | None, list[str]] = defaultdict(list)
    for merchant in sorted(which.contracts):
        alike[which.since.get(merchant)].append(merchant)
    asked = {"pool": which.pool, "opened": which.run_fact_no, "through": through}
    for since, merchants in alike.items():
        rows = _waiting(tx, merchants, {**asked, **_after(since)})
        for merchant, terms_day, shop, kind, *row in rows:
            contract = ranked[merchant].on(terms_day, shop) if kind in TRADE else None
            found[merchant].append(Bucket(contract, *row))
    return {merchant: sorted(rows, key=_in_order) for merchant, rows in found.items()}


@dataclass(frozen=True, slots=True)
class Charged:
    """What a statement charges under one contract: the transfers, and what they come to."""

    contract: str
    transfer_nos: tuple[int, ...]
    share_fen: int
    minimum_fen: int
    rent_fen: int

    @property
    def day_sum(self) -> int:
        return min(self.transfer_nos)


@dataclass(frozen=True, slots=True)
class ChargedOn:
    """The statement that charges something, and what: in the fact that books it."""

    statement: str
    merchant: str
    business_date: date
    run_fact_no: int
    charged: Sequence[Charged]


@dataclass(frozen=True, slots=True)
class Placing:
    """Day sums that a statement takes, and so each of their transfers."""

    statement: str
    inside: Sequence[Bucket]


def place(
    tx: Connection, pool: str, placed: Sequence[Placing], charges: Sequence[ChargedOn]
) -> None:
    """Puts these day sums on their statements, and those of what the statements charge.

    Raises:
        IntegrityError: one of them stands on a statement already, or is not there.
    """
    numbers: dict[tuple[str, str | None], list[int]] = defaultdict(list)
    for each in placed:
        for own in each.inside:
            numbers[each.statement, own.contract].append(own.day_sum)
    for on in charges:
        for charged in on.charged:
            numbers[on.statement, charged.contract].append(charged.day_sum)
    rows: list[Row] = [
        {
            "pool": pool,
            "day_sum": ",".join(map(str, sums)),
            "statement": statement,
            "contract": contract,
        }
        for (statement, contract), sums in numbers.items()
    ]
    insert_each(tx, placement, rows, listed="day_sum")


def charge_rows(pool: str, charges: Sequence[ChargedOn]) -> tuple[list[Row], list[Row]]:
    """Day sums of what statements charge, and the lines in them."""
    nothing: Row = dict.fromkeys((*SUMMED, "money_points_fen", "lost"), 0)
    sums: list[Row] = []
    lines: list[Row] = []
    for on in charges:
        for each in on.charged:
            own = {
                "pool": pool,
                "day_sum": each.day_sum,
                "merchant": on.merchant,
                "business_date": on.business_date,
                "terms_day": on.business_date,
                "shop": "",
                "kind": SHARE_CODE,
                "source": each.contract,
                "after_fact": on.run_fact_no,
                "entries": 1,
                "share_fen": each.share_fen,
                "minimum_fen": each.minimum_fen,
                "rent_fen": each.rent_fen,
            }
            sums.append({**nothing, **own})
            lines += [
                {"pool": pool, "transfer_no": one, "day_sum": each.day_sum}
                for one in each.transfer_nos
            ]
    return sums, lines


@dataclass(frozen=True, slots=True)
class Trade:
    """A sale, a refund of one, or a declaration, as it stands in the books.

    ``sale_id`` is also that of a refund's sale; "" where there is none. ``declared_fen`` is a
    declaration's difference.
    """

    kind: str
    entry_no: int
    business_date: date
    terms_day: date
    contract: str
    source: str
    sale_id: str
    refund_id: str
    declared_fen: int


def trades(tx: Connection, pool: str, inside: Sequence[Bucket]) -> list[Trade]:
    """What happened in a shop of which these are the day sums, in the order of booking."""
    named = {each.day_sum: each for each in inside if each.is_trade}
    found: dict[int, Trade] = {}
    for some in _parts(sorted(named)):
        which = (statement_line.c.pool == pool, statement_line.c.day_sum.in_(some))
        for row in tx.execute(_MEMBERS.where(*which)):
            found[row.entry_no] = _trade(named[row.day_sum], row)
    return [found[number] for number in sorted(found)]


def _parts(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    for first in range(0, len(numbers), _AT_ONCE):
        yield numbers[first : first + _AT_ONCE]


class _Ranked:
    """A merchant's contracts, a shop's own before those for all of his shops."""

    def __init__(self, ranked: Sequence[Contract]) -> None:
        self._ranked = ranked
        self._found: dict[tuple[date, str], str | None] = {}

    def on(self, day: date, shop: str) -> str | None:
        """The contract in force on the day in that shop, or None."""
        place = (day, shop)
        if place not in self._found:
            fitting = (
                each.contract
                for each in self._ranked
                if each.shop in {None, shop} and each.in_force(day)
            )
            self._found[place] = next(fitting, None)
        return self._found[place]


def _trade(of: Bucket, row: sqlalchemy.Row[Any]) -> Trade:
    sale_id = refund_id = ""
    declared_fen = 0
    if of.kind == SALE_KIND:
        sale_id = row.key.removeprefix(SALE_KEY)
    elif of.kind == REFUND_KIND:
        sale_id, refund_id = row.memo, row.key.removeprefix(REFUND_KEY)
    elif row.code == DECLARED_CODE:
        is_more = row.credit_account.startswith("takings:")
        declared_fen = row.amount if is_more else -row.amount
    return Trade(
        kind=of.kind,
        entry_no=row.entry_no,
        business_date=of.business_date,
        terms_day=of.terms_day,
        contract=of.contract or "",
        source=of.source,
        sale_id=sale_id,
        refund_id=refund_id,
        declared_fen=declared_fen,
    )


def _in_order(each: Bucket) -> tuple[object, ...]:
    return (each.business_date, each.terms_day, each.contract or "", each.day_sum)


_READ = tuple(each.name for each in fields(Bucket) if each.name != "contract")
# Made once: a run asks it again and again.
_TAKEN = select(
    *(day_sum.c[name] for name in ("merchant", "terms_day", "shop", "kind", *_READ))
).where(
    day_sum.c.pool == bindparam("pool"),
    day_sum.c.kind != SHARE_CODE,  # has its place when it is booked
)


def _unsought(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """The same value, by which no index is looked through: the other one of these two conditions
    finds a few rows, this one nearly all of a merchant's past.
    """
    return func.coalesce(column, column)


# Two looks, one by days and one by runs: an "or" of both would read a merchant's whole past.
_BY_DAYS = (
    day_sum.c.business_date.between(bindparam("first"), bindparam("through")),
    _unsought(day_sum.c.after_fact) < bindparam("opened"),
)
_BY_RUNS = (
    day_sum.c.after_fact >= bindparam("seen"),
    day_sum.c.after_fact < bindparam("opened"),
    _unsought(day_sum.c.business_date) < bindparam("first"),
    _unsought(day_sum.c.business_date) <= bindparam("through"),
)
_OF_ONE = day_sum.c.merchant == bindparam("merchant")
_OF_SOME = among(day_sum.c.merchant, "merchants")
_WAITING_OF_ONE, _WAITING_OF_SOME = (
    union_all(_TAKEN.where(whose, *_BY_DAYS), _TAKEN.where(whose, *_BY_RUNS))
    for whose in (_OF_ONE, _OF_SOME)
)


def _waiting(
    tx: Connection, merchants: Sequence[str], asked: Mapping[str, Any]
) -> Iterator[Sequence[Any]]:
    # SQLite takes a pool for ten rows, and would rather read it whole than look a list up in it.
    if tx.dialect.name == "sqlite":
        for merchant in merchants:
            yield from tx.execute(_WAITING_OF_ONE, {**asked, "merchant": merchant}).all()
    else:
        yield from tx.execute(_WAITING_OF_SOME, {**asked, "merchants": merchants}).all()


def _after(since: LeavesOff | None) -> dict[str, Any]:
    """The first day of which nothing stands on a statement yet, and from what fact on earlier
    days have something that does not.
    """
    if since is None:
        return {"first": date.min, "seen": 0}
    return {"first": since.through + _DAY, "seen": since.run_fact_no}


_MEMBERS: Select[Any] = (
    select(
        statement_line.c.day_sum,
        entry_table.c.entry_no,
        entry_table.c.key,
        entry_table.c.memo,
        transfer_table.c.code,
        transfer_table.c.credit_account,
        transfer_table.c.amount,
    )
    .join_from(
        statement_line,
        transfer_table,
        and_(
            transfer_table.c.pool == statement_line.c.pool,
            transfer_table.c.transfer_no == statement_line.c.transfer_no,
        ),
    )
    .join(
        entry_table,
        and_(
            entry_table.c.pool == transfer_table.c.pool,
            entry_table.c.entry_no == transfer_table.c.entry_no,
        ),
    )
)
