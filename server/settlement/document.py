"""A statement as everybody reads it: pages, files and checks are made of this and nothing else.

Everything in it is frozen or follows from rows that never change, and it is written in the version
in which it was issued, so that the same statement reads the same for good.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection, select

from server.directory.queries import merchant_of, pool_terms
from server.redemption.fulfilling import ORDER_KINDS
from server.redemption.tables import declared_takings
from server.settlement import tables as t
from server.settlement.categories import Part
from server.settlement.coverage import coverage_of
from server.settlement.disputes_store import dispute_of
from server.settlement.document_values import (
    LINE_FIELDS_SINCE,
    ORDERS_NAME_SALE_SINCE,
    AdjustmentRow,
    CoverageRow,
    DeclaredRow,
    GoodsRow,
    MinimumRow,
    PaymentRow,
    RentRow,
    ShareRow,
    StatementDocument,
    StatementLine,
    TakingsRow,
)
from server.settlement.figures import ADJUSTMENT_CODE, PAID_CODE, RECEIVED_CODE
from server.settlement.free import free_of
from server.settlement.goods import goods_of
from server.settlement.lines import Entry, entries_of, lines_from, parts_of
from server.settlement.payments_store import payment_of
from server.settlement.statements import (
    Run,
    members_of,
    run_named,
    shares_of,
    statement_named,
    statements_of,
)
from server.settlement.states_keys import ADJUSTMENT_KEY, BOUNCE_KEY, PAYMENT_KEY
from server.settlement.unplaced import REFUND_KIND, SALE_KIND
from server.settlement.values import DOCUMENT_VERSION, Statement

__all__ = [
    "AdjustmentRow",
    "CoverageRow",
    "DeclaredRow",
    "GoodsRow",
    "MinimumRow",
    "PaymentRow",
    "RentRow",
    "ShareRow",
    "StatementDocument",
    "StatementLine",
    "TakingsRow",
    "document_of",
]


def document_of(tx: Connection, pool: str, statement: str) -> StatementDocument | None:
    """Everything that the statement shows, or None if there is no such statement.

    Whose statement may be seen by whom is the caller's to decide.
    """
    found = statement_named(tx, pool, statement)
    if found is None:
        return None
    terms = pool_terms(tx, pool)
    merchant = merchant_of(tx, pool, found.merchant)
    assert merchant is not None, f"{statement}: no merchant {found.merchant}"
    entries = entries_of(tx, pool, found)
    parts = parts_of(tx, pool, entries)
    free = free_of(tx, pool, found)
    trades = [each.trade for each in entries if each.trade is not None]
    lines = lines_from(tx, pool, found, entries, parts=parts, free=free)
    if found.document_version < DOCUMENT_VERSION:
        sale_ids = {each.key: each.trade.sale_id for each in entries if each.sold and each.trade}
        lines = [_as_issued(each, found.document_version, sale_ids) for each in lines]
    totals = found.totals
    return StatementDocument(
        pool=pool,
        pool_name=terms.name,
        unit_name=terms.unit_name,
        statement=found.statement,
        merchant=found.merchant,
        merchant_name=merchant.name,
        period_from=found.period_from,
        period_through=found.period_through,
        cycle=found.cycle,
        issued_at=found.issued_at,
        opening_fen=found.opening_fen,
        takings=_takings(entries, parts),
        takings_fen=totals.cash_fen,
        sales_count=totals.sales_count,
        refunds_count=totals.refunds_count,
        shares=_shares(tx, pool, found),
        share_fen=totals.share_fen,
        minimum=_minimums(tx, pool, found),
        minimum_fen=totals.minimum_fen,
        rents=_rents(tx, pool, found),
        rent_fen=totals.rent_fen,
        redeemed_points=totals.redeemed_points,
        returned_points=totals.returned_points,
        reimbursement_fen=totals.reimbursement_fen,
        reimbursement_returned_fen=totals.reimbursement_returned_fen,
        goods=goods_of(
            tx,
            pool,
            [*trades, *(each.trade for each in free)],
            [each.key for each in entries if each.members[0].transfer.kind in ORDER_KINDS],
        ),
        fee_fen=totals.fee_fen,
        declared=_declared(tx, pool, found),
        adjustments=_adjustments(tx, pool, entries),
        adjustment_fen=totals.adjustment_fen,
        payments=_payments(tx, pool, found),
        paid_fen=totals.paid_fen,
        received_fen=totals.received_fen,
        net_fen=totals.net_fen,
        closing_fen=found.closing_fen,
        coverage=coverage_of(tx, pool, found),
        lines=tuple(lines),
        version=found.document_version,
    )


def _as_issued(line: StatementLine, version: int, sale_ids: Mapping[str, str]) -> StatementLine:
    """The line as statements of an earlier version have it: without what later ones say more; a
    refund's memo was its sale's id while nothing else said which sale it was.
    """
    if version < ORDERS_NAME_SALE_SINCE and line.kind in ORDER_KINDS:
        line = replace(line, of_business_date=None, of_terminal="", of_receipt_no="")
    if version < LINE_FIELDS_SINCE["of_receipt_no"]:
        memo = sale_ids.get(line.key, line.memo)
        line = replace(line, of_business_date=None, of_terminal="", of_receipt_no="", memo=memo)
    if version < LINE_FIELDS_SINCE["proof"]:
        line = replace(line, proof="")
    return line


@dataclass(slots=True)
class _Sum:
    cash_fen: int = 0
    points_fen: int = 0
    sales_count: int = 0
    refunds_count: int = 0


def _takings(
    entries: Sequence[Entry], parts: Mapping[int, Mapping[str, Part]]
) -> tuple[TakingsRow, ...]:
    sums: dict[tuple[str, str], _Sum] = defaultdict(_Sum)
    for trade in (each.trade for each in entries if each.trade is not None):
        by_category = parts[trade.entry_no]
        for category, part in by_category.items():
            found = sums[trade.source, category]
            found.cash_fen += part.cash_fen
            found.points_fen += part.points_fen
        first = sums[trade.source, next(iter(by_category), "")]
        first.sales_count += trade.kind == SALE_KIND
        first.refunds_count += trade.kind == REFUND_KIND
    return tuple(
        TakingsRow(
            source=source,
            category=category,
            cash_fen=found.cash_fen,
            points_fen=found.points_fen,
            sales_count=found.sales_count,
            refunds_count=found.refunds_count,
        )
        for (source, category), found in sorted(sums.items())
    )


def _shares(tx: Connection, pool: str, statement: Statement) -> tuple[ShareRow, ...]:
    return tuple(
        ShareRow(
            contract=each.contract,
            month=each.month,
            category=each.category,
            basis=each.basis,
            from_fen=each.from_fen,
            bp=each.share_bp,
            takings_fen=each.takings_fen,
            share_fen=each.share_fen,
        )
        for each in shares_of(tx, pool, statement.statement)
    )


def _minimums(tx: Connection, pool: str, statement: Statement) -> tuple[MinimumRow, ...]:
    table = t.statement_minimum
    rows = tx.execute(
        select(table).where(table.c.pool == pool, table.c.statement == statement.statement)
    )
    found = [
        MinimumRow(
            contract=row.contract,
            month=row.month,
            days=row.days,
            minimum_fen=row.minimum_fen,
            share_fen=row.share_fen,
            added_fen=row.added_fen,
        )
        for row in rows
    ]
    return tuple(sorted(found, key=lambda each: (each.contract, each.month)))


def _rents(tx: Connection, pool: str, statement: Statement) -> tuple[RentRow, ...]:
    table = t.statement_rent
    rows = tx.execute(
        select(table).where(table.c.pool == pool, table.c.statement == statement.statement)
    )
    found = [
        RentRow(
            contract=row.contract,
            from_day=row.from_day,
            through_day=row.through_day,
            days=row.days,
            rent_fen=row.rent_fen,
        )
        for row in rows
    ]
    return tuple(sorted(found, key=lambda each: (each.contract, each.from_day)))


def _declared(tx: Connection, pool: str, statement: Statement) -> tuple[DeclaredRow, ...]:
    """What was declared in the period, and what came late; also what differed by nothing, which
    is no entry.
    """
    earlier = [
        each
        for each in statements_of(tx, pool, merchant=statement.merchant)
        if each.period_through < statement.period_from
    ]
    before = earlier[0] if earlier else None
    run, run_before = _run_of(tx, pool, statement), _run_of(tx, pool, before)
    assert run is not None
    rows = tx.execute(
        select(declared_takings).where(
            declared_takings.c.pool == pool,
            declared_takings.c.merchant == statement.merchant,
            declared_takings.c.business_date <= statement.period_through,
            declared_takings.c.fact_no < run.fact_no,
        )
    )
    found = [
        row
        for row in rows
        if before is None
        or run_before is None
        or row.business_date > before.period_through
        or row.fact_no >= run_before.fact_no
    ]
    return tuple(
        DeclaredRow(
            shop=row.shop,
            z_no=row.z_no,
            business_date=row.business_date,
            declared_fen=row.declared_fen,
            counted_fen=row.counted_fen,
            difference_fen=row.difference_fen,
        )
        for row in sorted(found, key=lambda each: (each.business_date, each.terminal, each.z_no))
    )


def _run_of(tx: Connection, pool: str, statement: Statement | None) -> Run | None:
    return run_named(tx, pool, statement.run) if statement is not None else None


def _adjustments(tx: Connection, pool: str, entries: Sequence[Entry]) -> tuple[AdjustmentRow, ...]:
    rows: list[AdjustmentRow] = []
    for each in entries:
        if each.members[0].transfer.code != ADJUSTMENT_CODE:
            continue
        dispute = dispute_of(tx, pool, each.key.removeprefix(ADJUSTMENT_KEY))
        answer = dispute.answer if dispute is not None else None
        rows.append(
            AdjustmentRow(
                key=each.key,
                reason=answer.reason if answer is not None else "",
                amount_fen=each.tally.owed_fen["adjustment_fen"],
                of_statement=dispute.statement if dispute is not None else "",
            )
        )
    return tuple(rows)


def _payments(tx: Connection, pool: str, statement: Statement) -> tuple[PaymentRow, ...]:
    rows: list[PaymentRow] = []
    for member in members_of(tx, pool, statement):
        transfer = member.transfer
        if transfer.code not in {PAID_CODE, RECEIVED_CODE}:
            continue
        bounced = transfer.key.startswith(BOUNCE_KEY)
        prefix = BOUNCE_KEY if bounced else PAYMENT_KEY
        payment = payment_of(tx, pool, transfer.key.removeprefix(prefix))
        assert payment is not None, f"{transfer.key}: no such payment"
        rows.append(
            PaymentRow(
                payment=payment.payment,
                direction=payment.direction.value,
                amount_fen=transfer.amount,
                bank_ref=payment.bank_ref or "",
                paid_at=payment.paid_on or transfer.business_date,
                state="bounced" if bounced else "paid",
            )
        )
    return tuple(rows)
