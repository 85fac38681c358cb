"""The fund beside trade: sponsors' gifts, what is set aside for losses, and losses written off.

The pool paid the shop when points were taken that were not there, so writing an overdraft off
moves no money out: the reserve gives back to the fund what those points were worth.
"""

import hashlib
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Row, Select, and_, insert, select

from protocol.business_day import business_date
from protocol.money import format_quantity, format_yuan
from server.directory import PoolTerms, pool_terms
from server.directory.accounts import (
    DONATED_GOODS,
    POOL_FUND,
    RISK_RESERVE,
    AccountPlan,
    goods_accounts,
    overdraft_account,
    reserve_accounts,
    sponsor_account,
    sponsor_accounts,
    sponsor_goods_account,
)
from server.directory.bearer import holder_account
from server.facts import FactDesk, FactStamp
from server.facts.actors import same_person
from server.facts.refused import Refused, stands_for_another
from server.ledger import (
    AlreadyPosted,
    Asset,
    EntryDraft,
    KeyConflict,
    Leg,
    Normal,
    Posted,
    balance,
    balances,
    entry_of,
    open_account,
    post,
    transfers_of_entry,
)
from server.redemption.stock import ReceiveStock, receive_stock
from server.settlement import tables as t
from server.settlement.fund_values import (
    ApproveWriteOff,
    FundDone,
    FundFigures,
    FundProblem,
    Gifts,
    Overdrawn,
    ProposeWriteOff,
    ReceiveGift,
    ReceiveGoods,
    RegisterSponsor,
    SetAside,
    WriteOff,
)

GIFT_CODE = "gift"
GOODS_CODE = "goods_given"
SET_ASIDE_CODE = "set_aside"
WRITTEN_OFF_CODE = "written_off"
LOSS_CODE = "loss"


def register(desk: FactDesk) -> None:
    """Makes the desk apply gifts, reserves and write-offs."""
    desk.register("register_sponsor", RegisterSponsor, register_sponsor)
    desk.register("receive_gift", ReceiveGift, receive_gift)
    desk.register("receive_goods", ReceiveGoods, receive_goods)
    desk.register("set_aside", SetAside, set_aside)
    desk.register("propose_write_off", ProposeWriteOff, propose_write_off)
    desk.register("approve_write_off", ApproveWriteOff, approve_write_off)


def register_sponsor(
    tx: Connection, stamp: FactStamp, command: RegisterSponsor
) -> FundDone | Refused:
    """Register a sponsor and open the account. Refused: the id is another sponsor's."""
    name = _sponsor_name(tx, stamp.pool, command.sponsor)
    if name is None:
        tx.execute(
            insert(t.sponsor).values(pool=stamp.pool, sponsor=command.sponsor, name=command.name)
        )
        _open(tx, stamp.pool, sponsor_accounts(command.sponsor))
        return FundDone(command.sponsor)
    if name == command.name:
        return FundDone(command.sponsor, again=True)
    return _conflict(
        ("赞助方编号", "sponsor"), command.sponsor, stands=(name,), asked=(command.name,)
    )


def receive_gift(tx: Connection, stamp: FactStamp, command: ReceiveGift) -> FundDone | Refused:
    """Debit the sponsor and credit the fund, once for a gift."""
    if _sponsor_name(tx, stamp.pool, command.sponsor) is None:
        return _unknown_sponsor(command.sponsor)
    leg = Leg(Asset.FEN, GIFT_CODE, sponsor_account(command.sponsor), POOL_FUND, command.amount_fen)
    return _post_once(tx, stamp, command, f"gift:{command.gift_id}", leg, note=command.note)


def receive_goods(tx: Connection, stamp: FactStamp, command: ReceiveGoods) -> FundDone | Refused:
    """Put the goods on the shelf and note their worth beside the fund, once for a gift.

    Refused: an unknown sponsor or item, or the gift's id stands for another one.
    """
    if _sponsor_name(tx, stamp.pool, command.sponsor) is None:
        return _unknown_sponsor(command.sponsor)
    _open(tx, stamp.pool, goods_accounts(command.sponsor))
    given = sponsor_goods_account(command.sponsor)
    leg = Leg(Asset.FEN, GOODS_CODE, given, DONATED_GOODS, command.worth_fen)
    note = f"{command.item_id} {format_quantity(command.quantity_milli)} {command.note}".strip()
    key = f"gift:{command.gift_id}"
    booked = _post_once(tx, stamp, command, key, leg, note=note)
    if isinstance(booked, Refused) or booked.again:
        return booked
    receipt = ReceiveStock(
        receipt_id=key,
        item_id=command.item_id,
        quantity_milli=command.quantity_milli,
        note=command.note,
    )
    moved = receive_stock(tx, stamp, receipt)
    return moved if isinstance(moved, Refused) else booked


def set_aside(tx: Connection, stamp: FactStamp, command: SetAside) -> FundDone | Refused:
    """Move money from the fund to the risk reserve. Refused: the fund has less."""
    _open(tx, stamp.pool, reserve_accounts())
    key = f"set_aside:{command.set_aside_id}"
    in_fund_fen = _fund_fen(tx, stamp.pool)
    if command.amount_fen > in_fund_fen and entry_of(tx, stamp.pool, key) is None:
        return Refused(
            FundProblem.NOT_ENOUGH_FUND,
            f"积分池只有 {format_yuan(in_fund_fen)} 元，不够转入准备金，请改金额"
            f" / the fund has {format_yuan(in_fund_fen)} yuan; set aside less",
        )
    leg = Leg(Asset.FEN, SET_ASIDE_CODE, POOL_FUND, RISK_RESERVE, command.amount_fen)
    return _post_once(tx, stamp, command, key, leg, note=command.note)


def propose_write_off(
    tx: Connection, stamp: FactStamp, command: ProposeWriteOff
) -> FundDone | Refused:
    """Keep a proposal. Refused: there is no overdraft of so many points."""
    before = _write_off(tx, stamp.pool, command.write_off)
    if before is not None:
        same = (before.account, before.points, before.reason, before.proposed_by) == (
            command.account,
            command.points,
            command.reason,
            stamp.actor,
        )
        if same:
            return FundDone(command.write_off, again=True)
        return _conflict(
            ("核销编号", "write-off"),
            command.write_off,
            stands=(before.account, before.points, before.reason, before.proposed_by),
            asked=(command.account, command.points, command.reason, stamp.actor),
        )
    if holder_account(tx, stamp.pool, command.account) is None:
        return Refused(
            FundProblem.UNKNOWN_RESIDENT,
            f"没有这位居民：{command.account} / not registered: {command.account}",
        )
    problem = _overdraft_problem(tx, stamp.pool, command.account, command.points)
    if problem is not None:
        return problem
    tx.execute(
        insert(t.write_off).values(
            pool=stamp.pool,
            write_off=command.write_off,
            account=command.account,
            points=command.points,
            reason=command.reason,
            proposed_by=stamp.actor,
            fact_no=stamp.fact_no,
        )
    )
    return FundDone(command.write_off)


def approve_write_off(
    tx: Connection, stamp: FactStamp, command: ApproveWriteOff
) -> FundDone | Refused:
    """Book the loss: the overdraft's points, and their worth from the reserve to the fund.

    Refused: nobody proposed it, the same person did, the overdraft was paid back meanwhile,
    or the reserve has too little.
    """
    found = _write_off(tx, stamp.pool, command.write_off)
    if found is None:
        return Refused(
            FundProblem.UNKNOWN_WRITE_OFF,
            f"没有这笔核销：{command.write_off}，请先提出 / nobody proposed {command.write_off}",
        )
    if found.approved_by is not None:
        return FundDone(command.write_off, again=True)
    if same_person(found.proposed_by, stamp.actor):
        return Refused(
            FundProblem.SAME_PERSON,
            "提出的人不能自己批准，请另一个人来批准 / whoever proposed it cannot approve it;"
            " somebody else must",
        )
    problem = _overdraft_problem(tx, stamp.pool, found.account, found.points)
    if problem is not None:
        return problem
    terms = pool_terms(tx, stamp.pool)
    loss_fen = found.points * (terms.fen_per_point or 0)
    _open(tx, stamp.pool, reserve_accounts())
    reserve_fen = balance(tx, stamp.pool, RISK_RESERVE, Asset.FEN)
    if loss_fen > reserve_fen:
        return Refused(
            FundProblem.NOT_ENOUGH_RESERVE,
            f"风险准备金只有 {format_yuan(reserve_fen)} 元，需要 {format_yuan(loss_fen)} 元，请先转入准备金"
            f" / the reserve has {format_yuan(reserve_fen)} of {format_yuan(loss_fen)} yuan; set aside more",
        )
    _book_loss(tx, stamp, found, terms, loss_fen)
    tx.execute(
        insert(t.write_off_approval).values(
            pool=stamp.pool,
            write_off=found.write_off,
            approved_by=stamp.actor,
            loss_fen=loss_fen,
            fact_no=stamp.fact_no,
        )
    )
    return FundDone(command.write_off)


def fund_figures(tx: Connection, pool: str) -> FundFigures:
    """How the pool stands at the snapshot that ``tx`` sees."""
    points: dict[str, int] = {}
    for each in balances(tx, pool, asset=Asset.POINTS):
        points[each.kind] = points.get(each.kind, 0) + each.balance
    overdrawn = [
        Overdrawn(each.account.removeprefix(overdraft_account("")), each.balance)
        for each in balances(tx, pool, kind="offline_overdraft", asset=Asset.POINTS)
        if each.balance > 0
    ]
    overdrawn.sort(key=lambda each: (-each.points, each.account))
    given = {
        each.account: each.balance
        for kind in ("sponsor", "sponsor_goods")
        for each in balances(tx, pool, kind=kind, asset=Asset.FEN)
    }
    sponsors = tx.execute(
        select(t.sponsor).where(t.sponsor.c.pool == pool).order_by(t.sponsor.c.sponsor)
    )
    in_reserve = balances(tx, pool, kind="risk_reserve", asset=Asset.FEN)
    spendable = points.get("resident", 0) + points.get("card", 0)
    fen_per_point = pool_terms(tx, pool).fen_per_point
    return FundFigures(
        fund_fen=_fund_fen(tx, pool),
        reserve_fen=sum(each.balance for each in in_reserve),
        gifts=tuple(
            Gifts(
                row.sponsor,
                row.name,
                given[sponsor_account(row.sponsor)],
                given.get(sponsor_goods_account(row.sponsor), 0),
            )
            for row in sponsors
        ),
        spendable_points=spendable,
        spendable_worth_fen=None if fen_per_point is None else spendable * fen_per_point,
        overdraft_points=points.get("offline_overdraft", 0),
        overdrawn_count=len(overdrawn),
        overdrawn=tuple(overdrawn),
        written_off_points=points.get("risk_reserve", 0),
        write_offs=tuple(write_offs(tx, pool)),
    )


def write_offs(tx: Connection, pool: str) -> list[WriteOff]:
    """Every proposal in the order in which they were made."""
    rows = tx.execute(_write_offs(pool).order_by(t.write_off.c.fact_no))
    return [_as_write_off(row) for row in rows]


def _write_off(tx: Connection, pool: str, write_off: str) -> WriteOff | None:
    row = tx.execute(_write_offs(pool).where(t.write_off.c.write_off == write_off)).one_or_none()
    return _as_write_off(row) if row else None


def _write_offs(pool: str) -> Select[*tuple[Any, ...]]:
    return (
        select(t.write_off, t.write_off_approval.c.approved_by, t.write_off_approval.c.loss_fen)
        .outerjoin(
            t.write_off_approval,
            and_(
                t.write_off_approval.c.pool == t.write_off.c.pool,
                t.write_off_approval.c.write_off == t.write_off.c.write_off,
            ),
        )
        .where(t.write_off.c.pool == pool)
    )


def _as_write_off(row: Row[Any]) -> WriteOff:
    return WriteOff(
        write_off=row.write_off,
        account=row.account,
        points=row.points,
        reason=row.reason,
        proposed_by=row.proposed_by,
        approved_by=row.approved_by,
        loss_fen=row.loss_fen,
    )


def _book_loss(
    tx: Connection, stamp: FactStamp, found: WriteOff, terms: PoolTerms, loss_fen: int
) -> None:
    owed = overdraft_account(found.account)
    legs = [Leg(Asset.POINTS, WRITTEN_OFF_CODE, RISK_RESERVE, owed, found.points)]
    if loss_fen:
        legs.append(Leg(Asset.FEN, LOSS_CODE, RISK_RESERVE, POOL_FUND, loss_fen))
    draft = EntryDraft(
        key=f"write_off:{found.write_off}",
        kind="write_off",
        occurred_at=stamp.recorded_at,
        business_date=business_date(stamp.recorded_at, terms.cut_off_hour),
        legs=tuple(legs),
        memo=found.reason,
    )
    posted = post(tx, stamp.pool, draft, recorded_at=stamp.recorded_at, fact_no=stamp.fact_no)
    assert isinstance(posted, Posted), f"{draft.key}: {posted}"


def _post_once(
    tx: Connection, stamp: FactStamp, command: Struct, key: str, leg: Leg, *, note: str
) -> FundDone | Refused:
    """Book one leg under a key that the command names; the same command again changes nothing."""
    asked = msgspec.json.encode(command, order="deterministic")
    hour = pool_terms(tx, stamp.pool).cut_off_hour
    draft = EntryDraft(
        key=key,
        kind=leg.code,
        occurred_at=stamp.recorded_at,
        business_date=business_date(stamp.recorded_at, hour),
        legs=(leg,),
        memo=note,
        input_hash=hashlib.sha256(asked).digest(),
    )
    posted = post(tx, stamp.pool, draft, recorded_at=stamp.recorded_at, fact_no=stamp.fact_no)
    if isinstance(posted, KeyConflict):
        (stands,) = transfers_of_entry(tx, stamp.pool, posted.entry_no)
        return _conflict(
            ("编号", "id"),
            key.partition(":")[2],
            stands=(stands.debit, stands.credit, _yuan(stands.amount), stands.memo),
            asked=(leg.debit, leg.credit, _yuan(leg.amount), note),
        )
    assert isinstance(posted, Posted | AlreadyPosted), f"{key}: {posted}"
    return FundDone(key.partition(":")[2], again=isinstance(posted, AlreadyPosted))


def _overdraft_problem(tx: Connection, pool: str, account: str, points: int) -> Refused | None:
    overdraft = balance(tx, pool, overdraft_account(account), Asset.POINTS)
    if points <= overdraft:
        return None
    return Refused(
        FundProblem.NOT_OVERDRAWN,
        f"居民 {account} 现在只透支 {overdraft}，不能核销 {points}，请改数目"
        f" / the overdraft is {overdraft} now; {points} cannot be written off",
    )


def _fund_fen(tx: Connection, pool: str) -> int:
    """The fund's account grows on its debit side by what the pool pays, so it is turned round."""
    return -balance(tx, pool, POOL_FUND, Asset.FEN)


def _unknown_sponsor(sponsor: str) -> Refused:
    return Refused(
        FundProblem.UNKNOWN_SPONSOR,
        f"没有这个赞助方：{sponsor}，请先登记 / not registered: {sponsor}",
    )


def _sponsor_name(tx: Connection, pool: str, sponsor: str) -> str | None:
    return tx.execute(
        select(t.sponsor.c.name).where(t.sponsor.c.pool == pool, t.sponsor.c.sponsor == sponsor)
    ).scalar_one_or_none()


def _open(tx: Connection, pool: str, plans: tuple[AccountPlan, ...]) -> None:
    for plan in plans:
        open_account(
            tx,
            pool,
            plan.account,
            Asset(plan.asset),
            plan.kind,
            normal=Normal(plan.normal),
            floor_at_zero=plan.floor_at_zero,
            hot=plan.hot,
        )


def _conflict(
    what: tuple[str, str], key: str, *, stands: tuple[object, ...], asked: tuple[object, ...]
) -> Refused:
    says = stands_for_another(what, key, stands=stands, asked=asked)
    return Refused(FundProblem.CONFLICT, says)


def _yuan(fen: int) -> str:
    return f"{format_yuan(fen)} 元"
