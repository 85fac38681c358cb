"""Making a statement: what it charges is booked, and everything is written down for good."""

from collections import defaultdict
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
from server.settlement.unplaced import place


def issue(tx: Connection, stamp: FactStamp, draft: Draft) -> str:
    """Books what the merchant owes for the period, writes the statement and puts every transfer
    in its place; answers the statement's id.
    """
    charged = _book(tx, stamp, draft)
    charged_no = max(charged, default=0)
    last_no = max(draft.last_no, charged_no, draft.which.opened - 1)
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
            settled_below=draft.waiting_no if draft.waiting_no is not None else last_no + 1,
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
    # Charges first: whoever looks for what stands on no statement must not find them.
    if charged:
        tx.execute(
            insert(t.statement_line),
            [
                own | {"transfer_no": number, "contract": contract, "late": False}
                for number, contract in charged.items()
            ],
        )
    place(
        tx,
        draft.which,
        draft.statement,
        after=draft.after,
        period_from=draft.period_from,
        period_through=draft.period_through,
    )
    return draft.statement


def _book(tx: Connection, stamp: FactStamp, draft: Draft) -> dict[int, str]:
    """The transfers of what is charged, each with its contract."""
    due = due_of(draft.charges)
    if not due:
        return {}
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
    transfers = transfers_of_entry(tx, stamp.pool, posted.entry_no)
    return {
        transfer.transfer_no: contract
        for transfer, (contract, _, _) in zip(transfers, due, strict=True)
    }


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
