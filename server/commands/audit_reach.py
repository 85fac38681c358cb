"""I12, on the data: whatever a merchant can reach is his and nobody else's.

The pages bound every question by the merchant who is signed in. This holds when the rows
themselves name one merchant only: a sale that is booked at another's terminal, or a line whose
transfer moves another's account, would be shown to the wrong one however careful the page is.
"""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    FromClause,
    Select,
    Table,
    and_,
    literal,
    or_,
    select,
)

from server.db.paging import KeyPage, Tick, key_pages, streamed, untold
from server.db.violation import Violation
from server.directory.tables import contract, merchant, shop, sign_in, terminal
from server.ledger.tables import entry, transfer
from server.redemption.tables import refund, sale
from server.settlement.day_sums_tables import day_sum, placement, statement_line
from server.settlement.figures import accounts_of
from server.settlement.tables import statement, statement_share

_KINDS = tuple(account.partition(":")[0] for account, _ in accounts_of(""))


def check_reach(tx: Connection, pool: str, tick: Tick = untold) -> Iterator[Violation]:
    """I12: sales, refunds, statements, their lines, terminals and sign-ins resolve to one
    merchant, by every way that leads from them to one.
    """
    for table, key in ((sale, sale.c.sale_id), (refund, refund.c.refund_id)):
        for page in key_pages(tx, key, pool):
            yield from _foreign_terminals(tx, pool, table, page)
            yield from _foreign_accounts(tx, pool, table, page)
            tick(page.rows)
    yield from _foreign_contracts(tx, pool)
    for page in key_pages(tx, statement_line.c.transfer_no, pool):
        yield from _foreign_lines(tx, pool, page)
        tick(page.rows)
    yield from _foreign_people(tx, pool, tick)


def _violation(pool: str, where: str, says: str) -> Violation:
    return Violation("I12", f"pool {pool}, {where}", says)


def _same(left: Table, right: Table, *names: str) -> ColumnElement[bool]:
    """That the rows of two tables agree in the pool and in these columns."""
    return and_(*(left.c[name] == right.c[name] for name in ("pool", *names)))


def _another(owner: Column[str], own: ColumnElement[str]) -> ColumnElement[bool]:
    return or_(owner.is_(None), owner != own)


def _foreign_terminals(
    tx: Connection, pool: str, table: Table, page: KeyPage
) -> Iterator[Violation]:
    """Sales or refunds whose merchant is not the one whose shop the terminal stands in."""
    at = table.outerjoin(terminal, _same(terminal, table, "terminal")).outerjoin(
        shop, _same(shop, terminal, "shop")
    )
    found = _of_page(select(table, shop.c.merchant.label("owner")), at, pool, table, page)
    for row in tx.execute(found.where(_another(shop.c.merchant, table.c.merchant))):
        says = f"is {row.merchant}'s, but terminal {row.terminal} is {row.owner}'s"
        yield _violation(pool, f"{table.name}:{row[1]}", says)


def _of_page(
    wanted: Select[Any], of: FromClause, pool: str, table: Table, page: KeyPage
) -> Select[Any]:
    return wanted.select_from(of).where(table.c.pool == pool, page.within()).order_by(page.column)


def _names_another(own: ColumnElement[str]) -> ColumnElement[bool]:
    """That a transfer moves an account of a merchant who is not ``own``."""
    return or_(
        *(
            and_(side.startswith(f"{kind}:"), side != literal(f"{kind}:") + own)
            for side in (transfer.c.debit_account, transfer.c.credit_account)
            for kind in _KINDS
        )
    )


def _foreign_accounts(
    tx: Connection, pool: str, table: Table, page: KeyPage
) -> Iterator[Violation]:
    """Sales or refunds that are another's sale, or that moved another merchant's accounts."""
    booked = table.join(
        entry,
        and_(entry.c.pool == table.c.pool, entry.c.key == f"{table.name}:" + page.column),
    ).join(transfer, _same(transfer, entry, "entry_no"))
    found = _of_page(select(table, transfer), booked, pool, table, page)
    for row in tx.execute(found.where(_names_another(table.c.merchant))):
        moved = f"{row.debit_account} and {row.credit_account}"
        says = f"is {row.merchant}'s, but transfer {row.transfer_no} moved {moved}"
        yield _violation(pool, f"{table.name}:{row[1]}", says)
    if table is not refund:
        return
    of_sale = refund.outerjoin(sale, _same(sale, refund, "sale_id"))
    found = _of_page(select(refund, sale.c.merchant.label("owner")), of_sale, pool, refund, page)
    for row in tx.execute(found.where(_another(sale.c.merchant, refund.c.merchant))):
        says = f"is {row.merchant}'s, but sale {row.sale_id} is {row.owner}'s"
        yield _violation(pool, f"refund:{row.refund_id}", says)


def _foreign_contracts(tx: Connection, pool: str) -> Iterator[Violation]:
    """Sales and statements that count under a contract with somebody else."""
    under = sale.join(contract, _same(contract, sale, "contract"))
    sales = select(sale, contract.c.merchant.label("owner")).select_from(under)
    sales = sales.where(sale.c.pool == pool, contract.c.merchant != sale.c.merchant)
    for row in streamed(tx, sales):
        says = f"is {row.merchant}'s, but contract {row.contract} is {row.owner}'s"
        yield _violation(pool, f"sale:{row.sale_id}", says)
    of = statement_share.join(statement, _same(statement, statement_share, "statement"))
    of = of.outerjoin(contract, _same(contract, statement_share, "contract"))
    shares = select(statement, contract.c.contract, contract.c.merchant.label("owner"))
    shares = shares.select_from(of).where(
        statement.c.pool == pool, _another(contract.c.merchant, statement.c.merchant)
    )
    for row in streamed(tx, shares):
        says = f"is {row.merchant}'s, but contract {row.contract} is {row.owner}'s"
        yield _violation(pool, f"statement {row.statement}", says)


def _foreign_lines(tx: Connection, pool: str, page: KeyPage) -> Iterator[Violation]:
    """Lines whose transfer moves another merchant's account, whose day sum stands on another's
    statement, or whose contract is another's.
    """
    lines = (
        statement_line.join(day_sum, _same(day_sum, statement_line, "day_sum"))
        .join(transfer, _same(transfer, statement_line, "transfer_no"))
        .outerjoin(placement, _same(placement, day_sum, "day_sum"))
        .outerjoin(statement, _same(statement, placement, "statement"))
        .outerjoin(contract, _same(contract, placement, "contract"))
    )
    wanted = select(
        placement.c.statement,
        day_sum.c.merchant,
        day_sum.c.day_sum,
        statement.c.merchant.label("told"),
        statement_line.c.transfer_no,
        contract.c.merchant.label("owner"),
        transfer.c.debit_account,
        transfer.c.credit_account,
    )
    foreign = or_(
        _names_another(day_sum.c.merchant),
        and_(
            placement.c.statement.is_not(None), _another(statement.c.merchant, day_sum.c.merchant)
        ),
        # Payments and adjustments count under no contract.
        and_(placement.c.contract.is_not(None), _another(contract.c.merchant, day_sum.c.merchant)),
    )
    for row in tx.execute(_of_page(wanted, lines, pool, statement_line, page).where(foreign)):
        where = f"statement {row.statement}" if row.statement else f"day sum {row.day_sum}"
        says = (
            f"{row.told or 'nobody'} is told of {row.merchant}'s transfer {row.transfer_no}, which"
            f" moved {row.debit_account} and {row.credit_account} under a contract with {row.owner}"
        )
        yield _violation(pool, where, says)


def _foreign_people(tx: Connection, pool: str, tick: Tick) -> Iterator[Violation]:
    """Terminals in no merchant's shop, and sign-ins that stand for nobody or for too many."""
    at = terminal.outerjoin(shop, _same(shop, terminal, "shop")).outerjoin(
        merchant, _same(merchant, shop, "merchant")
    )
    for page in key_pages(tx, terminal.c.terminal, pool):
        lost = _of_page(select(terminal), at, pool, terminal, page)
        for row in tx.execute(lost.where(merchant.c.merchant.is_(None))):
            yield _violation(pool, f"terminal {row.terminal}", "stands in no known merchant's shop")
        tick(page.rows)
    of = sign_in.outerjoin(merchant, _same(merchant, sign_in, "merchant"))
    is_merchants = sign_in.c.role == "merchant"
    wrong = or_(
        and_(is_merchants, merchant.c.merchant.is_(None)),
        and_(~is_merchants, sign_in.c.merchant.is_not(None)),
    )
    for page in key_pages(tx, sign_in.c.user_name, pool):
        for row in tx.execute(_of_page(select(sign_in), of, pool, sign_in, page).where(wrong)):
            says = f"a sign-in of role {row.role} for merchant {row.merchant}"
            yield _violation(pool, f"sign-in {row.user_name}", says)
        tick(page.rows)
