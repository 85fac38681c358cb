"""What concerns a merchant and stands on no statement yet: summed by the database, not here.

The database reads each transfer once, by the account's index, and adds up by business date,
contract and kind; so that the work grows with the transfers and its answer with the days.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    Subquery,
    and_,
    case,
    cast,
    false,
    func,
    insert,
    literal,
    or_,
    select,
    union_all,
)

from server.directory.values import Contract
from server.ledger.tables import entry as entry_table
from server.ledger.tables import transfer as transfer_table
from server.redemption.tables import refund as refund_table
from server.redemption.tables import sale as sale_table
from server.settlement.figures import (
    DECLARED_CODE,
    OWED,
    REFUND_KEY,
    SALE_KEY,
    accounts_of,
)
from server.settlement.tables import statement_line

SALE_KIND, REFUND_KIND, DECLARED_KIND = "sale", "refund", "declared"
TRADE = (SALE_KIND, REFUND_KIND, DECLARED_KIND)
"""Kinds of entries whose contract counts: what happened in a shop."""
DECLARED_SOURCE = "declared"


@dataclass(frozen=True, slots=True)
class Bucket:
    """Entries of one merchant that agree in their days, contract, kind and source, summed.

    Attributes:
        business_date: the entries' own; it decides the statement.
        terms_day: the day whose terms count: a refund's is that of its sale.
        contract: in force on that day in that shop; None without one, and beside trade.
        in_run: booked before the run was opened.
        first_no, last_no: lowest and highest number of their transfers.
        money_points_fen: what points paid for goods that are priced in money.
        lost: entries whose sale is not in the books.
        odd_no, odd_code: a transfer that no statement has a place for, and its code; or None.
    """

    business_date: date
    terms_day: date
    contract: str | None
    kind: str
    source: str | None
    in_run: bool
    entries: int
    first_no: int
    last_no: int
    money_points_fen: int
    lost: int
    odd_no: int | None
    odd_code: str | None
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
class Unplaced:
    """Whose transfers, from which number on, and which fact opened the run.

    ``contracts`` are the merchant's, ``terminals`` those of his shops, by shop. ``any_placed``:
    he has statements already.
    """

    pool: str
    merchant: str
    opened: int
    run_fact_no: int
    contracts: tuple[Contract, ...]
    terminals: Mapping[str, Sequence[str]]
    any_placed: bool


def buckets(tx: Connection, which: Unplaced) -> list[Bucket]:
    """Everything of the merchant that stands on no statement, in a stable order."""
    own = _by_entry(which)
    entries = _joined(which, own)
    keys: dict[str, ColumnElement[Any]] = {
        "business_date": entry_table.c.business_date,
        "terms_day": _terms_day(),
        "contract": _contract(which),
        "kind": entry_table.c.kind,
        "source": _source(),
        "in_run": entry_table.c.fact_no < which.run_fact_no,
    }
    sums: dict[str, ColumnElement[Any]] = {
        "entries": func.count(),
        "first_no": func.min(own.c.first_no),
        "last_no": func.max(own.c.last_no),
        "odd_no": func.max(own.c.odd_no),
        "odd_code": func.max(own.c.odd_code),
        "money_points_fen": _whole(_money_points_fen(which)),
        "lost": _whole(case((_is_lost(), 1), else_=0)),
    }
    sums |= {name: _whole(own.c[name]) for name in _SUMMED}
    columns = [column.label(name) for name, column in (keys | sums).items()]
    rows = tx.execute(select(*columns).select_from(entries).group_by(*keys.values()))
    found = [Bucket(**{name: row[name] for name in _NAMES}) for row in rows.mappings()]
    return sorted(found, key=_in_order)


def place(
    tx: Connection,
    which: Unplaced,
    statement: str,
    *,
    after: date,
    period_from: date,
    period_through: date,
) -> None:
    """Puts every transfer of the run that belongs to a day later than ``after`` and up to
    ``period_through`` into the statement; those from before ``period_from`` are late.
    """
    own = _transfers(which)
    joined = _joined(which, own)
    rows = (
        select(
            literal(which.pool),
            own.c.transfer_no,
            literal(statement),
            case((entry_table.c.kind.in_(TRADE), _contract(which))),
            entry_table.c.business_date < period_from,
        )
        .select_from(joined)
        .where(_is_due(which, after, period_through))
    )
    names = ["pool", "transfer_no", "statement", "contract", "late"]
    tx.execute(insert(statement_line).from_select(names, rows))


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


def trades(tx: Connection, which: Unplaced, through: date, contracts: Sequence[str]) -> list[Trade]:
    """What happened under these contracts up to a day, in the order of booking."""
    own = _by_entry(which)
    rows = tx.execute(
        select(
            entry_table.c.kind,
            entry_table.c.entry_no,
            entry_table.c.business_date,
            _terms_day().label("terms_day"),
            _contract(which).label("contract"),
            _source().label("source"),
            sale_table.c.sale_id,
            _refund_id().label("refund_id"),
            own.c.declared_fen,
        )
        .select_from(_joined(which, own))
        .where(
            _is_due(which, date.min, through),
            entry_table.c.kind.in_(TRADE),
            _contract(which).in_(contracts),
        )
        .order_by(entry_table.c.entry_no)
    )
    return [
        Trade(
            kind=row.kind,
            entry_no=row.entry_no,
            business_date=row.business_date,
            terms_day=row.terms_day,
            contract=row.contract,
            source=row.source,
            sale_id=row.sale_id or "",
            refund_id=row.refund_id or "",
            declared_fen=row.declared_fen,
        )
        for row in rows
    ]


def _transfers(which: Unplaced) -> Subquery:
    """Transfers on either side of the merchant's accounts that no statement has; `mine` is his
    account, `signed` the amount, above 0 where it was credited.
    """
    accounts = [account for account, _ in accounts_of(which.merchant)]
    assets = sorted({asset.value for _, asset in accounts_of(which.merchant)})
    sides = []
    for mine, sign in (
        (transfer_table.c.credit_account, 1),
        (transfer_table.c.debit_account, -1),
    ):
        side = select(
            transfer_table.c.transfer_no,
            transfer_table.c.entry_no,
            transfer_table.c.code,
            mine.label("mine"),
            (transfer_table.c.amount * sign).label("signed"),
        ).where(
            transfer_table.c.pool == which.pool,
            mine.in_(accounts),
            transfer_table.c.asset.in_(assets),
            transfer_table.c.transfer_no >= which.opened,
        )
        # Whoever has no statement has nothing placed: the first run of all need not look into a
        # table that it fills, and of which the database thinks that it is empty.
        if which.any_placed:
            side = side.where(
                ~select(statement_line.c.transfer_no)
                .where(
                    statement_line.c.pool == which.pool,
                    statement_line.c.transfer_no == transfer_table.c.transfer_no,
                )
                .exists()
            )
        sides.append(side)
    return union_all(*sides).subquery("own")


def _by_entry(which: Unplaced) -> Subquery:
    """One row for each entry, with what it moved on the merchant's accounts."""
    own = _transfers(which)
    owed, takings, redeemed, returned = (account for account, _ in accounts_of(which.merchant))
    cash = own.c.mine == takings
    is_declared = own.c.code == DECLARED_CODE
    signed = own.c.signed
    is_owed = own.c.mine == owed

    def summed(condition: ColumnElement[bool], amount: ColumnElement[Any]) -> ColumnElement[Any]:
        return _whole(case((condition, amount), else_=0))

    sums = {
        "takings_fen": summed(and_(cash, ~is_declared, signed > 0), signed),
        "takings_returned_fen": summed(and_(cash, ~is_declared, signed < 0), -signed),
        "declared_fen": summed(and_(cash, is_declared), signed),
        "redeemed_points": summed(own.c.mine == redeemed, signed),
        "returned_points": summed(own.c.mine == returned, -signed),
    }
    for code, (name, sign) in OWED.items():
        sums[name] = summed(and_(is_owed, own.c.code == code), signed * sign)
    odd = and_(is_owed, own.c.code.not_in(list(OWED)))
    return (
        select(
            own.c.entry_no,
            func.min(own.c.transfer_no).label("first_no"),
            func.max(own.c.transfer_no).label("last_no"),
            func.max(case((odd, own.c.transfer_no))).label("odd_no"),
            func.max(case((odd, own.c.code))).label("odd_code"),
            *(column.label(name) for name, column in sums.items()),
        )
        .group_by(own.c.entry_no)
        .subquery("by_entry")
    )


def _joined(which: Unplaced, own: Subquery) -> FromClause:
    """Each row of ``own`` with its entry and its sale, or the sale that a refund gives back of;
    both by their keys.
    """
    pool = which.pool
    sale_id = case(
        (entry_table.c.kind == SALE_KIND, func.substr(entry_table.c.key, len(SALE_KEY) + 1)),
        (entry_table.c.kind == REFUND_KIND, entry_table.c.memo),
    )
    return own.join(
        entry_table,
        and_(entry_table.c.pool == pool, entry_table.c.entry_no == own.c.entry_no),
    ).outerjoin(sale_table, and_(sale_table.c.pool == pool, sale_table.c.sale_id == sale_id))


def _is_due(which: Unplaced, after: date, through: date) -> ColumnElement[bool]:
    """Whether an entry is in the run and belongs to a day later than ``after``, up to ``through``.

    A CASE, so that no index over days is used for it: a database that plans once for all
    merchants and periods would read every entry of the pool for each of them.
    """
    is_due = and_(
        entry_table.c.business_date > after,
        entry_table.c.business_date <= through,
        entry_table.c.fact_no < which.run_fact_no,
    )
    return case((is_due, 1), else_=0) == 1


def _terms_day() -> ColumnElement[date]:
    return func.coalesce(sale_table.c.business_date, entry_table.c.business_date)


def _contract(which: Unplaced) -> ColumnElement[Any]:
    """The contract in force on the day whose terms count: the shop's own before the merchant's.

    A merchant has few contracts and shops, so they are written into the question: each row is
    decided by itself, whatever the database thinks of the size of tables.
    """
    day = _terms_day()
    cases: list[tuple[ColumnElement[bool], ColumnElement[str]]] = []
    for each in sorted(which.contracts, key=lambda each: each.shop is None):
        in_force = [day >= each.valid_from]
        if each.valid_until is not None:
            in_force.append(day <= each.valid_until)
        if each.shop is not None:
            in_force.append(_is_at(which.terminals.get(each.shop, ())))
        cases.append((and_(*in_force), literal(each.contract)))
    # Without any: no constant, since PostgreSQL does not group by one.
    return case(*cases) if cases else case((entry_table.c.entry_no < 0, literal("")))


def _is_at(terminals: Sequence[str]) -> ColumnElement[bool]:
    """Whether it happened at one of these terminals; a declaration's key names its own."""
    declared = [
        entry_table.c.key.startswith(f"declared:{each}:", autoescape=True) for each in terminals
    ]
    at_sale = sale_table.c.terminal.in_(list(terminals))
    return or_(at_sale, and_(entry_table.c.kind == DECLARED_KIND, or_(false(), *declared)))


def _source() -> ColumnElement[Any]:
    return case(
        (entry_table.c.kind == DECLARED_KIND, DECLARED_SOURCE), else_=sale_table.c.amounts_source
    )


def _is_lost() -> ColumnElement[bool]:
    traded = entry_table.c.kind.in_((SALE_KIND, REFUND_KIND))
    return and_(traded, sale_table.c.sale_id.is_(None))


def _refund_id() -> ColumnElement[Any]:
    is_refund = entry_table.c.kind == REFUND_KIND
    return case((is_refund, func.substr(entry_table.c.key, len(REFUND_KEY) + 1)))


def _money_points_fen(which: Unplaced) -> ColumnElement[Any]:
    fen_per_point = func.coalesce(sale_table.c.fen_per_point, 0)
    given_back = (
        select(refund_table.c.points_for_money)
        .where(refund_table.c.pool == which.pool, refund_table.c.refund_id == _refund_id())
        .scalar_subquery()
    )
    return case(
        (entry_table.c.kind == SALE_KIND, sale_table.c.points_for_money * fen_per_point),
        (entry_table.c.kind == REFUND_KIND, -func.coalesce(given_back, 0) * fen_per_point),
        else_=0,
    )


def _whole(column: ColumnElement[Any]) -> ColumnElement[int]:
    """A sum as a whole number: PostgreSQL sums 64-bit numbers into decimals."""
    return cast(func.coalesce(func.sum(column), 0), BigInteger)


def _in_order(each: Bucket) -> tuple[object, ...]:
    return (
        each.business_date,
        each.terms_day,
        each.contract or "",
        each.kind,
        each.source or "",
        each.in_run,
    )


_NAMES = tuple(each.name for each in fields(Bucket))
_SUMMED = (
    "takings_fen",
    "takings_returned_fen",
    "declared_fen",
    "redeemed_points",
    "returned_points",
    *(name for name, _ in OWED.values()),
)
