"""Who somebody is to a statement: its merchant, an operator, the finance officer, or nobody.

A fact names its actor; the actor's rights are looked up in the books, so that they are the same
when the fact is replayed.
"""

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection

from server.directory.queries import sign_in_of
from server.directory.values import SignInRole
from server.facts.refused import Refused
from server.settlement.states_values import SettlingProblem

_MACHINE, _PORTAL = "operator:", "portal:"


class Side(StrEnum):
    """On whose side somebody acts."""

    MERCHANT = "merchant"
    OPERATOR = "operator"
    FINANCE = "finance"
    """An operator who may also move money; whoever works at the server's machine may."""


@dataclass(frozen=True, slots=True)
class Party:
    """An actor with his side; ``merchant`` is the one he acts for, None for the pool's people."""

    side: Side
    merchant: str | None


def portal_actor(user: str) -> str:
    """The actor of a fact that somebody who is signed in hands in."""
    return f"{_PORTAL}{user}"


def party_of(tx: Connection, pool: str, actor: str) -> Party | None:
    """Whom the actor of a fact stands for; None: nobody who has a say about statements."""
    if actor.startswith(_MACHINE):
        return Party(Side.FINANCE, None)
    if not actor.startswith(_PORTAL):
        return None
    known = sign_in_of(tx, pool, actor.removeprefix(_PORTAL))
    if known is None:
        return None
    if known.role is SignInRole.MERCHANT:
        return Party(Side.MERCHANT, known.merchant)
    return Party(Side.FINANCE if known.role is SignInRole.FINANCE else Side.OPERATOR, None)


def refuse_all_but_operators(tx: Connection, pool: str, actor: str) -> Refused | None:
    """None for the pool's own people."""
    party = party_of(tx, pool, actor)
    if party is not None and party.merchant is None and party.side is not Side.MERCHANT:
        return None
    return Refused(
        SettlingProblem.NOT_ALLOWED,
        "只有积分池的工作人员可以办理，请联系街道 / only the pool's own people may do this;"
        " ask the street office",
    )


def refuse_all_but_finance(tx: Connection, pool: str, actor: str) -> Refused | None:
    """None for whoever may move money."""
    party = party_of(tx, pool, actor)
    if party is not None and party.side is Side.FINANCE:
        return None
    return Refused(
        SettlingProblem.NOT_ALLOWED,
        "收付款只能由财务人员办理，请用财务账号登录 / only finance may move money;"
        " sign in as finance",
    )
