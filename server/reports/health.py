"""Pool health: the fund, what is outstanding, and the closed loop by month and by place.

Every figure is a sum of the ledger's transfers: what came into the fund's account and went out
of it, by the code of the transfer. What cannot be told apart stands in ``other_fen`` and is
never left out, so that the months and the tree add up to the fund's account.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Row,
    Select,
    Table,
    and_,
    case,
    cast,
    func,
    literal,
    or_,
    select,
)

from server.directory import PoolTerms, pool_terms
from server.directory import tables as directory
from server.directory.accounts import (
    POINTS_ISSUED,
    POOL_FUND,
    card_account,
    merchant_account,
    redeemed_account,
    resident_account,
    returned_account,
)
from server.ledger.tables import entry, transfer
from server.redemption.tables import refund, sale
from server.reports.health_values import (
    NO_FLOW,
    Concern,
    Flow,
    Health,
    MonthFlow,
    PlaceFlow,
    Warned,
)
from server.settlement.fund import fund_figures

# Which figure of a flow a transfer counts to, and whether the figure grows by what comes in.
_IN, _OUT = 1, -1
_FIGURES: Mapping[str, tuple[str, int]] = {
    "share": ("share_fen", _IN),
    "share_minimum": ("share_fen", _IN),
    "rent": ("rent_fen", _IN),
    "gift": ("sponsors_fen", _IN),
    "reimbursement": ("reimbursed_fen", _OUT),
    "reimbursement_returned": ("reimbursed_fen", _OUT),
    "fee": ("fees_fen", _OUT),
    "adjustment": ("adjustments_fen", _OUT),
}
_OTHER = ("other_fen", _IN)
_WHOLE_BP = 10_000

_REDEEMED, _RETURNED, _MERCHANT = redeemed_account(""), returned_account(""), merchant_account("")
_AT_SHOPS = ("sale", "refund")
_ENTRY_OF_TRANSFER = and_(entry.c.pool == transfer.c.pool, entry.c.entry_no == transfer.c.entry_no)


@dataclass(frozen=True, slots=True)
class _Period:
    """Business dates, both included."""

    first: date
    last: date


@dataclass(frozen=True, slots=True)
class _Moved:
    """A flow of one day at one place."""

    day: date
    place: str
    flow: Flow


def pool_health(tx: Connection, pool: str, first: date, last: date) -> Health:
    """How the pool did from ``first`` to ``last``, and how it stands now.

    Raises:
        UnknownPool: nobody adopted it.
        ValueError: the period ends before it begins.
    """
    if last < first:
        raise ValueError(f"a period from {first} to {last} has no day")
    terms = pool_terms(tx, pool)
    tree = _tree(tx, pool)
    moved = list(_moved(tx, pool, _Period(first, last), _homes(tx, pool, tree)))
    months = _months(terms, moved)
    figures = fund_figures(tx, pool)
    worth_fen = figures.spendable_worth_fen
    cover_bp = figures.fund_fen * _WHOLE_BP // worth_fen if worth_fen else None
    return Health(
        pool=pool,
        pool_name=terms.name,
        unit_name=terms.unit_name,
        fen_per_point=terms.fen_per_point,
        first=first,
        last=last,
        fund_fen=figures.fund_fen,
        reserve_fen=figures.reserve_fen,
        outstanding_points=figures.spendable_points,
        outstanding_worth_fen=worth_fen,
        cover_bp=cover_bp,
        total=sum((each.flow for each in moved), NO_FLOW),
        months=months,
        places=tuple(_places(tree, moved)),
        warnings=tuple(
            _warnings(
                terms, months, figures.fund_fen, cover_bp, is_loop=_has_inflow(tx, pool, moved)
            )
        ),
    )


def _months(terms: PoolTerms, moved: list[_Moved]) -> tuple[MonthFlow, ...]:
    by_month: dict[str, Flow] = defaultdict(Flow)
    for each in moved:
        by_month[f"{each.day:%Y-%m}"] += each.flow
    return tuple(
        MonthFlow(
            month,
            flow,
            max(0, flow.inflow_fen) // terms.fen_per_point if terms.fen_per_point else None,
        )
        for month, flow in sorted(by_month.items())
    )


def _warnings(
    terms: PoolTerms,
    months: tuple[MonthFlow, ...],
    fund_fen: int,
    cover_bp: int | None,
    *,
    is_loop: bool,
) -> Iterator[Warned]:
    for each in months if is_loop else ():
        warned = _above_inflow(terms, each)
        if warned is not None:
            yield warned
    if fund_fen < 0:
        yield Warned(
            Concern.FUND_BELOW_ZERO,
            "",
            "积分池资金已用完，请补充资金后再付款",
            "the fund is used up: bring money in before paying out",
        )
    if terms.cover is None or cover_bp is None:
        return
    percent = f"{cover_bp / 100:.1f} %"
    if terms.cover.hard_bp is not None and cover_bp < terms.cover.hard_bp:
        yield Warned(
            Concern.COVER_TOO_LOW,
            "",
            f"资金只够支付未用{terms.unit_name}的 {percent}，已低于底线，暂停登记新的奖励",
            f"the fund covers {percent} of what is outstanding, below the hard level: no new awards",
        )
    elif cover_bp < terms.cover.warning_bp:
        yield Warned(
            Concern.COVER_LOW,
            "",
            f"资金只够支付未用{terms.unit_name}的 {percent}，请留意",
            f"the fund covers only {percent} of what is outstanding",
        )


def _above_inflow(terms: PoolTerms, each: MonthFlow) -> Warned | None:
    """Where points are worth money it is counted in points, as the street office does."""
    unit, unit_en = terms.unit_name, terms.unit_name_en
    redeemed, covered = each.flow.redeemed_points, each.covered_points
    if covered is not None and redeemed > covered:
        return Warned(
            Concern.REDEEMED_ABOVE_INFLOW,
            each.month,
            f"{each.month} 兑换了 {redeemed} {unit}，超过当月流入能支付的 {covered} {unit}",
            f"in {each.month} {redeemed} {unit_en} were redeemed; what came in pays for {covered}",
        )
    if covered is None and each.flow.outflow_fen > each.flow.inflow_fen:
        return Warned(
            Concern.REDEEMED_ABOVE_INFLOW,
            each.month,
            f"{each.month} 支出超过流入",
            f"in {each.month} more went out than came in",
        )
    return None


def _has_inflow(tx: Connection, pool: str, moved: list[_Moved]) -> bool:
    """Whether the shops' trade is meant to refill this pool; elsewhere nothing is to be warned of."""
    kinds = directory.shop_kind.c
    pays = tx.execute(
        select(func.count()).where(kinds.pool == pool, or_(kinds.pays_share, kinds.pays_rent))
    ).scalar_one()
    return bool(pays) or any(each.flow.inflow_fen for each in moved)


# ── where money and points move ──


@dataclass(frozen=True, slots=True)
class _Homes:
    """Which place an entry belongs to: a sale's shop, else the merchant, else the whole street."""

    root: str
    of_shop: Mapping[str, str]
    of_merchant: Mapping[str, str]


def _moved(tx: Connection, pool: str, period: _Period, homes: _Homes) -> Iterator[_Moved]:
    shop = directory.terminal.c.shop
    for told, id_column in ((sale, sale.c.sale_id), (refund, refund.c.refund_id)):
        for row in tx.execute(_at_shops(_transfers(pool, period, shop), told, id_column)):
            yield _flow(row, homes.of_shop.get(row.shop, homes.root))
    merchant = _merchant().label("merchant")
    others = _transfers(pool, period, merchant).where(entry.c.kind.not_in(_AT_SHOPS))
    for row in tx.execute(others):
        yield _flow(row, homes.of_merchant.get(row.merchant.partition(":")[2], homes.root))
    for row in tx.execute(_awards(pool, period)):
        place = homes.root if row.place is None else row.place
        yield _Moved(row.business_date, place, Flow(awarded_points=int(row.points)))


def _flow(row: Row[Any], place: str) -> _Moved:
    figure, grows_by = _FIGURES.get(row.code, _OTHER)
    flow = Flow(**{figure: grows_by * int(row.into_fund_fen)})
    return _Moved(row.business_date, place, flow + Flow(redeemed_points=int(row.redeemed)))


def _transfers(
    pool: str, period: _Period, *columns: ColumnElement[str]
) -> Select[*tuple[Any, ...]]:
    """What went into the fund and what was redeemed, summed by business date, code and
    ``columns``: as many rows as there are days and shops, however many sales there were.
    """
    debit, credit, amount = transfer.c.debit_account, transfer.c.credit_account, transfer.c.amount
    into_fund = case((credit == POOL_FUND, amount), (debit == POOL_FUND, -amount), else_=0)
    is_redeemed, is_returned = credit.startswith(_REDEEMED), debit.startswith(_RETURNED)
    redeemed = case((is_redeemed, amount), (is_returned, -amount), else_=0)
    return (
        select(
            entry.c.business_date,
            transfer.c.code,
            *columns,
            cast(func.sum(into_fund), BigInteger).label("into_fund_fen"),
            cast(func.sum(redeemed), BigInteger).label("redeemed"),
        )
        .select_from(transfer)
        .join(entry, _ENTRY_OF_TRANSFER)
        .where(
            transfer.c.pool == pool,
            entry.c.business_date.between(period.first, period.last),
            or_(credit == POOL_FUND, debit == POOL_FUND, is_redeemed, is_returned),
        )
        .group_by(entry.c.business_date, transfer.c.code, *columns)
    )


def _merchant() -> ColumnElement[str]:
    debit, credit = transfer.c.debit_account, transfer.c.credit_account
    return case(
        (debit.startswith(_MERCHANT), debit), (credit.startswith(_MERCHANT), credit), else_=""
    )


def _at_shops(
    found: Select[*tuple[Any, ...]], told: Table, id_column: ColumnElement[str]
) -> Select[*tuple[Any, ...]]:
    return found.join(
        told, and_(told.c.pool == entry.c.pool, entry.c.key == literal(f"{told.name}:") + id_column)
    ).join(
        directory.terminal,
        and_(
            directory.terminal.c.pool == told.c.pool,
            directory.terminal.c.terminal == told.c.terminal,
        ),
    )


def _awards(pool: str, period: _Period) -> Select[*tuple[Any, ...]]:
    """Points issued less those taken back, where the person is at home or the card was given out."""
    debit, credit, amount = transfer.c.debit_account, transfer.c.credit_account, transfer.c.amount
    resident, card = directory.resident.c, directory.bearer_card.c
    holder = case((debit == POINTS_ISSUED, credit), else_=debit)
    place = func.coalesce(resident.place, card.place).label("place")
    issued = case((debit == POINTS_ISSUED, amount), else_=-amount)
    return (
        select(entry.c.business_date, place, cast(func.sum(issued), BigInteger).label("points"))
        .select_from(transfer)
        .join(entry, _ENTRY_OF_TRANSFER)
        .outerjoin(
            directory.resident,
            and_(resident.pool == pool, holder == literal(resident_account("")) + resident.account),
        )
        .outerjoin(
            directory.bearer_card,
            and_(card.pool == pool, holder == literal(card_account("")) + card.card_id),
        )
        .where(
            transfer.c.pool == pool,
            entry.c.business_date.between(period.first, period.last),
            or_(debit == POINTS_ISSUED, credit == POINTS_ISSUED),
        )
        .group_by(entry.c.business_date, place)
    )


# ── the tree ──


@dataclass(frozen=True, slots=True)
class _Node:
    place: str
    kind: str
    name: str
    parent: str | None
    depth: int


def _tree(tx: Connection, pool: str) -> tuple[_Node, ...]:
    """Every place after the one that it lies in, brothers by id; the first is the root."""
    places = directory.place.c
    rows = tx.execute(select(directory.place).where(places.pool == pool)).all()
    below: dict[str | None, list[Row[Any]]] = defaultdict(list)
    for row in sorted(rows, key=lambda each: each.place):
        below[row.parent].append(row)
    found: list[_Node] = []
    waiting = [(row, 0) for row in reversed(below[None])]
    while waiting:
        row, depth = waiting.pop()
        found.append(_Node(row.place, row.kind, row.name, row.parent, depth))
        waiting += [(child, depth + 1) for child in reversed(below[row.place])]
    return tuple(found)


def _homes(tx: Connection, pool: str, tree: tuple[_Node, ...]) -> _Homes:
    shops = tx.execute(select(directory.shop).where(directory.shop.c.pool == pool)).all()
    parent = {each.place: each.parent for each in tree}
    of_merchant: dict[str, str] = {}
    for shop in shops:
        known = of_merchant.get(shop.merchant)
        of_merchant[shop.merchant] = (
            shop.place if known is None else _both(parent, known, shop.place)
        )
    return _Homes(
        root=tree[0].place,
        of_shop={each.shop: each.place for each in shops},
        of_merchant=of_merchant,
    )


def _both(parent: Mapping[str, str | None], one: str, other: str) -> str:
    """The smallest place that both lie in."""
    above: set[str | None] = set()
    at: str | None = one
    while at is not None:
        above.add(at)
        at = parent[at]
    while other not in above:
        other = parent[other] or other
    return other


def _places(tree: tuple[_Node, ...], moved: list[_Moved]) -> Iterator[PlaceFlow]:
    own: dict[str, Flow] = defaultdict(Flow)
    for each in moved:
        own[each.place] += each.flow
    total: dict[str, Flow] = {each.place: own.get(each.place, NO_FLOW) for each in tree}
    for node in reversed(tree):
        if node.parent is not None:
            total[node.parent] += total[node.place]
    for node in tree:
        yield PlaceFlow(
            place=node.place,
            kind=node.kind,
            name=node.name,
            parent=node.parent,
            depth=node.depth,
            own=own.get(node.place, NO_FLOW),
            total=total[node.place],
        )
