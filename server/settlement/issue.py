"""Making a statement: what it charges is booked, and everything is written down for good."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import Connection, insert

from server.directory.accounts import POOL_FUND, merchant_account
from server.facts import FactStamp
from server.ledger import Asset, EntryDraft, Leg, Posted, post, transfers_of_entry
from server.settlement import tables as t
from server.settlement.charges import Charges
from server.settlement.drafts import Draft
from server.settlement.figures import (
    MINIMUM_CODE,
    RENT_CODE,
    SHARE_CODE,
    SHARE_KEY,
    SettlementFault,
)
from server.settlement.unplaced import Charged, place, place_charges


def issue(tx: Connection, stamp: FactStamp, draft: Draft) -> str:
    """Books what the merchant owes for the period, writes the statement and puts every transfer
    in its place; answers the statement's id.
    """
    charged = _book(tx, stamp, draft)
    totals = draft.totals
    tx.execute(
        insert(t.statement).values(
            pool=stamp.pool,
            statement=draft.statement,
            merchant=draft.merchant,
            period_from=draft.period_from,
            period_through=draft.period_through,
            run=draft.run,
            cycle=draft.cycle.value,
            issued_at=stamp.recorded_at,
            opening_fen=draft.opening_fen,
            closing_fen=draft.closing_fen,
            net_fen=totals.net_fen,
            **asdict(totals),
        )
    )
    own = {"pool": stamp.pool, "statement": draft.statement}
    for table, rows in (
        (t.statement_share, draft.charges.shares),
        (t.statement_minimum, draft.charges.minimums),
        (t.statement_rent, draft.charges.rents),
    ):
        if rows:
            tx.execute(insert(table), [own | asdict(each) for each in rows])
    place_charges(
        tx,
        stamp.pool,
        draft.statement,
        merchant=draft.merchant,
        business_date=draft.period_through,
        run_fact_no=draft.run_fact_no,
        charged=charged,
    )
    place(tx, stamp.pool, draft.statement, draft.inside)
    return draft.statement


def _book(tx: Connection, stamp: FactStamp, draft: Draft) -> list[Charged]:
    """Books what is charged; answers it contract by contract, with its transfers."""
    due = due_of(draft.charges)
    if not due:
        return []
    owed, fund = merchant_account(draft.merchant), POOL_FUND
    entry = EntryDraft(
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
    posted = post(tx, stamp.pool, entry, recorded_at=stamp.recorded_at, fact_no=stamp.fact_no)
    if not isinstance(posted, Posted):
        raise SettlementFault(f"{entry.key}: {posted}")
    numbers = [each.transfer_no for each in transfers_of_entry(tx, stamp.pool, posted.entry_no)]
    by_contract: dict[str, list[tuple[int, str, int]]] = defaultdict(list)
    for number, (contract, code, amount_fen) in zip(numbers, due, strict=True):
        by_contract[contract].append((number, code, amount_fen))
    return [_charged(contract, legs) for contract, legs in by_contract.items()]


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
