"""Points awarded, redeemed and returned, by place, by rule and by shop.

Every figure is a sum of the ledger's transfers, so that each report adds up to the ledger: what
cannot be told apart stands in a row of its own and is never left out.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    func,
    literal,
    or_,
    select,
)

from server.awards.tables import award, awarder
from server.directory import tables as directory
from server.directory.accounts import (
    OPENING_POINTS,
    POINTS_ISSUED,
    redeemed_account,
    returned_account,
)
from server.ledger import Asset
from server.ledger.tables import entry, transfer
from server.redemption.tables import refund, sale

_AWARD_KEY = "award:"
_PAGE_ROWS = 500
_REDEEMED = redeemed_account("")
_RETURNED = returned_account("")


@dataclass(frozen=True, slots=True)
class Period:
    """Business dates, both included; None is open."""

    first: date | None = None
    last: date | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """Points, each less what was taken back of it. ``opening``: brought in from paper cards."""

    awarded: int = 0
    opening: int = 0
    redeemed: int = 0
    returned: int = 0

    def __add__(self, other: "Figures") -> "Figures":
        return Figures(
            self.awarded + other.awarded,
            self.opening + other.opening,
            self.redeemed + other.redeemed,
            self.returned + other.returned,
        )


NOTHING = Figures()


@dataclass(frozen=True, slots=True)
class PlaceRow:
    """A node of the tree. ``own`` is of the people of the node itself, ``total`` with all below.

    ``depth`` counts from 0, the root's. What belongs to nobody's place is the root's own.
    """

    place: str
    kind: str
    name: str
    parent: str | None
    depth: int
    own: Figures
    total: Figures


@dataclass(frozen=True, slots=True)
class RuleRow:
    """An award rule, by the category of its newest award; an empty id is points without a rule."""

    rule_id: str
    category: str
    figures: Figures


@dataclass(frozen=True, slots=True)
class ShopRow:
    """A shop, with the merchant's and the place's id."""

    shop: str
    name: str
    merchant: str
    place: str
    figures: Figures


RESIDENT_ROLE = "resident"
CARD_ROLE = "card"


@dataclass(frozen=True, slots=True)
class RoleRow:
    """What holders are: a role of those who award, ``resident`` or ``card``; and how many."""

    role: str
    holders: int
    figures: Figures


def by_place(tx: Connection, pool: str, period: Period) -> list[PlaceRow]:
    """The tree from its root, each node before those below it, brothers by id."""
    nodes = {
        row.place: row
        for row in tx.execute(
            select(directory.place)
            .where(directory.place.c.pool == pool)
            .order_by(directory.place.c.place)
        )
    }
    children: dict[str | None, list[str]] = defaultdict(list)
    for place, node in nodes.items():
        children[node.parent].append(place)
    (root,) = children[None]
    home = _homes(tx, pool)
    own: dict[str, Figures] = defaultdict(Figures)
    for person, figures in _by_person(tx, pool, period):
        own[home.get(person, root)] += figures
    in_order = list(_descend(children, root, 0))
    total: dict[str, Figures] = {}
    for place, _ in reversed(in_order):
        total[place] = sum(
            (total[child] for child in children.get(place, [])), own.get(place, NOTHING)
        )
    return [
        PlaceRow(
            place=place,
            kind=nodes[place].kind,
            name=nodes[place].name,
            parent=nodes[place].parent,
            depth=depth,
            own=own.get(place, NOTHING),
            total=total[place],
        )
        for place, depth in in_order
    ]


def by_rule(tx: Connection, pool: str, period: Period) -> list[RuleRow]:
    """Points awarded by each rule that awarded any, by id; what has no rule comes first."""
    found: dict[str, Figures] = defaultdict(Figures)
    for rule, points in _awarded(tx, pool, period):
        found[rule] += Figures(awarded=points)
    for points in _opened(tx, pool, period):
        found[""] += Figures(opening=points)
    categories = _categories(tx, pool)
    return [RuleRow(rule, categories.get(rule, ""), found[rule]) for rule in sorted(found)]


def by_role(tx: Connection, pool: str, period: Period) -> list[RoleRow]:
    """Points by what their holders are, by role; each holder is in one row, so it adds up.

    Staff who earn are told by their role, everybody else is a resident, and a denominated card
    is nobody's. Roles are those of now: somebody who retired is a resident again.
    """
    roles = _roles(tx, pool)
    people: dict[str, set[str]] = defaultdict(set)
    found: dict[str, Figures] = defaultdict(Figures)
    for person, figures in _by_person(tx, pool, period):
        role = roles.get(person, RESIDENT_ROLE)
        found[role] += figures
        people[role].add(person)
    return [RoleRow(role, len(people[role]), found[role]) for role in sorted(found)]


def by_shop(tx: Connection, pool: str, period: Period) -> list[ShopRow]:
    """Points redeemed and returned at each shop, by id; shops without any are there as well."""
    found: dict[str, Figures] = defaultdict(Figures)
    for shop, figures in _at_shops(tx, pool, period):
        found[shop] += figures
    rows = tx.execute(
        select(directory.shop).where(directory.shop.c.pool == pool).order_by(directory.shop.c.shop)
    )
    return [
        ShopRow(row.shop, row.name, row.merchant, row.place, found.get(row.shop, NOTHING))
        for row in rows
    ]


def _descend(
    children: Mapping[str | None, list[str]], place: str, depth: int
) -> Iterator[tuple[str, int]]:
    yield place, depth
    for child in children.get(place, []):
        yield from _descend(children, child, depth + 1)


def _homes(tx: Connection, pool: str) -> dict[str, str]:
    """Where the holder of each account is at home; a bearer's card, where it was given out."""
    people, cards = directory.resident.c, directory.bearer_card.c
    homes = {
        row.account: row.place
        for row in tx.execute(select(people.account, people.place).where(people.pool == pool))
    }
    given_out = tx.execute(select(cards.card_id, cards.place).where(cards.pool == pool))
    return homes | {row.card_id: row.place for row in given_out}


def _categories(tx: Connection, pool: str) -> dict[str, str]:
    """What each rule's newest award was called; an award keeps the name that it was given by."""
    newest = (
        select(award.c.rule_id, func.max(award.c.fact_no).label("fact_no"))
        .where(award.c.pool == pool)
        .group_by(award.c.rule_id)
        .subquery()
    )
    rows = tx.execute(
        select(award.c.rule_id, award.c.category)
        .join(newest, award.c.fact_no == newest.c.fact_no)
        .where(award.c.pool == pool)
    )
    return {row.rule_id: row.category for row in rows}


def _roles(tx: Connection, pool: str) -> dict[str, str]:
    """The role of each account that is not just a resident's; of several, the first id's."""
    cards = directory.bearer_card.c
    roles = dict.fromkeys(
        tx.execute(select(cards.card_id).where(cards.pool == pool)).scalars(), CARD_ROLE
    )
    staff = tx.execute(
        select(awarder.c.account, awarder.c.role)
        .where(awarder.c.pool == pool, awarder.c.account.is_not(None), ~awarder.c.retired)
        .order_by(awarder.c.awarder.desc())
    )
    return roles | {row.account: row.role for row in staff}


def _points(pool: str, period: Period, *columns: ColumnElement[str]) -> Select[*tuple[Any, ...]]:
    """Transfers of points with their entries, summed over ``columns``."""
    which = [
        transfer.c.pool == pool,
        transfer.c.asset == Asset.POINTS.value,
    ]
    if period.first is not None:
        which.append(entry.c.business_date >= period.first)
    if period.last is not None:
        which.append(entry.c.business_date <= period.last)
    return (
        select(*columns, func.sum(transfer.c.amount).label("points"))
        .join(
            entry,
            and_(entry.c.pool == transfer.c.pool, entry.c.entry_no == transfer.c.entry_no),
        )
        .where(*which)
        .group_by(*columns)
    )


def _by_person(tx: Connection, pool: str, period: Period) -> Iterator[tuple[str, Figures]]:
    debit, credit = transfer.c.debit_account, transfer.c.credit_account
    grouped = _points(pool, period, debit, credit).where(
        or_(
            debit.in_((POINTS_ISSUED, OPENING_POINTS)),
            credit.in_((POINTS_ISSUED, OPENING_POINTS)),
            credit.startswith(_REDEEMED),
            debit.startswith(_RETURNED),
        )
    )
    for row in tx.execute(grouped):
        points = int(row.points)
        if row.credit_account.startswith(_REDEEMED):
            yield _holder(row.debit_account), Figures(redeemed=points)
        elif row.debit_account.startswith(_RETURNED):
            yield _holder(row.credit_account), Figures(returned=points)
        elif row.debit_account in {POINTS_ISSUED, OPENING_POINTS}:
            yield _holder(row.credit_account), _in(row.debit_account, points)
        else:
            yield _holder(row.debit_account), _in(row.credit_account, -points)


def _holder(account: str) -> str:
    return account.partition(":")[2]


def _in(source: str, points: int) -> Figures:
    return Figures(awarded=points) if source == POINTS_ISSUED else Figures(opening=points)


def _awarded(tx: Connection, pool: str, period: Period) -> Iterator[tuple[str, int]]:
    """Points by rule, the empty one where no award can be named; taken back ones are negative."""
    is_awards_own = and_(
        award.c.pool == entry.c.pool, entry.c.key == literal(_AWARD_KEY) + award.c.award_id
    )
    own = (
        _points(pool, period, award.c.rule_id)
        .join(award, is_awards_own)
        .where(transfer.c.debit_account == POINTS_ISSUED)
    )
    for row in tx.execute(own):
        yield row.rule_id, int(row.points)
    others = (
        _points(pool, period, entry.c.key, transfer.c.debit_account)
        .outerjoin(award, is_awards_own)
        .where(
            or_(
                transfer.c.credit_account == POINTS_ISSUED,
                and_(transfer.c.debit_account == POINTS_ISSUED, award.c.award_id.is_(None)),
            )
        )
    )
    for page in _pages(tx.execute(others)):
        # What takes an award back has a key that ends in the award's own id.
        named = {row.key.partition(":")[2] for row in page}
        rules = {
            row.award_id: row.rule_id
            for row in tx.execute(
                select(award.c.award_id, award.c.rule_id).where(
                    award.c.pool == pool, award.c.award_id.in_(named)
                )
            )
        }
        for row in page:
            sign = 1 if row.debit_account == POINTS_ISSUED else -1
            yield rules.get(row.key.partition(":")[2], ""), sign * int(row.points)


def _opened(tx: Connection, pool: str, period: Period) -> Iterator[int]:
    for side, sign in ((transfer.c.debit_account, 1), (transfer.c.credit_account, -1)):
        for row in tx.execute(_points(pool, period, side).where(side == OPENING_POINTS)):
            yield sign * int(row.points)


def _at_shops(tx: Connection, pool: str, period: Period) -> Iterator[tuple[str, Figures]]:
    shop = directory.terminal.c.shop
    for told, id_column, moved, is_return in (
        (sale, sale.c.sale_id, transfer.c.credit_account.startswith(_REDEEMED), False),
        (refund, refund.c.refund_id, transfer.c.debit_account.startswith(_RETURNED), True),
    ):
        grouped = (
            _points(pool, period, shop)
            .join(
                told,
                and_(
                    told.c.pool == entry.c.pool, entry.c.key == literal(f"{told.name}:") + id_column
                ),
            )
            .join(
                directory.terminal,
                and_(
                    directory.terminal.c.pool == told.c.pool,
                    directory.terminal.c.terminal == told.c.terminal,
                ),
            )
            .where(moved)
        )
        for row in tx.execute(grouped):
            points = int(row.points)
            yield row.shop, Figures(returned=points) if is_return else Figures(redeemed=points)


def _pages(rows: Iterable[Row[Any]]) -> Iterator[list[Row[Any]]]:
    page: list[Row[Any]] = []
    for row in rows:
        page.append(row)
        if len(page) == _PAGE_ROWS:
            yield page
            page = []
    if page:
        yield page
