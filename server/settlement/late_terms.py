"""Which contract may be agreed for days that are settled: one that changes no statement.

What a terminal tells late, of a day on which its shop had no contract, can be booked only when
there is one; so it may be agreed afterwards, where nothing that was issued would have been
otherwise: the shop had none on any of the days, so nothing was settled for it there; no rent and
no minimum is due of days whose accounts are closed; and the merchant's periods end as they did.
What is booked under it goes into the next statement with its own date.
"""

from collections.abc import Sequence
from datetime import date, timedelta

from sqlalchemy import Connection

from server.directory.commands import AgreeTerms
from server.directory.contract_terms import Cycle
from server.directory.queries import contract_named, contracts_of
from server.directory.values import Contract, DirectoryProblem
from server.facts.refused import Refused
from server.settlement.periods import cycle_on
from server.settlement.statements import closed_through

_DAY = timedelta(days=1)


def settled_days_problem(tx: Connection, pool: str, command: AgreeTerms) -> Refused | None:
    """Why these terms would change what is settled; None where they do not, and for a contract
    that stands already.
    """
    closed = closed_through(tx, pool, command.merchant)
    if closed is None or command.valid_from > closed:
        return None
    if contract_named(tx, pool, command.contract) is not None:
        return None
    until, next_day = command.valid_until, closed + _DAY
    if until is None or until > closed:
        return _refused(
            f"该商户已结算到 {closed}，合约只能从 {next_day} 起变更；要补签没有合约的日子，"
            f"结束日写到 {closed} 为止，{next_day} 起另签一份",
            f"settled through {closed}; contracts change from {next_day} on. For days without"
            f" one, end it by {closed}, and agree another from {next_day} on",
        )
    if command.terms.rent_fen or command.terms.share_min_fen:
        return _refused(
            f"{until} 已经结算，补签的合约不能写租金和最低额，请去掉",
            "these days are settled: leave out rent and minimum",
        )
    standing = contracts_of(tx, pool, command.merchant)
    in_force = next((each for each in standing if _meets(each, command)), None)
    if in_force is not None:
        return _refused(
            f"该商户已结算到 {closed}，这些日子有合约 {in_force.contract}，不能再改；"
            "只能给没有合约的日子和门店补签",
            f"settled through {closed} under contract {in_force.contract}; only days and shops"
            " without one can be given terms",
        )
    cycle = _other_cycle(standing, command, until)
    if cycle is not None:
        return _refused(
            f"{until} 已经结算，补签的合约结算周期要和当时一样，请写 {cycle.value}",
            f"these days are settled by {cycle.value}: give the same cycle",
        )
    return None


def _meets(other: Contract, command: AgreeTerms) -> bool:
    """Whether the other one is in force on one of these days in one of these shops."""
    same_shop = other.shop == command.shop or None in {other.shop, command.shop}
    ended = other.valid_until is not None and other.valid_until < command.valid_from
    assert command.valid_until is not None, "asked before"
    return same_shop and not ended and other.valid_from <= command.valid_until


def _other_cycle(standing: Sequence[Contract], command: AgreeTerms, until: date) -> Cycle | None:
    """The cycle by which one of these days was settled, where it would be another one now."""
    terms = command.terms
    new = Contract(
        contract=command.contract,
        merchant=command.merchant,
        share_bp=0,
        reimbursement_bp=terms.reimbursement_bp,
        valid_from=command.valid_from,
        valid_until=until,
        shop=command.shop,
        own_terms=terms,
    )
    changes = {command.valid_from}
    changes |= {each.valid_from for each in standing}
    changes |= {each.valid_until + _DAY for each in standing if each.valid_until is not None}
    for day in sorted(day for day in changes if command.valid_from <= day <= until):
        before = cycle_on(standing, day)
        if cycle_on([*standing, new], day) is not before:
            return before
    return None


def _refused(zh: str, en: str) -> Refused:
    return Refused(DirectoryProblem.CLOSED, f"{zh} / {en}")
