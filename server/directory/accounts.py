"""Which accounts a pool, a resident and a merchant have, and what they are called.

Only names and shapes; the ledger is opened by whoever is above both rooms.
"""

from dataclasses import dataclass
from typing import Literal

POINTS_ISSUED = "points_issued"
OPENING_POINTS = "opening_points"
POOL_FUND = "pool_fund"
TAKINGS_CONTRA = "takings_contra"


LAPSED_POINTS = "lapsed_points"
EXPIRED_POINTS = "expired_points"
RISK_RESERVE = "risk_reserve"
DONATED_GOODS = "donated_goods"
"""In fen what is set aside of the fund for losses; in points what was written off."""
BANK = "bank"
"""Fen that went out to merchants and came in from them over the pool's bank account."""


OVER_REFUNDS = "over_refunds"
"""Faces what merchants gave back beyond what was sold; nothing is paid from it."""


@dataclass(frozen=True, slots=True)
class AccountPlan:
    """An account as it must be opened. ``hot``: never updated in line, folded on demand."""

    account: str
    asset: Literal["points", "fen"]
    kind: str
    normal: Literal["debit", "credit"]
    floor_at_zero: bool = False
    hot: bool = False


def resident_account(account: str) -> str:
    """A resident's points, by pseudonym; never below zero."""
    return f"resident:{account}"


def overdraft_account(account: str) -> str:
    """What a resident took offline beyond his points: an asset of the pool."""
    return f"offline_overdraft:{account}"


def owed_account(account: str) -> str:
    """What a resident still owes of awards that were clawed back after he had spent them."""
    return f"owed:{account}"


def card_account(card_id: str) -> str:
    """What a denominated card is still worth; never below zero."""
    return f"card:{card_id}"


def redeemed_account(merchant: str) -> str:
    """Points that residents gave to a merchant."""
    return f"redeemed:{merchant}"


def returned_account(merchant: str) -> str:
    """Points that came back to residents through a merchant's refunds."""
    return f"returned:{merchant}"


def merchant_account(merchant: str) -> str:
    """Fen that the pool owes a merchant; may stand on either side."""
    return f"merchant:{merchant}"


def takings_account(merchant: str) -> str:
    """Fen of cash that a merchant took: a memo, the base of the revenue share."""
    return f"takings:{merchant}"


def bearer_accounts(card_id: str) -> tuple[AccountPlan, ...]:
    """The accounts that every denominated card has."""
    return (
        AccountPlan(card_account(card_id), "points", "card", "credit", floor_at_zero=True),
        AccountPlan(
            overdraft_account(card_id), "points", "offline_overdraft", "debit", floor_at_zero=True
        ),
    )


def over_refund_account(merchant: str) -> str:
    """What a merchant gave back beyond what was sold: a memo, points and fen, for a person."""
    return f"over_refund:{merchant}"


def over_refund_accounts(merchant: str) -> tuple[AccountPlan, ...]:
    """Opened when more than was sold came back at a merchant for the first time."""
    own = over_refund_account(merchant)
    return (
        AccountPlan(own, "points", "over_refund", "debit"),
        AccountPlan(own, "fen", "over_refund", "debit"),
        AccountPlan(OVER_REFUNDS, "points", "over_refunds", "credit"),
        AccountPlan(OVER_REFUNDS, "fen", "over_refunds", "credit"),
    )


def lapsed_accounts() -> tuple[AccountPlan, ...]:
    """Where the rest of a card goes that is spent in one go; opened with the first such card."""
    return (AccountPlan(LAPSED_POINTS, "points", "lapsed_points", "credit"),)


def expired_accounts() -> tuple[AccountPlan, ...]:
    """Where points go that nobody used in time; opened when a pool first lets points expire."""
    return (AccountPlan(EXPIRED_POINTS, "points", "expired_points", "credit", hot=True),)


def sponsor_account(sponsor: str) -> str:
    """Fen that a sponsor gave to the pool."""
    return f"sponsor:{sponsor}"


def sponsor_goods_account(sponsor: str) -> str:
    """What the goods were worth, in fen, that a sponsor gave to the pool."""
    return f"sponsor_goods:{sponsor}"


def reserve_accounts() -> tuple[AccountPlan, ...]:
    """The risk reserve's accounts; opened when a pool first uses them."""
    return (
        AccountPlan(RISK_RESERVE, "fen", "risk_reserve", "credit", floor_at_zero=True),
        AccountPlan(RISK_RESERVE, "points", "risk_reserve", "debit", floor_at_zero=True),
    )


def bank_accounts() -> tuple[AccountPlan, ...]:
    """The account that payments to and from merchants pass; opened with the first of them."""
    return (AccountPlan(BANK, "fen", "bank", "debit"),)


def sponsor_accounts(sponsor: str) -> tuple[AccountPlan, ...]:
    """The account that every sponsor has."""
    return (AccountPlan(sponsor_account(sponsor), "fen", "sponsor", "debit", floor_at_zero=True),)


def goods_accounts(sponsor: str) -> tuple[AccountPlan, ...]:
    """A memo of goods that were given, opened with a sponsor's first: the fund has no more for it."""
    own = AccountPlan(
        sponsor_goods_account(sponsor), "fen", "sponsor_goods", "debit", floor_at_zero=True
    )
    return own, AccountPlan(DONATED_GOODS, "fen", "donated_goods", "credit", floor_at_zero=True)


def pool_accounts() -> tuple[AccountPlan, ...]:
    """The accounts that a pool has once."""
    return (
        AccountPlan(POINTS_ISSUED, "points", "points_issued", "debit", hot=True),
        AccountPlan(OPENING_POINTS, "points", "opening_points", "debit", hot=True),
        AccountPlan(POOL_FUND, "fen", "pool_fund", "debit", hot=True),
        AccountPlan(TAKINGS_CONTRA, "fen", "takings_contra", "debit", hot=True),
    )


def resident_accounts(account: str) -> tuple[AccountPlan, ...]:
    """The accounts that every resident has; ``account`` is the pseudonym."""
    return (
        AccountPlan(resident_account(account), "points", "resident", "credit", floor_at_zero=True),
        AccountPlan(
            overdraft_account(account), "points", "offline_overdraft", "debit", floor_at_zero=True
        ),
    )


def owed_accounts(account: str) -> tuple[AccountPlan, ...]:
    """What is opened for a resident when he first owes something; most never do."""
    return (AccountPlan(owed_account(account), "points", "owed", "debit", floor_at_zero=True),)


def merchant_accounts(merchant: str) -> tuple[AccountPlan, ...]:
    """The accounts that every merchant has; each sale touches all but the second."""
    return (
        AccountPlan(redeemed_account(merchant), "points", "redeemed", "credit", hot=True),
        AccountPlan(returned_account(merchant), "points", "returned", "debit"),
        AccountPlan(merchant_account(merchant), "fen", "merchant", "credit", hot=True),
        AccountPlan(takings_account(merchant), "fen", "takings", "credit", hot=True),
    )
