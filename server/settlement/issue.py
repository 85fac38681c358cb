"""Making statements: what they charge is booked, and everything is written down for good."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import fields

from sqlalchemy import Connection

from server.db.bulk import Row, write_rows
from server.directory.accounts import POOL_FUND, merchant_account
from server.facts import FactStamp
from server.ledger import Asset, EntryDraft, Leg, Posted, post_many
from server.settlement import tables as t
from server.settlement.charges import Charges, Minimum, Rent
from server.settlement.day_sums_tables import day_sum, statement_line
from server.settlement.drafts import Draft
from server.settlement.figures import (
    MINIMUM_CODE,
    RENT_CODE,
    SHARE_CODE,
    SHARE_KEY,
    SettlementFault,
)
from server.settlement.unplaced import Charged, ChargedOn, Placing, charge_rows, place
from server.settlement.values import Share, Totals


def issue(tx: Connection, stamp: FactStamp, drafts: Sequence[Draft]) -> tuple[str, ...]:
    """Books what merchants owe for these periods, writes the statements and puts every transfer
    in its place; answers the statements' ids. However many there are, by the same few statements.
    """
    if not drafts:
        return ()
    charged = _book(tx, stamp, drafts)
    charges = [
        ChargedOn(each.statement, each.merchant, each.period_through, each.run_fact_no, legs)
        for each, legs in zip(drafts, charged, strict=True)
    ]
    sums, lines = charge_rows(stamp.pool, charges)
    rows = {
        t.statement: [_statement_row(stamp, each) for each in drafts],
        t.statement_share: _rows(stamp, drafts, lambda each: each.shares),
        t.statement_minimum: _rows(stamp, drafts, lambda each: each.minimums),
        t.statement_rent: _rows(stamp, drafts, lambda each: each.rents),
        day_sum: sums,
        statement_line: lines,
    }
    write_rows(tx, {table: of_table for table, of_table in rows.items() if of_table}, {})
    placed = [Placing(each.statement, each.inside) for each in drafts]
    place(tx, stamp.pool, placed, charges)
    return tuple(each.statement for each in drafts)


def _statement_row(stamp: FactStamp, draft: Draft) -> Row:
    totals = draft.totals
    own = {
        "pool": stamp.pool,
        "statement": draft.statement,
        "merchant": draft.merchant,
        "period_from": draft.period_from,
        "period_through": draft.period_through,
        "run": draft.run,
        "cycle": draft.cycle.value,
        "issued_at": stamp.recorded_at,
        "opening_fen": draft.opening_fen,
        "closing_fen": draft.closing_fen,
        "net_fen": totals.net_fen,
    }
    return {**own, **_flat(totals)}


def _flat(value: Totals | Share | Minimum | Rent) -> Row:
    """Fields by their names; none of them holds others, so that nothing need be copied."""
    return {each.name: getattr(value, each.name) for each in fields(value)}


def _rows(
    stamp: FactStamp,
    drafts: Sequence[Draft],
    part: Callable[[Charges], Sequence[Share | Minimum | Rent]],
) -> list[Row]:
    """One part of what statements charge, as rows of its table."""
    return [
        {"pool": stamp.pool, "statement": draft.statement, **_flat(each)}
        for draft in drafts
        for each in part(draft.charges)
    ]


def _book(tx: Connection, stamp: FactStamp, drafts: Sequence[Draft]) -> list[list[Charged]]:
    """Books what is charged; answers it draft by draft and contract by contract, with its
    transfers.
    """
    owed = [due_of(each.charges) for each in drafts]
    entries = [_entry(stamp, draft, due) for draft, due in zip(drafts, owed, strict=True) if due]
    posted = iter(
        post_many(tx, stamp.pool, entries, recorded_at=stamp.recorded_at, fact_no=stamp.fact_no)
    )
    charged: list[list[Charged]] = []
    for draft, due in zip(drafts, owed, strict=True):
        by_contract: dict[str, list[tuple[int, str, int]]] = defaultdict(list)
        if due:
            booked = next(posted)
            if not isinstance(booked, Posted):
                raise SettlementFault(f"{SHARE_KEY}{draft.statement}: {booked}")
            for number, (contract, code, amount_fen) in enumerate(due, booked.first_transfer_no):
                by_contract[contract].append((number, code, amount_fen))
        charged.append([_charged(contract, legs) for contract, legs in by_contract.items()])
    return charged


def _entry(stamp: FactStamp, draft: Draft, due: Sequence[tuple[str, str, int]]) -> EntryDraft:
    owed, fund = merchant_account(draft.merchant), POOL_FUND
    return EntryDraft(
        key=SHARE_KEY + draft.statement,
        kind=SHARE_CODE,
        occurred_at=stamp.recorded_at,
        business_date=draft.period_through,
        legs=tuple(
            Leg(Asset.FEN, code, owed, fund, amount_fen)
            if amount_fen > 0
            else Leg(Asset.FEN, code, fund, owed, -amount_fen)
            for _, code, amount_fen in due
        ),
        memo=draft.run,
    )


def _charged(contract: str, legs: Sequence[tuple[int, str, int]]) -> Charged:
    fen = {code: amount_fen for _, code, amount_fen in legs}
    return Charged(
        contract=contract,
        transfer_nos=tuple(number for number, _, _ in legs),
        share_fen=fen.get(SHARE_CODE, 0),
        minimum_fen=fen.get(MINIMUM_CODE, 0),
        rent_fen=fen.get(RENT_CODE, 0),
    )


def due_of(charges: Charges) -> list[tuple[str, str, int]]:
    """Contract, code and fen of each leg: contract by contract, share, minimum, rent."""
    sums: dict[tuple[str, int, str], int] = defaultdict(int)
    for share in charges.shares:
        sums[share.contract, 0, SHARE_CODE] += share.share_fen
    for minimum in charges.minimums:
        sums[minimum.contract, 1, MINIMUM_CODE] += minimum.added_fen
    for rent in charges.rents:
        sums[rent.contract, 2, RENT_CODE] += rent.rent_fen
    return [
        (contract, code, sums[contract, no, code])
        for contract, no, code in sorted(sums)
        if sums[contract, no, code]
    ]
