"""What a merchant's calendar months came to so far: takings by rule, shares, minimums.

Read from the statements that are made, and carried on through those that are being made.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    Table,
    and_,
    bindparam,
    cast,
    func,
    select,
)

from server.directory.contract_terms import Basis, ContractTerms, ShareRule
from server.settlement.categories import Part
from server.settlement.share import share_parts
from server.settlement.tables import statement, statement_minimum, statement_share
from server.settlement.values import Share

Month = tuple[str, str]
"""Contract and calendar month."""


@dataclass(slots=True)
class Months:
    """Fen, by contract and month; takings by the rule's category as well."""

    takings_fen: dict[tuple[str, str, str], int] = field(default_factory=lambda: defaultdict(int))
    share_fen: dict[Month, int] = field(default_factory=lambda: defaultdict(int))
    added_fen: dict[Month, int] = field(default_factory=lambda: defaultdict(int))

    def pay(self, contract: str, month: str, rule: ShareRule, takings_fen: int) -> list[Share]:
        """What these further takings owe under a rule, tier by tier; tiers that the takings do
        not touch are left out.
        """
        place = (contract, month, rule.category)
        parts = share_parts(rule.tiers, self.takings_fen[place], takings_fen)
        self.takings_fen[place] += takings_fen
        self.share_fen[contract, month] += sum(each.share_fen for each in parts)
        return [
            Share(
                contract=contract,
                share_bp=each.bp,
                takings_fen=each.takings_fen,
                share_fen=each.share_fen,
                month=month,
                category=rule.category,
                basis=rule.basis.value,
                from_fen=each.from_fen,
            )
            for each in parts
            if each.takings_fen or each.share_fen
        ]


def rule_for(terms: ContractTerms, category: str) -> ShareRule | None:
    """The rule that counts for a category: its own, or the one for all the rest; or None."""
    rules = {rule.category: rule for rule in terms.share}
    return rules.get(category) or rules.get("")


def basis_fen(rule: ShareRule, part: Part) -> int:
    """What of some takings the rule takes its share of."""
    return part.cash_fen + (part.points_fen if rule.basis is Basis.ALL else 0)


def months_so_far(
    tx: Connection,
    pool: str,
    contracts: Sequence[str],
    months: Sequence[str],
    *,
    before: date = date.max,
) -> Months:
    """What these months came to under these contracts, on statements that are made (whose
    period ended before a day).
    """
    so_far = Months()
    asked = {"pool": pool, "contracts": contracts, "months": months, "before": before}
    rows = tx.execute(_TAKINGS, asked)
    for row in rows:
        so_far.takings_fen[row.contract, row.month, row.category] = row.takings_fen
        so_far.share_fen[row.contract, row.month] += row.share_fen
    added = tx.execute(_ADDED, asked)
    for row in added:
        so_far.added_fen[row.contract, row.month] = row.added_fen
    return so_far


def _of(table: Table) -> ColumnElement[bool]:
    return and_(statement.c.pool == table.c.pool, statement.c.statement == table.c.statement)


def _asked(table: Table) -> tuple[ColumnElement[bool], ...]:
    return (
        table.c.pool == bindparam("pool"),
        table.c.contract.in_(bindparam("contracts", expanding=True)),
        table.c.month.in_(bindparam("months", expanding=True)),
        statement.c.period_through < bindparam("before"),
    )


# Made once: a run asks them for every merchant.
_KEY = (statement_share.c.contract, statement_share.c.month, statement_share.c.category)
_TAKINGS: Select[Any] = (
    select(
        *_KEY,
        cast(func.sum(statement_share.c.takings_fen), BigInteger).label("takings_fen"),
        cast(func.sum(statement_share.c.share_fen), BigInteger).label("share_fen"),
    )
    .join(statement, _of(statement_share))
    .where(*_asked(statement_share))
    .group_by(*_KEY)
)
_ADDED: Select[Any] = (
    select(
        statement_minimum.c.contract,
        statement_minimum.c.month,
        cast(func.sum(statement_minimum.c.added_fen), BigInteger).label("added_fen"),
    )
    .join(statement, _of(statement_minimum))
    .where(*_asked(statement_minimum))
    .group_by(statement_minimum.c.contract, statement_minimum.c.month)
)
