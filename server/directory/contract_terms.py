"""What a contract says about money, and what of it is refused when it is entered.

Amounts are fen, rates basis points, months those of the calendar (Asia/Shanghai).
"""

from enum import StrEnum
from itertools import pairwise

import msgspec
from msgspec import Struct

RATE_MAX_BP = 10_000
AMOUNT_MAX_FEN = 10_000_000_000
RULES_MAX = 64
TIERS_MAX = 32
CATEGORY_MAX = 80
CATEGORY_PREFIX = "category:"

_encoder = msgspec.json.Encoder(order="deterministic")


class Basis(StrEnum):
    """What a share is taken of: cash takings, or with them what points paid for money goods."""

    CASH = "cash"
    ALL = "all"


class Cycle(StrEnum):
    """When a merchant's period ends: whenever the operator settles, or with the calendar."""

    RUN = "run"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class ShareRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The share of one category, or with "" of every category that no other rule names.

    ``tiers`` are (from this many fen of the calendar month's takings, basis points of what lies
    above it and below the next tier), the first from 0.
    """

    category: str = ""
    basis: Basis = Basis.CASH
    tiers: tuple[tuple[int, int], ...]


class ContractTerms(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that a contract says about money.

    Attributes:
        share: what of the takings goes into the pool, rule by rule.
        share_min_fen: what the share of a calendar month comes to at least, by days in force.
        rent_fen: rent of a calendar month, by days in force.
        reimbursement_bp: how much of the points' worth in money the pool pays.
        item_reimbursement_fen: by item: what a unit priced in points costs the pool under this
            contract, instead of what the catalogue says.
        fees: by item, or by ``category:<name>``: what the pool pays for each unit of a voucher
            or a service that was fulfilled.
        cycle: when a statement is made.
    """

    share: tuple[ShareRule, ...] = ()
    share_min_fen: int = 0
    rent_fen: int = 0
    reimbursement_bp: int = RATE_MAX_BP
    item_reimbursement_fen: dict[str, int] = {}
    fees: dict[str, int] = {}
    cycle: Cycle = Cycle.RUN


def simple_terms(share_bp: int, reimbursement_bp: int) -> ContractTerms:
    """One rate of all cash takings, settled whenever the operator settles."""
    return ContractTerms(
        share=(ShareRule(tiers=((0, share_bp),)),), reimbursement_bp=reimbursement_bp
    )


def simple_share_bp(terms: ContractTerms) -> int | None:
    """The one rate of cash of simple terms; None for any other terms."""
    first = terms.share[0] if len(terms.share) == 1 else None
    share_bp = first.tiers[0][1] if first is not None and len(first.tiers) == 1 else -1
    return share_bp if terms == simple_terms(share_bp, terms.reimbursement_bp) else None


def encode_terms(terms: ContractTerms) -> str:
    """The terms as canonical JSON."""
    return _encoder.encode(terms).decode()


def decode_terms(text: str) -> ContractTerms:
    """The other way round."""
    return msgspec.json.decode(text, type=ContractTerms)


def terms_problem(terms: ContractTerms) -> str | None:
    """What is wrong with the terms in themselves, and what to do; or None."""
    if len(terms.share) > RULES_MAX:
        return f"分成规则太多，最多 {RULES_MAX} 条 / at most {RULES_MAX} rules of share"
    seen: set[str] = set()
    for rule in terms.share:
        if rule.category in seen:
            return f"品类“{rule.category}”写了两次，请合并 / a category has two rules; join them"
        seen.add(rule.category)
        if len(rule.category) > CATEGORY_MAX:
            return f"品类名太长，最多 {CATEGORY_MAX} 字 / a category's name is too long"
        problem = _tiers_problem(rule.tiers)
        if problem is not None:
            return problem
    if not 0 <= terms.reimbursement_bp <= RATE_MAX_BP:
        return _bad_rate(terms.reimbursement_bp)
    amounts = {
        "保底 minimum": terms.share_min_fen,
        "租金 rent": terms.rent_fen,
        **terms.item_reimbursement_fen,
        **terms.fees,
    }
    for what, amount_fen in amounts.items():
        if not 0 <= amount_fen <= AMOUNT_MAX_FEN:
            return f"{what} 的金额 {amount_fen} 分不可用，请改 / {amount_fen} fen is out of range"
    return None


def _tiers_problem(tiers: tuple[tuple[int, int], ...]) -> str | None:
    if not 1 <= len(tiers) <= TIERS_MAX:
        return f"每条规则要有 1 到 {TIERS_MAX} 档 / a rule has 1 to {TIERS_MAX} tiers"
    starts = [from_fen for from_fen, _ in tiers]
    if starts[0] != 0 or any(a >= b for a, b in pairwise(starts)):
        return "分档要从 0 开始、逐档升高，请改 / tiers begin at 0 and rise; change them"
    if starts[-1] > AMOUNT_MAX_FEN:
        return f"分档起点太高 / a tier begins above {AMOUNT_MAX_FEN} fen"
    return next((_bad_rate(bp) for _, bp in tiers if not 0 <= bp <= RATE_MAX_BP), None)


def _bad_rate(rate_bp: int) -> str:
    return (
        f"比例 {rate_bp} 个基点不可用，要在 0 到 {RATE_MAX_BP}（100%）之间，请改"
        f" / a rate of {rate_bp} basis points; it lies between 0 and {RATE_MAX_BP} (100 %)"
    )
