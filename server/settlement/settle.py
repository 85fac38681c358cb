"""Closing a period: every transfer that concerns a merchant goes into one statement (I8).

A run takes what was booked by facts before it and belongs to a day up to `through`. What comes
later with such a date is late: the next run takes it, with its own date. The fact log is applied
fact by fact, so nothing is booked while a run reads.
"""

from collections import defaultdict
from dataclasses import asdict, dataclass
from datetime import date, timedelta

from sqlalchemy import Connection, insert

from protocol.business_day import business_date, closes_at
from server.directory.accounts import POOL_FUND, merchant_account
from server.directory.queries import contracts_of, cut_off_hour, merchants
from server.directory.values import Contract, Merchant
from server.facts import FactDesk, FactStamp
from server.ledger import (
    Asset,
    EntryDraft,
    Leg,
    Posted,
    TransferRecord,
    entry_of,
    post,
    transfers_of_entry,
)
from server.settlement.figures import (
    REFUND_KEY,
    SALE_KEY,
    SHARE_CODE,
    SHARE_KEY,
    SettlementFault,
    share_of,
    totals_of,
)
from server.settlement.statements import (
    last_run,
    placed_numbers,
    run_through,
    statements_of,
    transfers_concerning,
)
from server.settlement.tables import settlement_run, statement, statement_line, statement_share
from server.settlement.values import (
    Settle,
    Settled,
    SettleProblem,
    SettleRefused,
    Share,
)


def register(desk: FactDesk) -> None:
    """Makes the desk apply :class:`Settle`."""
    desk.register("settle", Settle, settle)


def statement_id(merchant: str, through: date) -> str:
    """`shop-a-20260301`: the same for whoever asks again."""
    return f"{merchant}-{through:%Y%m%d}"


@dataclass(frozen=True, slots=True)
class _Placed:
    """A transfer on its way into the statement, with the terms that count for it."""

    transfer: TransferRecord
    contract: Contract
    late: bool


@dataclass(frozen=True, slots=True)
class _Frame:
    """Whose statement it is, and of which period."""

    statement: str
    merchant: str
    period_from: date
    period_through: date
    run: str


def settle(tx: Connection, stamp: FactStamp, command: Settle) -> Settled | SettleRefused:
    """Make one statement for each merchant who was registered by the end of the period.

    Settling through the same day again answers what was made then and writes nothing.
    Refused: a day that is not over, a day before one that is settled already, and a merchant
    who traded on a day on which no contract was in force.
    """
    done = run_through(tx, stamp.pool, command.through)
    if done is not None:
        made = statements_of(tx, stamp.pool, run=done.run)
        return Settled(done.run, done.through, tuple(each.statement for each in made), again=True)
    hour = cut_off_hour(tx, stamp.pool)
    refused = _refuse_day(tx, stamp, command.through, hour)
    if refused is not None:
        return refused
    tx.execute(
        insert(settlement_run).values(
            pool=stamp.pool,
            run=command.run,
            through=command.through,
            fact_no=stamp.fact_no,
            settled_at=stamp.recorded_at,
            settled_by=command.settled_by,
        )
    )
    made_now = []
    # Sorted here, since databases sort text by their locale, and the order gives out numbers.
    for merchant in sorted(merchants(tx, stamp.pool), key=lambda each: each.merchant):
        first_day = business_date(merchant.registered_at, hour)
        if first_day > command.through:
            continue
        outcome = _settle_merchant(tx, stamp, command, merchant, first_day)
        if isinstance(outcome, SettleRefused):
            return outcome
        made_now.append(outcome)
    return Settled(command.run, command.through, tuple(made_now), again=False)


def _refuse_day(tx: Connection, stamp: FactStamp, through: date, hour: int) -> SettleRefused | None:
    today = business_date(stamp.recorded_at, hour)
    if through >= today:
        # The calendar ends, and a day far off needs no hour: only today's is told.
        when = f"{closes_at(today, hour):%Y-%m-%d %H:%M}" if through == today else f"{through}"
        return SettleRefused(
            reason=SettleProblem.PERIOD_OPEN,
            says=f"营业日 {through} 还没有结束，请在 {when} 之后结算"
            f" / business day {through} is not over yet",
            day=through,
        )
    latest = last_run(tx, stamp.pool)
    if latest is not None and latest.through > through:
        return SettleRefused(
            reason=SettleProblem.SETTLED_FURTHER,
            says=f"已经结算到 {latest.through}，迟到的账会进入下一期"
            f" / settled through {latest.through} already; what is late goes into the next period",
            day=through,
        )
    return None


def _settle_merchant(
    tx: Connection, stamp: FactStamp, command: Settle, merchant: Merchant, first_day: date
) -> str | SettleRefused:
    before = statements_of(tx, stamp.pool, merchant=merchant.merchant, limit=1)
    opened = before[0].settled_below if before else 1
    frame = _Frame(
        statement=statement_id(merchant.merchant, command.through),
        merchant=merchant.merchant,
        period_from=before[0].period_through + timedelta(days=1) if before else first_day,
        period_through=command.through,
        run=command.run,
    )
    placed_before = placed_numbers(tx, stamp.pool, frame.merchant, first=opened)
    found = transfers_concerning(tx, stamp.pool, frame.merchant, first=opened)
    unplaced = [each for each in found if each.transfer_no not in placed_before]
    contracts = contracts_of(tx, stamp.pool, frame.merchant)
    placed = []
    for transfer in unplaced:
        if transfer.business_date > frame.period_through:
            continue
        day = _terms_day(tx, stamp.pool, transfer)
        contract = next((each for each in contracts if each.in_force(day)), None)
        if contract is None:
            return SettleRefused(
                reason=SettleProblem.NO_CONTRACT,
                says=f"商户“{merchant.name}”（{merchant.merchant}）在 {day} 有交易但没有合约，"
                f"请先补签合约再结算 / merchant {merchant.merchant} traded on {day} without a contract",
                merchant=merchant.merchant,
                day=day,
            )
        late = transfer.business_date < frame.period_from
        placed.append(_Placed(transfer, contract, late=late))
    shares = _shares(placed, frame.merchant)
    placed += _book_shares(tx, stamp, frame, placed, shares)
    later = [each.transfer_no for each in unplaced if each.business_date > frame.period_through]
    last_placed = max((each.transfer.transfer_no for each in placed), default=opened - 1)
    _write(tx, stamp.pool, frame, placed, shares, settled_below=min(later, default=last_placed + 1))
    return frame.statement


def _terms_day(tx: Connection, pool: str, transfer: TransferRecord) -> date:
    """The day whose contract counts: a refund gives back at the terms of its sale."""
    if not transfer.key.startswith(REFUND_KEY):
        return transfer.business_date
    sale = entry_of(tx, pool, SALE_KEY + transfer.memo)
    if sale is None:
        raise SettlementFault(f"{transfer.key}: its sale {transfer.memo} is not in the books")
    return sale.business_date


def _shares(placed: list[_Placed], merchant: str) -> list[Share]:
    """One for each contract that counts on the statement, in the order of their ids."""
    by_contract: dict[str, list[_Placed]] = defaultdict(list)
    for each in placed:
        by_contract[each.contract.contract].append(each)
    shares = []
    for contract in sorted(by_contract):
        under = by_contract[contract]
        cash_fen = totals_of(merchant, (each.transfer for each in under)).cash_fen
        shares.append(share_of(contract, under[0].contract.share_bp, cash_fen))
    return shares


def _book_shares(
    tx: Connection, stamp: FactStamp, frame: _Frame, placed: list[_Placed], shares: list[Share]
) -> list[_Placed]:
    """Book what the merchant owes the pool; the transfers go into the same statement."""
    due = [share for share in shares if share.share_fen != 0]
    if not due:
        return []
    owed, fund = merchant_account(frame.merchant), POOL_FUND
    draft = EntryDraft(
        key=SHARE_KEY + frame.statement,
        kind=SHARE_CODE,
        occurred_at=stamp.recorded_at,
        business_date=frame.period_through,
        legs=tuple(
            Leg(Asset.FEN, SHARE_CODE, owed, fund, share.share_fen)
            if share.share_fen > 0
            else Leg(Asset.FEN, SHARE_CODE, fund, owed, -share.share_fen)
            for share in due
        ),
        memo=frame.run,
    )
    posted = post(tx, stamp.pool, draft, recorded_at=stamp.recorded_at, fact_no=stamp.fact_no)
    if not isinstance(posted, Posted):
        raise SettlementFault(f"{draft.key}: {posted}")
    contracts = {each.contract.contract: each.contract for each in placed}
    transfers = transfers_of_entry(tx, stamp.pool, posted.entry_no)
    return [
        _Placed(transfer, contracts[share.contract], late=False)
        for transfer, share in zip(transfers, due, strict=True)
    ]


def _write(
    tx: Connection,
    pool: str,
    frame: _Frame,
    placed: list[_Placed],
    shares: list[Share],
    *,
    settled_below: int,
) -> None:
    totals = totals_of(frame.merchant, (each.transfer for each in placed))
    tx.execute(
        insert(statement).values(
            pool=pool,
            **asdict(frame),
            **asdict(totals),
            net_fen=totals.net_fen,
            settled_below=settled_below,
        )
    )
    own = {"pool": pool, "statement": frame.statement}
    if shares:
        tx.execute(insert(statement_share), [own | asdict(share) for share in shares])
    if placed:
        tx.execute(
            insert(statement_line),
            [
                own
                | {
                    "transfer_no": each.transfer.transfer_no,
                    "contract": each.contract.contract,
                    "late": each.late,
                }
                for each in placed
            ],
        )
