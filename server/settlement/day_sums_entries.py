"""What some entries moved on merchants' accounts, and in what they agree: one question's parts."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Select,
    Subquery,
    Text,
    and_,
    case,
    cast,
    func,
    literal,
    null,
    or_,
    select,
    true,
    union_all,
)

from server.directory.tables import terminal as terminal_table
from server.ledger.tables import entry as entry_table
from server.ledger.tables import transfer as transfer_table
from server.redemption.tables import declared_takings, refund, sale
from server.settlement.day_sums_tables import SUMMED
from server.settlement.figures import (
    DECLARED_CODE,
    OWED,
    REFUND_KEY,
    SALE_KEY,
    SHARE_CODE,
    accounts_of,
)
from server.settlement.tables import settlement_run

SALE_KIND, REFUND_KIND, DECLARED_KIND = "sale", "refund", "declared"
TRADE = (SALE_KIND, REFUND_KIND, DECLARED_KIND)
"""Kinds of entries whose contract counts: what happened in a shop."""
DECLARED_SOURCE = "declared"

_OWED_PREFIX, _TAKINGS, _REDEEMED, _RETURNED = (account for account, _ in accounts_of(""))
_PREFIXES = (_OWED_PREFIX, _TAKINGS, _REDEEMED, _RETURNED)
_OF_ENTRY = ("entry_no", "business_date", "kind", "key", "memo", "fact_no")


def legs_of(within: ColumnElement[bool]) -> Subquery:
    """Each side of a transfer that is on a merchant's account, with its entry; ``within`` says
    which entries. ``prefix`` is what account it is, ``signed`` the amount, above 0 where it was
    credited. What a statement charges is left out: that has its place when it is booked.
    """
    side = union_all(select(literal(1).label("sign")), select(literal(-1))).subquery("side")
    is_credited = side.c.sign == 1
    entry, transfer = entry_table.c, transfer_table.c
    each = (
        select(
            *(entry[name] for name in _OF_ENTRY),
            transfer.pool,
            transfer.transfer_no,
            transfer.code,
            case((is_credited, transfer.credit_account), else_=transfer.debit_account).label(
                "mine"
            ),
            (transfer.amount * side.c.sign).label("signed"),
        )
        .join_from(
            entry_table,
            transfer_table,
            and_(transfer.pool == entry.pool, transfer.entry_no == entry.entry_no),
        )
        .join(side, true())
        .where(within, entry.kind != SHARE_CODE)
        .subquery("side_of")
    )
    mine = each.c.mine
    prefix = case(*((mine.like(f"{each}%"), literal(each)) for each in _PREFIXES))
    whose = case(*((mine.like(f"{each}%"), func.substr(mine, len(each) + 1)) for each in _PREFIXES))
    return (
        select(
            *(each.c[name] for name in (*_OF_ENTRY, "pool", "transfer_no", "code", "signed")),
            prefix.label("prefix"),
            whose.label("merchant"),
        )
        .where(or_(*(mine.like(f"{each}%") for each in _PREFIXES)))
        .offset(0)  # worked out once: databases would put each of these into every sum over them
        .subquery("leg")
    )


def by_entry(legs: Subquery) -> Subquery:
    """One row for each entry and merchant, with what it moved on his accounts."""
    signed = legs.c.signed
    is_cash, is_owed = legs.c.prefix == _TAKINGS, legs.c.prefix == _OWED_PREFIX
    is_declared = legs.c.code == DECLARED_CODE

    def summed(condition: ColumnElement[bool], amount: ColumnElement[Any]) -> ColumnElement[Any]:
        return whole(case((condition, amount), else_=0))

    sums = {
        "takings_fen": summed(and_(is_cash, ~is_declared, signed > 0), signed),
        "takings_returned_fen": summed(and_(is_cash, ~is_declared, signed < 0), -signed),
        "declared_fen": summed(and_(is_cash, is_declared), signed),
        "redeemed_points": summed(legs.c.prefix == _REDEEMED, signed),
        "returned_points": summed(legs.c.prefix == _RETURNED, -signed),
    }
    for code, (name, sign) in OWED.items():
        sums[name] = summed(and_(is_owed, legs.c.code == code), signed * sign)
    odd = and_(is_owed, legs.c.code.not_in(list(OWED)))
    # The number first: by it alone they are nearly in order, which makes grouping cheap.
    agree = [legs.c[name] for name in (*_OF_ENTRY[:1], "merchant", "pool", *_OF_ENTRY[1:])]
    return (
        select(
            *agree,
            func.min(legs.c.transfer_no).label("first_no"),
            func.min(case((odd, legs.c.transfer_no))).label("odd_no"),
            func.aggregate_strings(cast(legs.c.transfer_no, Text), ",").label("transfer_nos"),
            *(sums[name].label(name) for name in SUMMED),
        )
        .group_by(*agree)
        .subquery("moved")
    )


def with_sources(own: Subquery) -> FromClause:
    """Each row of ``own`` with its sale, or the sale that a refund gives back of, and with what
    was declared; all by their keys.
    """
    sale_id = case(
        (own.c.kind == SALE_KIND, func.substr(own.c.key, len(SALE_KEY) + 1)),
        (own.c.kind == REFUND_KIND, own.c.memo),
    )
    declared_key = case((own.c.kind == DECLARED_KIND, own.c.key))
    return (
        own.outerjoin(sale, and_(sale.c.pool == own.c.pool, sale.c.sale_id == sale_id))
        .outerjoin(
            declared_takings,
            and_(declared_takings.c.pool == own.c.pool, declared_takings.c.key == declared_key),
        )
        .outerjoin(
            terminal_table,
            and_(terminal_table.c.pool == own.c.pool, terminal_table.c.terminal == sale.c.terminal),
        )
    )


def opened_before(own: Subquery) -> ColumnElement[Any]:
    """The fact that opened the last run before each row of ``own``; 0 before the first."""
    opened = (
        select(func.max(settlement_run.c.fact_no))
        .where(settlement_run.c.pool == own.c.pool, settlement_run.c.fact_no < own.c.fact_no)
        .scalar_subquery()
    )
    return func.coalesce(opened, 0)


def keys_of(own: Subquery, after_fact: ColumnElement[Any]) -> dict[str, ColumnElement[Any]]:
    """In what rows of ``own`` agree that are summed in one; for :func:`with_sources`."""
    return {
        "merchant": own.c.merchant,
        "business_date": own.c.business_date,
        "terms_day": func.coalesce(sale.c.business_date, own.c.business_date),
        "shop": func.coalesce(terminal_table.c.shop, declared_takings.c.shop, ""),
        "kind": own.c.kind,
        "source": case(
            (own.c.kind == DECLARED_KIND, DECLARED_SOURCE),
            else_=func.coalesce(sale.c.amounts_source, ""),
        ),
        "after_fact": after_fact,
    }


def sums_of(within: ColumnElement[bool], *, after_fact: int | None = None) -> Select[Any]:
    """Entries that agree, added up, under the names of the table of day sums; with the numbers of
    all their transfers as ``transfer_nos``, between commas. ``after_fact``: what opened the last
    run before each of them, where it is the same for all; otherwise it is looked up for each.
    """
    own = by_entry(legs_of(within))
    opened = opened_before(own) if after_fact is None else literal(after_fact, BigInteger)
    keys = keys_of(own, opened)
    keyed = select(
        own.c.pool,
        *(column.label(name) for name, column in keys.items()),
        own.c.first_no,
        own.c.odd_no,
        own.c.transfer_nos,
        _money_points_fen(own).label("money_points_fen"),
        case((_is_lost(own), 1), else_=0).label("lost"),
        *(own.c[name] for name in SUMMED),
    ).select_from(with_sources(own))
    each = keyed.subquery("keyed")
    agree = [each.c.pool, *(each.c[name] for name in keys)]
    columns = {
        **{column.name: column for column in agree},
        "day_sum": func.min(each.c.first_no),
        "entries": func.count(),
        "odd_no": func.min(each.c.odd_no),
        "money_points_fen": whole(each.c.money_points_fen),
        "lost": cast(func.sum(each.c.lost), BigInteger),
        "transfer_nos": func.aggregate_strings(each.c.transfer_nos, ","),
        **{name: whole(each.c[name]) for name in SUMMED},
    }
    named = [column.label(name) for name, column in columns.items()]
    return select(*named).group_by(*agree)


def whole(column: ColumnElement[Any]) -> ColumnElement[int]:
    """A sum as a whole number: PostgreSQL sums 64-bit numbers into decimals."""
    return cast(func.coalesce(func.sum(column), 0), BigInteger)


def _is_lost(own: Subquery) -> ColumnElement[bool]:
    return and_(own.c.kind.in_((SALE_KIND, REFUND_KIND)), sale.c.sale_id.is_(None))


def _money_points_fen(own: Subquery) -> ColumnElement[Any]:
    """What points paid for goods that are priced in money; below 0 for a refund."""
    fen_per_point = func.coalesce(sale.c.fen_per_point, 0)
    given_back = (
        select(refund.c.points_for_money)
        .where(
            refund.c.pool == own.c.pool,
            refund.c.refund_id
            == case(
                (own.c.kind == REFUND_KIND, func.substr(own.c.key, len(REFUND_KEY) + 1)),
                else_=null(),
            ),
        )
        .scalar_subquery()
    )
    return case(
        (own.c.kind == SALE_KIND, func.coalesce(sale.c.points_for_money * fen_per_point, 0)),
        (own.c.kind == REFUND_KIND, -func.coalesce(given_back, 0) * fen_per_point),
        else_=0,
    )
