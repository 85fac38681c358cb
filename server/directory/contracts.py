"""Agreeing and ending contracts: no overlap, no silent gap, no end in days that are settled.

A contract is for one shop or for all of a merchant's shops; where both are in force on a day, the
shop's own counts. Contracts of the same scope never overlap, and each begins the day after the
one before ended, unless business was interrupted on purpose.
"""

from datetime import date, timedelta

from sqlalchemy import Connection, insert, select, update

from server.directory import tables as t
from server.directory.commands import AgreeTerms, EndContract
from server.directory.contract_terms import (
    CATEGORY_PREFIX,
    encode_terms,
    simple_share_bp,
    terms_problem,
)
from server.directory.queries import contract_named, contracts_of, merchant_of, shop_of
from server.directory.refusals import conflict, differing
from server.directory.values import Contract, DirectoryProblem, Done, Refused

DAY = timedelta(days=1)
FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2199, 12, 31)


def agree_terms(tx: Connection, pool: str, command: AgreeTerms) -> Done | Refused:
    """Take a contract. Whether it touches days that are settled is the caller's to ask before."""
    found = contract_named(tx, pool, command.contract)
    if found is not None:
        return _again(found, command)
    problem = (
        _party_problem(tx, pool, command)
        or _period_problem(command)
        or _terms_problem(tx, pool, command)
        or _neighbour_problem(tx, pool, command)
    )
    if problem is not None:
        return problem
    share_bp = simple_share_bp(command.terms)
    tx.execute(
        insert(t.contract).values(
            pool=pool,
            contract=command.contract,
            merchant=command.merchant,
            shop=command.shop,
            share_bp=share_bp or 0,
            reimbursement_bp=command.terms.reimbursement_bp,
            valid_from=command.valid_from,
            valid_until=command.valid_until,
            terms=encode_terms(command.terms) if share_bp is None else None,
        )
    )
    return Done(command.contract)


def end_contract(
    tx: Connection, pool: str, command: EndContract, *, closed_through: date | None
) -> Done | Refused:
    """Let a contract end early, after its last closed day; ending it so again is a success."""
    found = contract_named(tx, pool, command.contract)
    if found is None:
        return Refused(
            DirectoryProblem.UNKNOWN_CONTRACT,
            f"没有这份合约：{command.contract} / no such contract: {command.contract}",
        )
    if found.valid_until == command.last_day:
        return Done(command.contract, again=True)
    if command.last_day < found.valid_from:
        return _bad_period(
            f"合约 {found.contract} 从 {found.valid_from} 开始，不能在此之前结束，请改日期"
            f" / the contract begins on {found.valid_from}; it cannot end before"
        )
    if found.valid_until is not None and command.last_day > found.valid_until:
        return _bad_period(
            f"合约 {found.contract} 已定于 {found.valid_until} 结束，要延长请另签合约"
            f" / it ends on {found.valid_until} already; agree another contract to go on"
        )
    if closed_through is not None and command.last_day < closed_through:
        return _closed(closed_through)
    own_row = (t.contract.c.pool == pool, t.contract.c.contract == command.contract)
    tx.execute(update(t.contract).where(*own_row).values(valid_until=command.last_day))
    return Done(command.contract)


def _again(found: Contract, command: AgreeTerms) -> Done | Refused:
    same = (found.merchant, found.shop, found.valid_from, found.terms) == (
        command.merchant,
        command.shop,
        command.valid_from,
        command.terms,
    )
    if same and found.valid_until == command.valid_until:
        return Done(command.contract, again=True)
    stands, asked = differing(found.terms, command.terms)
    return conflict(
        "合约编号",
        command.contract,
        stands=(found.merchant, found.shop, found.valid_from, found.valid_until, *stands),
        asked=(command.merchant, command.shop, command.valid_from, command.valid_until, *asked),
    )


def _party_problem(tx: Connection, pool: str, command: AgreeTerms) -> Refused | None:
    if merchant_of(tx, pool, command.merchant) is None:
        return Refused(
            DirectoryProblem.UNKNOWN_MERCHANT,
            f"没有这个商户：{command.merchant}，请先登记 / not registered: {command.merchant}",
        )
    if command.shop is None:
        return None
    shop = shop_of(tx, pool, command.shop)
    if shop is None or shop.merchant != command.merchant:
        return Refused(
            DirectoryProblem.UNKNOWN_SHOP,
            f"商户 {command.merchant} 没有门店 {command.shop}，请先登记门店"
            f" / the merchant has no shop {command.shop}; register it first",
        )
    return None


def _period_problem(command: AgreeTerms) -> Refused | None:
    until = command.valid_until
    if not FIRST_DAY <= command.valid_from <= LAST_DAY or (until is not None and until > LAST_DAY):
        return _bad_period(f"合约 {command.contract} 的日期不可用，请改 / a day out of range")
    if until is not None and until < command.valid_from:
        return _bad_period(
            f"合约 {command.contract} 的结束日早于开始日，请改日期 / the contract ends before it starts"
        )
    return None


def _terms_problem(tx: Connection, pool: str, command: AgreeTerms) -> Refused | None:
    says = terms_problem(command.terms)
    if says is not None:
        return Refused(DirectoryProblem.BAD_TERMS, says)
    named = {*command.terms.item_reimbursement_fen, *command.terms.fees}
    items = sorted(each for each in named if not each.startswith(CATEGORY_PREFIX))
    wrong = f"{CATEGORY_PREFIX}" in named or any(
        each.startswith(CATEGORY_PREFIX) for each in command.terms.item_reimbursement_fen
    )
    if wrong:
        return Refused(
            DirectoryProblem.BAD_TERMS,
            "按品类的写法只用于费用，并要写品类名 / only fees go by category, and name it",
        )
    rows = select(t.item.c.item_id).where(t.item.c.pool == pool, t.item.c.item_id.in_(items))
    known = set(tx.execute(rows).scalars())
    missing = next((each for each in items if each not in known), None)
    if missing is not None:
        return Refused(
            DirectoryProblem.UNKNOWN_ITEM,
            f"没有这个商品：{missing}，请先登记 / not registered: {missing}",
        )
    return None


def _neighbour_problem(tx: Connection, pool: str, command: AgreeTerms) -> Refused | None:
    """Overlaps and gaps with contracts of the same scope."""
    until = command.valid_until or date.max
    same_scope = [
        each for each in contracts_of(tx, pool, command.merchant) if each.shop == command.shop
    ]
    for other in same_scope:
        if other.valid_from <= until and (other.valid_until or date.max) >= command.valid_from:
            return Refused(
                DirectoryProblem.OVERLAP,
                f"合约 {command.contract} 与 {other.contract} 的日期重叠，请改日期，或先结束 {other.contract}"
                f" / overlaps with contract {other.contract}; change the days or end that one first",
            )
    if command.resumes:
        return None
    before = [
        each.valid_until
        for each in same_scope
        if each.valid_until is not None and each.valid_until < command.valid_from
    ]
    after = [each.valid_from for each in same_scope if each.valid_from > until]
    if before and max(before) + DAY != command.valid_from:
        return _gap(max(before) + DAY, command.valid_from - DAY)
    if after and min(after) - DAY != until:
        return _gap(until + DAY, min(after) - DAY)
    return None


def _gap(first: date, last: date) -> Refused:
    return Refused(
        DirectoryProblem.GAP,
        f"{first} 到 {last} 没有合约。请改日期；确实停业的，请注明恢复营业（resumes）"
        f" / no contract from {first} to {last}: change the days, or say that business resumes",
    )


def _bad_period(says: str) -> Refused:
    return Refused(DirectoryProblem.BAD_PERIOD, says)


def _closed(closed_through: date) -> Refused:
    return Refused(
        DirectoryProblem.CLOSED,
        f"该商户已结算到 {closed_through}，合约只能从 {closed_through + DAY} 起变更"
        f" / settled through {closed_through}; contracts change from {closed_through + DAY} on",
    )
