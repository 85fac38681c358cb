"""Sales and refunds that moved neither points nor money: on a statement although they are in no
entry, so that a merchant finds every receipt again that he gave out.

Which statement is theirs follows the rule of entries: the first whose run was opened after they
were booked and that reaches to their day.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Table,
    and_,
    func,
    literal,
    not_,
    or_,
    select,
)

from protocol.messages import OutcomeKind
from server.directory.tables import shop, terminal
from server.ledger.tables import entry
from server.redemption.chain_tables import parked_booking
from server.redemption.states import SaleState
from server.redemption.tables import journal_record, refund, sale
from server.settlement.day_sums_entries import REFUND_KIND, SALE_KIND
from server.settlement.figures import REFUND_KEY, SALE_KEY
from server.settlement.statements import run_named, statements_of
from server.settlement.unplaced import Trade
from server.settlement.values import FIRST_VERSION, Statement

_MOVED = ("points_for_goods", "points_for_money", "cash_fen", "reimbursement_fen")
_PLACE = ("pool", "terminal", "epoch", "seq")


@dataclass(frozen=True, slots=True)
class FreeTrade:
    """One of them, with its own row, the fact that booked it, and its sale's contract."""

    trade: Trade
    told: Row[Any]
    fact_no: int
    late: bool

    @property
    def key(self) -> str:
        own = self.trade
        return f"{REFUND_KEY}{own.refund_id}" if own.refund_id else f"{SALE_KEY}{own.sale_id}"


def free_of(tx: Connection, pool: str, statement: Statement) -> list[FreeTrade]:
    """What stands on the statement and moved nothing, in the order of booking; on statements of
    the first version nothing did.
    """
    if statement.document_version == FIRST_VERSION:
        return []
    found: dict[str, FreeTrade] = {}
    for kind, own in ((SALE_KIND, sale), (REFUND_KIND, refund)):
        for which in _when(tx, pool, statement, own):
            for row in tx.execute(_asked(pool, statement, kind, own).where(which)):
                made = _made(kind, row, statement)
                found[made.key] = made
    return sorted(found.values(), key=lambda each: (each.fact_no, each.key))


def _when(
    tx: Connection, pool: str, statement: Statement, own: Table
) -> Iterator[ColumnElement[bool]]:
    """The conditions one of which holds for what is the statement's: of its days, or late."""
    run = run_named(tx, pool, statement.run)
    assert run is not None, f"{statement.statement}: no run {statement.run}"
    booked = _booked_by()
    in_time = and_(booked < run.fact_no, own.c.business_date <= statement.period_through)
    earlier = [
        each
        for each in statements_of(tx, pool, merchant=statement.merchant)
        if each.period_through < statement.period_from
    ]
    if not earlier:
        yield in_time
        return
    before = earlier[0]
    yield and_(in_time, own.c.business_date > before.period_through)
    run_before = run_named(tx, pool, before.run)
    assert run_before is not None, f"{before.statement}: no run {before.run}"
    if run_before.run != run.run:
        # Two questions rather than one with "or": each goes by an index of what came meanwhile.
        of_before = own.c.business_date <= before.period_through
        for fact_no in (journal_record.c.fact_no, parked_booking.c.fact_no):
            meanwhile = and_(fact_no >= run_before.fact_no, fact_no < run.fact_no)
            yield and_(of_before, meanwhile, booked >= run_before.fact_no, booked < run.fact_no)


def _booked_by() -> ColumnElement[int]:
    """The fact that booked it: a record that was parked is booked by a later one."""
    return func.coalesce(parked_booking.c.fact_no, journal_record.c.fact_no)


def _asked(pool: str, statement: Statement, kind: str, own: Table) -> Select[Any]:
    told = and_(*(journal_record.c[name] == own.c[name] for name in _PLACE))
    later = and_(*(parked_booking.c[name] == own.c[name] for name in _PLACE))
    is_sale = kind == SALE_KIND
    name = own.c.sale_id if is_sale else own.c.refund_id
    key = literal(SALE_KEY if is_sale else REFUND_KEY) + name
    posted = select(entry.c.key).where(entry.c.pool == pool, entry.c.key == key).exists()
    of_sale = sale if is_sale else sale.alias("of_sale")
    source = own.join(journal_record, told).outerjoin(parked_booking, later)
    if not is_sale:
        same = and_(of_sale.c.pool == own.c.pool, of_sale.c.sale_id == own.c.sale_id)
        source = source.join(of_sale, same)
    asked = (
        select(
            own,
            _booked_by().label("fact_no"),
            of_sale.c.contract.label("terms"),
            of_sale.c.amounts_source.label("source"),
            of_sale.c.business_date.label("terms_day"),
            of_sale.c.terminal.label("of_terminal"),
            of_sale.c.receipt_no.label("of_receipt_no"),
        )
        .select_from(source)
        .where(
            own.c.pool == pool,
            own.c.merchant == statement.merchant,
            own.c.terminal.in_(_terminals_of(pool, statement.merchant)),  # refunds have its index
            *(own.c[each] == 0 for each in _MOVED),
            or_(
                journal_record.c.outcome != OutcomeKind.PARKED.value,
                parked_booking.c.fact_no.is_not(None),
            ),
            not_(posted),
        )
    )
    return asked.where(sale.c.state == SaleState.CAPTURED.value) if is_sale else asked


def _terminals_of(pool: str, merchant: str) -> Select[Any]:
    own = and_(shop.c.pool == terminal.c.pool, shop.c.shop == terminal.c.shop)
    return (
        select(terminal.c.terminal)
        .join(shop, own)
        .where(terminal.c.pool == pool, shop.c.merchant == merchant)
    )


def _made(kind: str, row: Row[Any], statement: Statement) -> FreeTrade:
    trade = Trade(
        kind=kind,
        entry_no=0,
        business_date=row.business_date,
        terms_day=row.terms_day,
        contract=row.terms or "",
        source=row.source,
        sale_id=row.sale_id,
        refund_id=row.refund_id if kind == REFUND_KIND else "",
        declared_fen=0,
    )
    return FreeTrade(trade, row, row.fact_no, row.business_date < statement.period_from)
